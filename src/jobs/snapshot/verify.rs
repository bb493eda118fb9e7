//! Whether a published snapshot, or a copy of one, is still what its manifest says: every byte, every row of
//! an index, and nothing besides.

mod signatures;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io::Read as _;
use std::path::Path;

use flate2::read::GzDecoder;
use md5::{Digest as _, Md5};
use serde::Serialize;

use self::signatures::Sealed;
use super::attached::is_attached;
use super::manifest::{self, Manifest, ManifestFile, ManifestPackage};
use crate::digest::{hex, sha256_hex};
use crate::ecosystem::cran::dcf::{self, DcfLimits, DcfRecord};
use crate::ecosystem::cran::index::serialised;
use crate::ecosystem::cran::layout::{ArchiveKind, IndexFile, archive_name};
use crate::ecosystem::parallel::in_parallel;
use crate::publish::signing::{SignedBy, TrustedKeys};

/// The folder in which every package has its source.
const SOURCES: &str = "src/contrib";
/// Fields of an index that lead readers away from the file beside it.
const MISLEADING: [&str; 2] = ["File", "Path"];
/// The largest index that is unpacked, in bytes.
const LARGEST_INDEX: u64 = DcfLimits::INDEX.bytes as u64;

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
    /// By whom its documents are signed, where that holds.
    pub signed_by: Vec<SignedBy>,
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
    let read = read_manifest(folder, manifest_sha256, &mut found);
    let mut signed_by = Vec::new();
    if let Some((manifest, bytes)) = &read {
        let there = Listed::of_folder(folder)?;
        let sealed = Sealed { root: folder, there: &there, manifest, bytes };
        found.check_provenance(&sealed);
        signed_by = found.check_signatures(&sealed, trusted);
        found.compare(folder, manifest, &there);
        for index in there.folders_with_archives() {
            found.check_index(&Contrib { root: folder, folder: &index, there: &there }, manifest);
        }
        found.check_sources(folder, manifest);
    }
    found.0.sort();
    let manifest = read.map(|(manifest, _)| manifest);
    Ok(Verified { manifest, signed_by, findings: found.0 })
}

/// Reads the manifest, with its bytes. A link in its place is none: it may lead anywhere.
fn read_manifest(folder: &Path, expected: Option<&str>, found: &mut Findings) -> Option<(Manifest, Vec<u8>)> {
    let path = folder.join(manifest::FILE);
    let is_file = fs::symlink_metadata(&path).is_ok_and(|there| there.is_file());
    let read = if is_file { fs::read(&path) } else { Err(std::io::ErrorKind::NotFound.into()) };
    let bytes = match read {
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

/// What lies below a folder.
#[derive(Default)]
struct Listed {
    files: BTreeSet<String>,
    /// Links and devices, which no snapshot has, and folders without a file.
    others: BTreeSet<String>,
}

impl Listed {
    fn of_folder(folder: &Path) -> std::io::Result<Self> {
        let mut listed = Self::default();
        listed.walk(folder, "")?;
        Ok(listed)
    }

    fn walk(&mut self, folder: &Path, below: &str) -> std::io::Result<()> {
        let mut empty = true;
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            empty = false;
            let path = format!("{below}{}", entry.file_name().to_string_lossy());
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.walk(&entry.path(), &format!("{path}/"))?;
            } else if kind.is_file() {
                self.files.insert(path);
            } else {
                self.others.insert(path);
            }
        }
        if empty && !below.is_empty() {
            self.others.insert(below.to_owned());
        }
        Ok(())
    }

    /// The folders that hold packages, each with the one kind of archive that it has by its place.
    fn folders_with_archives(&self) -> BTreeSet<String> {
        let folder = |path: &String| Some(path.rsplit_once('/')?.0.to_owned());
        let archives = self
            .files
            .iter()
            .filter(|path| kind_of_folder(path).is_some_and(|kind| path.ends_with(kind.suffix())));
        archives.filter_map(folder).collect()
    }
}

