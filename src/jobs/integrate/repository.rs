//! Tells the integration repository what the newest metapackage holds: by one commit, or by one pull
//! request that is updated in place.
//!
//! What is wanted follows from the channel, not from what was done before: files that say it already need
//! nothing, so every step can be repeated. When the power fails before a commit, it is decided anew; after it, its
//! trailer on the head is its receipt. After a push the branch's head carries our key, and is pushed again from
//! the base; a pull request that was opened is found by its branch and its hidden marker.

use std::collections::BTreeMap;

use anyhow::{Context as _, anyhow};
use serde_json::json;

use super::Integrate;
use super::observe::Held;
use super::timeline::Told;
use crate::config::IntegrationRepository;
use crate::daemon::{RunContext, RunError};
use crate::decide::build_config::{KnownProposal, ProposalStep, step};
use crate::digest::sha256_hex;
use crate::domain::Via;
use crate::ecosystem::conda::files::build_config::BuildConfig;
use crate::ecosystem::conda::files::distribution_data::DistributionData;
use crate::failure::Failure;
use crate::github::markdown::code;
use crate::github::{
    Absence, BranchName, CommitMessage, CommitRefused, FileChange, Lookup, NewPullRequest, OpenRefused,
    PullRequestSeen, PullRequestState, PushRefused, RepositoryView, marker,
};

/// What the kind of action is called in the journal, and what our keys begin with.
const KIND: &str = "build-config";

/// The files as they are wanted, and what changes in them.
struct Wanted {
    files: Vec<FileChange>,
    /// The version of the metapackage.
    version: String,
    /// Each member whose line changes: before, where there was one, and after.
    changes: BTreeMap<String, (Option<String>, String)>,
    /// A digest of the wanted files.
    fingerprint: String,
}

impl Integrate {
    /// Brings the repository's files to what the metapackage holds, and says in a clause what was done;
    /// nothing where they say so already, or where no repository is set up.
    pub(super) async fn tell_repository(
        &self,
        held: &Held,
        context: &RunContext,
    ) -> Result<Option<String>, RunError> {
        let Some(settings) = &self.settings.repository else { return Ok(None) };
        let github = self.services.github()?;
        let paths = [settings.build_config.as_str(), settings.data.as_str()];
        let view = github.view(&settings.name, &paths, &[]).await?;
        self.take_over(settings, &view, context).await?;
        if settings.via == Via::PullRequest {
            self.follow_pull(settings, context).await?;
        }
        let wanted = wanted(settings, &view, held)?;
        if wanted.files.is_empty() {
            return Ok(None);
        }
        match settings.via {
            Via::Commit => self.commit(settings, &view, &wanted, context).await,
            Via::PullRequest => self.propose(settings, &view, &wanted, context).await,
        }
    }

    /// Ends what an interrupted attempt left open in the journal: an effect that is there gets its receipt,
    /// anything else is decided anew.
    async fn take_over(
        &self,
        settings: &IntegrationRepository,
        view: &RepositoryView,
        context: &RunContext,
    ) -> Result<(), RunError> {
        let store = &self.services.store;
        let prefix = format!("{KIND}/{}/", settings.name);
        for action in store.open_actions().await? {
            let Some(about) = action.key.strip_prefix(&prefix) else { continue };
            let fingerprint = about.split('/').nth(1).unwrap_or_default();
            let told = Told::of_intent(&action.intent, fingerprint);
            let receipt = match settings.via {
                Via::Commit => match self.committed(settings, view, &action.key).await? {
                    Some(commit) => {
                        self.tell_of_commit(settings, &told, &commit, context).await?;
                        Some(json!({ "commit": commit }))
                    }
                    None => None,
                },
                Via::PullRequest => {
                    let pulls = self.pulls(settings).await?;
                    match pulls.iter().find(|pull| fingerprint_of(pull).as_deref() == Some(fingerprint)) {
                        Some(pull) => {
                            self.tell_of_pull(settings, &told, pull.number, context).await?;
                            Some(json!({ "number": pull.number }))
                        }
                        None => None,
                    }
                }
            };
            match receipt {
                Some(receipt) => self.done(&action.key, receipt).await?,
                None => {
                    let why =
                        "an interruption left it without an effect that can be seen; it is decided anew";
                    store.abandon(&action.key, why, self.services.clock.now()).await?;
                }
            }
        }
        Ok(())
    }

    /// The commit at the head of the default branch, where it carries this key.
    async fn committed(
        &self,
        settings: &IntegrationRepository,
        view: &RepositoryView,
        key: &str,
    ) -> Result<Option<String>, RunError> {
        let branch = view.default_branch.parse().map_err(anyhow::Error::from)?;
        match self.services.github()?.branch_head(&settings.name, &branch).await {
            Lookup::Found(head) if marker::key_of_commit(&head.message) == Some(key) => {
                Ok(Some(head.oid.to_string()))
            }
            Lookup::Found(_) | Lookup::Absent { .. } => Ok(None),
            Lookup::Failed(failure) => Err(failure.into()),
        }
    }

