//! A sliding window over points spent: GitHub's secondary limits are so many points in so long.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

/// At most `capacity` points in any half-open stretch of `length`.
#[derive(Clone, Debug)]
pub(super) struct Window {
    length: SignedDuration,
    capacity: u32,
    spent: VecDeque<(Timestamp, u32)>,
    sum: u32,
}

impl Window {
    pub(super) fn new(length: SignedDuration, capacity: u32) -> Self {
        Self { length, capacity, spent: VecDeque::new(), sum: 0 }
    }

    /// `None` where `points` fit at `now`, otherwise the first time at which they will.
    pub(super) fn full_until(&mut self, now: Timestamp, points: u32) -> Option<Timestamp> {
        self.settle(now);
        let mut sum = self.sum;
        if sum + points <= self.capacity {
            return None;
        }
        for (at, freed) in &self.spent {
            sum -= freed;
            if sum + points <= self.capacity {
                return Some(self.end(*at));
            }
        }
        // More points than the window holds: never, so the caller waits a whole window at a time.
        Some(self.end(now))
    }

    pub(super) fn spend(&mut self, now: Timestamp, points: u32) {
        self.settle(now);
        self.spent.push_back((now, points));
        self.sum += points;
    }

    /// Drops what is out of the window, and moves what lies in the future to `now`: a clock that was
    /// set back must not block for as long as it jumped.
    fn settle(&mut self, now: Timestamp) {
        for (at, _) in self.spent.iter_mut().rev().take_while(|(at, _)| *at > now) {
            *at = now;
        }
        while let Some((at, points)) = self.spent.front().copied()
            && self.end(at) <= now
        {
            self.sum -= points;
            self.spent.pop_front();
        }
    }

    fn end(&self, at: Timestamp) -> Timestamp {
        at.checked_add(self.length).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    #[test]
    fn a_full_window_says_when_there_is_room_again() {
        let mut window = Window::new(SignedDuration::from_secs(60), 3);
        window.spend(at(0), 2);
        window.spend(at(10), 1);
        assert_eq!(window.full_until(at(20), 1), Some(at(60)));
        assert_eq!(window.full_until(at(20), 3), Some(at(70)));
        assert_eq!(window.full_until(at(60), 2), None);
    }

    #[test]
    fn a_clock_set_back_does_not_block_for_as_long_as_it_jumped() {
        let mut window = Window::new(SignedDuration::from_secs(60), 1);
        window.spend(at(86_400), 1);
        assert_eq!(window.full_until(at(0), 1), Some(at(60)));
    }

    proptest! {
        #[test]
        fn no_sliding_window_ever_holds_more_than_its_capacity(
            asks in prop::collection::vec((0_i64..40, 1_u32..6), 1..200),
        ) {
            let (length, capacity) = (60, 20);
            let mut window = Window::new(SignedDuration::from_secs(length), capacity);
            let (mut now, mut taken) = (0, Vec::new());
            for (pause, points) in asks {
                now += pause;
                if let Some(free) = window.full_until(at(now), points) {
                    now = free.as_second() - 1_700_000_000;
                }
                prop_assert_eq!(window.full_until(at(now), points), None);
                window.spend(at(now), points);
                taken.push((now, points));
            }
            for &(start, _) in &taken {
                let held: u32 =
                    taken.iter().filter(|(t, _)| (start..start + length).contains(t)).map(|(_, p)| p).sum();
                prop_assert!(held <= capacity, "{} points from {}", held, start);
            }
        }
    }
}
