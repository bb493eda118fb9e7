//! Which of many wishes cannot be met together: the smallest such set, in few questions.

/// An answer to "can these be had together?".
pub(super) trait Oracle {
    /// Whether the wishes with these indexes can be had together; none where that is not known, since no
    /// question is left or the time is up.
    fn possible(&mut self, wishes: &[usize]) -> Option<bool>;
}

/// A set of wishes, out of `wishes`, that cannot be had together though each smaller part of it can. None
/// where the oracle no longer answers. `wishes` as a whole has to be impossible.
///
/// The method is QuickXplain (Junker 2004): for a set of `k` among `n` it asks about `k log(n/k)` times,
/// where asking for each pair would take `n²/2`. Where there are several such sets, the one that
/// consists of earlier wishes is found; so the answer depends on their order alone.
pub(super) fn smallest(wishes: &[usize], oracle: &mut dyn Oracle) -> Option<Vec<usize>> {
    if wishes.is_empty() {
        return Some(Vec::new());
    }
    let mut found = explain(&[], false, wishes, oracle)?;
    found.sort_unstable();
    Some(found)
}

/// The part of `open` that is needed to make `fixed` and it impossible. `grown` says that `fixed` has
/// changed since it was last known to be possible.
fn explain(fixed: &[usize], grown: bool, open: &[usize], oracle: &mut dyn Oracle) -> Option<Vec<usize>> {
    if grown && !oracle.possible(fixed)? {
        return Some(Vec::new());
    }
    if open.len() == 1 {
        return Some(open.to_vec());
    }
    let (first, second) = open.split_at(open.len() / 2);
    let with_first = [fixed, first].concat();
    let of_second = explain(&with_first, true, second, oracle)?;
    let with_second = [fixed, &of_second].concat();
    let of_first = explain(&with_second, !of_second.is_empty(), first, oracle)?;
    Some([of_first, of_second].concat())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Oracle, smallest};

    /// Wishes of which some sets exclude each other.
    struct Sets {
        impossible: Vec<Vec<usize>>,
        questions: usize,
        most: usize,
    }

    impl Oracle for Sets {
        fn possible(&mut self, wishes: &[usize]) -> Option<bool> {
            self.questions += 1;
            let holds = |set: &Vec<usize>| set.iter().all(|wish| wishes.contains(wish));
            (self.questions <= self.most).then(|| !self.impossible.iter().any(holds))
        }
    }

    fn sets(impossible: Vec<Vec<usize>>) -> Sets {
        Sets { impossible, questions: 0, most: usize::MAX }
    }

    #[test]
    fn a_pair_among_eighty_is_found_in_a_few_questions() {
        let mut oracle = sets(vec![vec![13, 61]]);
        let all: Vec<usize> = (0..80).collect();
        assert_eq!(smallest(&all, &mut oracle), Some(vec![13, 61]));
        assert!(oracle.questions <= 20, "{}", oracle.questions);
    }

    #[test]
    fn without_questions_left_nothing_is_claimed() {
        let mut oracle = Sets { most: 2, ..sets(vec![vec![13, 61]]) };
        assert_eq!(smallest(&(0..80).collect::<Vec<_>>(), &mut oracle), None);
    }

    proptest! {
        #[test]
        fn what_is_found_is_impossible_and_each_smaller_part_is_not(
            impossible in proptest::collection::vec(proptest::collection::btree_set(0usize..12, 1..4), 1..5),
        ) {
            let mut oracle = sets(impossible.into_iter().map(|set| set.into_iter().collect()).collect());
            let found = smallest(&(0..12).collect::<Vec<_>>(), &mut oracle).unwrap();
            prop_assert_eq!(oracle.possible(&found), Some(false));
            for left_out in &found {
                let rest: Vec<usize> = found.iter().copied().filter(|wish| wish != left_out).collect();
                prop_assert_eq!(oracle.possible(&rest), Some(true));
            }
        }
    }
}
