//! Titles of pull requests, and commit messages. GitHub reads no markup there, but a commit's message
//! can mention people and close issues; so outside text keeps only harmless characters.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::short;
use crate::decide::words::{counted, listed};
use crate::domain::{Move, PackageName, PromotionFacts, Via};

/// A message lists this many packages; the rest is counted.
const LINES: usize = 500;
/// The longest name or version that is shown whole.
const LONGEST: usize = 60;

/// The title of the change that begins a dependency freeze.
pub fn freeze_title(facts: &PromotionFacts, moves: &[Move]) -> String {
    let begin = format!("Begin the dependency freeze of {}", facts.targets.dependency_freeze);
    if moves.is_empty() { begin } else { format!("{begin}: pin {}", counted(moves.len(), "package")) }
}

/// The title of a copy of the source's list. As a commit it is called as upstream calls its own.
pub fn copy_title(facts: &PromotionFacts) -> String {
    match facts.via {
        Via::Commit => "Dependency freeze".to_owned(),
        Via::PullRequest => format!("Dependency freeze: bring {} up to date with {}", facts.to, facts.from),
    }
}

/// The title of a change that stages packages. As a commit it is called as upstream calls its own.
pub fn pins_title(facts: &PromotionFacts, moves: &[Move]) -> String {
    match facts.via {
        Via::Commit => "Candidate freeze".to_owned(),
        Via::PullRequest => {
            let packages = counted(moves.len(), "package");
            format!("Candidate freeze: stage {packages} for the snapshot of {}", facts.targets.snapshot)
        }
    }
}

/// The title that a pull request ends with which asks for nothing any more.
pub fn superseded_title(facts: &PromotionFacts, commits: &BTreeMap<PackageName, String>) -> String {
    let names: Vec<String> = commits.keys().map(|package| bare(package)).collect();
    format!("Promote {}: {} holds this already", listed(&names), facts.to)
}

/// The title of a change of one package, or of the packages of one release.
pub fn title(facts: &PromotionFacts, moves: &[Move]) -> String {
    let Some(first) = moves.first() else {
        return format!("Set the dates of the snapshot of {}", facts.targets.snapshot);
    };
    if moves.len() > 3 {
        return format!("Promote {} to {}", counted(moves.len(), "package"), facts.to);
    }
    let named = |moved: &Move| format!("{} {}", bare(&moved.package), bare(&moved.to_version));
    let each: Vec<String> = moves.iter().map(named).collect();
    match each.split_last() {
        Some((last, others)) if moves.len() > 1 => {
            format!("Promote {} and {last} to {}", others.join(", "), facts.to)
        }
        _ => format!("Promote {} to {}", named(first), facts.to),
    }
}

/// The body of a commit message: one line for each package that moves or leaves.
pub fn commit_message(moves: &[Move], leaving: &[PackageName]) -> String {
    let moving = moves.iter().map(|moved| {
        format!("{} {} at {}", bare(&moved.package), bare(&moved.to_version), short(&moved.to_commit))
    });
    let lines = moving.chain(leaving.iter().map(|package| format!("{} leaves", bare(package))));
    let mut message = lines.take(LINES).collect::<Vec<_>>().join("\n");
    let more = (moves.len() + leaving.len()).saturating_sub(LINES);
    if more > 0 {
        let _ = write!(message, "\nand {more} more");
    }
    message
}

/// Outside text with what no name or version needs replaced by `?`.
pub(super) fn bare(text: &str) -> String {
    let harmless = |c: char| if c.is_ascii_alphanumeric() || ".-+_".contains(c) { c } else { '?' };
    text.chars().take(LONGEST).map(harmless).collect()
}
