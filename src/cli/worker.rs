//! `worker`: carries out one assignment. Engines start it; nobody has to.

use std::io::{BufRead as _, Read as _};
use std::path::{Path, PathBuf};

use clap::Args;

use super::logging::{Voice, begin};
use super::{CommandError, Context};
use crate::engine::github_actions::packed::unpack;
use crate::engine::local::{RUNNING, TAKEN};
use crate::engine::sandbox::Sandbox;
use crate::engine::worker::{WorkerEnd, WorkerSettings, work};
use crate::engine::{Assignment, AssignmentFolder};

/// The longest path that is read from a socket, in bytes.
const LONGEST_PATH: u64 = 4_096;
/// The largest packed assignment that is read, in bytes.
const LARGEST_PACKED: u64 = 32 << 20;

/// Carry out the assignment in a folder; engines start this
#[derive(Debug, Args)]
pub(super) struct Worker {
    /// The folder of the assignment
    #[arg(required_unless_present = "from_socket", conflicts_with = "from_socket")]
    folder: Option<PathBuf>,
    /// Read the folder from standard input, a socket; it has to lie in this one
    #[arg(long, value_name = "DIR")]
    from_socket: Option<PathBuf>,
    /// Make the folder from this packed assignment first; for workflows of GitHub Actions
    #[arg(long, value_name = "FILE", conflicts_with = "from_socket")]
    packed: Option<PathBuf>,
    /// The folder for fetched packages
    #[arg(long, value_name = "DIR")]
    cache: PathBuf,
    /// How tests are kept apart from the machine
    #[arg(long, default_value = "bubblewrap")]
    sandbox: Sandbox,
}

impl Worker {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        begin(Voice::Command);
        let folder = match (&self.folder, &self.from_socket) {
            (Some(folder), _) => folder.clone(),
            (None, Some(below)) => asked_for(below)?,
            (None, None) => return Err(CommandError::invalid("no folder is named")),
        };
        let folder = match &self.packed {
            Some(packed) => AssignmentFolder::create(&folder, &packed_in(packed)?)?,
            None => AssignmentFolder::open(&folder)?,
        };
        // A session of its own outlives the terminal and the daemon. A leader of a group is refused: then
        // it is a service or a job already, and outlives them as well.
        let _ = nix::unistd::setsid();
        let settings = WorkerSettings { cache: self.cache, sandbox: self.sandbox };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let clock = context.clock.clone();
        let mut answer = |word: &str| {
            // Who asked may be gone; the work is done all the same.
            let _ = writeln!(context.out, "{word}").and_then(|()| context.out.flush());
        };
        let ended = runtime.block_on(work(&folder, &settings, &clock, || answer(RUNNING)));
        // What an installation that was given up still does in other threads is not waited for.
        runtime.shutdown_background();
        match ended? {
            WorkerEnd::Reported => Ok(()),
            WorkerEnd::Taken => {
                answer(TAKEN);
                Ok(())
            }
            WorkerEnd::Stopped => Err(CommandError::failed(format!(
                "stopped before the assignment in {} ended",
                folder.path().display()
            ))),
        }
    }
}

/// The assignment in a packed file.
fn packed_in(path: &Path) -> Result<Assignment, CommandError> {
    let mut packed = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(LARGEST_PACKED + 1).read_to_end(&mut packed))
        .map_err(|error| CommandError::failed(format!("cannot read {}: {error}", path.display())))?;
    if packed.len() as u64 > LARGEST_PACKED {
        return Err(CommandError::invalid(format!(
            "{} is larger than {LARGEST_PACKED} bytes",
            path.display()
        )));
    }
    Ok(unpack(&packed)?)
}

/// The folder that the socket asks for: directly below `below`, and nowhere else.
fn asked_for(below: &Path) -> Result<PathBuf, CommandError> {
    let mut line = String::new();
    let mut input = std::io::stdin().lock().take(LONGEST_PATH);
    input.read_line(&mut line)?;
    let asked = PathBuf::from(line.trim_end_matches('\n'));
    let refused = |why: &str| {
        CommandError::invalid(format!(
            "refused to work in `{}`: {why}",
            asked.display().to_string().escape_debug()
        ))
    };
    let real = asked.canonicalize().map_err(|error| refused(&error.to_string()))?;
    let below = below.canonicalize()?;
    match real.parent() {
        Some(parent) if parent == below => Ok(real),
        _ => Err(refused(&format!("it does not lie in {}", below.display()))),
    }
}
