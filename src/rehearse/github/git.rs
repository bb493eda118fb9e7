//! Git objects as git makes them: blobs, trees and commits under their SHA-1 names, and refs.
//!
//! A client of GitHub sees these names, compares them and hands them back, so they are computed as
//! git computes them (the format of objects is described in git's `Documentation/gitformat-*`).

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use super::oid::Oid;
use super::refused::Refused;

/// The content of a file, written as text wherever it is text, so that a journal can be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// UTF-8.
    Text(String),
    /// Anything else, in standard Base64.
    Base64(String),
}

impl Content {
    /// Wraps the bytes of a file.
    pub fn new(bytes: Vec<u8>) -> Self {
        String::from_utf8(bytes)
            .map(Self::Text)
            .unwrap_or_else(|not_text| Self::Base64(STANDARD.encode(not_text.as_bytes())))
    }

    /// The bytes. An error where the Base64 is none.
    pub fn bytes(&self) -> Result<Vec<u8>, Refused> {
        match self {
            Self::Text(text) => Ok(text.clone().into_bytes()),
            Self::Base64(text) => {
                let packed: String = text.split_ascii_whitespace().collect();
                STANDARD
                    .decode(packed)
                    .map_err(|error| Refused::unprocessable(format!("content is not valid Base64: {error}")))
            }
        }
    }
}

/// Files to write and files to remove, by path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChanges {
    /// New or changed files.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub additions: BTreeMap<String, Content>,
    /// Files that go.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub deletions: BTreeSet<String>,
}

impl FileChanges {
    /// Writes these text files.
    pub fn write<P: Into<String>, T: Into<String>>(files: impl IntoIterator<Item = (P, T)>) -> Self {
        Self {
            additions: files
                .into_iter()
                .map(|(path, text)| (path.into(), Content::Text(text.into())))
                .collect(),
            deletions: BTreeSet::new(),
        }
    }
}

/// Who made a commit and when. git keeps whole seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// A name; the simulation writes the login here.
    pub name: String,
    /// An address; `<login>@users.noreply.github.com` names a GitHub user.
    pub email: String,
    /// When.
    pub at: Timestamp,
}

impl Signature {
    /// The signature of a GitHub user.
    pub fn of(login: &str, at: Timestamp) -> Self {
        Self { name: login.into(), email: format!("{login}@users.noreply.github.com"), at }
    }

    /// The login of the GitHub user, where the address names one.
    pub fn login(&self) -> Option<&str> {
        self.email.strip_suffix("@users.noreply.github.com")
    }
}

/// One entry of a tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// `100644`, `100755`, `120000`, `160000`, or `40000` for a folder.
    pub mode: String,
    /// The blob or tree.
    pub oid: Oid,
}

impl Entry {
    /// True for a folder.
    pub fn is_tree(&self) -> bool {
        self.mode == "40000"
    }
}

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// Its files.
    pub tree: Oid,
    /// None for the first commit, two for a merge.
    pub parents: Vec<Oid>,
    /// Who wrote it.
    pub author: Signature,
    /// Who committed it.
    pub committer: Signature,
    /// Headline, and after a blank line the rest.
    pub message: String,
}

/// The folder of a tree: its entries by name.
pub type Tree = BTreeMap<String, Entry>;

/// What a repository's git knows: objects and refs.
#[derive(Clone, Debug, Default)]
pub struct Git {
    blobs: BTreeMap<Oid, Arc<[u8]>>,
    trees: BTreeMap<Oid, Tree>,
    commits: BTreeMap<Oid, Commit>,
    /// The longest way from a commit to a first one, which orders every commit after its ancestors.
    generations: BTreeMap<Oid, u32>,
    /// Refs by full name, such as `refs/heads/main`.
    pub refs: BTreeMap<String, Oid>,
    /// Whether a head merges into a base was asked before: an answer remembered, not state.
    pub(super) merges: RefCell<BTreeMap<(Oid, Oid), bool>>,
}

impl Git {
    /// Stores a blob.
    pub fn store_blob(&mut self, content: Vec<u8>) -> Oid {
        let oid = Oid::of_blob(&content);
        self.blobs.entry(oid).or_insert_with(|| content.into());
        oid
    }

