//! GitHub's rate limits by the simulated clock: hourly budgets, points per minute, content per
//! minute and hour. Figures and rules are those of "Rate limits for the REST API" and "Rate limits
//! and query limits for the GraphQL API" in GitHub's documentation.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

/// The figures, per token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// REST requests in an hour.
    pub core_per_hour: u64,
    /// GraphQL points in an hour.
    pub graphql_per_hour: u64,
    /// Points of REST requests in a minute: 1 for reading, 5 for writing.
    pub rest_points_per_minute: u64,
    /// Points of GraphQL requests in a minute: 1 for a query, 5 for a mutation.
    pub graphql_points_per_minute: u64,
    /// Pull requests, comments, labels and the like made in a minute.
    pub content_per_minute: u64,
    /// The same in an hour.
    pub content_per_hour: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            core_per_hour: 5_000,
            graphql_per_hour: 5_000,
            rest_points_per_minute: 900,
            graphql_points_per_minute: 2_000,
            content_per_minute: 80,
            content_per_hour: 500,
        }
    }
}

/// One hourly budget: it begins with the first request and is whole again an hour later.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Budget {
    used: u64,
    resets: Option<Timestamp>,
}

/// The two budgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    Core,
    GraphQl,
}

impl Resource {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::GraphQl => "graphql",
        }
    }
}

/// A budget as the `x-ratelimit-*` headers tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) limit: u64,
    pub(super) used: u64,
    pub(super) remaining: u64,
    /// Seconds since 1970.
    pub(super) reset: i64,
}

/// What a request weighs against the secondary limits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weight {
    pub(super) points: u64,
    pub(super) content: u64,
}

/// What has been used.
#[derive(Debug, Default)]
pub(super) struct Usage {
    limits: Limits,
    core: Budget,
    graphql: Budget,
    rest_points: VecDeque<(Timestamp, u64)>,
    graphql_points: VecDeque<(Timestamp, u64)>,
    content: VecDeque<(Timestamp, u64)>,
}

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

impl Usage {
    /// Begins anew with other figures.
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// The state of a budget at `now`.
    pub(super) fn rate(&mut self, resource: Resource, now: Timestamp) -> Rate {
        let limit = match resource {
            Resource::Core => self.limits.core_per_hour,
            Resource::GraphQl => self.limits.graphql_per_hour,
        };
        let budget = self.budget(resource, now);
        let reset = budget.resets.unwrap_or(now + HOUR).as_second();
        Rate { limit, used: budget.used, remaining: limit.saturating_sub(budget.used), reset }
    }

    /// Takes `cost` from a budget.
    pub(super) fn charge(&mut self, resource: Resource, cost: u64, now: Timestamp) {
        let budget = self.budget(resource, now);
        budget.used += cost;
        budget.resets.get_or_insert(now + HOUR);
    }

    fn budget(&mut self, resource: Resource, now: Timestamp) -> &mut Budget {
        let budget = match resource {
            Resource::Core => &mut self.core,
            Resource::GraphQl => &mut self.graphql,
        };
        if budget.resets.is_some_and(|resets| resets <= now) {
            *budget = Budget::default();
        }
        budget
    }

    /// Counts a request against the secondary limits. The seconds to wait and the limit's name
    /// where it would go over one; such a request is not counted.
    pub(super) fn weigh(
        &mut self,
        resource: Resource,
        weight: Weight,
        now: Timestamp,
    ) -> Result<(), (u64, String)> {
        let limits = self.limits;
        let (points, most) = match resource {
            Resource::Core => (&mut self.rest_points, limits.rest_points_per_minute),
            Resource::GraphQl => (&mut self.graphql_points, limits.graphql_points_per_minute),
        };
        let checks = [
            (within(points, MINUTE, now), weight.points, most, 60, "points in a minute"),
            (
                within(&mut self.content.clone(), MINUTE, now),
                weight.content,
                limits.content_per_minute,
                60,
                "new content in a minute",
            ),
            (
                within(&mut self.content, HOUR, now),
                weight.content,
                limits.content_per_hour,
                3600,
                "new content in an hour",
            ),
        ];
        for (used, weight, most, wait, name) in checks {
            if weight > 0 && used + weight > most {
                return Err((wait, format!("more than {most} {name} ({})", resource.name())));
            }
        }
        points.push_back((now, weight.points));
        if weight.content > 0 {
            self.content.push_back((now, weight.content));
        }
        Ok(())
    }
}

/// The sum of what lies within `span` before `now`; what is older is forgotten.
fn within(entries: &mut VecDeque<(Timestamp, u64)>, span: SignedDuration, now: Timestamp) -> u64 {
    entries.retain(|(at, _)| now.duration_since(*at) < span);
    entries.iter().map(|(_, weight)| weight).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_776_211_200 + second).unwrap()
    }

    #[test]
    fn a_budget_is_whole_again_an_hour_after_its_first_request() {
        let mut usage = Usage::new(Limits { core_per_hour: 3, ..Limits::default() });
        usage.charge(Resource::Core, 1, at(10));
        usage.charge(Resource::Core, 1, at(3000));
        let rate = usage.rate(Resource::Core, at(3609));
        assert_eq!((rate.used, rate.remaining, rate.reset), (2, 1, at(3610).as_second()));
        assert_eq!(usage.rate(Resource::Core, at(3610)).remaining, 3);
        assert_eq!(usage.rate(Resource::GraphQl, at(10)).used, 0);
    }

    #[test]
    fn content_is_limited_by_the_minute_and_by_the_hour() {
        let mut usage = Usage::new(Limits::default());
        let weight = Weight { points: 5, content: 1 };
        for minute in 0..6 {
            for _ in 0..80 {
                usage.weigh(Resource::Core, weight, at(minute * 60)).unwrap();
            }
            assert_eq!(usage.weigh(Resource::Core, weight, at(minute * 60)).unwrap_err().0, 60);
        }
        for _ in 0..20 {
            usage.weigh(Resource::Core, weight, at(400)).unwrap();
        }
        let (wait, which) = usage.weigh(Resource::Core, weight, at(400)).unwrap_err();
        assert_eq!((wait, which.as_str()), (3600, "more than 500 new content in an hour (core)"));
        usage.weigh(Resource::Core, weight, at(3600)).unwrap();
    }
}
