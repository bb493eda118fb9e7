//! Removing what nothing refers to any more. Each removal is one step of the file system, and none depends on
//! another: a crash in the middle leaves fewer files, and the next collection removes the rest.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use super::super::error::{PublishError, disk};
use super::{Alone, ContentStore, INCOMING, PARTIAL, StoredFile, entries};

/// Whether files go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collecting {
    /// They go.
    Removes,
    /// They stay; what would go is only told.
    OnlyTells,
}

/// What a collection came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Collected {
    /// The files that nothing refers to, by digest: gone, or that would go.
    pub removed: Vec<Removed>,
    /// The files that something refers to.
    pub held: usize,
    /// The files that nothing refers to and that came too lately to go.
    pub too_young: usize,
    /// What was left behind of files that never became whole.
    pub leftovers: usize,
}

/// A file that nothing refers to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// Its SHA-256.
    pub sha256: String,
    /// Its size in bytes.
    pub size: u64,
}

impl Collected {
    /// The bytes of the files that nothing refers to.
    pub fn bytes(&self) -> u64 {
        self.removed.iter().map(|removed| removed.size).sum()
    }
}

impl ContentStore {
    /// Removes the files that are not among `held` and came before `before`. `held` has to be read after
    /// `alone` was had: only then no row can be on its way that names a file which is here already.
    pub fn collect(
        &self,
        _alone: &Alone,
        held: &BTreeSet<String>,
        before: Timestamp,
        collecting: Collecting,
    ) -> Result<Collected, PublishError> {
        let mut collected = Collected::default();
        let gone = |path: &PathBuf| match collecting {
            Collecting::Removes => fs::remove_file(path).map_err(disk("remove", path)),
            Collecting::OnlyTells => Ok(()),
        };
        for StoredFile { sha256, size, path, there } in self.listed()?.files {
            if held.contains(&sha256) {
                collected.held += 1;
            } else if !is_older(&there, before) {
                collected.too_young += 1;
            } else {
                gone(&path)?;
                collected.removed.push(Removed { sha256, size });
            }
        }
        // Nobody works on any of these now; what has arrived of a file is worth keeping for a while.
        let unfinished = entries(&self.root)?.into_iter().filter(|(name, _)| name.starts_with(INCOMING));
        for (_, path) in unfinished.chain(entries(&self.root.join(PARTIAL))?) {
            let there = fs::symlink_metadata(&path).map_err(disk("look at", &path))?;
            if there.is_file() && is_older(&there, before) {
                gone(&path)?;
                collected.leftovers += 1;
            }
        }
        Ok(collected)
    }
}

/// A file whose time nobody can tell is young.
fn is_older(there: &fs::Metadata, before: Timestamp) -> bool {
    let modified = there.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
    modified.is_some_and(|modified| modified < before)
}
