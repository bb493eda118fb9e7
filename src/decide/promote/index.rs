//! What a promotion looks at, indexed once: no rule scans a list for each package.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use foldhash::fast::RandomState;
use sha2::{Digest as _, Sha256};

use crate::decide::standing::Standing;
use crate::domain::{
    Assessment, Change, Evidence, Fact, FreezeException, Listing, Move, PackageName, PromotionFacts,
    ProposalSeen, ProposalState, Release, ReleasedEvidence,
};
use crate::github::RepositoryName;

/// By a package's name, in an order that nobody sees: who walks through it sorts.
type ByName<'a, T> = HashMap<&'a str, T, RandomState>;

/// The facts of a promotion, by what the rules ask for.
pub struct Index<'a> {
    pub facts: &'a PromotionFacts,
    rows: ByName<'a, Row<'a>>,
    exceptions: BTreeMap<(&'a str, &'a str), &'a FreezeException>,
    open: BTreeMap<&'a str, &'a ProposalSeen>,
    proposed: BTreeMap<(&'a str, &'a str), &'a ProposalSeen>,
    refused: BTreeMap<(&'a str, &'a str), u64>,
    by_people: BTreeMap<(&'a str, &'a str), u64>,
    // Asked for by texts alone: most passes write none.
    blocked: OnceCell<ByName<'a, Vec<&'a str>>>,
}

/// What the facts say of one package.
#[derive(Clone, Copy, Default)]
struct Row<'a> {
    source: Option<&'a Listing>,
    held: Option<&'a Listing>,
    release: Option<&'a Fact<Option<Release>>>,
    assessment: Option<&'a Assessment>,
}

impl<'a> Row<'a> {
    /// Where the status is known: what it says of the revision that the channel holds.
    fn standing(&self) -> Standing<'a> {
        Standing::of(self.assessment, self.held.and_then(Listing::pin))
    }

    fn is_listed(&self) -> bool {
        self.source.is_some() || self.held.is_some()
    }
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
            by_people: BTreeMap::new(),
            blocked: OnceCell::new(),
        };
        for exception in &facts.exceptions {
            let place = index.exceptions.entry((&exception.package, &exception.version)).or_insert(exception);
            if (&exception.by, &exception.reason) < (&place.by, &place.reason) {
                *place = exception;
            }
        }
        for theirs in &facts.people.proposals {
            for (package, commit) in &theirs.commits {
                let number = index.by_people.entry((package, commit)).or_insert(theirs.number);
                *number = theirs.number.min(*number);
            }
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
            ProposalState::Merged | ProposalState::Withdrawn => {}
        }
    }

    /// Every package of either channel, by name.
    pub fn packages(&self) -> Vec<&'a str> {
        let listed = self.rows.iter().filter(|(_, row)| row.is_listed());
        let mut packages: Vec<&str> = listed.map(|(package, _)| *package).collect();
        packages.sort_unstable();
        packages
    }

    /// True for a package of either channel.
    pub fn knows(&self, package: &str) -> bool {
        self.row(package).is_listed()
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

    /// Leave for exactly this version to pass a freeze.
    pub fn exception(&self, package: &str, version: &str) -> Option<&'a FreezeException> {
        self.exceptions.get(&(package, version)).copied()
    }

    /// All leave to pass a freeze, by package and version.
    pub fn exceptions(&self) -> impl Iterator<Item = &'a FreezeException> {
        self.exceptions.values().copied()
    }

    /// True where a person took the package out of the channel.
    pub fn is_removed(&self, package: &str) -> bool {
        self.facts.people.removed.contains(package)
    }

    /// True where the package's row, or that it has none, is a person's doing that a copy has to leave alone.
    /// `faithful` knows no such thing.
    pub fn is_theirs(&self, package: &str) -> bool {
        let pinned = self.facts.pinned_by_person.contains(package) && self.pin(package).is_some();
        self.facts.guarded && (pinned || (self.is_removed(package) && self.held(package).is_none()))
    }

    /// The pull request of a person that moves a package to this commit; the oldest one.
    pub fn proposed_by_person(&self, package: &str, commit: &str) -> Option<u64> {
        self.by_people.get(&(package, commit)).copied()
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
            Fact::Known(_) => self.row(package).standing(),
        }
    }

    /// What the source channel says of exactly the commit that a move leads to.
    pub fn standing_of_release(&self, moved: &Move) -> Standing<'a> {
        match &self.facts.released {
            Fact::Unknown { why } => Standing::Unknown(why),
            Fact::Known(released) => match released.get(&moved.package) {
                Some(known) => Standing::of(Some(&known.assessment), Some(&moved.to_commit)),
                None => Standing::NotBuilt,
            },
        }
    }

    /// What the source channel says of a release, where it is of the commit that a move leads to.
    pub fn released(&self, moved: &Move) -> Option<&'a ReleasedEvidence> {
        let known = self.facts.released.known()?.get(&moved.package)?;
        (known.assessment.commit.as_ref() == Some(&moved.to_commit)).then_some(known)
    }

    /// Packages of the channel that fail through `moving` alone, by name; none of these itself.
    pub fn blocked_by(&self, moving: &BTreeSet<&str>) -> Vec<&'a str> {
        let blocked = self.blocked.get_or_init(|| self.blocked_by_first_cause());
        let only_by_these = |package: &&&str| {
            let standing = self.standing(package);
            let mut causes = standing.causes().into_iter().flat_map(BTreeMap::keys);
            !moving.contains(**package)
                && self.held(package).is_some()
                && standing.evidence() == Evidence::Failing
                && !standing.fails_by_itself()
                && causes.all(|cause| moving.contains(cause.as_str()))
        };
        let first = moving.iter().filter_map(|package| blocked.get(package)).flatten();
        let mut packages: Vec<&str> = first.filter(only_by_these).copied().collect();
        packages.sort_unstable();
        packages
    }

    /// What others make fail, by the first of these others.
    fn blocked_by_first_cause(&self) -> ByName<'a, Vec<&'a str>> {
        let mut blocked = ByName::<Vec<&str>>::default();
        for (package, assessment) in self.facts.status.known().into_iter().flat_map(|status| &status.packages)
        {
            let causes = Standing::Assessed(assessment).causes();
            if let Some(first) = causes.and_then(|causes| causes.keys().next()) {
                blocked.entry(first).or_default().push(package);
            }
        }
        blocked
    }

    /// The key of a new proposal that moves the packages of one commit: the package's, or the repository's
    /// where it moves several. No package's name has a hyphen, so the two never meet; and where another
    /// open one has the key, the commit tells them apart.
    pub fn proposal_key(&self, moves: &[Move]) -> String {
        let to = &self.facts.to;
        let key = match moves {
            [] => format!("{to}/nothing"),
            [one] => format!("{to}/{}", one.package),
            [first, ..] => format!("{to}/{}", repository_key(&first.url)),
        };
        match (self.open(&key), moves.first()) {
            (Some(_), Some(first)) => format!("{key}-{}", first.to_commit.get(..10).unwrap_or("other")),
            _ => key,
        }
    }
}

/// The repository and commit that released a move: packages of both move together.
pub fn origin(moved: &Move) -> (String, String) {
    (plain_address(&moved.url), moved.to_commit.clone())
}

fn rows(facts: &PromotionFacts) -> ByName<'_, Row<'_>> {
    let mut rows: ByName<'_, Row<'_>> =
        HashMap::with_capacity_and_hasher(facts.source.len(), RandomState::default());
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
