//! The pieces of a pull request's text that hold what comes from outside: tables, links and evidence.
//!
//! Names and versions become code, sentences are escaped, links lead to addresses that were checked.
//! Everything is limited, since GitHub takes no text above 65,536 characters.

use std::fmt::Write as _;

use url::Url;

use super::short;
use crate::decide::promote::index::Index;
use crate::decide::promote::standing::Standing;
use crate::decide::words::sentence;
use crate::domain::{Assessment, Evidence, Issue, Move, is_commit};
use crate::github::RepositoryName;
use crate::github::markdown::{code, code_in_table, escape};

/// Tables and lists stop before they grow beyond this many bytes.
const SECTION: usize = 24_000;
/// How many packages get lines of evidence, and how many checks a package's lines show.
const SHOWN: usize = 20;
/// The longest name or version that is shown whole, and the longest sentence.
const NAME: usize = 60;
const SENTENCE: usize = 1_000;

/// A name or version.
pub fn name(text: &str) -> String {
    code(&clipped(text, NAME))
}

/// A sentence or clause from outside.
pub fn quoted(text: &str) -> String {
    escape(&clipped(text, SENTENCE))
}

fn clipped(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Lines until the section is full, and how many had no room.
pub fn section(lines: impl Iterator<Item = String>) -> (String, usize) {
    let (mut text, mut left) = (String::new(), 0);
    for line in lines {
        if left > 0 || text.len() + line.len() > SECTION {
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
    let (rows, more) = section(moves.iter().map(row));
    finished(format!("| package | from | to | commit |\n| --- | --- | --- | --- |\n{rows}"), more)
}

/// The table of pins: packages that stay at the commit they are at.
pub fn pins(moves: &[Move]) -> String {
    let row = |moved: &Move| {
        format!("| {} | {} | {} |\n", cell(&moved.package), cell(&moved.to_version), commit(moved))
    };
    let (rows, more) = section(moves.iter().map(row));
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

fn commit(moved: &Move) -> String {
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
    let mut lines = String::new();
    let mut told: Vec<&str> = Vec::new();
    for moved in moves.iter().take(SHOWN) {
        lines.push_str(&evidence_line(index, &moved.package));
        told.push(&moved.package);
    }
    let causes = moves.iter().take(SHOWN).flat_map(|moved| index.standing(&moved.package).root_causes());
    let mut causes: Vec<String> = causes.filter(|cause| !told.contains(&cause.as_str())).collect();
    causes.sort_unstable();
    causes.dedup();
    for cause in causes.iter().take(SHOWN) {
        lines.push_str(&evidence_line(index, cause));
    }
    let more = moves.len().saturating_sub(SHOWN) + causes.len().saturating_sub(SHOWN);
    if more > 0 {
        let _ = writeln!(lines, "- and {more} more.");
    }
    lines
}

fn evidence_line(index: &Index<'_>, package: &str) -> String {
    let (to, shown) = (&index.facts.to, name(package));
    if index.held(package).is_none() {
        return format!("- {shown} is new to {to}: nothing is known of it there yet.\n");
    }
    let standing = index.standing(package);
    let held = index.held_version(package).map_or_else(|| "what is there".to_owned(), name);
    let words = quoted(&standing.in_words());
    match standing.evidence() {
        Evidence::Passing => format!("- {shown}: {held} passes in {to}.\n"),
        Evidence::Pending => format!("- {shown}: {held} is still being built or checked in {to}: {words}.\n"),
        Evidence::Unknown => {
            format!("- {shown}: nobody can tell at the moment whether {held} passes: {words}.\n")
        }
        Evidence::Failing => {
            let logs = match standing {
                Standing::Assessed(assessment) => logs(assessment),
                _ => String::new(),
            };
            format!("- {shown}: {held} fails in {to}. {}\n{logs}", quoted(&sentence(&standing.in_words())))
        }
    }
}

/// A line for each bad check and each advisory, with its address where that can be followed safely.
fn logs(assessment: &Assessment) -> String {
    let mut lines = String::new();
    for issue in &assessment.issues {
        match issue {
            Issue::RCmdCheck(checks) => {
                for check in checks.iter().take(SHOWN) {
                    let what = format!("{} on {} with R {}", check.check, check.config, check.r);
                    let log = link("log", &check.url).unwrap_or_else(|| "no log".to_owned());
                    let _ = writeln!(lines, "  - {} ({log})", quoted(&what));
                }
            }
            Issue::Advisories(addresses) => {
                for address in addresses.iter().take(SHOWN) {
                    let shown = link("advisory", address).unwrap_or_else(|| name(address));
                    let _ = writeln!(lines, "  - {shown}");
                }
            }
            _ => {}
        }
    }
    lines
}

/// A link to an address from outside: only https, to a named host, and with nothing in it that ends
/// the link or hides where it leads.
fn link(text: &str, address: &str) -> Option<String> {
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
