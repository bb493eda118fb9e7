//! The order of R-multiverse's files: by package name without regard to case.

use std::collections::BTreeMap;

use crate::domain::PackageName;

/// A map from package to value in upstream's order: by lower-cased name, and by the name itself
/// where two differ in case only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByName<V>(BTreeMap<(String, PackageName), V>);

impl<V> Default for ByName<V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<V> ByName<V> {
    /// Puts `value` under `package`; gives back what was there.
    pub fn insert(&mut self, package: PackageName, value: V) -> Option<V> {
        self.0.insert((package.to_lowercase(), package), value)
    }

    /// What is known of `package`.
    pub fn get(&self, package: &str) -> Option<&V> {
        self.0.get(&(package.to_lowercase(), package.to_owned()))
    }

    /// Every package with its value, in upstream's order.
    pub fn iter(&self) -> impl Iterator<Item = (&PackageName, &V)> {
        self.0.iter().map(|((_, package), value)| (package, value))
    }

    /// How many packages there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True where there is no package at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<V> FromIterator<(PackageName, V)> for ByName<V> {
    fn from_iter<I: IntoIterator<Item = (PackageName, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(package, value)| ((package.to_lowercase(), package), value)).collect())
    }
}