/// The kind of archive that belongs to a place in a repository.
fn kind_of_folder(path: &str) -> Option<ArchiveKind> {
    let path = path.strip_prefix(manifest::FAILING).and_then(|path| path.strip_prefix('/')).unwrap_or(path);
    if path.starts_with("bin/windows/") {
        Some(ArchiveKind::WindowsBinary)
    } else if path.starts_with("bin/macosx/") {
        Some(ArchiveKind::MacBinary)
    } else {
        // Binaries for Linux are tarballs too.
        let tarballs = path.starts_with(SOURCES) || path.starts_with("bin/linux/");
        tarballs.then_some(ArchiveKind::Source)
    }
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, path: &str, problem: Problem, detail: impl Into<String>) {
        self.0.push(Finding { path: path.to_owned(), problem, detail: detail.into() });
    }

    /// Every file of the manifest has its bytes, and no other is there.
    fn compare(&mut self, folder: &Path, manifest: &Manifest, there: &Listed) {
        let wanted: BTreeSet<&str> = manifest.files.iter().map(|file| file.path.as_str()).collect();
        for path in there.files.iter().chain(&there.others) {
            if !wanted.contains(path.as_str()) && path != manifest::FILE && !is_attached(path) {
                self.add(path, Problem::Extra, "the manifest does not name it");
            }
        }
        let looks = in_parallel(&manifest.files, |file| {
            // Only what was listed is opened: a path of a manifest may be anything.
            there.files.contains(&file.path).then(|| differs(folder, file))
        });
        for (file, look) in manifest.files.iter().zip(looks) {
            match look {
                None => self.add(&file.path, Problem::Missing, "the manifest names it"),
                Some(Some(detail)) => self.add(&file.path, Problem::Changed, detail),
                Some(None) => {}
            }
        }
    }

    /// Every row of an index has its file, every file its row, and all forms of the index say the same.
    fn check_index(&mut self, contrib: &Contrib<'_>, manifest: &Manifest) {
        let plain = contrib.path(IndexFile::Plain.name());
        let rows = contrib.read(&plain).and_then(|text| {
            Ok((dcf::read(&text, DcfLimits::INDEX).map_err(|error| error.to_string())?, text))
        });
        let (rows, text) = match rows {
            Ok(read) => read,
            Err(detail) => return self.add(&plain, Problem::Index, detail),
        };
        for (file, expected) in [(IndexFile::Gzip, Ok(text)), (IndexFile::Rds, serialised(&rows))] {
            let path = contrib.path(file.name());
            // Snapshots of before have no serialised index.
            if file == IndexFile::Rds && !contrib.there.files.contains(&path) {
                continue;
            }
            if contrib.unpacked(&path) != expected.map_err(|error| error.to_string()) {
                self.add(&path, Problem::Index, "it does not say what PACKAGES says");
            }
        }
        let Some(kind) = kind_of_folder(contrib.folder) else { return };
        let mut listed = BTreeSet::new();
        for row in &rows {
            let checked = archive_of(row, kind).and_then(|archive| {
                listed.insert(contrib.path(&archive));
                contrib.check_row(row, &archive)
            });
            if let Err(detail) = checked {
                self.add(&plain, Problem::Index, detail);
            }
        }
        let withdrawn = manifest.withdrawn.iter().flat_map(|withdrawn| &withdrawn.archives);
        let withdrawn: BTreeSet<&str> = withdrawn.map(|file| file.path.as_str()).collect();
        let archives = manifest.files.iter().map(|file| &file.path);
        let archives = archives.filter(|path| !withdrawn.contains(path.as_str()));
        let beside =
            archives.filter(|path| path.rsplit_once('/').is_some_and(|(folder, _)| folder == contrib.folder));
        for archive in beside.filter(|path| path.ends_with(kind.suffix())) {
            if !listed.contains(archive) {
                self.add(archive, Problem::Index, "no row of its index is about it");
            }
        }
    }

    /// The sources are exactly the manifest's packages; those of what is published apart, exactly these.
    fn check_sources(&mut self, root: &Path, manifest: &Manifest) {
        self.check_sources_in(root, SOURCES, &mut manifest.packages.iter());
        if let Some(failing) = &manifest.failing {
            let folder = format!("{}/{SOURCES}", manifest::FAILING);
            if failing.folder != manifest::FAILING {
                let detail = format!("its folder of failing packages is `{}`", failing.folder);
                self.add(manifest::FILE, Problem::Manifest, detail);
            }
            self.check_sources_in(root, &folder, &mut failing.packages.iter().map(|needed| &needed.package));
        }
    }

    fn check_sources_in(
        &mut self,
        root: &Path,
        folder: &str,
        packages: &mut dyn Iterator<Item = &ManifestPackage>,
    ) {
        let file = format!("{folder}/{}", IndexFile::Plain.name());
        // What cannot be read was found already.
        let Ok(bytes) = fs::read(root.join(&file)) else { return };
        let rows = dcf::read(&bytes, DcfLimits::INDEX).unwrap_or_default();
        let listed: BTreeMap<&str, &str> =
            rows.iter().filter_map(|row| Some((row.get("Package")?, row.get("Version")?))).collect();
        let wanted: BTreeMap<&str, &str> =
            packages.map(|package| (&*package.name, &*package.version)).collect();
        for (package, version) in &wanted {
            if listed.get(package) != Some(version) {
                self.add(
                    &file,
                    Problem::Index,
                    format!("it has no row for {package} {version} of the manifest"),
                );
            }
        }
        for (package, version) in listed.iter().filter(|(package, _)| !wanted.contains_key(*package)) {
            self.add(&file, Problem::Index, format!("{package} {version} is no package of the manifest"));
        }
    }
}

