//! What is part of a snapshot, and why the rest is not.
//!
//! Under `pinned` it is what passes on the day, closed under strong dependencies. Under `follow` it
//! is what is staged on the day, failing or not, and the manifest says so.

mod background;
mod needed;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::background::{Background, ChecksOfBuild, Origin, OutsideDependency};
pub use self::needed::Needed;
use super::standing::Standing;
use super::words::{cleared_in_words, issues_in_words, outdated_in_words, sentence};
use crate::calendar::Targets;
use crate::domain::{
    Absence, Absent, Assessment, Belief, ChannelStatus, Check, DeletionPolicy, DependencyGraph,
    DependencyRule, Evidence, EvidenceOverride, Fact, FreezeException, HeldUntil, Listing, PackageName,
    Removal, SnapshotRelease, StagingModel,
};

/// Everything that the snapshot rule looks at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SnapshotFacts {
    /// The distribution.
    pub distribution: String,
    /// The channel that is photographed.
    pub from: String,
    /// The snapshot's date.
    pub date: Date,
    /// What the cycle targets.
    pub targets: Targets,
    /// How the channel holds packages.
    pub staging: StagingModel,
    /// The channel's `packages.json`.
    pub listings: Vec<Listing>,
    /// The channel's status on the day.
    pub status: Fact<ChannelStatus>,
    /// Strong dependencies of every package that the channel's universe lists.
    pub dependencies: BTreeMap<PackageName, Vec<PackageName>>,
    /// The packages of the snapshot before, where there is one.
    pub previous: Option<BTreeSet<PackageName>>,
    /// The share of the snapshot before that may be missing from this one, 0 to 1.
    pub shrink: f64,
    /// Packages that a person asked to be taken out of channels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub removals: BTreeMap<PackageName, Removal>,
    /// Packages whose repository is not to be seen.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub absent: BTreeMap<PackageName, Absence>,
    /// What a member needs of the packages that it depends on.
    #[serde(default, skip_serializing_if = "DependencyRule::is_default")]
    pub dependency_rule: DependencyRule,
    /// An operator's word that what was held is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<SnapshotRelease>,
    /// Leave to pass a freeze, in force or not any more, for versions that came into the channel while one lasted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<FreezeException>,
    /// What is known beside, for the manifest.
    #[serde(default, skip_serializing_if = "Background::is_empty")]
    pub background: Background,
}

/// A package of the snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its name.
    pub package: PackageName,
    /// The version.
    pub version: String,
    /// The commit it was built from.
    pub commit: String,
    /// Where its source lives.
    pub url: String,
    /// The evidence on the day.
    pub evidence: Evidence,
    /// The checks of this build with a version of R that counts, as its universe lists them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// What speaks against it all the same, in words; only where staged packages count as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caveat: Option<String>,
    /// The own check that let it in, where bad checks of the universe spoke against it otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub let_in_by: Option<LetInBy>,
    /// Whose leave let this version pass a freeze.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception: Option<GivenLeave>,
    /// The operator's word that stands for its evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overridden: Option<EvidenceOverride>,
    /// Under `own-checks`: packages of the distribution that it depends on and that are not in the snapshot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependencies_from_elsewhere: Vec<PackageName>,
}

/// Leave by which a version passed a freeze.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GivenLeave {
    /// Who gave it.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// An own check without which a package would have failed on the day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LetInBy {
    /// What it cleared, and how it came out: one clause.
    pub cleared: String,
    /// The full version of R that it ran in.
    pub r: String,
    /// When it ended.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub checked_at: Timestamp,
    /// The SHA-256 of the archive that was checked.
    pub sha256: String,
    /// A shell command that does the same.
    pub reproduce: String,
}

/// A package that is not part of the snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Its name.
    pub package: PackageName,
    /// The version the channel has, where it has one.
    pub version: Option<String>,
    /// Why, in one sentence.
    pub reason: String,
    /// Since when it was seen not to pass, or what it depends on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The packages behind it, where it is not this package itself: those that fail, or the nearest one of which
    /// nobody can tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub root_causes: Vec<PackageName>,
    /// The evidence on the day; none where it was taken out whatever that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// Where nobody can tell: what would have released it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub held_until: BTreeSet<HeldUntil>,
}

