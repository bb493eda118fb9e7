//! Which release counts: the highest admissible version. What was published last does not matter, since a
//! backport comes later and is lower; what is not admissible only counts where nothing else is there.
//!
//! Versions are those of the DESCRIPTION at each commit. Tags are names, and no version is read from them.

use jiff::Timestamp;

use crate::domain::{OtherRelease, PassedOver, RVersion, ReleaseCandidate, TaggedRelease, WithdrawnRelease};

/// How much of a repository's releases a look showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of them.
    Whole,
    /// Those whose commits are of this date or newer: what is older may be there all the same.
    Since(Timestamp),
    /// One alone: what is not shown may be there all the same.
    One,
}

/// What a look showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offered {
    /// Releases or tags, each for good.
    Releases(Vec<ReleaseCandidate>, Extent),
    /// The head of a branch, which moves without a release: a commit counts once its version rises.
    Head(ReleaseCandidate),
}

/// The release that counts, and the one that counted and is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chosen {
    /// The release that counts; none where there is no release.
    pub release: Option<TaggedRelease>,
    /// What counted before and was taken back, as long as it is not surpassed.
    pub withdrawn: Option<WithdrawnRelease>,
}

/// Chooses, knowing what counted before.
pub fn choose(before: &Chosen, offered: Offered, now: Timestamp) -> Chosen {
    let (mut candidates, extent) = match offered {
        Offered::Releases(candidates, extent) => (candidates, extent),
        Offered::Head(head) => return Chosen { release: Some(of_head(before, head)), withdrawn: None },
    };
    let known = before.release.as_ref();
    let unseen = known.filter(|known| !candidates.iter().any(|one| one.tag == known.tag));
    let out_of_sight = unseen.is_some_and(|known| out_of_sight(known, extent));
    candidates.extend(unseen.filter(|_| out_of_sight).map(as_candidate));
    let release = highest(&candidates, known).map(|best| described(best, &candidates, known));
    let gone = unseen.filter(|_| !out_of_sight).map(|known| withdrawn(known, now));
    let still_gone = |gone: &WithdrawnRelease| {
        let back = candidates.iter().any(|one| one.tag == gone.tag && one.commit == gone.commit);
        let surpassed = release.as_ref().is_some_and(|release| {
            release.problems.is_empty() && version(&release.version) > version(&gone.version)
        });
        !back && !surpassed
    };
    let gone = before.withdrawn.clone().into_iter().chain(gone).filter(still_gone);
    let withdrawn = gone.max_by_key(|gone| version(&gone.version));
    Chosen { release, withdrawn }
}

/// True where a release that was not seen may be there all the same.
fn out_of_sight(known: &TaggedRelease, extent: Extent) -> bool {
    match extent {
        Extent::Whole => false,
        Extent::One => true,
        // Without a date nobody can tell, and unknown is not gone.
        Extent::Since(oldest) => known.at.is_none_or(|at| at < oldest),
    }
}

fn as_candidate(known: &TaggedRelease) -> ReleaseCandidate {
    ReleaseCandidate {
        tag: known.tag.clone(),
        commit: known.commit.clone(),
        at: known.at,
        version: known.version.clone(),
        problems: known.problems.clone(),
    }
}

/// The highest admissible version; without one, the highest version that is not. Of one version the commit
/// that counted before stays, since a second commit brings nothing; otherwise the later one.
fn highest<'c>(
    candidates: &'c [ReleaseCandidate],
    known: Option<&TaggedRelease>,
) -> Option<&'c ReleaseCandidate> {
    let was_known = |one: &ReleaseCandidate| {
        known.is_some_and(|known| known.commit == one.commit && known.tag == one.tag)
    };
    candidates.iter().max_by(|one, two| {
        let rank =
            |one: &ReleaseCandidate| (is_admissible(one), version(&one.version), was_known(one), one.at);
        rank(one).cmp(&rank(two)).then_with(|| (&one.tag, &one.commit).cmp(&(&two.tag, &two.commit)))
    })
}

fn is_admissible(one: &ReleaseCandidate) -> bool {
    one.problems.is_empty() && version(&one.version).is_some()
}

fn version(text: &str) -> Option<RVersion> {
    RVersion::parse(text).ok()
}

/// The release with what has to be said beside it.
fn described(
    best: &ReleaseCandidate,
    candidates: &[ReleaseCandidate],
    known: Option<&TaggedRelease>,
) -> TaggedRelease {
    let higher = candidates.iter().filter(|one| version(&one.version) > version(&best.version));
    let passed_over = higher.max_by_key(|one| (version(&one.version), one.at)).map(|one| PassedOver {
        version: one.version.clone(),
        commit: one.commit.clone(),
        problems: one.problems.clone(),
    });
    let later = candidates.iter().filter(|one| one.at > best.at && is_admissible(one));
    let lower = later.filter(|one| version(&one.version) < version(&best.version));
    let backport = lower
        .max_by_key(|one| (one.at, one.tag.as_str()))
        .map(|one| OtherRelease { tag: one.tag.clone(), version: one.version.clone() });
    let same_tag = known.filter(|known| known.tag == best.tag);
    let tag_moved_from = same_tag.and_then(|known| match known.commit == best.commit {
        true => known.tag_moved_from.clone(),
        false => Some(known.commit.clone()),
    });
    TaggedRelease {
        tag: best.tag.clone(),
        commit: best.commit.clone(),
        version: best.version.clone(),
        problems: best.problems.clone(),
        at: best.at,
        tag_moved_from,
        passed_over,
        backport,
    }
}

/// The head of a branch counts once its version is another one than what counted before.
fn of_head(before: &Chosen, head: ReleaseCandidate) -> TaggedRelease {
    let known = before.release.as_ref();
    let same = known.filter(|known| {
        known.problems.is_empty()
            && version(&known.version).is_some_and(|kept| Some(kept) == version(&head.version))
    });
    same.cloned().unwrap_or_else(|| described(&head, std::slice::from_ref(&head), None))
}

fn withdrawn(known: &TaggedRelease, since: Timestamp) -> WithdrawnRelease {
    WithdrawnRelease {
        tag: known.tag.clone(),
        version: known.version.clone(),
        commit: known.commit.clone(),
        since,
    }
}
