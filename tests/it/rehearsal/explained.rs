//! What `explain` names as root causes in the bundled world, beside a walk over the stored facts; and that what was
//! stored is decided again in the same way.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use jiff::Timestamp;
use serde_json::Value;
use tidegate::digest::sha256_hex;
use tidegate::rehearse::world::World;
use tidegate::store::{Run, Store};

use super::stage::{Played, TWICE_A_DAY, Way};

/// In the dependency freeze just after its shock, later in it, and in the candidate freeze.
const INSTANTS: [&str; 3] = ["2026-04-17T15:00:00Z", "2026-05-03T15:00:00Z", "2026-05-21T15:00:00Z"];
const END: &str = "2026-05-22T00:00:00Z";
const JOBS: [&str; 3] =
    ["r-multiverse-staging", "r-multiverse-staging-status", "r-multiverse-community-status"];

fn says(played: &Played, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    let output = command.arg("--state").arg(&played.left.0).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs of a job that kept what they decided from, oldest first, with that as JSON.
fn decided(played: &Played, job: &str) -> Vec<(Run, Value)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::open_read_only(&played.left.0).await.unwrap();
        let mut runs = store.runs(Some(job), u32::MAX).await.unwrap();
        runs.sort_by_key(|run| run.id);
        let mut decided = Vec::new();
        for run in runs {
            let Some(digest) = &run.input_digest else { continue };
            let input = store.blob(digest).await.unwrap().unwrap();
            decided.push((run, serde_json::from_slice(&input).unwrap()));
        }
        decided
    })
}

/// Everything that a package depends on inside its universe, directly or not, without itself.
fn needs(universe: &Value, package: &str) -> BTreeSet<String> {
    let (mut found, mut next) = (BTreeSet::new(), vec![package.to_owned()]);
    while let Some(name) = next.pop() {
        for need in universe[&name]["dependencies"].as_array().into_iter().flatten() {
            let need = need.as_str().unwrap();
            if need != package && !universe[need].is_null() && found.insert(need.to_owned()) {
                next.push(need.to_owned());
            }
        }
    }
    found
}

fn fails_by_itself(assessment: &Value) -> bool {
    let kinds =
        assessment["issues"].as_array().unwrap().iter().flat_map(|issue| issue.as_object().unwrap().keys());
    kinds.into_iter().any(|kind| kind != "dependencies" && kind != "synchronization")
}

fn unknown_by_itself(assessment: &Value) -> bool {
    let whys = assessment["unknown"].as_array().into_iter().flatten();
    let own = whys.filter(|why| !why.as_str().unwrap().starts_with("it depends on "));
    own.count() > 0 && assessment["issues"].as_array().unwrap().is_empty()
}

/// How many packages were blocked, and of how many nobody could tell because of others.
fn every_root_cause_is_true(played: &Played, at: Timestamp) -> (usize, usize) {
    let (promotions, looks) = (decided(played, JOBS[0]), decided(played, JOBS[1]));
    let (_, facts) = promotions.iter().rfind(|(run, _)| run.started_at <= at).expect("a promotion before");
    let status = &facts["status"]["known"];
    let digest = sha256_hex(&serde_json::to_vec(&typed(status)).unwrap());
    let look = looks.iter().rfind(|(run, _)| run.plan_digest.as_ref() == Some(&digest));
    let universe = &look.expect("the look that the status was drawn from").1["seen"]["packages"];
    let (mut blocked, mut held) = (0, 0);
    for listing in facts["head"]["listings"].as_array().unwrap() {
        let package = listing["package"].as_str().unwrap();
        let explained = says(played, &["explain", package, "--at", &at.to_string(), "--json"]);
        let explained: Value = serde_json::from_str(&explained).unwrap();
        let verdicts = explained["verdicts"].as_array().unwrap();
        let Some(said) = verdicts.iter().find(|verdict| verdict["scope"] == "staging") else { continue };
        let named: BTreeSet<String> = said["root_causes"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|cause| cause["package"].as_str().unwrap().to_owned())
            .collect();
        let needed = needs(universe, package);
        let are = |is: fn(&Value) -> bool| -> BTreeSet<String> {
            needed.iter().filter(|name| is(&status["packages"][name.as_str()])).cloned().collect()
        };
        match said["kind"].as_str().unwrap() {
            "blocked-by-dependency" => {
                assert_eq!(named, are(fails_by_itself), "{package} at {at}: {said}");
                assert!(
                    !named.is_empty() && !fails_by_itself(&status["packages"][package]),
                    "{package}: {said}"
                );
                blocked += 1;
            }
            "failing" => {
                assert!(named.is_empty(), "{package} at {at}: {said}");
                let broken = !status["packages"][package]["failed_build"].is_null();
                assert!(broken || fails_by_itself(&status["packages"][package]), "{package} at {at}: {said}");
            }
            "cannot-determine" if !named.is_empty() => {
                assert!(named.is_subset(&are(unknown_by_itself)), "{package} at {at}: {said}");
                held += 1;
            }
            "current" => assert!(
                named.is_empty()
                    && are(fails_by_itself).is_empty()
                    && !fails_by_itself(&status["packages"][package]),
                "{package} at {at}: {said}"
            ),
            _ => {}
        }
    }
    (blocked, held)
}

/// The stored status in the order of its fields, which `Value` does not keep.
fn typed(status: &Value) -> tidegate::domain::ChannelStatus {
    serde_json::from_value(status.clone()).unwrap()
}

#[test]
fn what_explain_names_in_the_bundled_world_is_at_fault_and_what_was_decided_is_decided_again() {
    let played = Played::of(World::bundled().unwrap(), TWICE_A_DAY, Way::SHIPPED, Some(END));
    let counts: BTreeMap<&str, (usize, usize)> =
        INSTANTS.map(|at| (at, every_root_cause_is_true(&played, at.parse().unwrap()))).into();
    assert!(counts.values().all(|(blocked, _)| *blocked >= 5), "{counts:?}");
    let before = every_decision_is_made_again(&played);

    // The same once most of it is gone.
    let age = Timestamp::now().duration_since("2026-05-15T00:00:00Z".parse().unwrap()).as_hours();
    let gone = says(&played, &["prune", "--older-than", &format!("{age}h")]);
    assert!(!gone.contains(" 0 runs") && !gone.contains(" 0 observations"), "{gone}");
    assert!(every_decision_is_made_again(&played) < before, "{gone}");
    assert_eq!(every_root_cause_is_true(&played, INSTANTS[2].parse().unwrap()), counts[INSTANTS[2]]);
}

/// How many decisions are kept; some of them are made again.
fn every_decision_is_made_again(played: &Played) -> usize {
    let mut kept = 0;
    for job in JOBS {
        let runs = decided(played, job);
        assert!(runs.len() >= 3, "{job} decided {} times", runs.len());
        for (run, _) in runs.iter().step_by(runs.len() / 3) {
            let said = says(played, &["replay", &run.id.0.to_string()]);
            assert!(said.contains("the same plan again"), "{said}");
        }
        kept += runs.len();
    }
    kept
}
