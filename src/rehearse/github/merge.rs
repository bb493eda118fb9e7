//! Three-way merges of whole trees, file by file and line by line, as `git merge` does them.
//! Renames are not detected: a file that moved is one removed and one added.

use super::git::{Entry, Git, Oid};

/// Why two commits do not merge: the paths that both changed in ways that exclude each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict(pub Vec<String>);

/// What `head` changes in `base` by a merge: path → entry, none for a file that goes; the entry's
/// content is there for a file that both sides changed, and has to be stored first.
pub type Changes = Vec<(String, Merged)>;

/// The outcome for one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Merged {
    /// The head's file, which may be its absence.
    Head(Option<Entry>),
    /// Both changed it: the merged text with the mode of the base's file.
    Text {
        /// The file's mode.
        mode: String,
        /// Its merged content.
        text: String,
    },
}

/// Merges the commit `head` into the commit `base`. A conflict where they share no ancestor.
pub fn merge(git: &Git, base: Oid, head: Oid) -> Result<Changes, Conflict> {
    let tree = |commit: Oid| git.commit(commit).map(|commit| commit.tree);
    let Some(ancestor) = git.merge_base(base, head) else { return Err(Conflict(Vec::new())) };
    let (ancestor, base, head) = (tree(ancestor), tree(base), tree(head));
    let mut changes = Changes::new();
    let mut conflicts = Vec::new();
    for (path, (before, wanted)) in git.differences(ancestor, head) {
        let present = base.and_then(|base| git.entry(base, &path));
        if present == wanted {
            continue;
        }
        if present == before && !blocked(git, base, &path) {
            changes.push((path, Merged::Head(wanted)));
            continue;
        }
        match merge_file(git, before.as_ref(), present.as_ref(), wanted.as_ref()) {
            Some(merged) => changes.push((path, merged)),
            None => conflicts.push(path),
        }
    }
    if conflicts.is_empty() { Ok(changes) } else { Err(Conflict(conflicts)) }
}

/// True where a part of `path` that should be a folder is a file in `tree`.
fn blocked(git: &Git, tree: Option<Oid>, path: &str) -> bool {
    let Some(tree) = tree else { return false };
    path.match_indices('/')
        .any(|(end, _)| git.entry(tree, &path[..end]).is_some_and(|entry| !entry.is_tree()))
}

/// Merges a file that both sides changed. None for a conflict, which a file removed on one side and
/// changed on the other always is.
fn merge_file(
    git: &Git,
    before: Option<&Entry>,
    base: Option<&Entry>,
    head: Option<&Entry>,
) -> Option<Merged> {
    let text = |entry: &Entry| std::str::from_utf8(git.blob(entry.oid)?).ok();
    let (base, head) = (base?, head?);
    let ancestor = before.map_or(Some(""), text)?;
    let text = diffy::merge(ancestor, text(base)?, text(head)?).ok()?;
    Some(Merged::Text { mode: base.mode.clone(), text })
}

/// Whether `head` merges into `base` without a conflict. The answer is remembered.
pub fn is_mergeable(git: &Git, base: Oid, head: Oid) -> bool {
    if let Some(known) = git.merges.borrow().get(&(base, head)) {
        return *known;
    }
    let mergeable = merge(git, base, head).is_ok();
    let mut remembered = git.merges.borrow_mut();
    // A base that has moved on is not asked about again; this keeps the memory small.
    remembered.retain(|(known_base, _), _| *known_base == base);
    remembered.insert((base, head), mergeable);
    mergeable
}

/// The tree that the merge of `head` into `base` has.
pub fn merged_tree(git: &mut Git, base: Oid, head: Oid) -> Result<Oid, Conflict> {
    let changes = merge(git, base, head)?;
    let entries = changes
        .into_iter()
        .map(|(path, merged)| match merged {
            Merged::Head(entry) => (path, entry),
            Merged::Text { mode, text } => {
                (path, Some(Entry { mode, oid: git.store_blob(text.into_bytes()) }))
            }
        })
        .collect();
    let tree = git.commit(base).map(|commit| commit.tree);
    // Paths that came out of existing trees are well formed, so placing them cannot be refused.
    git.place(tree, entries).map_err(|refused| Conflict(vec![refused.message]))
}

#[cfg(test)]
mod tests {
    use super::super::git::{Commit, FileChanges, Signature};
    use super::*;

    fn commit(git: &mut Git, parents: &[Oid], changes: FileChanges) -> Oid {
        let tree = parents.first().map(|parent| git.commit(*parent).unwrap().tree);
        let tree = git.write_files(tree, &changes).unwrap();
        let author = Signature::of("someone", "2026-04-15T00:00:00Z".parse().unwrap());
        let commit = Commit {
            tree,
            parents: parents.to_vec(),
            committer: author.clone(),
            author,
            message: format!("{changes:?}"),
        };
        git.store_commit(commit).unwrap()
    }

    /// A base and a head that grew apart from `before`.
    fn merge_texts(before: &str, base: &str, head: &str) -> Result<String, Conflict> {
        let mut git = Git::default();
        let first = commit(&mut git, &[], FileChanges::write([("dir/file", before)]));
        let base = commit(&mut git, &[first], FileChanges::write([("dir/file", base)]));
        let head = commit(&mut git, &[first], FileChanges::write([("dir/file", head)]));
        let tree = merged_tree(&mut git, base, head)?;
        let file = git.entry(tree, "dir/file").unwrap();
        Ok(String::from_utf8(git.blob(file.oid).unwrap().to_vec()).unwrap())
    }

    #[test]
    fn changes_in_different_places_merge() {
        assert_eq!(merge_texts("a\nb\nc\nd\n", "A\nb\nc\nd\n", "a\nb\nc\nD\n").unwrap(), "A\nb\nc\nD\n");
    }

    #[test]
    fn the_same_change_on_both_sides_merges() {
        assert_eq!(merge_texts("a\nb\n", "a\nB\n", "a\nB\n").unwrap(), "a\nB\n");
    }

    #[test]
    fn different_changes_of_one_line_conflict() {
        assert_eq!(
            merge_texts("a\nb\nc\n", "a\nX\nc\n", "a\nY\nc\n"),
            Err(Conflict(vec!["dir/file".into()]))
        );
    }

    #[test]
    fn different_changes_of_neighbouring_lines_conflict_as_in_git() {
        assert!(merge_texts("a\nb\nc\nd\n", "a\nB\nc\nd\n", "a\nb\nC\nd\n").is_err());
    }

    #[test]
    fn a_file_removed_on_one_side_and_changed_on_the_other_conflicts() {
        let mut git = Git::default();
        let first = commit(&mut git, &[], FileChanges::write([("one", "1\n"), ("two", "2\n")]));
        let removal = FileChanges { deletions: ["one".to_owned()].into(), ..FileChanges::default() };
        let base = commit(&mut git, &[first], removal);
        let head = commit(&mut git, &[first], FileChanges::write([("one", "other\n")]));
        assert!(!is_mergeable(&git, base, head));
        let unrelated = commit(&mut git, &[first], FileChanges::write([("two", "other\n")]));
        assert!(is_mergeable(&git, base, unrelated));
    }
}
