//! The life of pull requests: opened, followed as their branches move, closed, merged, reopened.
//!
//! GitHub's rules, as its documentation and behaviour have them: a pull request counts as merged
//! when its base comes to contain its head, and is closed unmerged when its head is reset to what
//! the base already has, or when its branch is deleted.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::Made;
use super::git::{Commit, Signature};
use super::issues::next_number;
use super::merge::{is_mergeable, merged_tree};
use super::refused::Refused;
use super::state::{Fork, Label, Merge, PullRequest, Repository};

/// GitHub refuses longer descriptions and comments, in characters.
const LONGEST_BODY: usize = 65_536;

/// A pull request to open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewPullRequest {
    /// `owner/name`.
    pub repository: String,
    /// Its title.
    pub title: String,
    /// Its description.
    pub body: String,
    /// The branch with the changes.
    pub head: String,
    /// The fork whose branch that stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fork: Option<Fork>,
    /// The branch to merge into.
    pub base: String,
    /// Not ready to be merged.
    pub draft: bool,
    /// Login.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// What a pull request is given besides its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PullGift {
    /// These are asked for a review.
    Reviewers(Vec<String>),
    /// It is merged by itself once it can.
    AutoMerge,
}

/// What to change about a pull request; none leaves a thing as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullEdit {
    /// `owner/name`.
    pub repository: String,
    /// The pull request.
    pub number: u64,
    /// A new title.
    pub title: Option<String>,
    /// A new description.
    pub body: Option<String>,
    /// Open or closed.
    pub state: Option<PullState>,
    /// Another branch to merge into.
    pub base: Option<String>,
    /// Login.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// The two states that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PullState {
    /// Open.
    Open,
    /// Closed without a merge.
    Closed,
}

/// A merge to carry out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullMerge {
    /// `owner/name`.
    pub repository: String,
    /// The pull request.
    pub number: u64,
    /// A merge commit, or one commit in place of all.
    pub method: MergeMethod,
    /// The message; none for GitHub's own.
    pub message: Option<String>,
    /// Login.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// How a pull request comes into its base.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MergeMethod {
    /// By a commit with two parents.
    Merge,
    /// By one commit with all changes.
    Squash,
}

/// Opens a pull request.
pub(super) fn open(repository: &mut Repository, new: &NewPullRequest) -> Result<Made, Refused> {
    check_body(&new.body)?;
    let owner = repository.owner().to_owned();
    let git = repository.git()?;
    let head_oid =
        git.branch(&new.head).ok_or_else(|| Refused::invalid_field("PullRequest", "head", "invalid"))?;
    let base_oid =
        git.branch(&new.base).ok_or_else(|| Refused::invalid_field("PullRequest", "base", "invalid"))?;
    if find_open(repository, &new.head, &new.base).is_some() {
        let sentence = format!("A pull request already exists for {owner}:{}.", new.head);
        return Err(Refused::custom("PullRequest", sentence));
    }
    if git.contains(base_oid, head_oid) {
        let sentence = format!("No commits between {} and {}", new.base, new.head);
        return Err(Refused::custom("PullRequest", sentence));
    }
    let number = next_number(repository);
    let pull = PullRequest {
        number,
        title: new.title.clone(),
        body: new.body.clone(),
        head: new.head.clone(),
        fork: new.fork.clone(),
        head_oid,
        head_since: new.at,
        base: new.base.clone(),
        base_oid,
        draft: new.draft,
        closed_at: None,
        merged: None,
        user: new.by.clone(),
        touched_by: None,
        labels: Vec::new(),
        reviewers: BTreeSet::new(),
        auto_merge: false,
        created_at: new.at,
        updated_at: new.at,
    };
    repository.pulls.insert(number, pull);
    Ok(Made::Number(number))
}

