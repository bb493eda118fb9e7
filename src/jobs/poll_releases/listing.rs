//! Changes of the channel's own list, each as one pull request from a constant branch.
//!
//! What is wanted follows from what was seen and from removals, not from what was done before. When the power
//! fails before the push, it is decided anew; after it, the branch's head carries our key, and it is pushed
//! again from the base; a pull request that was opened is found by its branch and its hidden marker. One that a
//! person closed is a no for this change, and one that was merged and undone is not proposed again.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;

use super::{PollReleases, SeenReleases};
use crate::daemon::{RunContext, RunError};
use crate::decide::build_config::{KnownProposal, ProposalStep, step};
use crate::decide::promote::text_digest;
use crate::decide::upstream::{ListChange, ListFacts, list_changes};
use crate::domain::{PackageName, RepositorySeen};
use crate::ecosystem::cran::files::PackagesFile;
use crate::failure::Failure;
use crate::github::{
    Absence, BranchName, CommitMessage, FileChange, Lookup, NewPullRequest, Oid, OpenRefused,
    PullRequestSeen, PullRequestState as SeenState, PushRefused, RepositoryName, RepositoryView, marker,
};
use crate::jobs::channel_files::{self, PACKAGES};
use crate::store::{NewEvent, PullRequest, PullRequestState};

/// What the kind of action is called in the journal, and what our keys begin with.
const KIND: &str = "listing";

/// The channel's repository as a pass sees it, and what it is seen for.
struct Bench<'a> {
    repository: &'a RepositoryName,
    view: RepositoryView,
    context: &'a RunContext,
    now: Timestamp,
}

impl PollReleases {
    /// Brings the pull requests to what the list needs, and counts those that were opened or changed.
    pub(super) async fn bring_list_up_to_date(
        &self,
        seen: &SeenReleases,
        context: &RunContext,
        now: Timestamp,
    ) -> Result<usize, RunError> {
        let store = &self.services.store;
        let repository = channel_files::repository(&self.distribution, &self.settings.channel)?;
        let mut removals = store.removals_in_force(&self.distribution.name).await?;
        removals.retain(|_, removal| removal.covers(&self.settings.channel));
        let repositories = self.moved(seen);
        let prefix = format!("{KIND}/{repository}/");
        let mut interrupted = store.open_actions().await?;
        interrupted.retain(|action| action.key.starts_with(&prefix));
        let open = self.open_rows(repository).await?;
        if repositories.is_empty() && removals.is_empty() && interrupted.is_empty() && open.is_empty() {
            return Ok(0);
        }
        let view = self.services.github()?.view(repository, &[PACKAGES], &[]).await?;
        let text = view.files.get(PACKAGES).and_then(Option::as_deref);
        let listings = channel_files::parse_listings(repository, text)?.listings;
        let bench = Bench { repository, view, context, now };
        let changes = list_changes(&ListFacts {
            distribution: &self.distribution.name,
            channel: &self.settings.channel,
            listings: &listings,
            repositories: &repositories,
            removals: &removals,
        });
        let mut acted = 0;
        for change in &changes {
            acted += usize::from(self.propose(&bench, change).await? == Acted::Changed);
        }
        let wanted = |row: &PullRequest| changes.iter().any(|change| change.key == row.key);
        for row in open.into_iter().filter(|row| !wanted(row)) {
            acted += usize::from(self.let_go(&bench, row).await? == Acted::Changed);
        }
        for action in interrupted {
            // What was carried out in this pass has its receipt by now.
            let still = store.action(&action.key).await?.filter(|action| action.receipt.is_none());
            if still.is_some() {
                store.abandon(&action.key, "a later pass decided anew", now).await?;
            }
        }
        Ok(acted)
    }

    /// The repositories that have another name, where the policy lets that be proposed.
    fn moved(&self, seen: &SeenReleases) -> BTreeMap<PackageName, RepositorySeen> {
        if !self.distribution.policy.upstream.propose_listing {
            return BTreeMap::new();
        }
        let moved = seen.iter().filter_map(|(package, row)| {
            let repository = row.repository.clone().filter(|repository| repository.moved.is_some())?;
            Some((package.clone(), repository))
        });
        moved.collect()
    }

