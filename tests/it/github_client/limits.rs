//! GitHub's limits: what the client learns from answers, what it holds back, and what a restart
//! remembers.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::json;
use tidegate::clock::{ManualClock, SystemClock};
use tidegate::failure::Failure;
use tidegate::github::{Call, GitHub, Limiter, Lookup, Pace, Priority};
use tidegate::store::{Durability, Store};

use super::repo;
use super::server::{Client, Reply, START, Server};

const QUERY: &str = "{ rateLimit { cost limit remaining resetAt } }";

async fn get(github: &GitHub) -> Result<(), Failure> {
    match github.get(&["repos", "o", "r"], &[], Priority::Poll).await {
        Lookup::Failed(failure) => Err(failure),
        Lookup::Found(_) | Lookup::Absent { .. } => Ok(()),
    }
}

fn retry_at(result: Result<impl std::fmt::Debug, Failure>) -> Timestamp {
    match result {
        Err(Failure::Transient { retry_at: Some(at), .. }) => at,
        other => panic!("no time to come back at: {other:?}"),
    }
}

fn time(text: &str) -> Timestamp {
    format!("2026-07-15T{text}Z").parse().unwrap()
}

#[tokio::test]
async fn a_graphql_limit_that_comes_as_status_200_stops_queries_until_the_reset() {
    let server = Server::answering(|_| {
        let error = json!({ "type": "RATE_LIMITED", "message": "API rate limit exceeded" });
        Reply::json(200, json!({ "errors": [error] }))
            .with("x-ratelimit-resource", "graphql")
            .with("x-ratelimit-limit", 5000)
            .with("x-ratelimit-remaining", 0)
            .with("x-ratelimit-reset", time("00:40:00").as_second())
    })
    .await;
    let client = Client::of(&server).await;
    let ask = async || client.github.graphql(QUERY, json!({}), Priority::Action).await;
    assert_eq!(retry_at(ask().await), time("00:40:00"));
    assert_eq!(retry_at(ask().await), time("00:40:00"));
    assert_eq!(server.seen().len(), 1, "the second query was not sent");
    client.clock.set(time("00:40:00"));
    retry_at(ask().await);
    assert_eq!(server.seen().len(), 2, "after the reset it is asked again");
}

#[tokio::test]
async fn the_two_buckets_do_not_block_each_other() {
    let server = Server::answering(|request| match request.is_graphql() {
        true => Reply::json(200, json!({ "data": {} })),
        false => Reply::json(403, json!({ "message": "API rate limit exceeded for user" }))
            .with("x-ratelimit-resource", "core")
            .with("x-ratelimit-limit", 5000)
            .with("x-ratelimit-remaining", 0)
            .with("x-ratelimit-reset", time("00:30:00").as_second()),
    })
    .await;
    let client = Client::of(&server).await;
    assert_eq!(retry_at(get(&client.github).await), time("00:30:00"));
    client.github.graphql(QUERY, json!({}), Priority::Poll).await.unwrap();
}

#[tokio::test]
async fn a_secondary_limit_without_a_word_waits_a_minute_and_then_doubles() {
    let server = Server::answering(|_| {
        Reply::json(403, json!({ "message": "You have exceeded a secondary rate limit." }))
    })
    .await;
    let client = Client::of(&server).await;
    let mut waits = Vec::new();
    for _ in 0..8 {
        let until = retry_at(get(&client.github).await);
        waits.push(until.duration_since(client.now()).as_secs());
        client.clock.set(until);
    }
    assert_eq!(waits, [60, 120, 240, 480, 960, 1920, 3600, 3600]);
    assert_eq!(server.seen().len(), 8);
}

