//! The next metapackage: of the newest builds that every platform has, once they have settled, where they can
//! be installed together.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use tidegate::clock::Clock as _;
use tidegate::ecosystem::conda::address::ChannelAddress;
use tidegate::ecosystem::conda::destructure::{Declared, DestructureTask, destructure};
use tidegate::ecosystem::conda::reader::{ChannelReader, IndexLimits};
use tidegate::store::RunState;

use super::real::bubblewrap;
use super::scene::{Package, Scene};
use super::withdrawals::publish;

const BOTH: &str = r#""q2-types", "q2cli""#;

/// Has a job run now and again an hour later: after the candidate has settled.
async fn integrate(scene: &Scene) -> String {
    scene.next_day("integrate").await;
    scene.clock.set(scene.clock.now() + SignedDuration::from_hours(1));
    scene.pass("integrate").await.summary.unwrap_or_default()
}

/// The members of the newest metapackage in `staged`, as `name version subdir`.
async fn members(scene: &Scene, platform: &str) -> Vec<String> {
    let address: ChannelAddress = scene.staged().display().to_string().parse().unwrap();
    let reader = ChannelReader::new(reqwest::Client::new(), IndexLimits::default());
    let channel = reader.read(&address, &[platform]).await.unwrap();
    let task = DestructureTask {
        channel: &channel,
        externals: &[],
        platform,
        spec: "qiime2-tiny",
        declared: Declared::default(),
        virtual_packages: None,
        timeout: std::time::Duration::from_secs(60),
    };
    let apart = destructure(&task).unwrap();
    apart
        .members
        .iter()
        .map(|member| format!("{} {}", member.package.name, member.package.version.as_deref().unwrap()))
        .collect()
}

