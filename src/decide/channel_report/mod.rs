//! What people are told of a channel of R packages: its moderators by one dashboard, and maintainers by an issue in
//! their own repository when the condition of a package changes, and before it leaves a snapshot.
//!
//! The rule remembers a condition for each package. A new one has to stand for a while before it counts, and
//! while the channel's status is unknown or held by a guard, no condition changes: a storm tells nobody. What was
//! so when tidegate saw the channel for the first time is no change either. Maintainers are told of what counts,
//! compared with what they were told, so that a pass that is repeated says nothing twice.

mod dashboard;
mod repository;

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::report::Troubles;
use super::snapshot::{SnapshotFacts, SnapshotPlan, snapshot};
use super::standing::Standing;
use crate::calendar::CyclePoint;
use crate::domain::{
    Assessment, ChannelStatus, DependencyGraph, Evidence, Listing, PackageName, StagingModel, Verdict,
};
use crate::github::RepositoryName;

pub use dashboard::title as dashboard_title;

/// Everything that the rule looks at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReportFacts {
    /// The distribution's name for people.
    pub title: String,
    /// The time that conditions and warnings are counted to.
    pub at: Timestamp,
    /// Where that lies in the cycle.
    pub point: CyclePoint,
    /// The first instant of the day of the coming snapshot.
    pub due: Timestamp,
    /// The first day of the coming dependency freeze.
    pub next_freeze: Date,
    /// What a snapshot would look at if it was taken now. Its date is that of the coming one.
    pub snapshot: SnapshotFacts,
    /// The snapshots that were published last, the newest first; two at most.
    pub taken: Vec<Taken>,
    /// Published snapshots that a target was to have and has not, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_at_targets: Vec<NotAtTarget>,
    /// What promotions decided last on each package.
    pub verdicts: BTreeMap<PackageName, Verdict>,
    /// The open pull requests, oldest first.
    pub proposals: Vec<OpenProposal>,
    /// What was remembered by the last pass.
    pub memory: Memory,
    /// What maintainers were told, by repository.
    pub told: BTreeMap<String, Told>,
    /// Whose maintainers are told.
    pub audience: Audience,
    /// For how many seconds a condition has to stand until it counts.
    pub settle: i64,
    /// How many seconds before a snapshot maintainers are told that a package would leave it.
    pub warn: i64,
}

/// A published snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Its date.
    pub date: Date,
    /// Its packages.
    pub packages: BTreeSet<PackageName>,
}

/// A snapshot that could not be sent to a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotAtTarget {
    /// Its date.
    pub date: Date,
    /// The target's name.
    pub target: String,
    /// Since when the target was to have it.
    pub since: Timestamp,
    /// True where the target refused it, and nobody tries again.
    pub given_up: bool,
}

/// An open pull request of tidegate's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenProposal {
    /// Its number.
    pub number: u64,
    /// The repository that it is in.
    pub repository: RepositoryName,
    /// Its title.
    pub title: String,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// True where a person has taken it over.
    pub hands_off: bool,
}

/// What the maintainers of a repository were told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// What was wrong, as they were told.
    pub troubles: Troubles,
    /// The number and the page of the issue, once it is there.
    pub issue: Option<(i64, String)>,
    /// Why GitHub did not take it.
    pub refused: Option<String>,
}

/// Whose maintainers are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Audience {
    /// Nobody's.
    Nobody,
    /// Everybody's but those of these packages.
    AllBut(BTreeSet<PackageName>),
}

/// How a package stands, as far as its maintainer has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// Nothing speaks against it.
    Fine,
    /// Something speaks against the package itself.
    Failing,
    /// It is fine by itself, but something that it depends on fails.
    Blocked,
}

/// The conditions of a channel's packages. Empty before the first look.
pub type Memory = BTreeMap<PackageName, Remembered>;

/// What is remembered of a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// The condition that was seen last.
    pub seen: Condition,
    /// Since when it has been seen.
    pub seen_since: Timestamp,
    /// The condition that counts: it stood for long enough.
    pub counts: Condition,
    /// Since when that one was seen.
    pub counts_since: Timestamp,
    /// True where it was so already when the channel was seen for the first time.
    pub from_first_sight: bool,
}

/// What is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportPlan {
    /// What to remember.
    pub memory: Memory,
    /// The text of the dashboard.
    pub dashboard: String,
    /// What maintainers are told from now on, by repository: those that there is, or was, something to tell.
    pub repositories: BTreeMap<String, RepositoryReport>,
}

/// What the maintainers of one repository are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryReport {
    /// The issue's title.
    pub title: String,
    /// The issue's text.
    pub body: String,
    /// What is wrong, by package and condition. Empty where the issue is closed.
    pub troubles: Troubles,
    /// What is told beside the text, with its key.
    pub comment: Option<(String, String)>,
}

