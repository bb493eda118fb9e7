//! `next`: when jobs are due.

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::time::{self, GivenTime};
use super::{CommandError, Context, Output, chosen};
use crate::config::{Configuration, Job};

/// Show the next times at which jobs are due
#[derive(Debug, Args)]
pub(super) struct Next {
    /// Only this job
    job: Option<String>,
    /// How many times of each job
    #[arg(short = 'n', long = "count", value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    count: u16,
    /// Only times after this one, in RFC 3339 or as a date [default: now]
    #[arg(long, value_name = "T", value_parser = time::parse)]
    after: Option<GivenTime>,
}

#[derive(Serialize)]
struct Due {
    job: String,
    /// The nominal time, in UTC.
    at: Timestamp,
    /// The same in the job's zone, where that is not UTC.
    local: Option<String>,
    /// What daylight saving does to it.
    note: Option<String>,
}

impl Next {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let configuration = context.configuration()?;
        let mut due = Vec::new();
        for job in asked_for(&configuration, self.job.as_deref())? {
            let after = match self.after {
                Some(given) => given.instant(chosen::midnight_zone(&configuration, job))?,
                None => context.clock.now(),
            };
            let times =
                std::iter::successors(job.schedule.next_after(after), |at| job.schedule.next_after(*at));
            due.extend(times.take(self.count.into()).map(|at| describe(job, at)));
        }
        // One job's times are in order already; several jobs read best as one list by time.
        due.sort_by(|a, b| (a.at, &a.job).cmp(&(b.at, &b.job)));
        match context.output {
            Output::Json => context.print_json(&due),
            Output::Text => print(context, &due),
        }
    }
}

/// The jobs that are asked for: the one that is named, switched off or not, or all that are switched on.
fn asked_for<'c>(configuration: &'c Configuration, name: Option<&str>) -> Result<Vec<&'c Job>, CommandError> {
    match name {
        Some(name) => Ok(vec![chosen::job(configuration, name)?]),
        None => Ok(configuration.jobs.values().filter(|job| job.enabled).collect()),
    }
}

fn describe(job: &Job, at: Timestamp) -> Due {
    let zone = job.schedule.timezone();
    let local = at.to_zoned(zone.clone());
    let note = if job.schedule.is_shifted(at) {
        Some("moved by daylight saving: the time it is meant for does not exist on this day")
    } else if zone.to_ambiguous_timestamp(local.datetime()).is_ambiguous() {
        Some("daylight saving makes this hour occur twice on this day")
    } else {
        None
    };
    Due {
        job: job.name.clone(),
        at,
        local: (job.timezone != "UTC").then(|| local.strftime("%Y-%m-%d %H:%M %Z").to_string()),
        note: note.map(str::to_owned),
    }
}

fn print(context: &mut Context<'_>, due: &[Due]) -> Result<(), CommandError> {
    if due.is_empty() {
        writeln!(context.out, "no job is due: there is none, or all are switched off")?;
    }
    let width = due.iter().map(|due| due.job.len()).max().unwrap_or(0);
    for Due { job, at, local, note } in due {
        let local = local.as_ref().map(|local| format!("  ({local})")).unwrap_or_default();
        let note = note.as_ref().map(|note| format!("  {note}")).unwrap_or_default();
        let line = format!("{at}  {job:<width$}{local}{note}");
        writeln!(context.out, "{}", line.trim_end())?;
    }
    Ok(())
}
