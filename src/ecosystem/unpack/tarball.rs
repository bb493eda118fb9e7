//! The entries of a tar stream, one by one, with names that are longer than tar's own 100 bytes.

use std::io::{self, Read};

use tar::{Archive, Entry, EntryType, PaxExtensions};

use super::guard::problem_of;
use super::{UnpackProblem, refused};

/// The longest name or header that an entry may have in the records that extend tar's 100 bytes.
const MAX_EXTENSION: u64 = 64 * 1024;

/// What an entry is. Anything else, such as a device, is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::ecosystem) enum EntryKind {
    File,
    Folder,
    /// With its target, relative to the folder it lies in.
    SymbolicLink(Vec<u8>),
    /// With its target, the name of another entry.
    HardLink(Vec<u8>),
}

/// A name and a link target that stand before the entry they belong to.
#[derive(Default)]
struct Extension {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

/// Hands every entry of the tar stream to `take` with its name, its kind and its content, and then reads
/// `reader` to its end: the compression's checksum comes last, and after tar's end only zeros may follow.
pub(in crate::ecosystem) fn each_entry<E: From<UnpackProblem>>(
    reader: impl Read,
    mut take: impl FnMut(&[u8], EntryKind, &mut dyn Read) -> Result<(), E>,
) -> Result<(), E> {
    let mut archive = Archive::new(reader);
    let mut extension = Extension::default();
    // Raw: the tar crate would read a long name into memory whatever its length.
    for entry in archive.entries().map_err(problem_of)?.raw(true) {
        let mut entry = entry.map_err(problem_of)?;
        if !extends(&mut entry, &mut extension)? {
            let Extension { name, link } = std::mem::take(&mut extension);
            let name = name.unwrap_or_else(|| entry.path_bytes().into_owned());
            let link = link.or_else(|| entry.link_name_bytes().map(|target| target.into_owned()));
            let kind = kind_of(entry.header().entry_type(), link)
                .ok_or_else(|| refused(&name, "it is neither a file, a folder nor a link"))?;
            take(&name, kind, &mut entry)?;
        }
    }
    only_zeros(archive.into_inner())?;
    Ok(())
}

/// Reads what follows tar's end. Some readers stop at the first block of zeros, some look for more entries
/// behind it, so that anything there would be in the archive for some and not for others.
fn only_zeros(mut rest: impl Read) -> Result<(), UnpackProblem> {
    let mut buffer = [0; 16 * 1024];
    loop {
        match rest.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) if buffer[..read].iter().any(|byte| *byte != 0) => {
                return Err(UnpackProblem::Damaged(
                    "something lies behind the end of its tarball".to_owned(),
                ));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(problem_of(error)),
        }
    }
}

fn kind_of(entry_type: EntryType, link: Option<Vec<u8>>) -> Option<EntryKind> {
    match entry_type {
        EntryType::Regular | EntryType::Continuous => Some(EntryKind::File),
        EntryType::Directory => Some(EntryKind::Folder),
        EntryType::Symlink => Some(EntryKind::SymbolicLink(link.unwrap_or_default())),
        EntryType::Link => Some(EntryKind::HardLink(link.unwrap_or_default())),
        _ => None,
    }
}

/// True where `entry` only says something about the entry after it, which goes to `extension`.
fn extends(entry: &mut Entry<impl Read>, extension: &mut Extension) -> Result<bool, UnpackProblem> {
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

fn extend_by_pax(bytes: &[u8], extension: &mut Extension) -> Result<(), UnpackProblem> {
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

fn without_padding(mut bytes: Vec<u8>) -> Vec<u8> {
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    bytes
}
