//! The change at fault, found by real tests in real mixtures of two environments.

use std::time::Duration;

use tidegate::clock::Clock as _;
use tidegate::store::RunState;

use super::real::bubblewrap;
use super::scene::{Package, Scene};

const MEMBERS: &str = r#""q2-alone", "q2-pair", "q2-steady""#;
pub const EXTERNALS: [&str; 6] = ["dep1", "dep2", "dep3", "dep4", "dep5", "dep6"];
/// Breaks with the new dep3.
pub const ALONE: &str = "grep -q '^1' $PREFIX/share/dep3.txt\n";
/// Breaks where dep2 and dep5 are both new.
const PAIR: &str = "grep -q '^1' $PREFIX/share/dep2.txt || grep -q '^1' $PREFIX/share/dep5.txt\n";

/// All externals in one version. The new dep6 cannot be had without the new dep4.
pub fn externals(version: &str) -> Vec<Package> {
    let external = |name: &&str| {
        let made = Package::new(name, version).file(&format!("share/{name}.txt"), &format!("{version}\n"));
        if *name == "dep6" && version == "2.0" { made.depends(&["dep4 >=2"]) } else { made }
    };
    EXTERNALS.iter().map(external).collect()
}

/// Members that were green once, and then six externals drifted at once.
async fn six_drifted() -> Scene {
    let scene = Scene::new(MEMBERS).await;
    Scene::offer(&scene.forge(), &externals("1.0"));
    let member = |name: &str, test: &str| Package::new(name, "1.0").depends(&EXTERNALS).test(test);
    let members = ["q2-alone 1.0 0", "q2-pair 1.0 0", "q2-steady 1.0 0"];
    Scene::offer(
        &scene.staged(),
        &[
            member("q2-alone", ALONE),
            member("q2-pair", PAIR),
            member("q2-steady", "true\n"),
            Package::new("qiime2-tiny", "2026.10").depends(&members),
        ],
    );
    let green = scene.next_day("recheck").await;
    assert_eq!(green.summary.as_deref(), Some("qiime2-tiny 2026.10 passes: 3 green"), "{green:?}");
    Scene::offer(&scene.forge(), &externals("2.0"));
    scene
}

/// What is said to be at fault, by member.
pub async fn faults(scene: &Scene) -> Vec<String> {
    let mut faults = Vec::new();
    let verdicts =
        scene.store.verdicts_at("tiny", "recheck/linux-64/latest", scene.clock.now()).await.unwrap();
    for (member, verdict) in verdicts {
        faults.push(format!("{member} {}: {}", verdict.kind, verdict.body["recheck"]["culprit"]));
    }
    faults
}

const FOUND: [&str; 3] = [
    r#"q2-alone red: ["dep3 1.0 → 2.0"]"#,
    r#"q2-pair red: ["dep2 1.0 → 2.0","dep5 1.0 → 2.0"]"#,
    "q2-steady green: null",
];

