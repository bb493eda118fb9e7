//! The engine of this machine: a bounded number of workers, each a process that outlives the daemon.
//!
//! Without systemd a worker is a session of its own, started from our own program. Under systemd it is
//! an instance of `tidegate-worker@.service` behind a socket, since everything in the daemon's own unit
//! ends with it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::process::Command;
use tokio::sync::Mutex;

use super::folder::{Begun, FolderState, WORKER_LOG, aside};
use super::worker::WorkerSettings;
use super::{AssignmentFolder, Engine, Progress, Ticket};
use crate::failure::Failure;

/// What a worker answers once the folder is its own.
pub(crate) const RUNNING: &str = "running";
/// What a worker answers where another one has the folder.
pub(crate) const TAKEN: &str = "taken";
/// How long a worker may take to answer.
const ANSWER: Duration = Duration::from_secs(30);
/// The longest answer that is read, in bytes.
const LONGEST_ANSWER: u64 = 4_096;
/// What a worker needs of the daemon's environment; everything else, a token above all, stays here.
const INHERITED: [&str; 12] = [
    "ALL_PROXY",
    "HOME",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "LANG",
    "NO_PROXY",
    "PATH",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "all_proxy",
    "https_proxy",
    "no_proxy",
];

/// How the engine of this machine is set up.
#[derive(Clone, Debug)]
pub struct LocalSettings {
    /// The folder that holds the folders of all assignments.
    pub root: PathBuf,
    /// The most workers at the same time.
    pub workers: usize,
    /// How a worker is started.
    pub start: WorkerStart,
}

/// How a worker is started.
#[derive(Clone, Debug)]
pub enum WorkerStart {
    /// As a process in a session of its own.
    Process {
        /// tidegate.
        program: PathBuf,
        /// What holds for every assignment.
        settings: WorkerSettings,
    },
    /// By a line to this socket, which systemd answers with an instance of the worker's unit.
    Socket(PathBuf),
}

/// The engine of this machine.
#[derive(Debug)]
pub struct LocalEngine {
    root: PathBuf,
    workers: usize,
    start: WorkerStart,
    /// Held while a place is looked for and filled, so that two do not fill the same.
    starting: Mutex<()>,
}

impl LocalEngine {
    /// The engine; makes its folder where it is missing. Fails where tests could not run here.
    pub fn new(settings: LocalSettings) -> Result<Self, Failure> {
        let LocalSettings { root, workers, start } = settings;
        if let WorkerStart::Process { settings, .. } = &start {
            settings.sandbox.check()?;
        }
        let made = fs::create_dir_all(&root).and_then(|()| root.canonicalize());
        let root = made.map_err(|error| Failure::Configuration {
            message: format!("the folder of assignments, {}, cannot be made: {error}", root.display()),
            hint: None,
        })?;
        Ok(Self { root, workers: workers.max(1), start, starting: Mutex::new(()) })
    }

    async fn submit_folder(&self, folder: &AssignmentFolder) -> Result<Ticket, Failure> {
        if folder.path().parent() != Some(&self.root) {
            let (path, root) = (folder.path().display(), self.root.display());
            return Err(Failure::permanent(format!("{path} does not lie in {root}, where workers look")));
        }
        folder.assignment()?;
        let ticket = Ticket { folder: folder.path().to_path_buf(), job: None };
        match folder.state()? {
            FolderState::Ended(_) | FolderState::Held => return Ok(ticket),
            FolderState::Abandoned(_) | FolderState::Cancelled => {
                aside(folder, AssignmentFolder::renew).await?;
            }
            FolderState::Fresh => {}
        }
        self.start_if_free(folder).await?;
        Ok(ticket)
    }

    async fn look_at(&self, ticket: &Ticket) -> Result<Progress, Failure> {
        let folder = AssignmentFolder::open(&ticket.folder)?;
        match folder.state()? {
            FolderState::Ended(report) => {
                // It may have been killed between its report and its clearing up.
                aside(&folder, AssignmentFolder::clear_abandoned).await?;
                Ok(Progress::Ended(*report))
            }
            FolderState::Held => Ok(Progress::Running),
            FolderState::Fresh => self.start_if_free(&folder).await,
            FolderState::Abandoned(begun) => {
                aside(&folder, AssignmentFolder::clear_abandoned).await?;
                Ok(Progress::Lost { why: abandoned(&begun) })
            }
            FolderState::Cancelled => Ok(Progress::Lost { why: "it was cancelled".to_owned() }),
        }
    }

