//! What the simulated GitHub holds: plain data, made by a world or a test, changed by events only.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::git::{Commit, FileChanges, Git, Oid, Signature};
use super::issues::Issue;
use super::people::People;
use super::refused::Refused;

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct GitHubState {
    /// Repositories by `owner/name` in lower case.
    pub repositories: BTreeMap<String, Repository>,
    /// How people behave; none where nobody does anything by themselves.
    pub people: Option<People>,
    /// Repositories (`owner/name` in lower case) that GitHub cannot serve at the moment.
    pub(super) unreachable: BTreeSet<String>,
    /// Commits that the world makes by itself, ordered by time.
    pub(super) schedule: Vec<ScheduledCommit>,
    /// How many of them it has made.
    pub(super) played: usize,
    /// The time of the newest event.
    pub(super) last_event: Option<Timestamp>,
}

/// A commit that the world makes at a given time on a repository's default branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduledCommit {
    /// When.
    pub at: Timestamp,
    /// `owner/name`.
    pub repository: String,
    /// Its files.
    pub changes: FileChanges,
    /// Its message.
    pub message: String,
}

/// The login that the token of the simulated API belongs to.
pub const VIEWER: &str = "tidegate-bot";

/// A repository's place in the world.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It is there.
    #[default]
    Present,
    /// It is now called this (`owner/name`), where the state holds it: REST answers 301 (307 to what
    /// is no GET), GraphQL follows.
    RenamedTo(String),
    /// It was deleted or made private; GitHub does not say which.
    Gone,
}

/// One repository.
#[derive(Clone, Debug, Default)]
pub struct Repository {
    /// `owner/name` as its owner writes it.
    pub name: String,
    /// Where it stands.
    pub standing: Standing,
    /// True where its owner archived it.
    pub archived: bool,
    /// True where its owner lets pull requests be merged by themselves.
    pub allows_auto_merge: bool,
    /// Logins and teams that may be asked for a review.
    pub collaborators: BTreeSet<String>,
    /// Its releases, in the order in which they could be seen. A tag that moves has several rows,
    /// of which the last visible one counts.
    pub releases: Vec<Release>,
    /// Texts of files by commit and path, for repositories without real git objects.
    pub files: BTreeMap<String, BTreeMap<String, String>>,
    /// Real git objects. The token may push to a repository that has them.
    pub git: Option<Git>,
    /// Pull requests by number.
    pub pulls: BTreeMap<u64, PullRequest>,
    /// Issues by number; no pull request has the same one.
    pub issues: BTreeMap<u64, Issue>,
    /// Labels by name in lower case: GitHub does not tell them apart by case.
    pub labels: BTreeMap<String, Label>,
    /// Comments on pull requests and issues.
    pub comments: Vec<Comment>,
    /// Runs of GitHub Actions workflows.
    pub runs: Vec<WorkflowRun>,
    /// Artifacts of its runs.
    pub artifacts: Vec<Artifact>,
    /// The files of its workflows, which are known before they ever ran.
    pub workflows: BTreeSet<String>,
    /// Dispatches of workflows that were asked for, in order.
    pub dispatches: Vec<Dispatch>,
}

/// A release of GitHub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// From when on it can be seen.
    pub visible_at: Timestamp,
    /// Its tag.
    pub tag: String,
    /// The commit that the tag points to, 40 hex digits.
    pub commit: String,
    /// Its title.
    pub name: Option<String>,
    /// Not published yet; shown only to those who may push.
    pub draft: bool,
    /// Marked as not ready for production.
    pub prerelease: bool,
    /// The date of the tagged commit, which decides what is latest.
    pub created_at: Timestamp,
    /// When it was published; none for a draft.
    pub published_at: Option<Timestamp>,
}

impl Release {
    /// A plain release that was made, published and seen at one time.
    pub fn new(tag: impl Into<String>, commit: impl Into<String>, at: Timestamp) -> Self {
        let tag = tag.into();
        Self {
            visible_at: at,
            name: Some(tag.clone()),
            tag,
            commit: commit.into(),
            draft: false,
            prerelease: false,
            created_at: at,
            published_at: Some(at),
        }
    }
}

/// Where the head of a pull request lives that comes from a fork. Its commits are among the repository's
/// objects, as they are on GitHub, under a branch of another name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fork {
    /// Who owns it.
    pub owner: String,
    /// What the branch is called there.
    pub branch: String,
}

