//! One room per job kind: its settings, what it observes, and how it acts. What may happen is
//! decided in [`crate::decide`]; when, in [`crate::calendar`].
//!
//! To add a kind: a file here, its settings in `config`, and one line in [`work_of`].

mod channel_files;
mod check_status;
mod poll_releases;
mod promote;
mod snapshot;
pub mod sources;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use jiff::Timestamp;

use crate::calendar::{CyclePoint, Targets};
use crate::clock::SharedClock;
use crate::config::{Channel, Configuration, Distribution, Job, JobKind};
use crate::daemon::{JobDefinition, JobWork};
use crate::github::{GitHub, RepositoryName};
use crate::store::Store;

/// What every job kind works with.
pub struct Services {
    /// The state.
    pub store: Store,
    /// GitHub, behind one limiter.
    pub github: GitHub,
    /// The client for universes and CRAN.
    pub http: reqwest::Client,
    /// The time.
    pub clock: SharedClock,
    /// Where snapshots are published: one folder per distribution below it.
    pub publish: PathBuf,
}

/// The runnable jobs of a configuration, in the order of their names.
pub fn definitions(configuration: &Configuration, services: &Arc<Services>) -> Vec<(JobDefinition, Arc<dyn JobWork>)> {
    let enabled = configuration.jobs.values().filter(|job| job.enabled);
    enabled
        .filter_map(|job| {
            let distribution = Arc::clone(configuration.distributions.get(&job.distribution)?);
            let work = work_of(job, distribution, Arc::clone(services));
            Some((job.definition(), work))
        })
        .collect()
}

/// The work of a job: the one place that knows all kinds.
fn work_of(job: &Job, distribution: Arc<Distribution>, services: Arc<Services>) -> Arc<dyn JobWork> {
    match &job.kind {
        JobKind::PollReleases(settings) => {
            Arc::new(poll_releases::PollReleases { services, distribution, settings: settings.clone() })
        }
        JobKind::CheckStatus(settings) => {
            Arc::new(check_status::CheckStatus { services, distribution, settings: settings.clone() })
        }
        JobKind::Promote(settings) => {
            Arc::new(promote::Promote { services, distribution, settings: settings.clone() })
        }
        JobKind::Snapshot(settings) => {
            Arc::new(snapshot::Snapshot { services, distribution, settings: settings.clone() })
        }
    }
}

/// Where a nominal time lies in the distribution's cycle, and what that cycle targets.
fn point_and_targets(distribution: &Distribution, at: Timestamp) -> anyhow::Result<(CyclePoint, Targets)> {
    let point = distribution.calendar.point(at);
    let targets = distribution.targets(&point)?;
    Ok((point, targets))
}
