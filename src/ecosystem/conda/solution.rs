//! What the solver chose: exact files, with where they are and their digests.

use rattler_conda_types::RepoDataRecord;
use serde::{Deserialize, Serialize};

use super::channel::build_of;
use super::install::InstallRequest;
use crate::digest::hex;
use crate::domain::{Build, Environment};

/// The exact builds for one platform that satisfy what was asked, in the order of their names. It can
/// be stored as JSON and read again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Solution {
    platform: String,
    records: Vec<RepoDataRecord>,
}

impl Solution {
    pub(super) fn new(platform: &str, mut records: Vec<RepoDataRecord>) -> Self {
        records.sort_by(|a, b| {
            let name = |record: &RepoDataRecord| record.package_record.name.as_normalized().to_owned();
            name(a).cmp(&name(b)).then_with(|| a.url.cmp(&b.url))
        });
        Self { platform: platform.to_owned(), records }
    }

    /// The platform that it is for.
    pub fn platform(&self) -> &str {
        &self.platform
    }

    /// The exact builds.
    pub fn environment(&self) -> Environment {
        Environment::new(self.records.iter().map(build_of))
    }

    /// The build of that name.
    pub fn build(&self, name: &str) -> Option<Build> {
        let mut records = self.records.iter();
        records.find(|record| record.package_record.name.as_normalized() == name).map(build_of)
    }

    /// The records, for whatever installs them.
    pub(crate) fn records(&self) -> &[RepoDataRecord] {
        &self.records
    }

    /// The request to install exactly these builds.
    pub fn to_install(&self) -> InstallRequest {
        InstallRequest { records: self.records.clone() }
    }

    /// The environment as a lock file that conda, mamba and micromamba install without solving: one
    /// address per line with the file's MD5, or its SHA-256 where the channel names no MD5.
    pub fn to_explicit(&self) -> String {
        let lines = self.records.iter().map(|record| {
            let package = &record.package_record;
            let digest = match (&package.md5, &package.sha256) {
                (Some(md5), _) => format!("#{}", hex(md5.as_slice())),
                (None, Some(sha256)) => format!("#sha256:{}", hex(sha256.as_slice())),
                (None, None) => String::new(),
            };
            format!("{}{digest}\n", record.url)
        });
        format!("# platform: {}\n@EXPLICIT\n{}", self.platform, lines.collect::<String>())
    }
}
