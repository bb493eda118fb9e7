//! The issue in the repository of a package, which tells its maintainers how it stands.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::{Audience, Condition, RepositoryReport, Told, View};
use crate::decide::pieces::{clause, day, in_title, lines, name};
use crate::decide::report::{Trouble, Troubles, carry, moved, moved_key};
use crate::decide::standing::Standing;
use crate::domain::{Check, Issue, Listing, PackageName};
use crate::github::RepositoryName;
use crate::github::markdown::escape;

/// The most bytes of what one issue tells of its packages.
const PACKAGES: usize = 40_000;
/// The most logs that are linked for one package.
const LOGS: usize = 10;

/// What the maintainers of every repository are told that there is, or was, something to tell.
pub(super) fn reports(view: &View<'_>) -> BTreeMap<String, RepositoryReport> {
    let mut reports = BTreeMap::new();
    let listed = by_repository(view);
    let nothing = Told::default();
    let present = view.facts.told.keys().filter(|repository| !listed.contains_key(*repository));
    for repository in listed.keys().chain(present) {
        let packages = listed.get(repository).map_or(&[][..], Vec::as_slice);
        let told = view.facts.told.get(repository);
        let now = carry(&told.unwrap_or(&nothing).troubles, troubles(view, packages));
        match (told, now.is_empty()) {
            (None, true) => {}
            (told, _) => {
                let before = told.map(|told| &told.troubles);
                reports.insert(repository.clone(), one(view, packages, before, now));
            }
        }
    }
    reports
}

/// The listed packages whose maintainers are told, by the repository that has them. GitHub ignores case, so the first
/// way of writing a name stands for all.
fn by_repository<'v>(view: &View<'v>) -> BTreeMap<String, Vec<&'v Listing>> {
    let Audience::AllBut(quiet) = &view.facts.audience else { return BTreeMap::new() };
    let mut written: BTreeMap<String, String> = BTreeMap::new();
    let mut repositories: BTreeMap<String, Vec<&Listing>> = BTreeMap::new();
    // What was told before keeps its way of writing, so that its issue is found again.
    for known in view.facts.told.keys() {
        written.insert(known.to_ascii_lowercase(), known.clone());
    }
    let mut listings: Vec<&Listing> = view.facts.snapshot.listings.iter().collect();
    listings.sort_by(|a, b| a.package.cmp(&b.package));
    for listing in listings {
        let Ok(repository) = RepositoryName::from_url(&listing.url) else { continue };
        if quiet.contains(&listing.package) {
            continue;
        }
        let lower = repository.as_str().to_ascii_lowercase();
        let key = written.entry(lower).or_insert_with(|| repository.to_string()).clone();
        repositories.entry(key).or_default().push(listing);
    }
    repositories
}

/// What is wrong with the packages of one repository, by package and by what it is.
fn troubles(view: &View<'_>, packages: &[&Listing]) -> Troubles {
    let mut troubles = Troubles::new();
    for listing in packages {
        let package = &listing.package;
        let Some(known) = view.condition(package) else { continue };
        let leaves = view.would_leave(listing);
        let is_told = match known.counts {
            Condition::Fine => continue,
            Condition::Failing => !known.from_first_sight,
            Condition::Blocked => !known.from_first_sight && leaves,
        };
        let version = view.assessment(package).and_then(|assessment| assessment.version.clone());
        let chain = view.chains.get(package.as_str()).filter(|_| known.counts == Condition::Blocked);
        let trouble = Trouble {
            since: known.counts_since,
            revision: version.unwrap_or_default(),
            fault: chain.into_iter().flatten().map(|&step| step.to_owned()).collect(),
        };
        if is_told {
            let what = if known.counts == Condition::Failing { "failing" } else { "blocked" };
            troubles.insert(format!("{package}/{what}"), trouble.clone());
        }
        if leaves && view.is_near() {
            let date = view.facts.snapshot.date;
            troubles.insert(format!("{package}/leaves/{date}"), trouble);
        }
    }
    troubles
}

/// What a place among the troubles stands for.
enum Place<'p> {
    Failing(&'p str),
    Blocked(&'p str),
    Leaves(&'p str, &'p str),
}

impl<'p> Place<'p> {
    fn of(place: &'p str) -> Option<Self> {
        let (package, what) = place.split_once('/')?;
        Some(match what.split_once('/') {
            None if what == "failing" => Self::Failing(package),
            None if what == "blocked" => Self::Blocked(package),
            Some(("leaves", date)) => Self::Leaves(package, date),
            _ => return None,
        })
    }

    fn package(&self) -> &'p str {
        match self {
            Self::Failing(package) | Self::Blocked(package) | Self::Leaves(package, _) => package,
        }
    }
}

