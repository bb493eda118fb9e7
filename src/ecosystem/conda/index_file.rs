//! One `repodata.json`: read strictly, since gates depend on it. An index that cannot be read whole is
//! an error, never an empty channel; a record that contradicts its place is left out and told.

use std::collections::{BTreeMap, BTreeSet};

use rattler_conda_types::package::{DistArchiveIdentifier, DistArchiveType};
use rattler_conda_types::{ChannelInfo, PackageName, PackageRecord, RepoDataRecord, V3Packages};
use serde::Deserialize;
use url::Url;

use super::address::ChannelAddress;
use crate::failure::Failure;

/// What one sub-directory of a channel offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct IndexFile {
    /// The records by file name.
    pub(super) records: BTreeMap<String, RepoDataRecord>,
    /// The files that the channel has taken back.
    pub(super) removed: BTreeSet<String>,
    /// The records that were left out, by file name.
    pub(super) refused: BTreeMap<String, RefusedRecord>,
    /// The packages, by name. Each solve asks for them, so they are gathered once.
    pub(super) packages: BTreeMap<String, PackageFiles>,
}

/// What a sub-directory has of one package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PackageFiles {
    /// The names of its files, in order.
    pub(super) files: Vec<String>,
    /// The names of what any of its builds may need.
    pub(super) needs: BTreeSet<String>,
}

/// A record that is not believed, and therefore not offered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RefusedRecord {
    /// The sub-directory in whose index it stands.
    pub subdir: String,
    /// The name of its file.
    pub file_name: String,
    /// The package's name, as the record has it.
    pub name: String,
    /// What is wrong with it.
    pub why: String,
}

/// The members of `repodata.json` that count here; see <https://docs.conda.io> on channels.
#[derive(Deserialize)]
struct Written {
    info: Option<ChannelInfo>,
    packages: Option<BTreeMap<DistArchiveIdentifier, PackageRecord>>,
    #[serde(rename = "packages.conda")]
    conda_packages: Option<BTreeMap<DistArchiveIdentifier, PackageRecord>>,
    v3: Option<V3Packages>,
    #[serde(default)]
    removed: BTreeSet<String>,
}

/// Reads the index of `subdir`. Malformed or truncated text, an index without any section of packages
/// and an index of another sub-directory are a [`Failure::Permanent`].
pub(super) fn read(bytes: &[u8], address: &ChannelAddress, subdir: &str) -> Result<IndexFile, Failure> {
    let wrong = |why: String| Failure::permanent(format!("the index of {address}/{subdir} {why}"));
    let written: Written =
        serde_json::from_slice(bytes).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    if written.packages.is_none() && written.conda_packages.is_none() && written.v3.is_none() {
        return Err(wrong(
            "has neither `packages` nor `packages.conda`: it is no index of a channel".to_owned(),
        ));
    }
    let info = written.info.as_ref();
    if let Some(other) = info.and_then(|info| info.subdir.as_deref()).filter(|named| *named != subdir) {
        return Err(wrong(format!("is that of `{other}`")));
    }
    let base = base_url(info, address, subdir).map_err(wrong)?;
    let place = Place { address, subdir, base: &base };
    let mut index = IndexFile { removed: written.removed, ..IndexFile::default() };
    let sections = [written.packages, written.conda_packages];
    let listed = sections.into_iter().flatten().flatten();
    let newer = written.v3.into_iter().flat_map(V3Packages::into_records_with_url);
    for (identifier, record) in listed.chain(newer.map(|(identifier, record, _)| (identifier, record))) {
        index.take(&place, identifier, record);
    }
    index.gather_packages();
    Ok(index)
}

/// Where an index lies.
struct Place<'a> {
    address: &'a ChannelAddress,
    subdir: &'a str,
    /// The folder of its files.
    base: &'a Url,
}

