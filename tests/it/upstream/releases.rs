//! Which release counts: the highest admissible version, wherever it comes from.

use serde_json::json;
use tidegate::domain::VerdictKind;
use tidegate::store::RunState;

use super::scene::{EARLIER, LATER, Scene, description, row};

const NOW: &str = "2026-04-16T08:00:00Z";

#[tokio::test]
async fn a_backport_that_comes_later_does_not_hide_the_higher_version() {
    let scene = Scene::of_one().await;
    scene.release("owner/alpha", "v2.0.0", &[("DESCRIPTION", &description("alpha", "2.0.0"))], LATER);
    scene.release("owner/alpha", "v1.2.5", &[("DESCRIPTION", &description("alpha", "1.2.5"))], NOW);
    scene.pass("releases").await;
    let release = scene.seen("alpha").await.release.unwrap();
    assert_eq!((release.version.as_str(), release.tag.as_str()), ("2.0.0", "v2.0.0"));
    assert_eq!(release.backport.unwrap().version, "1.2.5");
}

#[tokio::test]
async fn the_version_is_that_of_the_description_and_not_of_the_tag() {
    let scene = Scene::of_one().await;
    scene.release("owner/alpha", "v9.9.9", &[("DESCRIPTION", &description("alpha", "0.9.0"))], LATER);
    scene.release("owner/alpha", "spring", &[("DESCRIPTION", &description("alpha", "1.1.0"))], EARLIER);
    scene.pass("releases").await;
    assert_eq!(scene.version("alpha").await, "1.1.0");
}

#[tokio::test]
async fn drafts_and_prereleases_do_not_count() {
    let scene = Scene::of_one().await;
    for (tag, version) in [("v3.0.0", "3.0.0"), ("v4.0.0", "4.0.0")] {
        scene.release("owner/alpha", tag, &[("DESCRIPTION", &description("alpha", version))], LATER);
    }
    scene.change("owner/alpha", |known| {
        known.releases[1].prerelease = true;
        (known.releases[2].draft, known.releases[2].published_at) = (true, None);
    });
    scene.pass("releases").await;
    assert_eq!(scene.version("alpha").await, "1.0.0");
}

#[tokio::test]
async fn each_description_is_read_once_and_a_second_look_writes_nothing() {
    let scene = Scene::of_one().await;
    scene.release("owner/alpha", "v1.1.0", &[("DESCRIPTION", &description("alpha", "1.1.0"))], LATER);
    let first = scene.pass("releases").await;
    let asked = scene.github.requests()["POST /graphql"];
    let second = scene.pass("releases").await;
    assert_eq!((first.state, second.state), (RunState::Done, RunState::Unchanged));
    // The list, and the releases: no DESCRIPTION.
    assert_eq!(scene.github.requests()["POST /graphql"], asked + 2);
    assert_eq!(scene.writes(), 0);
}

#[tokio::test]
async fn a_higher_release_that_is_not_admissible_is_passed_over_and_its_maintainer_is_told() {
    let mut scene = Scene::of_one().await;
    scene.policy = "via = \"commit\"\n";
    let bad = format!("{}Remotes: owner/other\n", description("alpha", "2.0.0"));
    scene.pass("releases").await;
    scene.pass("staging").await;
    scene.release("owner/alpha", "v2.0.0", &[("DESCRIPTION", &bad)], LATER);
    scene.pass("releases").await;
    scene.pass("staging").await;
    assert_eq!(scene.version("alpha").await, "1.0.0");
    let verdict = scene.verdict("alpha").await;
    assert_eq!(verdict.kind, VerdictKind::Inadmissible);
    insta::assert_snapshot!(verdict.reason, @"Its release 2.0.0 does not count: its DESCRIPTION has Remotes: owner/other.");
}

#[tokio::test]
async fn a_release_that_is_withdrawn_goes_down_for_nobody_and_blames_nobody() {
    let mut scene = Scene::of_one().await;
    scene.policy = "via = \"commit\"\n";
    let second =
        scene.release("owner/alpha", "v2.0.0", &[("DESCRIPTION", &description("alpha", "2.0.0"))], LATER);
    scene.pass("releases").await;
    scene.pass("staging").await;
    scene.change("owner/alpha", |known| drop(known.releases.pop()));
    scene.pass("releases").await;
    scene.pass("staging").await;
    assert_eq!(scene.version("alpha").await, "1.0.0");
    assert_eq!(scene.told("upstream", "what").await, ["alpha release-withdrawn"]);
    let verdict = scene.verdict("alpha").await;
    assert_eq!((verdict.kind, verdict.version.as_deref()), (VerdictKind::Withdrawn, Some("2.0.0")));
    assert_eq!(scene.list("demo/staging")["alpha"].pin(), Some(second.as_str()));
    insta::assert_snapshot!(verdict.reason, @"Its release 2.0.0 (v2.0.0) was withdrawn upstream, seen at 2026-04-16T10:00:00Z; the highest one that is left is 1.0.0.");

    scene.release("owner/alpha", "v2.0.1", &[("DESCRIPTION", &description("alpha", "2.0.1"))], NOW);
    scene.pass("releases").await;
    scene.pass("staging").await;
    assert_eq!(scene.verdict("alpha").await.kind, VerdictKind::Moves);
}

