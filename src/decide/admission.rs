//! The rule for new builds: which are whole, which wait for the other platforms, and which have waited too
//! long.
//!
//! A build is whole once every platform of its distribution has an archive of it; one of `noarch` counts for
//! all of them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::domain::NOARCH;

/// What makes archives one build: the package's name, its version and its build number. Build strings may
/// differ by platform.
pub type BuildKey = (String, String, u64);

/// An archive that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveFacts {
    /// The build that it is part of.
    pub build: BuildKey,
    /// The platform that it is for, or `noarch`.
    pub subdir: String,
    /// When it came in.
    pub arrived_at: Timestamp,
}

/// What becomes of a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is published, on all platforms in one step.
    Whole,
    /// It waits for these platforms.
    Waiting(BTreeSet<String>),
    /// These platforms did not come in time.
    Expired(BTreeSet<String>),
}

/// What becomes of each build of which an archive waits. The first archive of a build begins its time.
pub fn admissions<'a>(
    archives: impl IntoIterator<Item = &'a ArchiveFacts>,
    platforms: &BTreeSet<String>,
    wait: SignedDuration,
    now: Timestamp,
) -> BTreeMap<BuildKey, Admission> {
    let mut builds: BTreeMap<BuildKey, (BTreeSet<&str>, Timestamp)> = BTreeMap::new();
    for archive in archives {
        let (here, first) =
            builds.entry(archive.build.clone()).or_insert_with(|| (BTreeSet::new(), archive.arrived_at));
        here.insert(&archive.subdir);
        *first = archive.arrived_at.min(*first);
    }
    let admission = |(here, first): (BTreeSet<&str>, Timestamp)| {
        let without = |platform: &&String| !here.contains(NOARCH) && !here.contains(platform.as_str());
        let lacking: BTreeSet<String> = platforms.iter().filter(without).cloned().collect();
        match (lacking.is_empty(), now.duration_since(first) < wait) {
            (true, _) => Admission::Whole,
            (false, true) => Admission::Waiting(lacking),
            (false, false) => Admission::Expired(lacking),
        }
    };
    builds.into_iter().map(|(build, seen)| (build, admission(seen))).collect()
}
