//! Whether the indexes of a snapshot say what is there: each row has its file and speaks of it as the package itself
//! does, each package of the manifest has its row and no other package has one, and all forms of an index agree.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use md5::{Digest as _, Md5};

use super::super::manifest::{self, Manifest};
use super::listed::Listed;
use super::{Findings, Problem};
use crate::digest::hex;
use crate::ecosystem::cran::archive::{ArchiveLimits, inspect_bytes};
use crate::ecosystem::cran::dcf::{self, DcfLimits, DcfRecord};
use crate::ecosystem::cran::index::serialised;
use crate::ecosystem::cran::layout::{ArchiveKind, IndexFile, archive_name};
use crate::ecosystem::parallel::in_parallel;

/// The folder in which every package has its source.
const SOURCES: &str = "src/contrib";
/// Fields of an index that lead readers away from the file beside it.
const MISLEADING: [&str; 2] = ["File", "Path"];
/// The field that only an index has.
const CHECKSUM: &str = "MD5sum";
/// The fields of a package by which readers choose it, and what they install with it: no row may leave one out.
const DECISIVE: [&str; 8] =
    ["Depends", "Imports", "LinkingTo", "Suggests", "Enhances", "License", "OS_type", "NeedsCompilation"];
/// The largest index that is unpacked, in bytes.
const LARGEST_INDEX: u64 = DcfLimits::INDEX.bytes as u64;
const FORMS: [IndexFile; 3] = [IndexFile::Plain, IndexFile::Gzip, IndexFile::Rds];

/// A package with its version.
type Named<'a> = (&'a str, &'a str);

/// A snapshot whose manifest can be read.
pub(super) struct Tree<'a> {
    pub root: &'a Path,
    pub there: &'a Listed,
    pub manifest: &'a Manifest,
    /// The files that lie there for readers of other snapshots.
    pub carried: &'a BTreeSet<String>,
}

impl Tree<'_> {
    /// The folders that have an index, or have to have one.
    fn folders(&self) -> BTreeSet<String> {
        let named = self.manifest.files.iter().map(|file| &file.path);
        let own = self.there.files.iter().filter(|path| !self.carried.contains(*path)).chain(named);
        let needs_index = |path: &str| {
            let is_index = FORMS.iter().any(|form| path.rsplit('/').next() == Some(form.name()));
            is_index || kind_of_folder(path).is_some_and(|kind| path.ends_with(kind.suffix()))
        };
        let with = own.filter(|path| needs_index(path));
        let mut folders: BTreeSet<String> =
            with.filter_map(|path| Some(path.rsplit_once('/')?.0.to_owned())).collect();
        if !self.manifest.packages.is_empty() {
            folders.insert(SOURCES.to_owned());
        }
        if self.manifest.failing.as_ref().is_some_and(|failing| !failing.packages.is_empty()) {
            folders.insert(format!("{}/{SOURCES}", manifest::FAILING));
        }
        folders
    }

    /// The packages that an index of a folder may list: those of the repository that it belongs to.
    fn packages_of(&self, folder: &str) -> BTreeSet<Named<'_>> {
        let failing = self.manifest.failing.iter().flat_map(|failing| &failing.packages);
        match in_failing(folder) {
            Some(_) => failing.map(|needed| (&*needed.package.name, &*needed.package.version)).collect(),
            None => {
                self.manifest.packages.iter().map(|package| (&*package.name, &*package.version)).collect()
            }
        }
    }
}

/// The path within the repository of failing packages; none for any other.
fn in_failing(path: &str) -> Option<&str> {
    path.strip_prefix(manifest::FAILING).and_then(|path| path.strip_prefix('/'))
}