fn packages_of(troubles: &Troubles) -> BTreeSet<&str> {
    troubles.keys().filter_map(|place| Place::of(place)).map(|place| place.package()).collect()
}

fn one(view: &View<'_>, packages: &[&Listing], before: Option<&Troubles>, now: Troubles) -> RepositoryReport {
    let comment = before.and_then(|before| comment(view, packages, before, &now));
    let body = match (now.is_empty(), before) {
        (true, Some(before)) => over_body(view, packages, before),
        _ => body(view, packages, &now),
    };
    RepositoryReport { title: title(view), body, comment, troubles: now }
}

/// The issue's title: the same whatever is wrong, so that who was told finds it again.
fn title(view: &View<'_>) -> String {
    format!("Status in {} of {}", in_title(&view.facts.snapshot.from), in_title(&view.facts.title))
}

fn body(view: &View<'_>, packages: &[&Listing], now: &Troubles) -> String {
    let troubled = packages_of(now);
    let told: Vec<&Listing> =
        packages.iter().copied().filter(|listing| troubled.contains(listing.package.as_str())).collect();
    let texts = told.iter().map(|listing| package_text(view, listing));
    let mut text = lines(texts, PACKAGES, "package");
    text += &what_next(view, &told);
    text
}

/// How one package stands, and why.
fn package_text(view: &View<'_>, listing: &Listing) -> String {
    let (package, title) = (&listing.package, escape(&view.facts.title));
    let Some(known) = view.condition(package) else { return String::new() };
    let assessment = view.assessment(package);
    let version = assessment.and_then(|assessment| assessment.version.as_deref());
    let which = match version {
        Some(version) => format!("{} {}", name(package), name(version)),
        None => name(package),
    };
    let since = match known.from_first_sight {
        true => format!("since {} or before", day(known.counts_since)),
        false => format!("since {}", day(known.counts_since)),
    };
    let channel = name(&view.facts.snapshot.from);
    let mut text = match known.counts {
        Condition::Blocked => format!(
            "**{which} passes its own checks, but is blocked in {channel} of {title} {since}**: {}.\n",
            because(view, listing)
        ),
        _ => format!("**{which} fails in {channel} of {title} {since}**: {}.\n", because(view, listing)),
    };
    if known.counts == Condition::Blocked && view.chains.contains_key(package.as_str()) {
        let _ = write!(text, "\nIt depends on what fails by this way: {}.\n", chain(view, package));
    }
    if view.would_leave(listing) {
        let last = view.facts.taken.first().map(|taken| taken.date.to_string()).unwrap_or_default();
        let _ = write!(
            text,
            "\nThe snapshot of {last} has it. **If this stays so, that of {} will not.**\n",
            view.facts.snapshot.date
        );
    }
    let logs = logs(view, package);
    if !logs.is_empty() {
        let _ = write!(text, "\n{logs}");
    }
    text + "\n"
}

/// Why a package stands as it does: one clause.
fn because(view: &View<'_>, listing: &Listing) -> String {
    match view.standing(listing) {
        // While it is built again, or nobody can tell, the last reason is not known any more.
        Standing::Assessed(assessment) if assessment.issues.is_empty() => {
            "it did when it could be told last".to_owned()
        }
        standing => clause(&standing.in_words()),
    }
}

/// The way from a package to the one at fault.
pub(super) fn chain(view: &View<'_>, package: &PackageName) -> String {
    let steps = view.chains.get(package.as_str()).into_iter().flatten().copied();
    let names: Vec<String> = std::iter::once(package.as_str()).chain(steps).map(name).collect();
    names.join(" → ")
}

/// Links to the logs of bad checks.
fn logs(view: &View<'_>, package: &str) -> String {
    let issues = view.assessment(package).map_or(&[][..], |assessment| assessment.issues.as_slice());
    let checks = issues.iter().flat_map(|issue| match issue {
        Issue::RCmdCheck(checks) => checks.as_slice(),
        _ => &[],
    });
    let link = |check: &Check| {
        let said = format!("{} on {}, R {}", check.check, check.config, check.r);
        // Only an address that cannot end its own link becomes one.
        let is_plain = check.url.starts_with("https://")
            && check.url.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":/._-?=&%#~+".contains(&byte));
        match is_plain {
            true => format!("- [{}]({})\n", escape(&said), check.url),
            false => format!("- {}\n", escape(&said)),
        }
    };
    checks.take(LOGS).map(link).collect()
}

