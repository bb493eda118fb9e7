//! From schedules to occurrences. The planner is level-triggered: it lists every nominal time
//! between a job's cursor and now, gives each one its row, and moves the cursor, all in one
//! transaction. How often it is called, and whether a call was lost, does not matter.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use super::job::{JobDefinition, Jobs, stable_share};
use crate::calendar::Schedule;
use crate::calendar::{CatchUp, Overlap};
use crate::store::{
    JobAdvance, JobCursor, NewOccurrence, OccurrenceState, OpenOccurrence, Pause, SkipNext, SkipNextUse,
    Store,
};

/// The most nominal times of one job that get a row of their own in one go; older ones share a row.
const PLAN_LIMIT: usize = 1000;

/// A nominal time this much ago was not missed, only planned by a heartbeat that came a little late.
const ON_TIME: SignedDuration = SignedDuration::from_mins(2);

/// The smallest step in which the store keeps time.
const TICK: SignedDuration = SignedDuration::from_micros(1);

/// Plans all configured jobs.
#[derive(Clone)]
pub struct Planner {
    store: Store,
    jobs: Jobs,
}

impl Planner {
    /// A planner of `jobs` that writes to `store`.
    pub fn new(store: Store, jobs: Jobs) -> Self {
        Self { store, jobs }
    }

    /// Gives every nominal time up to `now` its row. Returns the number of rows added.
    pub async fn tick(&self, now: Timestamp) -> anyhow::Result<usize> {
        let jobs = self.jobs.current();
        let names: Vec<&str> = jobs.keys().map(String::as_str).collect();
        let plan = |name: &str, cursor: Option<&JobCursor>, open: &[OpenOccurrence]| {
            plan_job(&jobs.get(name)?.definition, cursor, open, now)
        };
        self.store.advance_jobs(&names, now, plan).await
    }

    /// The next time after `now` at which something may become due: a nominal time, or the end of
    /// an occurrence's wait. `None` where nothing ever will. A rehearsal moves its clock there.
    pub async fn next_wake(&self, now: Timestamp) -> anyhow::Result<Option<Timestamp>> {
        let jobs = self.jobs.current();
        let nominal = jobs.values().filter_map(|job| job.definition.schedule.next_after(now)).min();
        let waiting = self.store.next_wake(&jobs.keys().cloned().collect()).await?;
        Ok(nominal.into_iter().chain(waiting.filter(|at| *at > now)).min())
    }
}

/// What is to be written for one job at `now`; `None` where nothing changes. `cursor` is `None` at
/// first sight, and `open` holds what was waiting or running before.
pub fn plan_job(
    job: &JobDefinition,
    cursor: Option<&JobCursor>,
    open: &[OpenOccurrence],
    now: Timestamp,
) -> Option<JobAdvance> {
    let Some(known) = cursor else { return Some(advance(job, now, Vec::new())) };
    if known.schedule_digest.as_deref() != Some(&job.schedule_digest) {
        // An edited schedule begins now: its past times were never promised to anybody.
        return Some(advance(job, now.max(known.cursor), Vec::new()));
    }
    match &known.pause {
        None => {
            let mut rows = plan_due(job, known.cursor, open, now);
            let last = rows.last()?.scheduled_for;
            let skip_next = skip_first(&mut rows, known.skip_next.as_ref());
            Some(JobAdvance { skip_next, ..advance(job, last, rows) })
        }
        Some(Pause { resumed: None, .. }) => None,
        Some(pause @ Pause { resumed: Some((end, _)), .. }) => {
            let reason = format!("paused from {} to {end} by {}: {}", pause.at, pause.by, pause.reason);
            Some(plan_after_pause(job, known, (*end, reason), open, now))
        }
    }
}

fn advance(job: &JobDefinition, cursor: Timestamp, new: Vec<NewOccurrence>) -> JobAdvance {
    JobAdvance {
        cursor,
        schedule_digest: job.schedule_digest.clone(),
        new,
        pause_settled: None,
        skip_next: SkipNextUse::Kept,
    }
}

