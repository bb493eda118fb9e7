//! How a pull request is brought to a change: opened, updated in place, given a new text, or left
//! alone.

use super::index::Index;
use super::text_digest;
use crate::domain::{Action, Change, ProposalSeen};

/// What becomes of the pull request for a change.
pub enum Step {
    /// A person committed to its branch.
    HandsOff(u64),
    /// It stands as it should.
    Stands,
    /// It is open, and this brings it there.
    Act(Action),
    /// There is none yet: this opens it.
    Open(Action),
}

/// The step that brings the proposal `key` to `change`, with `body` as its text.
pub fn step(index: &Index<'_>, key: &str, change: &Change, body: String) -> Step {
    let propose = |update: Option<&ProposalSeen>, body: String| Action::Propose {
        key: key.to_owned(),
        update: update.map(|seen| seen.number),
        change: change.clone(),
        body,
    };
    match index.open(key) {
        None => Step::Open(propose(None, body)),
        Some(seen) if seen.touched => Step::HandsOff(seen.number),
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
