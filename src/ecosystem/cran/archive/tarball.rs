//! `.tar.gz` and `.tgz`: sources, and binaries for macOS.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;
use tar::{Archive, Entry, EntryType, PaxExtensions};

use super::guard::{Allowance, Counted, Guarded, problem_of};
use super::paths::{Contents, refused};
use super::{ArchiveLimits, ArchiveProblem, description_bytes};

/// The longest name or header that an entry may have in the records that extend tar's 100 bytes.
const MAX_EXTENSION: u64 = 64 * 1024;

/// A name and a link target that stand before the entry they belong to.
#[derive(Default)]
struct Extension {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

/// Reads the whole tarball.
pub(super) fn contents(reader: impl Read, limits: &ArchiveLimits) -> Result<Contents, ArchiveProblem> {
    let mut contents = Contents::new(limits);
    let mut allowance = Allowance::new(limits);
    let (counted, compressed) = Counted::new(reader);
    let mut archive = Archive::new(Guarded::new(MultiGzDecoder::new(counted), compressed, &mut allowance));
    let mut extension = Extension::default();
    // Raw: the tar crate would read a long name into memory whatever its length.
    for entry in archive.entries().map_err(problem_of)?.raw(true) {
        let mut entry = entry.map_err(problem_of)?;
        if !extends(&mut entry, &mut extension)? {
            take(&mut entry, std::mem::take(&mut extension), &mut contents)?;
        }
    }
    // What follows tar's end still belongs to gzip, whose checksum comes last.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(problem_of)?;
    contents.unpacked = allowance.unpacked();
    Ok(contents)
}

/// True where `entry` only says something about the entry after it, which goes to `extension`.
fn extends(entry: &mut Entry<impl Read>, extension: &mut Extension) -> Result<bool, ArchiveProblem> {
    let kind = entry.header().entry_type();
    if !matches!(
        kind,
        EntryType::GNULongName | EntryType::GNULongLink | EntryType::XHeader | EntryType::XGlobalHeader
    ) {
        return Ok(false);
    }
    if entry.size() > MAX_EXTENSION {
        return Err(refused(&entry.path_bytes(), "its extended header is longer than any name"));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(problem_of)?;
    match kind {
        EntryType::GNULongName => extension.name = Some(without_padding(bytes)),
        EntryType::GNULongLink => extension.link = Some(without_padding(bytes)),
        EntryType::XHeader => extend_by_pax(&bytes, extension)?,
        // A global header carries comments, such as the commit that git wrote.
        _ => {}
    }
    Ok(true)
}

fn extend_by_pax(bytes: &[u8], extension: &mut Extension) -> Result<(), ArchiveProblem> {
    for field in PaxExtensions::new(bytes) {
        let field = field.map_err(problem_of)?;
        match field.key_bytes() {
            b"path" => extension.name = Some(field.value_bytes().to_vec()),
            b"linkpath" => extension.link = Some(field.value_bytes().to_vec()),
            // Readers differ on which of two sizes counts, and so on what the entries are.
            b"size" => return Err(refused(b"(extended header)", "it gives an entry a second size")),
            key if key.starts_with(b"GNU.sparse") => {
                return Err(refused(b"(extended header)", "sparse files are not read"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn take(
    entry: &mut Entry<impl Read>,
    extension: Extension,
    contents: &mut Contents,
) -> Result<(), ArchiveProblem> {
    let name = extension.name.unwrap_or_else(|| entry.path_bytes().into_owned());
    let place = contents.enter(&name)?;
    let target = extension.link.or_else(|| entry.link_name_bytes().map(|target| target.into_owned()));
    let target = target.unwrap_or_default();
    match entry.header().entry_type() {
        EntryType::Regular | EntryType::Continuous if place.is_description() => {
            let description = description_bytes(entry).map_err(problem_of)?;
            contents.describe(&name, description)
        }
        EntryType::Regular | EntryType::Continuous if place.is_top() => {
            Err(refused(&name, "it is a file where the package's folder should be"))
        }
        EntryType::Regular | EntryType::Continuous | EntryType::Directory => Ok(()),
        EntryType::Symlink => contents.symbolic_link(&place, &name, &target),
        EntryType::Link => contents.hard_link(&place, &name, &target),
        _ => Err(refused(&name, "it is neither a file, a folder nor a link")),
    }
}

fn without_padding(mut bytes: Vec<u8>) -> Vec<u8> {
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    bytes
}