/// One row accounts for everything that a pause kept from running; from its end on, all is as ever.
fn plan_after_pause(
    job: &JobDefinition,
    known: &JobCursor,
    (end, reason): (Timestamp, String),
    open: &[OpenOccurrence],
    now: Timestamp,
) -> JobAdvance {
    // The pause is half-open, so a nominal time that is exactly its end runs.
    let from = known.cursor.max(end - TICK);
    let first = job.schedule.next_after(known.cursor).filter(|first| *first <= from);
    let paused = first.map(|first| skipped_range(first, end, reason.clone()));
    // What was waiting is skipped with the pause, so only a run under way still counts.
    let running: Vec<OpenOccurrence> =
        open.iter().filter(|one| one.state == OccurrenceState::Running).cloned().collect();
    let mut due = plan_due(job, from, &running, now);
    let skip_next = skip_first(&mut due, known.skip_next.as_ref());
    let cursor = due.last().map_or(from, |last| last.scheduled_for);
    let rows = paused.into_iter().chain(due).collect();
    JobAdvance { pause_settled: Some(reason), skip_next, ..advance(job, cursor, rows) }
}

/// A row for every nominal time in `(from, now]`, ascending.
fn plan_due(
    job: &JobDefinition,
    from: Timestamp,
    open: &[OpenOccurrence],
    now: Timestamp,
) -> Vec<NewOccurrence> {
    let times = newest_times(&job.schedule, from, now);
    let (Some(oldest), Some(newest)) = (times.front().copied(), times.back().copied()) else {
        return Vec::new();
    };
    let forgotten = job.schedule.next_after(from).filter(|first| *first < oldest).map(|first| {
        let reason =
            format!("missed, like all times before {oldest}: only the newest {PLAN_LIMIT} are planned");
        skipped_range(first, oldest, reason)
    });
    let jitter = stable_share(&job.name, job.jitter);
    let rows = times.into_iter().map(|time| NewOccurrence {
        scheduled_for: time,
        covers_until: None,
        not_before: time.saturating_add(jitter).unwrap_or(time),
        skipped: why_skipped(job, (time, newest), open, now),
    });
    forgotten.into_iter().chain(rows).collect()
}

/// Why a nominal time is not run; `None`: it is.
fn why_skipped(
    job: &JobDefinition,
    (time, newest): (Timestamp, Timestamp),
    open: &[OpenOccurrence],
    now: Timestamp,
) -> Option<String> {
    let age = now.duration_since(time);
    if age > ON_TIME {
        return match (job.catch_up, job.catch_up_window) {
            (CatchUp::None, _) => Some("missed while nothing ran, and catch_up = \"none\"".into()),
            (_, Some(window)) if age > window => {
                Some(format!("missed while nothing ran, and older than the catch-up window of {window:#}"))
            }
            (CatchUp::Latest, _) if time != newest => {
                Some(format!("missed while nothing ran, and {newest} stands for it"))
            }
            // What is made up for queues up behind what is there: overlap is about the present.
            _ => None,
        };
    }
    if job.catch_up != CatchUp::All && time != newest {
        return Some(format!("{newest} came before it could begin, and stands for it"));
    }
    let busy = match job.overlap {
        Overlap::Skip => open.first(),
        Overlap::QueueOne => open.iter().find(|one| one.state == OccurrenceState::Waiting),
    };
    busy.map(|one| {
        let state = if one.state == OccurrenceState::Running { "running" } else { "waiting" };
        format!("the occurrence of {} was still {state}", one.scheduled_for)
    })
}

/// Turns the first row that would run into one that is skipped because a person asked for it.
fn skip_first(rows: &mut [NewOccurrence], wish: Option<&SkipNext>) -> SkipNextUse {
    let Some(wish) = wish else { return SkipNextUse::Kept };
    let Some(row) = rows.iter_mut().find(|row| row.skipped.is_none()) else { return SkipNextUse::Kept };
    row.skipped = Some(format!("skipped by {}: {}", wish.by, wish.reason));
    SkipNextUse::Used
}

fn skipped_range(first: Timestamp, until: Timestamp, reason: String) -> NewOccurrence {
    NewOccurrence {
        scheduled_for: first,
        covers_until: Some(until),
        not_before: first,
        skipped: Some(reason),
    }
}

/// The newest nominal times in `(from, now]`, ascending, at most [`PLAN_LIMIT`]. Looks back in
/// growing steps, so that a gap of years costs no more than what is kept of it.
fn newest_times(schedule: &Schedule, from: Timestamp, now: Timestamp) -> VecDeque<Timestamp> {
    let mut reach = SignedDuration::from_hours(1);
    loop {
        let start = now.saturating_sub(reach).map_or(from, |start| start.max(from));
        let mut newest = VecDeque::with_capacity(16);
        for time in schedule.between(start, now) {
            if newest.len() == PLAN_LIMIT {
                newest.pop_front();
            }
            newest.push_back(time);
        }
        if start == from || newest.len() == PLAN_LIMIT {
            return newest;
        }
        reach = reach.saturating_mul(4);
    }
}
