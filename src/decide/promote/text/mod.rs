//! The words of pull requests: first what it does and who has to do what by when, then why, the
//! evidence, what happens next, and how to look closer or refuse.

mod pieces;
mod titles;

use std::collections::BTreeMap;
use std::fmt::Write as _;

pub use titles::{commit_message, freeze_title, title};

use super::index::Index;
use crate::calendar::Promote;
use crate::decide::words::counted;
use crate::domain::{Change, Evidence, Listing, Move, PackageName, Verdict, VerdictKind};
use pieces::{name, quoted, section};

/// The body of the pull request that begins a dependency freeze. `verdicts` tells of the packages
/// that do not move.
pub fn freeze_body(
    index: &Index<'_>,
    change: &Change,
    leaving: &[PackageName],
    verdicts: &BTreeMap<PackageName, Verdict>,
) -> String {
    let targets = &index.facts.targets;
    let to = &index.facts.to;
    let mut body = format!(
        "The dependency freeze of {} begins: this pins {} in {to}, each to its newest admissible release.\n\n\
         **Moderators:** please look it over and merge it. Until then nothing else is promoted, and newer \
         releases are added here. Maintainers have nothing to do.\n",
        targets.dependency_freeze,
        counted(change.moves.len(), "package"),
    );
    if !change.moves.is_empty() {
        let _ = write!(body, "\n### What moves\n\n{}", pieces::table(index, &change.moves));
    }
    if !leaving.is_empty() {
        let (lines, more) = section(leaving.iter().map(|package| format!("- {}\n", name(package))));
        let from = &index.facts.from;
        let _ =
            write!(body, "\n### What leaves\n\nNot listed by {from} any more:\n\n{lines}{}", and_more(more));
    }
    body.push_str(&stays_behind(verdicts));
    let _ = write!(
        body,
        "\n### What happens next\n\n\
         - Once this is merged, {to} builds and checks these packages with R {r} and CRAN as of {freeze}.\n\
         - Until {candidate}, every newer admissible release is proposed in a pull request of its own.\n\
         - From {candidate} on, only packages that fail may take a newer release.\n\
         - The snapshot of {snapshot} holds what passes on that day, as long as all that it depends on passes too.\n",
        r = targets.r,
        freeze = targets.dependency_freeze,
        candidate = targets.candidate_freeze,
        snapshot = targets.snapshot,
    );
    body.push_str(&closing(index, None));
    body
}

/// Packages whose newest release cannot be pinned, and why.
fn stays_behind(verdicts: &BTreeMap<PackageName, Verdict>) -> String {
    let kinds = [VerdictKind::Inadmissible, VerdictKind::HandsOff, VerdictKind::Refused];
    let behind = verdicts.iter().filter(|(_, verdict)| kinds.contains(&verdict.kind));
    let lines =
        behind.map(|(package, verdict)| format!("- {}: {}\n", name(package), quoted(&verdict.reason)));
    match section(lines) {
        (lines, _) if lines.is_empty() => String::new(),
        (lines, more) => format!("\n### What does not move\n\n{lines}{}", and_more(more)),
    }
}

fn and_more(more: usize) -> String {
    if more == 0 { String::new() } else { format!("- and {more} more\n") }
}

/// The body of a pull request for one package, or for the packages of one release.
pub fn body(index: &Index<'_>, change: &Change) -> String {
    let to = &index.facts.to;
    let mut body = match change.moves.as_slice() {
        [one] => format!("{}\n", in_one_sentence(index, one)),
        moves => {
            let sentences = moves.iter().map(|moved| format!("- {}\n", in_one_sentence(index, moved)));
            let (lines, more) = section(sentences);
            format!(
                "One release moves {} in {to}:\n\n{lines}{}",
                counted(moves.len(), "package"),
                and_more(more)
            )
        }
    };
    let _ = write!(
        body,
        "\n**Moderators:** {} Maintainers have nothing to do.\n\n### What moves\n\n{}\n\
         The new version passed the light checks: a valid DESCRIPTION, no `Remotes`, a version that rises.\n\n\
         ### Evidence\n\n{}\n### What happens next\n\n{}",
        request(index),
        pieces::table(index, &change.moves),
        pieces::evidence(index, &change.moves),
        outlook(index, &change.moves),
    );
    body.push_str(&closing(index, change.moves.first()));
    body
}

fn in_one_sentence(index: &Index<'_>, moved: &Move) -> String {
    let (to, package) = (&index.facts.to, name(&moved.package));
    let what = match (&moved.from_version, index.held(&moved.package)) {
        (Some(from), _) => format!("moves from {} to {}", name(from), name(&moved.to_version)),
        (None, Some(_)) => format!("moves to {}", name(&moved.to_version)),
        (None, None) => format!("enters at {}", name(&moved.to_version)),
    };
    format!("{package} {what} in {to}, because {}.", quoted(&moved.why))
}

