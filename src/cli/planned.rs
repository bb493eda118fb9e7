//! A plan as a person reads it.

use super::CommandError;
use super::shown::{plain, word};
use crate::decide::channel_files::FilesPlan;
use crate::decide::conda_words;
use crate::decide::integrate::Candidate;
use crate::decide::own_check::OwnCheckPlan;
use crate::decide::recheck::RecheckPlan;
use crate::decide::snapshot::SnapshotPlan;
use crate::decide::words::{counted, issues_in_words, own_check_in_words};
use crate::domain::{Action, Assessment, ChannelStatus, Evidence, Move, Plan};

/// A plan as it was stored.
pub(super) enum Planned {
    Promotion(Plan),
    Snapshot(SnapshotPlan),
    Recheck(Box<RecheckPlan>),
    Candidate(Candidate),
    OwnChecks(OwnCheckPlan),
    Status(ChannelStatus),
    Files(FilesPlan),
    /// Of a kind that has no words of its own here: a forecast or a report, whose words are an issue's.
    Other(serde_json::Value),
}

impl Planned {
    /// Reads a stored plan: each kind has a part that no other has.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, CommandError> {
        let unreadable = |error| CommandError::failed(format!("the plan cannot be read: {error}"));
        let value: serde_json::Value = serde_json::from_slice(bytes).map_err(unreadable)?;
        let has = |part: &str| value.get(part).is_some();
        Ok(if has("gate") {
            Self::Recheck(serde_json::from_value(value).map_err(unreadable)?)
        } else if has("own_checks") {
            Self::OwnChecks(serde_json::from_value(value).map_err(unreadable)?)
        } else if has("step") {
            Self::Candidate(serde_json::from_value(value).map_err(unreadable)?)
        } else if has("members") {
            Self::Snapshot(serde_json::from_value(value).map_err(unreadable)?)
        } else if has("r_series") {
            Self::Status(serde_json::from_value(value).map_err(unreadable)?)
        } else if has("headline") {
            Self::Files(serde_json::from_value(value).map_err(unreadable)?)
        } else if has("actions") {
            Self::Promotion(serde_json::from_value(value).map_err(unreadable)?)
        } else {
            Self::Other(value)
        })
    }

    /// Why a guard holds it.
    pub(super) fn held(&self) -> Option<&str> {
        match self {
            Self::Snapshot(plan) => plan.held.as_deref(),
            Self::Status(status) => status.held.first().map(String::as_str),
            _ => None,
        }
    }

    /// Actions first, then the decision on every package.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Promotion(plan) => promotion(plan),
            Self::Snapshot(plan) => snapshot(plan),
            Self::Recheck(plan) => rechecked(plan),
            Self::Candidate(candidate) => chosen(candidate),
            Self::OwnChecks(plan) => own_checks(plan),
            Self::Status(status) => status_drawn(status),
            Self::Files(plan) => files(plan),
            Self::Other(value) => format!("{value:#}\n"),
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
            Action::Comment { number, commits, .. } => {
                let packages: Vec<&str> = commits.keys().map(String::as_str).collect();
                (format!("tell pull request #{number} of newer releases: {}", packages.join(", ")), &[][..])
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

fn rechecked(plan: &RecheckPlan) -> String {
    let rows = plan.verdicts.iter().map(|verdict| {
        let place = format!("{} {}", verdict.case.platform, verdict.case.mode);
        (
            &*verdict.case.member.name,
            format!("{place}: {}", word(verdict.state)),
            conda_words::case(verdict).reason,
        )
    });
    let rows: Vec<(&str, String, String)> = rows.collect();
    let rows = rows.iter().map(|(member, state, reason)| (*member, state.clone(), reason.as_str()));
    format!("{}\n\nmembers\n{}", plain(&conda_words::summary(plan)), table(rows.collect()))
}

fn chosen(candidate: &Candidate) -> String {
    let told = candidate.members.iter().map(|(name, choice)| (name, conda_words::choice(name, choice, None)));
    let told: Vec<_> = told.collect();
    let rows = candidate.members.values().zip(&told).map(|(choice, (name, told))| {
        let version = choice.builds.values().next().map(|build| build.version.clone()).unwrap_or_default();
        (name.as_str(), version, told.reason.as_str())
    });
    format!("{}\n\nmembers\n{}", plain(&conda_words::candidate(candidate)), table(rows.collect()))
}

fn own_checks(plan: &OwnCheckPlan) -> String {
    let said: Vec<String> = plan.own_checks.values().map(own_check_in_words).collect();
    let rows = plan.own_checks.iter().zip(&said);
    let rows = rows.map(|((package, check), said)| (&**package, check.version.clone(), said.as_str()));
    format!("would check {}\n\nown checks\n{}", counted(plan.tests.len(), "package"), table(rows.collect()))
}

fn status_drawn(status: &ChannelStatus) -> String {
    let said = |assessment: &Assessment| match assessment.evidence {
        Evidence::Unknown => assessment.unknown.join("; "),
        _ => issues_in_words(assessment),
    };
    let rows: Vec<_> = status.packages.iter().map(|(package, known)| (package, known, said(known))).collect();
    let rows = rows.iter().map(|(package, known, said)| (&***package, word(known.evidence), said.as_str()));
    let held: String = status.held.iter().map(|held| format!("held: {}\n", plain(held))).collect();
    format!("{held}status\n{}", table(rows.collect()))
}

fn files(plan: &FilesPlan) -> String {
    let change = |(file, text): (&String, &Option<String>)| {
        format!("  {} {}\n", if text.is_some() { "write " } else { "delete" }, plain(file))
    };
    let files: String = plan.files.iter().map(change).collect();
    format!("would commit\n  {}\n\nfiles\n{files}", plain(&plan.headline))
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
