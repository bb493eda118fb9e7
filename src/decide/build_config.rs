//! The rule for an integration repository: by which step it learns what the newest metapackage holds, when
//! that is done by pull request.
//!
//! There is one pull request at a time, from one branch. What a person closed is refused for these builds; a
//! branch with a person's commit is left alone.

/// A pull request from the branch, open or closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownProposal {
    /// Its number.
    pub number: u64,
    /// True while it is open.
    pub open: bool,
    /// True where it was closed without being merged.
    pub refused: bool,
    /// The digest of the files that it wants, where it is ours.
    pub fingerprint: Option<String>,
}

/// What to do about files that have to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProposalStep {
    /// The pull request of this number was closed, which is a no for exactly these files.
    Refused(u64),
    /// One that wants exactly these files is open.
    Stands,
    /// The open one of this number is brought up to these files.
    Update(u64),
    /// A new one is opened.
    Open,
}

/// Decides from the pull requests of the branch, in the order of their numbers. A refusal of these files
/// counts before anything else.
pub fn step(known: &[KnownProposal], fingerprint: &str) -> ProposalStep {
    let same = |one: &&KnownProposal| one.fingerprint.as_deref() == Some(fingerprint);
    if let Some(refused) = known.iter().rev().filter(same).find(|one| one.refused) {
        return ProposalStep::Refused(refused.number);
    }
    match known.iter().rev().find(|one| one.open) {
        Some(open) if same(&open) => ProposalStep::Stands,
        Some(open) => ProposalStep::Update(open.number),
        None => ProposalStep::Open,
    }
}
