//! The dashboard of a channel: one issue that says what is held and why, what waits for whom, and what comes next.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::repository::chain;
use super::{Condition, ReportFacts, Told, View};
use crate::calendar::Promote;
use crate::decide::pieces::{clause, day, in_title, lines, name};
use crate::decide::words::counted;
use crate::domain::{Evidence, Listing, PackageName, Verdict, VerdictKind};
use crate::github::RepositoryName;
use crate::github::markdown::escape;

/// The most bytes of one list; there are nine.
const LIST: usize = 6_500;
/// The most packages that one line names; above it they are counted.
const NAMED: usize = 12;

/// The title of the dashboard.
pub fn title(distribution: &str, channel: &str) -> String {
    format!("{}: how {channel} stands", in_title(distribution))
}

/// Its text.
pub(super) fn body(view: &View<'_>) -> String {
    let mut text = format!("{}\n\n{}", headline(view), dates(view));
    let sections = [
        ("Held until somebody looks", held(view)),
        ("Not at every target", not_at_targets(view)),
        ("Waits for the moderators", moderators(view)),
        ("Waits for maintainers", maintainers(view)),
        ("Blocked by others", blocked(view)),
        ("Nobody can tell", unknown(view)),
        ("Would leave with the next snapshot", leaves(view)),
        ("Left with the last snapshot", left(view)),
        ("Goes on by itself", by_itself(view)),
    ];
    for (heading, list) in sections {
        if !list.is_empty() {
            let _ = write!(text, "\n### {heading}\n\n{list}");
        }
    }
    text + "\n### About this issue\n\n\
        - It is kept up to date without comments. Closed, it is left alone until somebody opens it again.\n\
        - `tidegate explain PACKAGE` shows the whole reasoning on a package, and `tidegate status` what runs.\n"
}

fn headline(view: &View<'_>) -> String {
    let ReportFacts { point, snapshot, title, .. } = view.facts;
    let (channel, phase) = (name(&snapshot.from), name(&point.phase.name));
    let may = match point.phase.promote {
        Promote::All => "every admissible release may move",
        Promote::FailingOnly => "only what fails may move",
        Promote::None => "nothing may move",
    };
    let stands = match view.status {
        Some(_) => {
            let listed = &snapshot.listings;
            let passing = listed.iter().filter(|one| view.standing(one).evidence() == Evidence::Passing);
            format!("{} of {} pass", passing.count(), counted(listed.len(), "package"))
        }
        None => "nobody can tell what passes".to_owned(),
    };
    format!(
        "**{channel} of {}: {stands}.** It is in {phase} until {}: {may}.",
        escape(title),
        point.phase.end
    )
}

fn dates(view: &View<'_>) -> String {
    let ReportFacts { point, snapshot, taken, next_freeze, .. } = view.facts;
    let mut rows: BTreeMap<jiff::civil::Date, Vec<String>> = BTreeMap::new();
    rows.entry(point.phase.end).or_default().push(format!("{} ends", name(&point.phase.name)));
    let would = match &view.coming.held {
        None => format!(
            "the next snapshot; taken now, it would hold {}",
            counted(view.coming.members.len(), "package")
        ),
        Some(why) => format!("the next snapshot; taken now, it would be held: {}", clause(why)),
    };
    rows.entry(snapshot.date).or_default().push(would);
    rows.entry(*next_freeze).or_default().push("the next dependency freeze begins".to_owned());
    if let Some(last) = taken.first() {
        let held = format!("the last snapshot, with {}", counted(last.packages.len(), "package"));
        rows.entry(last.date).or_default().push(held);
    }
    let rows = rows.into_iter().map(|(date, said)| format!("| {date} | {} |\n", said.join("; ")));
    format!("| date | |\n| --- | --- |\n{}", rows.collect::<String>())
}

/// What a guard holds, or that the status is unknown.
fn held(view: &View<'_>) -> String {
    let why = match &view.facts.snapshot.status {
        crate::domain::Fact::Known(status) => status.held.clone(),
        crate::domain::Fact::Unknown { why } => vec![format!("Nobody can tell how packages stand: {why}.")],
    };
    lines(why.iter().map(|sentence| format!("- {}\n", clause(sentence))), LIST, "change")
}

