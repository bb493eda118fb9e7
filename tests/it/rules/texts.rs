//! What people read in a pull request: does it say whether I have to act, why, and by when?

use tidegate::decide::promote::promote;
use tidegate::domain::{Action, Evidence, Fact, Issue};

use super::facts::*;

#[test]
fn the_group_that_begins_a_freeze() {
    let scene = Scene::without_group(FREEZE_BEGINS)
        .package("polars", "1.0.0")
        .releases("polars", "1.1.0")
        .package("duckdb", "0.9.0")
        .package("gone", "2.0")
        .without("gone")
        .new_package("fresh", "0.1.0")
        .package("dev", "1.0")
        .releases("dev", "1.1")
        .problem("dev", "its DESCRIPTION has Remotes: x/y")
        .package("theirs", "3.0")
        .pinned_by_person("theirs")
        .releases("theirs", "2.9");
    let scene = scene.released_passes("polars", "1.1.0", Vec::new());
    insta::assert_snapshot!(text(&scene));
}

#[test]
fn one_package_with_failing_checks_and_their_logs() {
    let checks = vec![check("ERROR", "linux-release-x86_64"), check("WARNING", "macos-release-arm64")];
    let scene = Scene::on(CANDIDATE_FREEZE)
        .package("polars", "1.0.0")
        .has_issue("polars", Issue::RCmdCheck(checks))
        .has_issue("polars", Issue::Advisories(vec!["https://example.org/RSEC-2026-1.yaml".to_owned()]))
        .releases("polars", "1.1.0");
    insta::assert_snapshot!(text(&scene));
}

#[test]
fn one_package_that_a_dependency_blocks() {
    let scene = Scene::on(CANDIDATE_FREEZE)
        .package("tidypolars", "0.14.1")
        .fails_through("tidypolars", "polars")
        .package("polars", "1.0.0")
        .fails("polars")
        .releases("tidypolars", "0.15.0");
    insta::assert_snapshot!(text(&scene));
}

#[test]
fn one_whose_release_passes_where_it_comes_from_and_what_it_unblocks() {
    let mut scene = Scene::on(CANDIDATE_FREEZE)
        .package("polars", "1.0.0")
        .fails("polars")
        .releases("polars", "1.1.0")
        .released_passes(
            "polars",
            "1.1.0",
            vec![check("OK", "linux-release-x86_64"), check("NOTE", "windows-release")],
        )
        .package("other", "1.0")
        .fails("other")
        .package("both", "1.0")
        .has_issue(
            "both",
            Issue::Dependencies([("other".to_owned(), vec![]), ("polars".to_owned(), vec![])].into()),
        );
    for number in 1..=12 {
        let package = format!("needs{number:02}");
        scene = scene.package(&package, "1.0").fails_through(&package, "polars");
    }
    insta::assert_snapshot!(text(&scene));
}