fn what_next(view: &View<'_>, told: &[&Listing]) -> String {
    let facts = view.facts;
    let (title, date) = (escape(&facts.title), facts.snapshot.date);
    let fails =
        told.iter().any(|one| view.condition(&one.package).is_some_and(|k| k.counts == Condition::Failing));
    let command = told.first().map(|one| name(&format!("tidegate explain {}", one.package)));
    let act = match fails {
        true => format!(
            "A release that mends this is picked up by itself. {title} takes its next snapshot on {date}; it needs some \
             days before that, for review, a build and checks."
        ),
        false => format!(
            "There is nothing to mend here: it recovers by itself once what it depends on passes. {title} takes its next \
             snapshot on {date}."
        ),
    };
    format!(
        "### What happens next\n\n- {act}\n\
         - This text is kept up to date. A comment tells when this changes, and the issue is closed when all is well. \
         Closed by hand, it is left alone.\n\
         - To hear nothing more of this kind, tell the moderators of {title}: they can name the package in their \
         configuration. {} shows them all that is known.\n",
        command.unwrap_or_else(|| name("tidegate explain PACKAGE")),
    )
}

/// The last text of an issue.
fn over_body(view: &View<'_>, packages: &[&Listing], before: &Troubles) -> String {
    let what = before.iter().filter_map(|(place, trouble)| {
        let said = match Place::of(place)? {
            Place::Failing(package) => format!("{} {} failed", name(package), name(&trouble.revision)),
            Place::Blocked(package) => {
                let cause = trouble.fault.last().map(|cause| format!(" by {}", name(cause)));
                format!("{} was blocked{}", name(package), cause.unwrap_or_default())
            }
            Place::Leaves(..) => return None,
        };
        Some(format!("- {said}, since {}\n", day(trouble.since)))
    });
    let was: String = lines(what, PACKAGES, "package");
    let was = if was.is_empty() { was } else { format!("What it was:\n\n{was}\n") };
    format!(
        "**{}**\n\n{was}There is nothing left to do. If it fails again, a new issue says so.\n",
        over(view, packages)
    )
}

/// How it came to an end: one sentence.
fn over(view: &View<'_>, packages: &[&Listing]) -> String {
    let (title, channel) = (escape(&view.facts.title), name(&view.facts.snapshot.from));
    match packages {
        [] => format!("{title} tells of {channel} here no more."),
        [one] => format!("{} passes again in {channel} of {title}.", name(&one.package)),
        _ => format!("All packages of this repository pass again in {channel} of {title}."),
    }
}

/// What changed, where somebody has to be called for it.
fn comment(
    view: &View<'_>,
    packages: &[&Listing],
    before: &Troubles,
    now: &Troubles,
) -> Option<(String, String)> {
    let key = moved_key(before, now);
    if now.is_empty() {
        let text = format!("{} There is nothing left to do, so this issue is closed.", over(view, packages));
        return Some((key, text));
    }
    let (began, ended) = moved(before, now);
    let mut told: Vec<String> =
        began.iter().filter_map(|place| Some(began_line(view, packages, &Place::of(place)?))).collect();
    let still = packages_of(now);
    for package in ended.iter().filter_map(|place| Place::of(place)).map(|place| place.package()) {
        let line = format!("- {} passes again.\n", name(package));
        if !still.contains(package) && !told.contains(&line) {
            told.push(line);
        }
    }
    (!told.is_empty()).then(|| (key, lines(told, PACKAGES, "change")))
}

fn began_line(view: &View<'_>, packages: &[&Listing], place: &Place<'_>) -> String {
    let listing = packages.iter().find(|listing| listing.package == place.package());
    let why = listing.map(|listing| because(view, listing)).unwrap_or_default();
    match place {
        Place::Failing(package) => format!("- {} fails now: {why}.\n", name(package)),
        Place::Blocked(package) => {
            format!("- {} is blocked now: {why} ({}).\n", name(package), chain(view, &(*package).to_owned()))
        }
        Place::Leaves(package, date) => {
            let way = match view.chains.contains_key(*package) {
                true => format!(" ({})", chain(view, &(*package).to_owned())),
                false => String::new(),
            };
            format!(
                "- **{} will not be part of the snapshot of {date}** unless it passes before that day: {why}{way}.\n",
                name(package)
            )
        }
    }
}
