//! The pieces of a report that hold what comes from outside. Everything is limited, since GitHub takes no
//! text above 65,536 characters.

pub(super) use crate::decide::pieces::{day, name};

use crate::decide::pieces::clipped;
use crate::decide::recheck::{CaseState, CaseVerdict, Suspected};
use crate::domain::{FailedStep, TestVerdict};
use crate::github::markdown::{block, escape};

/// The most changes that one sentence lists.
const CHANGES: usize = 20;
/// The most of a log or of a solver's explanation, in characters and lines: its end.
const LOG: usize = 4_000;
const LINES: usize = 60;
/// The longest command that is shown whole, in characters.
const COMMAND: usize = 1_000;

/// Several changes as a clause; above a number they are counted.
pub(super) fn changes(changes: &[String]) -> String {
    let shown: Vec<String> = changes.iter().take(CHANGES).map(|change| name(change)).collect();
    match (shown.as_slice(), changes.len() - shown.len()) {
        ([first @ .., last], 0) if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        (shown, 0) => shown.join(", "),
        (shown, more) => format!("{} and {more} more", shown.join(", ")),
    }
}

/// The end of a text with many lines, as a block.
pub(super) fn end_of(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let end = lines[lines.len().saturating_sub(LINES)..].join("\n");
    let skipped = end.chars().count().saturating_sub(LOG);
    block(&end.chars().skip(skipped).collect::<String>())
}

/// The beginning of a text with many lines, as a block.
pub(super) fn beginning_of(text: &str) -> String {
    let lines: Vec<&str> = text.trim().lines().take(LINES).collect();
    block(&clipped(&lines.join("\n"), LOG))
}

/// A command as a block.
pub(super) fn command(text: &str) -> String {
    block(&clipped(text, COMMAND))
}

/// What failed, as a clause without a full stop.
pub(super) fn failed(verdict: &CaseVerdict) -> String {
    match (verdict.state, &verdict.result) {
        (CaseState::NoTests, _) => "its archive holds no tests".to_owned(),
        (CaseState::Red, Some(TestVerdict::Fail { step, .. })) => match step {
            FailedStep::Import(module) => format!("{} cannot be imported", name(module)),
            step => escape(&step.to_string()),
        },
        (CaseState::Red, Some(TestVerdict::TimedOut { after })) => {
            format!("its tests did not end within {after} seconds")
        }
        _ => "red when it was tested last; it could not be tested since".to_owned(),
    }
}

/// What is at fault, and what else changed: sentences, or nothing.
pub(super) fn fault(verdict: &CaseVerdict) -> String {
    let culprit = verdict.culprit.as_deref().unwrap_or_default();
    let mut sentences = Vec::new();
    match (culprit, &verdict.suspected) {
        ([], None) => {}
        ([], Some(Suspected { left, why })) => sentences.push(format!(
            "The fault lies among {}; they were not told apart, since {}.",
            changes(left),
            why
        )),
        ([only], _) => sentences.push(format!("**The change at fault is {}.**", name(only))),
        (several, _) => sentences.push(format!("**At fault together are {}.**", changes(several))),
    }
    let named = |change: &&String| {
        culprit.contains(change) || verdict.suspected.as_ref().is_some_and(|one| one.left.contains(change))
    };
    let others: Vec<String> =
        verdict.changed_since_green.iter().filter(|change| !named(change)).cloned().collect();
    if !others.is_empty() {
        let also = if sentences.is_empty() { "Changed" } else { "Also changed" };
        sentences.push(format!("{also} since it was green: {}.", changes(&others)));
    }
    if verdict.flaky {
        sentences.push("Its tests came out differently in the same environment.".to_owned());
    }
    sentences.join(" ")
}
