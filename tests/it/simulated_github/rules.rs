//! What holds whatever happens.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use tidegate::clock::ManualClock;
use tidegate::rehearse::github::event::{Expect, RefChange};
use tidegate::rehearse::github::git::FileChanges;
use tidegate::rehearse::github::people::People;
use tidegate::rehearse::github::pulls::{NewPullRequest, PullEdit, PullState};
use tidegate::rehearse::github::{Event, GitHubState, SimulatedGitHub};

use super::{STAGING, scheduled, start, world};

/// A step of a story: what the viewer or a person tries, some minutes after the last step. Branches
/// and files are few, so that steps meet each other.
#[derive(Clone, Debug)]
enum Step {
    Branch(u8),
    Reset(u8),
    Delete(u8),
    Commit { branch: u8, line: u8, person: bool },
    Open { branch: u8, package: char },
    Close(u64),
    Advance,
}

fn step() -> impl Strategy<Value = (u8, Step)> {
    let step = prop_oneof![
        (0..3u8).prop_map(Step::Branch),
        (0..3u8).prop_map(Step::Reset),
        (0..3u8).prop_map(Step::Delete),
        (0..4u8, 0..9u8, any::<bool>()).prop_map(|(branch, line, person)| Step::Commit {
            branch,
            line,
            person
        }),
        (0..3u8, prop_oneof![Just('a'), Just('c'), Just('e')])
            .prop_map(|(branch, package)| Step::Open { branch, package }),
        (1..5u64).prop_map(Step::Close),
        Just(Step::Advance),
    ];
    (1..250u8, step)
}

/// The event that a step tries; branch 3 is `main`. None for [`Step::Advance`].
fn event(step: &Step, state: &GitHubState, at: Timestamp) -> Option<Event> {
    let name = |branch: u8| if branch == 3 { "main".to_owned() } else { format!("branch-{branch}") };
    let repository = STAGING.to_owned();
    let git = state.repository(STAGING).unwrap().git.as_ref().unwrap();
    let refs = |branch: u8, expect, after| {
        let change = RefChange { name: format!("refs/heads/{}", name(branch)), expect, after, force: true };
        Event::RefsChanged {
            repository: STAGING.into(),
            changes: vec![change],
            by: "tidegate-bot".into(),
            at,
        }
    };
    Some(match step {
        Step::Branch(branch) => refs(*branch, Expect::Absent, git.branch("main")),
        Step::Reset(branch) => refs(*branch, Expect::Present, git.branch("main")),
        Step::Delete(branch) => refs(*branch, Expect::Present, None),
        Step::Commit { branch, line, person } => {
            let (branch, tip) = (name(*branch), git.branch(&name(*branch))?);
            let entry = git.entry(git.commit(tip)?.tree, "packages.json")?;
            let text = std::str::from_utf8(git.blob(entry.oid)?).ok()?;
            let changed = |(index, text): (usize, &str)| {
                if index == usize::from(*line) * 4 {
                    format!("{text} {branch}\n")
                } else {
                    format!("{text}\n")
                }
            };
            let text: String = text.lines().enumerate().map(changed).collect();
            Event::Committed(tidegate::rehearse::github::event::NewCommit {
                repository,
                branch,
                expected_head: Some(tip),
                message: "Change a line".into(),
                changes: FileChanges::write([("packages.json", text)]),
                by: if *person { "somebody".into() } else { "tidegate-bot".into() },
                at,
                scheduled: false,
            })
        }
        Step::Open { branch, package } => Event::PullOpened(NewPullRequest {
            fork: None,
            repository,
            title: "Promote".into(),
            body: format!("<!-- tidegate: {{\"packages\": [\"{package}\"]}} -->"),
            head: name(*branch),
            base: "main".into(),
            draft: false,
            by: "tidegate-bot".into(),
            at,
        }),
        Step::Close(number) => Event::PullEdited(PullEdit {
            repository,
            number: *number,
            title: None,
            body: None,
            state: Some(PullState::Closed),
            base: None,
            by: "tidegate-bot".into(),
            at,
        }),
        Step::Advance => return None,
    })
}

fn initial() -> GitHubState {
    let mut state = world();
    let merge_after = Duration::from_secs(4 * 3600);
    state.people = Some(People { merge_after, close: vec!["c".into()], edit: vec!["e".into()] });
    state.schedule([scheduled(start() + SignedDuration::from_hours(7), "{}\n")]);
    state
}

/// All that can be seen of the repository that the story is about.
fn seen(github: &SimulatedGitHub) -> String {
    github.read(|state| {
        let repository = state.repository(STAGING).unwrap();
        format!("{:#?} {:#?}", repository.pulls, repository.git.as_ref().unwrap().refs)
    })
}

fn check_pull_requests(github: &SimulatedGitHub) {
    github.read(|state| {
        let repository = state.repository(STAGING).unwrap();
        let git = repository.git.as_ref().unwrap();
        let main = git.branch("main").unwrap();
        for pull in repository.pulls.values() {
            if pull.is_open() {
                assert_eq!(git.branch(&pull.head), Some(pull.head_oid), "an open one follows its branch");
                assert!(!git.contains(main, pull.head_oid), "an open one has something to merge");
            }
            if let Some(merge) = &pull.merged {
                assert!(!pull.is_open() && git.contains(main, merge.commit), "a merged one is in the base");
                assert_ne!(
                    pull.touched_by.as_deref().map(|_| merge.by.as_str()),
                    Some("moderator"),
                    "nobody merges what a person touched"
                );
            }
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_crash_at_any_line_of_the_journal_changes_nothing(story in prop::collection::vec(step(), 1..40), cut in 0.0..1.0f64) {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("github.jsonl");
        let clock = ManualClock::new(start());
        let github = SimulatedGitHub::open(initial(), &journal, clock.clone()).unwrap();
        let mut now = start();
        for (minutes, step) in &story {
            now += SignedDuration::from_mins(i64::from(*minutes));
            match github.read(|state| event(step, state, now)) {
                // Many steps are refused, as they would be on GitHub.
                Some(event) => drop(github.perform(event)),
                None => drop(github.advance_to(now).unwrap()),
            }
            check_pull_requests(&github);
        }
        let end = now + SignedDuration::from_hours(24);
        let lines_before = std::fs::read_to_string(&journal).unwrap().lines().count();
        github.advance_to(end).unwrap();
        check_pull_requests(&github);

        let again = SimulatedGitHub::open(initial(), &journal, clock.clone()).unwrap();
        prop_assert_eq!(seen(&again), seen(&github));

        // People go on from wherever a crash ended the last advance of the clock.
        let written = std::fs::read_to_string(&journal).unwrap();
        let lines: Vec<&str> = written.split_inclusive('\n').collect();
        let kept = lines_before + ((lines.len() - lines_before) as f64 * cut) as usize;
        std::fs::write(&journal, lines[..kept].concat()).unwrap();
        let crashed = SimulatedGitHub::open(initial(), &journal, clock).unwrap();
        crashed.advance_to(end).unwrap();
        prop_assert_eq!(seen(&crashed), seen(&github));
    }
}
