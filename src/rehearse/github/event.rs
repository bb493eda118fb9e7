//! Everything that can happen on the simulated GitHub, as data. The state is the initial state with
//! all events applied, so a journal of them survives a crash.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::git::{Commit, Content, Entry, FileChanges, Git, Oid, Signature};
use super::issues::{self, IssueEdit, NewIssue};
use super::pulls::{self, NewPullRequest, PullEdit, PullGift, PullMerge};
use super::refused::Refused;
use super::state::{Comment, Dispatch, GitHubState, Label, Release, Repository, Standing, WorkflowRun};

/// What happened. Each names its repository as `owner/name`, who did it and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The world's clock was moved on, after people had acted up to this time.
    Clock(Timestamp),
    /// A git object was stored.
    ObjectStored {
        /// Where.
        repository: String,
        /// What.
        object: NewObject,
    },
    /// Refs were created, moved or deleted: all of them or none.
    RefsChanged {
        /// Where.
        repository: String,
        /// Which.
        changes: Vec<RefChange>,
        /// Login.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// One commit was added to a branch.
    Committed(NewCommit),
    /// A pull request was opened.
    PullOpened(NewPullRequest),
    /// A pull request's text, state or base was changed.
    PullEdited(PullEdit),
    /// A pull request was given something.
    PullGiven {
        /// Where.
        repository: String,
        /// The pull request.
        number: u64,
        /// What.
        gift: PullGift,
        /// When.
        at: Timestamp,
    },
    /// An owner set what a repository allows.
    Allowed {
        /// Where.
        repository: String,
        /// Whether pull requests may be merged by themselves.
        auto_merge: bool,
        /// Logins and teams that may be asked for a review.
        collaborators: BTreeSet<String>,
    },
    /// A pull request was merged.
    PullMerged(PullMerge),
    /// An issue was opened.
    IssueOpened(NewIssue),
    /// An issue's text or state was changed.
    IssueEdited(IssueEdit),
    /// The labels of a pull request or an issue were replaced.
    LabelsSet {
        /// Where.
        repository: String,
        /// The pull request or issue.
        number: u64,
        /// All its labels from now on; unknown ones are created, as GitHub does.
        labels: Vec<String>,
        /// When.
        at: Timestamp,
    },
    /// A label was made.
    LabelCreated {
        /// Where.
        repository: String,
        /// What.
        label: Label,
    },
    /// Somebody wrote a comment.
    Commented {
        /// Where.
        repository: String,
        /// The pull request or issue.
        number: u64,
        /// Markdown.
        body: String,
        /// Login.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// A workflow was asked to run.
    WorkflowDispatched {
        /// Where.
        repository: String,
        /// The workflow's file.
        workflow: String,
        /// The branch or tag.
        reference: String,
        /// Its inputs.
        inputs: Map<String, Value>,
        /// The run that came of it; none where the world has no file of the workflow.
        #[serde(default)]
        run: Option<WorkflowRun>,
        /// When.
        at: Timestamp,
    },
    /// A run of a workflow began or changed; the one with the same id is replaced.
    RunRecorded {
        /// Where.
        repository: String,
        /// What.
        run: WorkflowRun,
    },
    /// A release was published, or a tag moved.
    ReleasePublished {
        /// Where.
        repository: String,
        /// What.
        release: Release,
    },
    /// A repository was renamed, deleted or came back.
    StandingChanged {
        /// Its name before.
        repository: String,
        /// Where it stands now.
        standing: Standing,
    },
}

/// A git object to store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NewObject {
    /// A file's content.
    Blob(Content),
    /// A tree on top of another one: path → entry, none to remove.
    Tree {
        /// The tree to start from; none for an empty one.
        base: Option<Oid>,
        /// What changes.
        entries: Vec<(String, Option<TreeItem>)>,
    },
    /// A commit.
    Commit(Commit),
}

/// A file of a new tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TreeItem {
    /// An object that is there already.
    Existing(Entry),
    /// A new file with this mode.
    New {
        /// Such as `100644`.
        mode: String,
        /// Its text.
        text: String,
    },
}

/// One ref to change, and what must be true of it before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefChange {
    /// Full name, such as `refs/heads/main`.
    pub name: String,
    /// What it must be now.
    pub expect: Expect,
    /// What it will be; none to delete it.
    pub after: Option<Oid>,
    /// Whether it may move to a commit that does not contain the present one.
    pub force: bool,
}

/// A condition on a ref.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    /// None.
    Anything,
    /// It does not exist.
    Absent,
    /// It exists.
    Present,
    /// It points to this commit.
    Exactly(Oid),
}

/// A commit to add to a branch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewCommit {
    /// Where.
    pub repository: String,
    /// The branch's short name.
    pub branch: String,
    /// The branch's tip must be this; none where it does not matter.
    pub expected_head: Option<Oid>,
    /// Headline, blank line, rest.
    pub message: String,
    /// Its files.
    pub changes: FileChanges,
    /// Login of the author.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// True for a commit of the world's own schedule.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub scheduled: bool,
}

