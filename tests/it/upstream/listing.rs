//! Pull requests for the list of the first channel: a repository that moved, proposed once.

use tidegate::rehearse::github::git::FileChanges;
use tidegate::store::RunState;

use super::scene::{COMMUNITY, Scene, row};

async fn moved_to(name: &str) -> Scene {
    let scene = Scene::of_one().await;
    scene.pass("releases").await;
    scene.move_repository("owner/alpha", name);
    scene
}

#[tokio::test]
async fn the_new_address_is_proposed_once() {
    let scene = moved_to("owner/better").await;
    scene.pass("releases").await;
    let pulls = scene.pulls(COMMUNITY);
    assert_eq!(pulls.len(), 1);
    assert_eq!(pulls[0].title, "Follow owner/alpha to owner/better");
    assert_eq!(pulls[0].head, "tidegate/community/moved.owner--alpha");
    let writes = scene.writes();
    assert_eq!(scene.pass("releases").await.state, RunState::Unchanged);
    assert_eq!((scene.writes(), scene.pulls(COMMUNITY).len()), (writes, 1));
    let text = pulls[0].body.split("<!--").next().unwrap();
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn a_transfer_to_another_owner_is_said_to_be_one() {
    let scene = moved_to("stranger/alpha").await;
    scene.pass("releases").await;
    let text = scene.pulls(COMMUNITY)[0].body.clone();
    insta::assert_snapshot!(text.split("<!--").next().unwrap());
}

#[tokio::test]
async fn once_it_is_merged_the_list_has_the_new_address_and_nothing_is_left_to_do() {
    let scene = moved_to("owner/better").await;
    scene.pass("releases").await;
    scene.merge(COMMUNITY, 1);
    scene.pass("releases").await;
    assert_eq!(scene.list(COMMUNITY)["alpha"].url, "https://github.com/owner/better");
    assert_eq!(scene.seen("alpha").await.repository, None);
    scene.pass("releases").await;
    assert_eq!(scene.told("pull-request", "action").await, ["alpha opened", " merged"]);
    assert_eq!(scene.store.open_pull_requests().await.unwrap(), Vec::new());
    assert_eq!(scene.pass("releases").await.state, RunState::Unchanged);
}

#[tokio::test]
async fn one_that_a_person_closed_is_not_proposed_again() {
    let scene = moved_to("owner/better").await;
    scene.pass("releases").await;
    scene.close(COMMUNITY, 1);
    for _ in 0..3 {
        scene.pass("releases").await;
    }
    assert_eq!(scene.pulls(COMMUNITY).len(), 1);
    assert_eq!(scene.told("pull-request", "action").await, ["alpha opened", "alpha closed"]);
}

#[tokio::test]
async fn a_lost_answer_opens_no_second_one() {
    for fault in [
        "POST /repos/demo/community/pulls nth 1 drop-after",
        "POST /repos/demo/community/pulls nth 1 drop-before",
        "POST /repos/demo/community/git/commits nth 1 drop-after",
        "graphql updateRefs nth 1 drop-after",
    ] {
        let scene = moved_to("owner/better").await;
        scene.github.set_faults(vec![fault.parse().unwrap()]);
        scene.attempt("releases").await;
        scene.pass("releases").await;
        scene.pass("releases").await;
        assert_eq!(scene.pulls(COMMUNITY).len(), 1, "{fault}");
        assert_eq!(scene.store.open_pull_requests().await.unwrap().len(), 1, "{fault}");
        assert_eq!(scene.store.open_actions().await.unwrap(), Vec::new(), "{fault}");
    }
}

#[tokio::test]
async fn a_branch_that_a_person_committed_to_is_left_alone() {
    let scene = moved_to("owner/better").await;
    scene.pass("releases").await;
    let head = scene.pulls(COMMUNITY)[0].head.clone();
    let changes = FileChanges::write([("packages.json", "[]")]);
    let now = "2026-04-16T10:30:00Z".parse().unwrap();
    scene.github.commit_as("person", COMMUNITY, &head, changes, "Mine", now).unwrap();
    let writes = scene.writes();
    scene.pass("releases").await;
    scene.pass("releases").await;
    assert_eq!(scene.writes(), writes);
}

#[tokio::test]
async fn where_the_policy_forbids_it_nothing_is_proposed_and_the_event_tells_of_it() {
    let mut scene = moved_to("owner/better").await;
    scene.policy = "upstream = { propose_listing = false }\n";
    scene.pass("releases").await;
    assert_eq!(scene.pulls(COMMUNITY), Vec::new());
    assert_eq!(scene.told("upstream", "what").await, ["alpha moved"]);
}

#[tokio::test]
async fn packages_of_one_repository_move_in_one_pull_request() {
    let both: Vec<serde_json::Value> = ["alpha", "beta"]
        .iter()
        .map(|name| {
            let mut row = row(name, "owner/both");
            row["subdir"] = (*name).into();
            row
        })
        .collect();
    let scene = Scene::listing(&both).await;
    let alpha = super::scene::description("alpha", "1.0.0");
    let beta = super::scene::description("beta", "1.0.0");
    let files = [("alpha/DESCRIPTION", alpha.as_str()), ("beta/DESCRIPTION", beta.as_str())];
    scene.release("owner/both", "v1", &files, super::scene::EARLIER);
    scene.pass("releases").await;
    scene.move_repository("owner/both", "owner/all");
    scene.pass("releases").await;
    assert_eq!(scene.pulls(COMMUNITY).len(), 1);
    scene.merge(COMMUNITY, 1);
    let urls: Vec<String> = scene.list(COMMUNITY).into_values().map(|row| row.url).collect();
    assert_eq!(urls, ["https://github.com/owner/all", "https://github.com/owner/all"]);
}
