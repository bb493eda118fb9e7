//! The issue that tells of a forecast.

use std::fmt::Write as _;

use jiff::civil::Date;

use super::{Entry, Fall, Forecast, ForecastFacts};
use crate::decide::pieces::{clause, in_title, lines, name};
use crate::decide::words::counted;
use crate::domain::{Evidence, PackageName};

/// The most bytes of one list; there are eight.
const LIST: usize = 6_500;
/// The most packages that one line names; above it they are counted.
const NAMED: usize = 12;

/// What the issue says beside the forecast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForecastFrame {
    /// The distribution's name for people.
    pub title: String,
}

/// The title: it stays the same, whatever the forecast is.
pub fn title(frame: &ForecastFrame, freeze: Date) -> String {
    format!("{}: what the dependency freeze of {freeze} would change", in_title(&frame.title))
}

/// The text.
pub fn body(facts: &ForecastFacts, forecast: &Forecast) -> String {
    let mut text = format!("{}\n\n{}", headline(facts, forecast), comparison(facts, forecast));
    for (heading, list) in sections(facts, forecast) {
        if !list.is_empty() {
            let _ = write!(text, "\n### {heading}\n\n{list}");
        }
    }
    text + &what_next(facts)
}

/// Why a freeze is forecast no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It has begun.
    Begun,
    /// The calendar has another day for it, or none.
    Moved,
}

/// The last text of the issue: the last forecast stays to be compared with what happened.
pub fn ended_body(freeze: Date, ended: Ended, last: &str) -> String {
    let how = match ended {
        Ended::Begun => format!("The dependency freeze of {freeze} has begun."),
        Ended::Moved => format!("The calendar has no dependency freeze on {freeze} any more."),
    };
    format!("**{how} This was the last forecast of it:**\n\n{last}")
}

fn headline(facts: &ForecastFacts, forecast: &Forecast) -> String {
    let freeze = facts.freeze;
    let is_known = facts.now.status.known().is_some() && facts.then.status.known().is_some();
    if !is_known {
        return format!(
            "**What the dependency freeze of {freeze} would change cannot be told now**: see what is missing below."
        );
    }
    let passing: Vec<&Fall> = forecast.falls.iter().filter(|fall| fall.before == Evidence::Passing).collect();
    let own = passing.iter().filter(|fall| fall.through.is_empty()).count();
    let (of, unknown) = (counted(forecast.now.passing, "package"), forecast.then.unknown);
    let fallen = match (passing.len(), unknown) {
        (0, 0) => format!("none of the {of} that pass in {} would fall out", name(&facts.to)),
        // Nobody should read "would not" where nobody can tell.
        (0, _) => format!("none of the {of} that pass in {} is known to fall out", name(&facts.to)),
        (fallen, _) => format!(
            "{fallen} of the {of} that pass in {} would fall out, {own} by themselves and {} through them",
            name(&facts.to),
            fallen - own
        ),
    };
    let open = match unknown {
        0 => String::new(),
        unknown => format!("; of {unknown} nobody can tell yet"),
    };
    format!(
        "If the dependency freeze of {freeze} began today, **{fallen}{open}**. {} would recover, {} would enter and {} \
         would leave.",
        forecast.recovers.len(),
        forecast.enters.len(),
        forecast.leaves.len(),
    )
}

fn comparison(facts: &ForecastFacts, forecast: &Forecast) -> String {
    let (now, then) = (&facts.now, &facts.then);
    // Versions of R come from our own configuration, and are numbers.
    let new = |now: &str, then: &str| match now == then {
        true => then.to_owned(),
        false => format!("**{then}**"),
    };
    let number = |is_known: bool, number: usize| match is_known {
        true => number.to_string(),
        false => "not known".to_owned(),
    };
    let (before, after) = (now.status.known().is_some(), then.status.known().is_some());
    let mut table = "| | now | if it began today |\n| --- | --- | --- |\n".to_owned();
    let _ = writeln!(table, "| R | {} | {} |", now.r, new(&now.r, &then.r));
    let _ = writeln!(table, "| CRAN as of | {} | {} |", now.cran, then.cran);
    let rows = [
        ("packages", forecast.now.packages, forecast.then.packages),
        ("passing", forecast.now.passing, forecast.then.passing),
        ("failing", forecast.now.failing, forecast.then.failing),
        ("not known", forecast.now.unknown, forecast.then.unknown),
    ];
    for (label, now, then) in rows {
        let _ = writeln!(table, "| {label} | {} | {} |", number(before, now), number(after, then));
    }
    table
}