/// Changes a pull request's text, state or base.
pub(super) fn edit(repository: &mut Repository, edit: &PullEdit) -> Result<Made, Refused> {
    let pull = repository.pulls.get(&edit.number).ok_or_else(|| absent(edit.number))?;
    edit.body.as_deref().map_or(Ok(()), check_body)?;
    let base = edit.base.as_ref().unwrap_or(&pull.base);
    if repository.git()?.branch(base).is_none() && edit.base.is_some() {
        return Err(Refused::invalid_field("PullRequest", "base", "invalid"));
    }
    let reopened = match edit.state {
        Some(PullState::Open) if !pull.is_open() => Some(check_reopen(repository, pull, base)?),
        _ => None,
    };
    let pull = pull_mut(repository, edit.number)?;
    if let Some((head, base)) = reopened {
        (pull.head_oid, pull.base_oid, pull.head_since, pull.closed_at) = (head, base, edit.at, None);
    }
    if edit.state == Some(PullState::Closed) && pull.is_open() {
        pull.closed_at = Some(edit.at);
    }
    pull.title = edit.title.clone().unwrap_or_else(|| pull.title.clone());
    pull.body = edit.body.clone().unwrap_or_else(|| pull.body.clone());
    pull.base = edit.base.clone().unwrap_or_else(|| pull.base.clone());
    pull.updated_at = edit.at;
    Ok(Made::Number(edit.number))
}

/// The tips of head and base with which a closed pull request may be opened again.
fn check_reopen(
    repository: &Repository,
    pull: &PullRequest,
    base: &str,
) -> Result<(super::git::Oid, super::git::Oid), Refused> {
    let refuse = |why: String| Err(Refused::custom("PullRequest", format!("state cannot be changed. {why}")));
    let git = repository.git()?;
    let (Some(head_tip), Some(base_tip)) = (git.branch(&pull.head), git.branch(base)) else {
        return refuse(format!("The {} branch has been deleted.", pull.head));
    };
    if pull.merged.is_some() {
        return refuse("The pull request is merged.".into());
    }
    if find_open(repository, &pull.head, base).is_some() {
        return refuse(format!("There is already an open pull request from {} to {base}.", pull.head));
    }
    if !git.contains(head_tip, pull.head_oid) {
        return refuse(format!("The {} branch was force-pushed or recreated.", pull.head));
    }
    if git.contains(base_tip, head_tip) {
        return refuse(format!("There are no new commits on the {} branch.", pull.head));
    }
    Ok((head_tip, base_tip))
}

/// Merges a pull request into its base.
pub(super) fn merge(repository: &mut Repository, merge: &PullMerge) -> Result<Made, Refused> {
    let pull = repository.pulls.get(&merge.number).ok_or_else(|| absent(merge.number))?.clone();
    let refused = || Refused::status(405, "UNPROCESSABLE", "Pull Request is not mergeable");
    let owner = repository.owner().to_owned();
    let git = repository.git_mut()?;
    let base = git.branch(&pull.base).ok_or_else(refused)?;
    if !pull.is_open() || pull.draft {
        return Err(refused());
    }
    let tree = merged_tree(git, base, pull.head_oid).map_err(|_conflict| refused())?;
    let own_message = match merge.method {
        MergeMethod::Merge => {
            format!("Merge pull request #{} from {owner}/{}\n\n{}", pull.number, pull.head, pull.title)
        }
        MergeMethod::Squash => format!("{} (#{})", pull.title, pull.number),
    };
    let author = Signature::of(&merge.by, merge.at);
    let commit = git.store_commit(Commit {
        tree,
        parents: match merge.method {
            MergeMethod::Merge => vec![base, pull.head_oid],
            MergeMethod::Squash => vec![base],
        },
        committer: author.clone(),
        author,
        message: merge.message.clone().unwrap_or(own_message),
    })?;
    git.refs.insert(format!("refs/heads/{}", pull.base), commit);
    let merged = pull_mut(repository, merge.number)?;
    merged.merged = Some(Merge { at: merge.at, by: merge.by.clone(), commit });
    (merged.closed_at, merged.updated_at) = (Some(merge.at), merge.at);
    settle(repository, &pull.base, &merge.by, merge.at);
    Ok(Made::Object(commit))
}

/// Brings the open pull requests of a branch up to date after the branch was moved, made or deleted.
pub(super) fn settle(repository: &mut Repository, branch: &str, by: &str, at: Timestamp) {
    let Repository { git: Some(git), pulls, .. } = repository else { return };
    let tip = git.branch(branch);
    for pull in pulls.values_mut().filter(|pull| pull.is_open()) {
        if pull.head != branch && pull.base != branch {
            continue;
        }
        let Some(tip) = tip else {
            (pull.closed_at, pull.updated_at) = (Some(at), at);
            continue;
        };
        if pull.base == branch {
            if git.contains(tip, pull.head_oid) {
                pull.merged = Some(Merge { at, by: by.into(), commit: pull.head_oid });
                (pull.closed_at, pull.updated_at) = (Some(at), at);
            }
        } else if tip != pull.head_oid {
            let base = git.branch(&pull.base);
            (pull.head_oid, pull.head_since, pull.updated_at) = (tip, at, at);
            pull.base_oid = base.unwrap_or(pull.base_oid);
            if by != pull.user {
                pull.touched_by = Some(by.into());
            }
            if base.is_some_and(|base| git.contains(base, tip)) {
                pull.closed_at = Some(at);
            }
        }
    }
}

