//! Lock files as usegalaxy keeps them: which revisions of each repository are installed.
//!
//! A file sorts them by their hashes, so the order in which they came out is lost; a lock never says which one
//! is the newest.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::{Repository, SuiteProblem, text};

/// What lock files have of each repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    /// By name and owner.
    revisions: BTreeMap<(String, String), Vec<String>>,
}

#[derive(Deserialize)]
struct File {
    tools: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    owner: String,
    // Texts, whatever they look like: `0407236012e5` as a number would be another changeset.
    #[serde(default)]
    revisions: Vec<String>,
}

impl Lock {
    /// Adds what a file has to what is known.
    pub fn add(&mut self, path: &Path) -> Result<(), SuiteProblem> {
        let malformed = |why: String| SuiteProblem::Malformed { path: path.to_path_buf(), why };
        let file: File = text::yaml(&text::of_file(path)?).map_err(malformed)?;
        for Entry { name, owner, revisions } in file.tools {
            if let Some(odd) = revisions.iter().find(|revision| !is_changeset(revision)) {
                let odd: String = odd.chars().filter(|c| !c.is_control()).take(60).collect();
                return Err(malformed(format!("`{odd}` of {owner}/{name} is no changeset")));
            }
            let known = self.revisions.entry((name, owner)).or_default();
            for revision in revisions {
                if !known.contains(&revision) {
                    known.push(revision);
                }
            }
        }
        Ok(())
    }

    /// The revisions of a repository, in the order of the files.
    pub fn of(&self, repository: &Repository) -> &[String] {
        let owner = repository.owner.clone().unwrap_or_default();
        self.revisions.get(&(repository.name.clone(), owner)).map_or(&[], Vec::as_slice)
    }
}

/// True for a changeset as tool sheds write them: the first twelve hexadecimal digits.
fn is_changeset(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
