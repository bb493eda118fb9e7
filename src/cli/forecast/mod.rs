//! `forecast`: what the next dependency freeze would change if it began today.

mod text;

use clap::Args;
use jiff::Timestamp;
use serde_json::json;

use super::time::{self, GivenTime};
use super::{CommandError, Context, Output, chosen, state};
use crate::config::{Configuration, Distribution, Forecast as Settings, JobKind, TextDuration};
use crate::decide::forecast;
use crate::jobs;

/// Show what the next dependency freeze would change if it began today
#[derive(Debug, Args)]
#[command(
    after_help = "Nothing is fetched: a forecast is drawn from what jobs have stored, and says what is missing. Jobs \
of the kinds check-status (for both channels) and forecast store it.

Examples:
  tidegate forecast r-multiverse
      Which packages would fall out and through whom, recover, enter or leave
  tidegate forecast r-multiverse --at 2026-06-20 --markdown
      What could be told on that day, as text for an issue"
)]
pub(super) struct ShowForecast {
    /// The distribution
    distribution: String,
    /// From what was known at this time, in RFC 3339 or as a date [default: now]
    #[arg(long, value_name = "T", value_parser = time::parse)]
    at: Option<GivenTime>,
    /// Print Markdown
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
}

impl ShowForecast {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let configuration = context.configuration_of_state()?;
        let distribution = chosen::distribution(&configuration, &self.distribution)?;
        let at = match self.at {
            Some(given) => given.instant(distribution.calendar.timezone())?,
            None => context.clock.now(),
        };
        check_targets(distribution, at)?;
        let settings = settings(&configuration, distribution)?;
        let facts = state::block_on(async {
            let store = context.read_state().await?;
            Ok(jobs::forecast::facts(&store, distribution, &settings, at).await?)
        })?;
        let forecast = forecast::forecast(&facts);
        match (context.output, self.markdown) {
            (Output::Json, _) => context.print_json(&json!({
                "distribution": facts.distribution, "at": at, "from": facts.from, "to": facts.to,
                "freeze": facts.freeze, "snapshot": facts.snapshot,
                "now": { "r": facts.now.r, "cran": facts.now.cran },
                "then": { "r": facts.then.r, "cran": facts.then.cran },
                "forecast": forecast,
            })),
            (Output::Text, true) => {
                Ok(context.out.write_all(forecast::body(&facts, &forecast).as_bytes())?)
            }
            (Output::Text, false) => {
                Ok(context.out.write_all(text::page(distribution, at, &facts, &forecast).as_bytes())?)
            }
        }
    }
}

/// A calendar whose coming cycle has no targets is a mistake in a file, not in the program.
fn check_targets(distribution: &Distribution, at: Timestamp) -> Result<(), CommandError> {
    jobs::forecast::coming(distribution, at).map(drop).map_err(|error| {
        let file = format!("distributions/{}.toml", distribution.name);
        CommandError::invalid(format!("the coming cycle has no targets: {error}")).hint(format!("see {file}"))
    })
}

/// The channels that are compared: those of the distribution's forecast, switched on or not; else those of its
/// promotion.
fn settings(configuration: &Configuration, distribution: &Distribution) -> Result<Settings, CommandError> {
    let jobs = || configuration.jobs.values().filter(|job| job.distribution == distribution.name);
    let forecast = jobs().find_map(|job| match &job.kind {
        JobKind::Forecast(settings) => Some(settings.clone()),
        _ => None,
    });
    let promotion = || {
        jobs().find_map(|job| match &job.kind {
            JobKind::Promote(promote) => Some(Settings {
                from: promote.from.clone(),
                to: promote.to.clone(),
                lead: TextDuration::from_secs(0),
            }),
            _ => None,
        })
    };
    forecast.or_else(promotion).ok_or_else(|| {
        let name = &distribution.name;
        CommandError::invalid(format!("no job says from where to where packages of `{name}` move"))
            .hint("add a job of the kind `promote` or `forecast`")
    })
}
