//! The pieces of a pull request's text that hold what comes from outside: tables, links and evidence.
//!
//! Names and versions become code, sentences are escaped, links lead to addresses that were checked.
//! Everything is limited, since GitHub takes no text above 65,536 characters.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use url::Url;

use super::{released, short};
use crate::decide::promote::index::Index;
use crate::decide::standing::Standing;
use crate::decide::words::{
    cleared_in_words, counted, elsewhere_in_words, issue_in_words, override_in_words, own_check_in_words,
};
use crate::domain::{Assessment, Evidence, Issue, Move, PackageName, is_commit};
use crate::github::RepositoryName;
use crate::github::markdown::{code, code_in_table, escape};

/// Tables, evidence and other lists stop before they grow beyond this many bytes.
const TABLE: usize = 24_000;
pub(super) const EVIDENCE: usize = 6_000;
const LIST: usize = 6_000;
/// How many results and addresses the evidence on one package shows.
pub(super) const LOGS: usize = 10;
/// The longest name or version that is shown whole, and the longest sentence.
const NAME: usize = 60;
const SENTENCE: usize = 600;
/// The longest command that is shown whole.
pub(super) const COMMAND: usize = 1_500;

/// A name or version.
pub fn name(text: &str) -> String {
    code(&clipped(text, NAME))
}

/// A sentence or clause from outside.
pub fn quoted(text: &str) -> String {
    escape(&clipped(text, SENTENCE))
}

