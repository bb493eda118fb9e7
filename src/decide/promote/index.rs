//! What a promotion looks at, indexed once: no rule scans a list for each package.

use std::collections::{BTreeMap, HashMap};

use sha2::{Digest as _, Sha256};

use crate::decide::standing::Standing;
use crate::domain::{
    Assessment, Change, Fact, FreezeException, Listing, PackageName, PromotionFacts, ProposalSeen,
    ProposalState, Release,
};
use crate::github::RepositoryName;

/// The facts of a promotion, by what the rules ask for.
pub struct Index<'a> {
    pub facts: &'a PromotionFacts,
    // Only ever asked for one name: its own order is not seen.
    rows: HashMap<&'a str, Row<'a>>,
    exceptions: BTreeMap<(&'a str, &'a str), &'a FreezeException>,
    open: BTreeMap<&'a str, &'a ProposalSeen>,
    proposed: BTreeMap<(&'a str, &'a str), &'a ProposalSeen>,
    refused: BTreeMap<(&'a str, &'a str), u64>,
    packages_in: HashMap<String, usize>,
}

/// What the facts say of one package.
#[derive(Clone, Copy, Default)]
struct Row<'a> {
    source: Option<&'a Listing>,
    held: Option<&'a Listing>,
    release: Option<&'a Fact<Option<Release>>>,
    assessment: Option<&'a Assessment>,
}

impl<'a> Index<'a> {
    pub fn new(facts: &'a PromotionFacts) -> Self {
        let mut index = Self {
            facts,
            rows: rows(facts),
            exceptions: BTreeMap::new(),
            open: BTreeMap::new(),
            proposed: BTreeMap::new(),
            refused: BTreeMap::new(),
            packages_in: HashMap::new(),
        };
        for exception in &facts.exceptions {
            let place = index.exceptions.entry((&exception.package, &exception.version)).or_insert(exception);
            if (&exception.by, &exception.reason) < (&place.by, &place.reason) {
                *place = exception;
            }
        }
        for listing in &facts.source {
            *index.packages_in.entry(plain_address(&listing.url)).or_default() += 1;
        }
        let mut proposals: Vec<&ProposalSeen> = facts.proposals.iter().collect();
        proposals.sort_by_key(|seen| seen.number);
        for seen in proposals {
            index.add_proposal(seen);
        }
        index
    }

    /// Where several proposals say something of the same commit, the newest one counts.
    fn add_proposal(&mut self, seen: &'a ProposalSeen) {
        let moves = seen.commits.iter().map(|(package, commit)| (package.as_str(), commit.as_str()));
        match seen.state {
            ProposalState::Open => {
                self.open.insert(&seen.key, seen);
                self.proposed.extend(moves.map(|moved| (moved, seen)));
            }
            ProposalState::Closed => self.refused.extend(moves.map(|moved| (moved, seen.number))),
            ProposalState::Merged => {}
        }
    }

