//! The words of pull requests: first what it does and who has to do what by when, then why, the
//! evidence, what happens next, and how to look closer or refuse.

mod pieces;
mod released;
mod removal;
mod reproduce;
mod titles;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

pub use removal::{
    removal_body, removal_message, removal_title, removed_body, removed_title, undone_body, undone_title,
};
pub use titles::{commit_message, copy_title, freeze_title, pins_title, superseded_title, title};

use super::index::Index;
use crate::calendar::Promote;
use crate::decide::words::{counted, listed};
use crate::domain::{Change, Evidence, Listing, Move, PackageName, Verdict, VerdictKind};
use pieces::{list, name, quoted};

/// The body of the pull request that begins a dependency freeze. `verdicts` tells of the packages
/// that do not move.
pub fn freeze_body(
    index: &Index<'_>,
    change: &Change,
    leaving: &[PackageName],
    verdicts: &BTreeMap<PackageName, Verdict>,
) -> String {
    let (facts, targets) = (index.facts, &index.facts.targets);
    let to = &facts.to;
    let pins = match change.moves.len() {
        0 => format!("this sets its dates in {to}; no package moves yet"),
        1 => format!("this pins 1 package in {to} to its newest admissible release"),
        more => format!("this pins {more} packages in {to}, each to its newest admissible release"),
    };
    let mut body = format!(
        "The dependency freeze of {} begins: {pins}.\n\n\
         **Moderators:** please look it over and merge it. Until then nothing else is promoted, and newer \
         releases are added here. Maintainers have nothing to do.\n",
        targets.dependency_freeze,
    );
    if !change.moves.is_empty() {
        let _ = write!(body, "\n### What moves\n\n{}", pieces::table_with_evidence(index, &change.moves));
    }
    if !leaving.is_empty() {
        let lines = list(leaving.iter().map(|package| format!("- {}\n", name(package))));
        let _ = write!(body, "\n### What leaves\n\nNot listed by {} any more:\n\n{lines}", facts.from);
    }
    let behind = stays_behind(verdicts);
    if !behind.is_empty() {
        let _ = write!(body, "\n### What does not move\n\n{behind}");
    }
    let _ = write!(
        body,
        "\n### What happens next\n\n\
         - Once this is merged, {to} builds and checks these packages with R {r} and CRAN as of {freeze}.\n\
         - Until {candidate}, every newer admissible release is proposed in a pull request of its own.\n\
         - From {candidate} on, only packages that fail may take a newer release.\n\
         - What passes on {snapshot}, with all that it depends on, is in the snapshot of that day.\n",
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
    list(behind.map(|(package, verdict)| format!("- {}: {}\n", name(package), quoted(&verdict.reason))))
}

/// The body of a pull request for one package, or for the packages of one release.
pub fn body(index: &Index<'_>, change: &Change) -> String {
    let moves = &change.moves;
    let mut body = format!(
        "{}\n**Moderators:** {} {}\n\n### What moves\n\n{}\n### Evidence\n\n{}{}{}{}\n### What happens next\n\n{}",
        summary(index, moves),
        request(index),
        whom_else(index, moves),
        pieces::table(index, moves),
        light_checks(&index.facts.to, moves),
        released::evidence(index, moves),
        pieces::evidence(index, moves),
        unblocked(index, moves),
        outlook(index, moves),
    );
    body.push_str(&reproduce::reproduce(index, moves));
    body.push_str(&closing(index, moves.first()));
    body
}

/// What moves and why, in one sentence where the reason is the same for all.
fn summary(index: &Index<'_>, moves: &[Move]) -> String {
    let to = &index.facts.to;
    match moves {
        [one] => format!("{}, because {}.\n", in_short(index, one), quoted(&one.why)),
        [first, rest @ ..] if rest.iter().all(|moved| moved.why == first.why) => {
            format!(
                "{} move in {to} together, because {}.\n",
                counted(moves.len(), "package"),
                quoted(&first.why)
            )
        }
        _ => {
            let line =
                |moved: &Move| format!("- {}, because {}.\n", in_short(index, moved), quoted(&moved.why));
            format!(
                "{} move in {to} together:\n\n{}",
                counted(moves.len(), "package"),
                list(moves.iter().map(line))
            )
        }
    }
}

fn in_short(index: &Index<'_>, moved: &Move) -> String {
    let (to, package, version) = (&index.facts.to, name(&moved.package), name(&moved.to_version));
    match (&moved.from_version, index.held(&moved.package)) {
        (_, None) => format!("{package} enters {to} at {version}"),
        (Some(from), _) => format!("{package} moves from {} to {version} in {to}", name(from)),
        (None, _) => format!("{package} moves to {version} in {to}"),
    }
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

/// Who besides the moderators has to do something.
fn whom_else(index: &Index<'_>, moves: &[Move]) -> String {
    let causes: BTreeSet<&PackageName> = moves
        .iter()
        .filter_map(|moved| index.standing(&moved.package).causes())
        .flat_map(BTreeMap::keys)
        .collect();
    let named: Vec<String> = causes.iter().map(|cause| name(cause)).collect();
    match named.as_slice() {
        [] => "Maintainers have nothing to do.".to_owned(),
        [one] => format!("The maintainer of {one} has to mend it as well, or this may not be enough."),
        several => {
            format!(
                "The maintainers of {} have to mend them as well, or this may not be enough.",
                listed(several)
            )
        }
    }
}

/// What is known of the new version before anything builds it.
fn light_checks(to: &str, moves: &[Move]) -> String {
    let rises =
        if moves.iter().all(|moved| moved.from_version.is_some()) { " and a version that rises" } else { "" };
    format!(
        "- The new version has a valid DESCRIPTION without `Remotes`{rises}. It is built and checked in {to} after the merge.\n"
    )
}

/// What recovers with the packages that move.
fn unblocked(index: &Index<'_>, moves: &[Move]) -> String {
    let moving: BTreeSet<&str> = moves.iter().map(|moved| moved.package.as_str()).collect();
    let blocked = index.blocked_by(&moving);
    let them = if moves.len() == 1 { "it passes" } else { "these pass" };
    let line = match blocked.as_slice() {
        [] => return String::new(),
        [one] => format!("{} fails through nothing else, and recovers once {them}.", name(one)),
        several => {
            let names: Vec<String> = several.iter().map(|package| name(package)).collect();
            let (many, names) = (counted(several.len(), "package"), listed(&names));
            format!("{many} fail through nothing else, and recover once {them}: {names}.")
        }
    };
    format!("\n### What it unblocks\n\n{line}\n")
}

fn outlook(index: &Index<'_>, moves: &[Move]) -> String {
    let facts = index.facts;
    let targets = &facts.targets;
    let mut lines = format!(
        "- Once this is merged, {} builds and checks the new version with R {} and CRAN as of {}.\n",
        facts.to, targets.r, targets.dependency_freeze,
    );
    if facts.point.phase.promote != Promote::None {
        let snapshot = targets.snapshot;
        let _ = writeln!(
            lines,
            "- What passes on {snapshot}, with all that it depends on, is in the snapshot of that day."
        );
        if moves.iter().any(|moved| index.standing(&moved.package).evidence() == Evidence::Failing) {
            lines.push_str("- Without this, what fails now stays out of that snapshot until it passes.\n");
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
        "Brings `packages.json` of {to} up to date with {from}, which {to} follows in the dependency freeze.\n\n\
         **Moderators:** please merge this before the candidate freeze begins on {}; until then {to} is behind \
         {from}. Maintainers have nothing to do.\n",
        facts.targets.candidate_freeze,
    );
    let held = |listing: &&Listing| index.held(&listing.package);
    let source = || facts.source.iter().filter(|listing| !index.is_theirs(&listing.package));
    let entering = source().filter(|listing| held(listing).is_none());
    let gone =
        |listing: &&Listing| index.source(&listing.package).is_none() && !index.is_theirs(&listing.package);
    let leaving = facts.head.listings.iter().filter(gone);
    let changing = || source().filter(|listing| held(listing).is_some_and(|held| held != *listing));
    let pinned = |listing: &&Listing| index.pin(&listing.package).is_some();
    for (heading, names) in [
        ("What enters", names(entering)),
        ("What leaves", names(leaving)),
        ("What follows its newest release again", names(changing().filter(pinned))),
        ("What changes its entry", names(changing().filter(|listing| !pinned(listing)))),
    ] {
        if !names.is_empty() {
            let lines = list(names.iter().map(|package| format!("- {}\n", name(package))));
            let _ = write!(body, "\n### {heading}\n\n{lines}");
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
    let excepted = pieces::excepted(index, &change.moves);
    let or = if excepted.is_empty() { "" } else { ", or an exception lets it pass" };
    let mut body = format!(
        "Stages {} in {} for the snapshot of {snapshot}, since nothing speaks against what is built now{or}.\n\n\
         **Moderators:** please merge this before {snapshot}; what is not staged by then is not in the snapshot. \
         Maintainers have nothing to do.\n",
        counted(change.moves.len(), "package"),
        facts.to,
    );
    if !change.moves.is_empty() {
        let _ = write!(body, "\n### What is staged\n\n{}", pieces::pins(&change.moves));
    }
    if !excepted.is_empty() {
        let _ = write!(body, "\n### What is staged by exception\n\n{excepted}");
    }
    let cleared = pieces::cleared(index, &change.moves);
    if !cleared.is_empty() {
        let _ = write!(body, "\n### What tidegate's own checks cleared\n\n{cleared}");
    }
    body.push_str(
        "\n### What happens next\n\n\
         - A staged package stays at its commit, even when a check of it fails later.\n\
         - Packages that pass later are added here, or in the next such pull request.\n",
    );
    body.push_str(&closing(index, None));
    body
}

/// The body that a pull request ends with which asks for nothing any more.
pub fn superseded_body(index: &Index<'_>, commits: &BTreeMap<PackageName, String>) -> String {
    let to = &index.facts.to;
    let line = |(package, commit): (&PackageName, &String)| {
        let held = index.held_version(package).map_or_else(|| "what it pins".to_owned(), name);
        match index.pin(package) == Some(commit.as_str()) {
            true => format!("- {}: {to} holds this very commit ({held}).\n", name(package)),
            false => format!("- {}: {to} holds a newer release ({held}).\n", name(package)),
        }
    };
    format!(
        "tidegate closed this, since {to} holds what it asked for. Nobody has to do anything.\n\n{}",
        list(commits.iter().map(line))
    )
}

/// The comment on a pull request that a person took over, when there are newer releases.
pub fn newer_comment(index: &Index<'_>, news: &[&Move]) -> String {
    let to = &index.facts.to;
    let line = |moved: &&Move| {
        format!("- {} {}, {}\n", name(&moved.package), name(&moved.to_version), pieces::commit(moved))
    };
    format!(
        "There is a newer release of what this pull request moves:\n\n{}\n\
         tidegate leaves this branch alone, since somebody else committed to it. Pin the newer commit in \
         `packages.json` here, or close this to have tidegate propose it for {to} in a pull request of its own.\n",
        list(news.iter().map(line))
    )
}

/// How to look closer and how to refuse, the same at the end of every pull request.
fn closing(index: &Index<'_>, first: Option<&Move>) -> String {
    let distribution = &index.facts.distribution;
    let explain = first.map_or_else(
        || "`tidegate explain` with the name of a package".to_owned(),
        |moved| name(&format!("tidegate explain {}", moved.package)),
    );
    let again = match &index.facts.people.propose_again {
        Some(label) => format!("Reopen it, or give it the label {}, to change your mind.", name(label)),
        None => "Reopen it to change your mind.".to_owned(),
    };
    format!(
        "\n### To look closer, or to refuse\n\n\
         - Where tidegate runs, {explain} shows the whole reasoning and the run that decided, `tidegate replay` \
         with the number of that run decides again from the same input, and `tidegate calendar {distribution}` \
         shows the dates.\n\
         - To refuse, close this without merging it: exactly this is not proposed again, anything newer is. \
         {again}\n\
         - To take it over, push to its branch: tidegate leaves a branch alone that somebody else committed to.\n",
    )
}

/// The beginning of a commit's name.
fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}
