//! The folder of an assignment: the only thing that a worker and the daemon share.
//!
//! `worker.lock` is locked as long as a worker lives, whatever its process id and however it ends; so no
//! engine has to guess from process ids whether one does. What begins leaves `begun.json`; what ends
//! leaves `result.json`, in one step.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Assignment, Report};
use crate::failure::Failure;

/// The most bytes of a file that is read from the folder. An environment of 800 records takes one.
const LARGEST_FILE: u64 = 64 * 1024 * 1024;
/// How long a worker waits for a lock that somebody only looks at.
const LOCK_PATIENCE: (u32, Duration) = (20, Duration::from_millis(50));

const ASSIGNMENT: &str = "assignment.json";
/// The file that says how it ended.
pub(super) const RESULT: &str = "result.json";
const BEGUN: &str = "begun.json";
const JOB: &str = "job.json";
const ARRAY: &str = "array.json";
const LOCK: &str = "worker.lock";
const CANCELLED: &str = "cancelled";

/// The file that holds the output.
pub(super) const LOG: &str = "log.txt";
/// What a worker has to say that is not output of a test.
pub(super) const WORKER_LOG: &str = "worker.log";

/// The folder of one assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssignmentFolder(PathBuf);

/// What the folder says of its assignment.
#[derive(Debug)]
pub(super) enum FolderState {
    /// No worker has begun.
    Fresh,
    /// A worker lives.
    Held,
    /// A worker began, and is gone without a report.
    Abandoned(Begun),
    /// It was told to end, and no worker lives.
    Cancelled,
    /// A worker reported.
    Ended(Box<Report>),
}

/// Who began.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Begun {
    /// The process.
    pub process: u32,
    /// The machine.
    pub machine: String,
    /// When.
    pub at: Timestamp,
}

/// Which element of which array of jobs an assignment is meant to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ArrayPlace {
    /// The name of the array.
    pub name: String,
    /// The element, counted from 0.
    pub index: usize,
}

/// The right to work in a folder, given back when it is dropped or its process ends.
#[derive(Debug)]
pub(super) struct Hold {
    _lock: File,
}

impl AssignmentFolder {
    /// Makes the folder with its assignment. A folder that holds the same assignment is adopted; another
    /// one is refused. A folder that a crash left half made is completed.
    pub fn create(path: &Path, assignment: &Assignment) -> Result<Self, Failure> {
        if !is_key(&assignment.key) {
            let message = format!("`{}` cannot be the key of an assignment", assignment.key);
            return Err(Failure::permanent(message));
        }
        let failed = |error| disk("make", path, &error);
        fs::create_dir_all(path).map_err(failed)?;
        let folder = Self::open(path)?;
        if folder.0.join(ASSIGNMENT).exists() {
            return match folder.assignment()? == *assignment {
                true => Ok(folder),
                false => Err(Failure::permanent(format!("{} holds another assignment", path.display()))),
            };
        }
        folder.write(ASSIGNMENT, assignment)?;
        Ok(folder)
    }

