//! How findings read: clauses and sentences for people, shared by verdicts, pull requests and
//! manifests. Plain text without markup; whoever puts it into a page or a message escapes it.

use crate::domain::{Assessment, Check, Issue, IssueKind, OwnCheck, OwnResult};

/// More names than this in one clause are counted instead.
const NAMED: usize = 5;

/// A clause as a sentence: its first letter in upper case, a full stop at its end.
pub fn sentence(clause: &str) -> String {
    let mut letters = clause.trim().chars();
    let mut text = String::with_capacity(clause.len() + 1);
    text.extend(letters.next().into_iter().flat_map(char::to_uppercase));
    text.push_str(letters.as_str());
    if !text.ends_with(['.', '!', '?']) {
        text.push('.');
    }
    text
}

/// `1 package`, `2 packages`.
pub fn counted(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

/// `A`, `A and B`, `A, B and C`, or the first few `and 7 more`.
pub fn listed(names: &[impl AsRef<str>]) -> String {
    let shown: Vec<&str> = names.iter().take(NAMED).map(AsRef::as_ref).collect();
    match (shown.as_slice(), names.len() - shown.len()) {
        ([], _) => String::new(),
        ([one], _) => (*one).to_owned(),
        ([first @ .., last], 0) => format!("{} and {last}", first.join(", ")),
        (shown, more) => format!("{} and {more} more", shown.join(", ")),
    }
}

/// One clause about what speaks against a package, in the words of its issues. Beside bad checks stands what
/// came of tidegate's own one.
pub fn issues_in_words(assessment: &Assessment) -> String {
    let mut clauses: Vec<String> = assessment.issues.iter().map(issue_in_words).collect();
    let checked = assessment.issues.iter().any(|issue| issue.kind() == IssueKind::RCmdCheck);
    clauses.extend(assessment.own_check.as_ref().filter(|_| checked).map(|check| match check.result {
        OwnResult::Passed => format!("{}, which does not change that", own_check_in_words(check)),
        _ => own_check_in_words(check),
    }));
    clauses.join("; ")
}

/// One clause about a package that passes: that nothing speaks against it, or what an own check cleared.
pub fn nothing_against(assessment: Option<&Assessment>) -> String {
    match assessment.and_then(cleared_in_words) {
        Some(cleared) => format!("nothing speaks against it any more: {cleared}"),
        None => "nothing speaks against it".to_owned(),
    }
}

/// One clause about the bad checks that an own check cleared; none where it cleared none.
pub fn cleared_in_words(assessment: &Assessment) -> Option<String> {
    let check = assessment.own_check.as_ref().filter(|_| !assessment.cleared.is_empty())?;
    let (bad, end) = (checks_in_words(&assessment.cleared), end_in_words(check));
    Some(format!("{bad}, which tidegate's own R CMD check cleared: it {end}"))
}

/// One clause about an own check: how it came out, when, and in which R.
pub fn own_check_in_words(check: &OwnCheck) -> String {
    format!("tidegate's own R CMD check {}", end_in_words(check))
}

fn end_in_words(check: &OwnCheck) -> String {
    let OwnCheck { result, said, platform, tries, .. } = check;
    match (result, check.at) {
        (OwnResult::Passed | OwnResult::Failed, Some(at)) => {
            let r = check.r.as_deref().map(|r| format!(" in R {r}")).unwrap_or_default();
            let at = at.strftime("%Y-%m-%dT%H:%M:%SZ");
            let tries = if *tries > 1 { format!(", {tries} tries") } else { String::new() };
            format!("{result} at {at}{r} on {platform} (status {said}{tries})")
        }
        (OwnResult::Unknown, _) => format!("{result}: {said}"),
        _ => result.to_string(),
    }
}

/// One clause about one issue.
pub fn issue_in_words(issue: &Issue) -> String {
    match issue {
        Issue::Advisories(addresses) if addresses.len() == 1 => {
            "a security advisory names this version".to_owned()
        }
        Issue::Advisories(addresses) => format!("{} security advisories name this version", addresses.len()),
        Issue::License(license) if license == "NOT FOUND" => "it has no licence".to_owned(),
        Issue::License(license) => format!("its licence is not a free one ({license})"),
        Issue::RCmdCheck(checks) => checks_in_words(checks),
        Issue::Remotes(remotes) => format!("its DESCRIPTION has Remotes ({})", listed(remotes)),
        Issue::Synchronization(run) if run == "recent" => "it was published minutes ago".to_owned(),
        Issue::Synchronization(_) => "a build of it is running".to_owned(),
        Issue::Cran(version) => format!("CRAN has the higher version {version}"),
        Issue::Versions { version_current: None, .. } => "no version of it is built any more".to_owned(),
        Issue::Versions { version_current: Some(current), version_highest, .. } => match version_highest {
            Some(highest) if highest != current => {
                format!("its version went down from {highest} to {current}")
            }
            _ => format!("version {current} came again from another commit"),
        },
        Issue::Dependencies(causes) => {
            let names: Vec<&str> = causes.keys().map(String::as_str).collect();
            let verb = if names.len() == 1 { "fails" } else { "fail" };
            format!("it depends on {}, which {verb}", listed(&names))
        }
    }
}

/// `R CMD check ends with ERROR on a and b, and with WARNING on c`: the results in the order in which
/// they first occur.
fn checks_in_words(checks: &[Check]) -> String {
    let mut results: Vec<(&str, Vec<&str>)> = Vec::new();
    for check in checks {
        match results.iter_mut().find(|(result, _)| *result == check.check) {
            Some((_, configs)) => configs.push(&check.config),
            None => results.push((&check.check, vec![&check.config])),
        }
    }
    let each = results.iter().map(|(result, configs)| format!("with {result} on {}", listed(configs)));
    format!("R CMD check ends {}", each.collect::<Vec<_>>().join(", and "))
}
