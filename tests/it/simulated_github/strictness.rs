//! What GitHub would not understand is refused and recorded; limits are kept by the simulated clock.

use jiff::SignedDuration;
use serde_json::json;
use tidegate::rehearse::github::limits::Limits;

use super::{GitHub, STAGING, hours, start};

#[tokio::test]
async fn a_request_that_the_description_does_not_have_is_a_violation() {
    let github = GitHub::new().await;
    let repo = format!("/repos/{STAGING}");
    let wrong = [
        github.request("GET", &format!("{repo}/nothing")),
        github.request("PUT", &format!("{repo}/pulls")),
        github.request("GET", &format!("{repo}/pulls?state=merged")),
        github.request("GET", &format!("{repo}/pulls?per_page=500")),
        github.request("GET", &repo).header("x-own-header", "1"),
        github.request("POST", &format!("{repo}/pulls")).json(&json!({"title": "t", "head": "h"})),
        github
            .request("POST", &format!("{repo}/pulls"))
            .json(&json!({"title": "t", "head": "h", "base": "main", "x": 1})),
        github.request("POST", "/graphql").json(&json!({"query": "{ viewer { nothing } }"})),
        github.client.get(format!("{}{repo}", github.served.base_url())),
    ];
    let count = wrong.len();
    for request in wrong {
        assert_eq!(github.send(request).await.status, 418);
    }
    let violations = github.simulated.violations();
    assert_eq!(violations.len(), count, "{violations:#?}");
    insta::assert_snapshot!(violations.join("\n"));
}

#[tokio::test]
async fn calls_are_counted_by_their_path_in_the_description() {
    let github = GitHub::new().await;
    github.tip("main").await;
    github.tip("main").await;
    github.graphql("{ viewer { login } }", json!({})).await;
    let counts: Vec<_> = github.simulated.requests().into_iter().collect();
    assert_eq!(counts, [("GET /repos/{owner}/{repo}/git/ref/{ref}".into(), 2), ("POST /graphql".into(), 1)]);
}

#[tokio::test]
async fn a_budget_that_is_used_up_refuses_until_its_hour_is_over() {
    let github = GitHub::new().await;
    github.simulated.set_limits(Limits { core_per_hour: 2, graphql_per_hour: 1, ..Limits::default() });
    let path = format!("/repos/{STAGING}");
    assert_eq!(github.get(&path).await.headers["x-ratelimit-remaining"], "1");
    assert_eq!(github.get(&path).await.headers["x-ratelimit-remaining"], "0");
    let refused = github.get(&path).await;
    assert_eq!((refused.status, refused.headers["x-ratelimit-remaining"].to_str().unwrap()), (403, "0"));
    assert_eq!(refused.headers["x-ratelimit-reset"], hours(1).as_second().to_string().as_str());
    let limits = github.get("/rate_limit").await;
    assert_eq!((limits.status, &limits.json["resources"]["core"]["used"]), (200, &json!(2)));
    github.graphql("{ viewer { login } }", json!({})).await;
    let over = github.graphql("{ viewer { login } }", json!({})).await;
    assert_eq!(over["errors"][0]["type"], "RATE_LIMITED");
    github.clock.set(hours(1));
    assert_eq!(github.get(&path).await.status, 200);
    github.assert_no_violations();
}

#[tokio::test]
async fn more_content_than_a_minute_allows_is_refused_and_recorded() {
    let github = GitHub::new().await;
    github.branch("b", "b").await;
    github.open_pull("b", "b").await;
    github.clock.set(start() + SignedDuration::from_mins(5));
    let comment = async || github.call("POST", "/issues/1/comments", json!({"body": "x"})).await;
    for _ in 0..80 {
        assert_eq!(comment().await.status, 201);
    }
    github.assert_no_violations();
    let refused = comment().await;
    assert_eq!((refused.status, refused.headers["retry-after"].to_str().unwrap()), (403, "60"));
    assert!(
        github.simulated.violations()[0].starts_with("limit exceeded: more than 80 new content in a minute")
    );
    github.clock.set(start() + SignedDuration::from_mins(6));
    assert_eq!(comment().await.status, 201);
}
