//! How a pull request is brought to a change: opened, updated in place, given a new text, or left
//! alone.

use super::index::Index;
use super::{text, text_digest};
use crate::domain::{Action, Change, Move, ProposalSeen};

/// What becomes of the pull request for a change.
pub enum Step<'a> {
    /// A person committed to its branch.
    HandsOff(&'a ProposalSeen),
    /// It stands as it should.
    Stands,
    /// It is open, and this brings it there.
    Act(Action),
    /// There is none yet: this opens it.
    Open(Action),
}

/// The step that brings the proposal `key` to `change`, with `body` as its text.
pub fn step<'a>(index: &Index<'a>, key: &str, change: &Change, body: String) -> Step<'a> {
    let propose = |update: Option<&ProposalSeen>, body: String| Action::Propose {
        key: key.to_owned(),
        update: update.map(|seen| seen.number),
        change: change.clone(),
        body,
    };
    match index.open(key) {
        None => Step::Open(propose(None, body)),
        Some(seen) if seen.touched => Step::HandsOff(seen),
        Some(seen) if seen.conflicting || seen.fingerprint != change.fingerprint(&index.facts.source) => {
            Step::Act(propose(Some(seen), body))
        }
        Some(seen) if seen.text_digest == text_digest(&change.title, &body) => Step::Stands,
        Some(seen) => Step::Act(Action::Retext {
            key: key.to_owned(),
            number: seen.number,
            title: change.title.clone(),
            body,
        }),
    }
}

/// The comment on a pull request that a person took over, where there are newer releases than it has and than
/// were told there.
pub fn tell(index: &Index<'_>, seen: &ProposalSeen, change: &Change) -> Option<Action> {
    let is_news = |moved: &&Move| {
        let is = |known: Option<&String>| known == Some(&moved.to_commit);
        !is(seen.commits.get(&moved.package)) && !is(seen.told.get(&moved.package))
    };
    let news: Vec<&Move> = change.moves.iter().filter(is_news).collect();
    (!news.is_empty()).then(|| Action::Comment {
        number: seen.number,
        commits: news.iter().map(|moved| (moved.package.clone(), moved.to_commit.clone())).collect(),
        body: text::newer_comment(index, &news),
    })
}
