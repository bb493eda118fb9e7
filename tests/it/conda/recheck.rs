//! The members of a metapackage tested again: with real archives, real solves and real tests on this
//! machine's engine.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tidegate::store::RunState;

use super::real::bubblewrap;
use super::scene::{Package, Scene};
use crate::engine::actions::{Actions, REPOSITORY};
use crate::engine::made::serve;
use crate::engine::slurm::cluster;

const GOOD: &str = "set -e\ntest -f $PREFIX/share/extdep.txt\n";
/// Works with the first version of extdep only.
const PICKY: &str = "grep -q '^1' $PREFIX/share/extdep.txt\n";

pub fn metapackage(version: &str, depends: &[&str]) -> Package {
    Package::new("qiime2-tiny", version).depends(depends)
}

/// Four members, one for each way in which a test can come out, in both modes.
async fn four_ways(mut scene: Scene) {
    scene.modes = r#""latest", "pinned""#;
    Scene::offer(
        &scene.forge(),
        &[Package::new("extdep", "1.0"), Package::new("extdep", "2.0"), Package::new("helper", "1")],
    );
    Scene::offer(
        &scene.staged(),
        &[
            Package::new("q2-good", "1.0").depends(&["extdep >=1.0"]).test(GOOD).test_needs(&["helper"]),
            Package::new("q2-bad", "1.0").depends(&["extdep >=1.0"]).test("echo about to fail; exit 3\n"),
            Package::new("q2-unsat", "1.0").depends(&["extdep >=3"]).test("true\n"),
            Package::new("q2-notest", "1.0").depends(&["extdep"]),
            metapackage("2026.10", &["q2-good 1.0 0", "q2-bad 1.0 0", "q2-unsat 1.0 0", "q2-notest 1.0 0"]),
        ],
    );
    let run = scene.next_day("recheck").await;
    assert_eq!(run.state, RunState::Done, "{run:?}");
    let states: Vec<String> =
        scene.states().await.into_iter().map(|(case, state)| format!("{case}: {state}")).collect();
    let told = scene.told().await.join("\n");
    insta::allow_duplicates! {
        insta::assert_snapshot!(states.join("\n"), @r"
        q2-bad latest: red
        q2-bad pinned: red
        q2-good latest: green
        q2-good pinned: green
        q2-notest latest: no-tests
        q2-notest pinned: no-tests
        q2-unsat latest: red
        q2-unsat pinned: red
        ");
        insta::assert_snapshot!(
            run.summary.unwrap(),
            @"qiime2-tiny 2026.10 does not pass: 2 green, 4 red, 2 without tests"
        );
        insta::assert_snapshot!(told, @r"
        q2-bad: new to red []
        q2-bad: new to red []
        q2-notest: new to no-tests []
        q2-notest: new to no-tests []
        q2-unsat: new to red []
        q2-unsat: new to red []
        ");
    }
    assert!(!scene.passed().exists(), "nothing passes");
}

const FOUR: &str = r#""q2-good", "q2-bad", "q2-unsat", "q2-notest""#;

#[tokio::test]
async fn pass_fail_unsatisfiable_and_no_tests_come_out_as_such_on_this_machine() {
    if bubblewrap() {
        four_ways(Scene::new(FOUR).await).await;
    }
}

#[tokio::test]
async fn pass_fail_unsatisfiable_and_no_tests_come_out_as_such_on_a_cluster() {
    let Some(cluster) = cluster() else { return };
    let mut scene = Scene::new(FOUR).await;
    scene.engine = "slurm";
    scene.engines = format!(
        "[engine.slurm]\nfolder = \"{}\"\nprogram = \"{}\"\nconfiguration = \"{}\"\n",
        cluster.shared().display(),
        env!("CARGO_BIN_EXE_tidegate"),
        cluster.configuration().display()
    );
    four_ways(scene).await;
}

/// The recorded channel of known outcomes, and a metapackage as QIIME 2 writes them: lines without builds, which
/// cannot be installed as a whole since one member asks for what is nowhere.
#[tokio::test]
async fn the_recorded_channel_comes_out_as_recorded_in_both_modes() {
    if !bubblewrap() {
        return;
    }
    let mut scene = Scene::new(FOUR).await;
    scene.modes = r#""latest", "pinned""#;
    let recorded =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/conda/recheck-channel/channel/noarch");
    Scene::offer(&scene.forge(), &[]);
    let files =
        ["q2-good", "q2-bad", "q2-unsat", "q2-notest"].map(|name| format!("{name}-2023.7.0-0.tar.bz2"));
    let externals = ["extdep-1.0-0.tar.bz2", "extdep-2.0-0.tar.bz2", "helper-0.1-0.tar.bz2"];
    let names: Vec<&str> = files.iter().map(String::as_str).chain(externals).collect();
    Scene::copy(&scene.staged(), &recorded, &names);
    let lines = [
        "q2-good 2023.7.0.*",
        "q2-bad 2023.7.0.*",
        "q2-unsat 2023.7.0.*",
        "q2-notest 2023.7.0.*",
        "extdep 1.0.*",
    ];
    Scene::offer(&scene.staged(), &[metapackage("2023.08.14.20.23.00", &lines)]);
    let run = scene.next_day("recheck").await;
    assert_eq!(run.state, RunState::Done, "{run:?}");
    let states: Vec<String> =
        scene.states().await.into_iter().map(|(case, state)| format!("{case}: {state}")).collect();
    insta::assert_snapshot!(states.join("\n"), @r"
    q2-bad latest: red
    q2-bad pinned: red
    q2-good latest: green
    q2-good pinned: green
    q2-notest latest: no-tests
    q2-notest pinned: no-tests
    q2-unsat latest: red
    q2-unsat pinned: red
    ");
    let why = |member: &str| {
        let said = scene.says(&["explain", member]);
        said.lines().find(|line| line.trim_start().starts_with("why")).unwrap().trim().to_owned()
    };
    insta::assert_snapshot!(why("q2-bad"), @"why          Test command 1 ended with 3: about to fail.");
    insta::assert_snapshot!(why("q2-unsat"), @"why          No environment can be found: No candidates were found for extdep >=3.");
    let good = scene.says(&["show", &run.id.0.to_string(), "--log", "q2-good"]);
    assert!(good.contains("TEST-RAN-OK"), "{good}");
    assert!(!scene.passed().exists(), "nothing passes");
}

#[tokio::test]
async fn members_whose_tests_are_not_known_are_named_and_the_others_are_tested() {
    if !bubblewrap() {
        return;
    }
    let scene = Scene::new(r#""q2-good", "q2-perl", "q2-several", "q2-torn""#).await;
    Scene::offer(&scene.forge(), &[Package::new("extdep", "1.0")]);
    let declares =
        |name: &str, tests: &str| Package::new(name, "1.0").and_file("info/tests/tests.yaml", tests);
    Scene::offer(
        &scene.staged(),
        &[
            Package::new("q2-good", "1.0").depends(&["extdep"]).test("true\n"),
            declares("q2-perl", "- perl:\n    uses: [Test]\n"),
            declares("q2-several", "- python:\n    imports: [q2]\n    python_version: ['3.9', '3.10']\n"),
            Package::new("q2-torn", "1.0").test("true\n"),
            metapackage("2026.10", &["q2-good 1.0 0", "q2-perl 1.0 0", "q2-several 1.0 0", "q2-torn 1.0 0"]),
        ],
    );
    // Cut off after it was indexed, as a disk may do it.
    let torn = scene.staged().join("noarch/q2-torn-1.0-0.tar.bz2");
    let bytes = std::fs::read(&torn).unwrap();
    std::fs::write(&torn, &bytes[..bytes.len() / 2]).unwrap();
    let run = scene.next_day("recheck").await;
    assert_eq!(run.state, RunState::Done, "{run:?}");
    insta::assert_snapshot!(run.summary.unwrap(), @"qiime2-tiny 2026.10 does not pass: 1 green, 3 unknown");
    let states: Vec<String> =
        scene.states().await.into_iter().map(|(case, state)| format!("{case}: {state}")).collect();
    insta::assert_snapshot!(states.join("\n"), @r"
    q2-good latest: green
    q2-perl latest: unknown
    q2-several latest: unknown
    q2-torn latest: unknown
    ");
    assert_eq!(scene.told().await, [""; 0], "nobody is blamed");
    assert!(!scene.passed().exists(), "nothing passes");
    let why = |member: &str| {
        let said = scene.says(&["explain", member]);
        said.lines().find(|line| line.trim_start().starts_with("why")).unwrap().trim().to_owned()
    };
    insta::assert_snapshot!(["q2-perl", "q2-several"].map(why).join("\n"), @r"
    why          Its tests are not known: info/tests/tests.yaml: tests of the kind `perl` cannot be run here.
    why          Its tests are not known: info/tests/tests.yaml: tests of the kind `python.python_version with several versions` cannot be run here.
    ");
    assert!(why("q2-torn").contains("Its tests are not known: cannot read"), "{}", why("q2-torn"));

    std::fs::write(&torn, &bytes).unwrap();
    let mended = scene.next_day("recheck").await;
    insta::assert_snapshot!(mended.summary.unwrap(), @"qiime2-tiny 2026.10 does not pass: 2 green, 2 unknown; 1 not tested again in the same environment");
}

#[tokio::test]
async fn members_that_are_well_one_by_one_do_not_pass_where_they_exclude_each_other() {
    if !bubblewrap() {
        return;
    }
    let scene = Scene::new(r#""q2-new", "q2-old""#).await;
    Scene::offer(&scene.forge(), &[Package::new("extdep", "1.0"), Package::new("extdep", "2.0")]);
    let member = |name: &str, range: &str| Package::new(name, "1.0").depends(&[range]).test("true\n");
    Scene::offer(
        &scene.staged(),
        &[
            member("q2-new", "extdep >=2"),
            member("q2-old", "extdep <2"),
            metapackage("2026.10.01", &["q2-new 1.0.*", "q2-old 1.0.*"]),
        ],
    );
    let run = scene.next_day("recheck").await;
    insta::assert_snapshot!(run.summary.unwrap(), @"qiime2-tiny 2026.10.01 does not pass, since it cannot be installed as a whole on linux-64 (`q2-new 1.0.*` and `q2-old 1.0.*` exclude each other): 2 green");
    assert!(!scene.passed().exists(), "nobody could install it");
    assert_eq!(scene.next_day("recheck").await.state, RunState::Unchanged);

    Scene::offer(&scene.staged(), &[metapackage("2026.10.02", &["q2-new 1.0.*", "q2-old 1.1.*"])]);
    Scene::offer(&scene.staged(), &[Package::new("q2-old", "1.1").depends(&["extdep"]).test("true\n")]);
    let run = scene.next_day("recheck").await;
    insta::assert_snapshot!(run.summary.unwrap(), @"qiime2-tiny 2026.10.02 passes: 2 green; 1 not tested again in the same environment");
}

/// The scene with its tests on GitHub Actions, which reach its channels over HTTP.
pub async fn on_github_actions(mut scene: Scene) -> (Scene, Actions) {
    let actions = Actions::new(scene.clock.clone()).await;
    scene.engine = "github-actions";
    scene.engines = format!(
        "[engine.github-actions]\nrepository = \"{REPOSITORY}\"\ninterval = \"1s\"\n\
         [[engine.github-actions.served]]\nfolder = \"{}\"\naddress = \"{}\"\n",
        scene.channels().display(),
        serve(scene.channels()),
    );
    scene.github = Some(Arc::clone(&actions.simulated).serve().await.unwrap());
    (scene, actions)
}

#[tokio::test(flavor = "multi_thread")]
async fn pass_fail_unsatisfiable_and_no_tests_come_out_as_such_on_github_actions() {
    if !bubblewrap() {
        return;
    }
    let (scene, actions) = on_github_actions(Scene::new(FOUR).await).await;
    let _runner = actions.carry_out_always();
    four_ways(scene).await;
    assert_eq!(actions.simulated.violations(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recheck_that_was_stopped_takes_its_runs_on_github_actions_up_again() {
    if !bubblewrap() {
        return;
    }
    let (scene, actions) = on_github_actions(Scene::new(r#""q2-one", "q2-two""#).await).await;
    Scene::offer(&scene.forge(), &[Package::new("extdep", "1.0")]);
    let member = |name: &str| Package::new(name, "1.0").depends(&["extdep"]).test("true\n");
    Scene::offer(
        &scene.staged(),
        &[member("q2-one"), member("q2-two"), metapackage("2026.10.01", &["q2-one 1.0 0", "q2-two 1.0 0"])],
    );
    let stopped = scene.pass_stopped_after("recheck", Duration::from_secs(3)).await;
    assert_ne!(stopped.state, RunState::Done, "{stopped:?}");
    assert_eq!(actions.runs().len(), 2);

    let mut next = scene.after_a_crash().await;
    next.github = Some(Arc::clone(&actions.simulated).serve().await.unwrap());
    let _runner = actions.carry_out_always();
    let run = next.next_day("recheck").await;
    insta::assert_snapshot!(run.summary.unwrap(), @"qiime2-tiny 2026.10.01 passes: 2 green");
    assert_eq!(actions.runs().len(), 2, "neither was asked for twice");
    assert_eq!(actions.simulated.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn what_drifts_turns_exactly_its_victim_red_and_a_fix_lets_everything_pass() {
    if !bubblewrap() {
        return;
    }
    let scene = Scene::new(r#""q2-picky", "q2-steady""#).await;
    let external =
        |version: &str| Package::new("extdep", version).file("share/extdep.txt", &format!("{version}\n"));
    Scene::offer(&scene.forge(), &[external("1.0"), Package::new("other", "1.0")]);
    let picky = |version: &str, range: &str| Package::new("q2-picky", version).depends(&[range]).test(PICKY);
    Scene::offer(
        &scene.staged(),
        &[
            picky("1.0", "extdep"),
            Package::new("q2-steady", "1.0").depends(&["other"]).test("true\n"),
            metapackage("2026.10.01", &["q2-picky 1.0 0", "q2-steady 1.0 0"]),
        ],
    );
    let first = scene.next_day("recheck").await;
    insta::assert_snapshot!(first.summary.unwrap(), @"qiime2-tiny 2026.10.01 passes: 2 green");
    let passed = Scene::files(&scene.passed());
    assert_eq!(passed, Scene::files(&scene.staged()));

    let unchanged = scene.next_day("recheck").await;
    assert_eq!(unchanged.state, RunState::Unchanged);

    Scene::offer(&scene.forge(), &[external("2.0")]);
    let drifted = scene.next_day("recheck").await;
    insta::assert_snapshot!(drifted.summary.unwrap(), @"qiime2-tiny 2026.10.01 does not pass: 1 green, 1 red; 1 not tested again in the same environment");
    insta::assert_snapshot!(scene.told().await.join("\n"), @"q2-picky: green to red [extdep 1.0 → 2.0]");
    insta::with_settings!({filters => vec![("[0-9a-f]{64}", "<digest>")]}, {
        insta::assert_snapshot!("explain_what_drifted", scene.says(&["explain", "q2-picky"]));
        insta::assert_snapshot!("show_what_drifted", scene.says(&["show", &drifted.id.0.to_string()]));
    });
    let log = scene.says(&["show", &drifted.id.0.to_string(), "--log", "q2-picky"]);
    assert!(log.contains("verdict: failed, test command 1 ended with 1"), "{log}");
    let list = scene.says(&["show", &drifted.id.0.to_string(), "--environment", "q2-picky"]);
    let last: Vec<&str> =
        list.lines().map(|line| line.rsplit('/').next().unwrap().split('#').next().unwrap()).collect();
    assert_eq!(last[1..], ["@EXPLICIT", "extdep-2.0-0.tar.bz2", "q2-picky-1.0-0.tar.bz2"], "{list}");
    assert!(scene.says(&["replay", &drifted.id.0.to_string()]).contains("the same plan again"));
    assert_eq!(Scene::files(&scene.passed()), passed, "what passed stays");

    Scene::offer(
        &scene.staged(),
        &[picky("1.1", "extdep <2"), metapackage("2026.10.02", &["q2-picky 1.1 0", "q2-steady 1.0 0"])],
    );
    let fixed = scene.next_day("recheck").await;
    insta::assert_snapshot!(fixed.summary.unwrap(), @"qiime2-tiny 2026.10.02 passes: 2 green; 1 not tested again in the same environment");
    insta::assert_snapshot!(scene.told().await.join("\n"), @r"
    q2-picky: green to red [extdep 1.0 → 2.0]
    q2-picky: red to green []
    ");
    assert_eq!(
        Scene::files(&scene.passed()),
        Scene::files(&scene.staged()),
        "the old files stay beside the new"
    );
}

#[tokio::test]
async fn a_test_that_nobody_wants_any_more_is_ended_and_cleared_away() {
    if !bubblewrap() {
        return;
    }
    let scene = Scene::new(r#""q2-slow""#).await;
    let external =
        |version: &str| Package::new("extdep", version).file("share/extdep.txt", &format!("{version}\n"));
    Scene::offer(&scene.forge(), &[external("1.0")]);
    let slow_with_the_first = "if grep -q '^1' $PREFIX/share/extdep.txt; then sleep 50; fi\n";
    let slow = Package::new("q2-slow", "1.0").depends(&["extdep"]).test(slow_with_the_first);
    Scene::offer(&scene.staged(), &[slow, metapackage("2026.10", &["q2-slow 1.0 0"])]);
    scene.pass_stopped_after("recheck", std::time::Duration::from_secs(3)).await;
    assert_eq!(scene.assignments(), 1, "its test goes on without the daemon");

    Scene::offer(&scene.forge(), &[external("2.0")]);
    let run = scene.next_day("recheck").await;
    insta::assert_snapshot!(run.summary.unwrap(), @"qiime2-tiny 2026.10 passes: 1 green");
    assert_eq!(scene.assignments(), 0);
}

#[tokio::test]
async fn a_member_that_the_metapackage_does_not_hold_yet_is_waited_for() {
    let scene = Scene::new(r#""q2-types", "q2-new""#).await;
    Scene::offer(&scene.forge(), &[]);
    let types = Package::new("q2-types", "1.0").test("true\n");
    Scene::offer(&scene.staged(), &[types, metapackage("2026.10", &["q2-types 1.0 0"])]);
    let run = scene.next_day("recheck").await;
    assert_eq!(run.state, RunState::Skipped, "{run:?}");
    insta::assert_snapshot!(run.summary.or(run.error).unwrap_or_default(), @"qiime2-tiny 2026.10 0 waits for the next one: q2-new is declared as a member, but the metapackage does not depend on it");
}

/// A member whose test is this script, tested within these limits; how it stands, and the test's log.
async fn tested_within(limits: &'static str, script: &str) -> (String, String) {
    let mut scene = Scene::new(r#""q2-types""#).await;
    scene.limits = limits;
    Scene::offer(&scene.forge(), &[]);
    let packages =
        [Package::new("q2-types", "1.0").test(script), metapackage("2026.10", &["q2-types 1.0 0"])];
    Scene::offer(&scene.staged(), &packages);
    let run = scene.next_day("recheck").await;
    let state = scene.states().await.remove("q2-types latest").unwrap();
    (state, scene.says(&["show", &run.id.to_string(), "--log", "q2-types"]))
}

#[tokio::test]
async fn tests_reach_the_network_only_where_the_job_says_so() {
    if !bubblewrap() {
        return;
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let script = format!("bash -c 'echo > /dev/tcp/127.0.0.1/{}'\n", listener.local_addr().unwrap().port());
    assert_eq!(tested_within("", &script).await.0, "red");
    assert_eq!(tested_within("network = \"denied\"", &script).await.0, "red");
    assert_eq!(tested_within("network = \"allowed\"", &script).await.0, "green");
}

#[tokio::test]
async fn what_tests_print_and_write_is_limited_by_the_job() {
    if !bubblewrap() {
        return;
    }
    let (state, log) = tested_within("test_output = 1", "yes tide | head -c 3000000\n").await;
    assert_eq!(state, "green", "{log}");
    assert!(log.contains("[tidegate] cut here: the limit is 1048576 bytes"), "{}", &log[log.len() - 200..]);
    let write = "head -c 100000000 /dev/zero > $TMPDIR/large\n";
    let (state, log) = tested_within("test_disk = 64", write).await;
    assert_eq!(state, "red", "{log}");
    assert!(log.contains("File size limit exceeded"), "{log}");
}
