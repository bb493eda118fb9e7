//! Which snapshot `latest` shows: the newest, or an older one that a person went back to.

use jiff::civil::Date;

use crate::domain::LatestChoice;

/// A snapshot that was published, as far as the rule looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its date.
    pub date: Date,
    /// Whether it was withdrawn as a whole.
    pub is_withdrawn: bool,
}

/// The snapshot that `latest` shows; none where there is nothing it should show, and it stays as it is.
///
/// A person's choice ends with the next snapshot that is published. Where the chosen one is withdrawn meanwhile,
/// the newest before it is shown, since what came after it was left on purpose.
pub fn latest(snapshots: &[Candidate], choice: Option<&LatestChoice>) -> Option<Date> {
    let newest = snapshots.iter().map(|snapshot| snapshot.date).max()?;
    let shown = snapshots.iter().filter(|snapshot| !snapshot.is_withdrawn).map(|snapshot| snapshot.date);
    let chosen = choice.filter(|choice| choice.newest >= newest);
    let up_to_choice = chosen.and_then(|choice| shown.clone().filter(|date| *date <= choice.date).max());
    up_to_choice.or_else(|| shown.max())
}
