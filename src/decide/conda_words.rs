//! How decisions about conda builds read: for `explain`, for plans on the terminal, and for reports.

use std::collections::BTreeMap;
use std::fmt;

use super::integrate::{Candidate, Choice, Step};
use super::recheck::{CaseState, CaseVerdict, Gate, RecheckPlan};
use crate::domain::{Actor, RecheckMode, TestVerdict};

/// A decision as people read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The fixed sentence of its kind, with its full stop.
    pub sentence: String,
    /// Why: sentences with their full stops.
    pub reason: String,
    /// What happens next: a sentence with its full stop.
    pub next: String,
    /// Who has to act for that to happen.
    pub actor: Actor,
}

/// What a recheck says of one case.
pub fn case(verdict: &CaseVerdict) -> Told {
    let with = match verdict.case.mode {
        RecheckMode::Latest => "with the newest dependencies",
        RecheckMode::Pinned => "within the lines of the metapackage",
    };
    let place = format!("on {} {with}", verdict.case.platform);
    let member = &verdict.case.member;
    let (sentence, next, actor) = match verdict.state {
        CaseState::Green => (
            format!("{member} is green {place}."),
            "It is tested again when its environment changes.",
            Actor::Nobody,
        ),
        CaseState::Red => (
            format!("{member} is red {place}, and holds its metapackage back."),
            "A new build of it, or a change of what it depends on, is tested at the next recheck.",
            Actor::Maintainer,
        ),
        CaseState::NoTests => (
            format!("{member} carries no tests, which is never a pass."),
            "Add tests to its recipe; or let it pass by `without_tests` in the distribution's file.",
            Actor::Maintainer,
        ),
        CaseState::Waiting => (
            format!("{member} waits to be tested {place}."),
            "Its test is run in the next pass.",
            Actor::Nobody,
        ),
        CaseState::Unknown if matches!(verdict.result, Some(TestVerdict::NoEngine { .. })) => (
            format!("{member} was not tested {place}."),
            "It is tested once a recheck has an engine for its platform.",
            Actor::Operator,
        ),
        CaseState::Unknown => (
            format!("Nobody could tell whether {member} works {place}."),
            "It is tried again at the next recheck.",
            Actor::Operator,
        ),
    };
    Told { sentence, reason: reason(verdict), next: next.to_owned(), actor }
}

fn reason(verdict: &CaseVerdict) -> String {
    let mut reason = match &verdict.result {
        Some(TestVerdict::Pass) => "Every test passed.".to_owned(),
        Some(TestVerdict::Fail { step, detail }) => {
            let step = capital(&step.to_string());
            match one_line(detail) {
                detail if detail.is_empty() => format!("{step}."),
                detail => format!("{step}: {detail}."),
            }
        }
        Some(TestVerdict::TimedOut { after }) => format!("Its tests did not end within {after} seconds."),
        Some(TestVerdict::NoTests) => "Its archive holds no tests.".to_owned(),
        Some(TestVerdict::UnknownTests { why }) => {
            format!("Its tests are not known: {}.", one_line(why).trim_end_matches('.'))
        }
        Some(TestVerdict::NoEngine { why }) => {
            format!("No engine here takes its test: {}.", why.trim_end_matches('.'))
        }
        Some(TestVerdict::Infrastructure { why }) => {
            format!("Not the package, but the machine failed: {}.", why.trim_end_matches('.'))
        }
        None => "It was not tested in this environment yet.".to_owned(),
    };
    reason += &fault(verdict);
    if verdict.flaky {
        reason += " Its tests came out differently in the same environment.";
    }
    reason
}

/// What is at fault, as far as that is known, and what else changed.
fn fault(verdict: &CaseVerdict) -> String {
    let culprit = verdict.culprit.as_deref().unwrap_or_default();
    let mut told = match (culprit, &verdict.suspected) {
        ([], None) => String::new(),
        ([], Some(suspected)) => format!(
            " The fault lies among {}: they were not told apart, since {}.",
            suspected.left.join(", "),
            suspected.why
        ),
        ([only], _) => format!(" The change at fault is {only}."),
        (several, _) => format!(" The changes at fault, together, are {}.", several.join(" and ")),
    };
    let named = |change: &&String| {
        culprit.contains(change) || verdict.suspected.as_ref().is_some_and(|one| one.left.contains(change))
    };
    let others: Vec<&str> =
        verdict.changed_since_green.iter().filter(|change| !named(change)).map(String::as_str).collect();
    if !others.is_empty() {
        let also = if told.is_empty() { "Changed" } else { "Also changed" };
        told += &format!(" {also} since it was green: {}.", others.join(", "));
    }
    told
}

/// Which members cannot be installed together on a platform: a clause.
pub struct Joint<'j> {
    /// The platform.
    pub platform: &'j str,
    /// The names of the smallest set at fault; none where it was not found in time.
    pub at_fault: &'j [&'j str],
}

impl fmt::Display for Joint<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let platform = self.platform;
        match self.at_fault {
            [] => write!(formatter, "the members cannot be installed together on {platform}"),
            [only] => write!(formatter, "{only} cannot be installed on {platform}"),
            several => {
                write!(formatter, "{} cannot be installed together on {platform}", several.join(" and "))
            }
        }
    }
}

