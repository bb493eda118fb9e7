//! What planner and runner know of a job: when, with which policies, and the work itself. How job
//! files are written is not known here.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::ensure;
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use crate::calendar::Schedule;
use crate::calendar::{CatchUp, Overlap};
use crate::clock::SharedClock;
use crate::failure::Failure;
use crate::store::{RunId, Store};

/// How often and how soon a run that failed for a passing reason is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The most runs that may fail before the occurrence does; at least 1.
    pub attempts: u32,
    /// The wait before the second run; it doubles each time, up to an hour.
    pub wait: SignedDuration,
}

/// A job, without its work.
#[derive(Clone, Debug)]
pub struct JobDefinition {
    /// Its name: the stem of its file.
    pub name: String,
    /// Its kind, for people.
    pub kind: String,
    /// Its nominal times.
    pub schedule: Schedule,
    /// A digest of the schedule as it was written (expression and zone, or milestone and time of
    /// day; not the instants that follow from them). Another digest means an edited schedule.
    pub schedule_digest: String,
    /// What becomes of missed times.
    pub catch_up: CatchUp,
    /// Missed times older than this are skipped in any case; `None`: no limit.
    pub catch_up_window: Option<SignedDuration>,
    /// What becomes of a time that comes while the job is busy.
    pub overlap: Overlap,
    /// How long one run may take.
    pub timeout: Duration,
    /// Runs begin up to this much after their nominal time, always the same much for one job.
    pub jitter: SignedDuration,
    /// What becomes of runs that fail for a passing reason.
    pub retry: Retry,
    /// An occurrence that could not begin this long after its nominal time ends as late.
    pub deadline: Option<SignedDuration>,
}

/// A job: when, and what.
#[derive(Clone)]
pub struct Job {
    /// When, and with which policies.
    pub definition: JobDefinition,
    /// What.
    pub work: Arc<dyn JobWork>,
}

/// The work of a job.
pub trait JobWork: Send + Sync {
    /// Does the work for one nominal time. It is called again with the same nominal time after a
    /// crash or a passing failure, and has to stop soon after `context.cancel` is cancelled.
    fn run(&self, context: RunContext) -> BoxFuture<'_, Result<RunOutcome, RunError>>;
}

/// What a run is given.
#[derive(Clone)]
pub struct RunContext {
    /// The run, for rows that refer to it.
    pub run_id: RunId,
    /// The job's name.
    pub job: String,
    /// The nominal time: what decisions are about.
    pub nominal: Timestamp,
    /// The time at which facts are seen; decisions must not read it.
    pub clock: SharedClock,
    /// The state.
    pub store: Store,
    /// Cancelled when the run takes too long or the daemon stops.
    pub cancel: CancellationToken,
}

/// How a run came to a proper end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunOutcome {
    /// It did its work.
    Done {
        /// One line on what it did.
        summary: String,
        /// The blob with everything it decided from.
        input_digest: Option<String>,
        /// The blob with what it decided.
        plan_digest: Option<String>,
    },
    /// Nothing had changed outside, so there was no work.
    Unchanged {
        /// One line on what it looked at.
        summary: String,
    },
    /// A guard stopped it; a person has to look.
    Held {
        /// Why, and what to do.
        reason: String,
    },
    /// It was not to be run after all, such as for a phase that is over.
    Skipped {
        /// Why.
        reason: String,
    },
}

/// How a run failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It may work later: the occurrence is tried again.
    #[error("{0:#}")]
    Transient(anyhow::Error, Option<Timestamp>),
    /// It will not work again in the same way.
    #[error("{0:#}")]
    Permanent(anyhow::Error),
    /// Something that the operator wrote is wrong.
    #[error("{0:#}")]
    Configuration(anyhow::Error),
}

impl RunOutcome {
    /// It did its work, without a decision to keep.
    pub fn done(summary: impl Into<String>) -> Self {
        Self::Done { summary: summary.into(), input_digest: None, plan_digest: None }
    }
}

impl From<anyhow::Error> for RunError {
    /// A failure of a service keeps its kind, whatever context was added on the way; anything else
    /// does not mend itself.
    fn from(error: anyhow::Error) -> Self {
        match error.downcast_ref::<Failure>() {
            Some(Failure::Transient { retry_at, .. }) => {
                let retry_at = *retry_at;
                Self::Transient(error, retry_at)
            }
            Some(Failure::Configuration { .. }) => Self::Configuration(error),
            Some(Failure::Permanent { .. }) | None => Self::Permanent(error),
        }
    }
}

impl From<Failure> for RunError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Transient { retry_at, .. } => Self::Transient(failure.into(), retry_at),
            Failure::Permanent { .. } => Self::Permanent(failure.into()),
            Failure::Configuration { message, hint: Some(hint) } => {
                Self::Configuration(anyhow::anyhow!("{message}\n{hint}"))
            }
            Failure::Configuration { .. } => Self::Configuration(failure.into()),
        }
    }
}

/// The configured jobs, by name.
pub type JobSet = BTreeMap<String, Job>;

/// The configured jobs, shared by planner, runner and control socket, and replaced as a whole.
#[derive(Clone)]
pub struct Jobs(Arc<RwLock<Arc<JobSet>>>);

impl Jobs {
    /// Shares `jobs`. Two of the same name are refused.
    pub fn new(jobs: Vec<Job>) -> anyhow::Result<Self> {
        Ok(Self(Arc::new(RwLock::new(Arc::new(by_name(jobs)?)))))
    }

    /// The jobs as they are now.
    pub fn current(&self) -> Arc<JobSet> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts `jobs` in place of all that were there, and says what that changes.
    pub fn replace(&self, jobs: Vec<Job>) -> anyhow::Result<String> {
        let new = Arc::new(by_name(jobs)?);
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *held, new.clone());
        Ok(difference(&old, &new))
    }
}

fn by_name(jobs: Vec<Job>) -> anyhow::Result<JobSet> {
    let mut set = JobSet::new();
    for job in jobs {
        let name = job.definition.name.clone();
        let twice = set.insert(name.clone(), job).is_some();
        ensure!(!twice, "there are two jobs with the name {name}");
    }
    Ok(set)
}

/// One line for people on what a reload did to the schedules.
fn difference(old: &JobSet, new: &JobSet) -> String {
    let names = |names: Vec<&str>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let added = new.keys().filter(|name| !old.contains_key(*name)).map(String::as_str).collect();
    let removed = old.keys().filter(|name| !new.contains_key(*name)).map(String::as_str).collect();
    let digest = |set: &JobSet, name: &str| set.get(name).map(|job| job.definition.schedule_digest.clone());
    let moved = new
        .keys()
        .filter(|name| old.contains_key(*name) && digest(old, name) != digest(new, name))
        .map(String::as_str)
        .collect();
    format!(
        "{} jobs are in force; added: {}; removed: {}; with another schedule: {}",
        new.len(),
        names(added),
        names(removed),
        names(moved),
    )
}

/// A duration below `limit` that depends on `seed` alone, so that it survives restarts.
pub(super) fn stable_share(seed: &str, limit: SignedDuration) -> SignedDuration {
    let Ok(limit) = u64::try_from(limit.as_micros()) else { return SignedDuration::ZERO };
    if limit == 0 {
        return SignedDuration::ZERO;
    }
    let digest = Sha256::digest(seed.as_bytes());
    let number = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    SignedDuration::from_micros(i64::try_from(number % limit).unwrap_or_default())
}