    /// The branch that every pull request of the distribution comes from.
    pub(super) fn branch(&self) -> anyhow::Result<BranchName> {
        Ok(format!("tidegate/{}", self.distribution.name).parse()?)
    }

    /// The pull requests from that branch, open and closed, by number.
    pub(super) async fn pulls(
        &self,
        settings: &IntegrationRepository,
    ) -> Result<Vec<PullRequestSeen>, RunError> {
        Ok(self.services.github()?.find_pull_requests_by_head(&settings.name, &self.branch()?).await?)
    }

    async fn commit(
        &self,
        settings: &IntegrationRepository,
        view: &RepositoryView,
        wanted: &Wanted,
        context: &RunContext,
    ) -> Result<Option<String>, RunError> {
        let key = self.intend(settings, view, wanted, context).await?;
        let branch = view.default_branch.parse().map_err(anyhow::Error::from)?;
        let message = self.message(wanted, &key);
        let github = self.services.github()?;
        match github.commit_files(&settings.name, &branch, &view.head, &wanted.files, &message).await {
            Ok(committed) => {
                let commit = committed.oid.to_string();
                self.tell_of_commit(settings, &wanted.told(), &commit, context).await?;
                self.done(&key, json!({ "commit": commit })).await?;
                Ok(Some(format!("{} was committed to {}", message.headline, settings.name)))
            }
            // Somebody committed meanwhile, or an answer was lost: the next attempt looks again.
            Err(CommitRefused::HeadMoved { message }) => Err(Failure::transient(message).into()),
            Err(CommitRefused::Failed(failure)) => Err(failure.into()),
        }
    }

    async fn propose(
        &self,
        settings: &IntegrationRepository,
        view: &RepositoryView,
        wanted: &Wanted,
        context: &RunContext,
    ) -> Result<Option<String>, RunError> {
        let github = self.services.github()?;
        let branch = self.branch()?;
        let pulls = self.pulls(settings).await?;
        let known: Vec<KnownProposal> = pulls.iter().map(known).collect();
        let open = match step(&known, &wanted.fingerprint) {
            ProposalStep::Refused(number) => {
                return Ok(Some(format!("pull request #{number} was closed: no, for these builds")));
            }
            ProposalStep::Stands => {
                let open = known.iter().rev().find(|one| one.open);
                self.note_followed(open.map(|one| one.number)).await?;
                return Ok(None);
            }
            ProposalStep::Update(number) => Some(number),
            ProposalStep::Open => None,
        };
        let expected = match github.branch_head(&settings.name, &branch).await {
            Lookup::Found(head) if ours(&head.message) => Some(head.oid),
            Lookup::Found(_) => {
                return Ok(Some(format!("somebody else committed to {branch}, which is left alone")));
            }
            Lookup::Absent { reason: Absence::NoSuchBranch } => None,
            Lookup::Absent { reason } => {
                return Err(RunError::Permanent(anyhow!("{}: {reason}", settings.name)));
            }
            Lookup::Failed(failure) => return Err(failure.into()),
        };
        let key = self.intend(settings, view, wanted, context).await?;
        let message = self.message(wanted, &key);
        let pushed = github
            .push_branch(&settings.name, &branch, &view.head, expected.as_ref(), &wanted.files, &message)
            .await;
        match pushed {
            Ok(_) => {}
            Err(error @ PushRefused::BranchMoved { .. }) => {
                return Err(Failure::transient(error.to_string()).into());
            }
            Err(PushRefused::Failed(failure)) => return Err(failure.into()),
        }
        let body = self.body(settings, wanted);
        let number = match open {
            Some(number) => {
                github.update_pull_request(&settings.name, number, &message.headline, &body).await?;
                number
            }
            None => self.open(settings, view, &branch, (&message.headline, &body)).await?,
        };
        self.tell_of_pull(settings, &wanted.told(), number, context).await?;
        self.done(&key, json!({ "number": number })).await?;
        Ok(Some(format!("pull request #{number} of {}: {}", settings.name, message.headline)))
    }

    async fn open(
        &self,
        settings: &IntegrationRepository,
        view: &RepositoryView,
        branch: &BranchName,
        (title, body): (&str, &str),
    ) -> Result<u64, RunError> {
        let new = NewPullRequest {
            title: title.to_owned(),
            body: body.to_owned(),
            head: branch.clone(),
            base: view.default_branch.parse().map_err(anyhow::Error::from)?,
            draft: false,
        };
        match self.services.github()?.open_pull_request(&settings.name, &new).await {
            Ok(number) => Ok(number),
            Err(error @ (OpenRefused::AlreadyExists | OpenRefused::NoCommits)) => {
                Err(Failure::transient(error.to_string()).into())
            }
            Err(OpenRefused::Failed(failure)) => Err(failure.into()),
        }
    }

