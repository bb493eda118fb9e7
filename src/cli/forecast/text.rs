//! A forecast for a terminal.

use jiff::Timestamp;

use super::super::shown::plain;
use crate::config::Distribution;
use crate::decide::forecast::{Entry, Fall, Forecast, ForecastFacts};
use crate::decide::words::{counted, listed};
use crate::domain::{Evidence, Fact};

/// The whole forecast.
pub(super) fn page(
    distribution: &Distribution,
    at: Timestamp,
    facts: &ForecastFacts,
    forecast: &Forecast,
) -> String {
    let ForecastFacts { freeze, to, .. } = facts;
    let mut page = format!("{}: the dependency freeze of {freeze}, if it began now\n", distribution.title);
    page += &format!(
        "  {}\n  From what was known at {at}. The snapshot is on {}.\n\n",
        said(facts, forecast),
        facts.snapshot
    );
    page += &comparison(facts, forecast);
    let falls = |own: bool| forecast.falls.iter().filter(move |fall| fall.through.is_empty() == own);
    page += &section("what is missing", forecast.missing.clone());
    page += &section("would fall out by themselves", falls(true).map(by_itself));
    page += &section("would fall out through others", falls(false).map(through_others));
    let conflicts = forecast.conflicts.iter().map(|conflict| {
        let known = if conflict.is_known { ", as in this cycle" } else { "" };
        format!("{} {}  CRAN has {}{known}", conflict.package, conflict.version, conflict.cran)
    });
    page += &section(&format!("versions below CRAN's of {}", facts.then.cran), conflicts);
    let recovers = forecast.recovers.iter().map(|recovery| {
        format!("{}  now {}", with_version(&recovery.package, recovery.version.as_deref()), recovery.failed)
    });
    page += &section("would recover", recovers);
    page += &section(&format!("would enter {to}"), forecast.enters.iter().map(entry));
    page += &section(&format!("would leave {to}"), forecast.leaves.clone());
    let open = forecast.open.iter().map(|reason| format!("{}: {}", reason.why, listed(&reason.packages)));
    page += &section("not known yet", open);
    page
}

fn said(facts: &ForecastFacts, forecast: &Forecast) -> String {
    if let (Fact::Unknown { .. }, _) | (_, Fact::Unknown { .. }) = (&facts.now.status, &facts.then.status) {
        return "What it would change cannot be told: see what is missing.".to_owned();
    }
    let fallen = forecast.falls.iter().filter(|fall| fall.before == Evidence::Passing).count();
    let (is_known, open) = match forecast.then.unknown {
        0 => ("would", String::new()),
        unknown => ("are known to", format!(" Of {unknown} nobody can tell yet.")),
    };
    format!(
        "{fallen} of {} that pass in {} {is_known} fall out; {} would recover, {} enter and {} leave.{open}",
        counted(forecast.now.passing, "package"),
        facts.to,
        forecast.recovers.len(),
        forecast.enters.len(),
        forecast.leaves.len()
    )
}

fn comparison(facts: &ForecastFacts, forecast: &Forecast) -> String {
    let number = |is_known: bool, number: usize| match is_known {
        true => number.to_string(),
        false => "?".to_owned(),
    };
    let (before, after) = (facts.now.status.known().is_some(), facts.then.status.known().is_some());
    let (now, then) = (&forecast.now, &forecast.then);
    let rows = [
        ("", "now".to_owned(), "then".to_owned()),
        ("R", facts.now.r.clone(), facts.then.r.clone()),
        ("CRAN", facts.now.cran.to_string(), facts.then.cran.to_string()),
        ("packages", number(before, now.packages), number(after, then.packages)),
        ("passing", number(before, now.passing), number(after, then.passing)),
        ("failing", number(before, now.failing), number(after, then.failing)),
        ("not known", number(before, now.unknown), number(after, then.unknown)),
    ];
    rows.map(|(label, now, then)| format!("  {label:<12} {now:<12} {then}\n")).concat()
}

/// A heading with its lines; nothing where there are none.
fn section(heading: &str, lines: impl IntoIterator<Item = String>) -> String {
    let lines: String = lines.into_iter().map(|line| format!("  {}\n", plain(&line))).collect();
    if lines.is_empty() { lines } else { format!("\n{heading}\n{lines}") }
}

fn by_itself(fall: &Fall) -> String {
    let along = match fall.takes_along.is_empty() {
        true => String::new(),
        false => format!("; takes along {}", listed(&fall.takes_along)),
    };
    let package = with_version(&fall.package, fall.version.as_deref());
    format!("{package}  {}{along}{}", fall.reason, before(fall))
}

fn through_others(fall: &Fall) -> String {
    let way: Vec<&str> = std::iter::once(&fall.package).chain(&fall.through).map(String::as_str).collect();
    format!("{}  {}{}", way.join(" → "), fall.reason, before(fall))
}

fn before(fall: &Fall) -> &'static str {
    if fall.before == Evidence::Passing { "" } else { " (of now nobody can tell)" }
}

fn entry(entry: &Entry) -> String {
    let stands = match (entry.evidence, &entry.reason) {
        (Evidence::Passing, _) | (_, None) => "would pass".to_owned(),
        (Evidence::Failing, Some(why)) => format!("would fail: {why}"),
        (_, Some(why)) => format!("not known yet: {why}"),
    };
    format!("{}  {stands}", with_version(&entry.package, entry.version.as_deref()))
}

fn with_version(package: &str, version: Option<&str>) -> String {
    version.map_or_else(|| package.to_owned(), |version| format!("{package} {version}"))
}
