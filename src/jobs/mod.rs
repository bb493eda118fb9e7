//! One room per job kind: its settings, what it observes, and how it acts. What may happen is
//! decided in [`crate::decide`]; when, in [`crate::calendar`].
//!
//! To add a kind: a file here, its settings in `config`, and one line in [`work_of`].

mod channel_files;
mod channel_patches;
pub mod channel_wishes;
pub mod check_status;
mod conda_channels;
mod engine_tests;
pub mod engines;
pub mod forecast;
pub mod intake;
pub mod integrate;
pub mod poll_releases;
mod progress;
pub mod promote;
pub mod publish;
pub mod publish_targets;
mod r_archives;
pub mod recheck;
pub mod recheck_r;
pub mod report;
mod reports;
#[cfg(test)]
mod reports_tests;
mod services;
mod settled;
pub mod snapshot;
pub mod snapshot_wishes;
pub mod sources;
mod universes;
pub mod write_status;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::calendar::{CyclePoint, Targets};
use crate::config::{self, CondaDistribution, Configuration, Distribution, JobKind};
use crate::daemon::{Job, JobDefinition, JobWork, Retry, RunOutcome};

pub use services::Services;

/// How far a pass goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Observe, decide, act.
    Full,
    /// Observe and decide: nothing outside changes, and no verdict comes into force. Jobs that only
    /// observe do so.
    PlanOnly,
}

/// The runnable jobs of a configuration, in the order of their names.
pub fn runnable(configuration: &Configuration, services: &Arc<Services>, pass: Pass) -> Vec<Job> {
    let distributions: BTreeMap<&str, Arc<Distribution>> = configuration
        .distributions
        .iter()
        .map(|(name, distribution)| (name.as_str(), Arc::new(distribution.clone())))
        .collect();
    let enabled = configuration.jobs.values().filter(|job| job.enabled);
    enabled
        .filter_map(|job| {
            let services = Arc::clone(services);
            let work = match configuration.conda.get(&job.distribution) {
                Some(conda) => conda_work_of(job, Arc::new(conda.clone()), services, pass)?,
                None => {
                    let distribution = Arc::clone(distributions.get(job.distribution.as_str())?);
                    match &job.kind {
                        JobKind::Publish(settings) => {
                            let targets =
                                publish_targets::PublishTargets::new(configuration.settings.publish.clone());
                            let settings = settings.clone();
                            Arc::new(publish::Publish { services, distribution, settings, targets, pass })
                        }
                        _ => work_of(job, distribution, services, pass)?,
                    }
                }
            };
            Some(Job { definition: definition(job), work })
        })
        .collect()
}

/// The same jobs without their work: for whoever only asks when they are due.
pub fn definitions(configuration: &Configuration) -> Vec<JobDefinition> {
    configuration.jobs.values().filter(|job| job.enabled).map(definition).collect()
}

/// What the planner and the runner need to know of a job.
fn definition(job: &config::Job) -> JobDefinition {
    let signed = |duration| SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    JobDefinition {
        name: job.name.clone(),
        kind: job.kind.name().to_owned(),
        schedule: job.schedule.clone(),
        schedule_digest: job.schedule_digest(),
        catch_up: job.catch_up,
        catch_up_window: job.catch_up_window.map(signed),
        overlap: job.overlap,
        timeout: job.timeout,
        jitter: signed(job.jitter),
        retry: Retry { attempts: job.retry.attempts, wait: signed(job.retry.wait) },
        deadline: None,
    }
}

/// The work of a job of R packages. With [`conda_work_of`] the one place that knows all kinds; nothing for a
/// kind of the other ecosystem, which the loader refuses.
fn work_of(
    job: &config::Job,
    distribution: Arc<Distribution>,
    services: Arc<Services>,
    pass: Pass,
) -> Option<Arc<dyn JobWork>> {
    Some(match &job.kind {
        JobKind::PollReleases(settings) => {
            Arc::new(poll_releases::PollReleases { services, distribution, settings: settings.clone(), pass })
        }
        JobKind::CheckStatus(settings) => {
            Arc::new(check_status::CheckStatus { services, distribution, settings: settings.clone() })
        }
        JobKind::Promote(settings) => {
            Arc::new(promote::Promote { services, distribution, settings: settings.clone(), pass })
        }
        JobKind::WriteStatus(settings) => {
            Arc::new(write_status::WriteStatus { services, distribution, settings: settings.clone(), pass })
        }
        JobKind::Snapshot(settings) => {
            Arc::new(snapshot::Snapshot { services, distribution, settings: settings.clone(), pass })
        }
        JobKind::Forecast(settings) => {
            Arc::new(forecast::Forecast { services, distribution, settings: settings.clone(), pass })
        }
        JobKind::Report(settings) => {
            Arc::new(report::Report { services, distribution, settings: settings.clone(), pass })
        }
        JobKind::RecheckR(settings) => {
            Arc::new(recheck_r::RecheckR { services, distribution, settings: settings.clone(), pass })
        }
        JobKind::Publish(_) | JobKind::Integrate(_) | JobKind::Intake(_) | JobKind::Recheck(_) => {
            return None;
        }
    })
}

/// The work of a job of conda packages.
fn conda_work_of(
    job: &config::Job,
    distribution: Arc<CondaDistribution>,
    services: Arc<Services>,
    pass: Pass,
) -> Option<Arc<dyn JobWork>> {
    match &job.kind {
        JobKind::Integrate(settings) => {
            Some(Arc::new(integrate::Integrate { services, distribution, settings: settings.clone(), pass }))
        }
        JobKind::Recheck(settings) => {
            let (settings, due) = (settings.clone(), job.due_in_words());
            Some(Arc::new(recheck::Recheck { services, distribution, settings, due, pass }))
        }
        JobKind::Intake(settings) => {
            Some(Arc::new(intake::Intake { services, distribution, settings: settings.clone(), pass }))
        }
        JobKind::PollReleases(_)
        | JobKind::CheckStatus(_)
        | JobKind::Promote(_)
        | JobKind::WriteStatus(_)
        | JobKind::Snapshot(_)
        | JobKind::Publish(_)
        | JobKind::Forecast(_)
        | JobKind::Report(_)
        | JobKind::RecheckR(_) => None,
    }
}

/// The outcome of a pass that stopped after deciding: its row must not look like that of a whole one.
fn planned_only(outcome: RunOutcome) -> RunOutcome {
    match outcome {
        RunOutcome::Done { summary, input_digest, plan_digest } => {
            RunOutcome::Done { summary: format!("planned only: {summary}"), input_digest, plan_digest }
        }
        other => other,
    }
}

/// Where a nominal time lies in the distribution's cycle, and what that cycle targets.
fn point_and_targets(distribution: &Distribution, at: Timestamp) -> anyhow::Result<(CyclePoint, Targets)> {
    let point = distribution.point(at);
    let targets = distribution.targets(&point)?;
    Ok((point, targets))
}