/// Decides what is told.
pub fn report(facts: &ReportFacts) -> ReportPlan {
    let coming = snapshot(&facts.snapshot);
    let memory = remember(facts);
    let view = View::new(facts, &memory, &coming);
    // While nobody knows how packages stand, maintainers are told nothing: neither good nor bad.
    let repositories = match view.status {
        Some(status) if status.held.is_empty() => repository::reports(&view),
        _ => BTreeMap::new(),
    };
    let dashboard = dashboard::body(&view);
    drop(view);
    ReportPlan { dashboard, repositories, memory }
}

/// The facts with what follows from them.
struct View<'a> {
    facts: &'a ReportFacts,
    memory: &'a Memory,
    /// What a snapshot would hold if it was taken now.
    coming: &'a SnapshotPlan,
    /// The channel's status, where it is known.
    status: Option<&'a ChannelStatus>,
    /// The shortest way from each package to one that fails by itself.
    chains: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> View<'a> {
    fn new(facts: &'a ReportFacts, memory: &'a Memory, coming: &'a SnapshotPlan) -> Self {
        let dependencies = facts.snapshot.dependencies.iter();
        let graph = DependencyGraph::new(dependencies.map(|(name, needs)| (name, &needs[..])));
        let at_fault =
            facts.snapshot.listings.iter().map(|listing| &listing.package).filter(|package| {
                memory.get(*package).is_some_and(|known| known.counts == Condition::Failing)
            });
        let chains = graph.chains(at_fault.map(String::as_str));
        Self { facts, memory, coming, status: facts.snapshot.status.known(), chains }
    }

    fn assessment(&self, package: &str) -> Option<&'a Assessment> {
        self.status.and_then(|status| status.packages.get(package))
    }

    fn standing(&self, listing: &Listing) -> Standing<'a> {
        Standing::of(self.assessment(&listing.package), listing.pin())
    }

    fn condition(&self, package: &str) -> Option<&'a Remembered> {
        self.memory.get(package)
    }

    /// Whether a package that does not count as fine would be missing from the coming snapshot, while
    /// the last one has it.
    fn would_leave(&self, listing: &Listing) -> bool {
        let is_staged_as_it_is =
            self.facts.snapshot.staging == StagingModel::Follow && listing.pin().is_some();
        let last = self.facts.taken.first();
        !is_staged_as_it_is && last.is_some_and(|taken| taken.packages.contains(&listing.package))
    }

    /// Whether the coming snapshot is so near that who leaves it is told.
    fn is_near(&self) -> bool {
        let warn = SignedDuration::from_secs(self.facts.warn);
        let begins = self.facts.due.checked_sub(warn).unwrap_or(Timestamp::MIN);
        begins <= self.facts.at && self.facts.at < self.facts.due
    }
}

/// The memory with what is seen now.
fn remember(facts: &ReportFacts) -> Memory {
    let status = match facts.snapshot.status.known() {
        Some(status) if status.held.is_empty() => status,
        _ => return facts.memory.clone(),
    };
    let is_first_sight = facts.memory.is_empty();
    let mut memory = Memory::new();
    for listing in &facts.snapshot.listings {
        let package = &listing.package;
        let standing = Standing::of(status.packages.get(package), listing.pin());
        let seen = condition_of(standing);
        let known = facts.memory.get(package);
        let remembered = match (known, seen) {
            (Some(known), None) => known.clone(),
            (Some(known), Some(seen)) => known.with(seen, facts),
            (None, Some(seen)) => Remembered::beginning(seen, facts.at, is_first_sight),
            (None, None) => continue,
        };
        memory.insert(package.clone(), remembered);
    }
    memory
}

/// The condition that a standing shows; none where nobody can tell, or not yet.
fn condition_of(standing: Standing<'_>) -> Option<Condition> {
    match (standing.evidence(), standing.fails_by_itself()) {
        (Evidence::Passing, _) => Some(Condition::Fine),
        (Evidence::Failing, true) => Some(Condition::Failing),
        (Evidence::Failing, false) => Some(Condition::Blocked),
        (Evidence::Pending | Evidence::Unknown, _) => None,
    }
}

impl Remembered {
    /// A package that was not known before. One that comes in later counts as fine until it stood otherwise for
    /// long enough.
    fn beginning(seen: Condition, at: Timestamp, is_first_sight: bool) -> Self {
        let counts = if is_first_sight { seen } else { Condition::Fine };
        Self { seen, seen_since: at, counts, counts_since: at, from_first_sight: is_first_sight }
    }

    fn with(&self, seen: Condition, facts: &ReportFacts) -> Self {
        let seen_since = if seen == self.seen { self.seen_since } else { facts.at };
        let stood = facts.at.duration_since(seen_since) >= SignedDuration::from_secs(facts.settle);
        if seen != self.counts && stood {
            return Self {
                seen,
                seen_since,
                counts: seen,
                counts_since: seen_since,
                from_first_sight: false,
            };
        }
        Self { seen, seen_since, ..self.clone() }
    }
}