    /// The folder at this path, which has to be one, and not a link to one.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let found = fs::symlink_metadata(path).map_err(|error| disk("find", path, &error))?;
        if !found.is_dir() {
            return Err(Failure::permanent(format!("{} is not a folder", path.display())));
        }
        let real = path.canonicalize().map_err(|error| disk("find", path, &error))?;
        if real.to_str().is_none_or(|text| text.chars().any(char::is_control)) {
            return Err(Failure::permanent(format!("{} is no path for an assignment", path.display())));
        }
        Ok(Self(real))
    }

    /// Where it is, without links.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path of the file that holds the output.
    pub fn log(&self) -> PathBuf {
        self.0.join(LOG)
    }

    /// The folder whose content a command finds in its working folder; it need not be there.
    pub fn input(&self) -> PathBuf {
        self.0.join("input")
    }

    /// What is to be done.
    pub fn assignment(&self) -> Result<Assignment, Failure> {
        self.read(ASSIGNMENT)?
            .ok_or_else(|| Failure::permanent(format!("{} holds no {ASSIGNMENT}", self.0.display())))
    }

    /// How it ended; none as long as it has not.
    pub fn report(&self) -> Result<Option<Report>, Failure> {
        self.read(RESULT)
    }

    /// What the folder says now. A worker that begins at this very moment may still be unseen.
    pub(super) fn state(&self) -> Result<FolderState, Failure> {
        // A worker that has reported still clears up, and until then the folder is its own.
        if self.is_held()? {
            return Ok(FolderState::Held);
        }
        if let Some(report) = self.report()? {
            return Ok(FolderState::Ended(Box::new(report)));
        }
        if self.is_cancelled() {
            return Ok(FolderState::Cancelled);
        }
        Ok(self.begun()?.map_or(FolderState::Fresh, FolderState::Abandoned))
    }

    /// True where a worker lives.
    pub(super) fn is_held(&self) -> Result<bool, Failure> {
        let path = self.0.join(LOCK);
        let lock = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            opened => opened.map_err(|error| disk("open", &path, &error))?,
        };
        // A shared lock, so that two that look do not take each other for a worker.
        match lock.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(disk("lock", &self.0, &error)),
        }
    }

    /// Takes the right to work in the folder; none where somebody else has it.
    pub(super) fn hold(&self) -> Result<Option<Hold>, Failure> {
        let lock = self.lock_file()?;
        let (tries, wait) = LOCK_PATIENCE;
        for _ in 0..tries {
            match lock.try_lock() {
                Ok(()) => return Ok(Some(Hold { _lock: lock })),
                Err(TryLockError::WouldBlock) => std::thread::sleep(wait),
                Err(TryLockError::Error(error)) => return Err(disk("lock", &self.0, &error)),
            }
        }
        Ok(None)
    }

    /// Notes that a worker begins.
    pub(super) fn begin(&self, begun: &Begun) -> Result<(), Failure> {
        self.write(BEGUN, begun)
    }

    /// Who began last.
    pub(super) fn begun(&self) -> Result<Option<Begun>, Failure> {
        self.read(BEGUN)
    }

    /// Notes what a scheduler calls the work.
    pub(super) fn note_job(&self, job: &str) -> Result<(), Failure> {
        self.write(JOB, &job)
    }

    /// What a scheduler calls the work.
    pub(super) fn job(&self) -> Result<Option<String>, Failure> {
        self.read(JOB)
    }

    /// Notes the array that it is about to be submitted in.
    pub(super) fn note_array(&self, place: &ArrayPlace) -> Result<(), Failure> {
        self.write(ARRAY, place)
    }

    /// The array that it was about to be submitted in last.
    pub(super) fn array(&self) -> Result<Option<ArrayPlace>, Failure> {
        self.read(ARRAY)
    }

    /// Notes how it ended. From then on the folder does not change its word.
    pub(super) fn end(&self, report: &Report) -> Result<(), Failure> {
        self.write(RESULT, report)
    }

    /// Notes that it is to end; a worker sees it within a second.
    pub(super) fn cancel(&self) -> Result<(), Failure> {
        self.write(CANCELLED, &())
    }

    /// True where it is to end.
    pub(super) fn is_cancelled(&self) -> bool {
        self.0.join(CANCELLED).exists()
    }

    /// Makes an assignment that was lost or cancelled fresh again. Without effect where a worker lives.
    pub(super) fn renew(&self) -> Result<(), Failure> {
        let Some(_hold) = self.hold()? else { return Ok(()) };
        self.clear()?;
        for name in [CANCELLED, BEGUN, JOB, ARRAY] {
            remove_file(&self.0.join(name))?;
        }
        Ok(())
    }

    /// Removes what a worker needed only while it worked. Only for who holds the folder.
    pub(super) fn clear(&self) -> Result<(), Failure> {
        for path in self.places().all() {
            remove_tree(path).map_err(|error| disk("clear", path, &error))?;
        }
        Ok(())
    }

    /// Clears up behind a worker that is gone. Without effect where one lives.
    pub(super) fn clear_abandoned(&self) -> Result<(), Failure> {
        if self.places().all().into_iter().all(|place| !place.exists()) {
            return Ok(());
        }
        match self.hold()? {
            Some(_hold) => self.clear(),
            None => Ok(()),
        }
    }

    /// The folders that a worker uses while it works.
    pub(super) fn places(&self) -> Places {
        Places {
            environment: self.0.join("env"),
            work: self.0.join("work"),
            temporary: self.0.join("tmp"),
            shared_memory: self.0.join("shm"),
            settings: self.0.join("etc"),
        }
    }

    fn lock_file(&self) -> Result<File, Failure> {
        let path = self.0.join(LOCK);
        let opened = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        opened.map_err(|error| disk("open", &path, &error))
    }

    /// Reads a file of the folder; none where there is no such file.
    pub(super) fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Failure> {
        let path = self.0.join(name);
        let mut content = Vec::new();
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|error| disk("read", &path, &error))?,
        };
        file.take(LARGEST_FILE + 1).read_to_end(&mut content).map_err(|error| disk("read", &path, &error))?;
        if content.len() as u64 > LARGEST_FILE {
            let message = format!("{} is larger than {LARGEST_FILE} bytes", path.display());
            return Err(Failure::permanent(message));
        }
        let value = serde_json::from_slice(&content)
            .map_err(|error| Failure::permanent(format!("{} is malformed: {error}", path.display())))?;
        Ok(Some(value))
    }

    /// Writes a file in one step that survives a power failure.
    pub(super) fn write(&self, name: &str, value: &impl Serialize) -> Result<(), Failure> {
        let (path, beside) = (self.0.join(name), self.0.join(format!(".{name}.{}", std::process::id())));
        let written = || -> io::Result<()> {
            let mut file = File::create(&beside)?;
            file.write_all(&serde_json::to_vec_pretty(value)?)?;
            file.sync_all()?;
            fs::rename(&beside, &path)?;
            File::open(&self.0)?.sync_all()
        };
        written().map_err(|error| disk("write", &path, &error))
    }
}

