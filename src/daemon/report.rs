//! What is, for people and for `status --json`: the daemon's own account and each job's state. Read
//! from the store, so that it works without a daemon too.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::job::JobDefinition;
use crate::store::{JobCursor, Occurrence, OccurrenceState, Pause, SkipNext, Store};

/// The state of the daemon and its jobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReport {
    /// When this was so.
    pub at: Timestamp,
    /// The daemon's process, where one ever ran.
    pub pid: Option<i64>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it stopped in order.
    pub stopped_at: Option<Timestamp>,
    /// Since when the files on disk are refused and an older set is in force.
    pub config_stale_since: Option<Timestamp>,
    /// Why they are refused.
    pub config_error: Option<String>,
    /// When planning last worked; only a daemon that answers knows it.
    pub last_planned_at: Option<Timestamp>,
    /// The configured jobs, by name.
    pub jobs: Vec<JobReport>,
}

/// The state of one job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobReport {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Its next nominal time; `None`: there is none.
    pub next: Option<Timestamp>,
    /// The nominal time that is running now.
    pub running: Option<Timestamp>,
    /// How many occurrences wait.
    pub waiting: usize,
    /// Why the oldest of them has to wait, where that is known.
    pub waiting_reason: Option<String>,
    /// The newest occurrence that has ended.
    pub last: Option<Outcome>,
    /// Since when, by whom and why it is paused.
    pub paused: Option<Pause>,
    /// Who asked that the next occurrence be skipped, and why.
    pub skip_next: Option<SkipNext>,
}

/// How an occurrence ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Its nominal time.
    pub scheduled_for: Timestamp,
    /// Its final state.
    pub state: OccurrenceState,
    /// Why it ended like this.
    pub reason: Option<String>,
}

/// How many occurrences of a job are looked at to find the last that ended: all that can wait at
/// once, and one more.
const LOOK_BACK: u32 = 1100;

/// The state of `jobs`, in their order, and of the daemon that ran last, as the store knows it.
pub async fn report(
    store: &Store,
    jobs: impl IntoIterator<Item = &JobDefinition>,
    now: Timestamp,
) -> anyhow::Result<StatusReport> {
    let daemon = store.daemon_status().await?;
    let cursors = store.job_cursors().await?;
    let mut reports = Vec::new();
    for job in jobs {
        let known = cursors.iter().find(|known| known.name == job.name);
        let occurrences = store.occurrences(Some(&job.name), LOOK_BACK).await?;
        reports.push(job_report(job, known, &occurrences, now));
    }
    Ok(StatusReport {
        at: now,
        pid: daemon.as_ref().map(|daemon| daemon.pid),
        started_at: daemon.as_ref().map(|daemon| daemon.started_at),
        stopped_at: daemon.as_ref().and_then(|daemon| daemon.stopped_at),
        config_stale_since: daemon.as_ref().and_then(|daemon| daemon.config_stale_since),
        config_error: daemon.and_then(|daemon| daemon.config_error),
        last_planned_at: None,
        jobs: reports,
    })
}

/// The state of one job, from its newest occurrences, newest first.
fn job_report(
    job: &JobDefinition,
    known: Option<&JobCursor>,
    occurrences: &[Occurrence],
    now: Timestamp,
) -> JobReport {
    let of = |state| occurrences.iter().filter(move |one| one.state == state);
    let last = occurrences
        .iter()
        .find(|one| !matches!(one.state, OccurrenceState::Waiting | OccurrenceState::Running));
    let pause = known.and_then(|known| known.pause.clone());
    JobReport {
        name: job.name.clone(),
        kind: job.kind.clone(),
        next: job.schedule.next_after(now),
        running: of(OccurrenceState::Running).map(|one| one.scheduled_for).next(),
        waiting: of(OccurrenceState::Waiting).count(),
        waiting_reason: of(OccurrenceState::Waiting).next_back().and_then(|one| one.reason.clone()),
        last: last.map(|one| Outcome {
            scheduled_for: one.scheduled_for,
            state: one.state,
            reason: one.reason.clone(),
        }),
        paused: pause.filter(|pause| pause.resumed.is_none()),
        skip_next: known.and_then(|known| known.skip_next.clone()),
    }
}
