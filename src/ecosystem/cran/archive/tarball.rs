//! `.tar.gz` and `.tgz`: sources, and binaries for macOS.

use std::io::Read;

use flate2::read::MultiGzDecoder;

use super::paths::Contents;
use super::{ArchiveLimits, ArchiveProblem, description_bytes};
use crate::ecosystem::unpack::guard::{Allowance, Counted, Guarded, problem_of};
use crate::ecosystem::unpack::refused;
use crate::ecosystem::unpack::tarball::{EntryKind, each_entry};

/// Reads the whole tarball.
pub(super) fn contents(reader: impl Read, limits: &ArchiveLimits) -> Result<Contents, ArchiveProblem> {
    let mut contents = Contents::new(limits);
    let mut allowance = Allowance::new(limits);
    let (counted, compressed) = Counted::new(reader);
    let guarded = Guarded::new(MultiGzDecoder::new(counted), compressed, &mut allowance);
    each_entry(guarded, |name, kind, reader| take(name, kind, reader, &mut contents))?;
    contents.unpacked = allowance.unpacked();
    Ok(contents)
}

fn take(
    name: &[u8],
    kind: EntryKind,
    reader: &mut dyn Read,
    contents: &mut Contents,
) -> Result<(), ArchiveProblem> {
    let place = contents.enter(name)?;
    match kind {
        EntryKind::File if place.is_description() => {
            let description = description_bytes(reader).map_err(problem_of)?;
            contents.describe(name, description)
        }
        EntryKind::File if place.is_top() => {
            Err(refused(name, "it is a file where the package's folder should be").into())
        }
        EntryKind::File | EntryKind::Folder => Ok(()),
        EntryKind::SymbolicLink(target) => contents.symbolic_link(&place, name, &target),
        EntryKind::HardLink(target) => contents.hard_link(&place, name, &target),
    }
}