/// How a file differs from what the manifest says of it.
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

/// A folder with packages and their index.
struct Contrib<'a> {
    root: &'a Path,
    folder: &'a str,
    there: &'a Listed,
}

impl Contrib<'_> {
    fn path(&self, file: &str) -> String {
        format!("{}/{file}", self.folder)
    }

    /// The bytes of a file by its path below the root; a link is none.
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        match self.there.files.contains(path) {
            true => fs::read(self.root.join(path)).map_err(|error| format!("it cannot be read: {error}")),
            false => Err("it is not there".to_owned()),
        }
    }

    fn unpacked(&self, path: &str) -> Result<Vec<u8>, String> {
        let compressed = self.read(path)?;
        let mut unpacked = Vec::new();
        let read = GzDecoder::new(&compressed[..]).take(LARGEST_INDEX).read_to_end(&mut unpacked);
        read.map_err(|error| format!("it cannot be unpacked: {error}"))?;
        Ok(unpacked)
    }

    /// Whether the archive that a row is about is there with the checksum of the row.
    fn check_row(&self, row: &DcfRecord, archive: &str) -> Result<(), String> {
        if let Some(field) = MISLEADING.iter().find(|field| row.get(field).is_some()) {
            return Err(format!(
                "the row for {archive} has a field `{field}`, which leads readers elsewhere"
            ));
        }
        let bytes =
            self.read(&self.path(archive)).map_err(|_| format!("the row for {archive} has no file"))?;
        match row.get("MD5sum") {
            Some(sum) if sum == hex(&Md5::digest(&bytes)) => Ok(()),
            Some(_) => Err(format!("the row for {archive} has the checksum of another file")),
            None => Err(format!("the row for {archive} has no checksum")),
        }
    }
}

/// The name of the archive that a row is about.
fn archive_of(row: &DcfRecord, kind: ArchiveKind) -> Result<String, String> {
    let field = |name: &str| row.get(name).ok_or_else(|| format!("a row has no field `{name}`"));
    archive_name(field("Package")?, field("Version")?, kind).map_err(|error| error.to_string())
}
