//! The worker: a process of its own that carries out one assignment and leaves its report.
//!
//! It runs on one thread that lives as long as it does. bubblewrap ends with the thread that started it
//! (`--die-with-parent` is about threads), and a pool of threads would take a test down with an idle one.

mod conda;
mod output;
mod processes;
mod step;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::folder::{Begun, LOG};
use super::sandbox::Sandbox;
use super::shell::exec;
use super::{Assignment, AssignmentFolder, CommandWork, Report, Work};
use crate::clock::SharedClock;
use crate::domain::{FailedStep, TestVerdict};
use crate::ecosystem::conda::install::PackageSource;
use crate::ecosystem::conda::package_cache;
use crate::failure::Failure;
use output::Output;
use processes::end_descendants;
use step::{Bench, StepEnd};

/// How often a worker looks whether it is to end.
const CANCEL_LOOK: Duration = Duration::from_millis(300);

/// How much later than its tests a worker may hear that it is to end.
const HEARSAY: Duration = Duration::from_secs(1);

/// What holds for every assignment that a worker of this machine carries out.
#[derive(Clone, Debug)]
pub struct WorkerSettings {
    /// The folder in which fetched packages are kept for the next environment.
    pub cache: PathBuf,
    /// How tests are kept apart from the machine.
    pub sandbox: Sandbox,
}

/// What became of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerEnd {
    /// It carried out the assignment and left its report.
    Reported,
    /// Another worker is at it, or has ended it.
    Taken,
    /// It was told to end, and left no report.
    Stopped,
}

/// Carries out the assignment in `folder`. `announce` is called once the folder is this worker's, before
/// anything else is done. Call it on a runtime with one thread.
pub async fn work(
    folder: &AssignmentFolder,
    settings: &WorkerSettings,
    clock: &SharedClock,
    announce: impl FnOnce(),
) -> Result<WorkerEnd, Failure> {
    let Some(_hold) = folder.hold()? else { return Ok(WorkerEnd::Taken) };
    // The state is looked at through another open file, so the hold itself reads as a living worker.
    if folder.report()?.is_some() {
        return Ok(WorkerEnd::Taken);
    }
    let begun = Begun { process: std::process::id(), machine: machine(), at: clock.now() };
    folder.begin(&begun)?;
    announce();
    // What a worker that was killed left behind is nobody's any more.
    folder.clear()?;
    processes::adopt_orphans();
    let needed = folder.assignment().ok().and_then(|assignment| match assignment.work {
        Work::CondaTest(test) => Some(test.records),
        Work::Command(_) => None,
    });
    if let Some(needed) = &needed {
        // Where the time cannot be set, the entry is fetched anew one day.
        let _ = package_cache::used(&settings.cache, needed, begun.at);
    }
    let mut stop = std::pin::pin!(told_to_end(folder));
    let mut ended = tokio::select! {
        biased;
        () = &mut stop => None,
        ended = attempt(folder, settings) => Some(ended),
    };
    // Who ends a whole job tells its tests as well, and they may hear of it before their worker does.
    if matches!(&ended, Some(Attempt { verdict: TestVerdict::Fail { .. }, .. })) {
        tokio::select! {
            biased;
            () = &mut stop => ended = None,
            () = tokio::time::sleep(HEARSAY) => {}
        }
    }
    end_descendants();
    let Some(Attempt { key, verdict, exit, peak_memory }) = ended else {
        folder.clear()?;
        return Ok(WorkerEnd::Stopped);
    };
    let (started_at, finished_at) = (begun.at, clock.now());
    let report = Report { key, verdict, started_at, finished_at, log: LOG.to_owned(), exit, peak_memory };
    folder.end(&report)?;
    folder.clear()?;
    if needed.is_some()
        && let Err(error) = package_cache::prune(&settings.cache, clock.now()).await
    {
        tracing::warn!("the package cache {} was not gone through: {error:#}", settings.cache.display());
    }
    Ok(WorkerEnd::Reported)
}

/// What an attempt came to.
struct Attempt {
    key: Option<String>,
    verdict: TestVerdict,
    exit: Option<i32>,
    peak_memory: Option<u64>,
}

