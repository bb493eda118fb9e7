//! What becomes of a run: done, tried again, timed out, broken, stopped.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use jiff::SignedDuration;
use tidegate::calendar::CatchUp;
use tidegate::clock::Clock as _;
use tidegate::daemon::{JobDefinition, Retry, RunError, RunLimits, RunOutcome, Runner, new_boot_id};
use tidegate::store::{RunState, Store};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::sample_jobs::{Doing, Script, Yard, at, definition, done};

fn hourly() -> JobDefinition {
    definition("staging", "0 * * * *", "UTC")
}

fn failing(error: fn() -> RunError) -> Arc<Script> {
    Script::new(move |_| async move { Err(error()) }.boxed())
}

async fn states(store: &Store) -> Vec<RunState> {
    let mut runs = store.runs(Some("staging"), 100).await.unwrap();
    runs.reverse();
    runs.into_iter().map(|run| run.state).collect()
}

#[tokio::test]
async fn a_passing_failure_is_tried_again_later_and_later_until_the_attempts_are_used() {
    let retry = Retry { attempts: 3, wait: SignedDuration::from_mins(10) };
    let work = failing(|| RunError::Transient(anyhow::anyhow!("GitHub answered 502"), None));
    let yard =
        Yard::new("2026-06-01T10:30:00Z", vec![(JobDefinition { retry, ..hourly() }, work.clone())]).await;
    assert_eq!(yard.live_at("2026-06-01T11:00:00Z").await, 1);
    assert_eq!(yard.live_at("2026-06-01T11:09:59Z").await, 0);
    assert_eq!(yard.live_at("2026-06-01T11:11:01Z").await, 1);
    assert_eq!(yard.live_at("2026-06-01T11:31:00Z").await, 0);
    assert_eq!(yard.live_at("2026-06-01T11:34:00Z").await, 1);
    insta::assert_snapshot!(yard.told("staging").await, @"2026-06-01T11:00:00Z Failed: GitHub answered 502");
    assert_eq!(work.calls(), [at("2026-06-01T11:00:00Z"); 3], "each attempt is for the same nominal time");
    assert_eq!(states(&yard.store).await, [RunState::Failed; 3]);
}

#[tokio::test]
async fn a_service_that_says_when_is_not_asked_before() {
    let retry = Retry { attempts: 2, wait: SignedDuration::from_mins(1) };
    let work =
        failing(|| RunError::Transient(anyhow::anyhow!("rate limit"), Some(at("2026-06-01T11:45:00Z"))));
    let yard = Yard::new("2026-06-01T10:30:00Z", vec![(JobDefinition { retry, ..hourly() }, work)]).await;
    yard.live_at("2026-06-01T11:00:00Z").await;
    assert_eq!(yard.live_at("2026-06-01T11:44:59Z").await, 0);
    assert_eq!(yard.live_at("2026-06-01T11:45:00Z").await, 1);
}

#[tokio::test]
async fn jobs_run_beside_each_other_but_no_job_beside_itself() {
    let meeting = Arc::new(tokio::sync::Barrier::new(2));
    let work = || {
        let meeting = meeting.clone();
        Script::new(move |_| {
            let meeting = meeting.clone();
            async move {
                // Each waits for another one to be under way at the same time.
                let met = tokio::time::timeout(Duration::from_secs(5), meeting.wait()).await;
                met.map(|_| done()).map_err(|_| RunError::Permanent(anyhow::anyhow!("alone")))
            }
            .boxed()
        })
    };
    let all = JobDefinition { catch_up: CatchUp::All, ..hourly() };
    let other = JobDefinition { name: "other".into(), ..all.clone() };
    let (first, second) = (work(), work());
    let yard = Yard::new("2026-06-01T10:30:00Z", vec![(all, first.clone()), (other, second.clone())]).await;
    yard.tick_at("2026-06-01T12:30:00Z").await;
    let limits = RunLimits { concurrent: NonZeroUsize::new(4).unwrap(), grace: Duration::from_millis(200) };
    let wide = Runner::new(yard.store.clone(), yard.clock.clone(), yard.jobs.clone(), new_boot_id(), limits);
    assert_eq!(wide.run_due().await.unwrap(), 4);
    let both = [at("2026-06-01T11:00:00Z"), at("2026-06-01T12:00:00Z")];
    assert_eq!((first.calls(), second.calls()), (both.to_vec(), both.to_vec()));
    assert_eq!(states(&yard.store).await, [RunState::Done, RunState::Done]);
}

#[tokio::test]
async fn a_lasting_failure_is_not_tried_again() {
    let retry = Retry { attempts: 5, wait: SignedDuration::from_mins(1) };
    let work = failing(|| RunError::Configuration(anyhow::anyhow!("the token is refused")));
    let yard = Yard::new("2026-06-01T10:30:00Z", vec![(JobDefinition { retry, ..hourly() }, work)]).await;
    yard.live_at("2026-06-01T11:00:00Z").await;
    assert_eq!(yard.live_at("2026-06-01T11:30:00Z").await, 0);
    insta::assert_snapshot!(yard.told("staging").await, @"2026-06-01T11:00:00Z Failed: the token is refused");
}

