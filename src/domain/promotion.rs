//! What a promotion looks at, and what it comes to: releases, proposals, moves and plans.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::listing::sort_as_upstream;
use super::{
    Assessment, ChannelStatus, Check, Fact, Listing, PackageName, Removal, StagingModel, UpstreamFacts,
    Verdict, Via,
};
use crate::calendar::{CyclePoint, Targets};

/// The newest release of a package, as upstream published it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The version in the DESCRIPTION at `commit`.
    pub version: String,
    /// The commit that the release's tag points at.
    pub commit: String,
    /// The tag; absent where the release was seen through the universe only.
    pub tag: Option<String>,
    /// Findings of the light checks of the DESCRIPTION: whole clauses, none where it is fine.
    pub problems: Vec<String>,
}

/// What the channel that packages come from says of a newest release, at exactly its commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleasedEvidence {
    /// What is known of it there: that commit is the one it is about, or the one whose build failed.
    pub assessment: Assessment,
    /// All checks of that commit, good and bad, as far as the universe there shows them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
}

/// A named person's leave for one package at one version to pass a freeze.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreezeException {
    /// The package.
    pub package: PackageName,
    /// The only version it is good for.
    pub version: String,
    /// Who granted it.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// One package's way to a new commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// The package.
    pub package: PackageName,
    /// The version the channel holds now; absent where it holds none or nobody can tell which.
    pub from_version: Option<String>,
    /// The version it moves to.
    pub to_version: String,
    /// The commit it moves to.
    pub to_commit: String,
    /// Where its source lives.
    pub url: String,
    /// Why it may move now: one clause.
    pub why: String,
}

/// What became of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProposalState {
    /// Open.
    Open,
    /// Merged.
    Merged,
    /// Closed without being merged, by a person.
    Closed,
    /// Closed by tidegate itself, asked for again by a person, or gone: nobody declined anything.
    Withdrawn,
}

/// A pull request of tidegate's, as it was seen last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProposalSeen {
    /// Which proposal it is; constant over its life, and the same for the next one after it.
    pub key: String,
    /// Its number.
    pub number: u64,
    /// What became of it.
    pub state: ProposalState,
    /// True where a person committed to its branch.
    pub touched: bool,
    /// True where it cannot be merged into its base as it is.
    pub conflicting: bool,
    /// The commits it proposes, by package.
    pub commits: BTreeMap<PackageName, String>,
    /// What it changes, see [`Change::fingerprint`].
    pub fingerprint: String,
    /// The digest of the text that tidegate gave it last.
    pub text_digest: String,
    /// Where a person took it over: the newer commits that a comment on it told of last.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub told: BTreeMap<PackageName, String>,
}

/// An open pull request of somebody else that pins packages in the channel as tidegate would.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonsProposal {
    /// Its number.
    pub number: u64,
    /// The packages whose newest release it pins, with the commits of these.
    pub commits: BTreeMap<PackageName, String>,
}

/// What people did about the channel that is theirs, and stays as they want it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeoplesDoings {
    /// Packages that somebody took out of the channel in this cycle though the source lists them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub removed: BTreeSet<PackageName>,
    /// Open pull requests of people that do what tidegate would propose, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proposals: Vec<PersonsProposal>,
    /// Why nobody can tell whether there are more of these; absent where all of them were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
    /// The label by which a person has a closed pull request proposed again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub propose_again: Option<String>,
    /// Leave to pass a freeze that has run out, for versions that the channel still holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past_exceptions: Vec<FreezeException>,
}

impl PeoplesDoings {
    /// True where people did nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How many pull requests may be opened within the hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HourlyRoom {
    /// In any hour.
    pub most: usize,
    /// Now, after those that were opened within the last hour.
    pub left: usize,
}

/// What is known of the queue of moves that wait to be proposed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueFacts {
    /// There only where it leaves less room than is needed: facts that time alone changes would make every pass
    /// a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hourly: Option<HourlyRoom>,
    /// Since when packages wait.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub waiting_since: BTreeMap<PackageName, Timestamp>,
}

impl QueueFacts {
    /// True where nothing waits and there is room.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A channel's repository at its head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelHead {
    /// The head commit of its default branch.
    pub commit: String,
    /// Its `packages.json`.
    pub listings: Vec<Listing>,
    /// The dates its `config.json` and `snapshot.json` give, where both are there and agree.
    pub targets: Option<Targets>,
}