    /// The pull requests of this kind that were open when they were seen last.
    async fn open_rows(&self, repository: &RepositoryName) -> anyhow::Result<Vec<PullRequest>> {
        let moved = format!("{}/moved.", self.settings.channel);
        let removal = format!("{}/removal-", self.settings.channel);
        let mut rows = self.services.store.pull_requests(repository.as_str()).await?;
        rows.retain(|row| {
            let open = matches!(row.state, PullRequestState::Open | PullRequestState::HandsOff);
            open && (row.key.starts_with(&moved) || row.key.starts_with(&removal))
        });
        Ok(rows)
    }

    fn branch(&self, key: &str) -> anyhow::Result<BranchName> {
        Ok(format!("{}{key}", self.distribution.policy.pull_request.branch_prefix).parse()?)
    }

    async fn propose(&self, bench: &Bench<'_>, change: &ListChange) -> Result<Acted, RunError> {
        let branch = self.branch(&change.key)?;
        let github = self.services.github()?;
        let pulls = github.find_pull_requests_by_head(bench.repository, &branch).await?;
        let known: Vec<KnownProposal> = pulls.iter().map(known).collect();
        let update = match step(&known, &change.fingerprint) {
            ProposalStep::Refused(number) => {
                self.remember(bench, change, &branch, pull(&pulls, number)).await?;
                return Ok(Acted::Nothing);
            }
            ProposalStep::Stands => {
                let standing = pulls.iter().rev().find(|pull| pull.state == SeenState::Open);
                let conflicting = bench.view.pulls.iter().find(|seen| {
                    Some(seen.number) == standing.map(|pull| pull.number) && seen.mergeable == Some(false)
                });
                self.remember(bench, change, &branch, standing).await?;
                match conflicting {
                    Some(seen) => Some(seen.number),
                    None => return Ok(Acted::Nothing),
                }
            }
            ProposalStep::Update(number) => Some(number),
            ProposalStep::Open => None,
        };
        let expected = match github.branch_head(bench.repository, &branch).await {
            Lookup::Found(head) if is_ours(&head.message) => Some(head.oid),
            // A person committed to it: it is theirs to finish.
            Lookup::Found(_) => return Ok(Acted::Nothing),
            Lookup::Absent { reason: Absence::NoSuchBranch } => None,
            Lookup::Absent { reason } => {
                return Err(RunError::Permanent(anyhow::anyhow!("{}: {reason}", bench.repository)));
            }
            Lookup::Failed(failure) => return Err(failure.into()),
        };
        self.carry_out(bench, change, &branch, (update, expected)).await?;
        Ok(Acted::Changed)
    }

    async fn carry_out(
        &self,
        bench: &Bench<'_>,
        change: &ListChange,
        branch: &BranchName,
        (update, expected): (Option<u64>, Option<Oid>),
    ) -> Result<(), RunError> {
        let (store, github) = (&self.services.store, self.services.github()?);
        let key = format!("{KIND}/{}/{}/{}", bench.repository, change.fingerprint, bench.view.head);
        let key = store.fresh_action_key(key).await?;
        let intent = json!({ "branch": branch.as_str(), "title": change.title });
        store.intend(&key, KIND, &intent, bench.context.run_id, bench.now).await?;
        let files = [FileChange {
            path: PACKAGES.to_owned(),
            contents: Some(PackagesFile::new(change.listings.clone()).write()),
        }];
        let message =
            CommitMessage { headline: change.title.clone(), body: marker::trailer(&key).unwrap_or_default() };
        let (base, expected) = (&bench.view.head, expected.as_ref());
        let oid = match github.push_branch(bench.repository, branch, base, expected, &files, &message).await {
            Ok(oid) => oid,
            Err(error @ PushRefused::BranchMoved { .. }) => {
                return Err(Failure::transient(error.to_string()).into());
            }
            Err(PushRefused::Failed(failure)) => return Err(failure.into()),
        };
        let body = format!("{}\n{}\n", change.body, marker::render(&json!({ KIND: change.fingerprint })));
        let number = match update {
            Some(number) => {
                github.update_pull_request(bench.repository, number, &change.title, &body).await?;
                number
            }
            None => self.open(bench, branch, (&change.title, &body)).await?,
        };
        let row = self.row_of(bench, change, branch, (number, &oid))?;
        let action = if update.is_some() { "updated" } else { "opened" };
        store.add_event(&event(&row, change, action, bench)).await?;
        store.save_pull_request(&row).await?;
        Ok(store.finish(&key, &json!({ "number": number, "oid": oid.to_string() }), bench.now).await?)
    }

