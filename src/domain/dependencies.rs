//! Who depends on whom inside one distribution.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::PackageName;

/// Strong dependencies between the packages of one universe. Cycles and packages that depend on
/// themselves are allowed; dependencies on packages outside are dropped, since they never matter.
///
/// Packages are numbered in the order of their names, so that a walk over 30,000 of them compares
/// no text, and what comes out of it is in order.
#[derive(Debug)]
pub struct DependencyGraph<'a> {
    names: Vec<&'a str>,
    // Only ever asked for one name: its own order is not seen.
    places: HashMap<&'a str, usize>,
    dependencies: Vec<Vec<usize>>,
    dependents: Vec<Vec<usize>>,
}

impl<'a> DependencyGraph<'a> {
    /// Builds the graph from each package's direct strong dependencies, in the order in which its
    /// DESCRIPTION names them. Duplicates count once.
    pub fn new(packages: impl Iterator<Item = (&'a PackageName, &'a [PackageName])>) -> Self {
        let mut packages: Vec<(&PackageName, &[PackageName])> = packages.collect();
        packages.sort_by_key(|(name, _)| *name);
        let names: Vec<&str> = packages.iter().map(|(name, _)| name.as_str()).collect();
        let places: HashMap<&str, usize> = names.iter().enumerate().map(|(at, name)| (*name, at)).collect();
        let mut dependencies = vec![Vec::new(); names.len()];
        let mut dependents = vec![Vec::new(); names.len()];
        // The package that named each dependency last, so that a duplicate is seen without a search.
        let mut named_by = vec![usize::MAX; names.len()];
        for (package, (_, named)) in packages.iter().enumerate() {
            for dependency in named.iter().filter_map(|name| places.get(name.as_str()).copied()) {
                if std::mem::replace(&mut named_by[dependency], package) != package {
                    dependencies[package].push(dependency);
                    dependents[dependency].push(package);
                }
            }
        }
        Self { names, places, dependencies, dependents }
    }

    /// All packages that depend on `package`, directly or through others, in the order of their
    /// names; each with those of its direct dependencies, in DESCRIPTION order, that depend on
    /// `package` themselves (none where it only depends on `package` directly). Never `package` itself.
    pub fn paths_to(&self, package: &str) -> Vec<(&'a str, Vec<&'a str>)> {
        let Some(&end) = self.places.get(package) else { return Vec::new() };
        let mut reached = vec![false; self.names.len()];
        reached[end] = true;
        let mut found = vec![end];
        let mut next = 0;
        while next < found.len() {
            for &dependent in &self.dependents[found[next]] {
                if !std::mem::replace(&mut reached[dependent], true) {
                    found.push(dependent);
                }
            }
            next += 1;
        }
        reached[end] = false;
        found.swap_remove(0);
        found.sort_unstable();
        let through = |dependent: &usize| {
            let direct = self.dependencies[*dependent].iter();
            direct.filter(|&&direct| reached[direct]).map(|&direct| self.names[direct]).collect()
        };
        found.iter().map(|dependent| (self.names[*dependent], through(dependent))).collect()
    }

    /// Every package that depends on one of `causes`, directly or through others, with the nearest of
    /// them; among equally near ones that whose name comes first on the way. A cause has an entry
    /// only where it depends on another one.
    pub fn nearest_causes<'c>(&self, causes: impl Iterator<Item = &'c str>) -> BTreeMap<&'a str, &'a str> {
        let mut cause_of: Vec<Option<usize>> = vec![None; self.names.len()];
        let mut queue: VecDeque<(usize, usize)> =
            causes.filter_map(|name| self.places.get(name)).map(|&cause| (cause, cause)).collect();
        queue.make_contiguous().sort_unstable();
        while let Some((package, cause)) = queue.pop_front() {
            for &dependent in &self.dependents[package] {
                if dependent != cause && cause_of[dependent].is_none() {
                    cause_of[dependent] = Some(cause);
                    queue.push_back((dependent, cause));
                }
            }
        }
        let named =
            |(package, cause): (usize, &Option<usize>)| Some((self.names[package], self.names[(*cause)?]));
        cause_of.iter().enumerate().filter_map(named).collect()
    }

    /// Every package that depends on one of `causes`, directly or through others, with a shortest way there:
    /// from its own direct dependency to the cause. Among equally short ways the one whose cause, and then whose
    /// steps, come first by name. A cause has no entry: it needs none.
    pub fn chains<'c>(&self, causes: impl Iterator<Item = &'c str>) -> BTreeMap<&'a str, Vec<&'a str>> {
        let mut queue: Vec<usize> = causes.filter_map(|name| self.places.get(name).copied()).collect();
        queue.sort_unstable();
        queue.dedup();
        let mut is_cause = vec![false; self.names.len()];
        queue.iter().for_each(|cause| is_cause[*cause] = true);
        let mut towards: Vec<Option<usize>> = vec![None; self.names.len()];
        let mut next = 0;
        while next < queue.len() {
            let reached = queue[next];
            next += 1;
            for &dependent in &self.dependents[reached] {
                if !is_cause[dependent] && towards[dependent].is_none() {
                    towards[dependent] = Some(reached);
                    queue.push(dependent);
                }
            }
        }
        let way = |package: usize| {
            let steps = std::iter::successors(towards[package], |step| towards[*step]);
            steps.map(|step| self.names[step]).collect()
        };
        let reached = (0..self.names.len()).filter(|package| towards[*package].is_some());
        reached.map(|package| (self.names[package], way(package))).collect()
    }
}