/// What the moderators are asked for, and by when.
fn request(index: &Index<'_>) -> String {
    let facts = index.facts;
    let snapshot = facts.targets.snapshot;
    match facts.point.phase.promote {
        Promote::All | Promote::FailingOnly => format!(
            "please merge this before {snapshot}, with time for a build and its checks, or close it to refuse."
        ),
        Promote::None => format!(
            "please merge this, or close it to refuse. The snapshot of {snapshot} is decided already; \
             the next cycle begins on {}.",
            facts.point.next_cycle
        ),
    }
}

fn outlook(index: &Index<'_>, moves: &[Move]) -> String {
    let facts = index.facts;
    let targets = &facts.targets;
    let mut lines = format!(
        "- Once this is merged, {} builds and checks the new version with R {} and CRAN as of {}.\n",
        facts.to, targets.r, targets.dependency_freeze,
    );
    if facts.point.phase.promote != Promote::None {
        let it = if moves.len() == 1 { "it is" } else { "they are" };
        let _ = writeln!(lines, "- What passes on {} is in the snapshot of that day.", targets.snapshot);
        if moves.iter().any(|moved| index.standing(&moved.package).evidence() == Evidence::Failing) {
            let _ = writeln!(
                lines,
                "- Without this, {it} left out of that snapshot as long as the failure lasts."
            );
        }
    }
    lines.push_str(
        "- A newer release takes the place of this one here. The pull request stays open when the phase ends or \
         the package recovers, until somebody merges or closes it.\n",
    );
    lines
}

/// The body of the rolling pull request of the `follow` model, where it copies the source's list.
pub fn copy_body(index: &Index<'_>) -> String {
    let facts = index.facts;
    let (from, to) = (&facts.from, &facts.to);
    let mut body = format!(
        "{to} follows {from} during the dependency freeze: this brings its `packages.json` up to date.\n\n\
         **Moderators:** please merge this before the candidate freeze begins on {}; {to} is behind {from} until \
         then. Maintainers have nothing to do.\n",
        facts.targets.candidate_freeze,
    );
    let entering = facts.source.iter().filter(|listing| index.held(&listing.package).is_none());
    let leaving = facts.head.listings.iter().filter(|listing| index.source(&listing.package).is_none());
    let altered = facts.source.iter().filter(|listing| {
        index.held(&listing.package).is_some_and(|held| held != *listing && held.pin().is_none())
    });
    let freed = facts.source.iter().filter(|listing| {
        index.held(&listing.package).is_some_and(|held| held != *listing && held.pin().is_some())
    });
    for (heading, rows) in [
        ("Packages that enter", names(entering)),
        ("Packages that leave", names(leaving)),
        ("Packages that are pinned no more", names(freed)),
        ("Packages whose row changes", names(altered)),
    ] {
        if !rows.is_empty() {
            let (lines, more) = section(rows.iter().map(|package| format!("- {}\n", name(package))));
            let _ = write!(body, "\n### {heading}\n\n{lines}{}", and_more(more));
        }
    }
    body.push_str(&closing(index, None));
    body
}

fn names<'a>(listings: impl Iterator<Item = &'a Listing>) -> Vec<&'a str> {
    let mut names: Vec<&str> = listings.map(|listing| listing.package.as_str()).collect();
    names.sort_unstable();
    names
}

/// The body of the rolling pull request of the `follow` model, where it pins what passes.
pub fn pins_body(index: &Index<'_>, change: &Change) -> String {
    let facts = index.facts;
    let snapshot = facts.targets.snapshot;
    let mut body = format!(
        "Stages {} in {} for the snapshot of {snapshot}: nothing speaks against what is built now.\n\n\
         **Moderators:** please merge this before {snapshot}; what is not staged by then is not in the snapshot. \
         Maintainers have nothing to do.\n",
        counted(change.moves.len(), "package"),
        facts.to,
    );
    if !change.moves.is_empty() {
        let _ = write!(body, "\n### What is staged\n\n{}", pieces::pins(&change.moves));
    }
    body.push_str(
        "\n### What happens next\n\n\
         - A staged package stays at its commit, even when a check of it fails later.\n\
         - Packages that pass later are added here, or in the next such pull request.\n",
    );
    body.push_str(&closing(index, None));
    body
}

/// How to look closer and how to refuse, the same at the end of every pull request.
fn closing(index: &Index<'_>, first: Option<&Move>) -> String {
    let distribution = &index.facts.distribution;
    let explain = first.map_or_else(
        || "`tidegate explain` with the name of a package".to_owned(),
        |moved| name(&format!("tidegate explain {}", moved.package)),
    );
    format!(
        "\n### To look closer, or to refuse\n\n\
         - Where tidegate runs, {explain} shows the whole reasoning, and `tidegate calendar {distribution}` the dates.\n\
         - To refuse, close this without merging it: these versions are not proposed again, newer ones are. \
         Reopen it to change your mind.\n\
         - To take it over, push to its branch: tidegate leaves a branch alone that somebody else committed to.\n",
    )
}

/// The beginning of a commit's name.
fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}
