//! Notices: each one's artifact is looked for, fetched, checked and kept.

use std::collections::BTreeMap;

use anyhow::Context as _;
use jiff::SignedDuration;
use serde_json::json;
use tempfile::NamedTempFile;

use super::archives::{Checked, Refusal};
use super::artifact::archives_in;
use super::{Intake, NOTICES, Tally, blocking, stopped};
use crate::daemon::{RunContext, RunError};
use crate::domain::BuildTarget;
use crate::failure::Failure;
use crate::github::{ArtifactSeen, Lookup, RepositoryName};
use crate::store::{Notice, NoticeKind};

/// How often an artifact is looked for that is not there.
const TRIES: u32 = 12;
/// How many minutes lie between the first two looks, and at most between two of them.
const FIRST_WAIT: i64 = 3;
const LONGEST_WAIT: i64 = 90;

/// What became of a notice in this pass.
enum Step {
    Fetched(usize),
    NotYet,
    Refused(Refusal),
}

/// What a notice says of its build.
struct Told {
    package: String,
    version: String,
    repository: RepositoryName,
}

impl Intake {
    /// Takes all notices that are due. What GitHub fails at is reported once the others are taken.
    pub(super) async fn take_notices(
        &self,
        published: &BTreeMap<String, String>,
        context: &RunContext,
        tally: &mut Tally,
    ) -> Result<(), RunError> {
        let (store, now) = (&self.services.store, self.services.clock.now());
        let mut failed = Ok(());
        for notice in store.due_notices(&self.distribution.name, now, NOTICES).await? {
            if context.cancel.is_cancelled() {
                return Err(stopped());
            }
            if notice.kind != NoticeKind::Integrate {
                self.note(&notice, context).await?;
                tally.add("noted", 1);
                continue;
            }
            match self.take_notice(&notice, published).await {
                Ok(Step::Fetched(builds)) => tally.add("fetched", builds),
                Ok(Step::NotYet) => self.not_yet(&notice, context, tally).await?,
                Ok(Step::Refused(why)) => self.refuse(&notice, &why, context, tally).await?,
                Err(RunError::Configuration(error)) => return Err(RunError::Configuration(error)),
                Err(error) => failed = Err(error),
            }
        }
        failed
    }

    async fn take_notice(
        &self,
        notice: &Notice,
        published: &BTreeMap<String, String>,
    ) -> Result<Step, RunError> {
        let told = match self.told(notice) {
            Ok(told) => told,
            Err(why) => return Ok(Step::Refused(why)),
        };
        let github = self.services.github()?;
        let artifact = match github.run_artifact(&told.repository, notice.run_id, &notice.artifact).await {
            Lookup::Found(artifact) => artifact,
            Lookup::Absent { .. } => return Ok(Step::NotYet),
            Lookup::Failed(failure) => return refused_or_failed(failure),
        };
        if artifact.expired {
            return Ok(Step::Refused("GitHub has deleted the artifact; start a new run".to_owned()));
        }
        let zip = match self.fetch(&told.repository, &artifact).await? {
            Ok(zip) => zip,
            Err(why) => return Ok(Step::Refused(why)),
        };
        let checked = match self.look_into(zip, told).await? {
            Ok(checked) => checked,
            Err(why) => return Ok(Step::Refused(why)),
        };
        self.write_down(notice, checked, published).await
    }

    /// What the notice says, where the distribution still lists its package so.
    fn told(&self, notice: &Notice) -> Result<Told, Refusal> {
        let text = |field: &str| notice.payload[field].as_str().unwrap_or_default().to_owned();
        let (package, version) = (text("package_name"), text("version"));
        let registered = self.distribution.packages.get(&package);
        let registered = registered.filter(|row| row.repository.eq_ignore_ascii_case(&notice.repository));
        let registered = registered.ok_or_else(|| {
            format!(
                "{} does not list {package} with the repository {} any more",
                self.distribution.name, notice.repository
            )
        })?;
        let target = BuildTarget::named(notice.payload["build_target"].as_str().unwrap_or_default());
        if let Some(wanted) = self.distribution.build_target.filter(|wanted| target != Some(*wanted)) {
            let made_for = target.map_or("no target".to_owned(), |target| format!("`{target}`"));
            return Err(format!(
                "{} takes builds for `{wanted}` only, and this one was made for {made_for}",
                self.distribution.name
            ));
        }
        let repository = registered.repository.parse().map_err(|error| format!("{error}"))?;
        Ok(Told { package, version, repository })
    }

    /// The zip file of an artifact. What this machine fails at is no refusal.
    async fn fetch(
        &self,
        repository: &RepositoryName,
        artifact: &ArtifactSeen,
    ) -> Result<Result<NamedTempFile, Refusal>, RunError> {
        let largest = self.largest();
        if artifact.size_in_bytes > largest {
            let (size, name) = (artifact.size_in_bytes, &artifact.name);
            return Ok(Err(format!("the artifact {name} has {size} bytes, more than the {largest} allowed")));
        }
        let zip = self.services.content().temporary().map_err(Failure::from)?;
        let mut file = tokio::fs::File::from_std(zip.reopen().context("cannot open a temporary file")?);
        let github = self.services.github()?;
        match github.download_artifact(repository, artifact.id, largest, &mut file).await {
            Ok(()) => Ok(Ok(zip)),
            Err(Failure::Permanent { message }) => Ok(Err(message)),
            Err(failure) => Err(failure.into()),
        }
    }