/// What the snapshot comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotPlan {
    /// What is in, by name.
    pub members: Vec<Member>,
    /// What is not, by name.
    pub left_out: Vec<LeftOut>,
    /// What is left out and published apart, since members need it, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needed: Vec<Needed>,
    /// What members need from outside of the distribution, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outside: Vec<OutsideDependency>,
    /// Why nothing is published for now: a guard's whole sentence.
    pub held: Option<String>,
    /// The operator's word by which it is published though a guard held it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<SnapshotRelease>,
}

/// Decides what the snapshot holds.
pub fn snapshot(facts: &SnapshotFacts) -> SnapshotPlan {
    let Fact::Known(status) = &facts.status else {
        let Fact::Unknown { why } = &facts.status else { return SnapshotPlan::default() };
        return SnapshotPlan {
            held: Some(format!("Nobody can tell what passes today: {why}.")),
            ..SnapshotPlan::default()
        };
    };
    let mut plan = SnapshotPlan::default();
    let mut reasons = match facts.staging {
        StagingModel::Pinned => what_fails(facts, status),
        StagingModel::Follow => what_is_not_staged(facts, status),
    };
    let listings: BTreeMap<&str, &Listing> =
        facts.listings.iter().map(|listing| (listing.package.as_str(), listing)).collect();
    for (package, listing) in listings {
        if let Some(left_out) = reasons.remove(package) {
            plan.left_out.push(left_out);
            continue;
        }
        let assessment = status.packages.get(package);
        match assessment.and_then(|assessment| member(facts, listing, assessment)) {
            Some(member) => plan.members.push(member),
            None => plan.left_out.push(left_out(package, None, not_built(facts), Vec::new())),
        }
    }
    if facts.dependency_rule == DependencyRule::OwnChecks {
        name_what_comes_from_elsewhere(facts, &mut plan);
    }
    plan.needed = needed::needed(facts, status, &plan);
    background::tell(facts, status, &mut plan);
    plan.held = no_member(&plan);
    if plan.held.is_none()
        && let Some(held) = shrunk(facts, &plan)
    {
        match facts.released.as_ref().filter(|released| released.held == held) {
            Some(released) => plan.released = Some(released.clone()),
            None => plan.held = Some(held),
        }
    }
    plan
}

/// A package of the snapshot; `None` where its universe has never built it.
fn member(facts: &SnapshotFacts, listing: &Listing, assessment: &Assessment) -> Option<Member> {
    let commit = assessment.commit.clone()?;
    let mut caveats: Vec<String> = Vec::new();
    if listing.pin().is_some_and(|pin| pin != commit) {
        caveats.push("the commit it is staged at is not built; this is another one".to_owned());
    }
    if !assessment.issues.is_empty() {
        caveats.push(issues_in_words(assessment));
    }
    Some(Member {
        package: listing.package.clone(),
        version: assessment.version.clone()?,
        commit,
        url: listing.url.clone(),
        evidence: assessment.settled_evidence(),
        checks: Vec::new(),
        caveat: (!caveats.is_empty()).then(|| caveats.join("; ")),
        let_in_by: let_in_by(assessment),
        exception: exception(facts, listing, assessment),
        overridden: assessment.overridden.clone(),
        dependencies_from_elsewhere: Vec::new(),
    })
}

/// The leave by which the channel pins exactly this version; of several the first by name and reason.
fn exception(facts: &SnapshotFacts, listing: &Listing, assessment: &Assessment) -> Option<GivenLeave> {
    let pin = listing.pin()?;
    let is_it = |leave: &&FreezeException| {
        leave.package == listing.package
            && Some(&leave.version) == assessment.version.as_ref()
            && assessment.commit.as_deref() == Some(pin)
    };
    let leaves = facts.exceptions.iter().filter(is_it);
    let leave = leaves.min_by_key(|leave| (&leave.by, &leave.reason))?;
    Some(GivenLeave { by: leave.by.clone(), reason: leave.reason.clone() })
}

fn let_in_by(assessment: &Assessment) -> Option<LetInBy> {
    let cleared = cleared_in_words(assessment)?;
    let check = assessment.own_check.as_ref()?;
    Some(LetInBy {
        cleared,
        r: check.r.clone()?,
        checked_at: check.at?,
        sha256: check.source.as_ref()?.sha256.clone(),
        reproduce: check.reproduce()?,
    })
}

