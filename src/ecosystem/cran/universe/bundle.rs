//! R-universe's snapshot API: many files of a repository as one stream. The universe sends what it has, and
//! where it fails in the middle the stream just ends, after a status that promised success. So nothing counts
//! before the archive's own end was seen, and each member is compared with what the universe lists elsewhere.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use flate2::read::GzDecoder;
use reqwest::Url;
use zip::ZipArchive;

use super::super::archive::{ArchiveLimits, check_directory};
use super::super::fetch;
use super::UniverseClient;
use crate::ecosystem::unpack::UnpackProblem;
use crate::ecosystem::unpack::guard::{Allowance, Counted, Guarded, problem_of};
use crate::ecosystem::unpack::tarball::{EntryKind, each_entry};
use crate::failure::Failure;

/// A tarball ends with two blocks of 512 zeros.
const TAR_END: u64 = 1024;

/// The form of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BundleFormat {
    /// A zip file.
    Zip,
    /// A compressed tarball.
    Tar,
}

impl BundleFormat {
    /// The last part of its address.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zip => "zip",
            Self::Tar => "tar",
        }
    }
}

/// What a bundle is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleRequest<'a> {
    /// The form.
    pub format: BundleFormat,
    /// The kinds of files: `src`, `win`, `mac`, `linux`.
    pub types: Vec<&'a str>,
    /// The series of R whose binaries are wanted.
    pub series: &'a str,
    /// The packages.
    pub packages: Vec<&'a str>,
}

impl UniverseClient {
    /// The address of a bundle.
    pub fn bundle_url(&self, request: &BundleRequest<'_>) -> Result<Url, Failure> {
        let mut url = self.url(&format!("api/snapshot/{}", request.format.name()))?;
        url.query_pairs_mut()
            .append_pair("types", &request.types.join(","))
            .append_pair("binaries", request.series)
            .append_pair("packages", &request.packages.join(","));
        Ok(url)
    }

    /// Copies a bundle to `to`, within `limits`. Whether it is whole shows when it is read.
    pub async fn bundle(
        &self,
        request: &BundleRequest<'_>,
        limits: &fetch::FetchLimits,
        to: &mut File,
    ) -> Result<(), Failure> {
        let url = self.bundle_url(request)?;
        fetch::copy(self.http(), &url, limits, to).await
    }
}

/// Hands every file of the bundle at `path` to `take`, by its name. What `take` leaves of a file is read over.
/// An error after some of them means that these were whole as far as the bundle can tell.
pub fn each_member(
    path: &Path,
    format: BundleFormat,
    limits: &ArchiveLimits,
    mut take: impl FnMut(&str, &mut dyn Read) -> Result<(), UnpackProblem>,
) -> Result<(), UnpackProblem> {
    let file = File::open(path).map_err(UnpackProblem::Disk)?;
    let size = file.metadata().map_err(UnpackProblem::Disk)?.len();
    if size > limits.compressed {
        return Err(UnpackProblem::TooLarge { size, limit: limits.compressed });
    }
    match format {
        BundleFormat::Zip => zipped(file, size, limits, &mut take),
        BundleFormat::Tar => tarred(file, limits, &mut take),
    }
}

type Take<'t> = &'t mut dyn FnMut(&str, &mut dyn Read) -> Result<(), UnpackProblem>;

fn zipped(mut file: File, size: u64, limits: &ArchiveLimits, take: Take<'_>) -> Result<(), UnpackProblem> {
    check_directory(&mut file, size, limits)?;
    let damaged = |error: zip::result::ZipError| match error {
        zip::result::ZipError::Io(error) => problem_of(error),
        other => UnpackProblem::Damaged(other.to_string()),
    };
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(damaged)?;
    let mut allowance = Allowance::new(limits);
    let compressed = Rc::new(Cell::new(size));
    for position in 0..archive.len() {
        let entry = archive.by_index(position).map_err(damaged)?;
        if !entry.is_file() {
            continue;
        }
        let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
        let mut entry = Guarded::new(entry, Rc::clone(&compressed), &mut allowance);
        take(plain(&name), &mut entry)?;
        // To the end, so that the checksum is compared.
        io::copy(&mut entry, &mut io::sink()).map_err(problem_of)?;
    }
    Ok(())
}

fn tarred(file: File, limits: &ArchiveLimits, take: Take<'_>) -> Result<(), UnpackProblem> {
    let mut allowance = Allowance::new(limits);
    let (counted, compressed) = Counted::new(BufReader::new(file));
    let guarded = Guarded::new(GzDecoder::new(counted), compressed, &mut allowance);
    let zeros = Rc::new(Cell::new(0));
    let watched = Watched { inner: guarded, zeros: Rc::clone(&zeros) };
    let mut entries = 0;
    each_entry(watched, |name, kind, reader| {
        entries += 1;
        if entries > limits.entries {
            return Err(UnpackProblem::TooManyEntries { limit: limits.entries });
        }
        match kind {
            EntryKind::File => take(plain(&String::from_utf8_lossy(name)), reader),
            _ => Ok(()),
        }
    })?;
    // A stream that ends between two files is a tarball for most readers.
    match zeros.get() >= TAR_END {
        true => Ok(()),
        false => Err(UnpackProblem::Damaged("the tarball has no end".to_owned())),
    }
}

/// A name as repositories write paths.
fn plain(name: &str) -> &str {
    name.strip_prefix("./").unwrap_or(name)
}

/// Counts the zeros that a stream ends with.
struct Watched<R> {
    inner: R,
    zeros: Rc<Cell<u64>>,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let zeros = buffer[..read].iter().rev().take_while(|byte| **byte == 0).count();
        let before = if zeros == read { self.zeros.get() } else { 0 };
        self.zeros.set(before + zeros as u64);
        Ok(read)
    }
}
