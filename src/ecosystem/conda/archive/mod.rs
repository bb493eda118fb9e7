//! Looking into package archives that strangers made. Nothing is ever unpacked to disk: an archive is
//! read once from front to back, within limits; its checksums come from the same bytes, and of its
//! content only `info/index.json` and `info/about.json` are kept.

mod contents;
mod sums;
mod tar_bz2;
mod zipped;

use std::fs::File;
use std::path::Path;

use serde_json::{Map, Value};

use self::contents::Contents;
pub use self::contents::Payload;
use self::sums::Summed;
pub use self::sums::Sums;
use super::index_json::{IndexJson, IndexJsonError};
use super::layout::{ArchiveFormat, ArchiveName, BadName, is_subdir};
pub use crate::ecosystem::unpack::{UnpackLimits, UnpackProblem};

/// How much a package archive may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchiveLimits {
    /// What holds for archives of every kind.
    pub unpack: UnpackLimits,
    /// The most bytes of each file of `info/` that is read.
    pub info: u64,
}

impl Default for ArchiveLimits {
    /// Room for the largest packages of today (compilers and CUDA have 3 GiB and 100,000 files), and for
    /// a metapackage with many thousands of dependencies.
    fn default() -> Self {
        let unpack = UnpackLimits {
            // Below 4 GiB the zip records of `.conda` need no 64-bit form.
            compressed: 4 * 1024 * 1024 * 1024 - 1,
            unpacked: 32 * 1024 * 1024 * 1024,
            ratio: 1000,
            ratio_from: 256 * 1024 * 1024,
            entries: 500_000,
        };
        Self { unpack, info: 4 * 1024 * 1024 }
    }
}

/// What a package archive holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// Its name, which is that of its index.json.
    pub name: ArchiveName,
    /// `info/index.json`.
    pub index: IndexJson,
    /// `info/about.json`, where there is one.
    pub about: Option<Map<String, Value>>,
    /// The sums of the file.
    pub sums: Sums,
    /// How many entries there are: files, folders and links.
    pub entries: usize,
    /// What it installs.
    pub payload: Payload,
    /// How many bytes were unpacked to look at all of them.
    pub unpacked: u64,
}

/// An archive that is refused.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct ArchiveError {
    /// The sub-directory and the name of the file.
    pub file: String,
    /// Why.
    pub problem: ArchiveProblem,
}

/// Why an archive is refused.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveProblem {
    /// It is too large, damaged, or would leave the folder it is unpacked into.
    #[error(transparent)]
    Unpack(#[from] UnpackProblem),
    /// The file's name is not that of a package.
    #[error(transparent)]
    Name(#[from] BadName),
    /// The folder is none of a channel.
    #[error("`{0}` is not a sub-directory of a channel that conda knows, such as `linux-64` or `noarch`")]
    UnknownSubdir(String),
    /// There is no `info/index.json`.
    #[error("there is no `info/index.json` in it, so it is not a conda package")]
    NoIndex,
    /// `info/index.json` or `info/about.json` cannot be read.
    #[error(transparent)]
    Info(#[from] IndexJsonError),
    /// The archive is of another build than its name says.
    #[error("by its index.json the file should be called `{expected}`; rename it, or build it again")]
    OtherName {
        /// The name by its index.json.
        expected: String,
    },
    /// The archive is for another sub-directory than the one it lies in.
    #[error("it lies in `{folder}`, its index.json says `{subdir}`; move it there, or build it again")]
    OtherSubdir {
        /// Where it lies.
        folder: String,
        /// Where it belongs.
        subdir: String,
    },
    /// The file was written to while it was read.
    #[error("the file changed while it was read; try again once nothing writes to it any more")]
    Changed,
}

impl Archive {
    /// Reads the archive at `path`, `…/<subdir>/<file name>`, and checks that it is what its path says.
    pub fn read(path: &Path, limits: &ArchiveLimits) -> Result<Self, ArchiveError> {
        let last = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
        let subdir = path.parent().and_then(last).unwrap_or_default();
        Self::read_as(path, &subdir, &last(path).unwrap_or_default(), limits)
    }

    /// Reads the archive at `path`, wherever that is, as the file `file_name` of the sub-directory `subdir`.
    pub fn read_as(
        path: &Path,
        subdir: &str,
        file_name: &str,
        limits: &ArchiveLimits,
    ) -> Result<Self, ArchiveError> {
        checked(path, subdir, file_name, limits)
            .map_err(|problem| ArchiveError { file: format!("{subdir}/{file_name}"), problem })
    }
}

fn checked(
    path: &Path,
    subdir: &str,
    file_name: &str,
    limits: &ArchiveLimits,
) -> Result<Archive, ArchiveProblem> {
    if !is_subdir(subdir) {
        return Err(ArchiveProblem::UnknownSubdir(subdir.chars().take(120).collect()));
    }
    let name = ArchiveName::parse(file_name)?;
    let (contents, sums) = read(path, &name, limits)?;
    let (entries, unpacked, payload) = (contents.entries(), contents.unpacked, contents.payload());
    let (index, about) = contents.into_info();
    let index = IndexJson::parse(&index.ok_or(ArchiveProblem::NoIndex)?)?;
    let about = about.map(|about| super::index_json::object("info/about.json", &about)).transpose()?;
    let inside = ArchiveName {
        name: index.name.clone(),
        version: index.version.clone(),
        build: index.build.clone(),
        format: name.format,
    };
    if inside != name {
        return Err(ArchiveProblem::OtherName { expected: inside.to_string() });
    }
    if index.subdir != subdir {
        return Err(ArchiveProblem::OtherSubdir { folder: subdir.to_owned(), subdir: index.subdir });
    }
    Ok(Archive { name, index, about, sums, entries, payload, unpacked })
}

/// Reads the file whole: what it holds, and its sums.
fn read(path: &Path, name: &ArchiveName, limits: &ArchiveLimits) -> Result<(Contents, Sums), ArchiveProblem> {
    let disk = UnpackProblem::Disk;
    let mut file = File::open(path).map_err(disk)?;
    let before = file.metadata().map_err(disk)?;
    if !before.is_file() {
        let error = std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is not a regular file");
        return Err(disk(error).into());
    }
    if before.len() > limits.unpack.compressed {
        let (size, limit) = (before.len(), limits.unpack.compressed);
        return Err(UnpackProblem::TooLarge { size, limit }.into());
    }
    let mut contents = Contents::new(limits);
    let sums = match name.format {
        ArchiveFormat::TarBz2 => {
            let summed = Summed::new(file, before.len());
            tar_bz2::read(summed, &mut contents, limits)?
        }
        ArchiveFormat::Conda => {
            let members = zipped::Members::of_file(&mut file, before.len(), &name.stem())?;
            members.read(Summed::new(file, before.len()), &mut contents, limits)?
        }
    };
    if sums.size != before.len() {
        return Err(ArchiveProblem::Changed);
    }
    Ok((contents, sums))
}
