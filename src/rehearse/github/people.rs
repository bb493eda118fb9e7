//! The people of a world: a moderator who merges, maintainers who refuse or who push a commit, and
//! the commits that the world makes by itself. All of them act at exact times of the simulated clock.

use std::time::Duration;

use jiff::Timestamp;

use super::event::{Event, NewCommit};
use super::git::FileChanges;
use super::pulls::{self, MergeMethod, PullEdit, PullMerge, PullState};
use super::state::{GitHubState, PullRequest, Repository};

/// How the people of a world behave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct People {
    /// A moderator merges a pull request that is open, mergeable, not a draft and not touched by a
    /// person, once its head is this old.
    pub merge_after: Duration,
    /// Packages whose maintainer closes the pull request half of that time after it was opened.
    pub close: Vec<String>,
    /// Packages whose maintainer pushes a commit to the branch half of that time after it was opened.
    pub edit: Vec<String>,
}

/// Something that people, or the world's schedule, did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeopleEvent {
    /// When.
    pub at: Timestamp,
    /// `owner/name`.
    pub repository: String,
    /// What.
    pub deed: Deed,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    /// The world's schedule added a commit to the default branch.
    Scheduled,
    /// A maintainer closed this pull request unmerged.
    Closed(u64),
    /// A maintainer pushed a commit to this pull request's branch.
    Edited(u64),
    /// A moderator merged this pull request.
    Merged(u64),
}

/// Logins of the people.
const MODERATOR: &str = "moderator";
const MAINTAINER: &str = "maintainer";

/// The next deed: not before `now`, since what is overdue happens at once. None where nobody has anything to do.
pub(super) fn next(state: &GitHubState, now: Timestamp) -> Option<PeopleEvent> {
    let scheduled = state.schedule.get(state.played).map(|commit| PeopleEvent {
        at: commit.at.max(now),
        repository: commit.repository.clone(),
        deed: Deed::Scheduled,
    });
    let mut due: Vec<PeopleEvent> = scheduled.into_iter().collect();
    if let Some(people) = &state.people {
        for repository in state.repositories.values().filter(|repository| repository.git.is_some()) {
            let open = repository.pulls.values().filter(|pull| pull.is_open());
            due.extend(open.flat_map(|pull| people.plans(repository, pull, now)));
        }
    }
    due.sort_by(|a, b| (a.at, &a.repository, a.deed).cmp(&(b.at, &b.repository, b.deed)));
    // Merging is tried last: whether a pull request merges is costly to tell, and only the first has to be known.
    due.into_iter().find(|event| match event.deed {
        Deed::Merged(number) => state.repository(&event.repository).is_some_and(|repository| {
            repository.pulls.get(&number).and_then(|pull| pulls::mergeable(repository, pull)) == Some(true)
        }),
        _ => true,
    })
}

impl People {
    /// What people mean to do with an open pull request.
    fn plans(&self, repository: &Repository, pull: &PullRequest, now: Timestamp) -> Vec<PeopleEvent> {
        let plan = |since: Timestamp, wait: Duration, deed: Deed| {
            let at = since.checked_add(wait).unwrap_or(Timestamp::MAX).max(now);
            PeopleEvent { at, repository: repository.name.clone(), deed }
        };
        let packages = packages_of(&pull.body);
        let concerns = |list: &[String]| packages.iter().any(|package| list.contains(package));
        let half = self.merge_after / 2;
        let mut plans = Vec::new();
        if concerns(&self.close) {
            plans.push(plan(pull.created_at, half, Deed::Closed(pull.number)));
        }
        if pull.touched_by.is_none() {
            if concerns(&self.edit) {
                plans.push(plan(pull.created_at, half, Deed::Edited(pull.number)));
            }
            if !pull.draft {
                plans.push(plan(pull.head_since, self.merge_after, Deed::Merged(pull.number)));
            }
        }
        plans
    }
}

/// The event that carries out what [`next`] found.
pub(super) fn carry_out(state: &GitHubState, deed: &PeopleEvent) -> Event {
    let (repository, at) = (deed.repository.clone(), deed.at);
    match deed.deed {
        Deed::Scheduled => {
            let commit = &state.schedule[state.played];
            Event::Committed(NewCommit {
                repository,
                branch: "main".into(),
                expected_head: None,
                message: commit.message.clone(),
                changes: commit.changes.clone(),
                by: MODERATOR.into(),
                at,
                scheduled: true,
            })
        }
        Deed::Closed(number) => Event::PullEdited(PullEdit {
            repository,
            number,
            title: None,
            body: None,
            state: Some(PullState::Closed),
            base: None,
            by: MAINTAINER.into(),
            at,
        }),
        Deed::Edited(number) => Event::Committed(NewCommit {
            branch: state
                .repository(&repository)
                .map_or_else(String::new, |known| known.pulls[&number].head.clone()),
            repository,
            expected_head: None,
            message: "Keep a note".into(),
            changes: FileChanges::write([("NOTES.md", "The maintainer looks after this one.\n")]),
            by: MAINTAINER.into(),
            at,
            scheduled: false,
        }),
        Deed::Merged(number) => Event::PullMerged(PullMerge {
            repository,
            number,
            method: MergeMethod::Merge,
            message: None,
            by: MODERATOR.into(),
            at,
        }),
    }
}

/// The packages that a pull request is about: those named by the hidden marker in its description,
/// `<!-- tidegate: {"key": "...", "packages": ["a", "b"]} -->`.
pub fn packages_of(body: &str) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Marker {
        packages: Vec<String>,
    }
    let marker = body.split_once("<!-- tidegate:").and_then(|(_, rest)| rest.split_once("-->"));
    marker
        .and_then(|(marker, _)| serde_json::from_str::<Marker>(marker.trim()).ok())
        .map_or_else(Vec::new, |marker| marker.packages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_read_from_the_hidden_marker() {
        let body = "Promote a\n\n<!-- tidegate: {\"key\": \"k\", \"packages\": [\"a\", \"b\"]} -->\nmore";
        assert_eq!(packages_of(body), ["a", "b"]);
        assert!(packages_of("no marker").is_empty());
        assert!(packages_of("<!-- tidegate: not json -->").is_empty());
    }
}
