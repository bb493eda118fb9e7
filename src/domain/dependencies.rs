//! Who depends on whom inside one distribution.

use std::collections::{BTreeMap, HashMap, VecDeque};

use foldhash::fast::RandomState;

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
    places: HashMap<&'a str, usize, RandomState>,
    dependencies: Vec<Vec<usize>>,
    dependents: Vec<Vec<usize>>,
}

/// Causes, each with the direct dependencies that lead there.
pub type CausePaths = BTreeMap<PackageName, Vec<PackageName>>;

impl<'a> DependencyGraph<'a> {
    /// Builds the graph from each package's direct strong dependencies, in the order in which its
    /// DESCRIPTION names them. Duplicates count once.
    pub fn new(packages: impl Iterator<Item = (&'a PackageName, &'a [PackageName])>) -> Self {
        let mut packages: Vec<(&PackageName, &[PackageName])> = packages.collect();
        packages.sort_by_key(|(name, _)| *name);
        let names: Vec<&str> = packages.iter().map(|(name, _)| name.as_str()).collect();
        let places =
            names.iter().enumerate().map(|(at, name)| (*name, at)).collect::<HashMap<_, _, RandomState>>();
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

    /// For each package that depends on one of `causes`, directly or through others, all those causes by name; each
    /// with those of the package's direct dependencies, in DESCRIPTION order, that depend on the cause themselves
    /// (none where it only depends on it directly). Packages come by name; none is a cause of itself.
    pub fn paths_to<'c>(&self, causes: impl Iterator<Item = &'c str>) -> Vec<(&'a str, CausePaths)> {
        let mut causes: Vec<usize> = causes.filter_map(|name| self.places.get(name).copied()).collect();
        causes.sort_unstable();
        causes.dedup();
        const NOBODY: usize = usize::MAX;
        // The cause that reached each package last, so that nothing is cleared between two of them.
        let mut reached_by = vec![NOBODY; self.names.len()];
        let mut paths = vec![CausePaths::new(); self.names.len()];
        let mut found = Vec::new();
        for cause in causes {
            reached_by[cause] = cause;
            found.clear();
            found.push(cause);
            let mut next = 0;
            while next < found.len() {
                for &dependent in &self.dependents[found[next]] {
                    if std::mem::replace(&mut reached_by[dependent], cause) != cause {
                        found.push(dependent);
                    }
                }
                next += 1;
            }
            reached_by[cause] = NOBODY;
            for &dependent in &found[1..] {
                let direct = self.dependencies[dependent].iter();
                let through = direct.filter(|direct| reached_by[**direct] == cause);
                let through = through.map(|direct| self.names[*direct].to_owned()).collect();
                paths[dependent].insert(self.names[cause].to_owned(), through);
            }
        }
        let reached = self.names.iter().copied().zip(paths);
        reached.filter(|(_, paths)| !paths.is_empty()).collect()
    }

    /// The direct dependencies of a package that the graph knows, in DESCRIPTION order.
    pub fn direct(&self, package: &str) -> impl Iterator<Item = &'a str> {
        let direct = self.places.get(package).map(|&place| self.dependencies[place].as_slice());
        direct.unwrap_or_default().iter().map(|&dependency| self.names[dependency])
    }

    /// The packages that depend directly on this one, by name.
    pub fn direct_dependents(&self, package: &str) -> impl Iterator<Item = &'a str> {
        let direct = self.places.get(package).map(|&place| self.dependents[place].as_slice());
        direct.unwrap_or_default().iter().map(|&dependent| self.names[dependent])
    }

    /// The packages that depend on each other in circles, each circle by name; a package that names
    /// itself is a circle of its own. These are the strongly connected components, by Tarjan's walk with
    /// a stack of its own, since a chain of 30,000 packages would overflow the thread's.
    pub fn circles(&self) -> Vec<Vec<&'a str>> {
        const UNSEEN: usize = usize::MAX;
        let count = self.names.len();
        let (mut order, mut lowest) = (vec![UNSEEN; count], vec![0; count]);
        let (mut open, mut is_open) = (Vec::new(), vec![false; count]);
        let (mut circles, mut seen) = (Vec::new(), 0);
        for start in 0..count {
            let mut walk: Vec<(usize, usize)> = Vec::new();
            if order[start] == UNSEEN {
                walk.push((start, 0));
            }
            while let Some((package, next)) = walk.pop() {
                if next == 0 {
                    (order[package], lowest[package]) = (seen, seen);
                    seen += 1;
                    open.push(package);
                    is_open[package] = true;
                }
                if let Some(&dependency) = self.dependencies[package].get(next) {
                    walk.push((package, next + 1));
                    if order[dependency] == UNSEEN {
                        walk.push((dependency, 0));
                    } else if is_open[dependency] {
                        lowest[package] = lowest[package].min(order[dependency]);
                    }
                    continue;
                }
                if let Some((parent, _)) = walk.last() {
                    lowest[*parent] = lowest[*parent].min(lowest[package]);
                }
                if lowest[package] == order[package] {
                    let from = open.iter().rposition(|one| *one == package).unwrap_or_default();
                    let mut circle: Vec<usize> = open.split_off(from);
                    circle.iter().for_each(|one| is_open[*one] = false);
                    circle.sort_unstable();
                    if circle.len() > 1 || self.dependencies[package].contains(&package) {
                        circles.push(circle);
                    }
                }
            }
        }
        circles.sort_unstable();
        let named = |circle: Vec<usize>| circle.into_iter().map(|one| self.names[one]).collect();
        circles.into_iter().map(named).collect()
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