    /// Every package of either channel, by name.
    pub fn packages(&self) -> Vec<&'a str> {
        let listed = self.rows.iter().filter(|(_, row)| row.source.is_some() || row.held.is_some());
        let mut packages: Vec<&str> = listed.map(|(package, _)| *package).collect();
        packages.sort_unstable();
        packages
    }

    fn row(&self, package: &str) -> Row<'a> {
        self.rows.get(package).copied().unwrap_or_default()
    }

    /// The source channel's row of a package.
    pub fn source(&self, package: &str) -> Option<&'a Listing> {
        self.row(package).source
    }

    /// The row by which the channel holds a package.
    pub fn held(&self, package: &str) -> Option<&'a Listing> {
        self.row(package).held
    }

    /// The newest release of a package; `None` where it was never looked up.
    pub fn release(&self, package: &str) -> Option<&'a Fact<Option<Release>>> {
        self.row(package).release
    }

    /// The commit at which the channel pins a package.
    pub fn pin(&self, package: &str) -> Option<&'a str> {
        self.held(package).and_then(Listing::pin)
    }

    /// The version that the channel holds, where it is known.
    pub fn held_version(&self, package: &str) -> Option<&'a str> {
        self.facts.held_versions.get(package).map(String::as_str)
    }

    /// Packages that the channel holds though the source lists them no more.
    pub fn leaving(&self) -> Vec<PackageName> {
        let leaves = |package: &&str| self.source(package).is_none();
        self.packages().into_iter().filter(leaves).map(str::to_owned).collect()
    }

    /// Leave for exactly this release to pass a freeze.
    pub fn exception(&self, package: &str, release: &Release) -> Option<&'a FreezeException> {
        self.exceptions.get(&(package, release.version.as_str())).copied()
    }

    /// The open proposal with this key.
    pub fn open(&self, key: &str) -> Option<&'a ProposalSeen> {
        self.open.get(key).copied()
    }

    /// The open proposals, by key.
    pub fn open_proposals(&self) -> impl Iterator<Item = &'a ProposalSeen> {
        self.open.values().copied()
    }

    /// The commit of a package's newest release, where it is known.
    pub fn newest_commit(&self, package: &str) -> Option<&'a str> {
        self.release(package)?.known()?.as_ref().map(|release| release.commit.as_str())
    }

    /// How many proposals are open.
    pub fn open_count(&self) -> usize {
        self.facts.proposals.iter().filter(|seen| seen.state == ProposalState::Open).count()
    }

    /// The open proposal that moves a package to this commit.
    pub fn proposed(&self, package: &str, commit: &str) -> Option<&'a ProposalSeen> {
        self.proposed.get(&(package, commit)).copied()
    }

    /// The number of a proposal of this commit that a person closed without merging it.
    pub fn refused(&self, package: &str, commit: &str) -> Option<u64> {
        self.refused.get(&(package, commit)).copied()
    }

    /// True where a person closed a proposal of exactly this change without merging it.
    pub fn is_refused(&self, key: &str, change: &Change) -> bool {
        let fingerprint = change.fingerprint(&self.facts.source);
        let closed = self.facts.proposals.iter().filter(|seen| seen.state == ProposalState::Closed);
        closed.into_iter().any(|seen| seen.key == key && seen.fingerprint == fingerprint)
    }

    /// What is known of the revision that the channel holds.
    pub fn standing(&self, package: &str) -> Standing<'a> {
        match &self.facts.status {
            Fact::Unknown { why } => Standing::Unknown(why),
            Fact::Known(_) => {
                let row = self.row(package);
                Standing::of(row.assessment, row.held.and_then(Listing::pin))
            }
        }
    }

    /// The key of the proposal that moves this package by itself: its own, or its repository's where
    /// that holds several packages, since one release carries them all. No package's name has a
    /// hyphen, so the two never meet.
    pub fn proposal_key(&self, package: &str, url: &str) -> String {
        match self.packages_in.get(&plain_address(url)) {
            Some(2..) => format!("{}/{}", self.facts.to, repository_key(url)),
            _ => format!("{}/{package}", self.facts.to),
        }
    }
}

fn rows(facts: &PromotionFacts) -> HashMap<&str, Row<'_>> {
    let mut rows: HashMap<&str, Row<'_>> = HashMap::with_capacity(facts.source.len());
    for listing in &facts.source {
        rows.entry(&listing.package).or_default().source = Some(listing);
    }
    for listing in &facts.head.listings {
        rows.entry(&listing.package).or_default().held = Some(listing);
    }
    for (package, release) in &facts.releases {
        rows.entry(package).or_default().release = Some(release);
    }
    for (package, assessment) in facts.status.known().into_iter().flat_map(|status| &status.packages) {
        rows.entry(package).or_default().assessment = Some(assessment);
    }
    rows
}

/// An address as far as it tells repositories apart.
fn plain_address(url: &str) -> String {
    let address = url.trim_end_matches('/').trim_end_matches(".git");
    address.replace("://www.", "://").to_ascii_lowercase()
}

/// A repository as part of a branch's name: always the same for the same repository.
fn repository_key(url: &str) -> String {
    match RepositoryName::from_url(url) {
        Ok(name) => format!("{}--{}", name.owner(), name.name()).to_ascii_lowercase(),
        // Other hosts' paths may hold what a branch's name cannot.
        Err(_) => {
            let digest = Sha256::digest(plain_address(url));
            let digits: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
            format!("repository-{digits}")
        }
    }
}
