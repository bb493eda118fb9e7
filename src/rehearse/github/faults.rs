//! Faults on order: the ways in which a call over a network goes wrong, at counted requests.

use std::str::FromStr;

/// A fault and the requests that it strikes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which requests.
    pub matches: FaultMatch,
    /// Which of them.
    pub when: Occasion,
    /// What happens to it.
    pub effect: Effect,
}

/// The requests that a fault looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultMatch {
    /// A REST request with this method whose path begins like this.
    Rest {
        /// Such as `POST`.
        method: String,
        /// Such as `/repos/o/r/pulls`.
        path_prefix: String,
    },
    /// A GraphQL request whose operation, or one of whose top-level fields, is called this.
    GraphQl(String),
}

/// Which of the requests that match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// The nth only, counted from 1.
    Nth(u64),
    /// Every nth.
    Every(u64),
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// This status is answered, and nothing is done.
    Status(u16),
    /// The connection is closed, and nothing is done.
    DropBefore,
    /// The request is carried out, and then the connection is closed without an answer.
    DropAfter,
    /// The request is carried out twice, as if another program had asked for the same just before: the second
    /// answer comes.
    Twice,
    /// The request is carried out, and half of the answer's body arrives.
    Truncate,
    /// A secondary limit: 403 with `retry-after` in seconds, and nothing is done.
    RetryAfter(u64),
    /// Nothing is done and no answer comes for ten minutes of real time.
    Timeout,
}

/// Faults with their counts: the same requests in the same order always meet the same faults.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<(Fault, u64)>);

impl Faults {
    pub(super) fn new(faults: Vec<Fault>) -> Self {
        Self(faults.into_iter().map(|fault| (fault, 0)).collect())
    }

    /// Counts a request (`operations` are the names of a GraphQL request) and tells what goes wrong with it.
    pub(super) fn strike(&mut self, method: &str, path: &str, operations: &[String]) -> Option<Effect> {
        let mut effect = None;
        for (fault, count) in &mut self.0 {
            let matches = match &fault.matches {
                FaultMatch::Rest { method: wanted, path_prefix } => {
                    wanted == method && path.starts_with(path_prefix.as_str())
                }
                FaultMatch::GraphQl(name) => operations.contains(name),
            };
            *count += u64::from(matches);
            let now = match fault.when {
                Occasion::Nth(nth) => *count == nth,
                Occasion::Every(every) => count.is_multiple_of(every),
            };
            effect = effect.or((matches && now).then_some(fault.effect));
        }
        effect
    }
}

/// Reads a fault as a command line has it: `POST /repos/o/r/pulls nth 2 drop-after`,
/// `graphql createCommitOnBranch every 5 status 502`. Effects are `status N`, `drop-before`,
/// `drop-after`, `twice`, `truncate`, `retry-after N` (seconds) and `timeout`.
impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let complain = || {
            format!(
                "`{text}` is not a fault: write METHOD /PATH or graphql NAME, then nth N or every N, then status N, \
                 drop-before, drop-after, twice, truncate, retry-after SECONDS or timeout"
            )
        };
        let number = |word: &str| word.parse::<u64>().ok().filter(|number| *number > 0);
        let words: Vec<&str> = text.split_whitespace().collect();
        let [what, which, how, count, ref effect @ ..] = words[..] else { return Err(complain()) };
        let matches = match what {
            "graphql" => FaultMatch::GraphQl(which.into()),
            "GET" | "POST" | "PUT" | "PATCH" | "DELETE" if which.starts_with('/') => {
                FaultMatch::Rest { method: what.into(), path_prefix: which.into() }
            }
            _ => return Err(complain()),
        };
        let count = number(count).ok_or_else(complain)?;
        let when = match how {
            "nth" => Occasion::Nth(count),
            "every" => Occasion::Every(count),
            _ => return Err(complain()),
        };
        let effect = match effect {
            ["status", status] => {
                let status = status.parse().ok().filter(|status| (400..600).contains(status));
                Effect::Status(status.ok_or_else(complain)?)
            }
            ["retry-after", seconds] => Effect::RetryAfter(number(seconds).ok_or_else(complain)?),
            ["drop-before"] => Effect::DropBefore,
            ["drop-after"] => Effect::DropAfter,
            ["twice"] => Effect::Twice,
            ["truncate"] => Effect::Truncate,
            ["timeout"] => Effect::Timeout,
            _ => return Err(complain()),
        };
        Ok(Self { matches, when, effect })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_from_words() {
        let fault: Fault = "POST /repos/o/r/pulls nth 2 drop-after".parse().unwrap();
        let matches = FaultMatch::Rest { method: "POST".into(), path_prefix: "/repos/o/r/pulls".into() };
        assert_eq!(fault, Fault { matches, when: Occasion::Nth(2), effect: Effect::DropAfter });
        for wrong in
            ["", "POST", "POST repos nth 1 timeout", "POST / nth 0 timeout", "POST / nth 1 status 200"]
        {
            assert!(wrong.parse::<Fault>().unwrap_err().contains("write METHOD /PATH"), "{wrong}");
        }
    }

    #[test]
    fn a_fault_strikes_the_counted_request_and_no_other() {
        let mut faults = Faults::new(vec![
            "POST /repos/o nth 2 timeout".parse().unwrap(),
            "graphql sweep every 2 truncate".parse().unwrap(),
        ]);
        let mut post = || faults.strike("POST", "/repos/o/r/pulls", &[]);
        assert_eq!([post(), post(), post()], [None, Some(Effect::Timeout), None]);
        let mut query = || faults.strike("POST", "/graphql", &["sweep".into()]);
        assert_eq!(
            [query(), query(), query(), query()],
            [None, Some(Effect::Truncate), None, Some(Effect::Truncate)]
        );
    }
}
