//! Who depends on whom inside one distribution.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::PackageName;

/// Strong dependencies between the packages of one universe. Cycles and packages that depend on
/// themselves are allowed; dependencies on packages outside are dropped, since they never matter.
#[derive(Debug, Default)]
pub struct DependencyGraph<'a> {
    dependencies: BTreeMap<&'a str, Vec<&'a str>>,
    dependents: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> DependencyGraph<'a> {
    /// Builds the graph from each package's direct strong dependencies, in the order in which its
    /// DESCRIPTION names them. Duplicates count once.
    pub fn new(packages: impl Iterator<Item = (&'a PackageName, &'a [PackageName])> + Clone) -> Self {
        let inside: BTreeSet<&str> = packages.clone().map(|(name, _)| name.as_str()).collect();
        let mut graph = Self::default();
        for (name, dependencies) in packages {
            let mut seen = BTreeSet::new();
            let direct: Vec<&str> = dependencies
                .iter()
                .map(String::as_str)
                .filter(|dependency| inside.contains(dependency) && seen.insert(*dependency))
                .collect();
            for dependency in &direct {
                graph.dependents.entry(*dependency).or_default().push(name);
            }
            graph.dependencies.insert(name, direct);
        }
        graph
    }

    /// The direct strong dependencies of `package` inside the universe, in DESCRIPTION order.
    pub fn dependencies(&self, package: &str) -> &[&'a str] {
        self.dependencies.get(package).map_or(&[], Vec::as_slice)
    }

    /// All packages that depend on `package`, directly or through others; never `package` itself.
    pub fn transitive_dependents(&self, package: &str) -> BTreeSet<&'a str> {
        reach(package, &self.dependents)
    }

    /// All packages that `package` depends on, directly or through others; never `package` itself.
    pub fn transitive_dependencies(&self, package: &str) -> BTreeSet<&'a str> {
        reach(package, &self.dependencies)
    }
}

fn reach<'a>(from: &str, edges: &BTreeMap<&'a str, Vec<&'a str>>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut queue: VecDeque<&str> = VecDeque::from([from]);
    while let Some(package) = queue.pop_front() {
        for next in edges.get(package).into_iter().flatten() {
            if *next != from && reached.insert(*next) {
                queue.push_back(next);
            }
        }
    }
    reached
}