/// What an event made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// Nothing that has a name of its own.
    Nothing,
    /// A git object.
    Object(Oid),
    /// A pull request, or a comment, by number.
    Number(u64),
}

/// Applies one event. Refused events leave the state as it was (but may leave objects behind that nothing points to).
pub fn apply(state: &mut GitHubState, event: &Event) -> Result<Made, Refused> {
    let made = match event {
        Event::Clock(to) => {
            state.last_event = state.last_event.max(Some(*to));
            return Ok(Made::Nothing);
        }
        Event::ObjectStored { repository, object } => {
            store(state.repository_mut(repository)?.git_mut()?, object)?
        }
        Event::RefsChanged { repository, changes, by, at } => {
            change_refs(state.repository_mut(repository)?, changes, by, *at)?
        }
        Event::Committed(new) => {
            let made = commit(state.repository_mut(&new.repository)?, new)?;
            state.played += usize::from(new.scheduled);
            made
        }
        Event::PullOpened(new) => pulls::open(state.repository_mut(&new.repository)?, new)?,
        Event::PullEdited(edit) => pulls::edit(state.repository_mut(&edit.repository)?, edit)?,
        Event::PullGiven { repository, number, gift, at } => {
            pulls::give(state.repository_mut(repository)?, *number, gift, *at)?
        }
        Event::Allowed { repository, auto_merge, collaborators } => {
            let repository = state.repository_mut(repository)?;
            repository.allows_auto_merge = *auto_merge;
            repository.collaborators = collaborators.clone();
            Made::Nothing
        }
        Event::PullMerged(merge) => pulls::merge(state.repository_mut(&merge.repository)?, merge)?,
        Event::IssueOpened(new) => issues::open(state.repository_mut(&new.repository)?, new)?,
        Event::IssueEdited(edit) => issues::edit(state.repository_mut(&edit.repository)?, edit)?,
        Event::LabelsSet { repository, number, labels, at } => {
            pulls::set_labels(state.repository_mut(repository)?, *number, labels, *at)?
        }
        Event::LabelCreated { repository, label } => {
            pulls::create_label(state.repository_mut(repository)?, label)?
        }
        Event::Commented { repository, number, body, by, at } => {
            let repository = state.repository_mut(repository)?;
            match repository.issues.get_mut(number) {
                Some(issue) => issue.updated_at = *at,
                None => pulls::pull_mut(repository, *number)?.updated_at = *at,
            }
            let id = repository.comments.len() as u64 + 1;
            let (body, user) = (body.clone(), by.clone());
            repository.comments.push(Comment { id, number: *number, body, user, created_at: *at });
            Made::Number(id)
        }
        Event::WorkflowDispatched { repository, workflow, reference, inputs, run, at } => {
            let (workflow, reference, inputs) = (workflow.clone(), reference.clone(), inputs.clone());
            let dispatch = Dispatch { workflow, reference, inputs, at: *at };
            let repository = state.repository_mut(repository)?;
            repository.dispatches.push(dispatch);
            repository.runs.extend(run.clone());
            Made::Nothing
        }
        Event::RunRecorded { repository, run } => {
            let repository = state.repository_mut(repository)?;
            repository.runs.retain(|known| known.id != run.id);
            repository.runs.push(run.clone());
            Made::Nothing
        }
        Event::ReleasePublished { repository, release } => {
            state.repository_mut(repository)?.releases.push(release.clone());
            Made::Nothing
        }
        Event::StandingChanged { repository, standing } => change_standing(state, repository, standing)?,
    };
    state.last_event = state.last_event.max(event.at());
    Ok(made)
}

impl Event {
    /// When it happened, where that is part of it.
    pub fn at(&self) -> Option<Timestamp> {
        match self {
            Self::Clock(at)
            | Self::RefsChanged { at, .. }
            | Self::LabelsSet { at, .. }
            | Self::PullGiven { at, .. }
            | Self::Commented { at, .. }
            | Self::WorkflowDispatched { at, .. } => Some(*at),
            Self::Committed(new) => Some(new.at),
            Self::PullOpened(new) => Some(new.at),
            Self::PullEdited(edit) => Some(edit.at),
            Self::PullMerged(merge) => Some(merge.at),
            Self::IssueOpened(new) => Some(new.at),
            Self::IssueEdited(edit) => Some(edit.at),
            Self::ObjectStored { .. }
            | Self::LabelCreated { .. }
            | Self::Allowed { .. }
            | Self::RunRecorded { .. }
            | Self::ReleasePublished { .. }
            | Self::StandingChanged { .. } => None,
        }
    }
}