    /// Writes the intention down before the effect. The key names what is wanted on which head.
    async fn intend(
        &self,
        settings: &IntegrationRepository,
        view: &RepositoryView,
        wanted: &Wanted,
        context: &RunContext,
    ) -> anyhow::Result<String> {
        let key = format!("{KIND}/{}/{}/{}", settings.name, view.head, wanted.fingerprint);
        let key = self.services.store.fresh_action_key(key).await?;
        let intent = json!({ "version": wanted.version, "changes": wanted.changes });
        let now = self.services.clock.now();
        self.services.store.intend(&key, KIND, &intent, context.run_id, now).await?;
        Ok(key)
    }

    async fn done(&self, key: &str, receipt: serde_json::Value) -> anyhow::Result<()> {
        self.services.store.finish(key, &receipt, self.services.clock.now()).await
    }

    fn message(&self, wanted: &Wanted, key: &str) -> CommitMessage {
        let lines: String =
            wanted.changes.iter().map(|(name, change)| format!("- {name} {}\n", told(change))).collect();
        let trailer = marker::trailer(key).unwrap_or_default();
        CommitMessage { headline: self.headline(&wanted.version), body: format!("{lines}\n{trailer}") }
    }

    /// What the pull request says, as a maintainer reads it.
    fn body(&self, settings: &IntegrationRepository, wanted: &Wanted) -> String {
        let rows: String = wanted
            .changes
            .iter()
            .map(|(name, (from, to))| {
                let from = from.as_deref().map_or_else(|| "new".to_owned(), code);
                format!("| {} | {from} | {} |\n", code(name), code(to))
            })
            .collect();
        let marker = marker::render(&json!({ "integrate": wanted.fingerprint }));
        format!(
            "{} {} holds exactly these builds; they can be installed together on {}.\n\n\
             | member | before | now |\n| --- | --- | --- |\n{rows}\n\
             The metapackage and its members lie in `{}` already; this brings {} and {} to what it holds. A newer \
             metapackage updates this pull request in place. Closing it is a no for these builds.\n\n{marker}\n",
            code(&self.distribution.metapackage),
            code(&wanted.version),
            self.distribution.platforms.iter().cloned().collect::<Vec<_>>().join(" and "),
            self.settings.to,
            code(&settings.build_config),
            code(&settings.data),
        )
    }
}

impl Wanted {
    fn told(&self) -> Told {
        Told {
            version: self.version.clone(),
            members: self.changes.keys().cloned().collect(),
            fingerprint: self.fingerprint.clone(),
        }
    }
}

/// The files that have to change, and how.
fn wanted(settings: &IntegrationRepository, view: &RepositoryView, held: &Held) -> anyhow::Result<Wanted> {
    let text = |path: &str| {
        let found = view.files.get(path).and_then(Option::as_deref);
        found.with_context(|| {
            format!("{} has no file {path}; make it, or correct the job's file", settings.name)
        })
    };
    let unreadable = |path: &str| format!("{path} of {} cannot be read", settings.name);
    let version = held.metapackages.values().next().context("a metapackage is there")?.version.clone();
    let before = text(&settings.build_config)?;
    let mut config = BuildConfig::read(before).with_context(|| unreadable(&settings.build_config))?;
    let mut changes = BTreeMap::new();
    for (name, builds) in &held.members {
        let Some(build) = builds.values().next() else { continue };
        let known = config.value(name).map(str::to_owned);
        if known.as_deref() != Some(&*build.version) {
            changes.insert(name.clone(), (known, build.version.clone()));
        }
        config.set(name, &build.version);
    }
    let data_before = text(&settings.data)?;
    let mut data = DistributionData::read(data_before).with_context(|| unreadable(&settings.data))?;
    data.run.extend(held.members.keys().cloned());
    data.version = Some(version.clone());
    let after =
        [(&settings.build_config, before, config.to_text()?), (&settings.data, data_before, data.to_text()?)];
    let files: Vec<FileChange> = after
        .into_iter()
        .filter(|(_, before, after)| before != after)
        .map(|(path, _, after)| FileChange { path: path.clone(), contents: Some(after) })
        .collect();
    let mut texts = String::new();
    for file in &files {
        texts += &format!("{}\n{}\n", file.path, file.contents.as_deref().unwrap_or_default());
    }
    Ok(Wanted { files, version, changes, fingerprint: sha256_hex(texts.as_bytes()) })
}

fn told((from, to): &(Option<String>, String)) -> String {
    match from {
        Some(from) => format!("{from} → {to}"),
        None => format!("{to} (new)"),
    }
}

/// Whether a commit is ours, by the key in its trailer.
fn ours(message: &str) -> bool {
    marker::key_of_commit(message).is_some_and(|key| key.starts_with(KIND))
}

fn known(pull: &PullRequestSeen) -> KnownProposal {
    KnownProposal {
        number: pull.number,
        open: pull.state == PullRequestState::Open,
        refused: pull.state == PullRequestState::Closed,
        fingerprint: fingerprint_of(pull),
    }
}

/// What a pull request of ours wants, by its hidden marker.
fn fingerprint_of(pull: &PullRequestSeen) -> Option<String> {
    marker::parse(&pull.body)?["integrate"].as_str().map(str::to_owned)
}
