//! Mistakes that no file has alone: names that lead nowhere, channels that cannot do what a job wants
//! of them, rules that contradict each other.
//!
//! The checks read the documents, not the typed values, so that a file with a mistake elsewhere is
//! checked all the same.

use std::collections::{BTreeMap, BTreeSet};

use super::distribution::{CalendarFile, Ecosystem};
use super::document::{Document, Role};
use super::nearest::{listed, nearest};
use super::{cross_conda, cross_jobs, cross_targets};
use crate::calendar::{CalendarFault, CalendarItem, RTargets};

/// What the other files need to know of a distribution.
pub(super) struct Known {
    pub(super) ecosystem: Ecosystem,
    /// Whether it says where its own people are told.
    pub(super) has_reports: bool,
    pub(super) channels: Vec<(String, BTreeSet<&'static str>)>,
    pub(super) milestones: Vec<String>,
    /// False where the file could not be parsed: then nothing can be said to be missing from it.
    pub(super) parsed: bool,
}

const CHANNEL_KEYS: [&str; 5] = ["repository", "universe", "builds", "publish", "path"];

/// Checks all documents against each other and notes in each what is wrong with it.
pub(super) fn check(documents: &mut [Document<'_>]) {
    let mut known = BTreeMap::new();
    for document in documents.iter() {
        if let Role::Distribution(name) = &document.role {
            known.insert(name.clone(), learn(document));
        }
    }
    let settings = documents.iter().find(|document| document.role == Role::Settings);
    let unpublished = settings.is_some_and(|settings| settings.parsed && !settings.has("publish"));
    let mut done = BTreeMap::new();
    let missing: Vec<_> = cross_jobs::ENGINES_ELSEWHERE
        .into_iter()
        .filter(|(name, ..)| {
            settings.is_some_and(|settings| settings.parsed && !settings.has(&format!("engine.{name}")))
        })
        .collect();
    let targets = cross_targets::known(settings);
    let sending = cross_targets::sending(documents);
    for document in documents.iter_mut().filter(|document| document.parsed) {
        match document.role.clone() {
            Role::Settings => {
                access(document);
                cross_targets::targets(document);
            }
            Role::Distribution(_) => {
                match Ecosystem::of(document) {
                    Ecosystem::RUniverse => {
                        channels(document);
                        calendar(document);
                        releases(document);
                        policy(document);
                    }
                    Ecosystem::Conda => {
                        cross_conda::channels(document);
                        cross_conda::members(document);
                    }
                }
                if unpublished {
                    publishing(document);
                }
            }
            Role::Exceptions(name) => exceptions(document, &name, &known),
            Role::Job(_) => {
                cross_jobs::job(document, &known);
                cross_jobs::done_twice(document, &mut done);
                cross_jobs::engine(document, &missing);
                cross_targets::job(document, targets.as_deref(), &sending);
            }
        }
    }
}

/// GitHub is asked by one right, not by two.
fn access(document: &mut Document<'_>) {
    if document.has("github.token") && document.has("github.app") {
        let hint = "delete `token` where tidegate is to be the App, and `app` where it is to use the token";
        let message = "`token` and `app` are both given, and GitHub is asked by one of them";
        document.report("github.app", message, "one too many", hint);
    }
}

fn learn(document: &Document<'_>) -> Known {
    let names = |list: &str| {
        let at = move |index: usize| format!("{list}.{index}");
        (0..document.length(list)).map(at).collect::<Vec<_>>()
    };
    let name = |path: &String| document.text_at(&format!("{path}.name")).map(str::to_owned);
    let keys = |path: &String| {
        CHANNEL_KEYS.into_iter().filter(|key| document.has(&format!("{path}.{key}"))).collect::<BTreeSet<_>>()
    };
    Known {
        ecosystem: Ecosystem::of(document),
        has_reports: document.has("reports"),
        channels: names("channel").iter().filter_map(|path| Some((name(path)?, keys(path)))).collect(),
        milestones: names("calendar.milestone").iter().filter_map(name).collect(),
        parsed: document.parsed,
    }
}

/// Every channel has a name of its own and exactly one home.
fn channels(document: &mut Document<'_>) {
    let mut names = BTreeSet::new();
    for index in 0..document.length("channel") {
        let at = |key: &str| format!("channel.{index}.{key}");
        let name = document.text_at(&at("name")).unwrap_or("?").to_owned();
        let has = |key: &str| document.has(&at(key));
        let (repository, universe, builds) = (has("repository"), has("universe"), has("builds"));
        let publish = has("publish");
        if repository && publish {
            let hint =
                "a channel is either listed in a repository or published as snapshots; make it two channels";
            let message = format!("channel `{name}` has both `repository` and `publish`");
            document.report(&at("publish"), message, "one too many", hint);
        }
        if !repository && !publish {
            let hint = "give it a `repository`, or `publish = \"directory\"`";
            document.report(
                &at(""),
                format!("channel `{name}` has neither `repository` nor `publish`"),
                "",
                hint,
            );
        }
        if universe != builds {
            let (given, missing) = if universe { ("universe", "builds") } else { ("builds", "universe") };
            let message = format!("channel `{name}` has `{given}` but no `{missing}`");
            document.report(&at(given), message, "useless alone", "give both, or neither");
        }
        if !names.insert(name.clone()) {
            let message = format!("two channels have the name `{name}`");
            document.report(&at("name"), message, "the second of them", "rename one of them");
        }
    }
}

fn calendar(document: &mut Document<'_>) {
    let resolved = document.typed_at::<CalendarFile>("calendar").and_then(CalendarFile::resolve);
    match resolved {
        Some(Err(faults)) => faults.iter().for_each(|fault| calendar_fault(document, fault)),
        Some(Ok(calendar)) => {
            let phases: Vec<&str> = calendar.phase_names().collect();
            let milestones: Vec<&str> = calendar.milestone_names().collect();
            let missing = RTargets::PHASES.into_iter().filter(|name| !phases.contains(name));
            for name in missing {
                let hint = format!("the targeted R and CRAN need the phases {}", listed(RTargets::PHASES));
                document.report(
                    "calendar.phase",
                    format!("there is no phase `{name}`"),
                    "not among these",
                    &hint,
                );
            }
            if !milestones.contains(&RTargets::MILESTONE) {
                let message = format!("there is no milestone `{}`", RTargets::MILESTONE);
                document.report(
                    "calendar",
                    message,
                    "missing here",
                    "the address of the snapshot needs its day",
                );
            }
        }
        None => {}
    }
}

fn calendar_fault(document: &mut Document<'_>, fault: &CalendarFault) {
    let item_path = |item: &CalendarItem, phase_key: &str, milestone_key: &str| match item {
        CalendarItem::Phase(index) => format!("calendar.phase.{index}.{phase_key}"),
        CalendarItem::Milestone(index) => format!("calendar.milestone.{index}.{milestone_key}"),
    };
    let (path, label, hint) = match fault {
        CalendarFault::Months => ("calendar.months".to_owned(), "not ascending months", ""),
        // The schema has the same limits and said so.
        CalendarFault::Day(_) => return,
        CalendarFault::NoPhase => ("calendar".to_owned(), "missing here", "add a [[calendar.phase]]"),
        CalendarFault::Gap { .. } => (
            "calendar.phase.0.starts".to_owned(),
            "leaves a gap before it",
            "the phases cover a cycle without a gap: each one ends where the next one begins",
        ),
        CalendarFault::Overlap { phase, .. } => (
            format!("calendar.phase.{phase}.starts"),
            "must be later",
            "list the phases in the order of their beginnings",
        ),
        CalendarFault::Outside { item, .. } => (
            item_path(item, "starts", "on"),
            "outside of the cycle",
            "count the months from 0, which is the month in which the cycle begins",
        ),
        CalendarFault::Twice { item, .. } => {
            (item_path(item, "name", "name"), "the second of them", "rename one")
        }
    };
    document.report(&path, fault.to_string(), label, hint);
}

fn releases(document: &mut Document<'_>) {
    let mut days: BTreeMap<String, String> = BTreeMap::new();
    for index in 0..document.length("r.release") {
        let read = |key: &str| document.text_at(&format!("r.release.{index}.{key}")).map(str::to_owned);
        let (Some(version), Some(day)) = (read("version"), read("date")) else { continue };
        // Two on one day would leave the targeted R to chance.
        if let Some(other) = days.insert(day.clone(), version.clone()) {
            let message = format!("R {other} and R {version} have the same date");
            document.report(&format!("r.release.{index}.date"), message, "the second of them", "");
        }
    }
}

/// What the policy asks for has to be there, and has to go together.
fn policy(document: &mut Document<'_>) {
    let series = |index: usize| {
        let version = document.text_at(&format!("r.release.{index}.version"))?;
        version.rsplit_once('.').map(|(series, _)| series.to_owned())
    };
    let known: BTreeSet<String> = (0..document.length("r.release")).filter_map(series).collect();
    let older = (0..document.length("policy.checks"))
        .map(|index| format!("policy.checks.{index}"))
        .find(|path| document.text_at(path) == Some("oldrelease"));
    if let Some(path) = older.filter(|_| known.len() == 1) {
        let message = "no R before the targeted one is listed";
        let hint = "add an older release under [[r.release]]";
        document.report(&path, message, "needs an older R", hint);
    }
    let faithful = document.text_at("policy.evidence") == Some("faithful");
    if faithful && document.text_at("policy.dependencies") == Some("own-checks") {
        let hint = "leave `dependencies` out, or choose `evidence = \"guarded\"`";
        let message = "`faithful` is upstream's rule, by which every dependency has to pass";
        document.report("policy.dependencies", message, "not upstream's rule", hint);
    }
}

fn publishing(document: &mut Document<'_>) {
    for index in 0..document.length("channel") {
        let at = |key: &str| format!("channel.{index}.{key}");
        let path = [at("publish"), at("path")].into_iter().find(|path| document.has(path));
        if let Some(path) = path {
            let message = "nothing says which folder is published to";
            let hint = "add `[publish]` with `directory = \"/srv/tidegate\"` to tidegate.toml";
            document.report(&path, message, "needs [publish] in tidegate.toml", hint);
        }
    }
}

fn exceptions(document: &mut Document<'_>, distribution: &str, known: &BTreeMap<String, Known>) {
    if !known.contains_key(distribution) {
        let hint = "the part of the file's name before `.exceptions.toml` is the name of a distribution";
        document.report(
            "exception",
            "there is no distribution of this name",
            "exceptions from nothing",
            hint,
        );
    }
    let mut seen = BTreeSet::new();
    for index in 0..document.length("exception") {
        let read = |key: &str| document.text_at(&format!("exception.{index}.{key}")).map(str::to_owned);
        let (Some(package), Some(version)) = (read("package"), read("version")) else { continue };
        let message = format!("two exceptions for `{package}` at `{version}`");
        if !seen.insert((package, version)) {
            document.report(
                &format!("exception.{index}.package"),
                message,
                "the second of them",
                "remove one",
            );
        }
    }
}

/// Notes a name that leads nowhere, with the one that was most likely meant.
pub(super) fn unknown<'k>(
    document: &mut Document<'_>,
    path: &str,
    (what, name): (&str, &str),
    known: impl Iterator<Item = &'k str> + Clone,
) {
    let label = match nearest(name, known.clone()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("no {what} has this name"),
    };
    let hint = match known.clone().next() {
        Some(_) => format!("the {what}s are {}", listed(known)),
        None => format!("there is no {what} at all"),
    };
    document.report(path, format!("unknown {what} `{name}`"), label, &hint);
}
