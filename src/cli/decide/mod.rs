//! `decide`: a rule on files alone, without state and without a network. What it prints is what the
//! jobs would decide from the same facts.

mod builds;
mod stage;
mod status;

use std::path::Path;

use clap::{Args, Subcommand};
use jiff::tz::TimeZone;

use super::time::{self, GivenTime};
use super::{CommandError, Context, chosen, given_file};
use crate::calendar::Targets;
use crate::ecosystem::cran::files::PackagesFile;

/// Apply a rule to files alone
#[derive(Debug, Args)]
pub(super) struct Decide {
    #[command(subcommand)]
    rule: Rule,
}

#[derive(Debug, Subcommand)]
enum Rule {
    Stage(stage::Stage),
    Status(status::Status),
}

impl Decide {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        match self.rule {
            Rule::Stage(rule) => rule.run(context),
            Rule::Status(rule) => rule.run(context),
        }
    }
}

/// The day of a distribution's calendar that a rule is applied on.
#[derive(Debug, Args)]
struct Day {
    /// The distribution whose calendar counts
    #[arg(long, value_name = "NAME", default_value = "r-multiverse")]
    distribution: String,
    /// The time to decide for, in RFC 3339 or as a date [default: now]
    #[arg(long, value_name = "T", value_parser = time::parse)]
    at: Option<GivenTime>,
}

impl Day {
    /// The time to decide for, and what its cycle targets.
    fn look_up(&self, context: &Context<'_>) -> Result<(jiff::Timestamp, Targets), CommandError> {
        let configuration = context.configuration_or_shipped()?;
        let distribution = chosen::distribution(&configuration, &self.distribution)?;
        let zone: &TimeZone = distribution.calendar.timezone();
        let at = self.at.map_or_else(|| Ok(context.clock.now()), |given| given.instant(zone))?;
        let targets = distribution.targets(&distribution.point(at)).map_err(|error| {
            let file = format!("distributions/{}.toml", distribution.name);
            CommandError::invalid(format!("this cycle has no targets: {error}")).hint(format!("see {file}"))
        })?;
        Ok((at, targets))
    }

    /// Major and minor version of the R before the targeted one.
    fn series_before(&self, targets: &Targets, context: &Context<'_>) -> Result<String, CommandError> {
        let configuration = context.configuration_or_shipped()?;
        let distribution = chosen::distribution(&configuration, &self.distribution)?;
        distribution.r.series_before(&targets.r).ok_or_else(|| {
            let message = format!("no release of R before {} is listed under [[r.release]]", targets.r);
            CommandError::invalid(message).hint(format!("see distributions/{}.toml", distribution.name))
        })
    }
}

fn read_packages(path: &Path) -> Result<PackagesFile, CommandError> {
    PackagesFile::read(&path.to_string_lossy(), &given_file::read(path)?).map_err(given_file::refused)
}
