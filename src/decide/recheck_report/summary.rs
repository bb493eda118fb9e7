//! The rolling issue on a distribution: how every member stands, what holds the metapackage back, and who
//! has to act.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::pieces::{day, failed, fault, name};
use super::{Frame, is_troubled, place_in_distribution, place_in_words, revision};
use crate::decide::recheck::{CaseState, CaseVerdict, Gate};
use crate::decide::report::Troubles;
use crate::decide::words::counted;
use crate::domain::TestVerdict;
use crate::github::markdown::escape;

/// The most bytes of the table of members, and of the list of what is in trouble.
const TABLE: usize = 24_000;
const LIST: usize = 24_000;

/// Everything that the rolling issue tells.
#[derive(Clone, Debug)]
pub struct SummaryFacts<'a> {
    /// What all reports have in common.
    pub frame: &'a Frame,
    /// Every verdict, in the order of member, platform and mode.
    pub verdicts: &'a [CaseVerdict],
    /// Whether the metapackage may pass.
    pub gate: &'a Gate,
    /// What is in trouble, by [`place_in_distribution`].
    pub troubles: &'a Troubles,
    /// Members that may pass without tests.
    pub without_tests: &'a BTreeSet<String>,
    /// Where the maintainers of each package in trouble were told, by its name.
    pub told: &'a BTreeMap<String, Told>,
    /// The newest metapackage in the channel for what has passed.
    pub passed: &'a Passed,
}

/// Where the maintainers of a package were told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// By the issue with this number and page.
    Issue(i64, String),
    /// By the issue with this number and page, which a person has closed.
    ClosedByOthers(i64, String),
    /// They will be, once GitHub can be reached.
    Later,
    /// GitHub does not take it: why.
    Refused(String),
}

/// What has passed last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passed {
    /// This version and build.
    Metapackage(String),
    /// Nothing yet.
    Nothing,
    /// Nobody could tell.
    Unknown,
}

/// The title of the rolling issue.
pub fn summary_title(frame: &Frame) -> String {
    let plain: String = frame.distribution.chars().filter(|c| !c.is_control()).take(100).collect();
    format!("Recheck of {plain}")
}

/// The text of the rolling issue.
pub fn summary_body(facts: &SummaryFacts<'_>) -> String {
    let frame = facts.frame;
    let mut text = format!("{}\n\n{}\n\n{}", headline(facts), passed(facts), table(facts));
    let troubles = troubles(facts);
    if !troubles.is_empty() {
        let _ = write!(text, "\n### What is in trouble, and who has to act\n\n{troubles}");
    }
    let untested = listed_unknown(facts, &has_no_engine);
    if !untested.is_empty() {
        let _ = write!(
            text,
            "\n### What was not tested\n\nNo engine of these rechecks takes their tests; those who operate tidegate \
             have to run a recheck with one for these platforms.\n\n{untested}"
        );
    }
    let unknown = listed_unknown(facts, &|verdict| !has_no_engine(verdict));
    if !unknown.is_empty() {
        let _ = write!(
            text,
            "\n### What nobody could tell\n\nThe machine failed, and not the package; those who operate \
             tidegate have to act. `tidegate explain` says why, for each package.\n\n{unknown}"
        );
    }
    let _ = write!(
        text,
        "\n### What happens next\n\n\
         - Rechecks are due {}. What did not change is not tested again.\n\
         - This text is kept up to date, and a comment tells what went wrong or is well again: one for each recheck \
         at most. Closed, it is left alone until somebody opens it again.\n",
        frame.due
    );
    text
}