pub(super) fn clipped(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A list of lines, as long as there is room; the rest is counted.
pub fn list(lines: impl Iterator<Item = String>) -> String {
    match fitting(lines, LIST) {
        (lines, 0) => lines,
        (lines, more) => format!("{lines}- and {more} more\n"),
    }
}

/// Lines until `room` bytes are full, and how many did not fit.
pub(super) fn fitting(lines: impl Iterator<Item = String>, room: usize) -> (String, usize) {
    let (mut text, mut left) = (String::new(), 0);
    for line in lines {
        if left > 0 || text.len() + line.len() > room {
            left += 1;
        } else {
            text.push_str(&line);
        }
    }
    (text, left)
}

/// The table of moves: what the channel holds now, and what it would hold.
pub fn table(index: &Index<'_>, moves: &[Move]) -> String {
    let row = |moved: &Move| {
        format!(
            "| {} | {} | {} | {} |\n",
            cell(&moved.package),
            held(index, moved),
            cell(&moved.to_version),
            commit(moved)
        )
    };
    let (rows, more) = fitting(moves.iter().map(row), TABLE);
    finished(format!("| package | from | to | commit |\n| --- | --- | --- | --- |\n{rows}"), more)
}

/// The same, with what the source channel says of each new version.
pub fn table_with_evidence(index: &Index<'_>, moves: &[Move]) -> String {
    let row = |moved: &Move| {
        format!(
            "| {} | {} | {} | {} | {} |\n",
            cell(&moved.package),
            held(index, moved),
            cell(&moved.to_version),
            commit(moved),
            released::in_a_word(index, moved),
        )
    };
    let (rows, more) = fitting(moves.iter().map(row), TABLE);
    let from = escape(&index.facts.from);
    finished(
        format!("| package | from | to | commit | in {from} |\n| --- | --- | --- | --- | --- |\n{rows}"),
        more,
    )
}

/// The table of pins: packages that stay at the commit they are at.
pub fn pins(moves: &[Move]) -> String {
    let row = |moved: &Move| {
        format!("| {} | {} | {} |\n", cell(&moved.package), cell(&moved.to_version), commit(moved))
    };
    let (rows, more) = fitting(moves.iter().map(row), TABLE);
    finished(format!("| package | version | commit |\n| --- | --- | --- |\n{rows}"), more)
}

fn finished(mut table: String, more: usize) -> String {
    if more > 0 {
        let _ = writeln!(table, "\nand {more} more: see the changes of `packages.json`.");
    }
    table
}

fn cell(text: &str) -> String {
    code_in_table(&clipped(text, NAME))
}

/// What the channel holds of a package now, for a table.
fn held(index: &Index<'_>, moved: &Move) -> String {
    match (&moved.from_version, index.held(&moved.package), index.pin(&moved.package)) {
        (Some(version), _, _) => cell(version),
        (None, None, _) => "new".to_owned(),
        (None, Some(_), Some(pin)) => format!("commit `{}`", short(pin)),
        (None, Some(_), None) => "not pinned".to_owned(),
    }
}

/// The commit that a move leads to, with a link where there is a safe one.
pub fn commit(moved: &Move) -> String {
    let shown = cell(short(&moved.to_commit));
    match RepositoryName::from_url(&moved.url) {
        Ok(repository) if is_commit(&moved.to_commit) => {
            format!("[{shown}](https://github.com/{repository}/commit/{})", moved.to_commit)
        }
        _ => shown,
    }
}

/// What is known of the versions that the channel holds now, and of the packages at fault.
pub fn evidence(index: &Index<'_>, moves: &[Move]) -> String {
    let moving: BTreeSet<&str> = moves.iter().map(|moved| moved.package.as_str()).collect();
    let causes: BTreeSet<&PackageName> = moving
        .iter()
        .filter_map(|package| index.standing(package).causes())
        .flat_map(BTreeMap::keys)
        .collect();
    let causes = causes.into_iter().map(String::as_str).filter(|cause| !moving.contains(cause));
    let lines = moving.iter().copied().chain(causes).map(|package| evidence_line(index, package));
    match fitting(lines, EVIDENCE) {
        (lines, 0) => lines,
        (lines, more) => format!("{lines}- and {}\n", counted(more, "more package")),
    }
}

fn evidence_line(index: &Index<'_>, package: &str) -> String {
    let (to, shown) = (&index.facts.to, name(package));
    if index.held(package).is_none() {
        return format!("- {shown} is new to {to}: nothing is known of it there yet.\n");
    }
    let standing = index.standing(package);
    let built = match standing {
        Standing::Assessed(assessment) => assessment.version.as_deref(),
        _ => None,
    };
    let held = built.or_else(|| index.held_version(package));
    let held = held.map_or_else(|| "what is there".to_owned(), name);
    let words = || quoted(&standing.in_words());
    match (standing.evidence(), standing) {
        (Evidence::Passing, _) => {
            let assessment = standing.assessment();
            let own = own_check_lines(assessment);
            format!("- {shown}: {held} passes in {to}.\n{}{own}", remark_lines(assessment))
        }
        (Evidence::Pending, _) => {
            format!("- {shown}: nothing is decided yet on {held} in {to}: {}.\n", words())
        }
        (Evidence::Unknown, _) => {
            format!("- {shown}: nobody can tell now whether {held} passes: {}.\n", words())
        }
        (Evidence::Failing, Standing::Assessed(assessment)) => {
            let issues = assessment.issues.iter().map(issue_lines);
            let word = assessment
                .overridden
                .iter()
                .map(|word| format!("  - {}\n", quoted(&override_in_words(word))));
            let own = own_check_lines(Some(assessment));
            format!("- {shown}: {held} fails in {to}:\n{}{own}", issues.chain(word).collect::<String>())
        }
        (Evidence::Failing, _) => {
            let build = standing.failed_build().and_then(|build| link("log", &build.url));
            let build = build.map(|log| format!(" ({log})")).unwrap_or_default();
            format!("- {shown}: {held} fails in {to}: {}{build}.\n", words())
        }
    }
}

/// By whose word a package passes, and what it depends on that comes from elsewhere.
pub(super) fn remark_lines(assessment: Option<&Assessment>) -> String {
    let word = assessment.and_then(|known| known.overridden.as_ref()).map(override_in_words);
    let elsewhere = assessment.and_then(|known| elsewhere_in_words(&known.from_elsewhere));
    word.into_iter().chain(elsewhere).map(|clause| format!("  - {}\n", quoted(&clause))).collect()
}

/// What tidegate's own check says of a package whose checks in the universe are bad, and how to do the same.
pub(super) fn own_check_lines(assessment: Option<&Assessment>) -> String {
    let Some(assessment) = assessment else { return String::new() };
    let Some(check) = &assessment.own_check else { return String::new() };
    let bad = assessment.issues.iter().any(|issue| matches!(issue, Issue::RCmdCheck(_)));
    let words = match cleared_in_words(assessment) {
        Some(cleared) => cleared,
        None if bad => own_check_in_words(check),
        None => return String::new(),
    };
    let mut lines = format!("  - {}\n", quoted(&words));
    if let Some(command) = check.reproduce() {
        let _ = writeln!(lines, "  - to reproduce that: {}", code(&clipped(&command, COMMAND)));
    }
    lines
}

/// The packages among those that move that an own check cleared, each with what it cleared.
pub fn cleared(index: &Index<'_>, moves: &[Move]) -> String {
    list(moves.iter().filter_map(|moved| {
        let assessment = index.standing(&moved.package).assessment()?;
        let lines = own_check_lines(Some(assessment));
        (!assessment.cleared.is_empty()).then(|| format!("- {}:\n{lines}", name(&moved.package)))
    }))
}

/// The packages among those that move by an exception, each with whose it is.
pub fn excepted(index: &Index<'_>, moves: &[Move]) -> String {
    list(moves.iter().filter_map(|moved| {
        let leave = index.exception(&moved.package, &moved.to_version)?;
        Some(format!("- {}: by {} ({})\n", name(&moved.package), quoted(&leave.by), quoted(&leave.reason)))
    }))
}

/// A line for an issue; or one for each of its checks or advisories, with its address where that can
/// be followed safely.
pub(super) fn issue_lines(issue: &Issue) -> String {
    let mut lines = String::new();
    match issue {
        Issue::RCmdCheck(checks) => {
            for check in checks.iter().take(LOGS) {
                let what = check.failed_build_in_words().unwrap_or_else(|| {
                    format!("R CMD check: {} on {} with R {}", check.check, check.config, check.r)
                });
                let log = link("log", &check.url).unwrap_or_else(|| "no log".to_owned());
                let _ = writeln!(lines, "  - {} ({log})", quoted(&what));
            }
            left_out(&mut lines, checks.len());
        }
        Issue::Advisories(addresses) => {
            for address in addresses.iter().take(LOGS) {
                let shown = link("the advisory", address).unwrap_or_else(|| name(address));
                let _ = writeln!(lines, "  - a security advisory names this version: {shown}");
            }
            left_out(&mut lines, addresses.len());
        }
        other => {
            let _ = writeln!(lines, "  - {}", quoted(&issue_in_words(other)));
        }
    }
    lines
}

pub(super) fn left_out(lines: &mut String, all: usize) {
    if all > LOGS {
        let _ = writeln!(lines, "  - and {} more of these", all - LOGS);
    }
}

/// A link to an address from outside: only https, to a named host, and with nothing in it that ends
/// the link or hides where it leads.
pub(super) fn link(text: &str, address: &str) -> Option<String> {
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#@!$&'*+,;=%".contains(&byte);
    let url = Url::parse(address).ok()?;
    let safe = address.len() <= 500
        && address.starts_with("https://")
        && address.bytes().all(harmless)
        && url.domain().is_some()
        && url.username().is_empty()
        && url.password().is_none();
    safe.then(|| format!("[{text}]({address})"))
}
