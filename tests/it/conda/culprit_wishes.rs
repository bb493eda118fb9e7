//! The change at fault, looked for because a person asked, where the job looks for nothing by itself.

use tidegate::store::RunState;

use super::culprit::{ALONE, externals, faults};
use super::real::bubblewrap;
use super::scene::{Package, Scene};

/// A member that six drifts broke, and a job that looks for no culprit.
async fn nobody_looked() -> Scene {
    let mut scene = Scene::new(r#""q2-alone", "q2-steady""#).await;
    scene.limits = "culprit_tests = 0";
    Scene::offer(&scene.forge(), &externals("1.0"));
    let member =
        |name: &str, test: &str| Package::new(name, "1.0").depends(&super::culprit::EXTERNALS).test(test);
    let metapackage = Package::new("qiime2-tiny", "2026.10").depends(&["q2-alone 1.0 0", "q2-steady 1.0 0"]);
    Scene::offer(&scene.staged(), &[member("q2-alone", ALONE), member("q2-steady", "true\n"), metapackage]);
    assert_eq!(scene.next_day("recheck").await.state, RunState::Done);
    Scene::offer(&scene.forge(), &externals("2.0"));
    assert_eq!(scene.next_day("recheck").await.state, RunState::Done);
    scene
}

/// What an operator is told of a wish.
fn ask(scene: &Scene, arguments: &[&str]) -> (bool, String) {
    let all = ["recheck", "culprit", "recheck"].iter().chain(arguments).copied();
    let output = scene.command(&all.collect::<Vec<_>>()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

/// The paragraph about wishes of what `explain` says, without its times.
fn explained(scene: &Scene, member: &str) -> String {
    let said = scene.says(&["explain", member]);
    let from = said.find("what broke").map_or("", |at| &said[at..]);
    from.split("\n\n").next().unwrap().trim_end().to_owned()
}

const TIMES: [(&str, &str); 1] = [(r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "<time>")];

#[tokio::test]
async fn a_person_asks_what_broke_a_member_and_the_next_pass_answers() {
    if !bubblewrap() {
        return;
    }
    let scene = nobody_looked().await;
    assert_eq!(faults(&scene).await, ["q2-alone red: null", "q2-steady green: null"]);
    assert_eq!(scene.next_day("recheck").await.state, RunState::Unchanged);

    let reason = ["--by", "ada", "--reason", "which of the six is it?"];
    let (done, said) = ask(&scene, &[&["q2-alone"], reason.as_slice()].concat());
    assert!(done, "{said}");
    insta::assert_snapshot!(said, @"the next pass of recheck looks for the change that broke q2-alone (tests at most: 20)");
    let (done, again) = ask(&scene, &["q2-alone", "--by", "grace"]);
    assert!(done, "{again}");
    insta::with_settings!({filters => TIMES.to_vec()}, {
        insta::assert_snapshot!(again, @"ada asked for that already, at <time>: the next pass of recheck looks for it");
        insta::assert_snapshot!(explained(&scene, "q2-alone"), @r"
        what broke q2-alone in tiny, asked of recheck
          asked        <time> by ada: which of the six is it?
          search       every platform; tests at most: 20
          answer       none yet: the next pass of recheck looks for it
        ");
    });

    // Nothing outside has changed, and yet the pass takes it up.
    let searched = scene.next_day("recheck").await;
    assert_eq!(searched.state, RunState::Done, "{searched:?}");
    assert_eq!(faults(&scene).await, [r#"q2-alone red: ["dep3 1.0 → 2.0"]"#, "q2-steady green: null"]);
    insta::with_settings!({filters => TIMES.to_vec()}, {
        insta::assert_snapshot!(explained(&scene, "q2-alone"), @r"
        what broke q2-alone in tiny, asked of recheck
          asked        <time> by ada: which of the six is it?
          search       every platform; tests at most: 20
          answer       on linux-64 (latest): at fault is dep3 1.0 → 2.0 (<time>)
        ");
    });
    let mut told: Vec<String> = scene
        .says(&["events", "--kind", "culprit-wish"])
        .lines()
        .map(|line| line.split_once("  ").unwrap().1.trim().to_owned())
        .collect();
    // The command has the time of this machine, and the pass that of the scene.
    told.sort();
    insta::assert_snapshot!(told.join("\n"), @r"
    ada asked what broke q2-alone: on linux-64 (latest): at fault is dep3 1.0 → 2.0
    ada asks what broke q2-alone: which of the six is it?
    ");
    assert!(scene.says(&["replay", &searched.id.0.to_string()]).contains("the same plan again"));

    // What was found stays known, and nobody looks again.
    let tests = scene.tests_by_run().await;
    assert_eq!(scene.next_day("recheck").await.state, RunState::Unchanged);
    let (done, said) = ask(&scene, &["q2-alone"]);
    assert!(done, "{said}");
    scene.next_day("recheck").await;
    assert_eq!(scene.tests_by_run().await, tests, "what is known is told without a test");
}

#[tokio::test]
async fn a_wish_that_allows_too_few_tests_says_among_what_the_fault_lies() {
    if !bubblewrap() {
        return;
    }
    let scene = nobody_looked().await;
    assert!(ask(&scene, &["q2-alone", "--tests", "1", "--platform", "linux-64"]).0);
    assert!(ask(&scene, &["q2-steady"]).0);
    scene.next_day("recheck").await;
    insta::with_settings!({filters => TIMES.to_vec()}, {
        insta::assert_snapshot!(explained(&scene, "q2-alone"), @r"
        what broke q2-alone in tiny, asked of recheck
          asked        <time> by somebody: to know which change broke it
          search       linux-64; tests at most: 1
          answer       on linux-64 (latest): the fault lies among dep1 1.0 → 2.0, dep2 1.0 → 2.0, dep3 1.0 → 2.0, which were not told apart, since the tests that were allowed were used up (<time>)
        ");
        insta::assert_snapshot!(explained(&scene, "q2-steady"), @r"
        what broke q2-steady in tiny, asked of recheck
          asked        <time> by somebody: to know which change broke it
          search       every platform; tests at most: 20
          answer       on linux-64 (latest): it is not red (<time>)
        ");
    });
    assert!(ask(&scene, &["q2-alone", "--tests", "50"]).0);
    scene.next_day("recheck").await;
    assert_eq!(faults(&scene).await[0], r#"q2-alone red: ["dep3 1.0 → 2.0"]"#);
}

#[test]
fn a_search_that_was_asked_for_and_killed_goes_on_and_is_answered_once() {
    if !bubblewrap() {
        return;
    }
    let runtime = || tokio::runtime::Runtime::new().unwrap();
    let (doomed, survivor) = (runtime(), runtime());
    let scene = doomed.block_on(nobody_looked());
    assert!(ask(&scene, &["q2-alone"]).0);
    doomed.block_on(async {
        let middle = async {
            while scene.tests_by_run().await.values().sum::<i64>() < 7 {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            run = scene.next_day("recheck") => panic!("it was not killed: {run:?}"),
            () = middle => {}
        }
    });
    doomed.shutdown_timeout(std::time::Duration::ZERO);
    survivor.block_on(async {
        let scene = scene.after_a_crash().await;
        assert_eq!(scene.next_day("recheck").await.state, RunState::Done);
        assert_eq!(faults(&scene).await[0], r#"q2-alone red: ["dep3 1.0 → 2.0"]"#);
        let results = scene.results_by_environment().await;
        assert!(results.iter().all(|one| ["pass", "fail fail"].contains(&one.as_str())), "{results:?}");
        let events = scene.events().await;
        assert_eq!(events.iter().filter(|event| event.body["action"] == "answered").count(), 1);
    });
}

#[tokio::test]
async fn a_wish_about_nothing_that_there_is_is_refused_with_the_nearest_name() {
    let scene = Scene::new(r#""q2-alone", "q2-steady""#).await;
    let told = [
        ask(&scene, &["q2-alon"]),
        ask(&scene, &["q2-alone", "--platform", "osx-64"]),
        ask(&scene, &["q2-alone", "--reason", " "]),
    ];
    assert!(told.iter().all(|(done, _)| !done));
    insta::assert_snapshot!(told.map(|(_, said)| said).concat(), @r"
    error: there is no member `q2-alon`
    hint: did you mean `q2-alone`?
    error: there is no platform `osx-64`
    hint: the platforms are `linux-64`
    error: a reason is needed: it is kept and shown
    ");
    let output = scene.command(&["recheck", "culprit", "integrate", "q2-alone"]).output().unwrap();
    insta::assert_snapshot!(String::from_utf8(output.stderr).unwrap(), @"error: integrate is a job of the kind `integrate`, and no recheck of conda packages");
}
