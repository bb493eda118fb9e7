//! How findings read: clauses and sentences for people, shared by verdicts, pull requests and
//! manifests. Plain text without markup; whoever puts it into a page or a message escapes it.

use std::collections::BTreeSet;

use crate::domain::{
    Assessment, Check, EvidenceOverride, HeldUntil, Issue, IssueKind, OddDependencies, OverriddenAs,
    OwnCheck, OwnResult, PackageName,
};

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
    let failing = assessment.overridden.iter().filter(|word| word.says == OverriddenAs::Failing);
    clauses.extend(failing.map(override_in_words));
    clauses.extend(outdated_in_words(assessment));
    let checked = assessment.issues.iter().any(|issue| issue.kind() == IssueKind::RCmdCheck);
    clauses.extend(assessment.own_check.as_ref().filter(|_| checked).map(|check| match check.result {
        OwnResult::Passed => format!("{}, which does not change that", own_check_in_words(check)),
        _ => own_check_in_words(check),
    }));
    clauses.join("; ")
}

/// One clause about a package that passes: that nothing speaks against it, what an own check cleared, or whose
/// word it passes by; and what it depends on that would come from elsewhere.
pub fn nothing_against(assessment: Option<&Assessment>) -> String {
    let Some(assessment) = assessment else { return "nothing speaks against it".to_owned() };
    let passes = match (&assessment.overridden, cleared_in_words(assessment)) {
        (Some(word), _) => override_in_words(word),
        (None, Some(cleared)) => format!("nothing speaks against it any more: {cleared}"),
        (None, None) => "nothing speaks against it".to_owned(),
    };
    match elsewhere_in_words(&assessment.from_elsewhere) {
        Some(elsewhere) => format!("{passes}; {elsewhere}"),
        None => passes,
    }
}

/// One clause about an operator's word: what it says, whose it is, why, and until when it counts.
pub fn override_in_words(word: &EvidenceOverride) -> String {
    let EvidenceOverride { says, version, until, by, reason, .. } = word;
    format!("{by} says that {version} counts as {says} until {until} ({reason})")
}

/// One clause about dependencies that come from elsewhere; none where all are in the distribution.
pub fn elsewhere_in_words(names: &[impl AsRef<str>]) -> Option<String> {
    let verb = if names.len() == 1 { "does not pass and comes" } else { "do not pass and come" };
    (!names.is_empty()).then(|| format!("{}, on which it depends, {verb} from elsewhere", listed(names)))
}

/// One clause about the dependencies that came in after the checks of a package began, and what makes these
/// count again; none where they are fresh.
pub fn outdated_in_words(assessment: &Assessment) -> Option<String> {
    let last = assessment.outdated_by.iter().map(|dependency| dependency.at).max()?;
    let names: Vec<&str> =
        assessment.outdated_by.iter().map(|dependency| dependency.package.as_str()).collect();
    let (were, last) = match names.len() {
        1 => ("was updated", last.strftime("at %Y-%m-%dT%H:%M:%SZ")),
        _ => ("were updated", last.strftime("up to %Y-%m-%dT%H:%M:%SZ")),
    };
    Some(format!(
        "its checks began before {} {were} {last}, so they say nothing of it until it is rebuilt",
        listed(&names)
    ))
}

/// A clause for each thing that is odd about dependencies.
pub fn odd_in_words(odd: &OddDependencies) -> Vec<String> {
    let circle = |names: &Vec<PackageName>| match names.as_slice() {
        [one] => format!("{one} depends on itself"),
        names => format!("{} depend on each other in a circle", listed(names)),
    };
    let missing = odd.missing.iter().map(|(package, dependents)| {
        let (names, depend) = (listed(dependents), if dependents.len() == 1 { "depends" } else { "depend" });
        format!("{names} {depend} on {package}, which the channel lists and its universe lacks")
    });
    odd.circles.iter().map(circle).chain(missing).collect()
}

/// One clause about what would release a package of which nobody can tell.
pub fn release_in_words(until: &BTreeSet<HeldUntil>) -> String {
    let one = |until: &HeldUntil| match until {
        HeldUntil::SourcesAnswer => "its sources answer again",
        HeldUntil::LooksAgree => "later looks agree with the sudden change that is held",
        HeldUntil::Confirmed => {
            "the source says again what it said before, or an operator confirms the change with `tidegate guard confirm`"
        }
        HeldUntil::Checked => "the universe has checked this build with each R that counts",
        HeldUntil::DependenciesKnown => "the same is known of what it depends on",
        HeldUntil::DependenciesBuilt => {
            "its universe has what it depends on, or the channel lists that no more"
        }
    };
    let all: Vec<&str> = until.iter().map(one).collect();
    match all.as_slice() {
        [] => "it stays as it is until its sources answer again".to_owned(),
        all => format!("it stays as it is until {}", all.join(", and until ")),
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
    let mut clauses: Vec<String> = checks.iter().filter_map(Check::failed_build_in_words).collect();
    let mut results: Vec<(&str, Vec<String>)> = Vec::new();
    for check in checks.iter().filter(|check| check.failed_build_in_words().is_none()) {
        let place = place_in_words(check);
        match results.iter_mut().find(|(result, _)| *result == check.check) {
            Some((_, places)) => places.push(place),
            None => results.push((&check.check, vec![place])),
        }
    }
    let each = results.iter().map(|(result, places)| format!("with {result} on {}", listed(places)));
    let each = each.collect::<Vec<_>>().join(", and ");
    clauses.extend((!results.is_empty()).then(|| format!("R CMD check ends {each}")));
    clauses.join("; ")
}

/// Where a check ran; with its R where the name of the place speaks of an older one, which is the targeted one
/// where a new R came out within the cycle.
fn place_in_words(check: &Check) -> String {
    match check.config.contains("oldrel") {
        true => format!("{} (R {})", check.config, check.r),
        false => check.config.clone(),
    }
}