async fn attempt(folder: &AssignmentFolder, settings: &WorkerSettings) -> Attempt {
    let unable = |key: Option<String>, failure: &Failure| Attempt {
        key,
        verdict: TestVerdict::Infrastructure { why: told(failure) },
        exit: None,
        peak_memory: None,
    };
    let assignment = match folder.assignment() {
        Ok(assignment) => assignment,
        Err(failure) => return unable(None, &failure),
    };
    let key = Some(assignment.key.clone());
    let mut bench = match open_bench(folder, settings, &assignment) {
        Ok(bench) => bench,
        Err(failure) => return unable(key, &failure),
    };
    let ended = match &assignment.work {
        Work::CondaTest(test) => match http() {
            Ok(http) => {
                let source = PackageSource::new(settings.cache.clone(), http);
                conda::test(test, &mut bench, &source).await
            }
            Err(failure) => Err(failure),
        },
        Work::Command(work) => command(work, &mut bench, &folder.input()).await,
    };
    let verdict = ended.unwrap_or_else(|failure| TestVerdict::Infrastructure { why: told(&failure) });
    bench.output.note(&format!("verdict: {}", words(&verdict)));
    let verdict = match bench.output.finish() {
        Ok(()) => verdict,
        Err(error) => TestVerdict::Infrastructure { why: format!("cannot keep the output: {error}") },
    };
    Attempt { key, verdict, exit: bench.exit, peak_memory: bench.peak_memory }
}

fn open_bench(
    folder: &AssignmentFolder,
    settings: &WorkerSettings,
    assignment: &Assignment,
) -> Result<Bench, Failure> {
    settings.sandbox.check()?;
    let output = Output::create(&folder.log(), assignment.limits.output)?;
    Bench::open(folder.places(), settings.sandbox, assignment, output)
}

/// Runs a program as the only step.
async fn command(work: &CommandWork, bench: &mut Bench, input: &Path) -> Result<TestVerdict, Failure> {
    let folder = bench.work_folder("command")?;
    step::copy(input, &folder)?;
    bench.start_clock();
    bench.output.note(&format!("running {}", work.command.join(" ")));
    let end = bench.run(&exec(&work.command), &folder, &work.variables).await?;
    let failed = |exit| FailedStep::Command { number: 1, command: work.command.join(" "), exit };
    Ok(judge(&end, bench, failed).unwrap_or(TestVerdict::Pass))
}

/// The verdict that the end of a step forces; none where the step passed.
fn judge(
    end: &StepEnd,
    bench: &Bench,
    failed: impl FnOnce(Option<i32>) -> FailedStep,
) -> Option<TestVerdict> {
    let limits = &bench.limits;
    let (exit, reason) = match end {
        StepEnd::Exited(0) => return None,
        StepEnd::OutOfTime => return Some(TestVerdict::TimedOut { after: limits.time }),
        StepEnd::Exited(code) => (Some(*code), String::new()),
        StepEnd::Signalled(number) => (None, format!("ended by signal {number}\n")),
        StepEnd::TooMuchMemory => {
            (None, format!("stopped: it used more than {} bytes of memory\n", limits.memory))
        }
        StepEnd::TooMuchDisk => {
            (None, format!("stopped: it wrote more than {} bytes to the disk\n", limits.disk))
        }
    };
    let detail = reason + &bench.output.tail();
    Some(TestVerdict::Fail { step: failed(exit), detail: detail.trim_end().to_owned() })
}

/// A client for channels. Waits are bounded each, not in sum: large packages take their time.
fn http() -> Result<reqwest::Client, Failure> {
    crate::tls::prepare();
    reqwest::Client::builder()
        .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(30))
        .read_timeout(Duration::from_secs(60))
        .build()
        .map_err(|error| Failure::permanent(format!("cannot prepare connections: {error}")))
}

/// Returns when the folder or a signal says that this worker is to end.
async fn told_to_end(folder: &AssignmentFolder) {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        // Without handlers the signals end the process at once, which says the same.
        return std::future::pending().await;
    };
    let mut look = tokio::time::interval(CANCEL_LOOK);
    loop {
        tokio::select! {
            _ = terminate.recv() => return,
            _ = interrupt.recv() => return,
            _ = look.tick() => {
                if folder.is_cancelled() {
                    return;
                }
            }
        }
    }
}

/// A failure with what to do about it.
fn told(failure: &Failure) -> String {
    match failure {
        Failure::Configuration { message, hint: Some(hint) } => format!("{message} ({hint})"),
        failure => failure.to_string(),
    }
}

fn words(verdict: &TestVerdict) -> String {
    match verdict {
        TestVerdict::Pass => "passed".to_owned(),
        TestVerdict::Fail { step, .. } => format!("failed, {step}"),
        TestVerdict::TimedOut { after } => format!("not ended within {after} s"),
        TestVerdict::NoTests => "the package carries no tests".to_owned(),
        TestVerdict::UnknownTests { why } => format!("not known, since its tests are not: {why}"),
        TestVerdict::NoEngine { why } => format!("not known, since it was not tested: {why}"),
        TestVerdict::Infrastructure { why } => format!("not known, since the machine failed: {why}"),
    }
}

/// The name of this machine, for people.
fn machine() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    name.map_or_else(|_| "unknown".to_owned(), |name| name.trim_end().to_owned())
}