#[tokio::test]
async fn retry_after_is_heeded_for_every_kind_of_request() {
    let server = Server::answering(|_| Reply::empty(429).with("retry-after", 90)).await;
    let client = Client::of(&server).await;
    assert_eq!(retry_at(get(&client.github).await), time("00:01:30"));
    client.advance(89);
    assert_eq!(retry_at(client.github.comment(&repo("o/r"), 1, "hello").await), time("00:01:30"));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_403_that_means_not_allowed_blocks_nothing() {
    let server = Server::answering(|request| match request.path.as_str() {
        "/repos/o/r" => Reply::json(403, json!({ "message": "Resource not accessible by token" })),
        _ => Reply::json(200, json!({})),
    })
    .await;
    let client = Client::of(&server).await;
    assert!(matches!(get(&client.github).await, Err(Failure::Configuration { .. })));
    assert!(client.github.get(&["user"], &[], Priority::Poll).await.found().is_some());
}

#[tokio::test]
async fn a_restart_remembers_a_block() {
    let server = Server::answering(|_| Reply::empty(403).with("retry-after", 600)).await;
    let client = Client::of(&server).await;
    retry_at(get(&client.github).await);
    let restarted = client.restarted("ghp_test").await;
    assert_eq!(retry_at(get(&restarted).await), time("00:10:00"));
    assert_eq!(server.seen().len(), 1, "nothing was sent after the restart");
    let other = client.restarted("ghp_other").await;
    retry_at(get(&other).await);
    assert_eq!(server.seen().len(), 2, "another token is not blocked");
}

#[tokio::test]
async fn polls_stop_at_the_reserve_and_actions_do_not() {
    let server = Server::answering(|_| {
        let quota = json!({ "cost": 1, "limit": 5000, "remaining": 500, "resetAt": "2026-07-15T01:00:00Z" });
        Reply::json(200, json!({ "data": { "rateLimit": quota } }))
    })
    .await;
    let client = Client::of(&server).await;
    client.github.graphql(QUERY, json!({}), Priority::Poll).await.unwrap();
    let poll = client.github.graphql(QUERY, json!({}), Priority::Poll).await;
    assert_eq!(retry_at(poll), time("01:00:00"));
    client.github.graphql(QUERY, json!({}), Priority::Action).await.unwrap();
}

#[tokio::test]
async fn a_poll_that_is_cut_short_by_a_limit_keeps_what_it_has_and_says_when_to_go_on() {
    let server = Server::answering(|request| {
        let remaining =
            json!({ "cost": 1, "limit": 100, "remaining": 10, "resetAt": "2026-07-15T01:00:00Z" });
        let mut data = serde_json::Map::new();
        for (index, name) in request.repositories().iter().enumerate() {
            data.insert(format!("a{index}"), super::server::repository(name, "v1"));
        }
        data.insert("rateLimit".to_owned(), remaining);
        Reply::json(200, json!({ "data": data }))
    })
    .await;
    let client = Client::of(&server).await;
    let names: Vec<_> = (0..1000).map(|index| repo(&format!("owner/r{index}"))).collect();
    let answers = client.github.poll_releases(&names, 100).await.unwrap();
    let failed = answers.values().filter(|lookup| {
        matches!(lookup, Lookup::Failed(Failure::Transient { retry_at: Some(at), .. }) if *at == time("01:00:00"))
    });
    let found = answers.values().filter(|lookup| matches!(lookup, Lookup::Found(_))).count();
    assert_eq!(found + failed.count(), 1000);
    assert!((100..=400).contains(&found), "{found}");
}

#[tokio::test]
async fn no_more_than_eighty_things_are_created_in_a_minute_also_over_a_restart() {
    let server = Server::answering(|_| Reply::json(201, json!({ "id": 1 }))).await;
    let client = Client::of(&server).await;
    for _ in 0..80 {
        client.github.comment(&repo("o/r"), 1, "hello").await.unwrap();
    }
    assert_eq!(retry_at(client.github.comment(&repo("o/r"), 1, "hello").await), time("00:01:00"));
    let restarted = client.restarted("ghp_test").await;
    assert_eq!(retry_at(restarted.comment(&repo("o/r"), 1, "hello").await), time("00:01:00"));
    assert_eq!(server.seen().len(), 80);
}

#[tokio::test]
async fn writes_are_a_second_apart_on_the_real_clock() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("state.db"), Durability::ProcessCrash).await.unwrap();
    let clock = std::sync::Arc::new(SystemClock);
    let limiter = Limiter::load(store, clock, Pace::Real, "token".to_owned(), 10).await.unwrap();
    let start = Instant::now();
    let write = async || limiter.acquire(Call::Write, Priority::Action).await.map(drop).unwrap();
    tokio::join!(write(), write());
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
}

