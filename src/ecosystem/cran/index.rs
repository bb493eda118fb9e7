//! The index of a folder of packages: `PACKAGES`, `PACKAGES.gz` and `PACKAGES.rds`, as R's
//! `tools::write_PACKAGES` writes them, made from the DESCRIPTION inside each archive.
//!
//! Every version in the folder is listed. No `File` and `Path` fields are written: package managers
//! other than R stumble over them.

mod rds;
mod remembered;

use std::fmt;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};

use super::archive::{ArchiveLimits, inspect_bytes};
use super::dcf::{self, DcfError, DcfLimits, DcfRecord};
use super::description::Description;
use super::layout::{ArchiveKind, IndexFile, archive_name};
use crate::digest::{hex, sha256_hex};
use crate::domain::{PackageName, RVersion};
use crate::ecosystem::index_memory::{IndexMemory, TEMPORARY};
use crate::whole_file::write_changed;

pub use self::remembered::Remembered;

/// The fields that come after the checksum. Only binaries have `Built`; it tells those for Linux from sources, whose
/// names they have.
const FIELDS_AFTER_SUM: [&str; 2] = ["NeedsCompilation", "Built"];
/// The fields that come before it, in R's order.
const FIELDS_BEFORE_SUM: [&str; 13] = [
    "Package",
    "Version",
    "Priority",
    "Depends",
    "Imports",
    "LinkingTo",
    "Suggests",
    "Enhances",
    "License",
    "License_is_FOSS",
    "License_restricts_use",
    "OS_type",
    "Archs",
];

/// One archive of an index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexedPackage {
    /// The package.
    pub package: PackageName,
    /// Its version.
    pub version: String,
    /// The archive's file name.
    pub file: String,
    /// The archive's size in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: String,
    /// The row of the index.
    pub row: DcfRecord,
}

/// The index of one folder, ready to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// The archives, by lower-cased name and then by version.
    pub packages: Vec<IndexedPackage>,
}

/// Why a folder has no index: everything that is wrong with it, file by file.
#[derive(Debug)]
pub struct IndexError {
    folder: PathBuf,
    problems: Vec<(String, String)>,
}

impl IndexError {
    /// The files that something is wrong with.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.problems.iter().map(|(file, _)| file.as_str())
    }
}

