//! The engine of a cluster: each assignment is a job of Slurm, or an element of an array of jobs, that runs a
//! worker on a node.
//!
//! The folder of assignments lies on a disk that the nodes share. Names of jobs follow from the assignments, so
//! that a job whose number was never written down is found again. What Slurm says counts only as long as
//! there is no report.

mod state;
mod submission;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::sync::Mutex;

use super::folder::aside;
use super::worker::WorkerSettings;
use super::{AssignmentFolder, Engine, Progress, Report, Ticket};
use crate::clock::SharedClock;
use crate::domain::TestVerdict;
use crate::failure::Failure;
pub use state::JobState;
use submission::{Desk, WORKER_MEMORY};

/// How long a command of Slurm may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a report may take from a node's cache to here, once the job has ended.
const REPORT_PATIENCE: Duration = Duration::from_secs(2);
/// What a job needs beside installation and tests, in seconds.
const WORKER_TIME: u64 = 300;
/// What Slurm's commands say when the controller cannot be reached, and it will pass.
const PASSING: [&str; 5] =
    ["Unable to contact slurm controller", "timed out", "Connection refused", "Try again", "temporarily"];

/// How a cluster is reached.
#[derive(Clone, Debug)]
pub struct SlurmSettings {
    /// The folder that holds the folders of all assignments, at the same path on every node.
    pub root: PathBuf,
    /// tidegate on the nodes.
    pub program: PathBuf,
    /// What holds for every worker; the cache may be a folder of each node.
    pub worker: WorkerSettings,
    /// The partition, unless it is the cluster's default.
    pub partition: Option<String>,
    /// The account that is charged, unless it is the user's default.
    pub account: Option<String>,
    /// The most assignments of one array; 1: each is a job of its own.
    pub array_size: u32,
    /// The most elements of one array that run at the same time; none: as many as there is room for.
    pub array_running: Option<u32>,
    /// Further arguments of `sbatch`.
    pub arguments: Vec<String>,
    /// `slurm.conf`, unless it lies where Slurm looks.
    pub configuration: Option<PathBuf>,
    /// The folder of Slurm's programs, unless it is among those of `PATH`.
    pub programs: Option<PathBuf>,
}

/// The engine of a cluster.
pub struct SlurmEngine {
    settings: SlurmSettings,
    clock: SharedClock,
    /// Held while jobs are looked for and submitted, so that two do not submit the same.
    submitting: Mutex<()>,
    desk: std::sync::Mutex<Desk>,
}

/// What a command of Slurm answered.
struct Answer {
    succeeded: bool,
    output: String,
    errors: String,
}

impl SlurmEngine {
    /// The engine; nothing is asked of Slurm yet. Fails where the shared folder cannot be used.
    pub fn new(mut settings: SlurmSettings, clock: SharedClock) -> Result<Self, Failure> {
        let root = &settings.root;
        let made = std::fs::create_dir_all(root).and_then(|()| root.canonicalize());
        settings.root = made.map_err(|error| Failure::Configuration {
            message: format!("the shared folder of assignments, {}, cannot be used: {error}", root.display()),
            hint: None,
        })?;
        Ok(Self { settings, clock, submitting: Mutex::default(), desk: std::sync::Mutex::default() })
    }

    async fn look_at(&self, ticket: &Ticket) -> Result<Progress, Failure> {
        let folder = AssignmentFolder::open(&ticket.folder)?;
        if let Some(report) = folder.report()? {
            return Ok(Progress::Ended(report));
        }
        let Some(job) = &ticket.job else {
            return Ok(Progress::Lost { why: "it was never given to Slurm".to_owned() });
        };
        let state = self.state(job).await?;
        match &state {
            JobState::Waiting if folder.is_cancelled() => Ok(cancelled()),
            JobState::Waiting => Ok(Progress::Waiting),
            JobState::Running => Ok(Progress::Running),
            _ => {
                tokio::time::sleep(REPORT_PATIENCE).await;
                match folder.report()? {
                    Some(report) => Ok(Progress::Ended(report)),
                    None => self.ended_without_report(&folder, job, &state).await,
                }
            }
        }
    }

    /// What a job that has ended and left no report says.
    async fn ended_without_report(
        &self,
        folder: &AssignmentFolder,
        job: &str,
        state: &JobState,
    ) -> Result<Progress, Failure> {
        let assignment = folder.assignment()?;
        let verdict = match state {
            _ if folder.is_cancelled() => None,
            JobState::TimedOut => Some(TestVerdict::TimedOut { after: slurm_time(assignment.limits.time) }),
            JobState::OutOfMemory => Some(TestVerdict::Infrastructure {
                why: format!(
                    "Slurm ended job {job}, worker and tests together, since it used more than {} bytes of memory",
                    assignment.limits.memory.saturating_add(WORKER_MEMORY)
                ),
            }),
            _ => None,
        };
        aside(folder, AssignmentFolder::clear_abandoned).await?;
        let Some(verdict) = verdict else {
            return Ok(match state {
                _ if folder.is_cancelled() => cancelled(),
                state => Progress::Lost { why: state.why_lost(job) },
            });
        };
        // From here on the folder says it as well, also when Slurm has forgotten the job.
        let now = self.clock.now();
        let started_at = folder.begun()?.map_or(now, |begun| begun.at);
        let report = Report {
            key: Some(assignment.key),
            verdict,
            started_at,
            finished_at: now,
            log: super::folder::LOG.to_owned(),
            exit: None,
            peak_memory: None,
        };
        folder.end(&report)?;
        Ok(Progress::Ended(report))
    }

