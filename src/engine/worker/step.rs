//! One step: shell code in the sandbox, watched until it ends or goes over a limit.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::statvfs::statvfs;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use super::output::Output;
use super::processes::{end_descendants, over_memory};
use crate::engine::folder::Places;
use crate::engine::sandbox::{Cell, SETTINGS, Sandbox};
use crate::engine::{Assignment, Limits, Network};
use crate::failure::Failure;

/// How long output is awaited once its step has ended: somebody may still hold the pipe.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// The longest time that steps can have, so that no limit is too large to be added to a time.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3_600);
/// The least time between two looks at the disk.
const DISK_LOOK: Duration = Duration::from_secs(1);
/// A disk with less room than this counts as full, in bytes.
const LEAST_ROOM: u64 = 16 * 1024 * 1024;
/// What a step says first, by which the sandbox is known to have let it begin. It is said and not left in
/// a file, since a test may clear up its `/tmp`.
const SIGN: &[u8] = b"[tidegate] begun\n";
/// The file with the code of a step.
const CODE: &str = "step.sh";
/// The most processes and threads of the user inside the sandbox.
const PROCESSES: u32 = 4_096;

/// Where the steps of one assignment run, and what is known of them so far.
pub(super) struct Bench {
    pub(super) places: Places,
    pub(super) limits: Limits,
    pub(super) output: Output,
    /// The exit code of the last step that ended by itself.
    pub(super) exit: Option<i32>,
    /// The most memory that was seen, in bytes.
    pub(super) peak_memory: Option<u64>,
    sandbox: Sandbox,
    network: Network,
    deadline: Instant,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StepEnd {
    /// By itself, with this code.
    Exited(i32),
    /// By a signal that was not ours.
    Signalled(i32),
    OutOfTime,
    TooMuchMemory,
    TooMuchDisk,
}

impl Bench {
    /// Makes the folders.
    pub(super) fn open(
        places: Places,
        sandbox: Sandbox,
        assignment: &Assignment,
        output: Output,
    ) -> Result<Self, Failure> {
        for place in places.all() {
            fs::create_dir_all(place).map_err(|error| disk("make", place, &error))?;
        }
        for (name, content) in SETTINGS {
            let path = places.settings.join(name);
            fs::write(&path, content).map_err(|error| disk("write", &path, &error))?;
        }
        let Assignment { limits, network, .. } = *assignment;
        let mut bench = Self {
            places,
            limits,
            output,
            exit: None,
            peak_memory: None,
            sandbox,
            network,
            deadline: Instant::now(),
        };
        bench.start_clock();
        Ok(bench)
    }

    /// Gives the steps from here on all of their time.
    pub(super) fn start_clock(&mut self) {
        self.deadline = Instant::now() + Duration::from_secs(self.limits.time).min(LONGEST);
    }

    /// A new working folder of that name.
    pub(super) fn work_folder(&self, name: &str) -> Result<PathBuf, Failure> {
        let folder = self.places.work.join(name);
        fs::create_dir_all(&folder).map_err(|error| disk("make", &folder, &error))?;
        Ok(folder)
    }

    /// Runs shell code in the folder `work`. It fails only where nothing is known of the code: the
    /// sandbox did not begin, or the disk is full.
    pub(super) async fn run(
        &mut self,
        code: &str,
        work: &Path,
        variables: &BTreeMap<String, String>,
    ) -> Result<StepEnd, Failure> {
        self.output.begin_step();
        let (mut child, mut reader) = self.start(code, work, variables)?;
        let mut opening = Opening::default();
        let end = tokio::select! {
            exited = communicate(&mut child, &mut reader, (&mut opening, &mut self.output)) => {
                end_of(exited.map_err(|error| machine("follow the step", &error))?)
            }
            () = over_memory(self.limits.memory, &mut self.peak_memory) => StepEnd::TooMuchMemory,
            () = over_disk(self.places.clone(), self.limits.disk) => StepEnd::TooMuchDisk,
            () = tokio::time::sleep_until(self.deadline) => StepEnd::OutOfTime,
        };
        // It is an error only where the process has ended already.
        let _ = child.start_kill();
        let _ = child.wait().await;
        end_descendants();
        let begun = opening.end(&mut self.output);
        self.settle(end, begun)
    }

    /// Starts the step, and gives back where its output comes out.
    fn start(
        &self,
        code: &str,
        work: &Path,
        variables: &BTreeMap<String, String>,
    ) -> Result<(Child, Receiver), Failure> {
        let script = self.places.temporary.join(CODE);
        fs::write(&script, self.limited(code)).map_err(|error| disk("write", &script, &error))?;
        let cell = Cell { sandbox: self.sandbox, network: self.network, places: &self.places };
        let mut command = Command::from(cell.command(CODE, work, variables));
        let (reader, writer) = io::pipe().map_err(|error| machine("make a pipe", &error))?;
        let for_errors = writer.try_clone().map_err(|error| machine("make a pipe", &error))?;
        command.stdin(Stdio::null()).stdout(writer).stderr(for_errors).kill_on_drop(true).process_group(0);
        let child = command.spawn().map_err(|error| machine("start the sandbox", &error))?;
        // The command holds the pipe's other end; while it does, the output has no end.
        drop(command);
        let reader = Receiver::from_owned_fd(reader.into()).map_err(|error| machine("read", &error))?;
        Ok((child, reader))
    }