fn headline(facts: &SummaryFacts<'_>) -> String {
    let frame = facts.frame;
    let metapackage = name(&format!("{} {}", frame.metapackage.name, frame.metapackage.version));
    let members: BTreeSet<&str> = facts.verdicts.iter().map(|v| v.case.member.name.as_str()).collect();
    let holding: BTreeSet<&str> = match facts.gate {
        Gate::Closed(cases) => cases.iter().map(|case| case.member.name.as_str()).collect(),
        Gate::Open | Gate::Waiting | Gate::NotWhole(_) | Gate::WholeUnknown(_) | Gate::Withdrawn(_) => {
            BTreeSet::new()
        }
    };
    match facts.gate {
        Gate::Open => format!(
            "**{metapackage} passes**: nothing speaks against its {}.",
            counted(members.len(), "member")
        ),
        Gate::Waiting => format!("**{metapackage} waits** for tests that go on."),
        Gate::NotWhole(platforms) => format!(
            "**{metapackage} does not pass**: nothing speaks against its {} one by one, but they cannot be \
             installed together.\n\n{}",
            counted(members.len(), "member"),
            list_of_reasons(platforms)
        ),
        Gate::WholeUnknown(platforms) => format!(
            "**{metapackage} does not pass yet**: nothing speaks against its {} one by one, but nobody could tell \
             whether they can be installed together. It is tried again at the next recheck.\n\n{}",
            counted(members.len(), "member"),
            list_of_reasons(platforms)
        ),
        Gate::Withdrawn(files) => {
            let told = files.iter().map(|(file, why)| format!("- {}, {}\n", name(file), escape(why)));
            format!(
                "**{metapackage} does not pass**: nothing speaks against its {}, but people have taken files out of \
                 {}.\n\n{}",
                counted(members.len(), "member"),
                name(&frame.to),
                told.collect::<String>().trim_end()
            )
        }
        Gate::Closed(_) => format!(
            "**{metapackage} does not pass**: {} of {} {} in its way.",
            holding.len(),
            counted(members.len(), "member"),
            if holding.len() == 1 { "is" } else { "are" },
        ),
    }
}

fn passed(facts: &SummaryFacts<'_>) -> String {
    let (to, metapackage) = (name(&facts.frame.to), &facts.frame.metapackage.name);
    match facts.passed {
        Passed::Metapackage(build) => {
            format!(
                "The newest one in {to}, which users install from, is {}.",
                name(&format!("{metapackage} {build}"))
            )
        }
        Passed::Nothing => format!("Nothing has passed to {to} yet."),
        Passed::Unknown => format!("What {to} holds could not be read."),
    }
}

/// A row for each member, a column for each platform.
fn table(facts: &SummaryFacts<'_>) -> String {
    let platforms: BTreeSet<&str> = facts.verdicts.iter().map(|v| v.case.platform.as_str()).collect();
    let mut cells: BTreeMap<(&str, String), BTreeMap<&str, Vec<&CaseVerdict>>> = BTreeMap::new();
    for verdict in facts.verdicts {
        let row = cells.entry((verdict.case.member.name.as_str(), revision(verdict))).or_default();
        row.entry(verdict.case.platform.as_str()).or_default().push(verdict);
    }
    let heads: Vec<String> = platforms.iter().map(|platform| escape(platform)).collect();
    let rule = "| --- ".repeat(platforms.len() + 1);
    let mut table = format!("| member | {} |\n{rule}|\n", heads.join(" | "));
    let mut left = 0;
    for ((member, revision), row) in cells {
        let cells: Vec<String> = platforms
            .iter()
            .map(|platform| {
                row.get(platform).map_or_else(|| "–".to_owned(), |verdicts| cell(facts, verdicts))
            })
            .collect();
        let line = format!(
            "| {} | {} |\n",
            name(&format!("{member} {revision}")).replace('|', "\\|"),
            cells.join(" | ")
        );
        match table.len() + line.len() > TABLE {
            true => left += 1,
            false => table += &line,
        }
    }
    if left > 0 {
        let _ = writeln!(table, "\nand {}.", counted(left, "more member"));
    }
    table
}

/// How a member stands on a platform: one word, or one for each mode where they differ.
fn cell(facts: &SummaryFacts<'_>, verdicts: &[&CaseVerdict]) -> String {
    let words: Vec<String> = verdicts.iter().map(|verdict| word(facts, verdict)).collect();
    match words.iter().all(|word| *word == words[0]) {
        true => words[0].clone(),
        false => {
            let each =
                verdicts.iter().zip(&words).map(|(verdict, word)| format!("{word} ({})", verdict.case.mode));
            each.collect::<Vec<_>>().join(", ")
        }
    }
}