fn sections(facts: &ForecastFacts, forecast: &Forecast) -> [(String, String); 8] {
    let own = forecast.falls.iter().filter(|fall| fall.through.is_empty()).map(by_itself);
    let through = forecast.falls.iter().filter(|fall| !fall.through.is_empty()).map(through_others);
    let conflicts = forecast.conflicts.iter().map(|conflict| {
        let known = if conflict.is_known { ", as in this cycle" } else { "" };
        let (package, version, cran) =
            (name(&conflict.package), name(&conflict.version), name(&conflict.cran));
        format!("- {package} {version}: CRAN has {cran}{known}\n")
    });
    let recovers = forecast.recovers.iter().map(|recovery| {
        let version = version(recovery.version.as_deref());
        format!("- {}{version}: now {}\n", name(&recovery.package), clause(&recovery.failed))
    });
    let leaves = forecast.leaves.iter().map(|package| format!("- {}\n", name(package)));
    let open = forecast
        .open
        .iter()
        .map(|reason| format!("- {}: {}\n", clause(&reason.why), names(&reason.packages)));
    let missing = forecast.missing.iter().map(|why| format!("- {}\n", clause(why)));
    let (from, to) = (name(&facts.from), name(&facts.to));
    [
        ("What is missing".to_owned(), lines(missing, LIST, "source")),
        ("Would fall out by themselves".to_owned(), lines(own, LIST, "package")),
        ("Would fall out through others".to_owned(), lines(through, LIST, "package")),
        (format!("Versions below CRAN's of {}", facts.then.cran), lines(conflicts, LIST, "package")),
        ("Would recover".to_owned(), lines(recovers, LIST, "package")),
        (format!("Would enter {to}"), lines(forecast.enters.iter().map(entry), LIST, "package")),
        (format!("Would leave {to}, since {from} does not list them"), lines(leaves, LIST, "package")),
        ("Not known yet".to_owned(), lines(open, LIST, "reason")),
    ]
}

fn by_itself(fall: &Fall) -> String {
    let mut line = format!(
        "- {}{}: {}{}",
        name(&fall.package),
        version(fall.version.as_deref()),
        clause(&fall.reason),
        before(fall)
    );
    if !fall.takes_along.is_empty() {
        let _ = write!(line, ". Takes along {}", names(&fall.takes_along));
    }
    line + "\n"
}

fn through_others(fall: &Fall) -> String {
    let way: Vec<String> =
        std::iter::once(&fall.package).chain(&fall.through).map(|step| name(step)).collect();
    format!("- {}: {}{}\n", way.join(" → "), clause(&fall.reason), before(fall))
}

fn before(fall: &Fall) -> &'static str {
    match fall.before {
        Evidence::Passing | Evidence::Failing => "",
        Evidence::Pending | Evidence::Unknown => " (of now nobody can tell)",
    }
}

fn entry(entry: &Entry) -> String {
    let stands = match (entry.evidence, &entry.reason) {
        (Evidence::Passing, _) | (_, None) => "would pass".to_owned(),
        (Evidence::Failing, Some(why)) => format!("would fail: {}", clause(why)),
        (_, Some(why)) => format!("not known yet: {}", clause(why)),
    };
    format!("- {}{}: {stands}\n", name(&entry.package), version(entry.version.as_deref()))
}

fn version(version: Option<&str>) -> String {
    version.map(|version| format!(" {}", name(version))).unwrap_or_default()
}

fn names(packages: &[PackageName]) -> String {
    let shown: Vec<String> = packages.iter().take(NAMED).map(|package| name(package)).collect();
    match packages.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn what_next(facts: &ForecastFacts) -> String {
    let ForecastFacts { freeze, snapshot, .. } = facts;
    let (r, from) = (&facts.then.r, name(&facts.from));
    format!(
        "\n### What happens next\n\n\
         - The freeze takes up what {from} offers on {freeze}. A release before that day, whose version is not below \
         CRAN's and which passes `R CMD check` in R {r}, goes into it; the snapshot is on {snapshot}.\n\
         - The freeze takes the CRAN of its own first day, so what CRAN publishes until then counts too.\n\
         - This text is kept up to date until the freeze begins, and closed then. `tidegate forecast {}` shows the \
         same.\n",
        facts.distribution
    )
}
