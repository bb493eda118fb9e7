//! A metapackage taken apart, whichever ecosystem it is of.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

/// The exact members of a metapackage or suite on one platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destructured {
    /// Where it was found: the address of a channel or registry, or the path of a file.
    pub source: String,
    /// The platform that its members are for, such as `linux-64`; absent where the ecosystem has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The metapackage itself.
    pub metapackage: DestructuredPackage,
    /// Its members, each once, by name.
    pub members: Vec<DestructuredMember>,
    /// What the source leaves open, in sentences for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A package as exact as its source names it. What is absent is not known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DestructuredPackage {
    /// Its name.
    pub name: String,
    /// Its version, as its source has it; for Galaxy the changeset, where there is no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What tells two builds of one version apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// SHA-256 of its file, lower-case hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Where it lies, without a `/` at the end: a conda channel; a Galaxy owner, behind its tool shed where
    /// one is named; a namespace of the registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
}

/// One member of a metapackage.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DestructuredMember {
    /// The exact package.
    #[serde(flatten)]
    pub package: DestructuredPackage,
    /// The names of the metapackages by which it was reached, the outermost first: the shortest such
    /// path, and among those the first by name.
    pub via: Vec<String>,
    /// The revisions that a lock file has of it, in the order of that file. Which is the newest cannot be
    /// told from it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locked: Vec<String>,
}

/// What suites hold: for each suite its members, which may be suites as well.
pub type Holdings<K> = BTreeMap<K, BTreeSet<K>>;

/// What `root` holds in the end, once the suites within it are taken apart: each leaf with the suites by which
/// it is reached, the shortest such path, and among those the first in order. Suites that hold each other are
/// an error, which is the path from one back to itself.
pub fn leaves<K: Ord + Clone>(root: &K, holdings: &Holdings<K>) -> Result<BTreeMap<K, Vec<K>>, Vec<K>> {
    if let Some(cycle) = cycle(root, holdings) {
        return Err(cycle);
    }
    let mut found = BTreeMap::new();
    let mut met = BTreeSet::from([root]);
    let mut open = VecDeque::from([(root, vec![root.clone()])]);
    while let Some((suite, via)) = open.pop_front() {
        for member in holdings.get(suite).into_iter().flatten() {
            if !met.insert(member) {
                continue;
            }
            if holdings.contains_key(member) {
                let mut via = via.clone();
                via.push(member.clone());
                open.push_back((member, via));
            } else {
                found.insert(member.clone(), via.clone());
            }
        }
    }
    Ok(found)
}

/// A path from a suite back to itself. With a stack of its own, since how deep suites nest is not ours to bound.
fn cycle<K: Ord + Clone>(root: &K, holdings: &Holdings<K>) -> Option<Vec<K>> {
    let members = |suite: &K| holdings.get(suite).into_iter().flatten();
    let mut finished = BTreeSet::new();
    let mut path = vec![root];
    let mut open = vec![members(root)];
    while let Some(rest) = open.last_mut() {
        let Some(member) = rest.next() else {
            open.pop();
            finished.extend(path.pop());
            continue;
        };
        if let Some(start) = path.iter().position(|suite| *suite == member) {
            return Some(path[start..].iter().copied().chain([member]).cloned().collect());
        }
        if holdings.contains_key(member) && !finished.contains(member) {
            path.push(member);
            open.push(members(member));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn holdings(lines: &[(&str, &[&str])]) -> Holdings<String> {
        let line = |(suite, members): &(&str, &[&str])| {
            (suite.to_string(), members.iter().map(ToString::to_string).collect())
        };
        lines.iter().map(line).collect()
    }

    #[test]
    fn a_leaf_is_reached_by_the_shortest_path_and_the_first_in_order() {
        let all = holdings(&[
            ("top", &["b", "c", "x"]),
            ("b", &["deep", "y"]),
            ("c", &["y"]),
            ("deep", &["x", "z"]),
        ]);
        let found = leaves(&"top".to_owned(), &all).unwrap();
        let told: Vec<String> =
            found.iter().map(|(leaf, via)| format!("{leaf}: {}", via.join(" "))).collect();
        assert_eq!(told, ["x: top", "y: top b", "z: top b deep"]);
    }

    #[test]
    fn suites_that_hold_each_other_are_told_with_their_path() {
        let all = holdings(&[("top", &["a"]), ("a", &["b", "x"]), ("b", &["a"])]);
        assert_eq!(leaves(&"top".to_owned(), &all).unwrap_err(), ["a", "b", "a"]);
        assert_eq!(leaves(&"b".to_owned(), &holdings(&[("b", &["b"])])).unwrap_err(), ["b", "b"]);
    }

    proptest! {
        #[test]
        fn every_path_is_one_that_the_suites_have_and_no_leaf_is_a_suite(
            edges in prop::collection::vec((0_u8..6, 0_u8..12), 0..30)
        ) {
            // Members have higher numbers than their suites, so there is no cycle.
            let mut all = Holdings::new();
            all.insert(0, BTreeSet::new());
            for (suite, member) in edges.into_iter().filter(|(suite, member)| suite < member) {
                all.entry(suite).or_insert_with(BTreeSet::new).insert(member);
            }
            for (leaf, via) in leaves(&0, &all).unwrap() {
                prop_assert!(!all.contains_key(&leaf) && via[0] == 0);
                let steps = via.iter().zip(via.iter().skip(1).chain([&leaf]));
                for (suite, member) in steps {
                    prop_assert!(all[suite].contains(member));
                }
            }
        }
    }
}
