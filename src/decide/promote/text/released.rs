//! What is known of new versions before they move: how the channel that they come from judges exactly the commit in
//! question. What another commit came to there says nothing of it, and is not shown.

use std::fmt::Write as _;

use super::pieces::{
    EVIDENCE, LOGS, fitting, issue_lines, left_out, link, name, own_check_lines, quoted, remark_lines,
};
use crate::decide::promote::index::Index;
use crate::decide::standing::Standing;
use crate::decide::words::counted;
use crate::domain::{Evidence, Move, ReleasedEvidence};

/// A line for each new version, with its checks or what speaks against it below.
pub fn evidence(index: &Index<'_>, moves: &[Move]) -> String {
    // Where nobody can tell, that is one reason for all.
    if let (Some(first), Standing::Unknown(why)) = (moves.first(), index_standing(index, moves)) {
        let which = if moves.len() == 1 { name(&first.to_version) } else { "the new versions".to_owned() };
        let from = quoted(&index.facts.from);
        return format!("- Nobody can tell now how {which} did in {from}: {}.\n", quoted(why));
    }
    match fitting(moves.iter().map(|moved| line(index, moved)), EVIDENCE) {
        (lines, 0) => lines,
        (lines, more) => format!("{lines}- and {}\n", counted(more, "more package")),
    }
}

fn index_standing<'a>(index: &Index<'a>, moves: &[Move]) -> Standing<'a> {
    moves.first().map_or(Standing::NotBuilt, |first| index.standing_of_release(first))
}

fn line(index: &Index<'_>, moved: &Move) -> String {
    let from = quoted(&index.facts.from);
    let shown = format!("{}: {}", name(&moved.package), name(&moved.to_version));
    let standing = index.standing_of_release(moved);
    let words = || quoted(&standing.in_words());
    match (standing.evidence(), standing) {
        (_, Standing::NotBuilt | Standing::NotListed) => {
            format!(
                "- {shown} was not built at this commit in {from}, so nothing is known of it from there.\n"
            )
        }
        (Evidence::Passing, _) => {
            let assessment = standing.assessment();
            let remarks = remark_lines(assessment) + &own_check_lines(assessment);
            match check_lines(index.released(moved)) {
                checks if checks.is_empty() && remarks.is_empty() => {
                    format!("- {shown} passes in {from}, at this very commit.\n")
                }
                checks => format!("- {shown} passes in {from}, at this very commit:\n{checks}{remarks}"),
            }
        }
        (Evidence::Pending, _) => {
            format!("- {shown}: nothing is decided yet in {from} on this very commit: {}.\n", words())
        }
        (Evidence::Unknown, _) => {
            format!("- {shown}: nobody can tell now whether it passes in {from}: {}.\n", words())
        }
        (Evidence::Failing, Standing::Assessed(assessment)) => {
            let issues: String = assessment.issues.iter().map(issue_lines).collect();
            let remarks = remark_lines(Some(assessment)) + &own_check_lines(Some(assessment));
            format!("- {shown} fails in {from}, at this very commit:\n{issues}{remarks}")
        }
        (Evidence::Failing, _) => {
            let log = standing.failed_build().and_then(|build| link("log", &build.url));
            let log = log.map(|log| format!(" ({log})")).unwrap_or_default();
            format!("- {shown}: the build of this very commit failed in {from}{log}.\n")
        }
    }
}

/// The checks of a commit that passes, each with its log.
fn check_lines(released: Option<&ReleasedEvidence>) -> String {
    let checks = released.map(|known| known.checks.as_slice()).unwrap_or_default();
    let mut lines = String::new();
    for check in checks.iter().take(LOGS) {
        let log = link("log", &check.url).unwrap_or_else(|| "no log".to_owned());
        let what = format!("R CMD check: {} on {} with R {}", check.check, check.config, check.r);
        let _ = writeln!(lines, "  - {} ({log})", quoted(&what));
    }
    left_out(&mut lines, checks.len());
    lines
}

/// The same for a cell of a table.
pub fn in_a_word(index: &Index<'_>, moved: &Move) -> &'static str {
    let standing = index.standing_of_release(moved);
    match (standing.evidence(), standing) {
        (_, Standing::NotBuilt | Standing::NotListed) => "not built",
        (Evidence::Passing, _) => "passes",
        (Evidence::Failing, _) => "fails",
        (Evidence::Pending, _) => "pending",
        (Evidence::Unknown, _) => "unknown",
    }
}
