//! What the decision before said, and what changed by the one in question.

use jiff::Timestamp;
use serde::Serialize;

use super::explanation::{Said, said};
use crate::store;

/// The decision that was in force just before another one in the same place.
#[derive(Debug, Serialize)]
pub(super) struct Before {
    pub kind: String,
    pub version: Option<String>,
    pub reason: String,
    pub since: Timestamp,
    /// What is different now, in the order in which people look for it: the decision, the version, what is at
    /// fault. Empty where only the words are others.
    pub changed: Vec<Change>,
}

/// One difference between two decisions.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Change {
    pub what: Changed,
    pub from: String,
    pub to: String,
}

/// What is different.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Changed {
    /// The kind of the decision.
    Decision,
    /// The version in question.
    Version,
    /// The commit in question, where the version is the same.
    Commit,
    /// The packages at fault.
    RootCauses,
}

impl Changed {
    /// The word for it in a line for people.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Decision => "decision",
            Self::Version => "version",
            Self::Commit => "commit",
            Self::RootCauses => "at fault",
        }
    }
}

/// The decision of `history` that `verdict` took the place of, with what it changed; none where it was the
/// first. A decision after a gap, in which the package was gone, took nobody's place.
pub(super) fn before(
    verdict: &store::Verdict,
    now: &Said,
    history: &[&store::Verdict],
) -> anyhow::Result<Option<Before>> {
    let same_place = |other: &&&store::Verdict| {
        (&other.distribution, &other.scope) == (&verdict.distribution, &verdict.scope)
    };
    let earlier = history.iter().rev().filter(same_place).find(|other| other.until == Some(verdict.since));
    let Some(earlier) = earlier else { return Ok(None) };
    let was = said(earlier)?;
    Ok(Some(Before {
        kind: earlier.kind.clone(),
        since: earlier.since,
        changed: changes((&earlier.kind, &was), (&verdict.kind, now)),
        version: was.version,
        reason: was.reason,
    }))
}

fn changes((kind, was): (&str, &Said), (new_kind, now): (&str, &Said)) -> Vec<Change> {
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
    let named = |said: &Said| match said.root_causes.as_slice() {
        [] => "nothing".to_owned(),
        causes => causes.join(", "),
    };
    let commit = match was.version == now.version {
        true => (Changed::Commit, or_none(&was.commit), or_none(&now.commit)),
        false => (Changed::Version, or_none(&was.version), or_none(&now.version)),
    };
    let all = [
        (Changed::Decision, kind.replace('-', " "), new_kind.replace('-', " ")),
        commit,
        (Changed::RootCauses, named(was), named(now)),
    ];
    let different = all.into_iter().filter(|(_, from, to)| from != to);
    different.map(|(what, from, to)| Change { what, from, to }).collect()
}