    async fn open(
        &self,
        bench: &Bench<'_>,
        branch: &BranchName,
        (title, body): (&str, &str),
    ) -> Result<u64, RunError> {
        let new = NewPullRequest {
            title: title.to_owned(),
            body: body.to_owned(),
            head: branch.clone(),
            base: bench.view.default_branch.parse().map_err(anyhow::Error::from)?,
            draft: false,
        };
        let github = self.services.github()?;
        let number = match github.open_pull_request(bench.repository, &new).await {
            Ok(number) => number,
            Err(error @ (OpenRefused::AlreadyExists | OpenRefused::NoCommits)) => {
                return Err(Failure::transient(error.to_string()).into());
            }
            Err(OpenRefused::Failed(failure)) => return Err(failure.into()),
        };
        self.label(bench.repository, number).await?;
        Ok(number)
    }

    async fn label(&self, repository: &RepositoryName, number: u64) -> Result<(), RunError> {
        let labels: Vec<&str> =
            self.distribution.policy.pull_request.labels.iter().map(String::as_str).collect();
        if !labels.is_empty() {
            self.services.github()?.add_labels(repository, number, &labels).await?;
        }
        Ok(())
    }

    fn row_of(
        &self,
        bench: &Bench<'_>,
        change: &ListChange,
        branch: &BranchName,
        (number, head): (u64, &Oid),
    ) -> anyhow::Result<PullRequest> {
        Ok(PullRequest {
            repository: bench.repository.to_string(),
            branch: branch.to_string(),
            number: Some(i64::try_from(number)?),
            key: change.key.clone(),
            versions: BTreeMap::new(),
            commits: BTreeMap::new(),
            fingerprint: change.fingerprint.clone(),
            text_digest: text_digest(&change.title, &change.body),
            state: PullRequestState::Open,
            head_oid: head.to_string(),
            base_oid: bench.view.head.to_string(),
            title: change.title.clone(),
            opened_at: bench.now,
            updated_at: bench.now,
            finished_at: None,
            is_dressed: true,
            told: BTreeMap::new(),
        })
    }

    /// Writes down what became of a pull request: one that an interrupted pass opened is adopted, with its
    /// labels, and one that a person merged or closed has ended.
    async fn remember(
        &self,
        bench: &Bench<'_>,
        change: &ListChange,
        branch: &BranchName,
        seen: Option<&PullRequestSeen>,
    ) -> Result<(), RunError> {
        let (Some(seen), store) = (seen, &self.services.store) else { return Ok(()) };
        let number = i64::try_from(seen.number).map_err(anyhow::Error::from)?;
        let rows = store.pull_requests(bench.repository.as_str()).await?;
        let known = rows.into_iter().find(|row| row.number == Some(number));
        let is_new = known.is_none();
        let row = match known {
            Some(row) => row,
            None => {
                let row = self.row_of(bench, change, branch, (seen.number, &seen.head_oid))?;
                PullRequest { opened_at: seen.created_at, ..row }
            }
        };
        let after = ended(row.clone(), seen, bench.now);
        if after == row && !is_new {
            return Ok(());
        }
        if is_new && seen.state == SeenState::Open {
            self.label(bench.repository, seen.number).await?;
        }
        store.add_event(&event(&after, change, action_of(after.state), bench)).await?;
        store.save_pull_request(&after).await?;
        let prefix = format!("{KIND}/{}/{}/", bench.repository, change.fingerprint);
        let open = store.open_actions().await?;
        for action in open.iter().filter(|action| action.key.starts_with(&prefix)) {
            store.finish(&action.key, &json!({ "number": number }), bench.now).await?;
        }
        Ok(())
    }

