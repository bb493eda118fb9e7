//! `events`: the timeline, as it is told.

use clap::Args;
use clap::builder::PossibleValuesParser;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::shown::plain;
use super::time::{self, GivenTime};
use super::{CommandError, Context, Output, state};
use crate::decide::event_words::{self, KINDS};
use crate::store::{Event, Store, TimelinePlace};

/// How many events are read at once.
const AT_ONCE: u32 = 500;

/// Show what happened: releases, promotions, builds that came in or were refused, tests, snapshots
#[derive(Debug, Args)]
#[command(after_help = "The newest events, the last one at the end.

Examples:
  tidegate events
      The last 20 events
  tidegate events --package q2-types -n 100
      What concerns one package, also in a pull request or a conflict of several
  tidegate events --kind refused --kind expired --after 2026-06-01
      Builds that did not come in since then, with what to do")]
pub(super) struct Events {
    /// Only what concerns this package
    #[arg(long, value_name = "PACKAGE")]
    package: Option<String>,
    /// Only events of this kind; may be given several times
    #[arg(long, value_name = "KIND", value_parser = PossibleValuesParser::new(KINDS))]
    kind: Vec<String>,
    /// Only what happened at or after this time, in RFC 3339 or as a date in UTC
    #[arg(long, value_name = "T", value_parser = time::parse)]
    after: Option<GivenTime>,
    /// How many
    #[arg(short = 'n', long = "count", value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    count: u32,
}

/// An event with its words.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    event: Event,
    told: String,
}

impl Events {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let after = self.after.map(|given| given.instant(&TimeZone::UTC)).transpose()?;
        let events = state::block_on(async {
            let store = context.read_state().await?;
            Ok(self.chosen(&store, after).await?)
        })?;
        match context.output {
            Output::Json => context.print_json(&events),
            Output::Text => print(context, &events),
        }
    }

    /// The newest events that are asked for, the newest one last.
    async fn chosen(&self, store: &Store, after: Option<Timestamp>) -> anyhow::Result<Vec<Shown>> {
        let mut chosen = Vec::new();
        let mut place = TimelinePlace::END;
        'pages: loop {
            let page = store.events_before(place, AT_ONCE).await?;
            let Some(last) = page.last() else { break };
            place = TimelinePlace { at: last.at, id: last.id };
            for event in page {
                if chosen.len() == self.count as usize || after.is_some_and(|after| event.at < after) {
                    break 'pages;
                }
                let words = event_words::Event::new(&event.kind, event.package.as_deref(), &event.body);
                if self.wants(&event.kind, words) {
                    let told = words.told();
                    chosen.push(Shown { told, event });
                }
            }
        }
        chosen.reverse();
        Ok(chosen)
    }

    fn wants(&self, kind: &str, words: event_words::Event<'_>) -> bool {
        let of_kind = self.kind.is_empty() || self.kind.iter().any(|wanted| wanted == kind);
        of_kind && self.package.as_deref().is_none_or(|package| words.packages().contains(package))
    }
}

fn print(context: &mut Context<'_>, events: &[Shown]) -> Result<(), CommandError> {
    if events.is_empty() {
        writeln!(context.out, "no such event")?;
    }
    for Shown { event, told } in events {
        writeln!(context.out, "{}  {}", event.at.strftime("%Y-%m-%d %H:%M"), plain(told))?;
    }
    Ok(())
}
