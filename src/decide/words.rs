//! How findings read: clauses and sentences for people, shared by verdicts, pull requests and
//! manifests. Plain text without markup; whoever puts it into a page or a message escapes it.

use crate::domain::{Assessment, Check, Issue};

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

/// One clause about what speaks against a package, in the words of its issues.
pub fn issues_in_words(assessment: &Assessment) -> String {
    let clauses: Vec<String> = assessment.issues.iter().map(issue_in_words).collect();
    clauses.join("; ")
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
