//! `report.html`: the story of a rehearsal of conda packages on one page, for people. It needs no script.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use super::story::done_outside;
use super::summary::{CondaSummary, events};
use crate::config::CondaDistribution;
use crate::decide::event_words;
use crate::rehearse::scenery::Span;
use crate::rehearse::world::CondaWorld;
use crate::store::{Store, Verdict};

#[derive(Template)]
#[template(path = "rehearsal-conda.html")]
struct Report<'a> {
    title: &'a str,
    world: &'a str,
    description: &'a str,
    start: Date,
    end: Date,
    columns: Vec<String>,
    days: Vec<Day>,
    summary: &'a CondaSummary,
}

/// A day of the world.
struct Day {
    date: Date,
    /// What each column stood at when the day ended.
    states: Vec<State>,
    /// What was told that day.
    lines: Vec<Line>,
}

/// What a member stands at: a word, and the class of its colour.
struct State {
    word: String,
    class: &'static str,
}

/// Something that happened, with the class that tells tidegate's part from the world's.
struct Line {
    time: String,
    class: &'static str,
    text: String,
}

/// A time with its class and text; what happened outside comes first, since the rest follows from it.
type Told = (Timestamp, &'static str, String);

/// Renders the report.
pub(super) async fn render(
    store: &Store,
    (world, distribution): (&CondaWorld, &CondaDistribution),
    summary: &CondaSummary,
    span: Span,
) -> anyhow::Result<String> {
    let members = members(store, distribution).await?;
    let mut lines: BTreeMap<Date, Vec<Told>> = BTreeMap::new();
    for deed in world.deeds.iter().filter(|deed| deed.at <= span.end) {
        lines.entry(day_of(deed.at)).or_default().push((deed.at, "outside", done_outside(deed)));
    }
    for event in events(store).await? {
        let words = event_words::Event::new(&event.kind, event.package.as_deref(), &event.body);
        lines.entry(day_of(event.at)).or_default().push((event.at, "tidegate", words.told()));
    }
    let mut days = Vec::new();
    for date in day_of(span.start).series(1.day()).take_while(|day| *day <= day_of(span.end)) {
        let evening = date.tomorrow()?.to_zoned(TimeZone::UTC)?.timestamp().min(span.end);
        let opens = date.to_zoned(TimeZone::UTC)?.timestamp();
        if opens >= span.end && opens > span.start {
            break;
        }
        let mut told = lines.remove(&date).unwrap_or_default();
        told.sort();
        days.push(Day {
            date,
            states: members.values().map(|verdicts| state_at(verdicts, evening)).collect(),
            lines: told
                .into_iter()
                .map(|(at, class, text)| Line { time: at.strftime("%H:%M").to_string(), class, text })
                .collect(),
        });
    }
    let report = Report {
        title: &distribution.title,
        world: &world.name,
        description: &world.description,
        start: day_of(span.start),
        end: days.last().map_or(day_of(span.end), |day| day.date),
        columns: members.into_keys().collect(),
        days,
        summary,
    };
    Ok(report.render()?)
}

fn day_of(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

/// The verdicts of rechecks by member, with platform and mode where there are several.
async fn members(
    store: &Store,
    distribution: &CondaDistribution,
) -> anyhow::Result<BTreeMap<String, Vec<Verdict>>> {
    let mut found: BTreeMap<(String, String), Vec<Verdict>> = BTreeMap::new();
    for member in distribution.required_members() {
        for verdict in store.verdict_history(member).await? {
            if let Some(scope) = verdict.scope.strip_prefix("recheck/") {
                found.entry((member.to_owned(), scope.to_owned())).or_default().push(verdict);
            }
        }
    }
    let scopes: BTreeSet<&String> = found.keys().map(|(_, scope)| scope).collect();
    let several = scopes.len() > 1;
    let named =
        |(member, scope): (String, String)| if several { format!("{member} {scope}") } else { member };
    Ok(found.into_iter().map(|(key, verdicts)| (named(key), verdicts)).collect())
}

/// What holds just before `evening`.
fn state_at(verdicts: &[Verdict], evening: Timestamp) -> State {
    let holds =
        |verdict: &&Verdict| verdict.since < evening && verdict.until.is_none_or(|until| evening <= until);
    match verdicts.iter().find(holds) {
        Some(verdict) => {
            let class = match verdict.kind.as_str() {
                "green" => "green",
                "red" => "red",
                _ => "other",
            };
            State { word: verdict.kind.replace('-', " "), class }
        }
        None => State { word: "not tested".to_owned(), class: "none" },
    }
}
