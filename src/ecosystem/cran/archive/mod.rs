//! Looking into package archives that strangers made. Nothing is ever unpacked to disk: an archive
//! is read once from front to back, within limits, and only its DESCRIPTION is kept.

mod paths;
mod tarball;
mod zipped;

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use self::paths::Contents;
pub(super) use self::zipped::check_directory;
use super::dcf::{DcfError, DcfLimits};
use super::description::Description;
use super::layout::ArchiveKind;
pub use crate::ecosystem::unpack::UnpackLimits as ArchiveLimits;
use crate::ecosystem::unpack::UnpackProblem;

/// What an archive holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveFacts {
    /// The package's DESCRIPTION.
    pub description: Description,
    /// How many entries there are: files, folders and links.
    pub entries: usize,
    /// How many bytes were unpacked to look at all of them.
    pub unpacked: u64,
}

/// Why an archive is refused.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveProblem {
    /// It is too large, damaged, or would leave the folder it is unpacked into.
    #[error(transparent)]
    Unpack(#[from] UnpackProblem),
    /// There is no DESCRIPTION in the package's folder.
    #[error("there is no file `{0}/DESCRIPTION` in the archive")]
    NoDescription(String),
    /// The DESCRIPTION cannot be read.
    #[error("the DESCRIPTION cannot be read: {0}")]
    Description(#[from] DcfError),
    /// The DESCRIPTION is of another package than the folder.
    #[error("the folder is `{folder}`, its DESCRIPTION is of `{package}`")]
    OtherPackage {
        /// The folder's name.
        folder: String,
        /// The `Package` field.
        package: String,
    },
}

/// Looks into the archive in the file `path`.
pub fn inspect_file(
    path: &Path,
    kind: ArchiveKind,
    limits: &ArchiveLimits,
) -> Result<ArchiveFacts, ArchiveProblem> {
    let file = File::open(path).map_err(UnpackProblem::Disk)?;
    inspect(BufReader::new(file), kind, limits)
}

/// Looks into an archive in memory.
pub fn inspect_bytes(
    bytes: &[u8],
    kind: ArchiveKind,
    limits: &ArchiveLimits,
) -> Result<ArchiveFacts, ArchiveProblem> {
    inspect(Cursor::new(bytes), kind, limits)
}

fn inspect<R: Read + Seek>(
    mut reader: R,
    kind: ArchiveKind,
    limits: &ArchiveLimits,
) -> Result<ArchiveFacts, ArchiveProblem> {
    let size = reader.seek(SeekFrom::End(0)).map_err(UnpackProblem::Disk)?;
    if size > limits.compressed {
        return Err(UnpackProblem::TooLarge { size, limit: limits.compressed }.into());
    }
    reader.seek(SeekFrom::Start(0)).map_err(UnpackProblem::Disk)?;
    let contents = match kind {
        ArchiveKind::Source | ArchiveKind::MacBinary => tarball::contents(reader, limits)?,
        ArchiveKind::WindowsBinary => zipped::contents(reader, size, limits)?,
    };
    facts_of(contents)
}

fn facts_of(contents: Contents) -> Result<ArchiveFacts, ArchiveProblem> {
    let (entries, unpacked) = (contents.entries(), contents.unpacked);
    let (folder, description) = contents.into_description()?;
    let description = Description::read(&description)?;
    match &description.package {
        Some(package) if *package != folder => {
            Err(ArchiveProblem::OtherPackage { folder, package: package.chars().take(80).collect() })
        }
        _ => Ok(ArchiveFacts { description, entries, unpacked }),
    }
}

/// The bytes of a DESCRIPTION; more of them than a DESCRIPTION may have are left for its reader to refuse.
fn description_bytes(reader: &mut dyn Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(DcfLimits::DESCRIPTION.bytes as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
