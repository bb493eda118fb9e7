//! Whether a published snapshot, or a copy of one, is still what its manifest says: every byte, every row of
//! an index, and nothing besides.

mod carried;
mod indexes;
mod listed;
mod signatures;

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;

use serde::Serialize;

use self::indexes::Tree;
use self::listed::Listed;
use self::signatures::Sealed;
use super::attached::is_attached;
use super::manifest::{self, Manifest, ManifestFile};
use crate::digest::sha256_hex;
use crate::ecosystem::parallel::in_parallel;
use crate::publish::signing::{SignedBy, TrustedKeys};

/// What is said of something that is neither a file nor a folder.
const NO_FILE: &str = "it is a link or a device, which no snapshot has";

/// Something that is not as it was published.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The file or folder below the snapshot's folder.
    pub path: String,
    /// What is wrong with it.
    pub problem: Problem,
    /// What was expected and found, as one clause.
    pub detail: String,
}

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Problem {
    /// The manifest is not there, cannot be read, or is not the one that was published.
    Manifest,
    /// A file is not there.
    Missing,
    /// A file has other bytes.
    Changed,
    /// A file, folder or link lies there that is none of the snapshot's.
    Extra,
    /// An index does not go with the files beside it, or with the manifest.
    Index,
    /// The statement of where it comes from is about something else.
    Provenance,
    /// A signature is not there, does not hold, or is by another key.
    Signature,
}

impl Problem {
    fn word(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Missing => "missing",
            Self::Changed => "changed",
            Self::Extra => "extra",
            Self::Index => "index",
            Self::Provenance => "provenance",
            Self::Signature => "signature",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:<10}  {}: {}", self.problem.word(), self.path, self.detail)
    }
}

/// What a verification came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// The manifest, where it can be read.
    #[serde(skip)]
    pub manifest: Option<Manifest>,
    /// Whether any signature lies there at all.
    pub is_signed: bool,
    /// By whom its documents are signed, where that holds.
    pub signed_by: Vec<SignedBy>,
    /// How many files lie there for readers of earlier snapshots, where it is what a link such as `latest` shows.
    pub carried: usize,
    /// Everything that is not as it was published, by path.
    pub findings: Vec<Finding>,
}

/// Verifies the snapshot in `folder`. `manifest_sha256` is what its manifest has to be, where that is known from
/// elsewhere: without it, and without a key that is `trusted`, a manifest that somebody wrote anew, with files to
/// match, is not noticed. An error is a folder that cannot be listed.
pub fn verify(
    folder: &Path,
    manifest_sha256: Option<&str>,
    trusted: &TrustedKeys,
) -> std::io::Result<Verified> {
    let mut found = Findings::default();
    let mut verified = Verified {
        manifest: None,
        is_signed: false,
        signed_by: Vec::new(),
        carried: 0,
        findings: Vec::new(),
    };
    if let Some((manifest, bytes)) = read_manifest(folder, manifest_sha256, &mut found) {
        let there = Listed::of_folder(folder)?;
        let sealed = Sealed { root: folder, there: &there, manifest: &manifest, bytes: &bytes };
        found.check_provenance(&sealed);
        verified.is_signed = sealed.is_signed();
        verified.signed_by = found.check_signatures(&sealed, trusted);
        let carried = found.check_carried(folder, &there);
        verified.carried = carried.len();
        found.compare(folder, &manifest, (&there, &carried));
        found.check_indexes(&Tree { root: folder, there: &there, manifest: &manifest, carried: &carried });
        verified.manifest = Some(manifest);
    }
    found.0.sort();
    verified.findings = found.0;
    Ok(verified)
}

/// Reads the manifest, with its bytes. A link in its place is none: it may lead anywhere.
fn read_manifest(folder: &Path, expected: Option<&str>, found: &mut Findings) -> Option<(Manifest, Vec<u8>)> {
    let path = folder.join(manifest::FILE);
    let bytes = match fs::symlink_metadata(&path) {
        Ok(there) if !there.is_file() => {
            found.add(manifest::FILE, Problem::Manifest, "it is no file");
            return None;
        }
        _ => fs::read(&path),
    };
    let bytes = match bytes {
        Ok(bytes) => bytes,
        Err(error) => {
            found.add(manifest::FILE, Problem::Manifest, format!("it cannot be read: {error}"));
            return None;
        }
    };
    let digest = sha256_hex(&bytes);
    if let Some(expected) = expected.filter(|expected| *expected != digest) {
        let detail = format!("its sha256 is {digest}, and {expected} was published");
        found.add(manifest::FILE, Problem::Manifest, detail);
    }
    match Manifest::read(&bytes) {
        Ok(manifest) => Some((manifest, bytes)),
        Err(detail) => {
            found.add(manifest::FILE, Problem::Manifest, detail);
            None
        }
    }
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, path: &str, problem: Problem, detail: impl Into<String>) {
        self.0.push(Finding { path: path.to_owned(), problem, detail: detail.into() });
    }

    /// Every file of the manifest has its bytes, and no other is there but what is carried for readers of others.
    fn compare(
        &mut self,
        folder: &Path,
        manifest: &Manifest,
        (there, carried): (&Listed, &BTreeSet<String>),
    ) {
        let wanted: BTreeSet<&str> = manifest.files.iter().map(|file| file.path.as_str()).collect();
        let is_named = |path: &str| wanted.contains(path);
        let may_lie = |path: &str| {
            path == manifest::FILE || is_attached(path) || carried.contains(path) || is_named(path)
        };
        for path in there.files.iter().filter(|path| !may_lie(path)).chain(&there.empty) {
            self.add(path, Problem::Extra, "the manifest does not name it");
        }
        for path in there.links.iter().filter(|path| !is_named(path)) {
            self.add(path, Problem::Extra, NO_FILE);
        }
        let looks = in_parallel(&manifest.files, |file| {
            // Only what was listed is opened: a path of a manifest may be anything.
            there.files.contains(&file.path).then(|| differs(folder, file))
        });
        for (file, look) in manifest.files.iter().zip(looks) {
            match look {
                None if there.links.contains(&file.path) => self.add(&file.path, Problem::Changed, NO_FILE),
                None => self.add(&file.path, Problem::Missing, "the manifest names it"),
                Some(Some(detail)) => self.add(&file.path, Problem::Changed, detail),
                Some(None) => {}
            }
        }
    }
}

/// How a file differs from what a manifest says of it.
fn differs(folder: &Path, file: &ManifestFile) -> Option<String> {
    let bytes = match fs::read(folder.join(&file.path)) {
        Ok(bytes) => bytes,
        Err(error) => return Some(format!("it cannot be read: {error}")),
    };
    if bytes.len() as u64 != file.size {
        return Some(format!("it has {} bytes, and {} were published", bytes.len(), file.size));
    }
    let digest = sha256_hex(&bytes);
    (digest != file.sha256).then(|| format!("its sha256 is {digest}, and {} was published", file.sha256))
}