    /// Stores one folder. Its entries are not looked up: the caller has them from this repository.
    pub fn store_tree(&mut self, tree: Tree) -> Oid {
        let mut entries: Vec<_> = tree.iter().collect();
        // git compares a folder's name as if it ended in a slash.
        entries.sort_by_key(|(name, entry)| format!("{name}{}", if entry.is_tree() { "/" } else { "" }));
        let mut content = Vec::new();
        for (name, entry) in entries {
            content.extend_from_slice(format!("{} {name}\0", entry.mode).as_bytes());
            content.extend_from_slice(entry.oid.bytes());
        }
        let oid = Oid::of("tree", &content);
        self.trees.entry(oid).or_insert(tree);
        oid
    }

    /// Stores a commit. Refused where its tree or a parent is not in the repository.
    pub fn store_commit(&mut self, commit: Commit) -> Result<Oid, Refused> {
        if !self.trees.contains_key(&commit.tree) {
            return Err(Refused::unprocessable("Tree SHA does not exist"));
        }
        let mut generation = 0;
        for parent in &commit.parents {
            let older = self.generations.get(parent);
            let older = older.ok_or_else(|| {
                Refused::unprocessable("Parent SHA does not exist or is not a commit object")
            })?;
            generation = generation.max(older + 1);
        }
        let signed = |who: &Signature| format!("{} <{}> {} +0000", who.name, who.email, who.at.as_second());
        let mut text = format!("tree {}\n", commit.tree);
        for parent in &commit.parents {
            text.push_str(&format!("parent {parent}\n"));
        }
        text.push_str(&format!(
            "author {}\ncommitter {}\n\n",
            signed(&commit.author),
            signed(&commit.committer)
        ));
        text.push_str(&commit.message);
        let oid = Oid::of("commit", text.as_bytes());
        self.generations.insert(oid, generation);
        self.commits.insert(oid, commit);
        Ok(oid)
    }

    /// A blob's content.
    pub fn blob(&self, oid: Oid) -> Option<&Arc<[u8]>> {
        self.blobs.get(&oid)
    }

    /// A folder.
    pub fn tree(&self, oid: Oid) -> Option<&Tree> {
        self.trees.get(&oid)
    }

    /// A commit.
    pub fn commit(&self, oid: Oid) -> Option<&Commit> {
        self.commits.get(&oid)
    }

    /// The commit at the tip of a branch, by its short name.
    pub fn branch(&self, name: &str) -> Option<Oid> {
        self.refs.get(&format!("refs/heads/{name}")).copied()
    }

    /// What lies at `path` below a tree; the path's parts are joined by `/`.
    pub fn entry(&self, tree: Oid, path: &str) -> Option<Entry> {
        let mut here = Entry { mode: "40000".into(), oid: tree };
        for part in path.split('/') {
            here = self.trees.get(&here.oid)?.get(part)?.clone();
        }
        Some(here)
    }

    /// The tree that `changes` make of `tree`. Refused where a file to remove is not there or a
    /// path is malformed.
    pub fn write_files(&mut self, tree: Option<Oid>, changes: &FileChanges) -> Result<Oid, Refused> {
        let mut entries = Vec::new();
        for path in &changes.deletions {
            if tree.and_then(|tree| self.entry(tree, path)).is_none() {
                return Err(Refused::unprocessable(format!(
                    "A path was requested for deletion which does not exist as of commit oid: {path}"
                )));
            }
            entries.push((path.clone(), None));
        }
        for (path, content) in &changes.additions {
            let mode = match tree.and_then(|tree| self.entry(tree, path)) {
                Some(entry) if !entry.is_tree() => entry.mode,
                _ => "100644".into(),
            };
            let oid = self.store_blob(content.bytes()?);
            entries.push((path.clone(), Some(Entry { mode, oid })));
        }
        self.place(tree, entries)
    }

    /// The tree that has `entries` in place (or, for none, removed) below `tree`; folders that
    /// become empty go, as in git.
    pub fn place(
        &mut self,
        tree: Option<Oid>,
        entries: Vec<(String, Option<Entry>)>,
    ) -> Result<Oid, Refused> {
        let mut folder = tree.and_then(|tree| self.trees.get(&tree)).cloned().unwrap_or_default();
        let mut below: BTreeMap<String, Vec<(String, Option<Entry>)>> = BTreeMap::new();
        for (path, entry) in entries {
            match path.split_once('/') {
                _ if path.split('/').any(|part| matches!(part, "" | "." | ".." | ".git")) => {
                    return Err(Refused::unprocessable(format!(
                        "tree.path contains a malformed path component: {path}"
                    )));
                }
                Some((first, rest)) => below.entry(first.into()).or_default().push((rest.into(), entry)),
                None => match entry {
                    Some(entry) => drop(folder.insert(path, entry)),
                    None => drop(folder.remove(&path)),
                },
            }
        }
        for (name, inside) in below {
            let old = folder.get(&name).filter(|entry| entry.is_tree()).map(|entry| entry.oid);
            let oid = self.place(old, inside)?;
            if self.trees[&oid].is_empty() {
                folder.remove(&name);
            } else {
                folder.insert(name, Entry { mode: "40000".into(), oid });
            }
        }
        Ok(self.store_tree(folder))
    }

