//! `jobs/<name>.toml`: the keys that every kind of job has, as written, and the resolved job.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::format;
use super::jobs::JobKind;
use super::text_duration::TextDuration;
use crate::calendar::{Calendar, CatchUp, Overlap, Schedule, ScheduleError};
use crate::digest::sha256_hex;

/// A job as written: `jobs/<name>.toml`, without `kind` and the table of that name.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct JobFile {
    /// What the job is for, in a few words.
    #[serde(default)]
    #[schemars(length(max = 500))]
    description: String,
    /// The distribution it works for: the stem of a file in `distributions/`.
    #[schemars(extend("format" = "name"))]
    distribution: String,
    /// When it is due, as a cron expression: minute, hour, day of month, month, day of week. Either this or
    /// `on`.
    #[schemars(extend("format" = "cron"))]
    schedule: Option<String>,
    /// The milestone of the distribution's calendar on which it is due. Needs `at`.
    #[schemars(extend("format" = "name"))]
    on: Option<String>,
    /// The time of day for `on`, such as `02:00`.
    #[schemars(extend("format" = "time"))]
    at: Option<String>,
    /// The IANA zone in which `schedule` or `at` is meant. Default: `UTC`.
    #[serde(default = "utc")]
    #[schemars(extend("format" = "time-zone"))]
    timezone: String,
    /// What happens to occurrences that were missed: none of them, the latest one, or all are made up for.
    /// Default: `latest`.
    #[serde(default)]
    catch_up: CatchUp,
    /// How old a missed occurrence may be and still be made up for. Default: any age.
    catch_up_window: Option<TextDuration>,
    /// What happens when an occurrence is due while the one before still runs. Default: `skip`.
    #[serde(default)]
    overlap: Overlap,
    /// How long one run may take. Default: `20m`.
    #[serde(default = "default_timeout")]
    timeout: TextDuration,
    /// The most by which a run is put off, so that jobs do not all begin at once; always the same for one
    /// job. Default: `0s`.
    #[serde(default = "default_jitter")]
    #[schemars(extend("format" = "duration"))]
    jitter: TextDuration,
    /// How a run that failed for a passing reason is tried again.
    #[serde(default)]
    retry: RetryFile,
    /// False switches the job off. Default: true.
    #[serde(default = "default_enabled")]
    enabled: bool,
}

/// How a run that failed for a passing reason is tried again.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RetryFile {
    /// How many runs an occurrence gets in all. Default: 3.
    #[serde(default = "default_attempts")]
    #[schemars(range(min = 1, max = 20))]
    attempts: u32,
    /// How long to wait before the second run; doubled before each further one. Default: `1m`.
    #[serde(default = "default_wait")]
    wait: TextDuration,
}

/// How a run that failed for a passing reason is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Retry {
    /// How many runs an occurrence gets in all, at least 1.
    pub attempts: u32,
    /// How long to wait before the second run; doubled before each further one.
    pub wait: Duration,
}

/// When a job is due, as its file says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// A cron expression.
    Schedule(String),
    /// A milestone of the distribution's calendar.
    Milestone {
        /// The milestone's name.
        on: String,
        /// The time of day.
        at: Time,
    },
}

/// A job whose file is sound.
#[derive(Clone, Debug, Serialize)]
pub struct Job {
    /// Its name: the stem of its file.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The distribution it works for.
    pub distribution: String,
    /// What it does.
    pub kind: JobKind,
    /// When it is due, as written.
    pub when: When,
    /// The IANA zone in which that is meant.
    pub timezone: String,
    /// When it is due.
    #[serde(skip)]
    pub schedule: Schedule,
    /// What happens to missed occurrences.
    pub catch_up: CatchUp,
    /// How old a missed occurrence may be and still be made up for; `None` is any age.
    pub catch_up_window: Option<Duration>,
    /// What happens when an occurrence is due while the one before still runs.
    pub overlap: Overlap,
    /// How long one run may take.
    pub timeout: Duration,
    /// The most by which a run is put off.
    pub jitter: Duration,
    /// How a run that failed for a passing reason is tried again.
    pub retry: Retry,
    /// False where the job is switched off.
    pub enabled: bool,
    /// What the schedule depends on outside of this file: the rule of its milestone.
    #[serde(skip)]
    milestone_rule: String,
}

impl Job {
    /// When it is due, as a clause: "by the schedule `0 4 * * *` (UTC)".
    pub fn due_in_words(&self) -> String {
        match &self.when {
            When::Schedule(expression) => format!("by the schedule `{expression}` ({})", self.timezone),
            When::Milestone { on, at } => format!("at the milestone `{on}`, at {at} ({})", self.timezone),
        }
    }

    /// A digest (SHA-256, hexadecimal) of everything that decides when the job is due. It changes exactly
    /// when the schedule was edited, here or in the calendar that its milestone comes from.
    pub fn schedule_digest(&self) -> String {
        let when = match &self.when {
            When::Schedule(expression) => {
                let fields: Vec<&str> = expression.split_whitespace().collect();
                format!("cron {}", fields.join(" "))
            }
            When::Milestone { at, .. } => format!("milestone {} at {at}", self.milestone_rule),
        };
        sha256_hex(format!("{when}\n{}\n", self.timezone).as_bytes())
    }
}

impl JobFile {
    /// The resolved job. The file is sound and `calendar` is that of its distribution, where it has one.
    pub(crate) fn resolve(
        self,
        name: &str,
        kind: JobKind,
        calendar: Option<&Arc<Calendar>>,
    ) -> Result<Option<Job>, ScheduleError> {
        let Ok(timezone) = format::time_zone(&self.timezone) else { return Ok(None) };
        let (when, schedule, milestone_rule) = match (self.schedule, self.on, self.at) {
            (Some(expression), ..) => {
                let schedule = Schedule::cron(&expression, timezone, Timestamp::UNIX_EPOCH)?;
                (When::Schedule(expression), schedule, String::new())
            }
            (None, Some(on), Some(at)) => {
                let Ok(at) = format::time(&at) else { return Ok(None) };
                let Some(calendar) = calendar else { return Ok(None) };
                let rule = calendar.describe_milestone(&on).unwrap_or_default();
                let schedule = Schedule::milestone(calendar.clone(), &on, at, timezone)?;
                (When::Milestone { on, at }, schedule, rule)
            }
            (None, ..) => return Ok(None),
        };
        Ok(Some(Job {
            name: name.to_owned(),
            description: self.description,
            distribution: self.distribution,
            kind,
            when,
            timezone: self.timezone,
            schedule,
            catch_up: self.catch_up,
            catch_up_window: self.catch_up_window.map(TextDuration::get),
            overlap: self.overlap,
            timeout: self.timeout.get(),
            jitter: self.jitter.get(),
            retry: Retry { attempts: self.retry.attempts, wait: self.retry.wait.get() },
            enabled: self.enabled,
            milestone_rule,
        }))
    }
}

impl Default for RetryFile {
    fn default() -> Self {
        Self { attempts: default_attempts(), wait: default_wait() }
    }
}

fn utc() -> String {
    "UTC".into()
}

fn default_timeout() -> TextDuration {
    TextDuration::from_secs(20 * 60)
}

fn default_jitter() -> TextDuration {
    TextDuration::from_secs(0)
}

fn default_attempts() -> u32 {
    3
}

fn default_wait() -> TextDuration {
    TextDuration::from_secs(60)
}

fn default_enabled() -> bool {
    true
}
