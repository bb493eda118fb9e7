//! The DESCRIPTION files of a world: the same text is served by the simulated GitHub beside a
//! release's sources and carried by the made source package.

use std::collections::BTreeMap;

use super::{Release, Seen, World};
use crate::domain::{Listing, PackageName};

/// The text files of a release's commit that the world can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseFiles {
    /// The repository's address.
    pub repository: String,
    /// The commit.
    pub commit: String,
    /// By path: the text.
    pub files: BTreeMap<String, String>,
}

/// The licence of a package of which the world says nothing, that is, a free one.
pub(crate) const FREE_LICENSE: &str = "GPL (>= 3)";

impl World {
    /// The DESCRIPTION of a package at a commit: identity, licence, dependencies inside the
    /// distribution and `Remotes` as the world knows them. None where no release carries the package at
    /// that commit.
    pub fn description(&self, package: &str, commit: &str) -> Option<String> {
        let release = self
            .releases
            .iter()
            .rfind(|release| release.commit == commit && release.packages.contains_key(package))?;
        self.description_in(release, package)
    }

    /// The DESCRIPTION files of every release, in the order of the releases; a package lies in the
    /// folder that a `packages.json` of the world names for it.
    pub fn release_files(&self) -> Vec<ReleaseFiles> {
        let folders = self.folders();
        self.releases
            .iter()
            .map(|release| {
                let files = release.packages.keys().filter_map(|package| {
                    let folder = folders.get(package.as_str()).copied().flatten();
                    let path = folder.map_or_else(String::new, |folder| format!("{folder}/"));
                    Some((format!("{path}DESCRIPTION"), self.description_in(release, package)?))
                });
                ReleaseFiles {
                    repository: release.repository.clone(),
                    commit: release.commit.clone(),
                    files: files.collect(),
                }
            })
            .collect()
    }

    /// The folder of every package that is ever listed.
    fn folders(&self) -> BTreeMap<&str, Option<&str>> {
        let listed = self.initial.values().flat_map(|initial| initial.packages.iter());
        let added = self.registry.iter().flat_map(|change| change.set.values());
        let all: Vec<&Listing> = listed.chain(added).collect();
        all.into_iter().map(|listing| (listing.package.as_str(), listing.subdir.as_deref())).collect()
    }

    /// The packages of the distribution that a package needs.
    pub fn dependencies_of(&self, package: &str) -> &[PackageName] {
        self.dependencies.get(package).map_or(&[], Vec::as_slice)
    }

    fn description_in(&self, release: &Release, package: &str) -> Option<String> {
        let version = release.packages.get(package)?;
        let seen: Vec<&Seen> = self
            .evidence
            .iter()
            .filter(|row| row.package == package)
            .filter_map(|row| row.seen.as_ref())
            .filter(|seen| seen.commit == release.commit)
            .collect();
        let license = seen.iter().find_map(|seen| seen.license.as_deref()).unwrap_or(FREE_LICENSE);
        let remotes = seen.iter().map(|seen| seen.remotes.as_slice()).find(|remotes| !remotes.is_empty());
        let mut lines = vec![
            format!("Package: {package}"),
            format!("Version: {version}"),
            format!("Title: {}", title(package)),
            format!("Authors@R: {AUTHORS}"),
            format!("Description: {}", summary(package)),
            format!("License: {license}"),
            format!("URL: {}", release.repository),
            "Encoding: UTF-8".to_owned(),
        ];
        let imports = self.dependencies_of(package);
        if !imports.is_empty() {
            lines.push(format!("Imports: {}", imports.join(", ")));
        }
        if let Some(remotes) = remotes {
            lines.push(format!("Remotes: {}", remotes.join(", ")));
        }
        Some(lines.join("\n") + "\n")
    }
}

/// Everybody who is named in a world is made up.
const AUTHORS: &str = "person(\"Robin\", \"Tide\", email = \"robin@example.org\", role = c(\"aut\", \"cre\"))";

/// The title that every made package has.
pub(crate) fn title(package: &str) -> String {
    format!("Stand-in for '{package}' in a Rehearsal")
}

fn summary(package: &str) -> String {
    format!("Carries the metadata of '{package}' as a recorded world knows it, and none of its code.")
}