fn store(git: &mut Git, object: &NewObject) -> Result<Made, Refused> {
    Ok(Made::Object(match object {
        NewObject::Blob(content) => git.store_blob(content.bytes()?),
        NewObject::Commit(commit) => git.store_commit(commit.clone())?,
        NewObject::Tree { base, entries } => {
            if base.is_some_and(|base| git.tree(base).is_none()) {
                return Err(Refused::unprocessable("base_tree is not a valid tree"));
            }
            let mut placed = Vec::new();
            for (path, item) in entries {
                let entry = match item {
                    None => None,
                    Some(TreeItem::New { mode, text }) => {
                        Some(Entry { mode: mode.clone(), oid: git.store_blob(text.clone().into_bytes()) })
                    }
                    Some(TreeItem::Existing(entry))
                        if git.blob(entry.oid).is_none() && git.tree(entry.oid).is_none() =>
                    {
                        return Err(Refused::unprocessable(format!(
                            "tree.sha {} is not a valid object",
                            entry.oid
                        )));
                    }
                    Some(TreeItem::Existing(entry)) => Some(entry.clone()),
                };
                placed.push((path.clone(), entry));
            }
            git.place(*base, placed)?
        }
    }))
}

fn change_refs(
    repository: &mut Repository,
    changes: &[RefChange],
    by: &str,
    at: Timestamp,
) -> Result<Made, Refused> {
    let git = repository.git_mut()?;
    changes.iter().try_for_each(|change| check_ref(git, change))?;
    for change in changes {
        match change.after {
            Some(after) => drop(git.refs.insert(change.name.clone(), after)),
            None => drop(git.refs.remove(&change.name)),
        }
    }
    for change in changes {
        if let Some(branch) = change.name.strip_prefix("refs/heads/") {
            pulls::settle(repository, branch, by, at);
        }
    }
    Ok(Made::Nothing)
}

fn check_ref(git: &Git, change: &RefChange) -> Result<(), Refused> {
    let present = git.refs.get(&change.name).copied();
    match (change.expect, present) {
        (Expect::Absent, Some(_)) => return Err(Refused::unprocessable("Reference already exists")),
        (Expect::Present, None) => return Err(Refused::unprocessable("Reference does not exist")),
        (Expect::Exactly(before), _) if present != Some(before) => {
            let found = present.map_or_else(|| "nothing".to_owned(), |oid| oid.to_string());
            let message = format!("Reference {} was expected at {before} but points to {found}", change.name);
            return Err(Refused::status(409, "STALE_DATA", message));
        }
        _ => {}
    }
    let Some(after) = change.after else {
        return if present.is_some() {
            Ok(())
        } else {
            Err(Refused::unprocessable("Reference does not exist"))
        };
    };
    let branch = change.name.strip_prefix("refs/heads/").or_else(|| change.name.strip_prefix("refs/tags/"));
    if branch.is_none_or(|name| {
        name.is_empty() || name.contains("..") || name.contains([' ', '~', '^', ':', '?', '*', '['])
    }) {
        return Err(Refused::unprocessable(format!("Reference name {} is not valid", change.name)));
    }
    if git.commit(after).is_none() {
        return Err(Refused::unprocessable("Object does not exist"));
    }
    if present.is_some_and(|present| !change.force && !git.contains(after, present)) {
        return Err(Refused::unprocessable("Update is not a fast forward"));
    }
    Ok(())
}

/// Adds a commit to a branch by a person or the viewer.
fn commit(repository: &mut Repository, new: &NewCommit) -> Result<Made, Refused> {
    let git = repository.git_mut()?;
    let missing = || Refused::not_found(format!("Could not resolve to a branch named '{}'.", new.branch));
    let tip = git.branch(&new.branch).ok_or_else(missing)?;
    if let Some(expected) = new.expected_head.filter(|expected| *expected != tip) {
        let message =
            format!("Expected branch to point to \"{expected}\" but it did not. Pull and try again.");
        return Err(Refused::status(409, "STALE_DATA", message));
    }
    let before = git.commit(tip).expect("a branch points to a stored commit").tree;
    let tree = git.write_files(Some(before), &new.changes)?;
    let author = Signature::of(&new.by, new.at);
    let (message, committer) = (new.message.clone(), author.clone());
    let oid = git.store_commit(Commit { tree, parents: vec![tip], author, committer, message })?;
    git.refs.insert(format!("refs/heads/{}", new.branch), oid);
    pulls::settle(repository, &new.branch, &new.by, new.at);
    Ok(Made::Object(oid))
}

fn change_standing(state: &mut GitHubState, name: &str, standing: &Standing) -> Result<Made, Refused> {
    let key = name.to_lowercase();
    if let Standing::RenamedTo(next) = standing
        && state.repository(next).is_some_and(|other| other.name.to_lowercase() != key)
    {
        return Err(Refused::unprocessable(format!("there is already a repository {next}")));
    }
    let known = state.repositories.get_mut(&key);
    let known = known.ok_or_else(|| Refused::not_found(format!("there is no repository {name}")))?;
    let old_name = known.name.clone();
    known.standing = standing.clone();
    if let Standing::RenamedTo(next) = standing {
        // The repository lives on under its new name; the old one only points there.
        let pointer = Repository { name: old_name, standing: standing.clone(), ..Repository::default() };
        let moved = std::mem::replace(known, pointer);
        state.add(Repository { name: next.clone(), standing: Standing::Present, ..moved });
    }
    Ok(Made::Nothing)
}