impl IndexFile {
    /// Takes a record in, or notes why not.
    fn take(&mut self, place: &Place<'_>, identifier: DistArchiveIdentifier, mut record: PackageRecord) {
        let file_name = identifier.to_file_name();
        if self.removed.contains(&file_name) || self.refused.contains_key(&file_name) {
            return;
        }
        let mut problem = contradiction(&identifier, &record, place.subdir);
        if record.subdir.is_empty() {
            // An index of long ago has records without it; then the place says it.
            place.subdir.clone_into(&mut record.subdir);
        }
        let mut url = place.base.clone();
        match url.path_segments_mut() {
            Ok(mut segments) => {
                segments.pop_if_empty().push(&file_name);
            }
            Err(()) => problem = Some("its place is no folder".to_owned()),
        }
        let record = RepoDataRecord {
            url,
            // With the `/` at its end, as the solver writes the channel of a spec.
            channel: Some(format!("{}/", place.address)),
            identifier,
            package_record: record,
        };
        if self.records.get(&file_name).is_some_and(|other| *other != record) {
            problem = Some("the index describes this file twice, and differently".to_owned());
        }
        let Some(why) = problem else {
            self.records.insert(file_name, record);
            return;
        };
        self.records.remove(&file_name);
        let name = record.package_record.name.as_source().to_owned();
        let refused =
            RefusedRecord { subdir: place.subdir.to_owned(), file_name: file_name.clone(), name, why };
        self.refused.insert(file_name, refused);
    }

    /// Gathers the packages from the records.
    fn gather_packages(&mut self) {
        for (file_name, record) in &self.records {
            let package = &record.package_record;
            let files = match self.packages.get_mut(package.name.as_normalized()) {
                Some(files) => files,
                None => self.packages.entry(package.name.as_normalized().to_owned()).or_default(),
            };
            files.files.push(file_name.clone());
            for line in package.depends.iter().chain(package.extra_depends.values().flatten()) {
                let name = PackageName::normalized_name_from_matchspec_str(line);
                if !files.needs.contains(name.as_ref()) {
                    files.needs.insert(name.into_owned());
                }
            }
        }
    }
}

/// Why the record cannot be that of the file that it stands for.
fn contradiction(identifier: &DistArchiveIdentifier, record: &PackageRecord, subdir: &str) -> Option<String> {
    let file = &identifier.identifier;
    let (version, build) = (record.version.as_str(), record.build.as_str());
    if let DistArchiveType::Wheel(_) = identifier.archive_type {
        return Some("it is a wheel, which is not installed as a conda package".to_owned());
    }
    if !record.subdir.is_empty() && record.subdir != subdir {
        return Some(format!("its record says that it is of `{}`", record.subdir));
    }
    if !is_plain(&identifier.to_file_name()) {
        return Some("its file name holds characters that no file name of a package has".to_owned());
    }
    if !file.name.eq_ignore_ascii_case(record.name.as_source()) {
        return Some(format!("its record says that it is `{}`", record.name.as_source()));
    }
    if file.version != version {
        return Some(format!("its record says that it is version {version}"));
    }
    if file.build_string != build {
        return Some(format!("its record says that it is build `{build}`"));
    }
    if record.sha256.is_none() {
        return Some("its record has no SHA-256, so the file could not be verified".to_owned());
    }
    None
}

/// A file name that is safe as a path and in a URL.
fn is_plain(file_name: &str) -> bool {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "-_.+!=~,".contains(letter);
    !file_name.starts_with('.') && file_name.len() <= 255 && file_name.chars().all(allowed)
}

/// The folder of the files, which the index may name itself (CEP 15).
fn base_url(info: Option<&ChannelInfo>, address: &ChannelAddress, subdir: &str) -> Result<Url, String> {
    let own = address.join(subdir, "");
    let Some(written) = info.and_then(|info| info.base_url.as_deref()) else { return Ok(own) };
    let joined = own.join(written).map_err(|error| format!("has the base_url `{written}`: {error}"))?;
    let elsewhere: ChannelAddress =
        joined.as_str().parse().map_err(|error| format!("has a base_url that is refused: {error}"))?;
    // A channel on the web has no business with the files of this machine.
    if elsewhere.folder().is_some() && address.folder().is_none() {
        return Err(format!("has the base_url `{written}`, which is a folder of this machine"));
    }
    Ok(elsewhere.url().clone())
}
