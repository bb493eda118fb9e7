//! One request from its parts to its answer: checked, counted, spoiled by a fault, weighed against
//! the limits, and then carried out.

use http::request::Parts;
use jiff::Timestamp;
use serde_json::json;

use super::answer::Answer;
use super::artifact_storage;
use super::faults::Effect;
use super::graphql;
use super::limits::{Resource, Weight};
use super::refused::Refused;
use super::request::{self, Request};
use super::rest;
use super::simulation::{Inner, SimulatedGitHub};
use super::state::NOT_SIMULATED;

/// REST calls that make content, which GitHub limits separately.
const CONTENT: &[&str] = &[
    "/repos/{owner}/{repo}/pulls",
    "/repos/{owner}/{repo}/issues/{issue_number}/comments",
    "/repos/{owner}/{repo}/labels",
    "/repos/{owner}/{repo}/git/commits",
    "/repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches",
];

/// What a request asks for, in either API.
enum Asked {
    Rest,
    GraphQl(Box<graphql::Query>),
}

impl SimulatedGitHub {
    /// Answers a request; with it comes what is to go wrong with the connection.
    pub(super) fn respond(&self, parts: &Parts, body: &[u8]) -> (Answer, Option<Effect>) {
        let now = self.clock.now();
        if artifact_storage::is_meant(parts) {
            return (self.lock().stored_zip(parts, now), None);
        }
        let checked = request::check(parts, body).and_then(|request| {
            let asked = if request.template == "/graphql" {
                Asked::GraphQl(Box::new(graphql::Query::read(&request.body)?))
            } else {
                Asked::Rest
            };
            Ok((request, asked))
        });
        let mut inner = self.lock();
        match checked {
            Ok((request, asked)) => inner.take(&request, &asked, now),
            Err(problem) => {
                let message = format!("{} {}: {problem}", parts.method, parts.uri);
                inner.violations.push(message.clone());
                (Answer::violation(&message), None)
            }
        }
    }
}

impl Inner {
    fn take(&mut self, request: &Request, asked: &Asked, now: Timestamp) -> (Answer, Option<Effect>) {
        *self.requests.entry(format!("{} {}", request.method, request.template)).or_default() += 1;
        let path = request.path_and_query.split('?').next().unwrap_or_default();
        let operations = match asked {
            Asked::Rest => &[][..],
            Asked::GraphQl(query) => query.names(),
        };
        let effect = self.faults.strike(&request.method, path, operations);
        match effect {
            Some(Effect::Status(status)) => {
                let refused = Refused::status(status, "FAULT", "the simulated GitHub has a fault on order");
                (Answer::refused(&refused), None)
            }
            Some(Effect::RetryAfter(seconds)) => (secondary_limit(seconds), None),
            Some(Effect::DropBefore | Effect::Timeout) => (Answer::no_content(), effect),
            Some(Effect::Twice) => {
                self.within_limits(request, asked, now);
                (self.within_limits(request, asked, now), None)
            }
            Some(Effect::DropAfter | Effect::Truncate) | None => {
                (self.within_limits(request, asked, now), effect)
            }
        }
    }

    /// Carries a request out, unless a limit forbids it.
    fn within_limits(&mut self, request: &Request, asked: &Asked, now: Timestamp) -> Answer {
        // What an App asks about itself counts against limits of its own, which are not simulated.
        if request.template == "/app" || request.template.starts_with("/app/") {
            let answered = self.apps.answer(request, now);
            return answered.unwrap_or_else(|refused| {
                self.note(&refused);
                Answer::refused(&refused)
            });
        }
        let viewer = match self.apps.viewer(request, now) {
            Ok(viewer) => viewer,
            Err(refused) => return Answer::refused(&refused),
        };
        let (resource, weight) = weigh(request, asked);
        if let Err((seconds, which)) = self.usage.weigh(resource, weight, now) {
            self.violations.push(format!(
                "limit exceeded: {which} at {now}, by {} {}",
                request.method, request.path_and_query
            ));
            return secondary_limit(seconds);
        }
        let rate = self.usage.rate(resource, now);
        let free = request.template == "/rate_limit";
        let needed = match asked {
            Asked::Rest => u64::from(!free),
            Asked::GraphQl(query) => query.cost(),
        };
        if rate.remaining < needed {
            return primary_limit(resource).with_rate(resource, rate);
        }
        let (answer, cost) = match asked {
            Asked::Rest => {
                let answer = rest::answer(self, request, &viewer, now).unwrap_or_else(|refused| {
                    self.note(&refused);
                    Answer::refused(&refused)
                });
                let answer = if request.method == "GET" && !free {
                    answer.conditional(&request.authorization, request.if_none_match.as_deref())
                } else {
                    answer
                };
                // A 304 to a request with a token is free.
                let cost = if answer.status == 304 { 0 } else { needed };
                (answer, cost)
            }
            Asked::GraphQl(query) => (graphql::answer(self, query, &viewer, now), needed),
        };
        self.usage.charge(resource, cost, now);
        let rate = self.usage.rate(resource, now);
        answer.with_rate(resource, rate)
    }

    /// Keeps a refusal that is a shortcoming of the simulation, so that no run that met it passes.
    pub(super) fn note(&mut self, refused: &Refused) {
        if refused.kind == NOT_SIMULATED {
            self.violations.push(refused.message.clone());
        }
    }
}

fn weigh(request: &Request, asked: &Asked) -> (Resource, Weight) {
    match asked {
        Asked::Rest => {
            let writes = request.method != "GET";
            let content = request.method == "POST" && CONTENT.contains(&request.template.as_str());
            let points = if writes { 5 } else { 1 };
            (Resource::Core, Weight { points, content: u64::from(content) })
        }
        Asked::GraphQl(query) => {
            let points = if query.is_mutation() { 5 } else { 1 };
            (Resource::GraphQl, Weight { points, content: query.commits() })
        }
    }
}

fn secondary_limit(seconds: u64) -> Answer {
    let message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
    Answer::refused(&Refused::status(403, "RATE_LIMITED", message)).with("retry-after", seconds.to_string())
}

/// REST answers 403 to a token that has used up its hour; GraphQL answers 200 with an error.
fn primary_limit(resource: Resource) -> Answer {
    let message = "API rate limit exceeded for user ID 1.";
    match resource {
        Resource::Core => Answer::refused(&Refused::status(403, "RATE_LIMITED", message)),
        Resource::GraphQl => Answer::ok(&json!({"errors": [{"type": "RATE_LIMITED", "message": message}]})),
    }
}
