//! Targets beyond the published folder. Each gets a copy of a tree that is published there, so that nothing is
//! ever at a target that this machine could not show.
//!
//! A publication can end anywhere and is begun again from its start: what a target has already is not sent
//! twice, what tells readers of the rest comes last, and the journal keeps what a target needs to know of its
//! own interrupted attempts.

use std::fmt;
use std::ops::AddAssign;
use std::path::PathBuf;

use futures_util::future::BoxFuture;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::catalogue::CatalogueTarget;
use super::folder_sums::{FileSum, FolderSums};
use crate::failure::Failure;

/// The file of a tree that names all others; readers believe a tree that has it.
pub const MANIFEST: &str = "manifest.json";

/// A snapshot as it is published in the folder.
#[derive(Clone, Debug)]
pub struct Tree {
    /// The distribution.
    pub distribution: String,
    /// The snapshot's date: its nominal time.
    pub date: Date,
    /// Which generation of that date, from 1.
    pub generation: u32,
    /// Where it lies.
    pub folder: PathBuf,
    /// What it holds.
    pub files: FolderSums,
    /// Whether it is what `latest` stands for.
    pub is_latest: bool,
}

/// A file of a tree.
#[derive(Clone, Debug)]
pub struct TreeFile<'t> {
    /// Its path below the tree, with forward slashes.
    pub path: &'t str,
    /// Its size and checksum.
    pub sum: &'t FileSum,
    /// When it is sent.
    pub turn: Turn,
}

/// When a file is sent. Whoever reads a target while it is filled finds no row of an index without its file, and no
/// manifest before everything that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    /// Packages and whatever else nothing but an index leads to.
    Content,
    /// Indexes of packages.
    Index,
    /// Pages, records and signatures at the top.
    About,
    /// The manifest.
    Manifest,
}

impl Turn {
    /// The turn of the file at `path`.
    pub fn of(path: &str) -> Self {
        match path.rsplit_once('/') {
            Some((_, name)) if name == "PACKAGES" || name.starts_with("PACKAGES.") => Self::Index,
            Some(_) => Self::Content,
            None if path == MANIFEST => Self::Manifest,
            None => Self::About,
        }
    }
}

impl Tree {
    /// The files in the order in which they are sent.
    pub fn in_turns(&self) -> Vec<TreeFile<'_>> {
        let files = self.files.files().map(|(path, sum)| TreeFile { path, sum, turn: Turn::of(path) });
        let mut files: Vec<_> = files.collect();
        files.sort_by_key(|file| (file.turn, file.path));
        files
    }

    /// Where a file of it lies.
    pub fn place(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    /// The checksum of its manifest. A tree without one is no snapshot.
    pub fn manifest_sha256(&self) -> Result<&str, Failure> {
        let found = self.files.files().find(|(path, _)| *path == MANIFEST);
        let missing = || Failure::permanent(format!("{} has no {MANIFEST}", self.folder.display()));
        found.map(|(_, sum)| sum.sha256.as_str()).ok_or_else(missing)
    }
}

/// What a target has of a tree, and what it took to bring it there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Where people find it.
    pub address: String,
    /// What the target knows it by; two generations of a date have two.
    pub identity: String,
    /// What was sent for it.
    pub sent: Sent,
    /// Whether `latest` stands for it there.
    pub is_latest: bool,
    /// What the target itself keeps for later publications.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub kept: Value,
}

/// What went over the line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// How many files, or bundles of them, were sent.
    pub files: u64,
    /// How many bytes they had; what goes with every request is not counted.
    pub bytes: u64,
    /// How many were there already, or were copied there by the target itself.
    pub there: u64,
}

impl Sent {
    /// One more file was sent.
    pub fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}

impl AddAssign for Sent {
    fn add_assign(&mut self, more: Self) {
        self.files += more.files;
        self.bytes += more.bytes;
        self.there += more.there;
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} sent with {} bytes, {} there already", self.files, self.bytes, self.there)
    }
}

/// A publication of the same distribution at the same target, done or not.
#[derive(Clone, Debug)]
pub struct Other {
    /// The snapshot's date.
    pub date: Date,
    /// Which generation of that date.
    pub generation: u32,
    /// What the target has of it; absent where it was never done.
    pub receipt: Option<Receipt>,
    /// What the target kept of it while it was not done.
    pub progress: Option<Value>,
}

/// What is known of the target when an attempt begins, and where its progress is kept.
pub struct Ground<'g> {
    /// Every other publication there, the newest date last.
    pub others: &'g [Other],
    /// What an interrupted attempt at the same publication kept.
    pub progress: Option<Value>,
    /// Keeps what the next attempt has to know, before the effect that it is about.
    pub journal: &'g dyn Journal,
}

impl Ground<'_> {
    /// The earlier generations of `tree`: what may be replaced by it.
    pub fn earlier_generations(&self, tree: &Tree) -> impl Iterator<Item = &Other> {
        let (date, generation) = (tree.date, tree.generation);
        self.others.iter().filter(move |other| other.date == date && other.generation < generation)
    }

    /// Whether the target knows something of ours by `identity` that `tree` may take the place of.
    pub fn may_replace(&self, tree: &Tree, identity: &str) -> bool {
        let mut receipts = self.earlier_generations(tree).filter_map(|other| other.receipt.as_ref());
        receipts.any(|receipt| receipt.identity == identity)
    }
}

/// Keeps what a target needs between attempts.
pub trait Journal: Send + Sync {
    /// Keeps `progress` in the place of what was kept before.
    fn keep(&self, progress: Value) -> BoxFuture<'_, Result<(), Failure>>;
}

/// A place beyond the published folder that snapshots are copied to.
pub trait Target: Send + Sync {
    /// Brings a tree there. Nothing that readers find changes before all of it is there; what is there already is
    /// not sent; another content under the same date is refused, unless it is an earlier generation of ours.
    fn publish<'a>(
        &'a self,
        tree: &'a Tree,
        ground: &'a Ground<'a>,
    ) -> BoxFuture<'a, Result<Receipt, Failure>>;

    /// Where it has a place for what stands above the snapshots; none where nobody would find that there.
    fn catalogues(&self) -> Option<&dyn CatalogueTarget>;
}

/// The refusal of a date that holds something else.
pub(super) fn refused(tree: &Tree, address: &str, difference: &str) -> Failure {
    Failure::permanent(format!(
        "{address} holds another snapshot {} of {} already: {difference}; it is not replaced, since tidegate did not \
         put it there",
        tree.date, tree.distribution
    ))
}