/// The largest set of members that does integrate, as a clause; none where none was found in time.
pub fn largest(integrates: usize, left_out: &[&str]) -> Option<String> {
    match (integrates, left_out) {
        (_, []) => None,
        (0, _) => Some("no member can be installed by itself".to_owned()),
        (1, left_out) => Some(format!("without {} the other one can", left_out.join(" and "))),
        (others, left_out) => Some(format!("without {} the other {others} can", left_out.join(" and "))),
    }
}

/// What speaks against a member, in the words of the solver, and which set of members does integrate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Against {
    /// Why it excludes others, and where.
    pub why: String,
    /// What [`largest`] said; none where it is not known.
    pub largest: Option<String>,
}

/// What an integration says of one member, and of what speaks against it.
pub fn choice(name: &str, choice: &Choice, against: Option<&Against>) -> Told {
    let version = choice.builds.values().next().map(|build| build.version.as_str());
    let waiting: Vec<String> = choice
        .waiting
        .iter()
        .map(|(version, without)| {
            let without: Vec<&str> = without.iter().map(String::as_str).collect();
            format!("Version {version} waits: there is no build for {}.", without.join(" and "))
        })
        .collect();
    let (sentence, mut reasons, next, actor) = match (version, against) {
        (Some(version), Some(against)) => (
            format!("{name} {version} cannot be installed together with the other members."),
            std::iter::once(&against.why)
                .chain(&against.largest)
                .map(|clause| format!("{}.", capital(&one_line(clause))))
                .collect(),
            "A newer build of it, or of what it excludes, is tried as soon as it is there.",
            Actor::Maintainer,
        ),
        (Some(version), None) => (
            format!("{name} {version} is the newest version that every platform has."),
            Vec::new(),
            "It is part of the newest metapackage, or of the next one.",
            Actor::Nobody,
        ),
        (None, _) => (
            format!("{name} has no version that every platform has."),
            Vec::new(),
            "No metapackage is made until there is one.",
            Actor::Maintainer,
        ),
    };
    reasons.extend(waiting);
    if reasons.is_empty() {
        reasons.push("Nothing newer is there.".to_owned());
    }
    Told { sentence, reason: reasons.join(" "), next: next.to_owned(), actor }
}

/// What is to be done with a candidate, as a clause.
pub fn step(step: &Step) -> String {
    let named =
        |names: &std::collections::BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
    match step {
        Step::Nothing => "the newest metapackage holds the newest builds".to_owned(),
        Step::Missing(names) => format!("no version is there for all platforms: {}", named(names)),
        Step::Backwards(names) => format!(
            "the newest complete versions are older than those of the newest metapackage: {}; put the newer \
             builds back into the channel",
            named(names)
        ),
        Step::Wanted => "newer builds are there".to_owned(),
    }
}

/// One line on what a recheck found.
pub fn summary(plan: &RecheckPlan) -> String {
    let count =
        |wanted: fn(&CaseVerdict) -> bool| plan.verdicts.iter().filter(|verdict| wanted(verdict)).count();
    let states = [
        ("green", count(|verdict| verdict.state == CaseState::Green)),
        ("red", count(|verdict| verdict.state == CaseState::Red)),
        ("without tests", count(|verdict| verdict.state == CaseState::NoTests)),
        ("unknown", count(|verdict| verdict.state == CaseState::Unknown)),
        ("to be tested", count(|verdict| verdict.state == CaseState::Waiting)),
    ];
    let told: Vec<String> = states
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(word, count)| format!("{count} {word}"))
        .collect();
    let reused = match count(|verdict| verdict.reused) {
        0 => String::new(),
        reused => format!("; {reused} not tested again in the same environment"),
    };
    let gate = match &plan.gate {
        Gate::Open => "passes".to_owned(),
        Gate::Waiting => "waits for tests".to_owned(),
        Gate::Closed(_) => "does not pass".to_owned(),
        Gate::NotWhole(platforms) => {
            format!("does not pass, since it cannot be installed as a whole on {}", with_reasons(platforms))
        }
        Gate::WholeUnknown(platforms) => format!(
            "does not pass yet, since nobody could tell whether it can be installed as a whole on {}",
            with_reasons(platforms)
        ),
        Gate::Withdrawn(files) => {
            let told: Vec<String> = files.iter().map(|(file, why)| format!("{file} ({why})")).collect();
            format!("does not pass, since a person took out {}", told.join(", "))
        }
    };
    let metapackage = &plan.metapackage;
    format!("{} {} {gate}: {}{reused}", metapackage.name, metapackage.version, told.join(", "))
}

/// Platforms, each with its reason.
fn with_reasons(platforms: &BTreeMap<String, String>) -> String {
    let told = platforms.iter().map(|(platform, why)| format!("{platform} ({})", one_line(why)));
    told.collect::<Vec<_>>().join(", ")
}

/// One line on a candidate.
pub fn candidate(candidate: &Candidate) -> String {
    format!("{} members: {}", candidate.members.len(), step(&candidate.step))
}

/// The longest detail that is part of a sentence, in characters; the log has the rest.
const DETAIL: usize = 600;

/// What a program said, as one line without a full stop.
fn one_line(said: &str) -> String {
    let words: Vec<&str> = said.split_whitespace().collect();
    let line: String = words.join(" ").chars().take(DETAIL).collect();
    line.trim_end_matches(['.', ' ']).to_owned()
}

/// A clause as the beginning of a sentence; one that begins with a mark stays as it is.
fn capital(clause: &str) -> String {
    let mut letters = clause.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
