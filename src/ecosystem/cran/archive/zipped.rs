//! `.zip`: binaries for Windows.

use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;

use zip::ZipArchive;
use zip::read::ZipFile;
use zip::result::ZipError;

use super::paths::Contents;
use super::{ArchiveLimits, ArchiveProblem, description_bytes};
use crate::ecosystem::unpack::guard::{Allowance, Guarded, problem_of};
use crate::ecosystem::unpack::{UnpackProblem, refused};

/// The size of the record that ends a zip file, and the most that may follow it (a comment).
const END_RECORD: usize = 22;
const MAX_COMMENT: usize = 65_535;
/// The largest list of entries that is read into memory.
const MAX_DIRECTORY: u32 = 64 * 1024 * 1024;
/// The bits of a Unix mode that tell the type of file, and those of a link and of a regular file and folder.
const TYPE_BITS: u32 = 0o170_000;
const PLAIN_TYPES: [u32; 3] = [0, 0o100_000, 0o040_000];

/// Reads the whole zip file of `size` bytes.
pub(super) fn contents<R: Read + Seek>(
    mut reader: R,
    size: u64,
    limits: &ArchiveLimits,
) -> Result<Contents, ArchiveProblem> {
    check_directory(&mut reader, size, limits)?;
    let mut archive = ZipArchive::new(reader).map_err(damaged)?;
    let mut contents = Contents::new(limits);
    let mut allowance = Allowance::new(limits);
    // Overlapping entries share their bytes, so all of them are measured against the file's size.
    let compressed = Rc::new(Cell::new(size));
    for position in 0..archive.len() {
        let file = archive.by_index(position).map_err(damaged)?;
        take(file, &mut contents, Guard { compressed: &compressed, allowance: &mut allowance })?;
    }
    contents.unpacked = allowance.unpacked();
    Ok(contents)
}

/// What an entry is read under.
struct Guard<'a> {
    compressed: &'a Rc<Cell<u64>>,
    allowance: &'a mut Allowance,
}

fn take<R: Read>(file: ZipFile<'_, R>, contents: &mut Contents, guard: Guard) -> Result<(), ArchiveProblem> {
    let name = file.name_raw().to_vec();
    let place = contents.enter(&name)?;
    let kind = file.unix_mode().unwrap_or_default() & TYPE_BITS;
    if !PLAIN_TYPES.contains(&kind) {
        return Err(refused(&name, "it is neither a file nor a folder").into());
    }
    if file.is_file() && place.is_top() {
        return Err(refused(&name, "it is a file where the package's folder should be").into());
    }
    let is_description = file.is_file() && place.is_description();
    let mut guarded = Guarded::new(file, Rc::clone(guard.compressed), guard.allowance);
    if is_description {
        let description = description_bytes(&mut guarded).map_err(problem_of)?;
        contents.describe(&name, description)?;
    }
    // To the end, so that the checksum is compared.
    io::copy(&mut guarded, &mut io::sink()).map_err(problem_of)?;
    Ok(())
}

/// Looks at the record that ends the file before the zip crate reads the list of entries into memory.
pub(in crate::ecosystem::cran) fn check_directory<R: Read + Seek>(
    reader: &mut R,
    size: u64,
    limits: &ArchiveLimits,
) -> Result<(), UnpackProblem> {
    let tail = size.min((END_RECORD + MAX_COMMENT) as u64);
    let mut bytes = Vec::new();
    reader.seek(SeekFrom::Start(size - tail)).map_err(UnpackProblem::Disk)?;
    reader.take(tail).read_to_end(&mut bytes).map_err(UnpackProblem::Disk)?;
    reader.seek(SeekFrom::Start(0)).map_err(UnpackProblem::Disk)?;
    let record = bytes.windows(END_RECORD).rev().find(|window| window.starts_with(b"PK\x05\x06"));
    let record = record
        .ok_or_else(|| UnpackProblem::Damaged("it has no zip directory; it ends too early".to_owned()))?;
    let entries = u16::from_le_bytes([record[10], record[11]]);
    let directory = u32::from_le_bytes([record[12], record[13], record[14], record[15]]);
    // The highest values stand for the 64-bit form, which no package of a real size needs.
    if entries == u16::MAX || usize::from(entries) > limits.entries {
        return Err(UnpackProblem::TooManyEntries { limit: limits.entries.min(usize::from(u16::MAX) - 1) });
    }
    if directory > MAX_DIRECTORY {
        return Err(UnpackProblem::Damaged(format!("its list of entries has {directory} bytes")));
    }
    Ok(())
}

fn damaged(error: ZipError) -> UnpackProblem {
    match error {
        ZipError::Io(error) => problem_of(error),
        other => UnpackProblem::Damaged(other.to_string()),
    }
}