    /// Notes how a step ended, unless that says nothing of its code.
    fn settle(&mut self, end: StepEnd, begun: bool) -> Result<StepEnd, Failure> {
        self.exit = None;
        if !begun {
            return Err(Failure::Configuration {
                message: format!("the sandbox did not begin: {}", self.output.tail()),
                hint: Some(
                    "bubblewrap needs namespaces of users and a /proc that is not covered in parts; where \
                     there are none, choose the sandbox `none`"
                        .to_owned(),
                ),
            });
        }
        if let StepEnd::Exited(code) = end {
            self.exit = Some(code);
        }
        if end != StepEnd::Exited(0) && disk_is_full(&self.places.work) {
            let message = format!("the disk of {} is full", self.places.work.display());
            return Err(Failure::transient(message));
        }
        Ok(end)
    }

    /// The code with its limits before it. Memory is watched from outside instead: limits on addresses
    /// break programs that reserve more than they use.
    fn limited(&self, code: &str) -> String {
        let blocks = (self.limits.disk / 1024).max(1);
        let processes = match self.sandbox {
            Sandbox::Bubblewrap => format!("ulimit -u {PROCESSES}\n"),
            // Without a namespace of users, the processes of others would count as well.
            Sandbox::None => String::new(),
        };
        let sign = String::from_utf8_lossy(SIGN);
        format!("echo '{}'\nulimit -c 0\nulimit -f {blocks}\n{processes}{code}\n", sign.trim_end())
    }
}

/// The first bytes of a step's output, held back until they are known to be the sign or not.
#[derive(Default)]
struct Opening {
    held: Vec<u8>,
    begun: Option<bool>,
}

impl Opening {
    fn take(&mut self, bytes: &[u8], output: &mut Output) {
        if self.begun.is_some() {
            return output.take(bytes);
        }
        self.held.extend(bytes);
        if self.held.len() >= SIGN.len() || !SIGN.starts_with(&self.held) {
            self.end(output);
        }
    }

    /// Lets go what is held back, and says whether the step began.
    fn end(&mut self, output: &mut Output) -> bool {
        *self.begun.get_or_insert_with(|| {
            let rest = self.held.strip_prefix(SIGN);
            output.take(rest.unwrap_or(&self.held));
            rest.is_some()
        })
    }
}

/// Follows a step until it and its output end.
async fn communicate(
    child: &mut Child,
    reader: &mut Receiver,
    (opening, output): (&mut Opening, &mut Output),
) -> io::Result<ExitStatus> {
    let mut buffer = vec![0; 64 * 1024];
    let status = loop {
        tokio::select! {
            read = reader.read(&mut buffer) => match read? {
                0 => break child.wait().await?,
                count => opening.take(&buffer[..count], output),
            },
            status = child.wait() => break status?,
        }
    };
    let rest = async {
        while let Ok(count @ 1..) = reader.read(&mut buffer).await {
            opening.take(&buffer[..count], output);
        }
    };
    // What is still missing then was printed by something that outlived the step.
    let _ = tokio::time::timeout(LAST_WORDS, rest).await;
    Ok(status)
}

/// How a process ended. Shells and bubblewrap tell of a signal as 128 and its number.
fn end_of(status: ExitStatus) -> StepEnd {
    match (status.code(), status.signal()) {
        (Some(code @ 129..=192), _) => StepEnd::Signalled(code - 128),
        (Some(code), _) => StepEnd::Exited(code),
        (None, signal) => StepEnd::Signalled(signal.unwrap_or(0)),
    }
}

/// Returns when the folders hold more than `limit` bytes. The look at a large environment takes its time,
/// so it makes a tenth of the time at most.
pub(super) async fn over_disk(places: Places, limit: u64) {
    loop {
        let (places, began) = (places.clone(), Instant::now());
        let sizes = tokio::task::spawn_blocking(move || places.all().into_iter().map(size_of).sum::<u64>());
        if sizes.await.is_ok_and(|size| size > limit) {
            return;
        }
        tokio::time::sleep(DISK_LOOK.max(began.elapsed() * 9)).await;
    }
}

/// The bytes that a folder takes on the disk. What cannot be read, or is gone meanwhile, does not count.
pub(super) fn size_of(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => size_of(&entry.path()),
        Ok(found) => found.blocks() * 512,
        Err(_) => 0,
    });
    sizes.sum()
}

/// Copies the content of a folder, where there is one. Links stay links, so that nothing outside the
/// sandbox is read through one; what is neither file, folder nor link is left out.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let entries = match fs::read_dir(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|error| disk("read", from, &error))?,
    };
    for entry in entries {
        let entry = entry.map_err(|error| disk("read", from, &error))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(|error| disk("read", &source, &error))?;
        let copied = if kind.is_dir() {
            fs::create_dir_all(&target).map_err(|error| disk("make", &target, &error))?;
            copy(&source, &target)?;
            Ok(())
        } else if kind.is_symlink() {
            fs::read_link(&source).and_then(|link| std::os::unix::fs::symlink(link, &target))
        } else if kind.is_file() {
            fs::copy(&source, &target).map(drop)
        } else {
            Ok(())
        };
        copied.map_err(|error| disk("copy", &source, &error))?;
    }
    Ok(())
}

fn disk_is_full(folder: &Path) -> bool {
    statvfs(folder)
        .is_ok_and(|found| found.blocks_available().saturating_mul(found.fragment_size()) < LEAST_ROOM)
}

fn disk(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::transient(format!("cannot {what} {}: {error}", path.display()))
}

fn machine(what: &str, error: &io::Error) -> Failure {
    Failure::transient(format!("cannot {what}: {error}"))
}