    /// Starts a worker for a fresh folder, where fewer than the most are alive.
    async fn start_if_free(&self, folder: &AssignmentFolder) -> Result<Progress, Failure> {
        let _starting = self.starting.lock().await;
        if self.living()? >= self.workers {
            return Ok(Progress::Waiting);
        }
        let answer = match &self.start {
            WorkerStart::Process { program, settings } => start_process(program, settings, folder).await?,
            WorkerStart::Socket(socket) => ask_socket(socket, folder).await?,
        };
        match answer.as_str() {
            RUNNING | TAKEN => Ok(Progress::Running),
            answer => {
                let path = folder.path().display();
                let said = if answer.is_empty() { "nothing" } else { answer };
                Err(Failure::transient(format!(
                    "the worker for {path} did not begin and answered {said}; {path}/{WORKER_LOG} may say more"
                )))
            }
        }
    }

    /// How many workers are alive, whichever process started them.
    fn living(&self) -> Result<usize, Failure> {
        let failed = |error: std::io::Error| {
            Failure::transient(format!("cannot read {}: {error}", self.root.display()))
        };
        let mut living = 0;
        for entry in fs::read_dir(&self.root).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if !entry.file_type().map_err(failed)?.is_dir() {
                continue;
            }
            // A folder that goes away meanwhile has no worker.
            let held = AssignmentFolder::open(&entry.path()).and_then(|folder| folder.is_held());
            if let Ok(true) = held {
                living += 1;
            }
        }
        Ok(living)
    }
}

impl Engine for LocalEngine {
    fn submit<'a>(&'a self, folder: &'a AssignmentFolder) -> BoxFuture<'a, Result<Ticket, Failure>> {
        Box::pin(self.submit_folder(folder))
    }

    fn look<'a>(&'a self, ticket: &'a Ticket) -> BoxFuture<'a, Result<Progress, Failure>> {
        Box::pin(self.look_at(ticket))
    }

    fn cancel<'a>(&'a self, ticket: &'a Ticket) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async {
            let folder = AssignmentFolder::open(&ticket.folder)?;
            match folder.report()? {
                Some(_) => Ok(()),
                None => folder.cancel(),
            }
        })
    }
}

impl WorkerSettings {
    /// The arguments of `tidegate` that start a worker with these settings.
    pub(super) fn arguments(&self, folder: &Path) -> Vec<OsString> {
        let sandbox = clap::ValueEnum::to_possible_value(&self.sandbox);
        let sandbox = sandbox.map(|value| value.get_name().to_owned()).unwrap_or_default();
        vec![
            "worker".into(),
            folder.into(),
            "--cache".into(),
            self.cache.clone().into(),
            "--sandbox".into(),
            sandbox.into(),
        ]
    }
}

/// What is said of a worker that is gone.
pub(super) fn abandoned(begun: &Begun) -> String {
    let Begun { process, machine, at } = begun;
    format!("its worker, process {process} on {machine}, began at {at} and ended without a report")
}

/// Starts our own program and awaits its answer. The process is not waited for: it ends when it ends.
async fn start_process(
    program: &Path,
    settings: &WorkerSettings,
    folder: &AssignmentFolder,
) -> Result<String, Failure> {
    let failed = |error: std::io::Error| {
        Failure::transient(format!("cannot start a worker with {}: {error}", program.display()))
    };
    // A second worker that finds the folder taken must not wipe out what the first one says.
    let log = fs::OpenOptions::new().create(true).append(true).open(folder.path().join(WORKER_LOG));
    let errors = log.map_err(failed)?;
    let mut command = Command::new(program);
    command.args(settings.arguments(folder.path())).env_clear();
    for name in INHERITED {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors).current_dir("/");
    let mut child = command.spawn().map_err(failed)?;
    match child.stdout.take() {
        Some(stdout) => answer(BufReader::new(stdout)).await.map_err(failed),
        None => Ok(String::new()),
    }
}

async fn ask_socket(socket: &Path, folder: &AssignmentFolder) -> Result<String, Failure> {
    let failed = |error: std::io::Error| {
        Failure::transient(format!(
            "no worker behind {}: {error}; is tidegate-worker.socket started?",
            socket.display()
        ))
    };
    let mut stream = UnixStream::connect(socket).await.map_err(failed)?;
    let line = format!("{}\n", folder.path().display());
    stream.write_all(line.as_bytes()).await.map_err(failed)?;
    answer(BufReader::new(stream)).await.map_err(failed)
}

/// The first line; empty where there is none in time.
async fn answer(reader: impl AsyncBufRead + Unpin) -> std::io::Result<String> {
    let mut line = String::new();
    let mut reader = reader.take(LONGEST_ANSWER);
    match tokio::time::timeout(ANSWER, reader.read_line(&mut line)).await {
        Ok(read) => read.map(|_| line.trim_end().to_owned()),
        Err(_) => Ok(String::new()),
    }
}
