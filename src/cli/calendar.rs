//! `calendar`: where a day lies in a distribution's calendar, and what its cycle targets.

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::time::{self, GivenTime};
use super::{CommandError, Context, Output, chosen};
use crate::calendar::{CyclePoint, Promote, Targets};
use crate::config::Distribution;

/// Show phase, milestones, and the targeted R version and dates
#[derive(Debug, Args)]
pub(super) struct ShowCalendar {
    /// The distribution
    distribution: String,
    /// The time to look at, in RFC 3339 or as a date [default: now]
    #[arg(long, value_name = "T", value_parser = time::parse)]
    at: Option<GivenTime>,
}

impl ShowCalendar {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let configuration = context.configuration()?;
        let distribution = chosen::distribution(&configuration, &self.distribution)?;
        let at = match self.at {
            Some(given) => given.instant(distribution.calendar.timezone())?,
            None => context.clock.now(),
        };
        let point = distribution.point(at);
        let targets = distribution.targets(&point).map_err(|error| {
            let file = format!("distributions/{}.toml", distribution.name);
            CommandError::invalid(format!("this cycle has no targets: {error}")).hint(format!("see {file}"))
        })?;
        match context.output {
            Output::Json => context.print_json(&as_json(distribution, at, &point, &targets)),
            Output::Text => {
                Ok(context.out.write_all(as_text(distribution, at, &point, &targets).as_bytes())?)
            }
        }
    }
}

fn as_json(distribution: &Distribution, at: Timestamp, point: &CyclePoint, targets: &Targets) -> Value {
    json!({
        "distribution": distribution.name,
        "at": at,
        "cycle_start": point.cycle_start,
        "phase": point.phase.name,
        "dependency_freeze": targets.dependency_freeze,
        "candidate_freeze": targets.candidate_freeze,
        "snapshot": targets.snapshot,
        "r": targets.r,
        "cran": targets.cran,
        "production": targets.production,
        "next_cycle": point.next_cycle,
    })
}

fn as_text(distribution: &Distribution, at: Timestamp, point: &CyclePoint, targets: &Targets) -> String {
    let promoted = match point.phase.promote {
        Promote::All => "every admissible release may move",
        Promote::FailingOnly => "only what fails may move",
        Promote::None => "nothing may move",
    };
    let phase = &point.phase;
    let rows = [
        ("at", at.to_string()),
        ("phase", format!("{}, until {} ({promoted})", phase.name, phase.end)),
        ("dependency freeze", targets.dependency_freeze.to_string()),
        ("candidate freeze", targets.candidate_freeze.to_string()),
        ("snapshot", targets.snapshot.to_string()),
        ("next cycle", point.next_cycle.to_string()),
        ("R", targets.r.clone()),
        ("CRAN", targets.cran.clone()),
        ("production", targets.production.clone()),
    ];
    let mut text = format!("{} ({})\n", distribution.title, distribution.name);
    for (name, value) in rows {
        text += &format!("  {name:<18} {value}\n");
    }
    text
}
