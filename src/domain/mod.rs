//! The words of a release train as types: packages, revisions, versions, evidence, verdicts, plans.
//! Pure: no I/O, no clock, no randomness.

mod build;
mod channel_wish;
mod culprit_wish;
mod dependencies;
mod destructured;
mod epoch;
mod evidence;
mod evidence_override;
mod facts;
mod held_file;
mod listing;
mod own_check;
mod policy;
mod promotion;
mod publish_wish;
mod r_version;
mod recheck;
mod snapshot_wish;
mod status;
mod upstream;
mod verdict;

pub use build::{Build, BuildTarget, Environment, EnvironmentChange, NOARCH};
pub use channel_wish::{ChannelChange, ChannelFile, ChannelWish, ChannelWishKind};
pub use culprit_wish::CulpritWish;
pub use dependencies::{CausePaths, DependencyGraph};
pub use destructured::{Destructured, DestructuredMember, DestructuredPackage, Holdings, leaves};
pub use epoch::is_epoch;
pub use evidence::{Check, Evidence, HeldChange, HeldUntil, Issue, IssueKind};
pub use evidence_override::{EvidenceOverride, OverriddenAs, OverrideWish, ReleaseWish, SnapshotRelease};
pub use facts::{Advisories, Checks, Fact, Ledger, LedgerRow, ListedPackages, PackageFacts, StatusFacts};
pub use held_file::{HeldFile, Holder};
pub use listing::{Listing, PackageName, is_commit, sort_as_upstream};
pub(crate) use own_check::shell_words;
pub use own_check::{CheckLog, CheckedSource, Counts, OwnCheck, OwnResult, Recipe, System};
pub use policy::{CheckedR, DependencyRule, EvidencePolicy, MergeMethod, StagingModel, Via};
pub use promotion::{
    Action, Change, ChannelHead, FreezeException, HourlyRoom, Move, NewContents, PeoplesDoings,
    PersonsProposal, Plan, PromotionFacts, ProposalSeen, ProposalState, QueueFacts, Release,
    ReleasedEvidence,
};
pub use publish_wish::PublishWish;
pub use r_version::{MalformedRVersion, RVersion};
pub use recheck::{FailedStep, RecheckCase, RecheckMode, Solved, TestVerdict};
pub use snapshot_wish::{
    LatestChange, LatestChoice, LatestWish, RewrittenSnapshot, SnapshotChange, SnapshotWish,
    SnapshotWishKind, WithdrawFrom, WithdrawnBytes,
};
pub use status::{Assessment, ChannelStatus, OddDependencies, UpdatedDependency};
pub use upstream::{
    Absence, Absent, Belief, Confirmation, DeletionPolicy, Missing, Moved, OtherRelease, PassedOver,
    ReleaseCandidate, ReleasesFrom, Removal, RemovalChange, RemovalWish, RepositorySeen, Sighting,
    TaggedRelease, UpstreamFacts, WithdrawnRelease,
};
pub use verdict::{Actor, Verdict, VerdictKind};