fn left_out(
    package: &str,
    version: Option<String>,
    reason: String,
    root_causes: Vec<PackageName>,
) -> LeftOut {
    LeftOut {
        package: package.to_owned(),
        version,
        reason,
        since: None,
        root_causes,
        evidence: None,
        held_until: BTreeSet::new(),
    }
}

fn not_built(facts: &SnapshotFacts) -> String {
    format!("The universe of {} never built it.", facts.from)
}

/// `pinned`: everything that does not pass, and what depends on it.
fn what_fails(facts: &SnapshotFacts, status: &ChannelStatus) -> BTreeMap<PackageName, LeftOut> {
    let mut reasons = BTreeMap::new();
    for listing in &facts.listings {
        let package = &listing.package;
        let assessment = status.packages.get(package);
        if let Some(reason) = taken_out(facts, package) {
            let version = assessment.and_then(|assessment| assessment.version.clone());
            reasons.insert(package.clone(), left_out(package, version, reason, Vec::new()));
        } else if let Some(reason) = why_not(facts, Standing::of(assessment, listing.pin())) {
            let causes = root_causes(Standing::of(assessment, listing.pin()));
            let version = assessment.and_then(|assessment| assessment.version.clone());
            reasons.insert(package.clone(), left_out(package, version, reason, causes));
        }
    }
    if facts.dependency_rule == DependencyRule::Strict {
        close_under_dependencies(facts, status, &mut reasons);
    }
    reasons
}

/// Why a package is left out whatever its evidence: a person asked for that, or its repository is gone and the
/// policy drops it then. A whole sentence.
fn taken_out(facts: &SnapshotFacts, package: &str) -> Option<String> {
    let removal = facts.removals.get(package).filter(|removal| removal.covers(&facts.from));
    if let Some(removal) = removal {
        return Some(sentence(&format!("it was removed on request: {}", removal.reason)));
    }
    let dropped =
        |absence: &&Absence| absence.belief == Belief::Confirmed && absence.deleted == DeletionPolicy::Drop;
    let absence = facts.absent.get(package).filter(dropped)?;
    let what = match absence.how {
        Absent::NotFound => "deleted or made private",
        Absent::Blocked => "blocked for legal reasons",
    };
    Some(format!("Its repository was {what}, and has not been seen since {}.", absence.since))
}

/// Why a package is left out; `None` where it is in. A build that happens to run on the day does not
/// count against what was known of the same commit before it.
fn why_not(facts: &SnapshotFacts, standing: Standing<'_>) -> Option<String> {
    let Standing::Assessed(assessment) = standing else {
        return Some(match standing {
            Standing::NotListed => not_built(facts),
            other => sentence(&other.in_words()),
        });
    };
    if assessment.evidence == Evidence::Pending
        && let Some(outdated) = outdated_in_words(assessment)
    {
        return Some(sentence(&outdated));
    }
    match assessment.settled_evidence() {
        Evidence::Passing => None,
        Evidence::Pending => Some("Its first build or check is still running.".to_owned()),
        Evidence::Failing if assessment.evidence == Evidence::Pending => {
            Some("It failed before, and is still being built or checked again.".to_owned())
        }
        Evidence::Failing | Evidence::Unknown => Some(sentence(&standing.in_words())),
    }
}

/// A member whose strong dependency inside the distribution is not in the snapshot is left out too.
/// The dependency may be one that the universe still has and the channel lists no more, or one that the
/// channel lists and the universe lacks.
fn close_under_dependencies(
    facts: &SnapshotFacts,
    status: &ChannelStatus,
    reasons: &mut BTreeMap<PackageName, LeftOut>,
) {
    let listed: BTreeSet<&PackageName> = facts.listings.iter().map(|listing| &listing.package).collect();
    let lacking = listed.iter().filter(|package| !facts.dependencies.contains_key(**package));
    let lacking = lacking.map(|package| (*package, &[][..]));
    let graph = DependencyGraph::new(
        facts.dependencies.iter().map(|(name, dependencies)| (name, &dependencies[..])).chain(lacking),
    );
    let listed: BTreeSet<&str> = listed.into_iter().map(String::as_str).collect();
    let unlisted = facts.dependencies.keys().filter(|package| !listed.contains(package.as_str()));
    let absent = reasons.keys().chain(unlisted).map(String::as_str);
    for (package, cause) in graph.nearest_causes(absent) {
        if listed.contains(package) && !reasons.contains_key(package) {
            let version = status.packages.get(package).and_then(|assessment| assessment.version.clone());
            let reason = format!("It depends on {cause}, which is not in the snapshot.");
            // What is left out because of others is no root.
            let behind_it =
                reasons.get(cause).map(|cause| &cause.root_causes).filter(|roots| !roots.is_empty());
            let roots = behind_it.cloned().unwrap_or_else(|| vec![cause.to_owned()]);
            reasons.insert(package.to_owned(), left_out(package, version, reason, roots));
        }
    }
}

