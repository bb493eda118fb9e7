//! The DESCRIPTION of every commit that may be a release, each read once.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::PollReleases;
use super::look::Revision;
use crate::daemon::RunError;
use crate::domain::{Listing, ReleaseCandidate};
use crate::ecosystem::cran::description::Description;
use crate::github::{FileAt, Lookup};
use crate::store::{DescriptionFinding, DescriptionKey};

/// The version of the light checks: one higher when they change, so that everything is looked at again.
const CHECKS: i64 = 1;

/// What is known of the DESCRIPTIONs of a pass: what was found, or why that is not known now.
pub struct Descriptions(BTreeMap<DescriptionKey, Result<DescriptionFinding, String>>);

impl Descriptions {
    /// The candidate that a revision is, or why its DESCRIPTION cannot be read now.
    pub fn candidate(&self, listing: &Listing, revision: &Revision) -> Result<ReleaseCandidate, String> {
        let finding = match self.0.get(&key(listing, revision)) {
            Some(Ok(finding)) => finding.clone(),
            Some(Err(why)) => return Err(why.clone()),
            None => return Err("its DESCRIPTION was not asked for".to_owned()),
        };
        Ok(ReleaseCandidate {
            tag: revision.tag.clone(),
            commit: revision.commit.to_string(),
            at: revision.at,
            version: finding.version,
            problems: finding.problems,
        })
    }
}

impl PollReleases {
    /// Reads the DESCRIPTIONs of these commits, as far as they were never read. What is read is kept even
    /// where a limit ends the look in the middle.
    pub(super) async fn read_descriptions(
        &self,
        wanted: &[(&Listing, &Revision)],
        now: Timestamp,
    ) -> Result<Descriptions, RunError> {
        let keys: Vec<DescriptionKey> =
            wanted.iter().map(|(listing, revision)| key(listing, revision)).collect();
        let store = &self.services.store;
        let known = store.description_findings(&keys, CHECKS).await?;
        let unread: BTreeMap<DescriptionKey, FileAt> = wanted
            .iter()
            .zip(keys)
            .filter(|(_, key)| !known.contains_key(key))
            .map(|((_, revision), key)| {
                let file = (revision.repository.clone(), key.commit.clone(), key.path.clone());
                (key, file)
            })
            .collect();
        let mut all: BTreeMap<_, _> = known.into_iter().map(|(key, found)| (key, Ok(found))).collect();
        if unread.is_empty() {
            return Ok(Descriptions(all));
        }
        let files: Vec<FileAt> = unread.values().cloned().collect();
        let texts = self.services.github()?.files_at(&files).await;
        let mut read = Vec::new();
        for (key, file) in unread {
            let found = match texts.get(&file) {
                Some(Lookup::Found(text)) => Ok(findings(&key.package, text)),
                Some(Lookup::Absent { .. }) => Ok(DescriptionFinding {
                    version: String::new(),
                    problems: vec![format!("commit {} has no {}", short(&key.commit), key.path)],
                }),
                // What can never be read must not hold up what can.
                Some(Lookup::Failed(failure)) if !failure.is_transient() => {
                    let problems = vec![format!("its DESCRIPTION cannot be read: {failure}")];
                    all.insert(key, Ok(DescriptionFinding { version: String::new(), problems }));
                    continue;
                }
                Some(Lookup::Failed(failure)) => Err(failure.to_string()),
                None => Err("it was not asked".to_owned()),
            };
            read.extend(found.iter().map(|found| (key.clone(), found.clone())));
            all.insert(key, found);
        }
        if !read.is_empty() {
            store.keep_description_findings(&read, CHECKS, now).await?;
        }
        Ok(Descriptions(all))
    }
}

fn key(listing: &Listing, revision: &Revision) -> DescriptionKey {
    let path = match &listing.subdir {
        Some(folder) => format!("{}/DESCRIPTION", folder.trim_matches('/')),
        None => "DESCRIPTION".to_owned(),
    };
    DescriptionKey {
        repository: revision.repository.to_string(),
        commit: revision.commit.to_string(),
        path,
        package: listing.package.clone(),
    }
}

/// The light checks that make a release admissible: a DESCRIPTION that is valid, and no `Remotes`.
fn findings(package: &str, text: &str) -> DescriptionFinding {
    match Description::read(text.as_bytes()) {
        Err(problem) => DescriptionFinding {
            version: String::new(),
            problems: vec![format!("its DESCRIPTION cannot be read: {problem}")],
        },
        Ok(description) => {
            let mut problems = description.problems(package);
            if !description.remotes.is_empty() {
                problems.push(format!("its DESCRIPTION has Remotes: {}", description.remotes.join(", ")));
            }
            DescriptionFinding { version: description.version.clone().unwrap_or_default(), problems }
        }
    }
}

fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}