/// The folders that a worker uses while it works. They are removed when it ends.
#[derive(Clone, Debug)]
pub(super) struct Places {
    /// The conda environment.
    pub environment: PathBuf,
    /// The working folders of the steps.
    pub work: PathBuf,
    /// What the steps see as `/tmp`.
    pub temporary: PathBuf,
    /// What the steps see as `/dev/shm`.
    pub shared_memory: PathBuf,
    /// The files that the steps see in `/etc` instead of the machine's.
    pub settings: PathBuf,
}

impl Places {
    /// All of them.
    pub(super) fn all(&self) -> [&Path; 5] {
        [&self.environment, &self.work, &self.temporary, &self.shared_memory, &self.settings]
    }
}

/// Does something to a folder that may take its time, since environments are large, beside everything
/// else that the daemon does.
pub(super) async fn aside(
    folder: &AssignmentFolder,
    work: fn(&AssignmentFolder) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let folder = folder.clone();
    let done = tokio::task::spawn_blocking(move || work(&folder)).await;
    done.unwrap_or_else(|error| Err(Failure::permanent(format!("an assignment's folder: {error}"))))
}

/// True for a text that may name an assignment: it becomes the name of a folder and of a Slurm job.
fn is_key(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    !text.is_empty() && text.len() <= 120 && text.bytes().all(allowed)
}

/// Removes a folder and everything in it, also where a test took away its own rights. Links are removed,
/// not followed.
fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            give_back_rights(path)?;
            fs::remove_dir_all(path)
        }
        removed => removed,
    }
}

fn give_back_rights(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            give_back_rights(&entry.path())?;
        }
    }
    Ok(())
}

fn remove_file(path: &Path) -> Result<(), Failure> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(disk("remove", path, &error)),
        _ => Ok(()),
    }
}

/// Disks fill up and are emptied again, so what fails on one is worth another try.
fn disk(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::transient(format!("cannot {what} {}: {error}", path.display()))
}
