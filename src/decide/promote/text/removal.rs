//! The words of removals on request.

use std::collections::BTreeMap;

use super::pieces::{list, name, quoted};
use super::titles::bare;
use crate::decide::words::{counted, listed};
use crate::domain::{PackageName, PromotionFacts, Removal};
use crate::github::markdown::code;

/// The title of a change that takes packages out.
pub fn removal_title(facts: &PromotionFacts, packages: &[&str]) -> String {
    match packages {
        [package] => format!("Remove {} from {} on request", bare(package), facts.to),
        more => format!("Remove {} from {} on request", counted(more.len(), "package"), facts.to),
    }
}

/// The rest of its commit message: who asked stays in the audit, since a commit's message can mention people.
pub fn removal_message(facts: &PromotionFacts, packages: &[&str]) -> String {
    let lines = packages.iter().map(|package| format!("{} leaves {}", bare(package), facts.to));
    lines.collect::<Vec<_>>().join("\n")
}

/// The body of the pull request that takes a package out.
pub fn removal_body(facts: &PromotionFacts, package: &str, removal: &Removal) -> String {
    let (to, at) = (&facts.to, removal.at);
    format!(
        "{} leaves {to} on request: {}.\n\n\
         **Moderators:** please merge this. Nothing of it is promoted any more in the meantime.\n\n\
         ### What happens next\n\n\
         - Asked for by {} at {at}.\n\
         - {to} does not list it any more, and no job takes it in again.\n\
         - The snapshot of {} leaves it out, whether this is merged or not. Published snapshots stay as they are.\n\
         - What depends on it may fail from then on, and says so.\n\
         - To undo it, an operator runs {}.\n",
        name(package),
        quoted(removal.reason.trim_end_matches('.')),
        quoted(&removal.by),
        facts.targets.snapshot,
        code(&format!("tidegate remove {package} --distribution {} --undo", facts.distribution)),
    )
}

/// The title that the pull request of a removal ends with which asks for nothing any more.
pub fn undone_title(facts: &PromotionFacts, removal: &str) -> String {
    let package = removal.split('-').next().unwrap_or_default();
    format!("Remove {} from {}: nothing is left to do", bare(package), facts.to)
}

/// The body that it ends with.
pub fn undone_body(facts: &PromotionFacts) -> String {
    format!(
        "tidegate closed this: the removal was undone, or {} does not list the package any more. Nobody has to do \
         anything.\n",
        facts.to
    )
}

/// The title that a pull request ends with whose packages are removed.
pub fn removed_title(facts: &PromotionFacts, commits: &BTreeMap<PackageName, String>) -> String {
    let names: Vec<String> = commits.keys().map(|package| bare(package)).collect();
    format!("Promote {} to {}: removed on request", listed(&names), facts.to)
}

/// The body that it ends with.
pub fn removed_body(facts: &PromotionFacts, commits: &BTreeMap<PackageName, String>) -> String {
    let lines = list(commits.keys().map(|package| {
        let why = facts.removals.get(package).map_or("", |removal| removal.reason.trim_end_matches('.'));
        format!("- {}: {}.\n", name(package), quoted(why))
    }));
    format!(
        "tidegate closed this, since {} no longer takes this in. Nobody has to do anything.\n\n{lines}\n\
         If the removal is undone, the next version is proposed again; to have this one, reopen this.\n",
        facts.to
    )
}