/// A pull request to a branch of the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullRequest {
    /// Its number, from 1.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Its description.
    pub body: String,
    /// The branch with the changes, by its short name.
    pub head: String,
    /// The fork whose branch that stands for; none where it is the repository's own.
    pub fork: Option<Fork>,
    /// The tip of that branch; where the pull request is closed, when it was closed.
    pub head_oid: Oid,
    /// Since when that has been the tip.
    pub head_since: Timestamp,
    /// The branch to merge into.
    pub base: String,
    /// The tip of the base when the head last moved.
    pub base_oid: Oid,
    /// Not ready to be merged.
    pub draft: bool,
    /// When it was closed, merged or not; none while it is open.
    pub closed_at: Option<Timestamp>,
    /// How it was merged, if it was.
    pub merged: Option<Merge>,
    /// Who opened it.
    pub user: String,
    /// Who else pushed to its branch.
    pub touched_by: Option<String>,
    /// Names of its labels.
    pub labels: Vec<String>,
    /// Logins and teams that were asked for a review.
    pub reviewers: BTreeSet<String>,
    /// True where GitHub merges it by itself once it can.
    pub auto_merge: bool,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When anything about it last changed.
    pub updated_at: Timestamp,
}

impl PullRequest {
    /// The branch's name as people see it.
    pub fn head_name(&self) -> &str {
        self.fork.as_ref().map_or(&self.head, |fork| &fork.branch)
    }

    /// True while it is neither merged nor closed.
    pub fn is_open(&self) -> bool {
        self.closed_at.is_none()
    }
}

/// That a pull request was merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merge {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// The commit that brought it into the base.
    pub commit: Oid,
}

/// A label of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Its name.
    pub name: String,
    /// Six hex digits.
    pub color: String,
    /// What it is for.
    pub description: Option<String>,
}

/// A comment on a pull request or an issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// Unique in the repository, from 1.
    pub id: u64,
    /// The pull request or issue.
    pub number: u64,
    /// Markdown.
    pub body: String,
    /// Who wrote it.
    pub user: String,
    /// When.
    pub created_at: Timestamp,
}

/// A run of a GitHub Actions workflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowRun {
    /// Its id.
    pub id: u64,
    /// The file below `.github/workflows`, such as `test.yml`.
    pub workflow: String,
    /// The workflow's name.
    pub name: String,
    /// The run's title.
    pub display_title: String,
    /// `queued`, `in_progress` or `completed`.
    pub status: String,
    /// `success`, `failure`, …; none while it runs.
    pub conclusion: Option<String>,
    /// Its page.
    pub html_url: String,
    /// When it was asked for; it cannot be seen before.
    pub created_at: Timestamp,
    /// When this attempt began.
    pub run_started_at: Timestamp,
}

/// An artifact of a workflow run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Its id.
    pub id: u64,
    /// The run that made it.
    pub run_id: u64,
    /// Its name.
    pub name: String,
    /// The zip file.
    pub content: Vec<u8>,
    /// From when on it can be seen.
    pub created_at: Timestamp,
    /// True where its content was deleted, as it is after some months.
    pub expired: bool,
}

/// A workflow that was asked to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispatch {
    /// The workflow's file.
    pub workflow: String,
    /// The branch or tag to run on.
    pub reference: String,
    /// Its inputs.
    pub inputs: serde_json::Map<String, serde_json::Value>,
    /// When.
    pub at: Timestamp,
}