fn word(facts: &SummaryFacts<'_>, verdict: &CaseVerdict) -> String {
    let since = facts.troubles.get(&place_in_distribution(&verdict.case));
    let since = since.map(|trouble| format!(" since {}", day(trouble.since))).unwrap_or_default();
    match verdict.state {
        CaseState::Green => "green".to_owned(),
        CaseState::Red => format!("**red**{since}"),
        CaseState::NoTests if is_troubled(verdict, facts.without_tests) => format!("**no tests**{since}"),
        CaseState::NoTests => "no tests, which is allowed".to_owned(),
        CaseState::Waiting => "to be tested".to_owned(),
        CaseState::Unknown if is_troubled(verdict, facts.without_tests) => {
            format!("**red**{since}, not tested since")
        }
        CaseState::Unknown => "unknown".to_owned(),
    }
}

/// A paragraph for each package in trouble.
fn troubles(facts: &SummaryFacts<'_>) -> String {
    let mut packages: BTreeMap<&str, Vec<&CaseVerdict>> = BTreeMap::new();
    for verdict in facts.verdicts.iter().filter(|verdict| is_troubled(verdict, facts.without_tests)) {
        packages.entry(verdict.case.member.name.as_str()).or_default().push(verdict);
    }
    let (mut text, mut left) = (String::new(), 0);
    for (package, verdicts) in packages {
        let mut lines = format!("- {}: {}\n", name(package), who(facts, package));
        let mut reasons: Vec<(String, Vec<String>)> = Vec::new();
        for verdict in verdicts {
            let reason = format!("{}. {}", failed(verdict), fault(verdict));
            let place = escape(&place_in_words(&verdict.case.platform, verdict.case.mode));
            match reasons.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, places)) => places.push(place),
                None => reasons.push((reason, vec![place])),
            }
        }
        for (reason, places) in reasons {
            let _ = writeln!(lines, "  - on {}: {}", places.join(", and "), reason.trim_end());
        }
        match text.len() + lines.len() > LIST {
            true => left += 1,
            false => text += &lines,
        }
    }
    if left > 0 {
        let _ = writeln!(text, "- and {}", counted(left, "more package"));
    }
    text
}

/// Who has to act for a package, and where they were told.
fn who(facts: &SummaryFacts<'_>, package: &str) -> String {
    let link =
        |number: &i64, page: &str| match page.starts_with("https://") && !page.contains([')', ' ', '<']) {
            true => format!("[#{number}]({page})"),
            false => format!("issue {number}"),
        };
    match facts.told.get(package) {
        Some(Told::Issue(number, page)) => {
            format!("its maintainers have to act; {} tells them.", link(number, page))
        }
        Some(Told::ClosedByOthers(number, page)) => {
            format!(
                "its maintainers have to act; {}, which told them, was closed by a person.",
                link(number, page)
            )
        }
        Some(Told::Later) => {
            "its maintainers have to act; they are told once GitHub can be reached.".to_owned()
        }
        Some(Told::Refused(why)) => {
            format!("its maintainers have to act, and **were not told**, since {}.", escape(why))
        }
        None => "its maintainers have to act. Nothing is written to their repository: please tell them."
            .to_owned(),
    }
}

fn has_no_engine(verdict: &CaseVerdict) -> bool {
    matches!(verdict.result, Some(TestVerdict::NoEngine { .. }))
}

/// The members of which nobody could tell and that are wanted here, one to a line.
fn listed_unknown(facts: &SummaryFacts<'_>, wanted: &dyn Fn(&CaseVerdict) -> bool) -> String {
    let unknown: Vec<String> = facts
        .verdicts
        .iter()
        .filter(|verdict| verdict.state == CaseState::Unknown && wanted(verdict))
        .map(|verdict| {
            let place = place_in_words(&verdict.case.platform, verdict.case.mode);
            format!("- {} on {}\n", name(&verdict.case.member.name), escape(&place))
        })
        .collect();
    match unknown.len() {
        0..=50 => unknown.concat(),
        many => format!("{}- and {} more\n", unknown[..50].concat(), many - 50),
    }
}

/// Platforms as a list, each with its reason.
fn list_of_reasons(platforms: &BTreeMap<String, String>) -> String {
    let lines = platforms.iter().map(|(platform, why)| format!("- {}: {}", name(platform), escape(why)));
    lines.collect::<Vec<_>>().join("\n")
}