impl fmt::Display for IndexError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "cannot index {}:", self.folder.display())?;
        for (file, problem) in &self.problems {
            write!(formatter, "\n  {file}: {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for IndexError {}

impl Index {
    /// Looks into every archive of `kind` in `folder`; other files are left alone. One archive that
    /// cannot be read, or whose name is not `<package>_<version>` of its DESCRIPTION, is an error:
    /// an index that leaves a file out in silence would hide a package.
    pub fn of_folder(folder: &Path, kind: ArchiveKind, limits: &ArchiveLimits) -> Result<Self, IndexError> {
        Ok(Remembered::of_folder(folder, kind, limits, &IndexMemory::none())?.index)
    }

    fn of_packages(mut packages: Vec<IndexedPackage>) -> Self {
        packages.sort_by_cached_key(|package| {
            (package.package.to_lowercase(), package.package.clone(), RVersion::parse(&package.version).ok())
        });
        Self { packages }
    }

    /// The text of `PACKAGES`.
    pub fn text(&self) -> String {
        let rows: Vec<DcfRecord> = self.packages.iter().map(|package| package.row.clone()).collect();
        dcf::write(&rows)
    }

    /// The bytes of `PACKAGES.gz`: the same text gives the same bytes.
    pub fn gzip(&self) -> io::Result<Vec<u8>> {
        gzip(&self.text())
    }

    /// The bytes of `PACKAGES.rds`: in R it is the very matrix that `read.dcf` makes of `PACKAGES`.
    pub fn rds(&self) -> io::Result<Vec<u8>> {
        rds(&self.text())
    }

    /// Writes the three files into `folder`, each in one step, so that a reader never sees half of one.
    pub fn write_to(&self, folder: &Path) -> io::Result<()> {
        write_text(&self.text(), folder)
    }
}

/// Writes the three files of an index whose `PACKAGES` has this text.
pub fn write_text(text: &str, folder: &Path) -> io::Result<()> {
    for (file, bytes) in [
        (IndexFile::Rds, rds(text)?),
        (IndexFile::Gzip, gzip(text)?),
        (IndexFile::Plain, text.as_bytes().to_vec()),
    ] {
        write_changed(&folder.join(file.name()), &bytes, TEMPORARY)?;
    }
    Ok(())
}

/// The text of `PACKAGES` without the rows about `package`; all others keep their bytes.
pub fn without(text: &str, package: &str) -> Result<String, DcfError> {
    let mut kept = Vec::new();
    for row in text.split("\n\n").filter(|row| !row.trim().is_empty()) {
        let read = dcf::read(row.as_bytes(), DcfLimits::INDEX)?;
        if read.iter().all(|row| row.get("Package") != Some(package)) {
            kept.push(row.trim_end_matches('\n'));
        }
    }
    let end = if kept.is_empty() { "" } else { "\n" };
    Ok(kept.join("\n\n") + end)
}

fn gzip(text: &str) -> io::Result<Vec<u8>> {
    let mut gzip = reproducible_gzip();
    gzip.write_all(text.as_bytes())?;
    gzip.finish()
}

fn rds(text: &str) -> io::Result<Vec<u8>> {
    // Read back, since the text wraps long values, and a reader sees them with these line breaks.
    let records = dcf::read(text.as_bytes(), DcfLimits::INDEX).map_err(io::Error::other)?;
    let mut gzip = reproducible_gzip();
    gzip.write_all(&serialised(&records)?)?;
    gzip.finish()
}

/// What `PACKAGES.rds` holds for an index of these rows, as they are read: not compressed.
pub fn serialised(rows: &[DcfRecord]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    rds::write_matrix(rows, &mut bytes)?;
    Ok(bytes)
}

/// Compresses into memory, with neither a time nor a system in the header.
fn reproducible_gzip() -> GzEncoder<Vec<u8>> {
    GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::best())
}

/// The names of the archives in `folder`, sorted.
fn archive_names(folder: &Path, kind: ArchiveKind) -> Result<Vec<String>, IndexError> {
    let unreadable = |error: std::io::Error| IndexError {
        folder: folder.to_owned(),
        problems: vec![(".".to_owned(), format!("cannot list the folder: {error}"))],
    };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned();
        if name.ends_with(kind.suffix()) && !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn indexed(
    folder: &Path,
    name: &str,
    kind: ArchiveKind,
    limits: &ArchiveLimits,
) -> Result<IndexedPackage, String> {
    let path = folder.join(name);
    let size = std::fs::metadata(&path).map_err(|error| format!("cannot be read: {error}"))?.len();
    if size > limits.compressed {
        return Err(format!("the archive has {size} bytes, more than the {} allowed", limits.compressed));
    }
    let bytes = std::fs::read(&path).map_err(|error| format!("cannot be read: {error}"))?;
    let facts = inspect_bytes(&bytes, kind, limits).map_err(|problem| problem.to_string())?;
    let description = facts.description;
    let package = description.package.clone().unwrap_or_default();
    let version = description.version.clone().unwrap_or_default();
    let expected = archive_name(&package, &version, kind).map_err(|error| error.to_string())?;
    if expected != name {
        return Err(format!("by its DESCRIPTION the file should be called `{expected}`"));
    }
    let row = row_of(&description, &hex(&Md5::digest(&bytes)));
    Ok(IndexedPackage {
        package,
        version,
        file: expected,
        size: bytes.len() as u64,
        sha256: sha256_hex(&bytes),
        row,
    })
}

fn row_of(description: &Description, md5: &str) -> DcfRecord {
    let mut row = DcfRecord::default();
    let copy = |row: &mut DcfRecord, field: &str| {
        if let Some(value) = description.record.get(field).filter(|value| !value.is_empty()) {
            row.set(field, value);
        }
    };
    FIELDS_BEFORE_SUM.iter().for_each(|field| copy(&mut row, field));
    row.set("MD5sum", md5);
    FIELDS_AFTER_SUM.iter().for_each(|field| copy(&mut row, field));
    row
}
