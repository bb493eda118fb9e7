//! A journal of the world: one line of JSON for each thing that happened outside of tidegate, written
//! before anybody is told of it, so that the world survives the end of its process.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// An open journal.
#[derive(Debug)]
pub(super) struct Journal(File);

impl Journal {
    /// Opens the file `path`, creates it where it is missing, and returns its entries in order. A last
    /// line without an end was being written when the process ended; nobody was told of it, so it is cut
    /// off.
    pub(super) fn open<E: DeserializeOwned>(path: &Path) -> anyhow::Result<(Self, Vec<E>)> {
        let name = path.display();
        let options = || OpenOptions::new().read(true).append(true).create(true).clone();
        let mut file = options().open(path).with_context(|| format!("cannot open the journal {name}"))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).with_context(|| format!("cannot read the journal {name}"))?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        if whole < text.len() {
            file.set_len(whole as u64).with_context(|| format!("cannot cut the torn line off {name}"))?;
        }
        let mut entries = Vec::new();
        for (number, line) in text[..whole].split(|byte| *byte == b'\n').enumerate() {
            match serde_json::from_slice(line) {
                Ok(entry) => entries.push(entry),
                Err(_) if line.is_empty() => {}
                Err(error) => bail!("line {} of the journal {name} is not an event: {error}", number + 1),
            }
        }
        Ok((Self(file), entries))
    }

    /// Adds an entry. It is with the kernel when this returns, so it survives the end of the process,
    /// though not of the machine.
    pub(super) fn append(&mut self, entry: &impl Serialize) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        self.0.write_all(&line)
    }
}
