//! The advisories in an archive of their database: the YAML files below its folder `vulns`. Nothing is unpacked
//! to disk, and what else is in the archive is passed over.

use std::cell::Cell;
use std::io::{Cursor, Read};
use std::rc::Rc;

use flate2::read::MultiGzDecoder;
use zip::ZipArchive;
use zip::result::ZipError;

use super::super::archive::check_directory;
use super::{FOLDER, MAX_BYTES};
use crate::ecosystem::unpack::guard::{Allowance, Counted, Guarded, problem_of};
use crate::ecosystem::unpack::places::{Place, Places};
use crate::ecosystem::unpack::tarball::{EntryKind, each_entry};
use crate::ecosystem::unpack::{UnpackLimits, UnpackProblem, refused};

/// The database had 14 advisories in 2026; a repository of its kind has a few thousand files.
const LIMITS: UnpackLimits = UnpackLimits {
    compressed: 64 * 1024 * 1024,
    unpacked: 512 * 1024 * 1024,
    ratio: 200,
    ratio_from: 16 * 1024 * 1024,
    entries: 60_000,
};

/// The advisories of an archive with their paths, in its order.
pub(super) fn advisory_files(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, UnpackProblem> {
    let size = bytes.len() as u64;
    if size > LIMITS.compressed {
        return Err(UnpackProblem::TooLarge { size, limit: LIMITS.compressed });
    }
    match bytes {
        [b'P', b'K', ..] => zipped(bytes),
        [0x1f, 0x8b, ..] => tarball(bytes),
        _ => Err(UnpackProblem::Damaged("it is neither a zip file nor a compressed tarball".to_owned())),
    }
}

fn zipped(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, UnpackProblem> {
    let size = bytes.len() as u64;
    let mut reader = Cursor::new(bytes);
    check_directory(&mut reader, size, &LIMITS)?;
    let mut archive = ZipArchive::new(reader).map_err(damaged)?;
    let (mut places, mut allowance) = (Places::new(&LIMITS, 1), Allowance::new(&LIMITS));
    // Overlapping entries share their bytes, so all of them are measured against the file's size.
    let compressed = Rc::new(Cell::new(size));
    let mut files = Vec::new();
    for position in 0..archive.len() {
        let file = archive.by_index(position).map_err(damaged)?;
        let name = file.name_raw().to_vec();
        let is_advisory = file.is_file() && is_advisory(&places.enter(&name)?);
        if is_advisory {
            let guarded = Guarded::new(file, Rc::clone(&compressed), &mut allowance);
            files.push((shown(&name), content(&name, guarded)?));
        }
    }
    Ok(files)
}

fn tarball(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, UnpackProblem> {
    let (mut places, mut allowance) = (Places::new(&LIMITS, 1), Allowance::new(&LIMITS));
    let (counted, compressed) = Counted::new(bytes);
    let guarded = Guarded::new(MultiGzDecoder::new(counted), compressed, &mut allowance);
    let mut files = Vec::new();
    each_entry(guarded, |name, kind, reader| {
        let place = places.enter(name)?;
        if kind == EntryKind::File && is_advisory(&place) {
            files.push((shown(name), content(name, reader)?));
        }
        Ok::<(), UnpackProblem>(())
    })?;
    Ok(files)
}

/// Below a folder `vulns`, wherever that lies: GitHub puts a repository into a folder with the branch's name.
fn is_advisory(place: &Place) -> bool {
    let Some((file, folders)) = place.parts().split_last() else { return false };
    let yaml = file.ends_with(b".yaml") || file.ends_with(b".yml");
    yaml && folders.iter().any(|folder| folder == FOLDER.as_bytes())
}

fn content(name: &[u8], reader: impl Read) -> Result<Vec<u8>, UnpackProblem> {
    let mut bytes = Vec::new();
    reader.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(problem_of)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(refused(name, "it is longer than any advisory"));
    }
    Ok(bytes)
}

fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).chars().filter(|letter| !letter.is_control()).take(120).collect()
}

fn damaged(error: ZipError) -> UnpackProblem {
    match error {
        ZipError::Io(error) => problem_of(error),
        other => UnpackProblem::Damaged(other.to_string()),
    }
}
