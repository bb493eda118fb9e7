//! Builds that a universe has not finished: what the simulated GitHub shows as running workflow
//! runs of the universe's builds repository.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::scalars::split_run;
use super::{Building, Playback, UniverseRow};
use crate::domain::{Listing, PackageName};

/// A build that is running. R-universe begins the name of the run with the package's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnfinishedBuild {
    /// The address of its workflow run.
    pub url: String,
    /// The number of its workflow run.
    pub id: u64,
    /// The package.
    pub package: PackageName,
    /// The commit that is being built.
    pub commit: String,
    /// When it began, as far as the world can tell.
    pub started_at: Timestamp,
}

impl Playback {
    /// The builds that the universe of `channel` has not finished at `at`, in the order of
    /// `listings`. A build that ended minutes ago has no run any more.
    pub fn unfinished_builds(
        &self,
        channel: &str,
        listings: &[Listing],
        at: Timestamp,
    ) -> Vec<UnfinishedBuild> {
        self.rows(channel, listings, at)
            .into_iter()
            .filter_map(|row| {
                let (url, started_at) = match row.building? {
                    Building::Run(url) => {
                        let since = row.evidence.and_then(|evidence| self.recorded_since(evidence, url));
                        (url.to_owned(), since?)
                    }
                    Building::NotBuiltYet => (self.made_up_run(channel, &row), self.seen_since(&row, at)),
                    Building::Recent => return None,
                };
                let (_, id, _) = split_run(&url)?;
                Some(UnfinishedBuild {
                    url,
                    id,
                    package: row.package.to_owned(),
                    commit: row.commit.to_owned(),
                    started_at,
                })
            })
            .collect()
    }

    /// The address of a workflow run that nobody recorded: made from what was built, so that it is
    /// the same whenever it is asked for, and beyond the numbers that GitHub has reached.
    pub(crate) fn made_up_run(&self, channel: &str, row: &UniverseRow<'_>) -> String {
        let known = self.world().builds_repository(channel);
        let repository = known.unwrap_or_else(|| format!("r-universe/{channel}"));
        let number = made_up_number(&[channel, row.package, row.commit]);
        format!("https://github.com/{repository}/actions/runs/{number}")
    }

    /// When the commit could first be seen as a release; for a pin on what was never released, now.
    fn seen_since(&self, row: &UniverseRow<'_>, at: Timestamp) -> Timestamp {
        let mut releases = self.world().releases.iter();
        let released = releases
            .find(|release| release.commit == row.commit && release.packages.contains_key(row.package));
        released.map_or(at, |release| release.at.max(self.world().start))
    }
}

/// A number of 14 digits that depends on the texts alone. Recorded runs and jobs have eleven.
pub(crate) fn made_up_number(texts: &[&str]) -> u64 {
    let mut sha256 = Sha256::new();
    for text in texts {
        sha256.update(text.as_bytes());
        sha256.update([0]);
    }
    let mut first = [0; 8];
    first.copy_from_slice(&sha256.finalize()[..8]);
    90_000_000_000_000 + u64::from_be_bytes(first) % 10_000_000_000_000
}
