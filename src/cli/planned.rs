//! A plan as a person reads it.

use super::CommandError;
use super::shown::{plain, word};
use crate::decide::snapshot::SnapshotPlan;
use crate::domain::{Action, Move, Plan};

/// A plan as it was stored.
pub(super) enum Planned {
    Promotion(Plan),
    Snapshot(SnapshotPlan),
}

impl Planned {
    /// Reads a stored plan: a snapshot's has members, a promotion's has actions.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, CommandError> {
        let unreadable = |error| CommandError::failed(format!("the plan cannot be read: {error}"));
        let value: serde_json::Value = serde_json::from_slice(bytes).map_err(unreadable)?;
        Ok(match value.get("members") {
            Some(_) => Self::Snapshot(serde_json::from_value(value).map_err(unreadable)?),
            None => Self::Promotion(serde_json::from_value(value).map_err(unreadable)?),
        })
    }

    /// Why a guard holds it.
    pub(super) fn held(&self) -> Option<&str> {
        match self {
            Self::Promotion(_) => None,
            Self::Snapshot(plan) => plan.held.as_deref(),
        }
    }

    /// Actions first, then the decision on every package.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Promotion(plan) => promotion(plan),
            Self::Snapshot(plan) => snapshot(plan),
        }
    }
}

fn promotion(plan: &Plan) -> String {
    let mut text = String::from("would do\n");
    if plan.actions.is_empty() {
        text += "  nothing\n";
    }
    for action in &plan.actions {
        let (what, moves) = match action {
            Action::Commit(change) => (format!("commit: {}", change.title), &change.moves[..]),
            Action::Propose { update: None, change, .. } => {
                (format!("open a pull request: {}", change.title), &change.moves[..])
            }
            Action::Propose { update: Some(number), change, .. } => {
                (format!("update pull request #{number}: {}", change.title), &change.moves[..])
            }
            Action::Retext { number, title, .. } => {
                (format!("give pull request #{number} a new text: {title}"), &[][..])
            }
            Action::Close { number, title, .. } => {
                (format!("close pull request #{number}: {title}"), &[][..])
            }
        };
        text += &format!("  {}\n", plain(&what));
        text += &moves.iter().map(one_move).collect::<String>();
    }
    let decisions =
        plan.verdicts.iter().map(|(package, verdict)| (&**package, word(verdict.kind), &*verdict.reason));
    text + "\ndecisions\n" + &table(decisions.collect())
}

fn one_move(moved: &Move) -> String {
    let from = moved.from_version.as_deref().unwrap_or("new");
    let line = format!(
        "{}: {from} to {} at {}, because {}",
        moved.package, moved.to_version, moved.to_commit, moved.why
    );
    format!("    {}\n", plain(&line))
}

fn snapshot(plan: &SnapshotPlan) -> String {
    let mut text = match &plan.held {
        Some(why) => format!("would publish nothing: {}\n", plain(why)),
        None => format!("would publish {} packages\n", plan.members.len()),
    };
    if !plan.left_out.is_empty() {
        text += "\nleft out\n";
        let rows = plan.left_out.iter().map(|left_out| {
            (&*left_out.package, left_out.version.clone().unwrap_or_default(), &*left_out.reason)
        });
        text += &table(rows.collect());
    }
    text
}

/// Rows of package, a word, and a sentence.
fn table(rows: Vec<(&str, String, &str)>) -> String {
    let package_width = rows.iter().map(|(package, ..)| package.len()).max().unwrap_or(0);
    let word_width = rows.iter().map(|(_, word, _)| word.len()).max().unwrap_or(0);
    let lines = rows.iter().map(|(package, word, sentence)| {
        format!("  {package:<package_width$}  {:<word_width$}  {}\n", plain(word), plain(sentence))
    });
    lines.collect()
}