/// The kind of archive that belongs to a place in a repository.
fn kind_of_folder(path: &str) -> Option<ArchiveKind> {
    let path = in_failing(path).unwrap_or(path);
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

impl Findings {
    pub(super) fn check_indexes(&mut self, tree: &Tree<'_>) {
        if let Some(failing) = tree.manifest.failing.as_ref().filter(|one| one.folder != manifest::FAILING) {
            let detail = format!("its folder of failing packages is `{}`", failing.folder);
            self.add(manifest::FILE, Problem::Manifest, detail);
        }
        for folder in tree.folders() {
            match kind_of_folder(&folder) {
                Some(kind) => self.check_index(&Contrib { tree, folder: &folder, kind }),
                None => self.add(&folder, Problem::Index, "no repository of R has an index here"),
            }
        }
    }

    /// Every row of an index has its file, every file its row, and all forms of the index say the same.
    fn check_index(&mut self, contrib: &Contrib<'_>) {
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
            let is_older = file == IndexFile::Rds && contrib.tree.manifest.format == 1;
            // Snapshots of the first format may have no serialised index.
            if is_older && !contrib.tree.there.files.contains(&path) {
                continue;
            }
            match contrib.unpacked(&path) {
                Ok(bytes) if expected.as_ref().is_ok_and(|expected| *expected == bytes) => {}
                Ok(_) => self.add(&path, Problem::Index, "it does not say what PACKAGES says"),
                Err(detail) => self.add(&path, Problem::Index, detail),
            }
        }
        let listed = self.check_rows(contrib, (&plain, &rows));
        self.check_archives(contrib, &listed);
    }

    /// Gives back the paths of the archives that rows are about.
    fn check_rows(&mut self, contrib: &Contrib<'_>, (plain, rows): (&str, &[DcfRecord])) -> BTreeSet<String> {
        let packages = contrib.tree.packages_of(contrib.folder);
        let (mut listed, mut named) = (BTreeSet::new(), BTreeSet::new());
        let looks = in_parallel(rows, |row| {
            let archive = archive_of(row, contrib.kind)?;
            let checked = contrib.check_row(row, &archive);
            Ok::<_, String>((archive, checked))
        });
        for (row, look) in rows.iter().zip(looks) {
            let (archive, checked) = match look {
                Ok(look) => look,
                Err(detail) => {
                    self.add(plain, Problem::Index, detail);
                    continue;
                }
            };
            if let Err(detail) = checked {
                self.add(plain, Problem::Index, detail);
            }
            let package = (row.get("Package").unwrap_or_default(), row.get("Version").unwrap_or_default());
            if !packages.contains(&package) {
                let (name, version) = package;
                let detail = format!("{name} {version} is no package of the manifest");
                self.add(plain, Problem::Index, detail);
            }
            named.insert(package);
            if !listed.insert(contrib.path(&archive)) {
                self.add(plain, Problem::Index, format!("it has more than one row for {archive}"));
            }
        }
        // A package may have no binary, and has a source.
        if contrib.folder.ends_with(SOURCES) && !contrib.is_of_linux() {
            for (name, version) in packages.difference(&named) {
                let detail = format!("it has no row for {name} {version} of the manifest");
                self.add(plain, Problem::Index, detail);
            }
        }
        listed
    }

    /// Every archive of the manifest is listed, but for what was withdrawn.
    fn check_archives(&mut self, contrib: &Contrib<'_>, listed: &BTreeSet<String>) {
        let manifest = contrib.tree.manifest;
        let withdrawn = manifest.withdrawn.iter().flat_map(|withdrawn| &withdrawn.archives);
        let withdrawn: BTreeSet<&str> = withdrawn.map(|file| file.path.as_str()).collect();
        let archives = manifest.files.iter().map(|file| &file.path);
        let archives = archives.filter(|path| !withdrawn.contains(path.as_str()));
        let beside =
            archives.filter(|path| path.rsplit_once('/').is_some_and(|(folder, _)| folder == contrib.folder));
        for archive in beside.filter(|path| path.ends_with(contrib.kind.suffix())) {
            if !listed.contains(archive) {
                self.add(archive, Problem::Index, "no row of its index is about it");
            }
        }
    }
}

/// A folder with packages and their index.
struct Contrib<'a> {
    tree: &'a Tree<'a>,
    folder: &'a str,
    kind: ArchiveKind,
}

impl Contrib<'_> {
    fn path(&self, file: &str) -> String {
        format!("{}/{file}", self.folder)
    }

    fn is_of_linux(&self) -> bool {
        in_failing(self.folder).unwrap_or(self.folder).starts_with("bin/linux/")
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.tree.there.read(self.tree.root, path)
    }

    /// R unpacks all that follows one another in a file, and so does this.
    fn unpacked(&self, path: &str) -> Result<Vec<u8>, String> {
        let compressed = self.read(path)?;
        let mut unpacked = Vec::new();
        let read = MultiGzDecoder::new(&compressed[..]).take(LARGEST_INDEX + 1).read_to_end(&mut unpacked);
        read.map_err(|error| format!("it cannot be unpacked: {error}"))?;
        Ok(unpacked)
    }

    /// Whether the archive that a row is about is there, with the checksum of the row and the fields of the package.
    fn check_row(&self, row: &DcfRecord, archive: &str) -> Result<(), String> {
        if let Some(field) = MISLEADING.iter().find(|field| row.get(field).is_some()) {
            return Err(format!(
                "the row for {archive} has a field `{field}`, which leads readers elsewhere"
            ));
        }
        let bytes =
            self.read(&self.path(archive)).map_err(|_| format!("the row for {archive} has no file"))?;
        match row.get(CHECKSUM) {
            Some(sum) if sum == hex(&Md5::digest(&bytes)) => {}
            Some(_) => return Err(format!("the row for {archive} has the checksum of another file")),
            None => return Err(format!("the row for {archive} has no checksum")),
        }
        let facts = inspect_bytes(&bytes, self.kind, &ArchiveLimits::default());
        let facts = facts.map_err(|problem| format!("{archive} is no package: {problem}"))?;
        match field_apart(row, &facts.description.record) {
            Some(field) => {
                Err(format!("the row for {archive} has another `{field}` than the package itself"))
            }
            None => Ok(()),
        }
    }
}

/// The first field in which a row differs from the DESCRIPTION that it was made of. Long values are wrapped in an
/// index, so only words count.
fn field_apart<'a>(row: &'a DcfRecord, description: &DcfRecord) -> Option<&'a str> {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let of_package = |field: &str| words(description.get(field).unwrap_or_default());
    let other = row.iter().find(|(field, value)| *field != CHECKSUM && words(value) != of_package(field));
    let absent = DECISIVE.iter().find(|field| row.get(field).is_none() && !of_package(field).is_empty());
    other.map(|(field, _)| field).or(absent.copied())
}

/// The name of the archive that a row is about.
fn archive_of(row: &DcfRecord, kind: ArchiveKind) -> Result<String, String> {
    let field = |name: &str| row.get(name).ok_or_else(|| format!("a row has no field `{name}`"));
    archive_name(field("Package")?, field("Version")?, kind).map_err(|error| error.to_string())
}