#[test]
fn what_the_source_says_of_another_commit_is_not_said_of_the_new_one() {
    let failing = Scene::on(CANDIDATE_FREEZE).package("a", "1.0").fails("a").releases("a", "1.1");
    let evidence = |scene: &Scene| {
        let text = text(scene);
        let section = text.split("### Evidence\n\n").nth(1).expect("there is evidence").to_owned();
        section.split("\n- `a`: `1.0` fails").next().expect("what staging holds follows").to_owned()
    };
    let not_built =
        "- `a`: `1.1` was not built at this commit in community, so nothing is known of it from there.";
    assert!(evidence(&failing).ends_with(not_built));
    let another = failing.clone().released_passes("a", "1.0", vec![check("OK", "linux-release-x86_64")]);
    assert!(evidence(&another).ends_with(not_built), "{}", evidence(&another));

    let fails = failing.clone().released("a", "1.1", |known| {
        known.evidence = Evidence::Failing;
        known.issues = vec![Issue::RCmdCheck(vec![check("ERROR", "windows-release")])];
    });
    let broken = failing.clone().released("a", "1.0", |known| known.failed_build = Some(commit("a", "1.1")));
    let pending = failing.clone().released("a", "1.1", |known| {
        known.evidence = Evidence::Pending;
        known.issues = vec![Issue::Synchronization("https://example.org/run/1".to_owned())];
    });
    let gap = failing.clone().released("a", "1.1", |known| {
        known.evidence = Evidence::Unknown;
        known.unknown = vec!["no check with R 4.5 exists for this build".to_owned()];
    });
    let mut silent = failing;
    silent.facts.released =
        Fact::unknown("the status of demo/community was last read at 2026-05-19T00:00:00Z, too long ago");
    let told = [&fails, &broken, &pending, &gap, &silent].map(|scene| {
        let text = evidence(scene);
        text.split_once('\n').expect("the light checks come first").1.trim_end().to_owned()
    });
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn a_newer_release_in_the_dependency_freeze() {
    let scene = Scene::on(DEPENDENCY_FREEZE).package("polars", "1.0.0").releases("polars", "1.1.0");
    insta::assert_snapshot!(text(&scene));
}

#[test]
fn a_new_package_in_the_dependency_freeze() {
    insta::assert_snapshot!(text(
        &Scene::on(DEPENDENCY_FREEZE).package("a", "1.0").new_package("fresh", "0.1.0")
    ));
}

#[test]
fn the_packages_of_one_repository() {
    let mono = "https://github.com/apache/arrow-adbc";
    let scene = Scene::on(DEPENDENCY_FREEZE)
        .package("adbcdrivermanager", "0.20.0")
        .package("adbcsqlite", "0.20.0")
        .at_url("adbcdrivermanager", mono)
        .at_url("adbcsqlite", mono)
        .released_together(&[("adbcdrivermanager", "0.21.0"), ("adbcsqlite", "0.21.0")]);
    insta::assert_snapshot!(text(&scene));
}

#[test]
fn an_exception_after_the_snapshot() {
    let scene = Scene::on(STANDSTILL)
        .package("polars", "1.0.0")
        .releases("polars", "1.1.0")
        .exception("polars", "1.1.0");
    insta::assert_snapshot!(text(&scene));
}

#[test]
fn the_rolling_copy() {
    let scene = Scene::follow(DEPENDENCY_FREEZE)
        .package("kept", "1.0")
        .package("gone", "1.0")
        .without("gone")
        .package("pinned", "1.0")
        .pinned_at("pinned", "1.0")
        .package("moved", "1.0")
        .new_package("fresh", "0.1.0");
    let mut scene = scene;
    scene
        .facts
        .source
        .iter_mut()
        .filter(|row| row.package == "moved")
        .for_each(|row| row.subdir = Some("r".into()));
    insta::assert_snapshot!(text(&scene));
}

#[test]
fn the_rolling_pins() {
    let scene = Scene::follow(CANDIDATE_FREEZE)
        .package("polars", "1.1.0")
        .package("duckdb", "0.9.0")
        .package("fails", "1.0")
        .fails("fails");
    insta::assert_snapshot!(text(&scene));
}

#[test]
fn a_commit_says_what_moves_and_what_leaves() {
    let scene = Scene::without_group(FREEZE_BEGINS)
        .by_commit()
        .package("polars", "1.0.0")
        .releases("polars", "1.1.0")
        .package("gone", "2.0")
        .without("gone");
    let plan = scene.plan();
    let change = changes(&plan)[0];
    insta::assert_snapshot!(format!("{}\n\n{}", change.title, change.message), @r"
    Begin the dependency freeze of 2026-04-15: pin 1 package

    polars 1.1.0 at 990cd13271
    gone leaves
    ");
}

/// A package whose every text is an attack.
fn hostile() -> Scene {
    let package = "@everyone|`x`<b>";
    let mut failing = check("ERROR | @torvalds", "linux](https://evil.example)");
    failing.url = "https://user:pw@evil.example/a)b".to_owned();
    let mut hidden = check("WARNING", "fixes #12");
    hidden.url = "javascript:alert(1)".to_owned();
    let mut scene = Scene::on(CANDIDATE_FREEZE)
        .package(package, "1.0 closes #1")
        .at_url(package, "https://github.com/o/r/../../evil?x=[y](z)")
        .has_issue(package, Issue::RCmdCheck(vec![failing, hidden]))
        .has_issue(package, Issue::License("GPL <img src=x> @all | `#12` GH-13\n# Heading".to_owned()))
        .has_issue(package, Issue::Advisories(vec!["http://evil.example/`|@me".to_owned()]))
        .releases(package, "1.1\nFixes #12 @root");
    // What is not a version rises above none, so this one is not known.
    scene.facts.held_versions.clear();
    scene
}

#[test]
fn hostile_names_licences_and_addresses() {
    insta::assert_snapshot!(text(&hostile()).replace('\u{200b}', "^"));
}

#[test]
fn a_commit_mentions_nobody_and_closes_nothing() {
    let plan = hostile().by_commit().plan();
    let change = changes(&plan)[0];
    for text in [&change.title, &change.message] {
        assert!(!text.contains(['@', '#', '`', '<', '|']), "{text}");
    }
    assert_eq!(change.title.lines().count(), 1);
}

#[test]
fn github_takes_every_text_however_many_packages_move() {
    let mut scene = Scene::without_group(FREEZE_BEGINS);
    for number in 0..3_000 {
        let package = format!("package{number:05}{}", "x".repeat(number % 90));
        scene = match number % 3 {
            0 => scene.package(&package, "1.0").releases(&package, "1.1"),
            1 => scene.package(&package, "1.0").without(&package),
            _ => {
                scene.package(&package, "1.0").releases(&package, "1.1").problem(&package, "it is not valid")
            }
        };
    }
    // 65,536 characters in all, of which up to 16,384 are the hidden marker.
    for scene in [scene.clone(), scene.later(DEPENDENCY_FREEZE)] {
        for action in promote(&scene.facts).actions {
            let Action::Propose { body, .. } = action else { panic!("one pull request") };
            assert!(body.len() < 65_536 - 16_384, "{}", body.len());
            assert!(body.contains("more: see the changes of `packages.json`"));
        }
    }
}
