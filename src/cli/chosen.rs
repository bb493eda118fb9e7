//! What a name on the command line stands for, or the nearest name that does stand for something.

use jiff::tz::TimeZone;

use super::CommandError;
use crate::config::{CondaDistribution, Configuration, Distribution, Job, listed, nearest};

/// The distribution of R packages of that name.
pub(super) fn distribution<'c>(
    configuration: &'c Configuration,
    name: &str,
) -> Result<&'c Distribution, CommandError> {
    if configuration.conda.contains_key(name) {
        let message = format!("`{name}` is a conda distribution, which has no calendar and no freezes");
        return Err(CommandError::invalid(message));
    }
    let names = configuration.distributions.keys().map(String::as_str);
    configuration.distributions.get(name).ok_or_else(|| unknown("distribution", name, names))
}

/// The conda distribution of that name.
pub(super) fn conda<'c>(
    configuration: &'c Configuration,
    name: &str,
) -> Result<&'c CondaDistribution, CommandError> {
    if configuration.distributions.contains_key(name) {
        let message = format!("`{name}` is a distribution of R packages, which has no conda channels");
        return Err(CommandError::invalid(message));
    }
    let names = configuration.conda.keys().map(String::as_str);
    configuration.conda.get(name).ok_or_else(|| unknown("distribution", name, names))
}

/// A bare date means its midnight in the zone of the calendar that the job lives by.
pub(super) fn midnight_zone<'c>(configuration: &'c Configuration, job: &'c Job) -> &'c TimeZone {
    let distribution = configuration.distributions.get(&job.distribution);
    distribution.map_or(job.schedule.timezone(), |distribution| distribution.calendar.timezone())
}

/// The job of that name, switched off or not.
pub(super) fn job<'c>(configuration: &'c Configuration, name: &str) -> Result<&'c Job, CommandError> {
    let names = configuration.jobs.keys().map(String::as_str);
    configuration.jobs.get(name).ok_or_else(|| unknown("job", name, names))
}

/// The mistake of a name that stands for nothing, with the nearest of `names`, or all of them.
pub(super) fn unknown<'n>(
    what: &str,
    name: &str,
    names: impl Iterator<Item = &'n str> + Clone,
) -> CommandError {
    let hint = match nearest(name, names.clone()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("the {what}s are {}", listed(names)),
    };
    CommandError::invalid(format!("there is no {what} `{name}`")).hint(hint)
}
