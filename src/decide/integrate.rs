//! The rule for candidates: which builds of its members a metapackage takes next, and whether it is time.
//!
//! For each member the newest version that every platform has; a member that is incomplete waits with the
//! version before. Nothing goes back to an older version by itself. A candidate that still changes is left
//! to settle, so that ten builds of one afternoon make one metapackage, and a newer candidate takes the place
//! of an older one that never became a metapackage.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::domain::{Build, NOARCH};

/// A build for each platform, by platform. One `noarch` build may stand for all of them.
pub type ByPlatform = BTreeMap<String, Build>;

/// Everything the rule looks at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntegrateFacts {
    /// The platforms that every member needs a build for.
    pub platforms: BTreeSet<String>,
    /// The members that the metapackage has to hold, with what is known of each.
    pub members: BTreeMap<String, MemberFacts>,
    /// How long a candidate has to stay the same.
    pub settle: SignedDuration,
}

/// What is known of one member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberFacts {
    /// Its builds for all platforms, the newest first: by version, then by build number.
    pub builds: Vec<Build>,
    /// What the newest metapackage holds of it.
    pub held: ByPlatform,
    /// Its versions in conda's order, the newest first: those of `builds` and of `held`.
    pub versions: Vec<String>,
}

/// What the rule chooses for one member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The builds, by platform; none where no version is complete.
    pub builds: ByPlatform,
    /// Newer versions that are not complete, the newest first, each with the platforms that have no build.
    pub waiting: Vec<(String, BTreeSet<String>)>,
}

/// A candidate: what the next metapackage would hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The choice for each member.
    pub members: BTreeMap<String, Choice>,
    /// What is to be done with it.
    pub step: Step,
}

/// What is to be done with a candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// The newest metapackage holds exactly this.
    Nothing,
    /// These members have no version that all platforms have.
    Missing(BTreeSet<String>),
    /// These members would go back to an older version.
    Backwards(BTreeSet<String>),
    /// It is wanted, once it has stayed the same for long enough.
    Wanted,
}

/// Chooses. The same facts in any order give the same candidate.
pub fn candidate(facts: &IntegrateFacts) -> Candidate {
    let members: BTreeMap<String, Choice> =
        facts.members.iter().map(|(name, member)| (name.clone(), choice(&facts.platforms, member))).collect();
    let named = |wanted: &dyn Fn(&MemberFacts, &Choice) -> bool| -> BTreeSet<String> {
        let both = facts.members.iter().zip(members.values());
        both.filter(|((_, member), choice)| wanted(member, choice))
            .map(|((name, _), _)| name.clone())
            .collect()
    };
    let missing = named(&|_, choice| choice.builds.is_empty());
    let backwards = named(&goes_back);
    let changed = named(&|member, choice| !same_files(&member.held, &choice.builds));
    let step = if !missing.is_empty() {
        Step::Missing(missing)
    } else if !backwards.is_empty() {
        Step::Backwards(backwards)
    } else if changed.is_empty() {
        Step::Nothing
    } else {
        Step::Wanted
    };
    Candidate { members, step }
}

/// The version of a metapackage: the UTC time that it is made for, as QIIME 2 has it.
pub fn version_of(nominal: Timestamp) -> String {
    nominal.strftime("%Y.%m.%d.%H.%M.%S").to_string()
}

/// The exact solution of a metapackage on one platform, as it was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptSolution {
    /// SHA-256 of what was kept.
    pub digest: String,
    /// The fingerprint of its environment, which depends on no place.
    pub fingerprint: String,
}

/// Under which name the exact solutions of a metapackage are kept, by platform.
pub fn solution_source(distribution: &str, channel: &str, version: &str) -> String {
    format!("solution:{distribution}/{channel}/{version}")
}

/// When a candidate that has been the same since `since` has settled; absent where it has by `at`.
pub fn settles_at(facts: &IntegrateFacts, since: Timestamp, at: Timestamp) -> Option<Timestamp> {
    // A time beyond the calendar never comes, so it never settles.
    let settled = since.checked_add(facts.settle).unwrap_or(Timestamp::MAX);
    (settled > at).then_some(settled)
}

/// The newest version that every platform has a build of.
fn choice(platforms: &BTreeSet<String>, member: &MemberFacts) -> Choice {
    let mut waiting = Vec::new();
    for version in &member.versions {
        let of_version = || member.builds.iter().filter(|build| build.version == *version);
        if of_version().next().is_none() {
            continue;
        }
        let for_platform = |platform: &String| {
            let mut builds = of_version();
            builds.find(|build| build.subdir == *platform || build.subdir == NOARCH).cloned()
        };
        let builds: ByPlatform = platforms
            .iter()
            .filter_map(|platform| Some((platform.clone(), for_platform(platform)?)))
            .collect();
        if builds.len() == platforms.len() {
            return Choice { builds, waiting };
        }
        let without = platforms.iter().filter(|platform| !builds.contains_key(*platform)).cloned();
        waiting.push((version.clone(), without.collect()));
    }
    Choice { builds: ByPlatform::new(), waiting }
}

fn goes_back(member: &MemberFacts, choice: &Choice) -> bool {
    // A smaller place is a newer version.
    let place = |build: &Build| member.versions.iter().position(|version| *version == build.version);
    let held = member.held.values().filter_map(place).min();
    let chosen = choice.builds.values().filter_map(place).max();
    held.zip(chosen).is_some_and(|(held, chosen)| held < chosen)
}

fn same_files(one: &ByPlatform, other: &ByPlatform) -> bool {
    let files = |builds: &ByPlatform| -> Vec<(String, String)> {
        builds.iter().map(|(platform, build)| (platform.clone(), build.sha256.clone())).collect()
    };
    files(one) == files(other)
}
