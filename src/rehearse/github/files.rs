//! Files of a repository at a revision, whether it has real git objects or only the texts of some commits.

use super::git::{Git, Oid};
use super::refused::Refused;
use super::state::{Repository, not_simulated};

/// What a path leads to.
pub(super) enum File {
    /// A file's bytes.
    Content(Vec<u8>),
    /// A folder.
    Folder,
}

/// The commit that a branch, a full ref or an object's name stands for.
pub(super) fn resolve(git: &Git, revision: &str) -> Option<Oid> {
    let name = if revision == "HEAD" { "main" } else { revision };
    let by_ref = ["", "refs/heads/", "refs/tags/"]
        .iter()
        .find_map(|prefix| git.refs.get(&format!("{prefix}{name}")).copied());
    by_ref.or_else(|| name.parse().ok().filter(|oid| git.commit(*oid).is_some()))
}

/// Reads a file at a revision: none where the revision or the file is not there. Refused where the
/// world does not say which files a commit has that it knows.
pub(super) fn read(repository: &Repository, revision: &str, path: &str) -> Result<Option<File>, Refused> {
    if let Some(git) = &repository.git {
        let tree = resolve(git, revision).and_then(|oid| git.commit(oid)).map(|commit| commit.tree);
        let Some(entry) = tree.and_then(|tree| git.entry(tree, path)) else { return Ok(None) };
        return Ok(Some(match git.blob(entry.oid) {
            Some(content) => File::Content(content.to_vec()),
            None => File::Folder,
        }));
    }
    let tagged = repository.releases.iter().rev().find(|release| release.tag == revision);
    let commit = tagged.map_or(revision, |release| release.commit.as_str());
    if let Some(files) = repository.files.get(commit) {
        let inside = format!("{path}/");
        return Ok(match files.get(path) {
            Some(text) => Some(File::Content(text.clone().into_bytes())),
            None if files.keys().any(|file| file.starts_with(&inside)) => Some(File::Folder),
            None => None,
        });
    }
    let known = repository.releases.iter().any(|release| release.commit == commit);
    let commit_like = commit.len() == 40 && commit.bytes().all(|digit| digit.is_ascii_hexdigit());
    if known || !commit_like {
        return Err(not_simulated(&format!("the files of {} at {revision}", repository.name)));
    }
    Ok(None)
}
