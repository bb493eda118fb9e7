//! Verdicts that follow from what became of a package's repository or of its releases.

use super::index::Index;
use super::verdicts::Ruling;
use crate::decide::ledger;
use crate::decide::words::sentence;
use crate::domain::{
    Absence, Absent, Actor, Belief, DeletionPolicy, Plan, PromotionFacts, UpstreamFacts, Verdict, VerdictKind,
};

fn of<'a>(index: &Index<'a>, package: &str) -> Option<&'a UpstreamFacts> {
    index.facts.upstream.get(package)
}

/// The verdict on a package whose repository is not to be seen: held until that is confirmed, and vanished
/// from then on. Nothing of it moves in either case.
pub fn absent(index: &Index<'_>, package: &str) -> Option<Verdict> {
    let absence = of(index, package)?.absence.as_ref()?;
    if absence.belief == Belief::Confirmed {
        return vanished(index, package);
    }
    let why = format!("its repository {} since {}", in_words(absence.how), absence.since);
    let next = "it stays as it is until enough looks confirm that, or the repository is back";
    Some(Ruling::new(VerdictKind::CannotDetermine, Actor::Nobody, &why, next).on_held(index, package))
}

/// The verdict on a package whose repository is confirmed to be gone.
pub fn vanished(index: &Index<'_>, package: &str) -> Option<Verdict> {
    let absence = confirmed(of(index, package)?)?;
    let (actor, cause) = match absence.how {
        Absent::NotFound => (Actor::Maintainer, "it was deleted or made private, which look the same"),
        Absent::Blocked => (Actor::Moderators, "GitHub withholds it for legal reasons"),
    };
    let row = index.source(package).or_else(|| index.held(package));
    let url = row.map(|row| format!(" {}", row.url)).unwrap_or_default();
    let reason = format!("its repository{url} {} since {}: {cause}", in_words(absence.how), absence.since);
    let next = match (index.held(package).is_some(), absence.deleted) {
        (false, _) => "it is considered again once the repository is back".to_owned(),
        (true, DeletionPolicy::Keep) => format!(
            "{} keeps what it holds, and snapshots have it as long as the universe does; \
             it moves again once the repository is back",
            index.facts.to
        ),
        (true, DeletionPolicy::Drop) => {
            "the next snapshot leaves it out, unless the repository is back by then".to_owned()
        }
    };
    Some(Ruling::new(VerdictKind::Vanished, actor, &reason, &next).on_held(index, package))
}

/// True where the next snapshot leaves a package out since its repository is gone: nothing pins it then.
pub fn is_dropped(facts: &PromotionFacts, package: &str) -> bool {
    let absence = facts.upstream.get(package).and_then(confirmed);
    absence.is_some_and(|absence| absence.deleted == DeletionPolicy::Drop)
}

fn confirmed(upstream: &UpstreamFacts) -> Option<&Absence> {
    upstream.absence.as_ref().filter(|absence| absence.belief == Belief::Confirmed)
}

fn in_words(how: Absent) -> &'static str {
    match how {
        Absent::NotFound => "was not found",
        Absent::Blocked => "was blocked",
    }
}

/// The verdict on a package that the channel holds at a release which was taken back upstream: nobody is
/// blamed for the older release that counts now, and nothing goes down by itself.
pub fn withdrawn(index: &Index<'_>, package: &str) -> Option<Verdict> {
    let gone = of(index, package)?.withdrawn.as_ref()?;
    let newest = index.release(package)?.known()?.as_ref();
    let held = index.pin(package) == Some(gone.commit.as_str());
    let rises = newest.is_some_and(|newest| ledger::rises(Some(&gone.version), Some(&newest.version)));
    if !held || rises {
        return None;
    }
    let left = match newest {
        Some(newest) => format!("; the highest one that is left is {}", newest.version),
        None => "; none is left".to_owned(),
    };
    let reason = format!(
        "its release {} ({}) was withdrawn upstream, seen at {}{left}",
        gone.version, gone.tag, gone.since
    );
    let next = format!(
        "{} keeps it, since versions do not go down; a higher release is considered at once, and the moderators \
         can ask for a removal",
        index.facts.to
    );
    Some(Ruling::new(VerdictKind::Withdrawn, Actor::Maintainer, &reason, &next).on_held(index, package))
}

/// The verdict on a package that is at the release that counts, while a higher one is not admissible.
pub fn passed_over(index: &Index<'_>, package: &str) -> Option<Verdict> {
    let higher = of(index, package)?.passed_over.as_ref()?;
    let reason = format!("its release {} does not count: {}", higher.version, higher.problems.join("; "));
    let next = "a new release without this is considered at once";
    Some(Ruling::new(VerdictKind::Inadmissible, Actor::Maintainer, &reason, next).on_held(index, package))
}

/// Adds to each verdict what people should know of the package's upstream, whatever is decided.
pub fn remark(facts: &PromotionFacts, plan: &mut Plan) {
    for (package, upstream) in &facts.upstream {
        let Some(verdict) = plan.verdicts.get_mut(package) else { continue };
        let mut remarks = Vec::new();
        if let Some(moved) = &upstream.moved {
            remarks.push(format!("its repository is {} now", moved.to));
        }
        if let Some(since) = upstream.archived_since {
            remarks.push(format!("its repository is archived, seen at {since}"));
        }
        if let Some(later) = &upstream.backport {
            remarks.push(format!("{} came later, is lower and does not count", later.version));
        }
        for remark in remarks {
            verdict.reason.push(' ');
            verdict.reason.push_str(&sentence(&remark));
        }
    }
}

/// Why a version that is there already does not count again: one clause.
pub fn released_again(index: &Index<'_>, package: &str, version: &str) -> String {
    match of(index, package).and_then(|upstream| upstream.tag_moved_from.as_deref()) {
        Some(before) => format!(
            "the tag of version {version} was moved from commit {} to another one",
            before.get(..10).unwrap_or(before)
        ),
        None => format!("version {version} was released again from another commit"),
    }
}
