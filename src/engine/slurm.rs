//! The engine of a cluster: each assignment is a Slurm job that runs a worker on a node.
//!
//! The folder of assignments lies on a disk that the nodes share. The job carries the assignment's key as
//! its name, so that a job whose number was never written down is found again. What Slurm says counts
//! only as long as there is no report.

mod state;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::sync::Mutex;

use super::folder::aside;
use super::shell::exec;
use super::worker::WorkerSettings;
use super::{Assignment, AssignmentFolder, Engine, Limits, Progress, Report, Ticket};
use crate::clock::SharedClock;
use crate::domain::TestVerdict;
use crate::failure::Failure;
pub use state::JobState;

/// How long a command of Slurm may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a report may take from a node's cache to here, once the job has ended.
const REPORT_PATIENCE: Duration = Duration::from_secs(2);
/// What a worker needs beside its tests, in bytes.
const WORKER_MEMORY: u64 = 512 << 20;
/// What a job needs beside installation and tests, in seconds.
const WORKER_TIME: u64 = 300;
/// What precedes the key in the name of a job.
const JOB_NAME: &str = "tidegate-";
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
    /// Held while a job is looked for and submitted, so that two do not submit the same.
    submitting: Mutex<()>,
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
        Ok(Self { settings, clock, submitting: Mutex::new(()) })
    }

    async fn submit_folder(&self, folder: &AssignmentFolder) -> Result<Ticket, Failure> {
        if folder.path().parent() != Some(&self.settings.root) {
            let (path, root) = (folder.path().display(), self.settings.root.display());
            return Err(Failure::permanent(format!("{path} does not lie in {root}, which the nodes share")));
        }
        let assignment = folder.assignment()?;
        let ticket = |job| Ticket { folder: folder.path().to_path_buf(), job };
        let _submitting = self.submitting.lock().await;
        let noted = folder.job()?;
        if folder.report()?.is_some() {
            return Ok(ticket(noted));
        }
        if let Some(job) = noted {
            let state = self.state(&job).await?;
            if !state.has_ended() && !folder.is_cancelled() {
                return Ok(ticket(Some(job)));
            }
            aside(folder, AssignmentFolder::renew).await?;
        }
        let job = match self.find(&assignment.key).await? {
            Some(job) => job,
            None => self.sbatch(folder, &assignment).await?,
        };
        folder.note_job(&job)?;
        Ok(ticket(Some(job)))
    }

    /// The number of a job of that name that has not ended: one that a crash kept from being noted.
    async fn find(&self, key: &str) -> Result<Option<String>, Failure> {
        let name = format!("--name={JOB_NAME}{key}");
        let arguments = ["--noheader", "--me", "--format=%i|%T", &name].map(OsString::from);
        let answer = self.command("squeue", &arguments, "").await?;
        if !answer.succeeded {
            return Err(answer.failure("squeue"));
        }
        let jobs = answer.output.lines().filter_map(|line| line.split_once('|'));
        let living = jobs.filter(|(_, state)| !JobState::from_slurm(state).has_ended());
        Ok(living.map(|(job, _)| job.trim().to_owned()).find(|job| is_job(job)))
    }

    async fn sbatch(&self, folder: &AssignmentFolder, assignment: &Assignment) -> Result<String, Failure> {
        let SlurmSettings { program, worker, partition, account, arguments, .. } = &self.settings;
        let path = folder.path().display();
        let Limits { time, memory, .. } = assignment.limits;
        let (minutes, mebibytes) =
            (slurm_time(time).div_ceil(60), memory.saturating_add(WORKER_MEMORY).div_ceil(1 << 20));
        let mut all = vec![
            "--parsable".to_owned(),
            format!("--job-name={JOB_NAME}{}", assignment.key),
            format!("--comment={}", assignment.key),
            format!("--time={minutes}"),
            format!("--mem={mebibytes}M"),
            format!("--output={}/slurm.log", path.to_string().replace('%', "%%")),
            format!("--chdir={path}"),
            "--export=NONE".to_owned(),
            "--ntasks=1".to_owned(),
            // A worker that is begun anew elsewhere would not know what the first one left there.
            "--no-requeue".to_owned(),
        ];
        all.extend(partition.iter().map(|partition| format!("--partition={partition}")));
        all.extend(account.iter().map(|account| format!("--account={account}")));
        all.extend(arguments.iter().cloned());
        let words: Vec<String> = std::iter::once(program.clone().into_os_string())
            .chain(worker.arguments(folder.path()))
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        let script = format!("#!/bin/sh\n{}\n", exec(&words));
        let all: Vec<OsString> = all.into_iter().map(OsString::from).collect();
        let answer = self.command("sbatch", &all, &script).await?;
        // On clusters of clusters the name of the cluster follows.
        let job = answer.output.trim().split(';').next().unwrap_or_default().to_owned();
        if answer.succeeded && is_job(&job) {
            return Ok(job);
        }
        Err(match answer.failure("sbatch") {
            passing @ Failure::Transient { .. } => passing,
            failure => Failure::Configuration {
                message: failure.to_string(),
                hint: Some("look at the engine's partition, account and arguments".to_owned()),
            },
        })
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

/// True for the number of a job, which becomes an argument of Slurm's programs.
fn is_job(text: &str) -> bool {
    !text.is_empty() && text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn cancelled() -> Progress {
    Progress::Lost { why: "it was cancelled".to_owned() }
}
