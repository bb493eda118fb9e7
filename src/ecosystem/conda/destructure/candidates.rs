//! Which packages of a channel look like its metapackages, for somebody who names none.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use rattler_conda_types::{PackageName, RepoDataRecord};

use super::super::channel::{ChannelIndex, build_of};
use super::super::spec::Spec;
use crate::domain::Build;

/// A package that may be a metapackage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its newest build.
    pub build: Build,
    /// How many packages of its channel that build depends on.
    pub holds: usize,
}

/// The packages that depend on two others of the channel at least, and on which none of the channel
/// depends; those with the most dependencies first.
pub fn candidates(channel: &ChannelIndex, platform: &str) -> Vec<Candidate> {
    let names = channel.names(platform);
    let newest = |name: &&str| channel.newest_record(&Spec::lenient(name).ok()?, platform);
    let records: Vec<&RepoDataRecord> = names.iter().filter_map(newest).collect();
    let held = |record: &RepoDataRecord| -> BTreeSet<String> {
        let lines = record.package_record.depends.iter();
        let inner = lines.map(|line| PackageName::normalized_name_from_matchspec_str(line).into_owned());
        inner.filter(|name| names.contains(name.as_str())).collect()
    };
    let needed: BTreeSet<String> = records.iter().flat_map(|record| held(record)).collect();
    let mut found: Vec<Candidate> = records
        .into_iter()
        .map(|record| Candidate { build: build_of(record), holds: held(record).len() })
        .filter(|candidate| candidate.holds >= 2 && !needed.contains(&candidate.build.name))
        .collect();
    found.sort_by_key(|candidate| (Reverse(candidate.holds), candidate.build.name.clone()));
    found
}
