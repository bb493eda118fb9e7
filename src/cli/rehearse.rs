//! `rehearse`: plays the jobs against a world, days in seconds, and reports.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::time::{self, GivenTime};
use super::{CommandError, Context, Output};
use crate::config::{self, Configuration};
use crate::domain::{EvidencePolicy, StagingModel, Via};
use crate::rehearse::output::Summary;
use crate::rehearse::rehearsal::{Audience, Outcome, RehearsalSettings, rehearse};
use crate::rehearse::world::World;
use crate::store::Event;

/// The bundled world's rehearsal ends here: after its one snapshot.
const BUNDLED_END: &str = "2026-06-16T00:00:00Z";

/// Play the jobs against a recorded world, days in seconds, and report
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tidegate rehearse
      A quarter of R-multiverse, into ./rehearsal
  tidegate rehearse --staging follow --via commit --policy faithful --out as-upstream
      The same quarter as upstream's own automation played it
  tidegate --state rehearsal explain polars
      Why a package moved or did not")]
pub(super) struct Rehearse {
    /// A world's folder; without it, the bundled quarter of R-multiverse
    world: Option<PathBuf>,
    /// Stop at this time of the world
    #[arg(long, value_name = "T", value_parser = time::parse)]
    to: Option<GivenTime>,
    /// The folder for everything it leaves behind; started again there, it goes on
    #[arg(long, value_name = "DIR", default_value = "rehearsal")]
    out: PathBuf,
    /// Hold packages in this way, whatever the distribution says
    #[arg(long, value_name = "MODEL")]
    staging: Option<StagingChoice>,
    /// Make changes in this way, whatever the distribution says
    #[arg(long, value_name = "WAY")]
    via: Option<ViaChoice>,
    /// Demand this of evidence, whatever the distribution says
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
        let bundled = self.world.is_none();
        let world = match &self.world {
            Some(folder) => World::load(folder),
            None => World::bundled(),
        };
        let world = world.map_err(|problem| CommandError::invalid(problem.to_string()))?;
        let settings = self.settings(bundled)?;
        if let Some(to) = settings.to.filter(|to| *to < world.start) {
            let begins = world.start;
            return Err(CommandError::invalid(format!(
                "--to {to} lies before the world begins, at {begins}; give a later time"
            )));
        }
        let configuration = configuration(context)?;
        // One thread: the simulated services answer in the same process, one request at a time.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut show = Show::new(context);
        let outcome = runtime.block_on(rehearse(world, configuration, &settings, &mut show));
        show.finish();
        let outcome = outcome.map_err(|error| CommandError::failed(format!("{error:#}")))?;
        match context.output {
            Output::Json => context.print_json(&outcome.summary)?,
            Output::Text => print_summary(context, &settings, &outcome.summary)?,
        }
        complaints(&outcome)
    }

    fn settings(&self, bundled: bool) -> Result<RehearsalSettings, CommandError> {
        let to = match self.to {
            Some(given) => Some(given.instant(&TimeZone::UTC)?),
            None if bundled => BUNDLED_END.parse().ok(),
            None => None,
        };
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
fn complaints(outcome: &Outcome) -> Result<(), CommandError> {
    let Some(first) = outcome.violations.first() else { return Ok(()) };
    Err(CommandError::failed(format!(
        "the simulated services complained {} times, first: {first}",
        outcome.violations.len()
    )))
}

fn print_summary(
    context: &mut Context<'_>,
    settings: &RehearsalSettings,
    summary: &Summary,
) -> Result<(), CommandError> {
    let out = &mut *context.out;
    writeln!(out)?;
    for snapshot in &summary.snapshots {
        writeln!(
            out,
            "Snapshot {}: {} packages, {} left out",
            snapshot.date,
            snapshot.packages.len(),
            snapshot.left_out.len()
        )?;
    }
    for held in &summary.held_snapshots {
        writeln!(out, "Snapshot {}: held. {}", held.date, held.reason)?;
    }
    let count = |state: &str| summary.pull_requests.get(state).copied().unwrap_or_default();
    writeln!(
        out,
        "Pull requests: {} merged, {} closed, {} open",
        count("merged"),
        count("closed"),
        count("open")
    )?;
    let occurrences: Vec<String> =
        summary.occurrences.iter().map(|(outcome, number)| format!("{number} {outcome}")).collect();
    writeln!(out, "Occurrences: {}", occurrences.join(", "))?;
    writeln!(out, "Report: {}", settings.out.join("report.html").display())?;
    Ok(())
}

/// A progress bar on a terminal, and a line per event everywhere.
struct Show {
    bar: ProgressBar,
    lines: Lines,
}

/// Where the lines of the timeline go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lines {
    Shown,
    Hidden,
}

impl Show {
    fn new(context: &Context<'_>) -> Self {
        let bar =
            if std::io::stderr().is_terminal() { ProgressBar::new(1000) } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {percent}% {elapsed}") {
            bar.set_style(style);
        }
        let lines = if context.output == Output::Text { Lines::Shown } else { Lines::Hidden };
        Self { bar, lines }
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Audience for Show {
    fn time_moves(&mut self, now: Timestamp, start: Timestamp, end: Timestamp) {
        let total = end.duration_since(start).as_secs().max(1);
        let passed = now.duration_since(start).as_secs().clamp(0, total);
        self.bar.set_position((passed * 1000 / total).unsigned_abs());
        self.bar.set_message(now.strftime("%Y-%m-%d %H:%M").to_string());
    }

    fn happens(&mut self, event: &Event) {
        if self.lines == Lines::Hidden {
            return;
        }
        let line = line(event);
        self.bar.suspend(|| {
            // A closed pipe ends the showing, not the rehearsal.
            let _ = writeln!(std::io::stderr(), "{line}");
        });
    }
}

/// An event in one line, as a person reads it.
fn line(event: &Event) -> String {
    let text = |key: &str| event.body.get(key).and_then(|value| value.as_str()).unwrap_or_default();
    let number = |key: &str| event.body.get(key).and_then(serde_json::Value::as_u64).unwrap_or_default();
    let package = event.package.as_deref().unwrap_or_default();
    let what = match event.kind.as_str() {
        "release" => format!("{package} {} was released", text("version")),
        "staged" => format!("{package} {} is staged at {}", text("version"), short(text("commit"))),
        "commit" => format!("committed to {}: {}", text("repository"), text("title")),
        "pull-request" => format!("pull request #{} {}: {}", number("number"), text("action"), text("title")),
        "phase" => format!("{} begins", text("phase")),
        "snapshot" => format!(
            "the snapshot of {} is published: {} packages, {} left out",
            text("date"),
            number("packages"),
            number("left_out")
        ),
        other => format!("{other} {package}"),
    };
    format!("{}  {what}", event.at.strftime("%Y-%m-%d %H:%M"))
}

fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}
