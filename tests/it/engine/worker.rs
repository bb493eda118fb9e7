//! What a package's tests come to.

use tidegate::domain::{FailedStep, TestVerdict};

use super::made::{Place, Record, command, conda_test, log_of, recheck_channel, report_of, serve, there};

fn members(file_name: &str) -> Vec<Record> {
    let beside = ["extdep-2.0-0.tar.bz2", "helper-0.1-0.tar.bz2"];
    [file_name].into_iter().chain(beside).map(Record::of_recheck_channel).collect()
}

#[tokio::test]
async fn a_package_whose_tests_pass_passes_and_leaves_only_its_report_and_log() {
    if !there("bwrap") {
        return;
    }
    let place = Place::new();
    let report = report_of(&place, &conda_test("good", &members("q2-good-2023.7.0-0.tar.bz2"))).await;
    assert_eq!(report.verdict, TestVerdict::Pass);
    assert_eq!((report.key.as_deref(), report.exit), (Some("good"), Some(0)));
    assert!(log_of(&place, "good").contains("TEST-RAN-OK"));
    let mut left: Vec<String> = std::fs::read_dir(place.root().join("good"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(
        left,
        ["assignment.json", "begun.json", "log.txt", "result.json", "worker.lock", "worker.log"]
    );
}

#[tokio::test]
async fn a_failing_test_is_told_with_its_step_its_exit_and_what_it_said() {
    if !there("bwrap") {
        return;
    }
    let place = Place::new();
    let report = report_of(&place, &conda_test("bad", &members("q2-bad-2023.7.0-0.tar.bz2"))).await;
    let step = FailedStep::Command { number: 1, command: "bash -e run_test.sh".into(), exit: Some(3) };
    assert_eq!(report.verdict, TestVerdict::Fail { step, detail: "about to fail".into() });
    insta::assert_snapshot!(log_of(&place, "bad"), @r"
    [tidegate] q2-bad 2023.7.0 0 on linux-64, among 3 packages
    [tidegate] step 1 of 1: bash -e run_test.sh
    about to fail
    [tidegate] verdict: failed, test command 1 ended with 3
    ");
}

#[tokio::test]
async fn a_package_without_tests_has_a_verdict_of_its_own() {
    if !there("bwrap") {
        return;
    }
    let place = Place::new();
    let report = report_of(&place, &conda_test("none", &members("q2-notest-2023.7.0-0.tar.bz2"))).await;
    assert_eq!((report.verdict, report.exit), (TestVerdict::NoTests, None));
}

#[tokio::test]
async fn a_package_with_another_sum_than_its_index_says_is_nothing_known_of_it() {
    if !there("bwrap") {
        return;
    }
    let place = Place::new();
    let wrong = Record::of_recheck_channel("helper-0.1-0.tar.bz2").with_sha256(&"ab".repeat(32));
    let records = [Record::of_recheck_channel("q2-good-2023.7.0-0.tar.bz2"), wrong];
    let report = report_of(&place, &conda_test("sum", &records)).await;
    let TestVerdict::Infrastructure { why } = report.verdict else { panic!("{:?}", report.verdict) };
    assert!(why.starts_with("helper-0.1-0.tar.bz2 is not what its channel's index says"), "{why}");
}

#[tokio::test]
async fn an_environment_that_is_too_large_is_nothing_known_of_the_package() {
    if !there("bwrap") {
        return;
    }
    let place = Place::new();
    let large = place.package("large", &[("share/large", &"x".repeat(2_000_000))]);
    let test = place.package("small", &[("info/test/run_test.sh", "true\n")]);
    let mut assignment = conda_test("large", &[test, large]);
    assignment.limits.disk = 1_000_000;
    let why = "this machine cannot install the environment: the environment alone takes more than 1000000 \
               bytes of disk"
        .to_owned();
    assert_eq!(report_of(&place, &assignment).await.verdict, TestVerdict::Infrastructure { why });
}

#[tokio::test]
async fn imports_and_commands_run_in_the_activated_environment() {
    if !there("bwrap") {
        return;
    }
    let place = Place::new();
    // An interpreter that knows one module.
    let python = place.package(
        "python",
        &[
            (
                "bin/python",
                "#!/bin/bash\ntest \"${@: -1}\" = known || { echo \"no module ${@: -1}\"; exit 1; }\n",
            ),
            ("etc/conda/activate.d/python.sh", "export GREETING=hello\n"),
        ],
    );
    let recipe = "test:\n  imports: [known]\n  commands:\n    - test \"$GREETING $PKG_NAME\" = 'hello fine'\n    - \
                  test -d \"$PREFIX\" && test \"$PWD\" = \"$SRC_DIR\"\n";
    let fine = place.package("fine", &[("info/recipe/meta.yaml", recipe)]);
    let report = report_of(&place, &conda_test("fine", &[fine, python.clone()])).await;
    assert_eq!(report.verdict, TestVerdict::Pass, "{}", log_of(&place, "fine"));

    let recipe = "test:\n  imports: [known, missing]\n  commands: [exit 9]\n";
    let lacking = place.package("lacking", &[("info/recipe/meta.yaml", recipe)]);
    let report = report_of(&place, &conda_test("lacking", &[lacking, python.clone()])).await;
    let step = FailedStep::Import("missing".into());
    assert_eq!(report.verdict, TestVerdict::Fail { step, detail: "no module missing".into() });

    let recipe = "test:\n  imports: [known]\n  commands: ['true', 'kill -SEGV $$', 'true']\n";
    let crashing = place.package("crashing", &[("info/recipe/meta.yaml", recipe)]);
    let report = report_of(&place, &conda_test("crashing", &[crashing, python])).await;
    let step = FailedStep::Command { number: 2, command: "kill -SEGV $$".into(), exit: None };
    let TestVerdict::Fail { step: failed, detail } = report.verdict else { panic!("{:?}", report.verdict) };
    assert_eq!(failed, step);
    assert!(detail.starts_with("ended by signal 11"), "{detail}");
}

#[tokio::test]
async fn post_link_scripts_run_before_the_tests_and_inside_the_sandbox() {
    if !there("bwrap") {
        return;
    }
    let place = Place::new();
    let linked =
        place.package("linked", &[("bin/.linked-post-link.sh", "echo \"$PKG_NAME\" > \"$PREFIX/linked\"\n")]);
    let test = place
        .package("member", &[("info/test/run_test.sh", "test \"$(cat \"$PREFIX/linked\")\" = linked\n")]);
    let report = report_of(&place, &conda_test("linked", &[test.clone(), linked])).await;
    assert_eq!(report.verdict, TestVerdict::Pass, "{}", log_of(&place, "linked"));

    let broken = place.package("broken", &[("bin/.broken-post-link.sh", "echo no such mirror; exit 1\n")]);
    let report = report_of(&place, &conda_test("broken", &[test, broken])).await;
    let detail = "no such mirror".to_owned();
    assert_eq!(report.verdict, TestVerdict::Fail { step: FailedStep::Install, detail });
}

#[tokio::test]
async fn a_kind_of_test_that_cannot_be_run_is_not_taken_for_a_pass() {
    if !there("bwrap") {
        return;
    }
    let place = Place::new();
    let tests = "- python:\n    imports: [a]\n- downstream: other\n";
    let package = place.package("odd", &[("info/tests/tests.yaml", tests)]);
    let report = report_of(&place, &conda_test("odd", &[package])).await;
    let why = "info/tests/tests.yaml: tests of the kind `downstream` cannot be run here".to_owned();
    assert_eq!(report.verdict, TestVerdict::Infrastructure { why });
}

#[tokio::test]
async fn tests_cannot_spoil_the_cache_for_the_next_environment() {
    if !there("bwrap") {
        return;
    }
    let place = Place::new();
    let shared = place.package("shared", &[("share/data.txt", "original\n")]);
    let rude =
        place.package("rude", &[("info/test/run_test.sh", "echo spoilt > \"$PREFIX/share/data.txt\"\n")]);
    let next =
        place.package("next", &[("info/test/run_test.sh", "grep -qx original \"$PREFIX/share/data.txt\"\n")]);
    let report = report_of(&place, &conda_test("rude", &[rude, shared.clone()])).await;
    assert_eq!(report.verdict, TestVerdict::Pass);
    let report = report_of(&place, &conda_test("next", &[next, shared])).await;
    assert_eq!(report.verdict, TestVerdict::Pass);
}

#[tokio::test]
async fn a_plain_command_finds_its_input_and_fails_with_its_own_exit() {
    if !there("bwrap") {
        return;
    }
    let place = Place::new();
    let assignment = command("plain", "cat greeting; exit 4");
    let folder = place.assign(&assignment);
    std::fs::create_dir(folder.input()).unwrap();
    std::fs::write(folder.input().join("greeting"), "hello\n").unwrap();
    let report = report_of(&place, &assignment).await;
    let step =
        FailedStep::Command { number: 1, command: "bash -c cat greeting; exit 4".into(), exit: Some(4) };
    assert_eq!(report.verdict, TestVerdict::Fail { step, detail: "hello".into() });
}

#[tokio::test]
async fn packages_come_over_http_and_one_that_is_missing_there_is_nothing_known_of_the_member() {
    if !there("bwrap") {
        return;
    }
    let place = Place::new();
    let channel = serve(recheck_channel());
    let served = |name: &str| Record::of_recheck_channel(name).with_url(&format!("{channel}/{name}"));
    let records = ["q2-good-2023.7.0-0.tar.bz2", "extdep-2.0-0.tar.bz2"].map(served);
    let report = report_of(&place, &conda_test("served", &records)).await;
    assert_eq!(report.verdict, TestVerdict::Pass);

    let gone = served("helper-0.1-0.tar.bz2").with_url(&format!("{channel}/gone-0.1-0.tar.bz2"));
    let report = report_of(&place, &conda_test("gone", &[records[0].clone(), gone])).await;
    let TestVerdict::Infrastructure { why } = report.verdict else { panic!("{:?}", report.verdict) };
    assert!(why.contains("helper-0.1-0.tar.bz2") && why.contains("404"), "{why}");
}
