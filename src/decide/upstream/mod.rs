//! Upstream as it is: where a repository stands after several looks, and which of its releases counts.

mod listing;
mod releases;
mod repository;

pub use listing::{ListChange, ListFacts, list_changes};
pub use releases::{Chosen, Extent, Offered, choose};
pub use repository::look;

use crate::domain::{
    Absence, Belief, DeletionPolicy, Listing, ReleasesFrom, RepositorySeen, TaggedRelease, UpstreamFacts,
    WithdrawnRelease,
};

/// What counts as the releases of a package, by its row in `packages.json`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Followed {
    /// Full releases of GitHub (`*release`).
    Releases,
    /// Tags (`*release`, where the distribution says that this package only tags).
    Tags,
    /// The head of the default branch: no branch is named, as for mirrors of CRAN.
    DefaultBranch,
    /// The branch or tag of this name.
    Named(String),
    /// This commit and no other.
    Commit(String),
}

/// What counts as the releases of a listed package.
pub fn followed(listing: &Listing, releases: ReleasesFrom) -> Followed {
    match (listing.branch.as_deref(), listing.pin()) {
        (None, _) => Followed::DefaultBranch,
        (Some("*release"), _) => match releases {
            ReleasesFrom::Published => Followed::Releases,
            ReleasesFrom::Tags => Followed::Tags,
        },
        (_, Some(commit)) => Followed::Commit(commit.to_owned()),
        (Some(name), None) => Followed::Named(name.to_owned()),
    }
}

/// What decisions have to know beside the release itself; nothing where all is as usual.
pub fn facts(
    repository: Option<&RepositorySeen>,
    release: Option<&TaggedRelease>,
    withdrawn: Option<&WithdrawnRelease>,
    deleted: DeletionPolicy,
) -> Option<UpstreamFacts> {
    let missing = repository.and_then(|seen| seen.missing.as_ref());
    let facts = UpstreamFacts {
        moved: repository.and_then(|seen| seen.moved.clone()),
        archived_since: repository.and_then(|seen| seen.archived_since),
        absence: missing.map(|missing| Absence {
            how: missing.how,
            since: missing.since,
            belief: if missing.confirmed_at.is_some() { Belief::Confirmed } else { Belief::Waiting },
            deleted,
        }),
        withdrawn: withdrawn.cloned(),
        tag_moved_from: release.and_then(|release| release.tag_moved_from.clone()),
        passed_over: release.and_then(|release| release.passed_over.clone()),
        backport: release.and_then(|release| release.backport.clone()),
    };
    (facts != UpstreamFacts::default()).then_some(facts)
}
