//! `rehearse`: plays the jobs against a world, days in seconds, and reports.

mod ending;
mod show;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use self::show::Show;
use super::time::{self, GivenTime};
use super::{CommandError, Context, Output};
use crate::config::{self, Configuration};
use crate::domain::{EvidencePolicy, StagingModel, Via};
use crate::rehearse::rehearsal::{RehearsalSettings, rehearse, rehearse_conda};
use crate::rehearse::world::{ChosenWorld, CondaWorld, World};

/// The bundled quarter is played to here unless somebody says otherwise: after its one snapshot.
const QUARTER_END: &str = "2026-06-16T00:00:00Z";

/// Play the jobs against a world, days in seconds, and report
///
/// A world of R packages is played with the jobs in the folder of --config, or with the shipped ones where
/// there is none. A world of conda packages has a distribution and jobs of its own; its tests really run, on
/// this machine, and only how ([engine.local]) is taken from the folder of --config.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tidegate rehearse
      A quarter of R-multiverse, into ./rehearsal
  tidegate rehearse qiime2 --out week
      A week of a small conda distribution, with real archives and tests
  tidegate rehearse --staging follow --via commit --policy faithful --out as-upstream
      The same quarter as upstream's own automation played it
  tidegate --state rehearsal explain polars
      Why a package moved or did not")]
pub(super) struct Rehearse {
    /// A bundled world, `r-multiverse` (the default) or `qiime2`; or the folder of another one, such as `./mine`
    world: Option<PathBuf>,
    /// Stop at this time of the world
    #[arg(long, value_name = "T", value_parser = time::parse)]
    to: Option<GivenTime>,
    /// The folder for everything it leaves behind; started again there, it goes on
    #[arg(long, value_name = "DIR", default_value = "rehearsal")]
    out: PathBuf,
    /// Hold packages in this way, whatever the distribution says; R packages only
    #[arg(long, value_name = "MODEL")]
    staging: Option<StagingChoice>,
    /// Make changes in this way, whatever the distribution says; R packages only
    #[arg(long, value_name = "WAY")]
    via: Option<ViaChoice>,
    /// Demand this of evidence, whatever the distribution says; R packages only
    #[arg(long, value_name = "POLICY")]
    policy: Option<PolicyChoice>,
    /// Spoil requests to the simulated GitHub, such as `POST /repos/o/r/pulls nth 1 drop-after`
    #[arg(long, value_name = "SPEC")]
    faults: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum StagingChoice {
    Pinned,
    Follow,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ViaChoice {
    PullRequest,
    Commit,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PolicyChoice {
    Guarded,
    Faithful,
}

impl Rehearse {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let asked = self.world.clone().unwrap_or_else(|| ChosenWorld::R_MULTIVERSE.into());
        let world =
            ChosenWorld::open(&asked).map_err(|problem| CommandError::invalid(problem.to_string()))?;
        match world {
            ChosenWorld::R(world) => {
                let quarter = asked.as_os_str() == ChosenWorld::R_MULTIVERSE;
                let end = quarter.then(|| QUARTER_END.parse().ok()).flatten();
                self.play_r(*world, end, context)
            }
            ChosenWorld::Conda(world) => self.play_conda(*world, context),
        }
    }

    fn play_r(
        self,
        world: World,
        end: Option<Timestamp>,
        context: &mut Context<'_>,
    ) -> Result<(), CommandError> {
        let settings = self.settings((world.start, end))?;
        let configuration = configuration(context)?;
        let mut show = Show::new(context);
        let outcome = runtime()?.block_on(rehearse(world, configuration, &settings, &mut show));
        show.finish();
        let outcome = outcome.map_err(|error| CommandError::failed(format!("{error:#}")))?;
        match context.output {
            Output::Json => context.print_json(&outcome.summary)?,
            Output::Text => ending::of_r(context, &settings, &outcome.summary)?,
        }
        complaints(&outcome.violations)
    }

    fn play_conda(self, world: CondaWorld, context: &mut Context<'_>) -> Result<(), CommandError> {
        if self.staging.is_some() || self.via.is_some() || self.policy.is_some() {
            return Err(CommandError::invalid(
                "--staging, --via and --policy are about R packages, and this is a world of conda packages",
            )
            .hint("change the distribution and the jobs in a copy of the world's folder instead"));
        }
        let settings = self.settings((world.start, None))?;
        let engine = configuration(context)?.settings.engine.local;
        let mut show = Show::new(context);
        let outcome = runtime()?.block_on(rehearse_conda(world, &engine, &settings, &mut show));
        show.finish();
        let outcome = outcome.map_err(|error| CommandError::failed(format!("{error:#}")))?;
        match context.output {
            Output::Json => context.print_json(&outcome.summary)?,
            Output::Text => ending::of_conda(context, &settings, &outcome.summary)?,
        }
        complaints(&outcome.violations)
    }

    /// The settings for a world that begins at `begins`, and that is played up to `end` where nobody says.
    fn settings(
        &self,
        (begins, end): (Timestamp, Option<Timestamp>),
    ) -> Result<RehearsalSettings, CommandError> {
        let to = match self.to {
            Some(given) => Some(given.instant(&TimeZone::UTC)?),
            None => end,
        };
        if let Some(to) = to.filter(|to| *to < begins) {
            return Err(CommandError::invalid(format!(
                "--to {to} lies before the world begins, at {begins}; give a later time"
            )));
        }
        let faults = self.faults.iter().map(|spec| spec.parse()).collect::<Result<Vec<_>, String>>();
        Ok(RehearsalSettings {
            out: self.out.clone(),
            to,
            staging: self.staging.map(|choice| match choice {
                StagingChoice::Pinned => StagingModel::Pinned,
                StagingChoice::Follow => StagingModel::Follow,
            }),
            via: self.via.map(|choice| match choice {
                ViaChoice::PullRequest => Via::PullRequest,
                ViaChoice::Commit => Via::Commit,
            }),
            policy: self.policy.map(|choice| match choice {
                PolicyChoice::Guarded => EvidencePolicy::Guarded,
                PolicyChoice::Faithful => EvidencePolicy::Faithful,
            }),
            faults: faults.map_err(CommandError::invalid)?,
        })
    }
}

/// One thread: the simulated services answer in the same process, one request at a time.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// The configuration in the folder of `--config` where there is one, else the shipped one, so that
/// the command works from anywhere.
fn configuration(context: &Context<'_>) -> Result<Configuration, CommandError> {
    if context.config.join("tidegate.toml").exists() {
        context.configuration()
    } else {
        Ok(config::shipped())
    }
}

/// What the simulated services complain about is a fault of tidegate's own.
fn complaints(violations: &[String]) -> Result<(), CommandError> {
    let Some(first) = violations.first() else { return Ok(()) };
    let times = violations.len();
    Err(CommandError::failed(format!("the simulated services complained {times} times, first: {first}")))
}
