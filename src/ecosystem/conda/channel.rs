//! A channel as it was read: its builds, looked up by match spec, and never more than its index says.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rattler_conda_types::RepoDataRecord;
use rattler_conda_types::package::{CondaArchiveType, DistArchiveType};
use sha2::{Digest as _, Sha256};

use super::address::ChannelAddress;
pub use super::index_file::RefusedRecord;
use super::index_file::{self, IndexFile, PackageFiles};
pub use super::layout::NOARCH;
use super::patch::REVOKED;
use super::spec::Spec;
use crate::digest::hex;
use crate::domain::Build;
use crate::failure::Failure;

/// What a channel offers on some platforms, at one moment. A copy costs nothing: the records are shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelIndex {
    address: ChannelAddress,
    digest: String,
    /// By name; a sub-directory that the channel does not have is not here.
    subdirs: Arc<BTreeMap<String, IndexFile>>,
}

impl ChannelIndex {
    /// The channel at `address`, from the bytes of the `repodata.json` of each of its sub-directories.
    /// A malformed one is a [`Failure::Permanent`].
    pub fn new(address: ChannelAddress, indexes: &BTreeMap<String, Vec<u8>>) -> Result<Self, Failure> {
        let mut digest = Sha256::new();
        let mut subdirs = BTreeMap::new();
        for (subdir, bytes) in indexes {
            digest.update(format!("{subdir} {}\n", bytes.len()));
            digest.update(bytes);
            subdirs.insert(subdir.clone(), index_file::read(bytes, &address, subdir)?);
        }
        let digest = hex(&digest.finalize());
        Ok(Self { address, digest, subdirs: Arc::new(subdirs) })
    }

    /// Where it was read.
    pub fn address(&self) -> &ChannelAddress {
        &self.address
    }

    /// SHA-256 over the unpacked indexes and the names of their sub-directories, in lower-case
    /// hexadecimal: the same digest means that nothing changed.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The sub-directories that it has, of those that were asked for.
    pub fn subdirs(&self) -> impl Iterator<Item = &str> {
        self.subdirs.keys().map(String::as_str)
    }

    /// Every build that it offers, in both formats where there are two, by name, version and file. What
    /// the channel has taken back is not among them.
    pub fn builds(&self) -> Vec<Build> {
        let mut records: Vec<&RepoDataRecord> = self.records().collect();
        records.sort_by(|a, b| a.package_record.name.cmp(&b.package_record.name).then(preference(a, b)));
        records.into_iter().map(build_of).collect()
    }

    /// The builds that the spec accepts, the best first: by version in conda's order, then build number.
    pub fn matching(&self, spec: &Spec) -> Vec<Build> {
        let mut records: Vec<&RepoDataRecord> = self.accepted(spec).collect();
        records.sort_by(|a, b| preference(b, a));
        records.into_iter().map(build_of).collect()
    }

    /// The newest build for the platform (or for all platforms) that the spec accepts: the highest
    /// version in conda's order, then the highest build number; `.conda` where a build is there in both
    /// formats.
    pub fn newest(&self, spec: &Spec, platform: &str) -> Option<Build> {
        self.newest_record(spec, platform).map(build_of)
    }

    /// What the index says that a build depends on, as match specs; nothing for a build that is not here.
    pub fn depends(&self, build: &Build) -> Vec<String> {
        let record = self.record(&build.subdir, &build.file_name);
        record.map(|record| record.package_record.depends.clone()).unwrap_or_default()
    }

    /// The builds that depend on exactly one of `gone`, and on nothing else that the channel offers: those
    /// that nobody could install if these were gone, through any number of metapackages. Those of `gone`
    /// are not among them.
    pub fn pinned_to(&self, gone: &[Build]) -> Vec<Build> {
        let key = |record: &RepoDataRecord| {
            (record.package_record.subdir.clone(), record.identifier.to_file_name())
        };
        let mut lost: BTreeSet<(String, String)> =
            gone.iter().map(|build| (build.subdir.clone(), build.file_name.clone())).collect();
        let mut found = Vec::new();
        loop {
            let is_lost = |record: &RepoDataRecord| lost.contains(&key(record));
            let names: BTreeSet<&str> = self
                .records()
                .filter(|record| is_lost(record))
                .map(|record| record.package_record.name.as_normalized())
                .collect();
            let pins_a_lost_one = |line: &String| {
                // Most lines name another package; reading each of them would take long.
                let name = line.split(|letter: char| !is_of_a_name(letter)).next().unwrap_or_default();
                names.contains(name.to_lowercase().as_str())
                    && Spec::of_record(line).is_ok_and(|spec| {
                        spec.is_exact()
                            && self.accepted(&spec).any(&is_lost)
                            && self.accepted(&spec).all(&is_lost)
                    })
            };
            let fresh: Vec<&RepoDataRecord> = self
                .records()
                .filter(|record| {
                    !is_lost(record) && record.package_record.depends.iter().any(pins_a_lost_one)
                })
                .collect();
            if fresh.is_empty() {
                found.sort();
                return found;
            }
            found.extend(fresh.iter().map(|record| build_of(record)));
            let more: Vec<_> = fresh.into_iter().map(key).collect();
            lost.extend(more);
        }
    }