/// Gives a pull request reviewers or auto-merge, where its repository allows that.
pub(super) fn give(
    repository: &mut Repository,
    number: u64,
    gift: &PullGift,
    at: Timestamp,
) -> Result<Made, Refused> {
    match gift {
        PullGift::AutoMerge if !repository.allows_auto_merge => {
            let message = "Auto merge is not allowed for this repository";
            return Err(Refused::status(200, "UNPROCESSABLE", message));
        }
        PullGift::Reviewers(asked) if asked.iter().any(|one| !repository.collaborators.contains(one)) => {
            let message = "Reviews may only be requested from collaborators. One or more of the users or teams \
                           you specified is not a collaborator of the repository.";
            return Err(Refused::unprocessable(message));
        }
        PullGift::AutoMerge | PullGift::Reviewers(_) => {}
    }
    let pull = pull_mut(repository, number)?;
    match gift {
        PullGift::Reviewers(asked) => pull.reviewers.extend(asked.iter().cloned()),
        PullGift::AutoMerge => pull.auto_merge = true,
    }
    pull.updated_at = at;
    Ok(Made::Number(number))
}

/// Replaces the labels of a pull request or an issue.
pub(super) fn set_labels(
    repository: &mut Repository,
    number: u64,
    labels: &[String],
    at: Timestamp,
) -> Result<Made, Refused> {
    if !repository.pulls.contains_key(&number) && !repository.issues.contains_key(&number) {
        return Err(absent(number));
    }
    let names = label_names(repository, labels);
    if let Some(issue) = repository.issues.get_mut(&number) {
        (issue.labels, issue.updated_at) = (names, at);
    } else {
        let pull = pull_mut(repository, number)?;
        (pull.labels, pull.updated_at) = (names, at);
    }
    Ok(Made::Nothing)
}

/// The labels of these names as the repository spells them, each once; unknown ones are created.
pub(super) fn label_names(repository: &mut Repository, labels: &[String]) -> Vec<String> {
    let mut names = Vec::new();
    for label in labels {
        let label = Label { name: label.clone(), color: "ededed".into(), description: None };
        // The label keeps the spelling that it was first made with.
        let name = repository.labels.entry(label.name.to_lowercase()).or_insert(label).name.clone();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Makes a label.
pub(super) fn create_label(repository: &mut Repository, label: &Label) -> Result<Made, Refused> {
    let key = label.name.to_lowercase();
    if repository.labels.contains_key(&key) {
        return Err(Refused::invalid_field("Label", "name", "already_exists"));
    }
    repository.labels.insert(key, label.clone());
    Ok(Made::Nothing)
}

/// Whether a pull request would merge now; none where GitHub does not say, since it is closed.
pub(super) fn mergeable(repository: &Repository, pull: &PullRequest) -> Option<bool> {
    let git = repository.git.as_ref().filter(|_| pull.is_open())?;
    Some(is_mergeable(git, git.branch(&pull.base)?, pull.head_oid))
}

/// A pull request, to change it.
pub(super) fn pull_mut(repository: &mut Repository, number: u64) -> Result<&mut PullRequest, Refused> {
    repository.pulls.get_mut(&number).ok_or_else(|| absent(number))
}

/// The refusal for a number that no pull request has.
pub(super) fn absent(number: u64) -> Refused {
    Refused::not_found(format!("Could not resolve to a PullRequest with the number of {number}."))
}

/// Refuses a description or comment that GitHub would find too long.
pub(super) fn check_body(body: &str) -> Result<(), Refused> {
    if body.chars().count() > LONGEST_BODY {
        return Err(Refused::custom(
            "Issue",
            format!("body is too long (maximum is {LONGEST_BODY} characters)"),
        ));
    }
    Ok(())
}

fn find_open<'a>(repository: &'a Repository, head: &str, base: &str) -> Option<&'a PullRequest> {
    repository.pulls.values().find(|pull| pull.is_open() && pull.head == head && pull.base == base)
}