#[tokio::test]
async fn of_six_drifts_exactly_those_that_break_a_member_are_named() {
    if !bubblewrap() {
        return;
    }
    let scene = six_drifted().await;
    let drifted = scene.next_day("recheck").await;
    assert_eq!(drifted.state, RunState::Done, "{drifted:?}");
    assert_eq!(faults(&scene).await, FOUND);
    insta::with_settings!({filters => vec![("[0-9a-f]{64}", "<digest>")]}, {
        insta::assert_snapshot!("explain_one_change_at_fault", scene.says(&["explain", "q2-alone"]));
        insta::assert_snapshot!("explain_two_changes_at_fault", scene.says(&["explain", "q2-pair"]));
    });
    let events = scene.events().await;
    let told: Vec<String> = events
        .iter()
        .filter(|event| event.kind == "culprit")
        .map(|event| event.body["culprit"].to_string())
        .collect();
    assert_eq!(told, [r#"["dep3 1.0 → 2.0"]"#, r#"["dep2 1.0 → 2.0","dep5 1.0 → 2.0"]"#]);
    assert!(scene.says(&["replay", &drifted.id.0.to_string()]).contains("the same plan again"));

    // Something else appears, so that there is a pass: what was tested and found is known.
    let tests = scene.tests_by_run().await;
    Scene::offer(&scene.forge(), &[Package::new("bystander", "1.0")]);
    let next = scene.next_day("recheck").await;
    assert_eq!(next.state, RunState::Done, "{next:?}");
    assert_eq!(scene.tests_by_run().await, tests, "nothing is tested again");
    assert_eq!(faults(&scene).await, FOUND);

    // Another change comes to the same fault: the red members are seen twice in their new environments,
    // the steady one once, and what breaks them is known from the mixtures without it.
    let newer = Package::new("dep1", "3.0").file("share/dep1.txt", "3.0\n");
    Scene::offer(&scene.forge(), &[newer]);
    let further = scene.next_day("recheck").await;
    assert_eq!(faults(&scene).await, FOUND);
    assert_eq!(scene.tests_by_run().await[&further.id.0], 5);
}

#[tokio::test]
async fn a_new_build_of_the_member_itself_may_be_at_fault() {
    if !bubblewrap() {
        return;
    }
    let scene = Scene::new(r#""q2-lib", "q2-new""#).await;
    Scene::offer(&scene.forge(), &[Package::new("extdep", "1.0"), Package::new("helper", "1.0")]);
    let lib = |version: &str| Package::new("q2-lib", version).test("true\n");
    let new = |version: &str, test: &str| {
        Package::new("q2-new", version).depends(&["extdep", "q2-lib"]).test(test).test_needs(&["helper"])
    };
    let both = |version: &str| {
        let members = ["q2-lib", "q2-new"].map(|name| format!("{name} {version} 0"));
        Package::new("qiime2-tiny", version).depends(&[&members[0], &members[1]])
    };
    Scene::offer(&scene.staged(), &[lib("1.0"), new("1.0", "true\n"), both("1.0")]);
    let green = scene.next_day("recheck").await;
    assert_eq!(green.summary.as_deref(), Some("qiime2-tiny 1.0 passes: 2 green"), "{green:?}");

    Scene::offer(&scene.forge(), &[Package::new("extdep", "2.0")]);
    Scene::offer(&scene.staged(), &[lib("1.1"), new("1.1", "false\n"), both("1.1")]);
    let drifted = scene.next_day("recheck").await;
    assert_eq!(drifted.state, RunState::Done, "{drifted:?}");
    assert_eq!(faults(&scene).await, ["q2-lib green: null", r#"q2-new red: ["q2-new 1.0 → 1.1"]"#]);
}

#[tokio::test]
async fn where_the_old_files_are_gone_nothing_is_blamed() {
    if !bubblewrap() {
        return;
    }
    let scene = six_drifted().await;
    for name in EXTERNALS {
        std::fs::remove_file(scene.forge().join(format!("noarch/{name}-1.0-0.tar.bz2"))).unwrap();
    }
    Scene::offer(&scene.forge(), &[]);
    let drifted = scene.next_day("recheck").await;
    assert_eq!(drifted.state, RunState::Done, "{drifted:?}");
    assert_eq!(faults(&scene).await, ["q2-alone red: null", "q2-pair red: null", "q2-steady green: null"]);
    insta::with_settings!({filters => vec![("[0-9a-f]{64}", "<digest>")]}, {
        insta::assert_snapshot!("explain_inseparable_changes", scene.says(&["explain", "q2-alone"]));
    });
}

#[test]
fn a_search_that_was_killed_goes_on_and_tests_nothing_twice() {
    if !bubblewrap() {
        return;
    }
    let runtime = || tokio::runtime::Runtime::new().unwrap();
    // The red ones are seen twice each before a search begins, the steady one once.
    let before_the_search = 5;
    let (doomed, survivor) = (runtime(), runtime());
    let scene = doomed.block_on(six_drifted());
    let killed_at = doomed.block_on(async {
        let middle = async {
            loop {
                let ended = scene.tests_by_run().await.get(&2).copied().unwrap_or(0);
                if ended >= before_the_search + 3 {
                    return ended;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            run = scene.next_day("recheck") => panic!("it was not killed: {run:?}"),
            ended = middle => ended,
        }
    });
    doomed.shutdown_timeout(Duration::ZERO);
    survivor.block_on(async {
        let scene = scene.after_a_crash().await;
        let run = scene.next_day("recheck").await;
        assert_eq!(run.state, RunState::Done, "{run:?}");
        assert_eq!(faults(&scene).await, FOUND);
        let tests = scene.tests_by_run().await;
        assert!(tests[&2] >= killed_at && tests[&3] > 0, "both runs had their part: {tests:?}");
        let enough = ["pass", "fail fail"];
        let results = scene.results_by_environment().await;
        assert!(results.iter().all(|results| enough.contains(&results.as_str())), "{results:?}");
    });
}