    /// The files that the channel has taken back, as `subdir/file`.
    pub fn removed(&self) -> BTreeSet<String> {
        let all = self.subdirs.iter();
        all.flat_map(|(subdir, index)| index.removed.iter().map(move |file| format!("{subdir}/{file}")))
            .collect()
    }

    /// The records that were left out, since they contradict their place.
    pub fn refused(&self) -> impl Iterator<Item = &RefusedRecord> {
        self.subdirs.values().flat_map(|index| index.refused.values())
    }

    /// The names of all packages that it offers for the platform, `noarch` included.
    pub(super) fn names(&self, platform: &str) -> BTreeSet<&str> {
        let indexes = [platform, NOARCH].into_iter().filter_map(|subdir| self.subdirs.get(subdir));
        indexes.flat_map(|index| index.packages.keys().map(String::as_str)).collect()
    }

    /// The record of that exact build, by its file.
    pub(super) fn record(&self, subdir: &str, file_name: &str) -> Option<&RepoDataRecord> {
        self.subdirs.get(subdir)?.records.get(file_name)
    }

    pub(super) fn newest_record(&self, spec: &Spec, platform: &str) -> Option<&RepoDataRecord> {
        self.fitting(spec, platform).into_iter().next()
    }

    /// The builds for the platform (or for all platforms) that the spec accepts, the best first.
    pub(super) fn fitting(&self, spec: &Spec, platform: &str) -> Vec<&RepoDataRecord> {
        let name = BTreeSet::from([spec.name().to_owned()]);
        let own = (platform != NOARCH).then_some(platform);
        let named = own.into_iter().chain([NOARCH]).flat_map(|subdir| self.records_named(subdir, &name));
        let mut fitting: Vec<&RepoDataRecord> =
            named.filter(|record| !is_revoked(record) && spec.accepts(record)).collect();
        fitting.sort_by(|a, b| preference(b, a));
        fitting
    }

    /// What it has of a package in the sub-directory.
    pub(super) fn package(&self, subdir: &str, name: &str) -> Option<&PackageFiles> {
        self.subdirs.get(subdir)?.packages.get(name)
    }

    /// The records of these packages in the sub-directory, in the order of their file names.
    pub(super) fn records_named(&self, subdir: &str, names: &BTreeSet<String>) -> Vec<&RepoDataRecord> {
        let files = names.iter().filter_map(|name| self.package(subdir, name));
        let mut files: Vec<&String> = files.flat_map(|package| &package.files).collect();
        files.sort_unstable();
        files.into_iter().filter_map(|file| self.record(subdir, file)).collect()
    }

    fn records(&self) -> impl Iterator<Item = &RepoDataRecord> {
        let all = self.subdirs.values().flat_map(|index| index.records.values());
        all.filter(|record| !is_revoked(record))
    }

    fn accepted<'a>(&'a self, spec: &Spec) -> impl Iterator<Item = &'a RepoDataRecord> {
        self.records().filter(|record| spec.accepts(record))
    }
}

/// Whether the channel has made it impossible to install the record, though it still lists it.
fn is_revoked(record: &RepoDataRecord) -> bool {
    record.package_record.depends.iter().any(|line| line == REVOKED)
}

/// Whether a letter may stand in a package's name.
fn is_of_a_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.')
}

/// The order of two records of one package: the better one is the greater one. Ends with the file, so
/// that no two different records are equal and the answer never hangs on the order of an index.
fn preference(a: &RepoDataRecord, b: &RepoDataRecord) -> Ordering {
    let (one, other) = (&a.package_record, &b.package_record);
    let format = |record: &RepoDataRecord| match record.identifier.archive_type {
        DistArchiveType::Conda(CondaArchiveType::Conda) => 1,
        _ => 0,
    };
    let version = one.version.version().cmp(other.version.version());
    version
        .then(one.build_number.cmp(&other.build_number))
        .then(format(a).cmp(&format(b)))
        .then(one.timestamp.map(|at| at.jiff_timestamp()).cmp(&other.timestamp.map(|at| at.jiff_timestamp())))
        .then_with(|| a.url.cmp(&b.url))
}

/// The record in the words of the domain.
pub(super) fn build_of(record: &RepoDataRecord) -> Build {
    let package = &record.package_record;
    Build {
        name: package.name.as_normalized().to_owned(),
        version: package.version.as_str().into(),
        build: package.build.as_str().to_owned(),
        build_number: package.build_number,
        subdir: package.subdir.clone(),
        file_name: record.identifier.to_file_name(),
        // Records without one are left out when an index is read.
        sha256: package.sha256.as_ref().map(|sha256| hex(sha256.as_slice())).unwrap_or_default(),
        channel: record.channel.as_deref().unwrap_or_default().trim_end_matches('/').to_owned(),
    }
}
