//! The issue on one package: what is wrong with it everywhere, for those who maintain it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::pieces::{beginning_of, changes, command, day, end_of, failed, fault, name};
use super::reproduce::{ListWanted, reproduce};
use super::{Ending, Frame, TroubledCase, faults, key_in_words, place_in_words};
use crate::decide::recheck::CaseState;
use crate::decide::report::Troubles;
use crate::domain::{Build, FailedStep, TestVerdict};
use crate::github::markdown::escape;

/// The most that the text of an issue may have, in characters: GitHub takes 65,536, and the hidden marker
/// needs some of them.
const ROOM: usize = 60_000;

/// How much of what the tests left behind is part of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Detail {
    /// All of it.
    Whole,
    /// No lists of environments.
    WithoutLists,
    /// Neither lists nor logs.
    WithoutLogs,
}

/// The title of the issue on a package. It stays what it is while versions come and go.
pub fn title(frame: &Frame, package: &str) -> String {
    let plain = |text: &str| -> String { text.chars().filter(|c| !c.is_control()).take(100).collect() };
    format!("{} fails its recheck in {}", plain(package), plain(&frame.distribution))
}

/// The text of the issue on a package whose cases in trouble these are, in order; at least one.
pub fn body(frame: &Frame, cases: &[TroubledCase]) -> String {
    let levels = [Detail::Whole, Detail::WithoutLists, Detail::WithoutLogs];
    let mut texts = levels.into_iter().map(|detail| whole(frame, cases, detail));
    let fits = |text: &String| text.chars().count() <= ROOM;
    texts.find(fits).unwrap_or_else(|| format!("{}{}", introduction(frame, cases), next_steps(frame)))
}

fn whole(frame: &Frame, cases: &[TroubledCase], detail: Detail) -> String {
    let mut text = introduction(frame, cases);
    text += "\n| where | since | what is wrong |\n| --- | --- | --- |\n";
    for case in cases {
        let place = place_in_words(&case.verdict.case.platform, case.verdict.case.mode);
        let failed = failed(&case.verdict).replace('|', "\\|");
        let _ = writeln!(text, "| {} | {} | {failed} |", escape(&place), day(case.since));
    }
    for group in groups(cases) {
        text += &section(frame, &group, detail);
    }
    text + &next_steps(frame)
}

fn introduction(frame: &Frame, cases: &[TroubledCase]) -> String {
    let builds: BTreeSet<&Build> = cases.iter().map(|case| &case.verdict.case.member).collect();
    let told: BTreeSet<String> =
        builds.iter().map(|build| format!("{} {}", build.version, build.build)).collect();
    let told: Vec<String> = told.iter().map(|text| name(text)).collect();
    let member = builds.first().map_or("", |build| &build.name);
    let metapackage = format!("{} {}", frame.metapackage.name, frame.metapackage.version);
    let only_tests_missing = cases.iter().all(|case| case.verdict.settled == Some(CaseState::NoTests));
    let (wrong, todo) = match only_tests_missing {
        true => (
            "carries no tests, which is never a pass",
            "add tests to its recipe and build it again; or those who look after the distribution let it \
             pass without any.",
        ),
        false => (
            "fails when it is tested again with dependencies as they are today",
            "a new build that works with them, or one whose dependencies exclude what breaks it, mends this. \
             If the fault is elsewhere, please say so here.",
        ),
    };
    format!(
        "**{} {} {wrong}**, and holds {} of {} back.\n\n**Maintainers:** {todo}\n",
        name(member),
        told.join(" and "),
        name(&metapackage),
        escape(&frame.distribution),
    )
}

/// Cases of one platform with the same environment and the same end are one test: they are told together.
fn groups(cases: &[TroubledCase]) -> Vec<Vec<&TroubledCase>> {
    let mut groups: Vec<Vec<&TroubledCase>> = Vec::new();
    let same = |a: &TroubledCase, b: &TroubledCase| {
        a.verdict.fingerprint.is_some()
            && (&a.verdict.case.platform, &a.verdict.fingerprint, &a.verdict.result)
                == (&b.verdict.case.platform, &b.verdict.fingerprint, &b.verdict.result)
    };
    for case in cases {
        match groups.iter_mut().find(|group| same(group[0], case)) {
            Some(group) => group.push(case),
            None => groups.push(vec![case]),
        }
    }
    groups
}

