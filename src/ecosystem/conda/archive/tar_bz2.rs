//! `.tar.bz2`: the older format, one tarball with everything in it.

use bzip2::read::MultiBzDecoder;

use super::contents::{Contents, Tarball};
use super::sums::{Summed, Sums};
use super::{ArchiveLimits, ArchiveProblem};
use crate::ecosystem::unpack::guard::{Allowance, Counted, Guarded, problem_of};
use crate::ecosystem::unpack::tarball::each_entry;

/// Reads the whole tarball.
pub(super) fn read(
    mut summed: Summed,
    contents: &mut Contents,
    limits: &ArchiveLimits,
) -> Result<Sums, ArchiveProblem> {
    let mut allowance = Allowance::new(&limits.unpack);
    let (counted, compressed) = Counted::new(&mut summed);
    let guarded = Guarded::new(MultiBzDecoder::new(counted), compressed, &mut allowance);
    each_entry(guarded, |name, kind, reader| contents.take(Tarball::Whole, (name, kind), reader))?;
    contents.unpacked = allowance.unpacked();
    Ok(summed.finish().map_err(problem_of)?)
}