/// Snapshots that could not be sent to where they belong. Why is said where it does not change with every try.
fn not_at_targets(view: &View<'_>) -> String {
    let missing = view.facts.not_at_targets.iter().map(|missing| {
        let follows = match missing.given_up {
            true => "the target refuses it, and it is not sent again",
            false => "it is sent again by itself",
        };
        let (date, target, since) = (missing.date, name(&missing.target), day(missing.since));
        format!("- {date} is not at {target} since {since}; {follows}; `tidegate status` says why\n")
    });
    lines(missing, LIST, "snapshot")
}

/// Open pull requests in their order, then what waits behind them, and what was declined.
fn moderators(view: &View<'_>) -> String {
    let open = view.facts.proposals.iter().map(|pull| {
        let theirs = if pull.hands_off { "; a person has taken it over" } else { "" };
        let (number, repository) = (pull.number, &pull.repository);
        format!(
            "- [Pull request {number}](https://github.com/{repository}/pull/{number}): {}, open since {}{theirs}\n",
            clause(&pull.title),
            day(pull.opened_at)
        )
    });
    let queued: Vec<&PackageName> =
        of_kinds(view, &[VerdictKind::Queued]).map(|(package, _)| package).collect();
    let queue = match queued.is_empty() {
        true => Vec::new(),
        false => vec![format!("- Behind them wait {}\n", names(&queued))],
    };
    let refused = of_kinds(view, &[VerdictKind::Refused]);
    let refused = refused.map(|(package, verdict)| line(package, verdict));
    lines(open.chain(queue).chain(refused), LIST, "entry")
}

fn maintainers(view: &View<'_>) -> String {
    let kinds =
        [VerdictKind::Failing, VerdictKind::Inadmissible, VerdictKind::Withdrawn, VerdictKind::Vanished];
    let told = told(view);
    let listings = listings(view);
    let lines_of = of_kinds(view, &kinds).map(|(package, verdict)| {
        let since = match view.condition(package) {
            Some(known) if known.counts == Condition::Failing && !known.from_first_sight => {
                format!(" since {}", day(known.counts_since))
            }
            _ => String::new(),
        };
        let told = listings.get(package.as_str()).and_then(|listing| told_of(&told, listing));
        let version = verdict.version.as_ref().map(|version| format!(" {}", name(version)));
        format!(
            "- {}{}{since}: {}{}\n",
            name(package),
            version.unwrap_or_default(),
            clause(&verdict.reason),
            told.unwrap_or_default()
        )
    });
    lines(lines_of, LIST, "package")
}

/// What was told of repositories, by their names in lower case.
fn told<'v>(view: &View<'v>) -> BTreeMap<String, &'v Told> {
    view.facts.told.iter().map(|(repository, told)| (repository.to_ascii_lowercase(), told)).collect()
}

fn told_of(told: &BTreeMap<String, &Told>, listing: &Listing) -> Option<String> {
    let repository = RepositoryName::from_url(&listing.url).ok()?;
    let told = told.get(&repository.as_str().to_ascii_lowercase())?;
    match (&told.issue, &told.refused) {
        (_, Some(why)) => Some(format!(" Its maintainer could not be told: {}.", clause(why))),
        (Some((number, _)), None) => Some(format!(
            " Its maintainer was told in [issue {number}](https://github.com/{repository}/issues/{number})."
        )),
        (None, None) => None,
    }
}

/// Who is blocked, by who blocks them.
fn blocked(view: &View<'_>) -> String {
    let mut by_cause: BTreeMap<Vec<&PackageName>, Vec<&PackageName>> = BTreeMap::new();
    for (package, verdict) in of_kinds(view, &[VerdictKind::BlockedByDependency]) {
        by_cause.entry(verdict.root_causes.iter().collect()).or_default().push(package);
    }
    let mut by_cause: Vec<_> = by_cause.into_iter().collect();
    by_cause.sort_by_key(|(_, packages)| std::cmp::Reverse(packages.len()));
    let of = by_cause.iter().map(|(causes, packages)| match causes.is_empty() {
        true => format!("- by something else: {}\n", names(packages)),
        false => format!("- by {}: {}\n", names(causes), names(packages)),
    });
    lines(of, LIST, "cause")
}