#[tokio::test]
async fn new_builds_settle_and_become_a_metapackage_with_exactly_them() {
    let scene = Scene::new(BOTH).await;
    Scene::offer(&scene.forge(), &[Package::new("pandas", "1.0")]);
    Scene::offer(
        &scene.tested(),
        &[
            Package::new("q2-types", "1.0").depends(&["pandas"]),
            Package::new("q2cli", "1.0").depends(&["q2-types"]),
            Package::new("q2-types-genomics", "9.0"),
        ],
    );
    let first = scene.next_day("integrate").await;
    insta::assert_snapshot!(first.summary.unwrap(), @"the newest builds are left to settle until 2026-11-21T04:30:00Z");
    assert!(!scene.staged().exists());
    scene.clock.set(scene.clock.now() + SignedDuration::from_mins(20));
    Scene::offer(&scene.tested(), &[Package::new("q2cli", "1.1").depends(&["q2-types"])]);
    let newer = scene.pass("integrate").await;
    insta::assert_snapshot!(newer.summary.unwrap(), @"the newest builds are left to settle until 2026-11-21T04:50:00Z");
    scene.clock.set(scene.clock.now() + SignedDuration::from_mins(30));
    let made = scene.pass("integrate").await;
    insta::assert_snapshot!(made.summary.unwrap(), @"qiime2-tiny 2026.11.21.04.50.00 holds 2 members");
    assert_eq!(members(&scene, "linux-64").await, ["q2-types 1.0", "q2cli 1.1"]);
    let run = made.id.to_string();
    let solution = scene.says(&["show", &run, "--solution", "linux-64"]);
    let names: Vec<&str> =
        solution.lines().filter_map(|line| line.split('#').next()?.rsplit('/').next()).collect();
    assert_eq!(
        names,
        ["", "@EXPLICIT", "pandas-1.0-0.tar.bz2", "q2-types-1.0-0.tar.bz2", "q2cli-1.1-0.tar.bz2"],
        "{solution}"
    );
    let shown = scene.says(&["show", &run]);
    assert!(shown.contains("solved to\n  linux-64: sha256 "), "{shown}");
    let event = scene.events().await.pop().unwrap();
    assert!(event.body["environments"]["linux-64"].is_string(), "{}", event.body);
    insta::assert_snapshot!(Scene::files(&scene.staged()).join("\n"), @r"
    noarch/q2-types-1.0-0.tar.bz2
    noarch/q2cli-1.1-0.tar.bz2
    noarch/qiime2-tiny-2026.11.21.04.50.00-0.conda
    ");

    let again = scene.next_day("integrate").await;
    assert_eq!(again.state, RunState::Unchanged, "{again:?}");
    let told: Vec<String> = scene.events().await.into_iter().map(|event| event.kind).collect();
    assert_eq!(told, ["metapackage"]);
}

/// A metapackage as QIIME 2 writes them names whatever its solve brought in, and some of that may lie in the same channel.
#[tokio::test]
async fn only_what_the_distribution_declares_is_a_member_of_the_metapackage_that_is_there() {
    let scene = Scene::new(BOTH).await;
    Scene::offer(&scene.forge(), &[]);
    let types = || Package::new("q2-types", "1.0").depends(&["helper"]);
    Scene::offer(&scene.tested(), &[types()]);
    let lines = ["q2-types 1.0.*", "helper 0.1.*"];
    let held = Package::new("qiime2-tiny", "2026.01.01.00.00.00").depends(&lines);
    publish(&scene.staged(), &[types(), Package::new("helper", "0.1"), held]);
    // q2cli was declared after it was made.
    insta::assert_snapshot!(integrate(&scene).await, @"no version is there for all platforms: q2cli");
    Scene::offer(&scene.tested(), &[Package::new("q2cli", "1.0"), Package::new("helper", "0.1")]);
    insta::assert_snapshot!(integrate(&scene).await, @"qiime2-tiny 2026.11.22.06.00.00 holds 2 members");
    assert_eq!(members(&scene, "linux-64").await, ["q2-types 1.0", "q2cli 1.0"]);
    assert_eq!(scene.next_day("integrate").await.state, RunState::Unchanged);

    // A new state of the same channel writes down what the files declare, and nothing else.
    let fresh = Scene::with_channels_of(&scene).await;
    fresh.next_day("integrate").await;
    let events = fresh.events().await;
    assert_eq!(events.iter().map(|event| &event.body["members"]).collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn a_build_that_one_platform_lacks_waits_and_the_version_before_is_taken() {
    let mut scene = Scene::new(BOTH).await;
    scene.platforms = r#""linux-64", "osx-64""#;
    Scene::offer(&scene.forge(), &[]);
    let everywhere = |name: &str, version: &str| {
        ["linux-64", "osx-64"].map(|platform| Package::new(name, version).on(platform))
    };
    let [types_linux, types_osx] = everywhere("q2-types", "1.0");
    let cli = Package::new("q2cli", "1.0");
    let newer = Package::new("q2-types", "1.1").on("linux-64");
    Scene::offer(&scene.tested(), &[types_linux, types_osx, cli, newer]);
    insta::assert_snapshot!(integrate(&scene).await, @"qiime2-tiny 2026.11.21.05.00.00 holds 2 members");
    assert_eq!(members(&scene, "linux-64").await, ["q2-types 1.0", "q2cli 1.0"]);
    assert_eq!(members(&scene, "osx-64").await, ["q2-types 1.0", "q2cli 1.0"]);
    let verdicts = scene.store.verdicts_at("tiny", "integrate/staged", scene.clock.now()).await.unwrap();
    let waiting = &verdicts["q2-types"].body["integrate"]["choice"]["waiting"];
    assert_eq!(waiting.to_string(), r#"[["1.1",["osx-64"]]]"#);

    Scene::offer(&scene.tested(), &[Package::new("q2-types", "1.1").on("osx-64")]);
    integrate(&scene).await;
    assert_eq!(members(&scene, "osx-64").await, ["q2-types 1.1", "q2cli 1.0"]);
}

#[tokio::test]
async fn members_that_exclude_each_other_are_named_and_nothing_is_published() {
    let scene = Scene::new(r#""q2-types", "q2cli", "q2-demux""#).await;
    Scene::offer(&scene.forge(), &[Package::new("pandas", "1.0"), Package::new("pandas", "2.0")]);
    Scene::offer(
        &scene.tested(),
        &[
            Package::new("q2-types", "1.0").depends(&["pandas <2"]),
            Package::new("q2cli", "1.0"),
            Package::new("q2-demux", "1.0").depends(&["pandas >=2"]),
        ],
    );
    insta::assert_snapshot!(integrate(&scene).await, @"q2-demux and q2-types cannot be installed together on linux-64; without q2-types the other 2 can");
    assert!(!scene.staged().exists());
    let verdicts = scene.store.verdicts_at("tiny", "integrate/staged", scene.clock.now()).await.unwrap();
    let conflicting: BTreeSet<&str> = verdicts
        .iter()
        .filter(|(_, verdict)| verdict.kind == "conflict")
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(conflicting, BTreeSet::from(["q2-demux", "q2-types"]));
    let explained = scene.says(&["explain", "q2-types"]);
    assert!(explained.contains("On linux-64, without q2-types the other 2 can."), "{explained}");
    let told = scene.says(&["events", "--package", "q2-demux"]);
    assert!(
        told.contains("no new qiime2-tiny is made: q2-demux and q2-types cannot be installed together"),
        "{told}"
    );
    insta::assert_snapshot!(scene.next_day("integrate").await.summary.unwrap(), @"nothing has changed since: q2-demux and q2-types cannot be installed together on linux-64; without q2-types the other 2 can");

    Scene::offer(&scene.tested(), &[Package::new("q2-demux", "1.1").depends(&["pandas"])]);
    integrate(&scene).await;
    assert_eq!(members(&scene, "linux-64").await, ["q2-demux 1.1", "q2-types 1.0", "q2cli 1.0"]);
}

#[tokio::test]
async fn a_member_without_a_build_is_named_and_one_that_would_go_back_is_held() {
    let scene = Scene::new(BOTH).await;
    Scene::offer(&scene.forge(), &[]);
    Scene::offer(&scene.tested(), &[Package::new("q2-types", "1.1")]);
    insta::assert_snapshot!(integrate(&scene).await, @"no version is there for all platforms: q2cli");
    Scene::offer(&scene.tested(), &[Package::new("q2cli", "1.0")]);
    integrate(&scene).await;
    std::fs::remove_file(scene.tested().join("noarch/q2-types-1.1-0.tar.bz2")).unwrap();
    Scene::offer(&scene.tested(), &[Package::new("q2-types", "1.0")]);
    let run = scene.next_day("integrate").await;
    assert_eq!(run.state, RunState::Held);
    insta::assert_snapshot!(run.error.or(run.summary).unwrap(), @"the newest complete versions are older than those of the newest metapackage: q2-types; put the newer builds back into the channel");
    assert_eq!(members(&scene, "linux-64").await, ["q2-types 1.1", "q2cli 1.0"]);
}

#[tokio::test]
async fn what_was_published_just_before_a_crash_is_written_down_by_the_next_pass() {
    let scene = Scene::new(BOTH).await;
    Scene::offer(&scene.forge(), &[]);
    let tests = "true\n";
    Scene::offer(
        &scene.tested(),
        &[Package::new("q2-types", "1.0").test(tests), Package::new("q2cli", "1.0").test(tests)],
    );
    integrate(&scene).await;
    let kinds = |scene: Scene| async move {
        scene.events().await.into_iter().map(|event| event.kind).collect::<Vec<_>>()
    };
    let after = Scene::with_channels_of(&scene).await;
    assert_eq!(after.next_day("integrate").await.state, RunState::Unchanged);
    assert_eq!(kinds(after).await, ["metapackage"]);
    if !bubblewrap() {
        return;
    }
    scene.next_day("recheck").await;
    let after = Scene::with_channels_of(&scene).await;
    after.next_day("recheck").await;
    assert_eq!(kinds(after).await, ["passed"]);
}

#[tokio::test]
async fn what_integrates_is_rechecked_and_passes() {
    if !bubblewrap() {
        return;
    }
    let scene = Scene::new(BOTH).await;
    Scene::offer(&scene.forge(), &[Package::new("pandas", "1.0")]);
    Scene::offer(
        &scene.tested(),
        &[
            Package::new("q2-types", "1.0").depends(&["pandas"]).test("test -f $PREFIX/share/pandas.txt\n"),
            Package::new("q2cli", "1.0").depends(&["q2-types"]).test("test -f $PREFIX/share/q2-types.txt\n"),
        ],
    );
    integrate(&scene).await;
    let run = scene.next_day("recheck").await;
    insta::assert_snapshot!(run.summary.unwrap(), @"qiime2-tiny 2026.11.21.05.00.00 passes: 2 green");
    assert_eq!(Scene::files(&scene.passed()), Scene::files(&scene.staged()));
}
