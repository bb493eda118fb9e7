//! Reading every kept file again: disks forget, and people err.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde::Serialize;

use super::super::error::{PublishError, disk};
use super::{ContentStore, MODE, StoredFile};
use crate::digest::sha256_of;
use crate::ecosystem::parallel::in_parallel;

/// What reading everything came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Scrubbed {
    /// How many files were read.
    pub files: usize,
    /// How many bytes they have.
    pub bytes: u64,
    /// The files whose bytes are not those of their name, in order. Each was set aside.
    pub damaged: Vec<Damaged>,
    /// The digests of files that should be here and are not, in order.
    pub missing: Vec<String>,
    /// What lies here under a name that is no digest, in order; it was left alone.
    pub strange: Vec<PathBuf>,
}

/// A file that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Damaged {
    /// The digest it has by its name.
    pub sha256: String,
    /// What its bytes are, or why they cannot be read: one clause.
    pub problem: String,
    /// Where it was set aside.
    pub aside: PathBuf,
}

impl Scrubbed {
    /// True where everything is as it was kept.
    pub fn is_sound(&self) -> bool {
        self.damaged.is_empty() && self.missing.is_empty()
    }
}

impl ContentStore {
    /// Reads every file, sets aside what is damaged, and looks for what is `held` (digests with their sizes,
    /// where known) and not here. `told` hears of bytes as they are read.
    pub fn scrub(
        &self,
        held: &BTreeMap<String, Option<u64>>,
        told: &(dyn Fn(u64) + Sync),
    ) -> Result<Scrubbed, PublishError> {
        let listed = self.listed()?;
        let mut scrubbed = Scrubbed { strange: listed.strange, ..Scrubbed::default() };
        let looks = in_parallel(&listed.files, |file| {
            let problem = problem_of(file);
            told(file.size);
            problem
        });
        for (file, problem) in listed.files.iter().zip(looks) {
            scrubbed.files += 1;
            scrubbed.bytes += file.size;
            match problem {
                // It may have been collected meanwhile.
                Some(_) if !file.path.exists() => {}
                Some(problem) => {
                    let aside = self.set_aside(&file.sha256)?;
                    scrubbed.damaged.push(Damaged { sha256: file.sha256.clone(), problem, aside });
                }
                None => read_only(file)?,
            }
        }
        for (sha256, size) in held {
            let damaged = scrubbed.damaged.iter().any(|damaged| damaged.sha256 == *sha256);
            if !damaged && self.find(sha256, *size)?.is_none() {
                scrubbed.missing.push(sha256.clone());
            }
        }
        Ok(scrubbed)
    }
}

fn problem_of(file: &StoredFile) -> Option<String> {
    match File::open(&file.path).and_then(sha256_of) {
        Ok((found, _)) if found == file.sha256 => None,
        Ok((found, size)) => Some(format!("its {size} bytes have the sha256 {found}")),
        Err(error) => Some(format!("it cannot be read: {error}")),
    }
}

/// Earlier versions kept files that their owner could write to.
fn read_only(file: &StoredFile) -> Result<(), PublishError> {
    if file.there.permissions().mode() & 0o777 == MODE {
        return Ok(());
    }
    let permissions = fs::Permissions::from_mode(MODE);
    match fs::set_permissions(&file.path, permissions) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(disk("write", &file.path)(error)),
        _ => Ok(()),
    }
}
