//! What is told of a recheck: to the maintainers of each package in trouble, and to those who look after the
//! distribution. Pure: from verdicts and stored tests to titles, texts and comments in Markdown.
//!
//! The texts hold no time but that of a change, so that the same state gives the same text: what did not
//! change is not written again. Everything from outside goes through [`crate::github::markdown`].

mod news;
mod package;
mod pieces;
mod reproduce;
mod summary;

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::recheck::{CaseState, CaseVerdict};
use super::report::{Trouble, Troubles};
use crate::domain::{Build, Environment, RecheckCase, RecheckMode};

pub use news::{moved_comment, package_comment};
pub use package::{body, over_body, title};
pub use reproduce::explicit_list;
pub use summary::{Passed, SummaryFacts, Told, summary_body, summary_title};

/// What all reports of one recheck have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The distribution's name for people.
    pub distribution: String,
    /// The metapackage that is rechecked.
    pub metapackage: Build,
    /// The channel that gets what is green.
    pub to: String,
    /// The channels, the distribution's own first, then the others in the order of their priority.
    pub channels: Vec<ChannelPlace>,
    /// When rechecks are due, as a clause: "by the schedule `0 4 * * *` (UTC)".
    pub due: String,
}

/// Where a channel lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelPlace {
    /// Its address as builds name it; it begins with `file:` for a folder of this machine.
    pub address: String,
    /// Where everybody else reads it; absent where nobody said so.
    pub public: Option<String>,
}

/// A case in trouble, with what its test left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TroubledCase {
    /// What was decided.
    pub verdict: CaseVerdict,
    /// Since when it has been in trouble.
    pub since: Timestamp,
    /// The environment in which it was tested, where there is one.
    pub environment: Option<Environment>,
    /// The end of its log.
    pub log: Option<String>,
    /// The number of the run that tested it last.
    pub run: Option<i64>,
}

/// How a package came out of trouble.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It is green everywhere, with these versions and builds.
    Green(BTreeSet<String>),
    /// It may pass for another reason, with these versions and builds: it may go without tests.
    Otherwise(BTreeSet<String>),
    /// It is no member any more.
    Left,
}

impl Ending {
    /// How a package whose verdicts these are came out of it.
    pub fn of<'v>(verdicts: impl IntoIterator<Item = &'v CaseVerdict>) -> Self {
        let verdicts: Vec<&CaseVerdict> = verdicts.into_iter().collect();
        let revisions = verdicts.iter().map(|verdict| revision(verdict)).collect();
        if verdicts.is_empty() {
            Self::Left
        } else if verdicts.iter().all(|verdict| verdict.settled == Some(CaseState::Green)) {
            Self::Green(revisions)
        } else {
            Self::Otherwise(revisions)
        }
    }
}

/// Version and build of what a verdict is about.
fn revision(verdict: &CaseVerdict) -> String {
    format!("{} {}", verdict.case.member.version, verdict.case.member.build)
}

/// Whether a case is in trouble, as far as it is known: what was red and cannot be tested now still is.
/// `without_tests` may pass although they carry no tests.
pub fn is_troubled(verdict: &CaseVerdict, without_tests: &BTreeSet<String>) -> bool {
    match verdict.settled {
        Some(CaseState::Red) => true,
        Some(CaseState::NoTests) => !without_tests.contains(&verdict.case.member.name),
        _ => false,
    }
}

/// A case in trouble as the rule of news reads it. It begins at `since` unless it is known already.
pub fn trouble(verdict: &CaseVerdict, since: Timestamp) -> Trouble {
    Trouble { since, revision: revision(verdict), fault: verdict.culprit.clone().unwrap_or_default() }
}

/// The name of a case's place among the troubles of its package.
pub fn place(case: &RecheckCase) -> String {
    format!("{}/{}", case.platform, case.mode)
}

/// The name of a case's place among the troubles of its distribution.
pub fn place_in_distribution(case: &RecheckCase) -> String {
    format!("{}/{}", case.member.name, place(case))
}

/// A platform and a mode as people say them.
fn place_in_words(platform: &str, mode: RecheckMode) -> String {
    let with = match mode {
        RecheckMode::Latest => "with the newest dependencies",
        RecheckMode::Pinned => "within the lines of the metapackage",
    };
    format!("{platform} {with}")
}

/// The place that a key of [`place`] stands for.
fn key_in_words(key: &str) -> String {
    match key.split_once('/') {
        Some((platform, "latest")) => place_in_words(platform, RecheckMode::Latest),
        Some((platform, "pinned")) => place_in_words(platform, RecheckMode::Pinned),
        _ => key.to_owned(),
    }
}

/// Every change of fault that is known of some troubles, each once.
fn faults(troubles: &Troubles) -> BTreeSet<&Vec<String>> {
    troubles.values().map(|trouble| &trouble.fault).filter(|fault| !fault.is_empty()).collect()
}
