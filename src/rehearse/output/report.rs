//! `report.html`: the story of a rehearsal on one page, for people.

use anyhow::Context as _;
use askama::Template;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};

use super::chart::{self, Mark, Series};
use super::pages;
use super::summary::Summary;
use crate::config::{Configuration, Distribution};
use crate::domain::{ChannelStatus, Evidence};
use crate::jobs::sources::names;
use crate::rehearse::github::state::PullRequest;
use crate::store::Store;

#[derive(Template)]
#[template(path = "report.html")]
struct Report<'a> {
    title: &'a str,
    start: Date,
    end: Date,
    chart: String,
    legend: Vec<(&'static str, String)>,
    summary: &'a Summary,
    pull_requests: Vec<PullRequestRow<'a>>,
}

struct PullRequestRow<'a> {
    number: u64,
    title: &'a str,
    opened: Date,
    state: &'static str,
    finished: Option<Date>,
}

/// Renders the report.
pub async fn render(
    store: &Store,
    configuration: &Configuration,
    summary: &Summary,
    pull_requests: &[(String, PullRequest)],
    (start, end): (Timestamp, Timestamp),
) -> anyhow::Result<String> {
    let distribution =
        configuration.distributions.values().next().context("there is no distribution to report on")?;
    let days = days(distribution, start, end);
    let series = series(store, distribution, &days).await?;
    let report = Report {
        title: &distribution.title,
        start: days.first().copied().unwrap_or_default(),
        end: days.last().copied().unwrap_or_default(),
        chart: chart::draw(&days, &series, &marks(distribution, &days)),
        legend: series.iter().map(|series| (series.class, series.name.clone())).collect(),
        summary,
        pull_requests: pull_requests.iter().map(|(_, pull)| row(pull)).collect(),
    };
    Ok(report.render()?)
}

fn row(pull: &PullRequest) -> PullRequestRow<'_> {
    let date = |at: Timestamp| at.to_zoned(jiff::tz::TimeZone::UTC).date();
    PullRequestRow {
        number: pull.number,
        title: &pull.title,
        opened: date(pull.created_at),
        state: pages::state(pull),
        finished: pull.merged.as_ref().map(|merge| merge.at).or(pull.closed_at).map(date),
    }
}

/// The days of the rehearsal in the calendar's zone.
fn days(distribution: &Distribution, start: Timestamp, end: Timestamp) -> Vec<Date> {
    let zone = distribution.calendar.timezone();
    let first = start.to_zoned(zone.clone()).date();
    let last = end.to_zoned(zone.clone()).date();
    first.series(1.day()).take_while(|day| *day <= last).collect()
}

fn marks(distribution: &Distribution, days: &[Date]) -> Vec<Mark> {
    let mut marks = Vec::new();
    for day in days {
        let point = distribution.calendar.point_on(*day);
        if point.phase.start == *day {
            marks.push(Mark { day: *day, name: point.phase.name });
        }
    }
    marks
}

/// How large the channels were at noon of each day, and how many packages passed.
async fn series(store: &Store, distribution: &Distribution, days: &[Date]) -> anyhow::Result<Vec<Series>> {
    let mut series: Vec<Series> = Vec::new();
    let classes = ["line-a", "line-b", "line-c", "line-d"];
    let listed = distribution.channels.iter().filter(|channel| channel.universe().is_some());
    for (channel, class) in listed.zip(classes.chunks(2)) {
        let (mut built, mut passing) = (Vec::new(), Vec::new());
        for day in days {
            let noon = day.at(12, 0, 0, 0).to_zoned(distribution.calendar.timezone().clone())?.timestamp();
            let seen = store.seen_at(&names::status(&distribution.name, &channel.name), noon).await?;
            let status: Option<ChannelStatus> =
                seen.map(|fact| serde_json::from_slice(&fact.bytes)).transpose()?;
            built.push(status.as_ref().map(|status| status.packages.len()));
            passing.push(status.as_ref().map(|status| {
                status.packages.values().filter(|known| known.evidence == Evidence::Passing).count()
            }));
        }
        series.push(Series { name: format!("{}: built", channel.name), class: class[0], values: built });
        series.push(Series { name: format!("{}: passing", channel.name), class: class[1], values: passing });
    }
    Ok(series)
}