    /// What Slurm says of a job: its queue first, then its accounting where there is one, then the
    /// controller's memory.
    async fn state(&self, job: &str) -> Result<JobState, Failure> {
        if !is_job(job) {
            return Err(Failure::permanent(format!("`{}` is no number of a job", job.escape_debug())));
        }
        let jobs = format!("--jobs={job}");
        let asked: [(&str, Vec<OsString>); 3] = [
            ("squeue", ["--noheader", "--states=all", "--format=%T", &jobs].map(OsString::from).to_vec()),
            (
                "sacct",
                ["--noheader", "--allocations", "--parsable2", "--format=State", &jobs]
                    .map(OsString::from)
                    .to_vec(),
            ),
            ("scontrol", ["--oneliner", "show", "job", job].map(OsString::from).to_vec()),
        ];
        for (program, arguments) in asked {
            let answer = match self.command(program, &arguments, "").await {
                Ok(answer) => answer,
                // A cluster without accounting may come without the program as well.
                Err(Failure::Configuration { .. }) if program == "sacct" => continue,
                Err(failure) => return Err(failure),
            };
            if let Some(state) = answer.state().filter(|_| answer.succeeded) {
                return Ok(JobState::from_slurm(state));
            }
            if answer.is_passing() && program != "sacct" {
                return Err(answer.failure(program));
            }
        }
        Ok(JobState::Forgotten)
    }

    async fn command(&self, program: &str, arguments: &[OsString], input: &str) -> Result<Answer, Failure> {
        let failed = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => Failure::Configuration {
                message: format!("Slurm's program `{program}` is not installed"),
                hint: Some("install Slurm's client programs where the daemon runs".to_owned()),
            },
            _ => Failure::transient(format!("{program}: {error}")),
        };
        let mut command = Command::new(match &self.settings.programs {
            Some(folder) => folder.join(program),
            None => PathBuf::from(program),
        });
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Answers are read as they are written without a locale, and times would be local.
        command.kill_on_drop(true).env("LC_ALL", "C").env("TZ", "UTC");
        if let Some(configuration) = &self.settings.configuration {
            command.env("SLURM_CONF", configuration);
        }
        let mut child = command.spawn().map_err(failed)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that ends before it has read everything says why itself.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        match tokio::time::timeout(PATIENCE, child.wait_with_output()).await {
            Err(_) => Err(Failure::transient(format!("{program} did not answer within {PATIENCE:?}"))),
            Ok(output) => {
                let output = output.map_err(failed)?;
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
                let (errors, succeeded) = (text(&output.stderr), output.status.success());
                Ok(Answer { succeeded, output: text(&output.stdout), errors })
            }
        }
    }
}

impl Engine for SlurmEngine {
    fn submit<'a>(&'a self, folder: &'a AssignmentFolder) -> BoxFuture<'a, Result<Ticket, Failure>> {
        Box::pin(self.submit_folder(folder))
    }

    fn look<'a>(&'a self, ticket: &'a Ticket) -> BoxFuture<'a, Result<Progress, Failure>> {
        Box::pin(self.look_at(ticket))
    }

    fn cancel<'a>(&'a self, ticket: &'a Ticket) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async {
            let folder = AssignmentFolder::open(&ticket.folder)?;
            if folder.report()?.is_some() {
                return Ok(());
            }
            folder.cancel()?;
            let Some(job) = ticket.job.as_ref().filter(|job| is_job(job)) else { return Ok(()) };
            let answer = self.command("scancel", &[job.into()], "").await?;
            match answer.is_passing() {
                true => Err(answer.failure("scancel")),
                // A job that Slurm does not know is as good as cancelled.
                false => Ok(()),
            }
        })
    }
}

impl Answer {
    /// The word for the state of the job, from any of the three programs.
    fn state(&self) -> Option<&str> {
        let line = self.output.lines().next()?;
        match line.split_once("JobState=") {
            Some((_, rest)) => rest.split_whitespace().next(),
            // `CANCELLED by 1000` of sacct.
            None => line.split_whitespace().next(),
        }
    }

    fn is_passing(&self) -> bool {
        !self.succeeded && PASSING.iter().any(|text| self.errors.contains(text))
    }

    fn failure(&self, program: &str) -> Failure {
        let said = if self.errors.is_empty() { &self.output } else { &self.errors };
        let message = format!("{program} failed: {}", said.lines().collect::<Vec<_>>().join("; "));
        if self.is_passing() { Failure::transient(message) } else { Failure::permanent(message) }
    }
}

/// The longest time of a whole job, in seconds: installing, testing, and what is around.
fn slurm_time(time: u64) -> u64 {
    time.saturating_mul(2).saturating_add(WORKER_TIME)
}

/// True for the number of a job, such as `12`, or of an element of an array, such as `12_3`. It becomes an argument
/// of Slurm's programs.
fn is_job(text: &str) -> bool {
    let (job, index) = text.split_once('_').unwrap_or((text, "0"));
    let is_number =
        |part: &str| !part.is_empty() && part.len() <= 20 && part.bytes().all(|byte| byte.is_ascii_digit());
    is_number(job) && is_number(index)
}

fn cancelled() -> Progress {
    Progress::Lost { why: "it was cancelled".to_owned() }
}