    /// The builds in an artifact, each of which has to be one that the notice tells of.
    async fn look_into(
        &self,
        zip: NamedTempFile,
        told: Told,
    ) -> Result<Result<Vec<Checked>, Refusal>, RunError> {
        let (distribution, content) = (self.distribution.clone(), self.services.content());
        let largest = self.largest();
        blocking(move || {
            let incoming = match archives_in(zip.as_file(), &content, largest)? {
                Ok(incoming) => incoming,
                Err(why) => return Ok(Err(why)),
            };
            let mut all = Vec::new();
            for one in incoming {
                let checked = match one.check(&distribution, largest)? {
                    Ok(checked) => checked,
                    Err(why) => return Ok(Err(why)),
                };
                let found = &checked.arrival;
                if found.name != told.package || found.version != told.version {
                    return Ok(Err(format!(
                        "the artifact holds {} {}, and the notice tells of {} {}",
                        found.name, found.version, told.package, told.version
                    )));
                }
                all.push(checked);
            }
            Ok(Ok(all))
        })
        .await
    }

    async fn write_down(
        &self,
        notice: &Notice,
        checked: Vec<Checked>,
        published: &BTreeMap<String, String>,
    ) -> Result<Step, RunError> {
        if let Some(why) = checked.iter().find_map(|one| one.clash(published)) {
            return Ok(Step::Refused(why));
        }
        let content = self.services.content();
        let arrivals = blocking(move || {
            checked.into_iter().map(|one| one.keep(&content)).collect::<anyhow::Result<Vec<_>>>()
        });
        let (arrivals, now) = (arrivals.await?, self.services.clock.now());
        let store = &self.services.store;
        match store.add_arrivals(&self.distribution.name, Some(notice.id), &arrivals, now).await? {
            Ok(()) => Ok(Step::Fetched(arrivals.len())),
            Err(clash) => Ok(Step::Refused(other_bytes(&clash.file, &clash.known))),
        }
    }

    /// Puts a notice off whose artifact is not there, or gives it up.
    async fn not_yet(
        &self,
        notice: &Notice,
        context: &RunContext,
        tally: &mut Tally,
    ) -> Result<(), RunError> {
        let attempts = notice.attempts + 1;
        if attempts >= TRIES {
            let why = format!("the artifact did not appear in {TRIES} looks; start a new run");
            return self.refuse(notice, &why, context, tally).await;
        }
        let doubled = FIRST_WAIT.saturating_mul(1 << notice.attempts.min(10));
        let wait = SignedDuration::from_mins(doubled.min(LONGEST_WAIT));
        let next = self.services.clock.now() + wait;
        self.services.store.postpone_notice(notice.id, attempts, next).await?;
        tally.add("not there yet", 1);
        Ok(())
    }

    async fn refuse(
        &self,
        notice: &Notice,
        why: &str,
        context: &RunContext,
        tally: &mut Tally,
    ) -> Result<(), RunError> {
        tally.add("refused", 1);
        let package = notice.payload["package_name"].as_str();
        let body = json!({
            "repository": notice.repository, "run": notice.run_id, "artifact": notice.artifact,
            "why": why, "do": "mend the build, give it another build number, and let a new run tell of it",
        });
        let event = self.event(context, "refused", package, body, &format!("notice/{}", notice.id.0));
        Ok(self.services.store.refuse_notice(notice.id, why, &event).await?)
    }

    /// Tells of what another pipeline did to the distribution as a whole: tidegate does that itself.
    async fn note(&self, notice: &Notice, context: &RunContext) -> Result<(), RunError> {
        let kind = if notice.kind == NoticeKind::Stage { "told-staged" } else { "told-passed" };
        let body = json!({ "run": notice.run_id, "artifact": notice.artifact, "notice": notice.payload });
        let event = self.event(context, kind, None, body, &format!("notice/{}", notice.id.0));
        Ok(self.services.store.note_notice(notice.id, &event).await?)
    }
}

impl Checked {
    /// Why the archive cannot be published, where the channel ever held another one of its name.
    pub(super) fn clash(&self, published: &BTreeMap<String, String>) -> Option<Refusal> {
        let file = format!("{}/{}", self.arrival.subdir, self.arrival.file_name);
        let known = published.get(&file).filter(|known| **known != self.arrival.sha256)?;
        Some(other_bytes(&file, known))
    }
}

/// Why an archive is refused whose name another one has.
pub(super) fn other_bytes(file: &str, known: &str) -> Refusal {
    format!("{file} is here already with sha256 {known}, and a build never changes")
}

fn refused_or_failed(failure: Failure) -> Result<Step, RunError> {
    match failure {
        Failure::Permanent { message } => Ok(Step::Refused(message)),
        failure => Err(failure.into()),
    }
}