#[tokio::test]
async fn twenty_requests_are_under_way_at_most_and_one_write() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("state.db"), Durability::ProcessCrash).await.unwrap();
    let clock = ManualClock::new(START.parse().unwrap());
    let limiter = Limiter::load(store, clock, Pace::None, "token".to_owned(), 10).await.unwrap();
    let soon = Duration::from_millis(50);
    let write = limiter.acquire(Call::Write, Priority::Action).await.unwrap();
    let second = limiter.acquire(Call::Mutation, Priority::Action);
    assert!(tokio::time::timeout(soon, second).await.is_err(), "a second write went out");
    let mut reads = Vec::new();
    for _ in 0..19 {
        reads.push(limiter.acquire(Call::Read, Priority::Poll).await.unwrap());
    }
    let next = limiter.acquire(Call::Query, Priority::Poll);
    assert!(tokio::time::timeout(soon, next).await.is_err(), "a twenty-first request went out");
    drop(write);
    limiter.acquire(Call::Mutation, Priority::Action).await.unwrap();
}

/// What GitHub allows, as documented: points in a length of time, by what they are for.
fn allowed() -> BTreeMap<&'static str, (i64, u32)> {
    BTreeMap::from([
        ("REST points", (60, 900)),
        ("GraphQL points", (60, 2000)),
        ("creations a minute", (60, 80)),
        ("creations an hour", (3600, 500)),
    ])
}

fn cost(call: Call) -> Vec<(&'static str, u32)> {
    match call {
        Call::Read => vec![("REST points", 1)],
        Call::Write => vec![("REST points", 5)],
        Call::Create => vec![("REST points", 5), ("creations a minute", 1), ("creations an hour", 1)],
        Call::Query => vec![("GraphQL points", 1)],
        Call::Mutation => vec![("GraphQL points", 5), ("creations a minute", 1), ("creations an hour", 1)],
    }
}

/// Sends `bursts` of calls, each after a pause, as fast as the limiter lets them; returns what went out.
async fn sent(bursts: Vec<(u8, Call, u16)>) -> Vec<(i64, Call)> {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("state.db"), Durability::ProcessCrash).await.unwrap();
    let start: Timestamp = START.parse().unwrap();
    let clock = ManualClock::new(start);
    let load = || Limiter::load(store.clone(), clock.clone(), Pace::None, "token".to_owned(), 10);
    let limiter = load().await.unwrap();
    let (mut now, mut sent) = (start, Vec::new());
    for (pause, call, count) in bursts {
        now += SignedDuration::from_secs(pause.into());
        clock.set(now);
        for _ in 0..count {
            if let Err(failure) = limiter.acquire(call, Priority::Action).await.map(drop) {
                now = retry_at(Err::<(), _>(failure));
                clock.set(now);
                drop(limiter.acquire(call, Priority::Action).await.expect("the time it named is good"));
            }
            sent.push((now.duration_since(start).as_secs(), call));
        }
    }
    sent
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn in_no_sliding_window_is_a_limit_exceeded(
        bursts in prop::collection::vec(
            (
                0_u8..50,
                prop::sample::select(vec![Call::Read, Call::Write, Call::Create, Call::Query, Call::Mutation]),
                1_u16..120,
            ),
            1..14,
        ),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let sent = runtime.block_on(sent(bursts));
        for (what, (length, most)) in allowed() {
            let points = |call| cost(call).iter().filter(|(kind, _)| *kind == what).map(|(_, p)| *p).sum::<u32>();
            for &(start, _) in &sent {
                let held: u32 = sent
                    .iter()
                    .filter(|(at, _)| (start..start + length).contains(at))
                    .map(|(_, call)| points(*call))
                    .sum();
                prop_assert!(held <= most, "{held} {what} from second {start}");
            }
        }
    }
}
