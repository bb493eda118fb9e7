//! What a manifest tells beside the choice itself: which checks let a member in, what it needs from outside
//! of the distribution and which version of that users get, and how the rest stands and since when. None of
//! it decides who is a member.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::standing::Standing;
use super::super::status::is_of_series;
use super::{LeftOut, SnapshotFacts, SnapshotPlan, taken_out};
use crate::domain::{ChannelStatus, Check, Fact, PackageName};

/// The packages that every R brings along: they have its version, and no CRAN has them.
const BASE: [&str; 14] = [
    "base",
    "compiler",
    "datasets",
    "grDevices",
    "graphics",
    "grid",
    "methods",
    "parallel",
    "splines",
    "stats",
    "stats4",
    "tcltk",
    "tools",
    "utils",
];

/// What was known on the day beside what the choice looks at. Facts of before have nothing of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Background {
    /// The checks of the universe's builds, by package.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub checks: BTreeMap<PackageName, ChecksOfBuild>,
    /// The R before the targeted one, where the policy asks for its checks too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older_r: Option<String>,
    /// The versions that the frozen CRAN has of what packages of the distribution depend on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cran: Option<Fact<BTreeMap<PackageName, String>>>,
    /// Since when each package of the channel that does not pass was seen so.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub not_passing_since: BTreeMap<PackageName, Timestamp>,
    /// Whether packages that are left out and that members need are published apart.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub with_failing: bool,
}

/// The checks of one build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChecksOfBuild {
    /// The commit that was built.
    pub commit: Option<String>,
    /// As the universe lists them, of every version of R.
    pub checks: Vec<Check>,
}

impl Background {
    /// True for facts of before.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A package that members need and that the distribution does not have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutsideDependency {
    /// Its name.
    pub name: PackageName,
    /// Where users get it from.
    #[serde(flatten)]
    pub origin: Origin,
    /// The members that depend on it directly, by name.
    pub needed_by: Vec<PackageName>,
}

/// Where a package from outside comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "origin", rename_all = "kebab-case")]
pub enum Origin {
    /// R itself: it has the version of R.
    Base,
    /// The frozen CRAN.
    Cran {
        /// The version that its index had.
        version: String,
    },
    /// The index of the frozen CRAN was read, and does not have it.
    NotOnCran,
    /// Nobody could tell.
    Unknown {
        /// Why: one clause.
        why: String,
    },
}

/// Adds to a plan what is known of its packages.
pub(super) fn tell(facts: &SnapshotFacts, status: &ChannelStatus, plan: &mut SnapshotPlan) {
    // A plan from facts of before stays what it was then.
    if facts.background.is_empty() {
        return;
    }
    for member in &mut plan.members {
        member.checks = counted_checks(facts, &member.package, &member.commit);
    }
    for needed in &mut plan.needed {
        needed.package.checks = counted_checks(facts, &needed.package.package, &needed.package.commit);
    }
    let pins: BTreeMap<&str, Option<&str>> =
        facts.listings.iter().map(|listing| (listing.package.as_str(), listing.pin())).collect();
    for left_out in &mut plan.left_out {
        left_out.since = since(facts, left_out);
        let package = left_out.package.as_str();
        if taken_out(facts, package).is_none() {
            let pin = pins.get(package).copied().flatten();
            let standing = Standing::of(status.packages.get(package), pin);
            left_out.evidence = Some(standing.evidence());
            left_out.held_until = standing.held_until();
        }
    }
    plan.outside = outside(facts, plan);
}

/// The checks of exactly this build with a version of R that counts.
fn counted_checks(facts: &SnapshotFacts, package: &str, commit: &str) -> Vec<Check> {
    let Background { checks, older_r, .. } = &facts.background;
    let built = checks.get(package).filter(|built| built.commit.as_deref() == Some(commit));
    let counts = |check: &&Check| {
        std::iter::once(&facts.targets.r).chain(older_r).any(|series| is_of_series(&check.r, series))
    };
    built.map(|built| built.checks.iter().filter(counts).cloned().collect()).unwrap_or_default()
}

/// Since when a package is kept out: by itself, or by what it depends on, whichever came last of these.
fn since(facts: &SnapshotFacts, left_out: &LeftOut) -> Option<Timestamp> {
    let removal = facts.removals.get(&left_out.package).filter(|removal| removal.covers(&facts.from));
    if let Some(removal) = removal {
        return Some(removal.at);
    }
    let known = &facts.background.not_passing_since;
    let by_itself = known.get(&left_out.package);
    by_itself.or_else(|| left_out.root_causes.iter().filter_map(|cause| known.get(cause)).min()).copied()
}

/// What members need from outside, by name; nothing where facts of before do not say.
fn outside(facts: &SnapshotFacts, plan: &SnapshotPlan) -> Vec<OutsideDependency> {
    let Some(cran) = &facts.background.cran else { return Vec::new() };
    let listed = facts.listings.iter().map(|listing| &listing.package);
    let ours: BTreeSet<&PackageName> = listed.chain(facts.dependencies.keys()).collect();
    let mut needed: BTreeMap<&PackageName, Vec<PackageName>> = BTreeMap::new();
    for package in plan.members.iter().map(|member| &member.package) {
        let named: BTreeSet<&PackageName> = facts
            .dependencies
            .get(package)
            .into_iter()
            .flatten()
            .filter(|name| !ours.contains(name))
            .collect();
        for name in named {
            needed.entry(name).or_default().push(package.clone());
        }
    }
    let outside = needed.into_iter().map(|(name, needed_by)| OutsideDependency {
        name: name.clone(),
        origin: origin(name, cran),
        needed_by,
    });
    outside.collect()
}

fn origin(name: &str, cran: &Fact<BTreeMap<PackageName, String>>) -> Origin {
    match cran {
        _ if BASE.contains(&name) => Origin::Base,
        Fact::Known(cran) => match cran.get(name) {
            Some(version) => Origin::Cran { version: version.clone() },
            None => Origin::NotOnCran,
        },
        Fact::Unknown { why } => Origin::Unknown { why: why.clone() },
    }
}