/// What stands behind a name.
#[derive(Clone, Copy, Debug)]
pub enum Found<'a> {
    /// The repository, under the name that was asked for.
    Here(&'a Repository),
    /// The repository that it became.
    Moved(&'a Repository),
    /// Something that GitHub cannot serve at the moment.
    Unreachable,
    /// Nothing that the token may see.
    Nothing,
}

impl GitHubState {
    /// Adds a repository.
    pub fn add(&mut self, repository: Repository) {
        self.repositories.insert(repository.name.to_lowercase(), repository);
    }

    /// Adds commits that the world will make. They are ordered by time; those of one time keep their order.
    pub fn schedule(&mut self, commits: impl IntoIterator<Item = ScheduledCommit>) {
        self.schedule.extend(commits);
        self.schedule.sort_by_key(|commit| commit.at);
    }

    /// Looks a repository up as a request does: not while an outage hides it.
    pub(super) fn ask(&self, name: &str) -> Found<'_> {
        if self.unreachable.contains(&name.to_lowercase()) { Found::Unreachable } else { self.find(name) }
    }

    /// Looks a repository up as GitHub does: whatever the case, along renames.
    pub fn find(&self, name: &str) -> Found<'_> {
        let Some(first) = self.repositories.get(&name.to_lowercase()) else { return Found::Nothing };
        let mut here = first;
        // A ring of renames cannot exist on GitHub; one in the data ends here.
        for _ in 0..8 {
            match &here.standing {
                Standing::Present if std::ptr::eq(here, first) => return Found::Here(here),
                Standing::Present => return Found::Moved(here),
                Standing::Gone => return Found::Nothing,
                Standing::RenamedTo(next) => match self.repositories.get(&next.to_lowercase()) {
                    Some(next) => here = next,
                    None => return Found::Nothing,
                },
            }
        }
        Found::Nothing
    }

    /// The repository of that name, if it is present under it or under a later one.
    pub fn repository(&self, name: &str) -> Option<&Repository> {
        match self.find(name) {
            Found::Here(repository) | Found::Moved(repository) => Some(repository),
            Found::Unreachable | Found::Nothing => None,
        }
    }

    /// The repository of that name, to change it.
    pub(super) fn repository_mut(&mut self, name: &str) -> Result<&mut Repository, Refused> {
        let key = self.repository(name).map(|repository| repository.name.to_lowercase());
        key.and_then(|key| self.repositories.get_mut(&key)).ok_or_else(|| {
            Refused::not_found(format!("Could not resolve to a Repository with the name '{name}'."))
        })
    }
}

impl Repository {
    /// A repository that others own: releases, and files where a test needs them.
    pub fn upstream(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// A repository with real git objects whose `main` holds `files` in one commit made at `at`.
    pub fn with_files<P: Into<String>, T: Into<String>>(
        name: impl Into<String>,
        files: impl IntoIterator<Item = (P, T)>,
        at: Timestamp,
    ) -> Result<Self, Refused> {
        let mut git = Git::default();
        let tree = git.write_files(None, &FileChanges::write(files))?;
        let author = Signature::of("moderator", at);
        let commit =
            Commit { tree, parents: Vec::new(), committer: author.clone(), author, message: "Begin".into() };
        let commit = git.store_commit(commit)?;
        git.refs.insert("refs/heads/main".into(), commit);
        Ok(Self { name: name.into(), git: Some(git), ..Self::default() })
    }

    /// The owner's part of the name.
    pub fn owner(&self) -> &str {
        self.name.split_once('/').map_or(self.name.as_str(), |(owner, _)| owner)
    }

    /// The name without the owner.
    pub fn short_name(&self) -> &str {
        self.name.split_once('/').map_or(self.name.as_str(), |(_, name)| name)
    }

    /// The branch that a clone checks out.
    pub fn default_branch(&self) -> &'static str {
        "main"
    }

    /// Its git objects. Refused where the repository has none in this world.
    pub(super) fn git(&self) -> Result<&Git, Refused> {
        self.git.as_ref().ok_or_else(|| not_simulated(&format!("the git objects of {}", self.name)))
    }

    /// Its git objects, to change them. The token may push nowhere else.
    pub(super) fn git_mut(&mut self) -> Result<&mut Git, Refused> {
        self.git.as_mut().ok_or_else(|| {
            Refused::status(403, "FORBIDDEN", "Resource not accessible by personal access token")
        })
    }

    /// The releases that can be seen at `now`: one row per tag, newest commit first.
    pub fn releases_at(&self, now: Timestamp) -> Vec<&Release> {
        let mut by_tag: BTreeMap<&str, &Release> = BTreeMap::new();
        let visible = self.releases.iter().filter(|release| release.visible_at <= now);
        for release in visible.filter(|release| !release.draft || self.git.is_some()) {
            by_tag.insert(&release.tag, release);
        }
        let mut releases: Vec<_> = by_tag.into_values().collect();
        releases.sort_by(|a, b| (b.created_at, &b.tag).cmp(&(a.created_at, &a.tag)));
        releases
    }

    /// The newest release, by the date of its commit, that is neither a draft nor a prerelease.
    pub fn latest_release(&self, now: Timestamp) -> Option<&Release> {
        self.releases_at(now).into_iter().find(|release| !release.draft && !release.prerelease)
    }
}

/// The refusal of something that the real GitHub has and this one does not: an error that names it,
/// because an empty answer would be a lie.
pub(super) fn not_simulated(what: &str) -> Refused {
    Refused::status(501, NOT_SIMULATED, format!("the simulated GitHub does not have {what}"))
}

/// The kind of a refusal made by [`not_simulated`].
pub(super) const NOT_SIMULATED: &str = "NOT_SIMULATED";
