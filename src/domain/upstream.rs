//! Upstream as it is: where a package's repository stands, which of its releases counts, and what people
//! asked to be taken out.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// In which way a repository is not to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Absent {
    /// Deleted or made private: GitHub answers both in the same way.
    NotFound,
    /// Withheld by GitHub for legal reasons.
    Blocked,
}

/// What one look at a repository showed. A look that failed shows nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// It is there.
    There {
        /// Its name today, `owner/name`.
        name: String,
        /// Whether it is read-only; `None` where that could not be learnt.
        archived: Option<bool>,
    },
    /// It is not.
    Absent(Absent),
}

/// How many looks confirm that a repository is gone, and over which time at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirmation {
    /// Looks in a row, the first included.
    pub looks: u32,
    /// From the first of them on.
    pub time: jiff::SignedDuration,
}

/// Where a listed repository stands, as far as that is not plainly "there".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositorySeen {
    /// The name by which it is listed, `owner/name`.
    pub listed: String,
    /// Its name today, where that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved: Option<Moved>,
    /// Since when it is seen to be archived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived_since: Option<Timestamp>,
    /// That it is not to be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<Missing>,
}

/// That a repository has another name than it is listed by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// Its name today, `owner/name`.
    pub to: String,
    /// Since when that is seen.
    pub since: Timestamp,
}

/// That a repository is not to be seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// In which way.
    pub how: Absent,
    /// The first look that did not see it.
    pub since: Timestamp,
    /// How many looks in a row did not; not counted on once that is confirmed.
    pub looks: u32,
    /// The look that confirmed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_at: Option<Timestamp>,
}

/// What a release's DESCRIPTION says at its commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseCandidate {
    /// Its tag; empty where a branch is followed.
    pub tag: String,
    /// The commit that it points at.
    pub commit: String,
    /// The date of its commit, where it is known.
    pub at: Option<Timestamp>,
    /// The version in the DESCRIPTION; empty where it cannot be read.
    pub version: String,
    /// What the light checks find: clauses.
    pub problems: Vec<String>,
}

/// The release that counts of a package, with what the DESCRIPTION at its commit says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaggedRelease {
    /// Its tag; empty where a branch is followed.
    pub tag: String,
    /// The commit the tag points at.
    pub commit: String,
    /// The version in the DESCRIPTION; empty where it cannot be read.
    pub version: String,
    /// What the light checks find: clauses.
    pub problems: Vec<String>,
    /// The date of its commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// The commit its tag pointed at when it was seen first, where somebody moved the tag since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag_moved_from: Option<String>,
    /// A higher version that does not count, since it is not admissible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed_over: Option<PassedOver>,
    /// A lower version that was made later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backport: Option<OtherRelease>,
}

/// A release beside the one that counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherRelease {
    /// Its tag.
    pub tag: String,
    /// Its version.
    pub version: String,
}

/// A higher version that is not admissible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedOver {
    /// Its version.
    pub version: String,
    /// Its commit.
    pub commit: String,
    /// Why it is not admissible: clauses.
    pub problems: Vec<String>,
}

/// A release that counted and is not there any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithdrawnRelease {
    /// Its tag.
    pub tag: String,
    /// Its version.
    pub version: String,
    /// The commit that its tag pointed at.
    pub commit: String,
    /// Since when it is missing.
    pub since: Timestamp,
}

/// What counts as a release of a package that is listed with `*release`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReleasesFrom {
    /// What was published as a release of GitHub, but for drafts and prereleases.
    #[default]
    Published,
    /// Every tag.
    Tags,
}

/// What production does with a package whose repository is gone for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeletionPolicy {
    /// What is staged stays part of snapshots, as long as the universe has it.
    #[default]
    Keep,
    /// The next snapshot leaves it out.
    Drop,
}

/// What is out of the ordinary about a package's upstream, as decisions see it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamFacts {
    /// Its repository's name today, where that is another one than the listed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved: Option<Moved>,
    /// Since when its repository is archived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived_since: Option<Timestamp>,
    /// That its repository is not to be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absence: Option<Absence>,
    /// A release that counted and was withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<WithdrawnRelease>,
    /// The commit that the tag of its release pointed at before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag_moved_from: Option<String>,
    /// A higher version that does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed_over: Option<PassedOver>,
    /// A lower version that was made later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backport: Option<OtherRelease>,
}

/// That a repository is not to be seen, and whether that is believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absence {
    /// In which way.
    pub how: Absent,
    /// The first look that did not see it.
    pub since: Timestamp,
    /// Whether enough looks agree.
    pub belief: Belief,
    /// What production does about it.
    pub deleted: DeletionPolicy,
}

/// Whether enough looks agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Belief {
    /// Not yet: it may come back.
    Waiting,
    /// They do.
    Confirmed,
}

/// That a person asked for a package to be taken out of channels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// The channels; empty: all of the distribution.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<String>,
}

impl Removal {
    /// True where the package is to leave this channel.
    pub fn covers(&self, channel: &str) -> bool {
        self.channels.is_empty() || self.channels.iter().any(|named| named == channel)
    }
}

/// What a person asks for about a package in channels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemovalWish {
    /// The distribution.
    pub distribution: String,
    /// The package.
    pub package: String,
    /// What is asked for.
    pub change: RemovalChange,
    /// Who asks.
    pub by: String,
    /// Why; kept and shown.
    pub reason: String,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum RemovalChange {
    /// The package leaves channels.
    Remove {
        /// Which; empty: all of the distribution.
        channels: Vec<String>,
    },
    /// A removal is taken back.
    Undo,
}
