//! Every nominal time gets exactly one row, whatever happens to the process and to the clock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use tidegate::calendar::{CatchUp, Overlap, Schedule};
use tidegate::clock::Clock as _;
use tidegate::config::{Configuration, shipped_texts};
use tidegate::daemon::{Job, JobDefinition, new_boot_id};
use tidegate::jobs::definitions;
use tidegate::store::{Occurrence, OccurrenceState};

use crate::sample_jobs::{Script, Yard, at, definition};

fn hourly() -> JobDefinition {
    definition("staging", "0 * * * *", "UTC")
}

#[tokio::test]
async fn the_first_sight_of_a_job_makes_up_for_nothing() {
    let yard = Yard::new("2026-06-01T10:30:00Z", vec![(hourly(), Script::quick())]).await;
    assert!(yard.rows("staging").await.is_empty());
    assert_eq!(yard.live_at("2026-06-01T11:00:00Z").await, 1);
    insta::assert_snapshot!(yard.told("staging").await, @"2026-06-01T11:00:00Z Done");
}

#[tokio::test]
async fn after_downtime_the_newest_time_stands_for_the_missed_ones() {
    let yard = Yard::new("2026-06-01T10:30:00Z", vec![(hourly(), Script::quick())]).await;
    assert_eq!(yard.live_at("2026-06-01T13:30:00Z").await, 1);
    insta::assert_snapshot!(yard.told("staging").await, @r#"
    2026-06-01T11:00:00Z Skipped: missed while nothing ran, and 2026-06-01T13:00:00Z stands for it
    2026-06-01T12:00:00Z Skipped: missed while nothing ran, and 2026-06-01T13:00:00Z stands for it
    2026-06-01T13:00:00Z Done
    "#);
}

#[tokio::test]
async fn without_catching_up_missed_times_are_skipped_with_that_reason() {
    let job = JobDefinition { catch_up: CatchUp::None, ..hourly() };
    let yard = Yard::new("2026-06-01T10:30:00Z", vec![(job, Script::quick())]).await;
    assert_eq!(yard.live_at("2026-06-01T12:01:00Z").await, 1);
    assert_eq!(yard.live_at("2026-06-01T13:30:00Z").await, 0);
    insta::assert_snapshot!(yard.told("staging").await, @r#"
    2026-06-01T11:00:00Z Skipped: missed while nothing ran, and catch_up = "none"
    2026-06-01T12:00:00Z Done
    2026-06-01T13:00:00Z Skipped: missed while nothing ran, and catch_up = "none"
    "#);
}

#[tokio::test]
async fn catching_up_with_all_runs_each_time_in_order_inside_the_window() {
    let job = JobDefinition {
        catch_up: CatchUp::All,
        catch_up_window: Some(SignedDuration::from_hours(2)),
        ..hourly()
    };
    let work = Script::quick();
    let yard = Yard::new("2026-06-01T10:30:00Z", vec![(job, work.clone())]).await;
    assert_eq!(yard.live_at("2026-06-01T13:30:00Z").await, 2);
    assert_eq!(work.calls(), [at("2026-06-01T12:00:00Z"), at("2026-06-01T13:00:00Z")]);
    insta::assert_snapshot!(yard.told("staging").await, @r#"
    2026-06-01T11:00:00Z Skipped: missed while nothing ran, and older than the catch-up window of 2h
    2026-06-01T12:00:00Z Done
    2026-06-01T13:00:00Z Done
    "#);
}

#[tokio::test]
async fn a_milestone_that_was_missed_runs_once_under_its_own_date() {
    let shipped = Configuration::from_texts(shipped_texts()).unwrap();
    let job = definitions(&shipped).into_iter().find(|job| job.name == "r-multiverse-snapshot").unwrap();
    let work = Script::quick();
    let yard = Yard::new("2026-06-14T10:30:00Z", vec![(job, work.clone())]).await;
    // Nothing ran on the day, and for two weeks after it.
    assert_eq!(yard.live_at("2026-06-29T09:00:00Z").await, 1);
    assert_eq!(yard.live_at("2026-06-29T09:05:00Z").await, 0);
    assert_eq!(yard.live_at("2026-09-15T03:00:00Z").await, 1);
    assert_eq!(work.calls(), [at("2026-06-15T02:00:00Z"), at("2026-09-15T02:00:00Z")]);
}

#[tokio::test]
async fn an_occurrence_that_comes_while_the_job_is_busy_is_skipped_or_queued_once() {
    let queued = JobDefinition { name: "queued".into(), overlap: Overlap::QueueOne, ..hourly() };
    let yard =
        Yard::new("2026-06-01T10:30:00Z", vec![(hourly(), Script::quick()), (queued, Script::quick())]).await;
    for hour in 11..=13 {
        yard.tick_at(&format!("2026-06-01T{hour}:00:00Z")).await;
        if hour == 11 {
            for job in ["staging", "queued"] {
                let row = yard.rows(job).await[0].id;
                yard.store.claim_occurrence(row, &new_boot_id(), yard.clock.now()).await.unwrap();
            }
        }
    }
    insta::assert_snapshot!(yard.told("staging").await, @r#"
    2026-06-01T11:00:00Z Running
    2026-06-01T12:00:00Z Skipped: the occurrence of 2026-06-01T11:00:00Z was still running
    2026-06-01T13:00:00Z Skipped: the occurrence of 2026-06-01T11:00:00Z was still running
    "#);
    insta::assert_snapshot!(yard.told("queued").await, @r#"
    2026-06-01T11:00:00Z Running
    2026-06-01T12:00:00Z Waiting
    2026-06-01T13:00:00Z Skipped: the occurrence of 2026-06-01T12:00:00Z was still waiting
    "#);
}

#[tokio::test]
async fn an_edited_schedule_begins_now() {
    let yard = Yard::new("2026-06-01T10:30:00Z", vec![(hourly(), Script::quick())]).await;
    yard.live_at("2026-06-01T11:00:00Z").await;
    let edited = definition("staging", "*/5 * * * *", "UTC");
    let difference = yard.jobs.replace(vec![Job { definition: edited, work: Script::quick() }]).unwrap();
    assert_eq!(difference, "1 jobs are in force; added: none; removed: none; with another schedule: staging");
    assert_eq!(yard.live_at("2026-06-01T11:58:00Z").await, 0);
    assert_eq!(yard.live_at("2026-06-01T12:00:00Z").await, 1);
    assert_eq!(yard.rows("staging").await.len(), 2);
}

#[tokio::test]
async fn a_job_whose_file_is_gone_ends_what_was_waiting_and_comes_back_as_new() {
    let yard = Yard::new("2026-06-01T10:30:00Z", vec![(hourly(), Script::quick())]).await;
    yard.tick_at("2026-06-01T11:00:00Z").await;
    yard.jobs.replace(Vec::new()).unwrap();
    assert_eq!(yard.live_at("2026-06-01T11:10:00Z").await, 0);
    yard.jobs.replace(vec![Job { definition: hourly(), work: Script::quick() }]).unwrap();
    assert_eq!(yard.live_at("2026-06-01T15:30:00Z").await, 0);
    insta::assert_snapshot!(yard.told("staging").await, @"2026-06-01T11:00:00Z Skipped: the job is no longer configured");
}

#[tokio::test]
async fn a_pause_is_one_row_and_nothing_is_made_up_for() {
    let yard = Yard::new("2026-06-01T10:30:00Z", vec![(hourly(), Script::quick())]).await;
    yard.tick_at("2026-06-01T11:00:00Z").await;
    yard.store.pause_job("staging", "anna", "mirror down", at("2026-06-01T11:00:30Z")).await.unwrap();
    assert_eq!(yard.live_at("2026-06-01T14:30:00Z").await, 0);
    yard.store.resume_job("staging", "ben", at("2026-06-01T15:30:00Z")).await.unwrap();
    assert_eq!(yard.live_at("2026-06-01T15:30:00Z").await, 0);
    assert_eq!(yard.live_at("2026-06-01T16:00:00Z").await, 1);
    insta::assert_snapshot!(yard.told("staging").await, @r#"
    2026-06-01T11:00:00Z Skipped: paused from 2026-06-01T11:00:30Z to 2026-06-01T15:30:00Z by anna: mirror down
    2026-06-01T12:00:00Z until 2026-06-01T15:30:00Z Skipped: paused from 2026-06-01T11:00:30Z to 2026-06-01T15:30:00Z by anna: mirror down
    2026-06-01T16:00:00Z Done
    "#);
    let error = yard.store.resume_job("staging", "ben", at("2026-06-01T16:30:00Z")).await.unwrap_err();
    assert_eq!(error.to_string(), "staging is not paused");
}

#[tokio::test]
async fn a_person_can_have_the_next_occurrence_skipped() {
    let yard = Yard::new("2026-06-01T10:30:00Z", vec![(hourly(), Script::quick())]).await;
    yard.store.skip_next("staging", "anna", "release day", at("2026-06-01T10:40:00Z")).await.unwrap();
    assert_eq!(yard.live_at("2026-06-01T11:00:00Z").await, 0);
    assert_eq!(yard.live_at("2026-06-01T12:00:00Z").await, 1);
    insta::assert_snapshot!(yard.told("staging").await, @r#"
    2026-06-01T11:00:00Z Skipped: skipped by anna: release day
    2026-06-01T12:00:00Z Done
    "#);
}

#[tokio::test]
async fn years_of_missed_minutes_are_planned_at_once_and_keep_the_newest() {
    let job = JobDefinition {
        catch_up: CatchUp::All,
        catch_up_window: Some(SignedDuration::from_mins(3)),
        ..definition("staging", "* * * * *", "UTC")
    };
    let yard = Yard::new("2016-06-01T00:00:00Z", vec![(job, Script::quick())]).await;
    let began = std::time::Instant::now();
    assert_eq!(yard.tick_at("2026-06-01T00:00:30Z").await, 1001);
    assert!(began.elapsed().as_secs() < 20, "five million missed times took {:?}", began.elapsed());
    let rows = yard.rows("staging").await;
    assert_eq!(rows[0].covers_until, Some(rows[1].scheduled_for));
    assert_eq!(rows[1000].scheduled_for, at("2026-06-01T00:00:00Z"));
    assert_eq!(yard.runner.run_due().await.unwrap(), 3);
}

#[tokio::test]
async fn a_clock_that_jumps_back_repeats_nothing() {
    let work = Script::quick();
    let yard = Yard::new("2026-06-01T10:30:00Z", vec![(hourly(), work.clone())]).await;
    yard.live_at("2026-06-01T11:00:00Z").await;
    yard.live_at("2026-06-01T12:00:00Z").await;
    assert_eq!(yard.live_at("2026-06-01T10:59:00Z").await, 0);
    assert_eq!(yard.live_at("2026-06-01T12:00:00Z").await, 0);
    assert_eq!(yard.live_at("2026-06-01T13:00:00Z").await, 1);
    assert_eq!(work.calls().len(), 3);
}

#[tokio::test]
async fn the_rehearsal_is_told_when_something_may_be_due_next() {
    let jitter = SignedDuration::from_mins(30);
    let job = JobDefinition { jitter, ..hourly() };
    let yard = Yard::new("2026-06-01T10:30:00Z", vec![(job, Script::quick())]).await;
    let next = yard.planner.next_wake(yard.clock.now()).await.unwrap();
    assert_eq!(next, Some(at("2026-06-01T11:00:00Z")));
    assert_eq!(
        yard.live_at("2026-06-01T11:00:00Z").await,
        0,
        "the job's own share of the jitter comes first"
    );
    let shifted = yard.planner.next_wake(yard.clock.now()).await.unwrap().unwrap();
    assert!(shifted > at("2026-06-01T11:00:00Z") && shifted < at("2026-06-01T11:30:00Z"), "{shifted}");
    assert_eq!(yard.live_at(&shifted.to_string()).await, 1);
}

/// Something that happens to a daemon.
#[derive(Clone, Debug)]
enum Happening {
    /// Time goes by.
    Pass(i64),
    /// The clock is set back.
    JumpBack(i64),
    Tick,
    Run,
    /// An occurrence is claimed, and the process dies before it ends.
    DieWhileRunning,
    /// The process dies between two steps.
    Die,
    Pause,
    Resume,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        6 => (1_i64..=600).prop_map(Happening::Pass),
        1 => (600_i64..=5_000).prop_map(Happening::Pass),
        1 => (1_i64..=300).prop_map(Happening::JumpBack),
        6 => Just(Happening::Tick),
        4 => Just(Happening::Run),
        2 => Just(Happening::DieWhileRunning),
        1 => Just(Happening::Die),
        1 => Just(Happening::Pause),
        1 => Just(Happening::Resume),
    ]
}

fn job() -> impl Strategy<Value = (JobDefinition, Timestamp)> {
    // Starts shortly before a change of the clocks of that zone.
    let zones = prop_oneof![
        Just(("Europe/Paris", "2026-03-28T20:00:00Z")),
        Just(("Europe/Paris", "2026-10-24T20:00:00Z")),
        Just(("America/New_York", "2026-03-08T02:00:00Z")),
        Just(("America/New_York", "2026-11-01T01:00:00Z")),
        Just(("Australia/Lord_Howe", "2026-04-04T10:00:00Z")),
        Just(("Australia/Lord_Howe", "2026-10-03T10:00:00Z")),
    ];
    let expressions = prop_oneof![
        Just("*/10 * * * *"),
        Just("30 2 * * *"),
        Just("15 1,2,3 * * *"),
        Just("17 * * * *"),
        Just("45 1 * * 7"),
    ];
    let catch_up = prop_oneof![Just(CatchUp::None), Just(CatchUp::Latest), Just(CatchUp::All)];
    let overlap = prop_oneof![Just(Overlap::Skip), Just(Overlap::QueueOne)];
    let window = proptest::option::of((1_i64..=12).prop_map(SignedDuration::from_hours));
    (zones, expressions, catch_up, overlap, window).prop_map(
        |((zone, start), expression, catch_up, overlap, catch_up_window)| {
            let job = JobDefinition {
                catch_up,
                overlap,
                catch_up_window,
                ..definition("staging", expression, zone)
            };
            (job, at(start))
        },
    )
}

async fn happen(yard: &mut Yard, happening: &Happening) {
    let now = yard.clock.now();
    match happening {
        Happening::Pass(minutes) => yard.clock.set(now + SignedDuration::from_mins(*minutes)),
        Happening::JumpBack(minutes) => yard.clock.set(now - SignedDuration::from_mins(*minutes)),
        Happening::Tick => {
            yard.tick().await;
        }
        Happening::Run => {
            yard.runner.run_due().await.unwrap();
        }
        Happening::DieWhileRunning => {
            let jobs = yard.jobs.current().keys().cloned().collect();
            yard.store.claim_next(&jobs, &new_boot_id(), now).await.unwrap();
            yard.reboot().await;
        }
        Happening::Die => yard.reboot().await,
        // Either may make no sense at this point; people try such things.
        Happening::Pause => drop(yard.store.pause_job("staging", "anna", "test", now).await),
        Happening::Resume => drop(yard.store.resume_job("staging", "anna", now).await),
    }
}

/// Checks that every time of the schedule has one row with a final outcome, and nothing else has.
fn check(
    nominal: &BTreeSet<Timestamp>,
    rows: &[Occurrence],
    calls: &[Timestamp],
) -> Result<(), TestCaseError> {
    let single: BTreeMap<Timestamp, &Occurrence> = rows.iter().map(|row| (row.scheduled_for, row)).collect();
    prop_assert_eq!(single.len(), rows.len(), "a time has two rows");
    let ranges: Vec<(Timestamp, Timestamp)> =
        rows.iter().filter_map(|row| Some((row.scheduled_for, row.covers_until?))).collect();
    for time in nominal {
        let covering = ranges.iter().filter(|(first, until)| first < time && time < until).count();
        let found = covering + usize::from(single.contains_key(time));
        prop_assert_eq!(found, 1, "{} has {} rows", time, found);
    }
    let called: BTreeSet<Timestamp> = calls.iter().copied().collect();
    prop_assert_eq!(called.len(), calls.len(), "a time was run twice to its end");
    for row in rows {
        prop_assert!(nominal.contains(&row.scheduled_for), "{:?} is no time of the schedule", row);
        let was_run = called.contains(&row.scheduled_for);
        let ended = match row.state {
            OccurrenceState::Done => row.reason.is_none() && was_run,
            OccurrenceState::Skipped => row.reason.is_some() && !was_run,
            _ => false,
        };
        prop_assert!(ended, "{:?} has no final outcome", row);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]
    #[test]
    fn every_nominal_time_ends_in_exactly_one_row(
        (job, start) in job(),
        happenings in proptest::collection::vec(happening(), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let schedule = job.schedule.clone();
            let work = Script::quick();
            let mut yard = Yard::new(&start.to_string(), vec![(job, Arc::clone(&work))]).await;
            let mut latest = start;
            for one in &happenings {
                happen(&mut yard, one).await;
                latest = latest.max(yard.clock.now());
            }
            let end = latest + SignedDuration::from_hours(1);
            yard.clock.set(end);
            yard.reboot().await;
            drop(yard.store.resume_job("staging", "anna", end).await);
            yard.tick().await;
            yard.runner.run_due().await.unwrap();

            let nominal = schedule.between(start, end).collect();
            check(&nominal, &yard.rows("staging").await, &work.calls())
        })?;
    }
}

#[test]
fn a_gap_of_half_an_hour_fires_nothing_that_did_not_fall_into_it() {
    let zone = TimeZone::get("Australia/Lord_Howe").expect("the system knows it");
    let start: Timestamp = "2026-10-03T10:00:00Z".parse().unwrap();
    let schedule = Schedule::cron("45 1 * * 7", zone, start).unwrap();
    let first: Timestamp = "2026-10-03T15:15:00Z".parse().unwrap();
    assert_eq!(schedule.next_after(start), Some(first));
    assert_eq!(schedule.next_after(first).map(|at| at.to_string()).as_deref(), Some("2026-10-10T14:45:00Z"));
    let within = Schedule::cron("15 2 * * 7", TimeZone::get("Australia/Lord_Howe").unwrap(), start).unwrap();
    assert_eq!(within.next_after(start).map(|at| at.to_string()).as_deref(), Some("2026-10-03T15:30:00Z"));
}
