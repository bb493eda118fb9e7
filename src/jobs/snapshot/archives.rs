//! Fetching many files at once by R-universe's snapshot API. Each is compared with what the universe lists, as
//! one that was fetched alone; what an archive lacks, or what is cut off of it, is left to be fetched alone.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write as _};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use md5::Md5;
use sha2::{Digest as _, Sha256};

use super::Snapshot;
use super::wanted::Wanted;
use crate::config::FetchBy;
use crate::daemon::RunError;
use crate::digest::hex;
use crate::ecosystem::cran::archive::ArchiveLimits;
use crate::ecosystem::cran::fetch::{Downloaded, FetchLimits};
use crate::ecosystem::cran::universe::{BundleFormat, BundleRequest, UniverseClient, each_member};
use crate::ecosystem::unpack::UnpackProblem;
use crate::failure::Failure;
use crate::jobs::progress::Progress;
use crate::publish::content::ContentStore;

/// How many packages one archive is asked for: addresses have an end, and so have disks.
const AT_ONCE: usize = 50;
const GIBIBYTE: u64 = 1 << 30;
/// What one archive may hold. Its members are compressed already.
const LIMITS: ArchiveLimits = ArchiveLimits {
    compressed: 8 * GIBIBYTE,
    unpacked: 16 * GIBIBYTE,
    ratio: 200,
    ratio_from: GIBIBYTE,
    entries: 50_000,
};
/// The longest time for one archive. A connection that brings nothing for a minute ends long before.
const LONGEST: Duration = Duration::from_secs(2 * 60 * 60);

impl Snapshot {
    /// Fetches and keeps what archives of the universe have of the `missing` files. An archive that is not to be
    /// had or is cut off is told of; it costs time alone.
    pub(super) async fn fetch_archives(
        &self,
        client: &UniverseClient,
        missing: &[&Wanted],
        progress: &Progress,
    ) -> Result<(), RunError> {
        let format = match self.settings.fetch {
            FetchBy::Files => return Ok(()),
            FetchBy::Zip => BundleFormat::Zip,
            FetchBy::Tar => BundleFormat::Tar,
        };
        let packages: BTreeSet<&str> = missing.iter().map(|file| file.package.as_str()).collect();
        let packages = Vec::from_iter(packages);
        for packages in packages.chunks(AT_ONCE) {
            let files: BTreeMap<String, Wanted> = missing
                .iter()
                .filter(|file| packages.contains(&file.package.as_str()))
                .map(|file| (file.path.as_str().to_owned(), (*file).clone()))
                .collect();
            match self.fetch_archive(client, format, packages, files, progress).await {
                Ok(()) => {}
                Err(failure @ Failure::Configuration { .. }) => return Err(failure.into()),
                Err(failure) => tracing::warn!("what is missing is fetched file by file: {failure}"),
            }
        }
        Ok(())
    }

    async fn fetch_archive(
        &self,
        client: &UniverseClient,
        format: BundleFormat,
        packages: &[&str],
        files: BTreeMap<String, Wanted>,
        progress: &Progress,
    ) -> Result<(), Failure> {
        let mut types: BTreeSet<&str> = BTreeSet::new();
        let mut series = "";
        for file in files.values() {
            let (kind, of) = kind_of(file.folder.as_str());
            types.insert(kind);
            series = of.unwrap_or(series);
        }
        // Without binaries any series will do: sources are always sent.
        let types = types.iter().copied().collect();
        let request = BundleRequest { format, types, series, packages: packages.to_vec() };
        let content = self.services.content();
        let mut archive = content.temporary()?;
        let limits = FetchLimits { bytes: LIMITS.compressed, timeout: LONGEST };
        client.bundle(&request, &limits, archive.as_file_mut()).await?;
        let url = client.bundle_url(&request)?;
        let unpacked = tokio::task::spawn_blocking(move || {
            let mut kept = Vec::new();
            let result = unpack(archive.path(), format, &files, &content, &mut kept);
            (kept, result, files.len())
        });
        let joined =
            unpacked.await.map_err(|error| Failure::transient(format!("unpacking stopped: {error}")));
        let (kept, result, wanted) = joined?;
        for bytes in &kept {
            progress.received(*bytes);
            progress.file_done();
        }
        result.map_err(|problem| {
            let kept = kept.len();
            Failure::transient(format!("GET {url}: {problem}; {kept} of {wanted} files in it were whole"))
        })
    }
}

/// Keeps the wanted files of an archive that are what was promised, and adds the size of each to `kept`.
fn unpack(
    archive: &Path,
    format: BundleFormat,
    files: &BTreeMap<String, Wanted>,
    content: &ContentStore,
    kept: &mut Vec<u64>,
) -> anyhow::Result<()> {
    let result = each_member(archive, format, &LIMITS, |name, reader| {
        let Some(file) = files.get(name) else { return Ok(()) };
        let disk = |failure: Failure| UnpackProblem::Disk(io::Error::other(failure.to_string()));
        let mut beside = content.temporary().map_err(|error| disk(error.into()))?;
        let most = file.promise.size.unwrap_or(ArchiveLimits::default().compressed);
        let came = copied(reader, most, beside.as_file_mut())?;
        let kept_file = match file.promise.broken_by(&came) {
            Some(problem) => Err(Failure::transient(problem)),
            None => file.promised(&file.promise).keep_from(content, beside.path()),
        };
        match kept_file {
            Ok(_) => kept.push(came.size),
            // Alone it is asked for again, and refused with a name if it stays like this.
            Err(problem) => tracing::warn!(file = name, "not taken from the archive: {problem}"),
        }
        Ok(())
    });
    result.context("the universe's archive cannot be used")
}

/// Copies a member, of at most `most` bytes and one more, with its sums.
fn copied(reader: &mut dyn Read, most: u64, to: &mut std::fs::File) -> Result<Downloaded, UnpackProblem> {
    let (mut sha256, mut md5, mut size) = (Sha256::new(), Md5::new(), 0);
    let mut reader = reader.take(most.saturating_add(1));
    let mut buffer = vec![0; 128 * 1024];
    loop {
        let read = reader.read(&mut buffer).map_err(|error| UnpackProblem::Damaged(error.to_string()))?;
        if read == 0 {
            break;
        }
        to.write_all(&buffer[..read]).map_err(UnpackProblem::Disk)?;
        sha256.update(&buffer[..read]);
        md5.update(&buffer[..read]);
        size += read as u64;
    }
    Ok(Downloaded { sha256: hex(&sha256.finalize()), md5: hex(&md5.finalize()), size })
}

/// What the API calls the files of a folder, and the series of R that the folder is for.
fn kind_of(folder: &str) -> (&'static str, Option<&str>) {
    let parts: Vec<&str> = folder.split('/').collect();
    match parts[..] {
        ["bin", "windows", .., series] => ("win", Some(series)),
        ["bin", "macosx", .., series] => ("mac", Some(series)),
        ["bin", "linux", _, series, ..] => ("linux", Some(series)),
        _ => ("src", None),
    }
}
