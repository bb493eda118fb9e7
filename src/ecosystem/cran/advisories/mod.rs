//! Security advisories: the YAML files of the R Consortium's advisory database, in a folder or as the archive
//! in which GitHub offers a repository.

mod archive;
mod client;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use client::{AdvisoryAnswer, AdvisoryClient};

use super::layout::is_package_name;
use crate::domain::{Advisories as KnownAdvisories, PackageName};
use crate::failure::Failure;

/// Where an advisory can be read by a person.
const ADDRESS: &str = "https://github.com/RConsortium/r-advisory-database/blob/main/vulns";
/// The folder of the database that holds the advisories; its other files are about the repository.
const FOLDER: &str = "vulns";
/// No advisory comes near these.
const MAX_BYTES: u64 = 1024 * 1024;
const MAX_FILES: usize = 100_000;

/// What the database says: which versions of which packages have advisories against them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advisories(BTreeMap<(PackageName, String), BTreeSet<String>>);

/// An advisory, or a folder of them, that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct UnreadableAdvisory {
    path: PathBuf,
    problem: String,
}

#[derive(Deserialize)]
struct Advisory {
    id: String,
    #[serde(default)]
    affected: Vec<Affected>,
}

#[derive(Deserialize)]
struct Affected {
    package: AffectedPackage,
    #[serde(default)]
    versions: Vec<String>,
}

#[derive(Deserialize)]
struct AffectedPackage {
    name: String,
    #[serde(default)]
    ecosystem: Option<String>,
}

impl Advisories {
    /// Reads one file, or every `.yaml` and `.yml` file in a folder and the folders below it. One file
    /// that cannot be read is an error: an advisory that is overlooked would let a package pass.
    pub fn read(path: &Path) -> Result<Self, UnreadableAdvisory> {
        let mut advisories = Self::default();
        for file in files_of(path)? {
            let unreadable = |problem: String| UnreadableAdvisory { path: file.clone(), problem };
            let size = std::fs::metadata(&file).map_err(|error| unreadable(error.to_string()))?.len();
            if size > MAX_BYTES {
                return Err(unreadable(format!(
                    "the file has {size} bytes, more than the {MAX_BYTES} allowed"
                )));
            }
            let text = std::fs::read_to_string(&file).map_err(|error| unreadable(error.to_string()))?;
            advisories.add(&text).map_err(unreadable)?;
        }
        Ok(advisories)
    }

    /// Reads the database in a folder, where somebody keeps a copy of it. One without any advisory is a fault
    /// of the source, as is one that is not there.
    pub fn read_database(folder: &Path) -> Result<Self, Failure> {
        let inner = folder.join(FOLDER);
        let advisories = Self::read(if inner.is_dir() { &inner } else { folder });
        advisories.map_err(|error| Failure::permanent(error.to_string()))?.require_some(&folder.display())
    }

    /// Reads the database in an archive, a zip file or a compressed tarball; `source` names it in messages.
    pub fn read_archive(source: &str, bytes: &[u8]) -> Result<Self, Failure> {
        let unreadable = |problem: &dyn std::fmt::Display| Failure::permanent(format!("{source}: {problem}"));
        let files = archive::advisory_files(bytes).map_err(|problem| unreadable(&problem))?;
        let mut advisories = Self::default();
        for (path, content) in files {
            let text = String::from_utf8(content).map_err(|_| unreadable(&format!("{path} is not text")))?;
            // What a parser draws below its first line is for a terminal.
            let first = |problem: String| problem.lines().next().unwrap_or_default().to_owned();
            advisories.add(&text).map_err(|problem| unreadable(&format!("{path}: {}", first(problem))))?;
        }
        advisories.require_some(&source)
    }

    fn require_some(self, source: &dyn std::fmt::Display) -> Result<Self, Failure> {
        match self.is_empty() {
            true => Err(Failure::permanent(format!("{source}: there is no advisory in it"))),
            false => Ok(self),
        }
    }

    /// All of them, as the rules ask for them.
    pub fn into_known(self) -> KnownAdvisories {
        let mut known = KnownAdvisories::new();
        for ((package, version), addresses) in self.0 {
            known.entry(package).or_default().insert(version, addresses.into_iter().collect());
        }
        known
    }

    /// The addresses of the advisories against exactly this version, compared as written; sorted.
    pub fn against(&self, package: &str, version: &str) -> Vec<String> {
        let key = (package.to_owned(), version.to_owned());
        self.0.get(&key).into_iter().flatten().cloned().collect()
    }

    /// Every affected package and version with its advisories.
    pub fn iter(&self) -> impl Iterator<Item = (&PackageName, &str, &BTreeSet<String>)> {
        self.0.iter().map(|((package, version), addresses)| (package, version.as_str(), addresses))
    }

    /// True where no version of any package has an advisory.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn add(&mut self, text: &str) -> Result<(), String> {
        let advisory: Advisory = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        let id = &advisory.id;
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(format!(
                "`id: {}` is not one such as RSEC-2026-1",
                id.chars().take(40).collect::<String>()
            ));
        }
        let of_r = |affected: &&Affected| {
            affected
                .package
                .ecosystem
                .as_deref()
                .is_none_or(|ecosystem| matches!(ecosystem, "CRAN" | "Bioconductor"))
        };
        for affected in advisory.affected.iter().filter(of_r) {
            let package = &affected.package.name;
            if !is_package_name(package) {
                return Err(format!("{id}: `{package}` is not a name that R allows for a package"));
            }
            for version in &affected.versions {
                let address = format!("{ADDRESS}/{package}/{id}.yaml");
                self.0.entry((package.clone(), version.clone())).or_default().insert(address);
            }
        }
        Ok(())
    }
}

/// The files below `path` in order of their paths; `path` itself where it is a file.
fn files_of(path: &Path) -> Result<Vec<PathBuf>, UnreadableAdvisory> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let (mut files, mut folders) = (Vec::new(), vec![path.to_owned()]);
    while let Some(folder) = folders.pop() {
        let unreadable = |problem: String| UnreadableAdvisory { path: folder.clone(), problem };
        for entry in std::fs::read_dir(&folder).map_err(|error| unreadable(error.to_string()))? {
            let entry = entry.map_err(|error| unreadable(error.to_string()))?;
            let kind = entry.file_type().map_err(|error| unreadable(error.to_string()))?;
            let path = entry.path();
            let yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
            if kind.is_dir() {
                folders.push(path);
            } else if yaml {
                files.push(path);
            }
            if files.len() + folders.len() > MAX_FILES {
                return Err(unreadable(format!(
                    "more than {MAX_FILES} files; this is not an advisory database"
                )));
            }
        }
    }
    files.sort();
    Ok(files)
}
