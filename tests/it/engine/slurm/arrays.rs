//! Assignments that are handed over at the same moment: one array of jobs.

use std::fs;

use futures_util::future::join_all;
use tidegate::domain::TestVerdict;
use tidegate::engine::sandbox::Sandbox;
use tidegate::engine::{Assignment, Engine, Limits, Progress, Ticket};
use tidegate::failure::Failure;

use super::{Place, answering, cluster, command, end_of, logs_on_panic, shown, small, until};

#[tokio::test]
async fn what_is_handed_over_at_the_same_moment_is_one_array_for_each_limit_and_size() {
    let place = Place::new();
    let given = place.folder.path().join("given");
    let sbatch =
        format!("printf '%s\\n' \"$@\" >> {0}; cat >> {0}; echo >> {0}; wc -l < {0}", given.display());
    let engine = answering(&place, &[("squeue", "exit 0"), ("sbatch", &sbatch)]);
    let long = |key: &str| {
        let assignment = command(key, "true");
        Assignment { limits: Limits { time: 3_600, ..assignment.limits }, ..assignment }
    };
    // Four alike are one more than an array may have, and the last one may take longer.
    let folders: Vec<_> = ["one", "two", "three", "four"]
        .iter()
        .map(|key| place.assign(&command(key, "true")))
        .chain([place.assign(&long("long"))])
        .collect();
    let tickets = join_all(folders.iter().map(|folder| engine.submit(folder))).await;
    let jobs: Vec<String> = tickets.into_iter().map(|ticket| ticket.unwrap().job.unwrap()).collect();
    insta::assert_snapshot!(jobs.join(" "), @"27_0 27_1 27_2 40 53");
    insta::assert_snapshot!(shown(&place, &fs::read_to_string(&given).unwrap()), @r#"
    --parsable
    --job-name=tidegate-Array-058053d87c818d69
    --comment=tidegate-Array-058053d87c818d69
    --array=0-2%2
    --output=/dev/null
    --chdir=<place>/assignments
    --time=7
    --mem=8704M
    --export=NONE
    --ntasks=1
    --no-requeue
    #!/bin/sh
    case "$SLURM_ARRAY_TASK_ID" in
    0)
    cd '<place>/assignments/one' && exec >'<place>/assignments/one/slurm.log' 2>&1 || exit 1
    exec '/opt/tidegate' 'worker' '<place>/assignments/one' '--cache' '<place>/cache' '--sandbox' 'bubblewrap'
    ;;
    1)
    cd '<place>/assignments/two' && exec >'<place>/assignments/two/slurm.log' 2>&1 || exit 1
    exec '/opt/tidegate' 'worker' '<place>/assignments/two' '--cache' '<place>/cache' '--sandbox' 'bubblewrap'
    ;;
    2)
    cd '<place>/assignments/three' && exec >'<place>/assignments/three/slurm.log' 2>&1 || exit 1
    exec '/opt/tidegate' 'worker' '<place>/assignments/three' '--cache' '<place>/cache' '--sandbox' 'bubblewrap'
    ;;
    esac

    --parsable
    --job-name=tidegate-four
    --comment=four
    --output=<place>/assignments/four/slurm.log
    --chdir=<place>/assignments/four
    --time=7
    --mem=8704M
    --export=NONE
    --ntasks=1
    --no-requeue
    #!/bin/sh
    exec '/opt/tidegate' 'worker' '<place>/assignments/four' '--cache' '<place>/cache' '--sandbox' 'bubblewrap'

    --parsable
    --job-name=tidegate-long
    --comment=long
    --output=<place>/assignments/long/slurm.log
    --chdir=<place>/assignments/long
    --time=125
    --mem=8704M
    --export=NONE
    --ntasks=1
    --no-requeue
    #!/bin/sh
    exec '/opt/tidegate' 'worker' '<place>/assignments/long' '--cache' '<place>/cache' '--sandbox' 'bubblewrap'
    "#);
    let noted = fs::read_to_string(folders[1].path().join("array.json")).unwrap();
    assert!(noted.contains("\"index\": 1"), "{noted}");
}

#[tokio::test]
async fn what_sbatch_refuses_of_an_array_is_told_to_each_and_nothing_is_noted() {
    let place = Place::new();
    let refused =
        "echo 'sbatch: error: Batch job submission failed: Invalid job array specification' >&2; exit 1";
    let engine = answering(&place, &[("squeue", "exit 0"), ("sbatch", refused)]);
    let folders = ["one", "two"].map(|key| place.assign(&command(key, "true")));
    for submitted in join_all(folders.iter().map(|folder| engine.submit(folder))).await {
        let Err(Failure::Configuration { message, .. }) = submitted else { panic!("{submitted:?}") };
        assert!(message.contains("Invalid job array specification"), "{message}");
    }
    assert!(folders.iter().all(|folder| !folder.path().join("job.json").exists()));
    let down = "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1";
    let engine = answering(&place, &[("squeue", down), ("sbatch", "echo 1")]);
    for submitted in join_all(folders.iter().map(|folder| engine.submit(folder))).await {
        assert!(submitted.unwrap_err().is_transient());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_array_is_found_again_limited_and_cancelled_by_the_element() {
    let Some(cluster) = cluster() else { return };
    let place = Place::new();
    let engine = cluster.engine(&place, Sandbox::Bubblewrap);
    let folders =
        ["first", "second", "third", "fourth"].map(|key| place.assign(&small(command(key, "sleep 3"))));
    let submitted = join_all(folders.iter().map(|folder| engine.submit(folder))).await;
    let tickets: Vec<Ticket> = submitted.into_iter().map(Result::unwrap).collect();
    let of_array = |ticket: &Ticket| ticket.job.clone().unwrap().split_once('_').unwrap().0.to_owned();
    assert!(tickets.iter().all(|ticket| of_array(ticket) == of_array(&tickets[0])), "{tickets:?}");

    // One of them at a time, as the configuration says.
    until(&engine, &tickets[0], |progress| *progress == Progress::Running).await;
    for ticket in &tickets[1..] {
        assert_eq!(engine.look(ticket).await.unwrap(), Progress::Waiting);
    }

    // The power fails between sbatch and the notes: each element is found by the array's name and its place in it.
    for folder in &folders {
        fs::remove_file(folder.path().join("job.json")).unwrap();
    }
    let later = cluster.engine(&place, Sandbox::Bubblewrap);
    let again = join_all(folders.iter().rev().map(|folder| later.submit(folder))).await;
    let again: Vec<Ticket> = again.into_iter().rev().map(Result::unwrap).collect();
    assert_eq!(again, tickets);

    // One element is cancelled, and its neighbours go on.
    later.cancel(&tickets[2]).await.unwrap();
    assert_eq!(end_of(&later, &tickets[2]).await, Progress::Lost { why: "it was cancelled".into() });
    for place in [0, 1, 3] {
        match end_of(&later, &tickets[place]).await {
            Progress::Ended(report) if report.verdict == TestVerdict::Pass => {}
            progress => panic!("{progress:?} {}", logs_on_panic(&cluster, folders[place].path())),
        }
    }
}