/// Names for each member the packages of the distribution that it depends on and that are no members. What never
/// was in the distribution comes from elsewhere under any rule, and is not named.
fn name_what_comes_from_elsewhere(facts: &SnapshotFacts, plan: &mut SnapshotPlan) {
    let members: BTreeSet<PackageName> = plan.members.iter().map(|member| member.package.clone()).collect();
    let listed = facts.listings.iter().map(|listing| &listing.package);
    let ours: BTreeSet<&PackageName> = listed.chain(facts.dependencies.keys()).collect();
    for member in &mut plan.members {
        let named = facts.dependencies.get(&member.package).into_iter().flatten();
        let elsewhere = named.filter(|name| ours.contains(name) && !members.contains(*name));
        let elsewhere: BTreeSet<PackageName> = elsewhere.cloned().collect();
        member.dependencies_from_elsewhere = elsewhere.into_iter().collect();
    }
}

/// `follow`: everything that is not staged.
fn what_is_not_staged(facts: &SnapshotFacts, status: &ChannelStatus) -> BTreeMap<PackageName, LeftOut> {
    let taken_out = |package: &str| taken_out(facts, package);
    let out = |listing: &&Listing| listing.pin().is_none() || taken_out(&listing.package).is_some();
    let unstaged = facts.listings.iter().filter(out);
    unstaged
        .map(|listing| {
            let package = &listing.package;
            let assessment = status.packages.get(package);
            if let Some(reason) = taken_out(package) {
                let version = assessment.and_then(|assessment| assessment.version.clone());
                return (package.clone(), left_out(package, version, reason, Vec::new()));
            }
            let reason = match assessment {
                Some(assessment) if !assessment.issues.is_empty() => sentence(&issues_in_words(assessment)),
                Some(assessment) if !assessment.unknown.is_empty() => {
                    sentence(&assessment.unknown.join("; "))
                }
                Some(_) => "It became fine too late to be staged.".to_owned(),
                None => not_built(facts),
            };
            let causes = root_causes(Standing::of(assessment, listing.pin()));
            let version = assessment.and_then(|assessment| assessment.version.clone());
            (package.clone(), left_out(package, version, reason, causes))
        })
        .collect()
}

/// The packages behind what speaks against a revision, as the channel's verdict names them; none where it is at
/// fault itself.
fn root_causes(standing: Standing<'_>) -> Vec<PackageName> {
    match standing.unknown_through() {
        Some(cause) => vec![cause.clone()],
        None if standing.fails_by_itself() => Vec::new(),
        None => standing.root_causes(),
    }
}

/// Nothing at all is in: nobody can mean that.
fn no_member(plan: &SnapshotPlan) -> Option<String> {
    let none = "No package at all would be part of it. An operator has to look.";
    plan.members.is_empty().then(|| none.to_owned())
}

/// The shrink guard: too many packages of the snapshot before are missing.
fn shrunk(facts: &SnapshotFacts, plan: &SnapshotPlan) -> Option<String> {
    let previous = facts.previous.as_ref()?;
    let members: BTreeSet<&str> = plan.members.iter().map(|member| member.package.as_str()).collect();
    // What people asked for is no surprise.
    let meant = |package: &str| facts.removals.get(package).is_some_and(|asked| asked.covers(&facts.from));
    let missing = previous.iter().filter(|package| !members.contains(package.as_str()) && !meant(package));
    let missing = missing.count();
    (missing as f64 > facts.shrink * previous.len() as f64).then(|| {
        format!(
            "{missing} of the {} packages of the snapshot before are missing, more than the {:.0} % that may be. \
             An operator has to look and say that this is meant: `tidegate guard release`.",
            previous.len(),
            facts.shrink * 100.0
        )
    })
}