    /// A pull request whose change is not wanted any more: it was merged, the list has it by other means, or a
    /// removal was undone. One that is still open and ours is closed.
    async fn let_go(&self, bench: &Bench<'_>, row: PullRequest) -> Result<Acted, RunError> {
        let (store, github) = (&self.services.store, self.services.github()?);
        let branch: BranchName = row.branch.parse().map_err(anyhow::Error::from)?;
        let pulls = github.find_pull_requests_by_head(bench.repository, &branch).await?;
        let Some(seen) = pulls.iter().find(|pull| i64::try_from(pull.number).ok() == row.number) else {
            return Ok(Acted::Nothing);
        };
        let about = ListChange {
            key: row.key.clone(),
            packages: Vec::new(),
            listings: Vec::new(),
            fingerprint: row.fingerprint.clone(),
            title: row.title.clone(),
            body: String::new(),
        };
        let untouched = seen.head_oid.as_str() == row.head_oid;
        let mut after = ended(row, seen, bench.now);
        if seen.state == SeenState::Open {
            if !untouched {
                return Ok(Acted::Nothing);
            }
            // Closing twice is the same as once.
            github.close(bench.repository, seen.number).await?;
            after.state = PullRequestState::Closed;
            after.finished_at = Some(bench.now);
        }
        store.add_event(&event(&after, &about, action_of(after.state), bench)).await?;
        store.save_pull_request(&after).await?;
        Ok(Acted::Changed)
    }
}

/// Whether anything was done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Acted {
    Nothing,
    Changed,
}

fn pull(pulls: &[PullRequestSeen], number: u64) -> Option<&PullRequestSeen> {
    pulls.iter().find(|pull| pull.number == number)
}

/// The row of a pull request as it is seen now.
fn ended(row: PullRequest, seen: &PullRequestSeen, now: Timestamp) -> PullRequest {
    let (state, finished_at) = match seen.state {
        SeenState::Open if seen.head_oid.as_str() == row.head_oid => (PullRequestState::Open, None),
        SeenState::Open => (PullRequestState::HandsOff, None),
        SeenState::Merged => (PullRequestState::Merged, seen.merged_at.or(seen.closed_at)),
        SeenState::Closed => (PullRequestState::Closed, seen.closed_at),
    };
    let changed = state != row.state || finished_at != row.finished_at;
    PullRequest { state, finished_at, updated_at: if changed { now } else { row.updated_at }, ..row }
}

fn action_of(state: PullRequestState) -> &'static str {
    match state {
        PullRequestState::Open => "adopted",
        PullRequestState::HandsOff => "touched",
        PullRequestState::Merged => "merged",
        PullRequestState::Closed => "closed",
        PullRequestState::Withdrawn => "withdrawn",
    }
}

fn is_ours(message: &str) -> bool {
    marker::key_of_commit(message).is_some_and(|key| key.starts_with(KIND))
}

/// What was merged and is wanted again was undone by somebody, which is a no as well.
fn known(pull: &PullRequestSeen) -> KnownProposal {
    KnownProposal {
        number: pull.number,
        open: pull.state == SeenState::Open,
        refused: pull.state != SeenState::Open,
        fingerprint: marker::parse(&pull.body).and_then(|facts| facts[KIND].as_str().map(str::to_owned)),
    }
}

fn event(row: &PullRequest, change: &ListChange, action: &str, bench: &Bench<'_>) -> NewEvent {
    let number = row.number.unwrap_or_default();
    let only = change.packages.first().filter(|_| change.packages.len() == 1);
    NewEvent {
        at: row.finished_at.unwrap_or(bench.now),
        kind: "pull-request".to_owned(),
        job: bench.context.job.clone(),
        package: only.cloned(),
        body: json!({
            "action": action, "number": number, "key": row.key, "title": row.title, "branch": row.branch,
            "packages": change.packages,
        }),
        dedup_key: format!(
            "pull-request/{}/{number}/{action}/{}",
            row.repository,
            if matches!(action, "opened" | "merged" | "closed") { "" } else { &row.head_oid },
        ),
    }
}