/// Everything that the promotion rule looks at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromotionFacts {
    /// The distribution.
    pub distribution: String,
    /// The channel that packages come from.
    pub from: String,
    /// The channel they go to.
    pub to: String,
    /// Where the nominal time lies in the cycle.
    pub point: CyclePoint,
    /// What the cycle targets.
    pub targets: Targets,
    /// How the channel holds packages.
    pub staging: StagingModel,
    /// How changes reach it.
    pub via: Via,
    /// True where only evidence in the four-state sense lets a package move.
    pub guarded: bool,
    /// How many proposals may be open at once.
    pub max_open: usize,
    /// The `packages.json` of `from`.
    pub source: Vec<Listing>,
    /// The repository of `to`.
    pub head: ChannelHead,
    /// The newest release of every package of `from`; `Known(None)` where there is none yet.
    pub releases: BTreeMap<PackageName, Fact<Option<Release>>>,
    /// The status of `to`.
    pub status: Fact<ChannelStatus>,
    /// What `from` says of newest releases that `to` does not hold. It is shown, and decides nothing; what is
    /// not in it has not been built there at that commit.
    #[serde(default = "not_looked_up", skip_serializing_if = "is_not_looked_up")]
    pub released: Fact<BTreeMap<PackageName, ReleasedEvidence>>,
    /// The address of the universe of `to`, where everybody can reach it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub universe: Option<String>,
    /// The version of each pin that `to` holds, where it is known.
    pub held_versions: BTreeMap<PackageName, String>,
    /// Packages of `to` that a person pinned.
    pub pinned_by_person: BTreeSet<PackageName>,
    /// Proposals to `to`, oldest first.
    pub proposals: Vec<ProposalSeen>,
    /// Leave to pass the freeze that is in force.
    pub exceptions: Vec<FreezeException>,
    /// What people did about the channel.
    #[serde(default, skip_serializing_if = "PeoplesDoings::is_empty")]
    pub people: PeoplesDoings,
    /// What waits for room.
    #[serde(default, skip_serializing_if = "QueueFacts::is_empty")]
    pub queue: QueueFacts,
    /// What is out of the ordinary about the upstream of packages.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub upstream: BTreeMap<PackageName, UpstreamFacts>,
    /// Packages that a person asked to be taken out of channels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub removals: BTreeMap<PackageName, Removal>,
}

const NOT_LOOKED_UP: &str = "nobody asked there";

/// What older facts say of new releases in the channel that they come from.
fn not_looked_up() -> Fact<BTreeMap<PackageName, ReleasedEvidence>> {
    Fact::unknown(NOT_LOOKED_UP)
}

fn is_not_looked_up(released: &Fact<BTreeMap<PackageName, ReleasedEvidence>>) -> bool {
    matches!(released, Fact::Unknown { why } if why == NOT_LOOKED_UP)
}

/// What becomes of a channel's `packages.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NewContents {
    /// The source channel's file, byte by byte.
    CopyOfSource,
    /// The file as it is, but for these rows. Only what changes is kept: a plan of many small
    /// changes would otherwise hold the whole list once for each.
    Rows {
        /// Rows that are added, or that take the place of their package's row; by name.
        set: Vec<Listing>,
        /// Packages whose rows go; by name.
        removed: Vec<PackageName>,
    },
}

/// One change of a channel's repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What `packages.json` becomes.
    pub contents: NewContents,
    /// The dates to write to `config.json` and `snapshot.json`, where they change.
    pub targets: Option<Targets>,
    /// The packages that move by it.
    pub moves: Vec<Move>,
    /// The first line of the commit message, and the title of a pull request.
    pub title: String,
    /// The rest of the commit message.
    pub message: String,
}

impl Change {
    /// The rows of the channel's new list where it was `head` before, in upstream's order; `None`
    /// where it becomes a copy of the source's file.
    pub fn listings(&self, head: &[Listing]) -> Option<Vec<Listing>> {
        let NewContents::Rows { set, removed } = &self.contents else { return None };
        let gone: BTreeSet<&str> =
            set.iter().map(|listing| &listing.package).chain(removed).map(String::as_str).collect();
        let kept = head.iter().filter(|listing| !gone.contains(listing.package.as_str()));
        let mut listings: Vec<Listing> = kept.chain(set).cloned().collect();
        sort_as_upstream(&mut listings);
        Some(listings)
    }

    /// Tells changes apart by what they are about, not by the base they apply to: 16 hexadecimal
    /// digits. A copy is about the whole of `source`, any other change about its rows and dates.
    pub fn fingerprint(&self, source: &[Listing]) -> String {
        let about = match &self.contents {
            NewContents::CopyOfSource => serde_json::json!({ "copy": source, "targets": self.targets }),
            NewContents::Rows { set, removed } => {
                serde_json::json!({ "set": set, "removed": removed, "targets": self.targets })
            }
        };
        Sha256::digest(about.to_string()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The commits it moves packages to, by package.
    pub fn commits(&self) -> BTreeMap<PackageName, String> {
        self.moves.iter().map(|moved| (moved.package.clone(), moved.to_commit.clone())).collect()
    }
}

/// One outside effect that a promotion wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Commit to the channel's default branch.
    Commit(Change),
    /// Open a pull request, or bring the open one with this key up to date.
    Propose {
        /// The proposal's key, from which its branch is named.
        key: String,
        /// The number of the open pull request to update, where there is one.
        update: Option<u64>,
        /// What it changes.
        change: Change,
        /// The body of the pull request, without the hidden marker.
        body: String,
    },
    /// Give an open pull request a new text; its branch stays as it is.
    Retext {
        /// The proposal's key.
        key: String,
        /// Its number.
        number: u64,
        /// The new title.
        title: String,
        /// The new body, without the hidden marker.
        body: String,
    },
    /// Close an open pull request, since the channel holds what it proposes or something newer.
    Close {
        /// The proposal's key.
        key: String,
        /// Its number.
        number: u64,
        /// The title it ends with.
        title: String,
        /// The body it ends with, which says why, without the hidden marker.
        body: String,
    },
    /// Tell, on a pull request that a person took over, of newer commits: once for each set of them.
    Comment {
        /// Its number.
        number: u64,
        /// The newer commits, by package.
        commits: BTreeMap<PackageName, String>,
        /// The comment, without the hidden marker.
        body: String,
    },
}

/// What a promotion comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The decision for every package of either channel.
    pub verdicts: BTreeMap<PackageName, Verdict>,
    /// The effects, in the order in which they are carried out.
    pub actions: Vec<Action>,
}
