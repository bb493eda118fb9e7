//! Two lists by name, walked through side by side: where both are in order, nothing is searched for.

use std::cmp::Ordering;
use std::iter::Peekable;

/// What is known of one name after another, out of a list in the order of its names.
pub(super) struct Beside<I: Iterator>(Peekable<I>);

impl<K: AsRef<str>, V, I: Iterator<Item = (K, V)>> Beside<I> {
    /// Begins with the first name. The list has each name once, and is sorted by them.
    pub(super) fn new(list: impl IntoIterator<IntoIter = I, Item = (K, V)>) -> Self {
        Self(list.into_iter().peekable())
    }

    /// What the list has of `name`. It is asked for names in their order: those before are passed over.
    pub(super) fn of(&mut self, name: &str) -> Option<V> {
        loop {
            match self.0.peek()?.0.as_ref().cmp(name) {
                Ordering::Less => self.0.next(),
                Ordering::Equal => return self.0.next().map(|(_, value)| value),
                Ordering::Greater => return None,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_finds_its_own_and_no_other() {
        let mut beside = Beside::new([("b", 1), ("d", 2), ("f", 3)]);
        let found = ["a", "b", "c", "f", "g"].map(|name| beside.of(name));
        assert_eq!(found, [None, Some(1), None, Some(3), None]);
    }
}