#[tokio::test]
async fn a_tag_that_is_moved_is_said_to_be_moved() {
    let mut scene = Scene::of_one().await;
    scene.policy = "via = \"commit\"\n";
    scene.pass("releases").await;
    scene.pass("staging").await;
    let other = format!("{}Note: another\n", description("alpha", "1.0.0"));
    scene.release("owner/alpha", "v1.0.0", &[("DESCRIPTION", &other)], LATER);
    scene.pass("releases").await;
    scene.pass("staging").await;
    let verdict = scene.verdict("alpha").await;
    assert_eq!(verdict.kind, VerdictKind::Inadmissible);
    assert!(
        verdict.reason.starts_with("The tag of version 1.0.0 was moved from commit "),
        "{}",
        verdict.reason
    );
}

#[tokio::test]
async fn a_package_that_only_tags_is_followed_by_its_tags_where_the_policy_says_so() {
    let mut scene = Scene::listing(&[row("alpha", "owner/alpha")]).await;
    let first = scene.commit("owner/alpha", &[("DESCRIPTION", &description("alpha", "1.0.0"))], EARLIER);
    scene.tag("owner/alpha", "v1.0.0", &first);
    let second = scene.commit("owner/alpha", &[("DESCRIPTION", &description("alpha", "1.1.0"))], LATER);
    scene.tag("owner/alpha", "v1.1.0", &second);
    scene.pass("releases").await;
    assert_eq!(scene.seen("alpha").await.release, None);
    scene.policy = "upstream = { except = [\"alpha\"] }\n";
    scene.pass("releases").await;
    let release = scene.seen("alpha").await.release.unwrap();
    assert_eq!((release.version.as_str(), release.tag.as_str()), ("1.1.0", "v1.1.0"));
}

#[tokio::test]
async fn a_mirror_of_cran_without_releases_is_followed_by_its_default_branch() {
    let mut scene =
        Scene::listing(&[json!({"package": "alpha", "url": "https://github.com/cran/alpha"})]).await;
    scene.policy = "via = \"commit\"\n";
    let first = scene.commit("cran/alpha", &[("DESCRIPTION", &description("alpha", "1.0-1"))], EARLIER);
    scene.pass("releases").await;
    scene.pass("staging").await;
    assert_eq!(scene.list("demo/staging")["alpha"].pin(), Some(first.as_str()));
    // A commit that does not raise the version is no release.
    scene.commit("cran/alpha", &[("DESCRIPTION", &description("alpha", "1.0-1")), ("NEWS", "typo")], LATER);
    assert_eq!(scene.pass("releases").await.state, RunState::Unchanged);
    let second = scene.commit("cran/alpha", &[("DESCRIPTION", &description("alpha", "1.0-2"))], NOW);
    scene.pass("releases").await;
    assert_eq!(scene.seen("alpha").await.release.unwrap().commit, second);
}

#[tokio::test]
async fn a_row_that_names_a_tag_or_a_branch_is_followed_there() {
    let named = |package: &str, branch: &str| json!({"package": package, "url": "https://github.com/owner/both", "branch": branch, "subdir": package});
    let scene =
        Scene::listing(&[named("alpha", "v1"), named("beta", "stable"), named("gamma", "nowhere")]).await;
    let files = [
        ("alpha/DESCRIPTION", description("alpha", "1.0.0")),
        ("beta/DESCRIPTION", description("beta", "2.0.0")),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let commit = scene.commit("owner/both", &files, EARLIER);
    scene.tag("owner/both", "v1", &commit);
    scene.change("owner/both", |known| {
        let git = known.git.as_mut().unwrap();
        git.refs.insert("refs/heads/stable".to_owned(), commit.parse().unwrap());
    });
    scene.pass("releases").await;
    assert_eq!((scene.version("alpha").await, scene.version("beta").await), ("1.0.0".into(), "2.0.0".into()));
    let gamma = scene.seen("gamma").await;
    assert_eq!(gamma.failing.unwrap().why, "its repository has no nowhere");
}

#[tokio::test]
async fn packages_of_one_repository_are_read_in_their_folders() {
    let inside = |package: &str| json!({"package": package, "url": "https://github.com/owner/both", "branch": "*release", "subdir": format!("r/{package}")});
    let scene = Scene::listing(&[inside("alpha"), inside("beta")]).await;
    let (alpha, beta) = (description("alpha", "1.0.0"), description("beta", "7.0.0"));
    scene.release(
        "owner/both",
        "beta-7",
        &[("r/beta/DESCRIPTION", &beta), ("r/alpha/DESCRIPTION", &alpha)],
        EARLIER,
    );
    let raised = description("alpha", "1.1.0");
    // This release has no beta: the one before still counts for it.
    scene.release("owner/both", "alpha-1.1", &[("r/alpha/DESCRIPTION", &raised)], LATER);
    scene.pass("releases").await;
    assert_eq!((scene.version("alpha").await, scene.version("beta").await), ("1.1.0".into(), "7.0.0".into()));
}
