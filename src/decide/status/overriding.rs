//! Operators' words that stand for the evidence on a package.
//!
//! One counts for exactly the version and commit that the universe has now, and until its last day. It says
//! what the evidence is, whatever the sources say of the package itself or of what it depends on. One that
//! says `failing` reaches its dependents as any failure does. `faithful` is upstream's rule and knows none.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::OwnFindings;
use crate::domain::{EvidenceOverride, EvidencePolicy, OverriddenAs, PackageName, StatusFacts};

/// The overrides that are in force, by package.
pub(super) struct Overrides<'a>(BTreeMap<&'a str, &'a EvidenceOverride>);

impl<'a> Overrides<'a> {
    pub(super) fn in_force(facts: &'a StatusFacts, policy: EvidencePolicy) -> Self {
        let of_what_is_there = |(name, word): &(&PackageName, &EvidenceOverride)| {
            facts.packages.get(*name).is_some_and(|package| {
                package.version.as_ref() == Some(&word.version)
                    && package.commit.as_ref() == Some(&word.commit)
            })
        };
        let all = facts.overrides.iter().filter(|_| policy == EvidencePolicy::Guarded);
        Self(all.filter(of_what_is_there).map(|(name, word)| (name.as_str(), word)).collect())
    }

    pub(super) fn get(&self, package: &str) -> Option<&'a EvidenceOverride> {
        self.0.get(package).copied()
    }

    pub(super) fn contains(&self, package: &str) -> bool {
        self.0.contains_key(package)
    }

    pub(super) fn makes_fail(&self, package: &str) -> bool {
        self.get(package).is_some_and(|word| word.says == OverriddenAs::Failing)
    }

    /// The findings without what overrides set aside.
    pub(super) fn apply<'f>(
        &self,
        mut findings: Cow<'f, BTreeMap<PackageName, OwnFindings>>,
    ) -> Cow<'f, BTreeMap<PackageName, OwnFindings>> {
        for (package, word) in &self.0 {
            if word.says == OverriddenAs::Passing
                && let Some(found) = findings.to_mut().get_mut(*package)
            {
                *found = OwnFindings::default();
            }
        }
        findings
    }
}
