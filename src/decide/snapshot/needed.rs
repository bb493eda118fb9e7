//! Which packages that are left out are published all the same, apart from the members, since members need them.
//!
//! Only under the rule of own checks can a member need a package that is not in the snapshot. Who installs it has
//! to get that from somewhere, and may not find the version that the member was checked with anywhere else.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::{LeftOut, Member, SnapshotFacts, SnapshotPlan, member, taken_out};
use crate::domain::{Assessment, ChannelStatus, DependencyRule, Issue, Listing, PackageName};

/// A package that is not in the snapshot, and that something in it needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needed {
    /// What is published of it.
    #[serde(flatten)]
    pub package: Member,
    /// Why it is not in the snapshot itself: one sentence.
    pub reason: String,
    /// What depends on it directly: members, and others that are needed.
    pub needed_by: Vec<PackageName>,
}

/// The packages that members need, directly or through each other, by name.
pub(super) fn needed(facts: &SnapshotFacts, status: &ChannelStatus, plan: &SnapshotPlan) -> Vec<Needed> {
    if !facts.background.with_failing || facts.dependency_rule != DependencyRule::OwnChecks {
        return Vec::new();
    }
    let left_out: BTreeMap<&str, &LeftOut> =
        plan.left_out.iter().map(|left| (left.package.as_str(), left)).collect();
    let listings: BTreeMap<&str, &Listing> =
        facts.listings.iter().map(|listing| (listing.package.as_str(), listing)).collect();
    let mut found: BTreeMap<&str, Needed> = BTreeMap::new();
    let mut next: VecDeque<&str> = plan.members.iter().map(|member| member.package.as_str()).collect();
    let mut walked: BTreeSet<&str> = next.iter().copied().collect();
    while let Some(package) = next.pop_front() {
        for name in facts.dependencies.get(package).into_iter().flatten() {
            let (Some(left), Some(listing)) = (left_out.get(name.as_str()), listings.get(name.as_str()))
            else {
                continue;
            };
            if !found.contains_key(name.as_str()) {
                let assessment = status.packages.get(name);
                let Some(package) = assessment.and_then(|seen| publishable(facts, listing, seen)) else {
                    continue;
                };
                let needed = Needed { package, reason: left.reason.clone(), needed_by: Vec::new() };
                found.insert(name, needed);
            }
            if let Some(needed) = found.get_mut(name.as_str())
                && !needed.needed_by.iter().any(|known| known == package)
            {
                needed.needed_by.push(package.to_owned());
            }
            if walked.insert(name) {
                next.push_back(name);
            }
        }
    }
    let sorted = found.into_values().map(|mut needed| {
        needed.needed_by.sort();
        needed
    });
    sorted.collect()
}

/// What may be published of a package that is left out; nothing where somebody asked that it be taken out, where
/// it may not be passed on, or where what the channel holds was never built.
fn publishable(facts: &SnapshotFacts, listing: &Listing, assessment: &Assessment) -> Option<Member> {
    let unfree = assessment.issues.iter().any(|issue| matches!(issue, Issue::License(_)));
    let other = listing.pin().is_some_and(|pin| assessment.commit.as_deref() != Some(pin));
    if unfree || other || taken_out(facts, &listing.package).is_some() {
        return None;
    }
    member(facts, listing, assessment)
}
