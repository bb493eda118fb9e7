//! One writer: the lock on a state folder, which says who holds it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use jiff::Timestamp;

/// The name of the lock's file inside a state folder.
const LOCK: &str = "tidegate.lock";

/// The right to write to a state folder. Ends when it is dropped, or with the process.
#[derive(Debug)]
pub struct StateLock {
    /// Held open: the operating system releases the lock when it closes.
    _file: File,
}

impl StateLock {
    /// Takes the lock of the state folder `dir`. Fails at once, saying who holds it, where another
    /// process does. `since` is for people who read the file; nothing is decided by it.
    pub fn take(dir: &Path, since: Timestamp) -> anyhow::Result<Self> {
        let path = dir.join(LOCK);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .with_context(|| format!("cannot open the lock {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!(
                    "another tidegate writes to {}: {}. Talk to it (`tidegate status`), or stop it first",
                    dir.display(),
                    holder(&mut file),
                )
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "process {} since {since}", std::process::id()))
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { _file: file })
    }
}

/// The line that the holder wrote, as far as it can be read.
fn holder(file: &mut File) -> String {
    let mut line = String::new();
    match file.take(200).read_to_string(&mut line) {
        Ok(_) if !line.trim().is_empty() => line.trim().to_owned(),
        _ => "a process that has not written its id yet".into(),
    }
}
