//! An explanation for an issue or a comment.

use super::explanation::{Explained, Explanation, RootCause};
use super::text::{nothing_in_force, what_changed, which, who};
use super::{culprit_wishes, own_checks, upstream};
use crate::github::markdown::{code, code_in_table, escape};

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
    let shown = explanation.own_checks.iter();
    page += &shown.map(|shown| own_checks::markdown(&explanation.package, shown)).collect::<String>();
    page += &explanation.culprit_wishes.iter().map(culprit_wishes::markdown).collect::<String>();
    let shown = explanation.upstream.iter();
    page += &shown.map(|shown| upstream::markdown(&explanation.package, shown)).collect::<String>();
    let Some(history) = &explanation.history else { return page };
    page += "\n### History\n\n| since | until | where | decision | version | why |\n| --- | --- | --- | --- | --- | --- |\n";
    for interval in history {
        let until = interval.until.map_or_else(|| "now".to_owned(), |until| until.to_string());
        let version = interval.version.as_deref().map_or_else(String::new, code_in_table);
        let (since, scope, kind) = (interval.since, escape(&interval.scope), escape(&interval.kind));
        page +=
            &format!("| {since} | {until} | {scope} | {kind} | {version} | {} |\n", escape(&interval.reason));
    }
    page
}

fn one(package: &str, verdict: &Explained) -> String {
    let place = match verdict.snapshot {
        Some(date) => format!("the snapshot {date} of {}", escape(&verdict.distribution)),
        None => format!("{}, {}", escape(&verdict.distribution), escape(&verdict.scope)),
    };
    let (reason, next) = (escape(&verdict.reason), escape(&verdict.next));
    let mut text = format!("### {} in {place}\n\n**{}**\n\n{reason}\n\n", code(package), verdict.sentence);
    if !verdict.root_causes.is_empty() {
        text += "Behind it:\n\n";
        text += &verdict.root_causes.iter().map(|cause| root_cause(cause, 0)).collect::<String>();
        text.push('\n');
    }
    let input = verdict.input_digest.as_deref().map_or_else(|| "not kept".to_owned(), code);
    text += &format!("- Since: {}\n", verdict.since);
    text += &what_changed(verdict)
        .map(|changed| format!("- Changed: {}\n", escape(&changed)))
        .unwrap_or_default();
    text += &format!("- Next: {next}\n- Who acts: {}\n", who(verdict.actor));
    text += &format!(
        "- Version: {}\n- Decided by run {} from input {input}\n",
        code(&which(verdict)),
        verdict.run
    );
    text
}

fn root_cause(cause: &RootCause, depth: usize) -> String {
    let said = match (&cause.kind, &cause.reason) {
        (Some(kind), Some(reason)) => format!("{}: {}", escape(&kind.replace('-', " ")), escape(reason)),
        _ => "nothing was decided on it".to_owned(),
    };
    let line = format!("{}- {} {said}\n", "  ".repeat(depth), code(&cause.package));
    let deeper = cause.root_causes.iter().map(|cause| root_cause(cause, depth + 1));
    std::iter::once(line).chain(deeper).collect()
}