/// What is known of one test. Nothing where nobody could look since, or where there is no test.
fn section(frame: &Frame, group: &[&TroubledCase], detail: Detail) -> String {
    let case = group[0];
    if case.verdict.state != CaseState::Red {
        return String::new();
    }
    let places: Vec<String> = group
        .iter()
        .map(|case| escape(&place_in_words(&case.verdict.case.platform, case.verdict.case.mode)))
        .collect();
    let mut text = format!("\n### On {}\n\n", places.join(", and "));
    let fault = fault(&case.verdict);
    if !fault.is_empty() {
        let _ = write!(text, "{fault}\n\n");
    }
    if let Some(TestVerdict::Fail { step: FailedStep::Command { command: failed, .. }, .. }) =
        &case.verdict.result
    {
        let _ = write!(text, "The command that failed:\n\n{}\n", command(failed));
    }
    if detail != Detail::WithoutLogs {
        text += &said(case);
    }
    let list = match detail {
        Detail::Whole => ListWanted::Here,
        Detail::WithoutLists | Detail::WithoutLogs => ListWanted::Elsewhere,
    };
    let reproduce = reproduce(frame, case, list);
    if !reproduce.is_empty() {
        let _ =
            write!(text, "<details>\n<summary>How to reproduce it</summary>\n\n{reproduce}\n</details>\n");
    }
    text
}

/// What the solver or the test said.
fn said(case: &TroubledCase) -> String {
    match (&case.verdict.result, &case.log) {
        (Some(TestVerdict::Fail { step: FailedStep::Solve, detail }), _) => {
            format!("What the solver says:\n\n{}\n", beginning_of(detail))
        }
        (_, Some(log)) if !log.trim().is_empty() => {
            format!("<details>\n<summary>The end of the log</summary>\n\n{}\n</details>\n\n", end_of(log))
        }
        (Some(TestVerdict::Fail { detail, .. }), _) if !detail.trim().is_empty() => {
            format!("What it said:\n\n{}\n", end_of(detail))
        }
        _ => String::new(),
    }
}

fn next_steps(frame: &Frame) -> String {
    format!(
        "\n### What happens next\n\n\
         - It is tested again by the next recheck once a new build of it is there, or anything changes that it \
         depends on. Rechecks are due {}.\n\
         - Until then {} keeps what it has: nothing is taken away from users.\n\
         - This text is kept up to date. A comment tells when it fails elsewhere too, when another build fails, \
         and what is found to be at fault.\n\
         - Once it is green everywhere, this issue is closed. Closed earlier by a person, it stays closed, and \
         nothing more is said of this failure.\n",
        frame.due,
        name(&frame.to),
    )
}

/// The last text of the issue on a package in which nothing is wrong any more; `told` is what was.
pub fn over_body(frame: &Frame, package: &str, ending: &Ending, told: &Troubles) -> String {
    let mut text = format!("**{}**\n\nWhat it was:\n\n", over_sentence(frame, package, ending));
    for (place, trouble) in told {
        let _ = writeln!(
            text,
            "- {} on {}, since {}",
            name(&trouble.revision),
            escape(&key_in_words(place)),
            day(trouble.since)
        );
    }
    for fault in faults(told) {
        let _ = writeln!(text, "- at fault: {}", changes(fault));
    }
    text + "\nThere is nothing left to do. If it fails again, a new issue says so.\n"
}

/// Why a package is not in trouble any more.
pub(super) fn over_sentence(frame: &Frame, package: &str, ending: &Ending) -> String {
    let distribution = escape(&frame.distribution);
    let told = |builds: &BTreeSet<String>| {
        let builds: Vec<String> = builds.iter().map(|build| name(build)).collect();
        builds.join(" and ")
    };
    let package = name(package);
    match ending {
        Ending::Green(builds) => {
            format!("{package} {} is green again everywhere in {distribution}.", told(builds))
        }
        Ending::Otherwise(builds) => {
            format!("{package} {} holds {distribution} back no more.", told(builds))
        }
        Ending::Left => format!("{package} is no member of {distribution} any more."),
    }
}
