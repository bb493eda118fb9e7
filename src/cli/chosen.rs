//! What a name on the command line stands for, or the nearest name that does stand for something.

use super::CommandError;
use crate::config::{Configuration, Distribution, Job, listed, nearest};

/// The distribution of that name.
pub(super) fn distribution<'c>(
    configuration: &'c Configuration,
    name: &str,
) -> Result<&'c Distribution, CommandError> {
    let names = configuration.distributions.keys().map(String::as_str);
    configuration.distributions.get(name).ok_or_else(|| unknown("distribution", name, names))
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
