//! Looking into package archives that strangers made. Nothing is ever unpacked to disk: an archive
//! is read once from front to back, within limits, and only its DESCRIPTION is kept.

mod guard;
mod paths;
mod tarball;
mod zipped;

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use self::paths::Contents;
use super::dcf::{DcfError, DcfLimits};
use super::description::Description;
use super::layout::ArchiveKind;

/// How much an archive may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchiveLimits {
    /// The most bytes of the archive itself.
    pub compressed: u64,
    /// The most bytes of all its entries together.
    pub unpacked: u64,
    /// The most bytes that one byte of the archive may turn into.
    pub ratio: u64,
    /// From how many unpacked bytes on the ratio is looked at: small files of zeros are harmless.
    pub ratio_from: u64,
    /// The most entries.
    pub entries: usize,
}

impl Default for ArchiveLimits {
    fn default() -> Self {
        Self {
            compressed: 512 * 1024 * 1024,
            unpacked: 2 * 1024 * 1024 * 1024,
            ratio: 200,
            ratio_from: 64 * 1024 * 1024,
            entries: 200_000,
        }
    }
}

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
    /// The archive itself is too large.
    #[error("the archive has {size} bytes, more than the {limit} allowed")]
    TooLarge {
        /// Its size in bytes.
        size: u64,
        /// What is allowed.
        limit: u64,
    },
    /// Its content is too large.
    #[error("the archive unpacks to more than the {limit} bytes allowed")]
    UnpacksTooLarge {
        /// What is allowed.
        limit: u64,
    },
    /// Its content is out of all proportion to the archive.
    #[error("the archive unpacks to more than {ratio} times its size; it looks like a decompression bomb")]
    Bomb {
        /// What is allowed.
        ratio: u64,
    },
    /// There are too many entries.
    #[error("the archive has more than the {limit} entries allowed")]
    TooManyEntries {
        /// What is allowed.
        limit: usize,
    },
    /// It ends too early, or its bytes are not what the format promises.
    #[error("the archive is cut off or damaged: {0}")]
    Damaged(String),
    /// An entry's name points outside the package's folder, or is not portable.
    #[error("the entry `{entry}` is refused: {why}")]
    Entry {
        /// The name as written, shortened.
        entry: String,
        /// What is wrong with it.
        why: &'static str,
    },
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
    /// The file cannot be opened or read.
    #[error("the archive cannot be read from disk: {0}")]
    Disk(std::io::Error),
}

/// Looks into the archive in the file `path`.
pub fn inspect_file(
    path: &Path,
    kind: ArchiveKind,
    limits: &ArchiveLimits,
) -> Result<ArchiveFacts, ArchiveProblem> {
    let file = File::open(path).map_err(ArchiveProblem::Disk)?;
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
    let size = reader.seek(SeekFrom::End(0)).map_err(ArchiveProblem::Disk)?;
    if size > limits.compressed {
        return Err(ArchiveProblem::TooLarge { size, limit: limits.compressed });
    }
    reader.seek(SeekFrom::Start(0)).map_err(ArchiveProblem::Disk)?;
    let contents = match kind {
        ArchiveKind::Source | ArchiveKind::MacBinary => tarball::contents(reader, limits)?,
        ArchiveKind::WindowsBinary => zipped::contents(reader, size, limits)?,
    };
    facts_of(contents)
}

fn facts_of(contents: Contents) -> Result<ArchiveFacts, ArchiveProblem> {
    let (entries, unpacked) = (contents.entries, contents.unpacked);
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
fn description_bytes(reader: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(DcfLimits::DESCRIPTION.bytes as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