fn unknown(view: &View<'_>) -> String {
    let mut reasons: BTreeMap<&str, Vec<&PackageName>> = BTreeMap::new();
    for (package, verdict) in of_kinds(view, &[VerdictKind::CannotDetermine]) {
        reasons.entry(&verdict.reason).or_default().push(package);
    }
    let of = reasons.iter().map(|(why, packages)| format!("- {}: {}\n", names(packages), clause(why)));
    lines(of, LIST, "reason")
}

/// The packages of the last snapshot that the next one would not have.
fn leaves(view: &View<'_>) -> String {
    let Some(last) = view.facts.taken.first() else { return String::new() };
    // A snapshot that would be held for want of facts tells nothing of who leaves.
    if view.status.is_none() {
        return String::new();
    }
    let listings = listings(view);
    let members: BTreeSet<&str> = view.coming.members.iter().map(|member| &*member.package).collect();
    let reasons: BTreeMap<&str, &str> =
        view.coming.left_out.iter().map(|left| (&*left.package, &*left.reason)).collect();
    let gone = last.packages.iter().filter(|package| !members.contains(package.as_str()));
    let of = gone.map(|package| match reasons.get(package.as_str()) {
        Some(why) => {
            let way = match view.chains.contains_key(package.as_str()) {
                true => format!(" ({})", chain(view, package)),
                false => String::new(),
            };
            format!("- {}: {}{way}\n", name(package), clause(why))
        }
        None if listings.contains_key(package.as_str()) => format!("- {}\n", name(package)),
        None => format!("- {}: it is not listed any more\n", name(package)),
    });
    lines(of, LIST, "package")
}

/// The packages that the last snapshot no longer had.
fn left(view: &View<'_>) -> String {
    let [last, before] = view.facts.taken.as_slice() else { return String::new() };
    let left: Vec<&PackageName> = before.packages.difference(&last.packages).collect();
    match left.is_empty() {
        true => String::new(),
        false => format!("- {}: not in that of {}\n", names(&left), last.date),
    }
}

/// What needs nobody, in numbers.
fn by_itself(view: &View<'_>) -> String {
    let count = |kind: VerdictKind| of_kinds(view, &[kind]).count();
    let said = [
        (VerdictKind::Current, "newest admissible release"),
        (VerdictKind::Staged, "staged for the coming snapshot"),
        (VerdictKind::Moves, "moving"),
        (VerdictKind::Frozen, "a newer release waits for the next cycle"),
        (VerdictKind::Pending, "a build or check is running"),
        (VerdictKind::Removed, "removed on request"),
    ];
    let of = said.into_iter().filter(|(kind, _)| count(*kind) > 0);
    of.map(|(kind, said)| format!("- {}: {said}\n", counted(count(kind), "package"))).collect()
}

fn of_kinds<'v>(
    view: &View<'v>,
    kinds: &[VerdictKind],
) -> impl Iterator<Item = (&'v PackageName, &'v Verdict)> {
    view.facts.verdicts.iter().filter(move |(_, verdict)| kinds.contains(&verdict.kind))
}

fn line(package: &str, verdict: &Verdict) -> String {
    let version = verdict.version.as_ref().map(|version| format!(" {}", name(version))).unwrap_or_default();
    format!("- {}{version}: {}\n", name(package), clause(&verdict.reason))
}

fn listings<'v>(view: &View<'v>) -> BTreeMap<&'v str, &'v Listing> {
    view.facts.snapshot.listings.iter().map(|listing| (listing.package.as_str(), listing)).collect()
}

fn names(packages: &[&PackageName]) -> String {
    let shown: Vec<String> = packages.iter().take(NAMED).map(|package| name(package)).collect();
    match packages.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
