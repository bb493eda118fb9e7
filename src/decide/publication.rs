//! When a publication that failed is tried again.

use jiff::{SignedDuration, Timestamp};

use crate::failure::Failure;

/// The wait after the first failure; it doubles each time.
const FIRST: SignedDuration = SignedDuration::from_mins(1);

/// The longest wait.
const LONGEST: SignedDuration = SignedDuration::from_hours(6);

/// When to try again after `attempts` attempts, the last of which ended with `failure` at `now`; never where trying
/// again mends nothing. What an operator has to mend is tried again too: nobody has to remember to ask.
pub fn next_try(failure: &Failure, attempts: u32, now: Timestamp) -> Option<Timestamp> {
    let not_before = match failure {
        Failure::Permanent { .. } => return None,
        Failure::Transient { retry_at, .. } => *retry_at,
        Failure::Configuration { .. } => None,
    };
    let doublings = attempts.saturating_sub(1).min(16);
    let wait = FIRST.checked_mul(1 << doublings).unwrap_or(LONGEST).min(LONGEST);
    let later = now.checked_add(wait).unwrap_or(Timestamp::MAX);
    Some(not_before.map_or(later, |at| at.max(later)))
}

/// When what stands above the snapshots is sent again, where that failed. It is never given up, whatever a target said:
/// nobody can ask for it alone.
pub fn next_try_of_catalogue(failure: &Failure, attempts: u32, now: Timestamp) -> Timestamp {
    next_try(failure, attempts, now).unwrap_or_else(|| now.checked_add(LONGEST).unwrap_or(Timestamp::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_six_hours_and_never_end_before_a_service_said() {
        let now = Timestamp::UNIX_EPOCH;
        let waited = |failure: &Failure, attempts| {
            next_try(failure, attempts, now).map(|at| at.duration_since(now).as_mins())
        };
        let transient = Failure::transient("no answer");
        let waits: Vec<_> = [1, 2, 3, 9, 10, 4000].map(|attempts| waited(&transient, attempts)).into();
        assert_eq!(waits, [Some(1), Some(2), Some(4), Some(256), Some(360), Some(360)]);
        let later = now.checked_add(SignedDuration::from_mins(30)).unwrap();
        let told = Failure::Transient { message: String::new(), retry_at: Some(later) };
        assert_eq!((waited(&told, 1), waited(&told, 8)), (Some(30), Some(128)));
        let refused = Failure::Configuration { message: String::new(), hint: None };
        assert_eq!(waited(&refused, 1), Some(1));
        let permanent = Failure::permanent("another content");
        assert_eq!(waited(&permanent, 1), None);
        let again = next_try_of_catalogue(&permanent, 1, now);
        assert_eq!(again.duration_since(now).as_mins(), 360, "a catalogue is never given up");
        assert_eq!(Some(next_try_of_catalogue(&transient, 3, now)), next_try(&transient, 3, now));
    }
}
