//! What people and workflows do to tidegate from outside: they send notices, and drop archives. Each deed is
//! repeated until it has been taken, and written down then, so that a crash of tidegate's loses none.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::channels::{Archives, put};
use super::relocated::{drop_folder, token_of};
use crate::rehearse::journal::Journal;
use crate::rehearse::world::{CondaWorld, DeedKind, NoticeApi, WorkflowBuild};

/// The journal, in the folder of the world.
const JOURNAL: &str = "visits.jsonl";
/// How often a notice is sent that nobody takes, and how long a sender waits in between, in real time.
const TRIES: u32 = 20;
const WAIT: Duration = Duration::from_millis(250);

/// A deed that is done.
#[derive(Debug, Serialize, Deserialize)]
struct Done {
    at: Timestamp,
    what: String,
}

/// The deeds, and how far they are.
pub(super) struct Visits {
    root: PathBuf,
    journal: Journal,
    done: usize,
}

impl Visits {
    /// Takes them up where the journal in the folder `root` left them.
    pub(super) fn open(root: &Path) -> anyhow::Result<Self> {
        let (journal, done) = Journal::open::<Done>(&root.join(JOURNAL))?;
        Ok(Self { root: root.to_owned(), journal, done: done.len() })
    }

    /// Does what is due at `now` and not done yet, in order. Notices go to the web server at `address`.
    pub(super) async fn catch_up(
        &mut self,
        now: Timestamp,
        (world, archives): (&CondaWorld, &Archives),
        (http, address): (&reqwest::Client, &str),
    ) -> anyhow::Result<()> {
        let visits = world.deeds.iter().filter(|deed| deed.at <= now);
        let visits = visits.filter(|deed| matches!(deed.what, DeedKind::Build(_) | DeedKind::Drop { .. }));
        for deed in visits.skip(self.done) {
            let what = match &deed.what {
                DeedKind::Build(build) => {
                    tell(build, &world.distribution().name, (http, address)).await?;
                    format!("notice of run {} of {}", build.run, build.repository)
                }
                DeedKind::Drop { builds } => {
                    self.drop_archives(builds, archives)?;
                    format!("dropped {}", builds.join(", "))
                }
                DeedKind::Appear { .. } | DeedKind::Withdraw { .. } => continue,
            };
            self.journal.append(&Done { at: deed.at, what }).context("cannot write the world's journal")?;
            self.done += 1;
        }
        Ok(())
    }

    fn drop_archives(&self, builds: &[String], archives: &Archives) -> anyhow::Result<()> {
        for build in builds {
            let bytes = archives.get(build).with_context(|| format!("{build} was not made"))?;
            put(&drop_folder(&self.root).join(build), bytes)?;
        }
        Ok(())
    }
}

/// Sends the notice of a workflow's run until it is taken.
async fn tell(
    build: &WorkflowBuild,
    distribution: &str,
    (http, address): (&reqwest::Client, &str),
) -> anyhow::Result<()> {
    let version = match build.notice {
        NoticeApi::V1 => "v1",
        NoticeApi::V2 => "v2",
    };
    let url = format!("{address}/api/{version}/packages/integrate/");
    let form = form(build, distribution);
    let mut last = String::new();
    for _ in 0..TRIES {
        let request = http.post(&url).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        match request.body(form.clone()).send().await {
            Ok(answer) if answer.status().is_success() => return Ok(()),
            Ok(answer) => {
                let status = answer.status();
                let body = answer.text().await.unwrap_or_default();
                ensure!(
                    status.is_server_error(),
                    "the notice of run {} of {} is refused with {status}: {body}",
                    build.run,
                    build.repository
                );
                last = format!("{status}: {body}");
            }
            Err(error) => last = error.to_string(),
        }
        tokio::time::sleep(WAIT).await;
    }
    bail!("nobody took the notice of run {} of {}: {last}", build.run, build.repository)
}

fn form(build: &WorkflowBuild, distribution: &str) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("token", &token_of(&build.package))
        .append_pair("version", &build.version)
        .append_pair("package_name", &build.package)
        .append_pair("repository", &build.repository)
        .append_pair("run_id", &build.run.to_string())
        .append_pair("artifact_name", &build.artifact)
        .append_pair("build_target", "dev");
    if build.notice == NoticeApi::V2 {
        form.append_pair("distro", distribution);
    }
    form.finish()
}
