//! An explanation for a terminal.

use super::super::shown::{plain, rows};
use super::change::Change;
use super::explanation::{Explained, Explanation, Interval, RootCause};
use super::{culprit_wishes, own_checks, upstream};
use crate::domain::Actor;

/// The whole explanation.
pub(super) fn page(explanation: &Explanation) -> String {
    let mut page = String::new();
    if explanation.verdicts.is_empty() {
        page += &nothing_in_force(explanation);
    }
    for verdict in &explanation.verdicts {
        if !page.is_empty() {
            page.push('\n');
        }
        page += &one(&explanation.package, verdict);
    }
    page += &explanation
        .own_checks
        .iter()
        .map(|shown| own_checks::text(&explanation.package, shown))
        .collect::<String>();
    page += &explanation.culprit_wishes.iter().map(culprit_wishes::text).collect::<String>();
    let upstream = explanation.upstream.iter();
    page += &upstream.map(|shown| upstream::text(&explanation.package, shown)).collect::<String>();
    if let Some(history) = &explanation.history {
        page += "\nhistory\n";
        page += &history.iter().map(interval).collect::<String>();
    }
    page
}

/// What is said where no decision was in force.
pub(super) fn nothing_in_force(explanation: &Explanation) -> String {
    let package = &explanation.package;
    match (explanation.at, explanation.first_decided) {
        (_, None) => format!("Nothing was ever decided on {package} in this distribution.\n"),
        (Some(at), Some(first)) if at < first => {
            format!("Nothing was decided on {package} at {at} yet; the first decision is of {first}.\n")
        }
        (Some(at), Some(_)) => format!("No decision on {package} was in force at {at}: it was gone.\n"),
        (None, Some(_)) => {
            format!("No decision on {package} is in force: it is gone. `--history` shows what was.\n")
        }
    }
}

/// The people who have to act, in words.
pub(super) fn who(actor: Actor) -> &'static str {
    match actor {
        Actor::Nobody => "nobody",
        Actor::Moderators => "the moderators of the distribution",
        Actor::Maintainer => "the maintainer of the package",
        Actor::MaintainersOfRootCauses => "the maintainers of the packages behind it",
        Actor::Operator => "the operator of tidegate",
    }
}

/// The version with its commit, whole: it is what people look up elsewhere.
pub(super) fn which(verdict: &Explained) -> String {
    match (&verdict.version, &verdict.commit) {
        (Some(version), Some(commit)) => format!("{version} at {commit}"),
        (Some(version), None) => version.clone(),
        (None, Some(commit)) => commit.clone(),
        (None, None) => "none".to_owned(),
    }
}

fn one(package: &str, verdict: &Explained) -> String {
    let mut text = match verdict.snapshot {
        Some(date) => format!("{package} in the snapshot {date} of {}\n", verdict.distribution),
        None => format!("{package} in {}, {}\n", verdict.distribution, verdict.scope),
    };
    text += &format!("  {}\n\n", verdict.sentence);
    let input = verdict.input_digest.as_ref().map_or_else(
        || "not kept: the run ended before its end was recorded".to_owned(),
        |digest| format!("sha256 {digest}"),
    );
    let told = [
        ("why", Some(plain(&verdict.reason))),
        ("since", Some(verdict.since.to_string())),
        ("changed", what_changed(verdict)),
        ("next", Some(plain(&verdict.next))),
        ("who acts", Some(who(verdict.actor).to_owned())),
        ("version", Some(plain(&which(verdict)))),
        ("decided by", Some(format!("run {}", verdict.run))),
        ("from input", Some(input)),
    ];
    text += &rows(told.into_iter().filter_map(|(name, value)| Some((name, value?))));
    if !verdict.root_causes.is_empty() {
        text += "\n  behind it\n";
        text += &verdict.root_causes.iter().map(|cause| root_cause(cause, 2)).collect::<String>();
    }
    text
}

/// What is different from the decision before, which the history tells whole.
/// Nothing for the first decision in its place.
pub(super) fn what_changed(verdict: &Explained) -> Option<String> {
    let before = verdict.before.as_ref()?;
    let one =
        |change: &Change| format!("{} {} → {}", change.what.word(), plain(&change.from), plain(&change.to));
    let changed: Vec<String> = before.changed.iter().map(one).collect();
    let changed = if changed.is_empty() { "the reason".to_owned() } else { changed.join(", ") };
    Some(format!("{changed}; before: {}", plain(&before.reason)))
}

fn root_cause(cause: &RootCause, depth: usize) -> String {
    let said = match (&cause.kind, &cause.reason) {
        (Some(kind), Some(reason)) => format!("{}: {}", kind.replace('-', " "), plain(reason)),
        _ => "nothing was decided on it".to_owned(),
    };
    let line = format!("{}{}  {said}\n", "  ".repeat(depth), cause.package);
    let deeper = cause.root_causes.iter().map(|cause| root_cause(cause, depth + 1));
    std::iter::once(line).chain(deeper).collect()
}

fn interval(interval: &Interval) -> String {
    let until = interval.until.map_or_else(|| "now".to_owned(), |until| until.to_string());
    let version = interval.version.as_deref().unwrap_or("-");
    let place = format!("{}/{}", interval.distribution, interval.scope);
    let (since, kind) = (interval.since, &interval.kind);
    format!("  {since} to {until}  {place}  {kind}  {}  {}\n", plain(version), plain(&interval.reason))
}