#[tokio::test]
async fn held_skipped_and_unchanged_are_outcomes_of_their_own() {
    let work = Script::new(|context| {
        let hour = context.nominal.to_string();
        async move {
            Ok(if hour.contains("T11") {
                RunOutcome::Held { reason: "40 of 100 packages lost passing".into() }
            } else if hour.contains("T12") {
                RunOutcome::Skipped { reason: "phase passed".into() }
            } else {
                RunOutcome::Unchanged { summary: "nothing new in 3 sources".into() }
            })
        }
        .boxed()
    });
    let yard = Yard::new("2026-06-01T10:30:00Z", vec![(hourly(), work)]).await;
    for hour in 11..=13 {
        yard.live_at(&format!("2026-06-01T{hour}:00:00Z")).await;
    }
    insta::assert_snapshot!(yard.told("staging").await, @r#"
    2026-06-01T11:00:00Z Held: 40 of 100 packages lost passing
    2026-06-01T12:00:00Z Skipped: phase passed
    2026-06-01T13:00:00Z Done
    "#);
    assert_eq!(states(&yard.store).await, [RunState::Held, RunState::Skipped, RunState::Unchanged]);
}

#[tokio::test]
async fn a_panic_fails_its_run_and_nothing_else() {
    let work = Script::new(|_| async { panic!("index out of bounds") }.boxed());
    let yard = Yard::new(
        "2026-06-01T10:30:00Z",
        vec![(hourly(), work), (JobDefinition { name: "other".into(), ..hourly() }, Script::quick())],
    )
    .await;
    assert_eq!(yard.live_at("2026-06-01T11:00:00Z").await, 2);
    insta::assert_snapshot!(yard.told("staging").await, @"2026-06-01T11:00:00Z Failed: a fault in tidegate, please report it: index out of bounds");
    insta::assert_snapshot!(yard.told("other").await, @"2026-06-01T11:00:00Z Done");
}

#[tokio::test]
async fn a_run_that_takes_too_long_is_told_and_then_cut_off() {
    let deaf = Script::new(|_| {
        async {
            std::future::pending::<()>().await;
            Ok(done())
        }
        .boxed()
    });
    let job = JobDefinition { timeout: Duration::from_millis(50), ..hourly() };
    let yard = Yard::new("2026-06-01T10:30:00Z", vec![(job, deaf)]).await;
    yard.live_at("2026-06-01T11:00:00Z").await;
    insta::assert_snapshot!(yard.told("staging").await, @"2026-06-01T11:00:00Z Failed: took longer than its timeout of 50ms");
    assert_eq!(states(&yard.store).await, [RunState::TimedOut]);
}

#[tokio::test]
async fn an_occurrence_that_cannot_begin_in_time_ends_as_late() {
    let job = JobDefinition { deadline: Some(SignedDuration::from_mins(20)), ..hourly() };
    let yard = Yard::new("2026-06-01T10:30:00Z", vec![(job, Script::quick())]).await;
    yard.tick_at("2026-06-01T11:00:00Z").await;
    assert_eq!(yard.live_at("2026-06-01T11:21:00Z").await, 0);
    insta::assert_snapshot!(yard.told("staging").await, @"2026-06-01T11:00:00Z Late: could not begin within 20m of its time");
}

#[tokio::test]
async fn a_run_that_a_crash_orphaned_is_lost_and_tried_again_under_the_same_time() {
    let work = Script::quick();
    let mut yard = Yard::new("2026-06-01T10:30:00Z", vec![(hourly(), work.clone())]).await;
    yard.tick_at("2026-06-01T11:00:00Z").await;
    let row = yard.rows("staging").await[0].id;
    yard.store.claim_occurrence(row, &new_boot_id(), yard.clock.now()).await.unwrap();
    yard.reboot().await;
    assert_eq!(yard.live_at("2026-06-01T11:20:00Z").await, 1);
    assert_eq!(work.calls(), [at("2026-06-01T11:00:00Z")]);
    assert_eq!(states(&yard.store).await, [RunState::Lost, RunState::Done]);
}

#[tokio::test]
async fn what_a_crash_left_of_a_job_whose_file_is_gone_ends_too() {
    let mut yard = Yard::new("2026-06-01T10:30:00Z", vec![(hourly(), Script::quick())]).await;
    yard.tick_at("2026-06-01T11:00:00Z").await;
    let row = yard.rows("staging").await[0].id;
    yard.store.claim_occurrence(row, &new_boot_id(), yard.clock.now()).await.unwrap();
    yard.jobs.replace(Vec::new()).unwrap();
    yard.tick_at("2026-06-01T11:10:00Z").await;
    yard.reboot().await;
    yard.tick_at("2026-06-01T11:20:00Z").await;
    insta::assert_snapshot!(yard.told("staging").await, @"2026-06-01T11:00:00Z Skipped: the job is no longer configured");
}

#[tokio::test]
async fn an_occurrence_that_kills_the_process_each_time_is_given_up() {
    let mut yard = Yard::new("2026-06-01T10:30:00Z", vec![(hourly(), Script::quick())]).await;
    yard.tick_at("2026-06-01T11:00:00Z").await;
    let row = yard.rows("staging").await[0].id;
    for _ in 0..20 {
        yard.store.claim_occurrence(row, &new_boot_id(), yard.clock.now()).await.unwrap();
        yard.reboot().await;
    }
    yard.store.claim_occurrence(row, &new_boot_id(), yard.clock.now()).await.unwrap_err();
    insta::assert_snapshot!(yard.told("staging").await, @"2026-06-01T11:00:00Z Failed: the process ended during each of 20 attempts");
}

#[tokio::test]
async fn a_person_can_run_a_job_for_a_past_time_as_often_as_they_like() {
    let work = Script::quick();
    let yard = Yard::new("2026-06-01T10:30:00Z", vec![(hourly(), work.clone())]).await;
    let past = at("2026-05-01T11:00:00Z");
    for _ in 0..2 {
        yard.store.request_run("staging", past, "asked for by anna", yard.clock.now()).await.unwrap();
        assert_eq!(yard.runner.run_due().await.unwrap(), 1);
    }
    assert_eq!(work.calls(), [past, past]);
    assert_eq!(yard.rows("staging").await.len(), 1);
    assert_eq!(states(&yard.store).await, [RunState::Done, RunState::Done]);
}

#[tokio::test]
async fn a_run_in_the_foreground_is_one_attempt_and_says_how_it_went() {
    let retry = Retry { attempts: 5, wait: SignedDuration::from_mins(1) };
    let work = failing(|| RunError::Transient(anyhow::anyhow!("GitHub answered 502"), None));
    let yard = Yard::new("2026-06-01T10:30:00Z", vec![(JobDefinition { retry, ..hourly() }, work)]).await;
    let nominal = at("2026-06-01T10:00:00Z");
    let stop = CancellationToken::new();
    let run = yard.runner.run_once("staging", nominal, "asked for by anna", stop.clone()).await.unwrap();
    assert_eq!((run.state, run.error.as_deref()), (RunState::Failed, Some("GitHub answered 502")));
    assert_eq!(yard.live_at("2026-06-01T10:59:00Z").await, 0, "nobody tries it again behind their back");
    let error = yard.runner.run_once("stagnig", nominal, "a slip", stop).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no job stagnig");
}

#[tokio::test]
async fn a_paused_job_still_runs_for_a_person() {
    let yard = Yard::new("2026-06-01T10:30:00Z", vec![(hourly(), Script::quick())]).await;
    yard.store.pause_job("staging", "anna", "quiet", yard.clock.now()).await.unwrap();
    yard.store.request_run("staging", yard.clock.now(), "asked for by anna", yard.clock.now()).await.unwrap();
    assert_eq!(yard.live_at("2026-06-01T11:00:00Z").await, 1);
}

/// Runs the yard's runner as the daemon does, stops it once the work has begun, and waits.
async fn stop_in_the_middle(yard: &Yard, began: &Notify, stop_within: Duration) {
    let stop = CancellationToken::new();
    let wake = Arc::new(Notify::new());
    let running = yard.runner.run_until_stopped(wake, stop.clone(), stop_within);
    let stopping = async {
        began.notified().await;
        stop.cancel();
    };
    tokio::join!(running, stopping);
}

fn noticing(began: &Arc<Notify>, then: fn() -> Doing) -> Arc<Script> {
    let began = began.clone();
    Script::new(move |_| {
        began.notify_one();
        then()
    })
}

#[tokio::test]
async fn an_orderly_stop_lets_a_short_run_end() {
    let began = Arc::new(Notify::new());
    let work = noticing(&began, || {
        async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok(done())
        }
        .boxed()
    });
    let yard = Yard::new("2026-06-01T10:30:00Z", vec![(hourly(), work)]).await;
    yard.tick_at("2026-06-01T11:00:00Z").await;
    stop_in_the_middle(&yard, &began, Duration::from_secs(10)).await;
    assert_eq!(states(&yard.store).await, [RunState::Done]);
}

#[tokio::test]
async fn an_orderly_stop_cuts_off_a_long_run_which_waits_for_the_next_start() {
    let began = Arc::new(Notify::new());
    let work = noticing(&began, || std::future::pending().boxed());
    let yard = Yard::new("2026-06-01T10:30:00Z", vec![(hourly(), work)]).await;
    yard.tick_at("2026-06-01T11:00:00Z").await;
    let before = std::time::Instant::now();
    stop_in_the_middle(&yard, &began, Duration::from_millis(600)).await;
    assert!(before.elapsed() < Duration::from_secs(5));
    assert_eq!(states(&yard.store).await, [RunState::Stopped]);
    insta::assert_snapshot!(yard.told("staging").await, @"2026-06-01T11:00:00Z Waiting: the daemon was stopped");
}
