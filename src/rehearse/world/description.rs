//! The DESCRIPTION files of a world: the same text is served by the simulated GitHub beside a
//! release's sources and carried by the made source package.

use std::collections::BTreeMap;

use super::playback::repository_key;
use super::{Seen, World};
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

/// What a commit of a package contains, as far as the world can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contents<'a> {
    /// The version that the DESCRIPTION has.
    pub version: &'a str,
    /// The licence; a free one where the world does not name it.
    pub license: &'a str,
    /// Development dependencies.
    pub remotes: &'a [String],
}

/// The licence of a package of which the world says nothing, that is, a free one.
pub(crate) const FREE_LICENSE: &str = "GPL (>= 3)";

impl World {
    /// The DESCRIPTION of a package at a commit: identity, licence, dependencies inside the
    /// distribution and `Remotes` as the world knows them. None where neither a release nor a universe
    /// tells the version.
    pub fn description(&self, package: &str, commit: &str) -> Option<String> {
        let contents = self.contents(package, commit)?;
        let mut lines = vec![
            format!("Package: {package}"),
            format!("Version: {}", contents.version),
            format!("Title: {}", title(package)),
            format!("Authors@R: {AUTHORS}"),
            format!("Description: {}", summary(package)),
            format!("License: {}", contents.license),
            "Encoding: UTF-8".to_owned(),
        ];
        if let Some(url) = self.repository_of(package) {
            lines.insert(6, format!("URL: {url}"));
        }
        let imports = self.dependencies_of(package);
        if !imports.is_empty() {
            lines.push(format!("Imports: {}", imports.join(", ")));
        }
        if !contents.remotes.is_empty() {
            lines.push(format!("Remotes: {}", contents.remotes.join(", ")));
        }
        Some(lines.join("\n") + "\n")
    }

    /// What a commit of a package contains. That does not change with time or universe, so that
    /// every row about it may tell.
    pub fn contents(&self, package: &str, commit: &str) -> Option<Contents<'_>> {
        let mut releases = self.releases.iter().filter(|release| release.commit == commit);
        let released = releases.find_map(|release| release.packages.get(package));
        let rows = self.evidence.iter().filter(|row| row.package == package);
        let seen: Vec<&Seen> =
            rows.filter_map(|row| row.seen.as_ref()).filter(|seen| seen.commit == commit).collect();
        Some(Contents {
            version: released.or_else(|| seen.first().map(|seen| &seen.version))?.as_str(),
            license: seen.iter().find_map(|seen| seen.license.as_deref()).unwrap_or(FREE_LICENSE),
            remotes: seen
                .iter()
                .map(|seen| seen.remotes.as_slice())
                .find(|remotes| !remotes.is_empty())
                .unwrap_or_default(),
        })
    }

    /// The DESCRIPTION files of every release, in the order of the releases; a package lies in the
    /// folder that a `packages.json` of the world names for it.
    pub fn release_files(&self) -> Vec<ReleaseFiles> {
        // By repository and package: a package that moves to another repository may change its folder.
        let folders: BTreeMap<(String, &str), Option<&str>> = self
            .listings()
            .map(|listing| {
                ((repository_key(&listing.url), listing.package.as_str()), listing.subdir.as_deref())
            })
            .collect();
        self.releases
            .iter()
            .map(|release| {
                let repository = repository_key(&release.repository);
                let files = release.packages.keys().filter_map(|package| {
                    let folder = folders.get(&(repository.clone(), package.as_str())).copied().flatten();
                    let path = folder.map_or_else(String::new, |folder| format!("{folder}/"));
                    Some((format!("{path}DESCRIPTION"), self.description(package, &release.commit)?))
                });
                ReleaseFiles {
                    repository: release.repository.clone(),
                    commit: release.commit.clone(),
                    files: files.collect(),
                }
            })
            .collect()
    }

    /// The packages of the distribution that a package needs.
    pub fn dependencies_of(&self, package: &str) -> &[PackageName] {
        self.dependencies.get(package).map_or(&[], Vec::as_slice)
    }

    fn repository_of(&self, package: &str) -> Option<&str> {
        self.listings().find(|listing| listing.package == package).map(|listing| listing.url.as_str())
    }

    /// Every row that a `packages.json` of the world ever has.
    fn listings(&self) -> impl Iterator<Item = &Listing> {
        let initial = self.initial.values().flat_map(|initial| initial.packages.iter());
        initial.chain(self.registry.iter().flat_map(|change| change.set.values()))
    }
}

/// Everybody who is named in a world is made up.
const AUTHORS: &str =
    "person(\"Robin\", \"Tide\", email = \"robin@example.org\", role = c(\"aut\", \"cre\"))";

/// The title that every made package has.
pub(crate) fn title(package: &str) -> String {
    format!("Stand-in for '{package}' in a Rehearsal")
}

fn summary(package: &str) -> String {
    format!("Carries the metadata of '{package}' as a recorded world knows it, and none of its code.")
}