    /// The files that differ between two trees: path → (before, after). Folders are walked, equal ones skipped.
    pub fn differences(
        &self,
        before: Option<Oid>,
        after: Option<Oid>,
    ) -> BTreeMap<String, (Option<Entry>, Option<Entry>)> {
        let mut found = BTreeMap::new();
        self.compare("", before, after, &mut found);
        found
    }

    fn compare(
        &self,
        prefix: &str,
        before: Option<Oid>,
        after: Option<Oid>,
        found: &mut BTreeMap<String, (Option<Entry>, Option<Entry>)>,
    ) {
        if before == after {
            return;
        }
        let empty = Tree::new();
        let folder = |oid: Option<Oid>| oid.and_then(|oid| self.trees.get(&oid)).unwrap_or(&empty);
        let (before, after) = (folder(before), folder(after));
        for name in before.keys().chain(after.keys().filter(|name| !before.contains_key(*name))) {
            let (old, new) = (before.get(name), after.get(name));
            if old == new {
                continue;
            }
            let path = format!("{prefix}{name}");
            let tree = |entry: Option<&Entry>| entry.filter(|entry| entry.is_tree()).map(|entry| entry.oid);
            let file = |entry: Option<&Entry>| entry.filter(|entry| !entry.is_tree()).cloned();
            self.compare(&format!("{path}/"), tree(old), tree(new), found);
            if file(old) != file(new) {
                found.insert(path, (file(old), file(new)));
            }
        }
    }

    /// True where `older` is `newer` or one of its ancestors.
    pub fn contains(&self, newer: Oid, older: Oid) -> bool {
        let Some(floor) = self.generations.get(&older) else { return false };
        let mut seen = BTreeSet::new();
        let mut open = vec![newer];
        while let Some(oid) = open.pop() {
            if oid == older {
                return true;
            }
            if self.generations.get(&oid).is_some_and(|generation| generation > floor) && seen.insert(oid) {
                open.extend(&self.commits[&oid].parents);
            }
        }
        false
    }

    /// The newest common ancestor of two commits. Of several equally good ones the one that sorts
    /// last, where git would first merge them with each other.
    pub fn merge_base(&self, one: Oid, other: Oid) -> Option<Oid> {
        let mut sides: BTreeMap<Oid, u8> = BTreeMap::new();
        let mut open = BinaryHeap::new();
        for (oid, side) in [(one, 1), (other, 2)] {
            *sides.entry(oid).or_default() |= side;
            open.push((*self.generations.get(&oid)?, oid));
        }
        // A commit leaves the heap after all its descendants, so its sides are complete by then.
        while let Some((_, oid)) = open.pop() {
            if sides[&oid] == 3 {
                return Some(oid);
            }
            for parent in &self.commits[&oid].parents {
                let sides_of_child = sides[&oid];
                if !sides.contains_key(parent) {
                    open.push((self.generations[parent], *parent));
                }
                *sides.entry(*parent).or_default() |= sides_of_child;
            }
        }
        None
    }

    /// The commits that `head` has and `base` lacks, oldest first.
    pub fn ahead(&self, base: Oid, head: Oid) -> Vec<Oid> {
        self.walk(head, |oid| !self.contains(base, oid))
    }

    /// A commit and all its ancestors, oldest first.
    pub fn history(&self, head: Oid) -> Vec<Oid> {
        self.walk(head, |_| true)
    }

    fn walk(&self, head: Oid, wanted: impl Fn(Oid) -> bool) -> Vec<Oid> {
        let mut found = BTreeSet::new();
        let mut open = vec![head];
        while let Some(oid) = open.pop() {
            let Some(commit) = self.commits.get(&oid) else { continue };
            if wanted(oid) && found.insert((self.generations[&oid], oid)) {
                open.extend(&commit.parents);
            }
        }
        found.into_iter().map(|(_, oid)| oid).collect()
    }
}

#[cfg(test)]
#[path = "git_tests.rs"]
mod tests;
