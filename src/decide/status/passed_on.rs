//! What reaches a package through those that it depends on: failures, and what nobody knows.

use std::collections::{BTreeMap, BTreeSet};

use super::OwnFindings;
use super::overriding::Overrides;
use crate::decide::beside::Beside;
use crate::domain::{
    CausePaths, DependencyGraph, DependencyRule, EvidencePolicy, HeldUntil, IssueKind, ListedPackages,
    OddDependencies, PackageName, StatusFacts,
};

/// A channel's packages and what is between them.
pub(super) struct Neighbours<'a> {
    pub(super) graph: DependencyGraph<'a>,
    /// What the channel lists and its universe lacks, where somebody depends on it.
    missing: BTreeSet<&'a str>,
    facts: &'a StatusFacts,
    policy: EvidencePolicy,
}

/// Why nobody can tell of a package though its own sources can.
pub(super) struct Gap {
    /// The nearest dependency of which nobody can tell.
    pub(super) cause: PackageName,
    /// One clause about that.
    pub(super) clause: String,
    /// What would release it.
    pub(super) until: HeldUntil,
}

impl<'a> Neighbours<'a> {
    /// Upstream knows only what the universe has. Under `guarded` what the channel lists is part of it too:
    /// a dependency that the universe lost would pass for one from outside, which never matters.
    pub(super) fn new(facts: &'a StatusFacts, policy: EvidencePolicy) -> Self {
        let listed = match policy {
            EvidencePolicy::Faithful => None,
            EvidencePolicy::Guarded => facts.listed.known(),
        };
        let mut there = Beside::new(&facts.packages);
        let lacking =
            listed.into_iter().flat_map(ListedPackages::keys).filter(|name| there.of(name).is_none());
        let lacking: Vec<&PackageName> = lacking.collect();
        let known = facts.packages.iter().map(|(name, package)| (name, &package.dependencies[..]));
        let graph = DependencyGraph::new(known.chain(lacking.iter().map(|name| (*name, &[][..]))));
        let needed = |name: &&str| graph.direct_dependents(name).next().is_some();
        let missing = lacking.into_iter().map(String::as_str).filter(needed).collect();
        Self { graph, missing, facts, policy }
    }

    /// For each package, by name, the causes among those it depends on, as upstream's `issues_dependencies` names
    /// them: for every bad package its transitive dependents, each with those of its direct
    /// dependencies that depend on the bad package themselves. Issues of staged packages stay with them.
    pub(super) fn failures(
        &self,
        findings: &'a BTreeMap<PackageName, OwnFindings>,
        overrides: &Overrides<'_>,
    ) -> Vec<(&'a str, CausePaths)> {
        if !self.is_strict() {
            return Vec::new();
        }
        let bad = findings
            .iter()
            .filter(|(name, found)| self.fails(name, found, overrides) && !self.facts.staged.contains(*name));
        self.graph.paths_to(bad.map(|(name, _)| name.as_str()))
    }

    /// A clause for each package that depends on one of which nobody can tell anything: as long as that
    /// lasts, nobody can tell that it works either. The nearest such dependency is named; where a source
    /// fails, there may be thousands.
    pub(super) fn gaps(
        &self,
        findings: &BTreeMap<PackageName, OwnFindings>,
        overrides: &Overrides<'_>,
    ) -> BTreeMap<PackageName, Gap> {
        if self.policy == EvidencePolicy::Faithful || !self.is_strict() {
            return BTreeMap::new();
        }
        let is_gap = |name: &PackageName, found: &OwnFindings| {
            found.issues.is_empty() && !found.unknown.is_empty() && !overrides.contains(name)
        };
        let unknown = findings.iter().filter(|(name, found)| is_gap(name, found));
        let causes = unknown.map(|(name, _)| name.as_str()).chain(self.missing.iter().copied());
        let reached = self.graph.nearest_causes(causes).into_iter();
        // A package of which nobody can tell by itself needs no second reason.
        let reached =
            reached.filter(|(name, _)| findings.get(*name).is_none_or(|found| found.unknown.is_empty()));
        reached.map(|(name, cause)| (name.to_owned(), self.gap(cause, findings))).collect()
    }

    fn gap(&self, cause: &str, findings: &BTreeMap<PackageName, OwnFindings>) -> Gap {
        let (clause, until) = match findings.get(cause).and_then(|found| found.unknown.first()) {
            Some(why) => {
                let clause = format!("it depends on {cause}, of which nobody can tell ({why})");
                (clause, HeldUntil::DependenciesKnown)
            }
            None => {
                let clause = format!("it depends on {cause}, which the channel lists and its universe lacks");
                (clause, HeldUntil::DependenciesBuilt)
            }
        };
        Gap { cause: cause.to_owned(), clause, until }
    }

    /// Under `own-checks`: the direct dependencies of a package that fail by themselves, or are not there.
    pub(super) fn elsewhere(
        &self,
        package: &str,
        findings: &BTreeMap<PackageName, OwnFindings>,
        overrides: &Overrides<'_>,
    ) -> Vec<PackageName> {
        if self.is_strict() {
            return Vec::new();
        }
        let elsewhere = |name: &&str| {
            let fails = findings.get(*name).is_some_and(|found| self.fails(name, found, overrides));
            *name != package && (fails || self.missing.contains(name))
        };
        let mut names: Vec<PackageName> =
            self.graph.direct(package).filter(elsewhere).map(str::to_owned).collect();
        names.sort_unstable();
        names
    }

    /// What nobody can follow: circles, and what is listed and not there.
    pub(super) fn odd(&self) -> OddDependencies {
        if self.policy == EvidencePolicy::Faithful {
            return OddDependencies::default();
        }
        let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
        let dependents = |name: &&str| owned(self.graph.direct_dependents(name).collect());
        OddDependencies {
            circles: self.graph.circles().into_iter().map(owned).collect(),
            missing: self.missing.iter().map(|name| ((*name).to_owned(), dependents(name))).collect(),
        }
    }

    /// `faithful` is upstream's rule, and that is strict.
    fn is_strict(&self) -> bool {
        self.policy == EvidencePolicy::Faithful || self.facts.dependency_rule == DependencyRule::Strict
    }

    fn fails(&self, name: &str, found: &OwnFindings, overrides: &Overrides<'_>) -> bool {
        overrides.makes_fail(name)
            || found.issues.iter().any(|issue| counts_as_failing(issue.kind(), self.policy))
    }
}

/// Upstream counts a running build as a failure.
pub(super) fn counts_as_failing(kind: IssueKind, policy: EvidencePolicy) -> bool {
    policy == EvidencePolicy::Faithful || kind != IssueKind::Synchronization
}
