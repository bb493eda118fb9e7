//! Whom a channel of R packages tells of what: moderators by a dashboard, maintainers when something changes.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use tidegate::decide::channel_report::{
    Audience, Condition, NotAtTarget, OpenProposal, ReportFacts, ReportPlan, RepositoryReport, Taken, Told,
    dashboard_title, report,
};
use tidegate::decide::snapshot::SnapshotFacts;
use tidegate::domain::{
    Actor, Assessment, Check, Evidence, Fact, Issue, Listing, StagingModel, Verdict, VerdictKind,
};

use super::facts::{check, point_and_targets};

/// `base` ← `middle` ← `top`, and `apart` by itself, all of them in the last snapshot.
const PACKAGES: [(&str, &[&str]); 4] =
    [("apart", &[]), ("base", &[]), ("middle", &["base"]), ("top", &["middle"])];
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// A channel whose maintainers are told, pass after pass.
#[derive(Clone)]
struct Scene {
    facts: ReportFacts,
}

fn names<T: FromIterator<String>>(names: &[&str]) -> T {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn fine() -> Assessment {
    Assessment {
        version: Some("1.0".to_owned()),
        commit: Some("c".repeat(40)),
        published: None,
        evidence: Evidence::Passing,
        settled: None,
        issues: Vec::new(),
        failed_build: None,
        unknown: Vec::new(),
        unknown_through: None,
        held_until: BTreeSet::new(),
        outdated_by: Vec::new(),
        from_elsewhere: Vec::new(),
        overridden: None,
        own_check: None,
        cleared: Vec::new(),
    }
}

fn verdict(kind: VerdictKind, reason: &str, root_causes: &[&str]) -> Verdict {
    Verdict {
        kind,
        version: Some("1.0".to_owned()),
        commit: None,
        reason: reason.to_owned(),
        root_causes: names(root_causes),
        next: String::new(),
        actor: Actor::Nobody,
        place: None,
    }
}

impl Scene {
    /// In the dependency freeze, far from the snapshot, after a first look in which all was well.
    fn new() -> Self {
        let mut scene = Self::unseen();
        scene.pass();
        scene
    }

    fn unseen() -> Self {
        let (point, targets) = point_and_targets("2026-05-20");
        let listing = |package: &str| Listing {
            package: package.to_owned(),
            url: format!("https://github.com/upstream/{package}"),
            branch: Some("c".repeat(40)),
            subdir: None,
        };
        let status = tidegate::domain::ChannelStatus {
            r_series: targets.r.clone(),
            frozen_date: targets.dependency_freeze.to_string(),
            packages: PACKAGES.iter().map(|(name, _)| ((*name).to_owned(), fine())).collect(),
            held: Vec::new(),
            odd_dependencies: Default::default(),
        };
        let all: BTreeSet<String> = PACKAGES.iter().map(|(name, _)| (*name).to_owned()).collect();
        Self {
            facts: ReportFacts {
                title: "Demo".to_owned(),
                at: "2026-05-20T09:37:00Z".parse().unwrap(),
                due: "2026-06-15T00:00:00Z".parse().unwrap(),
                next_freeze: point.next_cycle,
                point,
                snapshot: SnapshotFacts {
                    distribution: "demo".to_owned(),
                    from: "staging".to_owned(),
                    date: targets.snapshot,
                    targets,
                    staging: StagingModel::Pinned,
                    listings: PACKAGES.iter().map(|(name, _)| listing(name)).collect(),
                    status: Fact::Known(status),
                    dependencies: PACKAGES
                        .iter()
                        .map(|(name, needs)| ((*name).to_owned(), names(needs)))
                        .collect(),
                    previous: Some(all.clone()),
                    shrink: 1.0,
                    removals: BTreeMap::new(),
                    absent: BTreeMap::new(),
                    dependency_rule: Default::default(),
                    released: None,
                    exceptions: Vec::new(),
                    background: Default::default(),
                },
                not_at_targets: Vec::new(),
                taken: vec![Taken { date: "2026-03-15".parse().unwrap(), packages: all }],
                verdicts: BTreeMap::new(),
                proposals: Vec::new(),
                memory: BTreeMap::new(),
                told: BTreeMap::new(),
                audience: Audience::AllBut(BTreeSet::new()),
                settle: 24 * 60 * 60,
                warn: 14 * 24 * 60 * 60,
            },
        }
    }

    fn assessments(&mut self) -> &mut BTreeMap<String, Assessment> {
        match &mut self.facts.snapshot.status {
            Fact::Known(status) => &mut status.packages,
            Fact::Unknown { why } => panic!("{why}"),
        }
    }

    /// A package fails by itself, and what depends on it with it.
    fn fails(&mut self, package: &str) {
        let bad = Check { check: "ERROR".to_owned(), ..check("ERROR", "linux-release") };
        self.set(package, vec![Issue::RCmdCheck(vec![bad])]);
        let dependents: &[&str] = match package {
            "base" => &["middle", "top"],
            "middle" => &["top"],
            _ => &[],
        };
        for dependent in dependents {
            let causes = BTreeMap::from([(package.to_owned(), Vec::new())]);
            self.set(dependent, vec![Issue::Dependencies(causes)]);
        }
    }

    fn set(&mut self, package: &str, issues: Vec<Issue>) {
        let assessment = self.assessments().get_mut(package).unwrap();
        assessment.evidence = if issues.is_empty() { Evidence::Passing } else { Evidence::Failing };
        assessment.issues = issues;
    }

    fn mend(&mut self) {
        for (package, _) in PACKAGES {
            self.set(package, Vec::new());
        }
    }

    fn later(&mut self, by: SignedDuration) -> &mut Self {
        self.facts.at += by;
        self
    }

    /// One pass; what it tells is told.
    fn pass(&mut self) -> ReportPlan {
        let plan = report(&self.facts);
        self.facts.memory = plan.memory.clone();
        for (repository, told) in &plan.repositories {
            match told.troubles.is_empty() {
                true => drop(self.facts.told.remove(repository)),
                false => {
                    let issue = Some((1, format!("https://github.com/{repository}/issues/1")));
                    let troubles = told.troubles.clone();
                    self.facts.told.insert(repository.clone(), Told { troubles, issue, refused: None });
                }
            }
        }
        plan
    }

    /// What is told once a condition has stood for a day and an hour, and what the pass before told: nothing.
    fn settled(&mut self) -> ReportPlan {
        assert_eq!(self.later(HOUR).pass().repositories, BTreeMap::new(), "not at once");
        self.later(HOUR * 24).pass()
    }
}

fn told(plan: &ReportPlan) -> Vec<&str> {
    plan.repositories.keys().map(String::as_str).collect()
}

fn comment(report: &RepositoryReport) -> &str {
    report.comment.as_ref().map_or("", |(_, text)| text.as_str())
}

#[test]
fn who_fails_by_itself_is_told_once_it_has_stood_for_a_day() {
    let mut scene = Scene::new();
    scene.fails("apart");
    let plan = scene.settled();
    assert_eq!(told(&plan), ["upstream/apart"]);
    let report = &plan.repositories["upstream/apart"];
    insta::assert_snapshot!(format!("{}\n\n{}", report.title, report.body));
    assert_eq!(report.comment, None, "the text says it all");
    // The next pass says the same and calls nobody.
    let again = scene.later(HOUR).pass();
    assert_eq!(again.repositories, plan.repositories);
}

#[test]
fn what_comes_and_goes_within_a_day_is_told_to_nobody() {
    let mut scene = Scene::new();
    for _ in 0..40 {
        scene.fails("base");
        assert_eq!(told(&scene.later(HOUR * 12).pass()), [""; 0]);
        scene.mend();
        assert_eq!(told(&scene.later(HOUR * 12).pass()), [""; 0]);
    }
}

#[test]
fn what_was_so_at_first_sight_is_no_change() {
    let mut scene = Scene::unseen();
    scene.fails("base");
    scene.pass();
    assert_eq!(told(&scene.settled()), [""; 0]);
    // Mended and broken again it is.
    scene.mend();
    assert_eq!(told(&scene.settled()), [""; 0]);
    scene.fails("base");
    assert_eq!(told(&scene.settled()), ["upstream/base", "upstream/middle", "upstream/top"]);
}

#[test]
fn who_is_blocked_is_told_with_the_chain_where_a_snapshot_would_lose_it() {
    let mut scene = Scene::new();
    scene.facts.taken[0].packages = names(&["apart", "base", "top"]);
    scene.fails("base");
    let plan = scene.settled();
    assert_eq!(told(&plan), ["upstream/base", "upstream/top"], "middle was in no snapshot");
    insta::assert_snapshot!(plan.repositories["upstream/top"].body);
    // It fails by itself as well by now: that is a change.
    scene.fails("top");
    let plan = scene.later(HOUR).pass();
    assert_eq!(plan.repositories["upstream/top"].comment, None);
    let plan = scene.later(HOUR * 24).pass();
    insta::assert_snapshot!(comment(&plan.repositories["upstream/top"]), @"- `top` fails now: R CMD check ends with ERROR on linux-release.");
}

#[test]
fn who_recovers_is_told_and_the_issue_ends() {
    let mut scene = Scene::new();
    scene.fails("base");
    scene.settled();
    scene.mend();
    scene.later(HOUR).pass();
    let plan = scene.later(HOUR * 24).pass();
    let (base, top) = (&plan.repositories["upstream/base"], &plan.repositories["upstream/top"]);
    assert!(base.troubles.is_empty() && top.troubles.is_empty());
    insta::assert_snapshot!(comment(base), @"`base` passes again in `staging` of Demo. There is nothing left to do, so this issue is closed.");
    insta::assert_snapshot!(top.body, @r"
    **`top` passes again in `staging` of Demo.**

    What it was:

    - `top` was blocked by `base`, since 2026-05-20

    There is nothing left to do. If it fails again, a new issue says so.
    ");
    assert_eq!(told(&scene.later(HOUR).pass()), [""; 0]);
}

#[test]
fn before_a_snapshot_its_date_and_the_way_to_the_cause_are_told_once() {
    let mut scene = Scene::unseen();
    scene.fails("base");
    scene.pass();
    scene.facts.at = "2026-05-31T23:00:00Z".parse().unwrap();
    assert_eq!(told(&scene.pass()), [""; 0], "the snapshot is more than two weeks away");
    let plan = scene.later(HOUR * 2).pass();
    assert_eq!(told(&plan), ["upstream/base", "upstream/middle", "upstream/top"]);
    insta::assert_snapshot!(plan.repositories["upstream/top"].body);
    // Who has an issue already is called by a comment.
    let mut scene = Scene::new();
    scene.fails("base");
    scene.settled();
    scene.facts.at = "2026-06-01T00:37:00Z".parse().unwrap();
    let plan = scene.pass();
    insta::assert_snapshot!(comment(&plan.repositories["upstream/top"]), @"- **`top` will not be part of the snapshot of 2026-06-15** unless it passes before that day: it depends on base, which fails (`top` → `middle` → `base`).");
    assert_eq!(comment(&scene.later(HOUR).pass().repositories["upstream/top"]), "");
    // After it the warning ends without a word.
    scene.facts.at = "2026-06-15T03:00:00Z".parse().unwrap();
    let plan = scene.pass();
    assert_eq!(comment(&plan.repositories["upstream/top"]), "");
    assert_eq!(plan.repositories["upstream/top"].troubles.len(), 1);
}

#[test]
fn a_storm_tells_nobody_anything() {
    let mut scene = Scene::new();
    for package in ["apart", "base"] {
        scene.fails(package);
    }
    if let Fact::Known(status) = &mut scene.facts.snapshot.status {
        status.held = vec!["50 % of the packages failed at once.".to_owned()];
    }
    for _ in 0..72 {
        assert_eq!(told(&scene.later(HOUR).pass()), [""; 0]);
    }
    assert!(scene.facts.memory.values().all(|known| known.seen == Condition::Fine));
    let known = scene.facts.snapshot.status.clone();
    assert!(!scene.pass().dashboard.contains("Not at every target"));
    let missing = |target: &str, given_up| NotAtTarget {
        date: "2026-03-15".parse().unwrap(),
        target: target.to_owned(),
        since: "2026-03-15T02:00:00Z".parse().unwrap(),
        given_up,
    };
    scene.facts.not_at_targets = vec![missing("archive", false), missing("bucket", true)];
    let dashboard = scene.pass().dashboard;
    let (_, section) = dashboard.split_once("### Not at every target\n\n").unwrap();
    insta::assert_snapshot!(section.split_once("\n\n").unwrap().0, @r"
    - 2026-03-15 is not at `archive` since 2026-03-15; it is sent again by itself; `tidegate status` says why
    - 2026-03-15 is not at `bucket` since 2026-03-15; the target refuses it, and it is not sent again; `tidegate status` says why
    ");
    scene.facts.snapshot.status = Fact::unknown("the status of demo/staging was never read");
    assert_eq!(told(&scene.later(HOUR * 48).pass()), [""; 0]);
    // Believed at last, it has to stand as long as anything else.
    scene.facts.snapshot.status = known;
    if let Fact::Known(status) = &mut scene.facts.snapshot.status {
        status.held.clear();
    }
    assert_eq!(told(&scene.settled()).len(), 4);
}

#[test]
fn packages_of_one_repository_share_an_issue_and_other_hosts_have_none() {
    let mut scene = Scene::new();
    scene.facts.snapshot.listings[0].url = "https://gitlab.com/upstream/apart".to_owned();
    scene.facts.snapshot.listings[2].url = "https://github.com/Upstream/Base.git".to_owned();
    scene.fails("apart");
    scene.fails("base");
    scene.fails("middle");
    let plan = scene.settled();
    assert_eq!(told(&plan), ["upstream/base", "upstream/top"]);
    let both = &plan.repositories["upstream/base"];
    assert_eq!(both.troubles.keys().collect::<Vec<_>>(), ["base/failing", "middle/failing"]);
    // One of the two passes again: that is told, and the issue goes on.
    scene.set("middle", Vec::new());
    scene.later(HOUR).pass();
    let plan = scene.later(HOUR * 24).pass();
    let both = &plan.repositories["upstream/base"];
    insta::assert_snapshot!(comment(both), @"- `middle` passes again.");
    assert!(!both.body.contains("middle") && both.body.contains("`base`"));
}

#[test]
fn who_wants_to_hear_nothing_hears_nothing() {
    let mut scene = Scene::new();
    scene.fails("base");
    scene.facts.audience = Audience::AllBut(names(&["middle"]));
    assert_eq!(told(&scene.settled()), ["upstream/base", "upstream/top"]);
    // Switched off, what is open ends.
    scene.facts.audience = Audience::Nobody;
    let plan = scene.later(HOUR).pass();
    assert_eq!(told(&plan), ["upstream/base", "upstream/top"]);
    insta::assert_snapshot!(plan.repositories["upstream/top"].body, @r"
    **Demo tells of `staging` here no more.**

    What it was:

    - `top` was blocked by `base`, since 2026-05-20

    There is nothing left to do. If it fails again, a new issue says so.
    ");
    assert_eq!(told(&scene.later(HOUR * 48).pass()), [""; 0]);
}

#[test]
fn under_follow_who_is_staged_as_it_is_leaves_nothing() {
    let mut scene = Scene::new();
    scene.facts.snapshot.staging = StagingModel::Follow;
    scene.fails("base");
    assert_eq!(told(&scene.settled()), ["upstream/base"]);
}

#[test]
fn the_dashboard_says_what_is_held_what_waits_for_whom_and_what_comes_next() {
    let mut scene = Scene::new();
    scene.fails("base");
    scene.settled();
    scene.facts.taken = vec![
        Taken { date: "2026-03-15".parse().unwrap(), packages: names(&["apart", "base", "top", "unlisted"]) },
        Taken { date: "2025-12-15".parse().unwrap(), packages: names(&["apart", "old"]) },
    ];
    let pull = |number, title: &str, hands_off| OpenProposal {
        number,
        repository: "demo/staging".parse().unwrap(),
        title: title.to_owned(),
        opened_at: "2026-05-18T10:17:00Z".parse().unwrap(),
        hands_off,
    };
    scene.facts.proposals =
        vec![pull(7, "Promote base 1.1 to staging", false), pull(8, "Promote @evil 2 to staging", true)];
    scene.facts.verdicts = [
        ("apart", verdict(VerdictKind::Frozen, "It is healthy.", &[])),
        ("base", verdict(VerdictKind::Failing, "R CMD check ends with ERROR on linux-release.", &[])),
        ("middle", verdict(VerdictKind::BlockedByDependency, "It depends on base.", &["base"])),
        ("queued", verdict(VerdictKind::Queued, "As many are open as may be.", &[])),
        ("refused", verdict(VerdictKind::Refused, "The moderators closed pull request 3.", &[])),
        ("top", verdict(VerdictKind::BlockedByDependency, "It depends on base.", &["base"])),
        ("unsure", verdict(VerdictKind::CannotDetermine, "The CRAN index could not be read.", &[])),
    ]
    .map(|(name, verdict)| (name.to_owned(), verdict))
    .into();
    if let Fact::Known(status) = &mut scene.facts.snapshot.status {
        status.held = vec!["Licences vanished from 30 packages; an operator has to look.".to_owned()];
    }
    insta::assert_snapshot!(dashboard_title("Demo", "staging"), @"Demo: how staging stands");
    insta::assert_snapshot!(scene.pass().dashboard);
    scene.facts.snapshot.status = Fact::unknown("the status of demo/staging was never read");
    let unknown = scene.pass().dashboard;
    assert!(unknown.contains("nobody can tell what passes") && !unknown.contains("Would leave"), "{unknown}");
}

#[test]
fn however_much_there_is_to_tell_it_fits_and_mentions_nobody() {
    let mut scene = Scene::new();
    let hostile = "@everyone <img> | [x](https://evil.example) #12 ".repeat(80);
    for number in 0..3_000 {
        let package = format!("package{number:04}");
        let listing = Listing { package: package.clone(), ..scene.facts.snapshot.listings[0].clone() };
        scene.facts.snapshot.listings.push(listing);
        let kind = match number % 3 {
            0 => VerdictKind::Failing,
            1 => VerdictKind::Refused,
            _ => VerdictKind::CannotDetermine,
        };
        scene.facts.verdicts.insert(package.clone(), verdict(kind, &format!("{number} {hostile}"), &[]));
        scene.facts.taken[0].packages.insert(package.clone());
        scene.assessments().insert(package.clone(), fine());
    }
    scene.pass();
    let many: Vec<String> = scene.assessments().keys().cloned().collect();
    for package in many.iter().filter(|name| name.starts_with("package")) {
        scene.set(package, vec![Issue::License(hostile.clone())]);
    }
    scene.later(HOUR).pass();
    let plan = scene.later(HOUR * 24).pass();
    let shared = &plan.repositories["upstream/apart"];
    for text in [&plan.dashboard, &shared.body] {
        assert!(text.chars().count() < 60_000, "{}", text.chars().count());
        assert!(!text.contains("@everyone") && !text.contains("<img") && text.contains("more "));
    }
    assert!(shared.body.contains("### What happens next"));
}

/// What happens between two passes.
#[derive(Clone, Debug)]
enum Step {
    Fails(usize),
    Mended,
    Storm,
    Calm,
    Hours(i64),
    /// A pass that is killed before anything is told, its memory kept or not.
    Killed {
        remembers: bool,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..4_usize).prop_map(Step::Fails),
        2 => Just(Step::Mended),
        1 => Just(Step::Storm),
        1 => Just(Step::Calm),
        6 => (1..40_i64).prop_map(Step::Hours),
        2 => any::<bool>().prop_map(|remembers| Step::Killed { remembers }),
    ];
    prop::collection::vec(step, 1..40)
}

fn set_storm(scene: &mut Scene, held: &[&str]) {
    if let Fact::Known(status) = &mut scene.facts.snapshot.status {
        status.held = names(held);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    /// Whatever happens, and wherever a pass is killed: every change that counts is told once, by the text that opens
    /// an issue or by one comment, and a pass that finds nothing new calls nobody.
    #[test]
    fn every_change_is_told_once(history in steps()) {
        let mut scene = Scene::new();
        let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for step in history {
            match step {
                Step::Fails(at) => scene.fails(PACKAGES[at].0),
                Step::Mended => scene.mend(),
                Step::Storm => set_storm(&mut scene, &["Too much at once."]),
                Step::Calm => set_storm(&mut scene, &[]),
                Step::Hours(hours) => drop(scene.later(HOUR * i32::try_from(hours).unwrap())),
                Step::Killed { remembers } => {
                    let plan = report(&scene.facts);
                    if remembers {
                        scene.facts.memory = plan.memory;
                    }
                    continue;
                }
            }
            let before = scene.facts.told.clone();
            let plan = scene.pass();
            for (repository, now) in &plan.repositories {
                let places = |told: Option<&Told>| -> BTreeSet<String> {
                    told.map(|told| told.troubles.keys().cloned().collect()).unwrap_or_default()
                };
                let (was, is) = (places(before.get(repository)), places(scene.facts.told.get(repository)));
                let began: Vec<&String> = is.difference(&was).collect();
                if was.is_empty() {
                    prop_assert!(now.comment.is_none() && !is.is_empty(), "opened with its whole text");
                    keys.remove(repository);
                } else if !began.is_empty() || is.is_empty() {
                    let (key, text) = now.comment.clone().expect("a change calls");
                    prop_assert!(keys.entry(repository.clone()).or_default().insert(key), "{text} twice");
                }
                if was == is {
                    prop_assert!(now.comment.is_none(), "nothing changed: {:?}", now.comment);
                }
            }
            // The same pass once more: nothing changed, so nobody is called.
            let again = scene.clone().pass();
            prop_assert!(again.repositories.values().all(|told| told.comment.is_none()));
            prop_assert!(again.repositories.values().all(|told| !told.troubles.is_empty()));
            // What people were told is what counts, unless nobody can tell now.
            let is_calm = matches!(&scene.facts.snapshot.status, Fact::Known(status) if status.held.is_empty());
            for (package, known) in scene.facts.memory.iter().filter(|_| is_calm) {
                let repository = format!("upstream/{package}");
                let told = scene.facts.told.get(&repository);
                prop_assert_eq!(told.is_some(), known.counts != Condition::Fine, "{}", package);
            }
        }
    }
}

#[test]
fn the_same_facts_give_the_same_bytes_in_whatever_order_packages_are_listed() {
    let mut scene = Scene::new();
    scene.fails("base");
    scene.later(HOUR).pass();
    scene.later(HOUR * 24);
    let plan = report(&scene.facts);
    scene.facts.snapshot.listings.reverse();
    let again = report(&scene.facts);
    assert_eq!(serde_json::to_vec(&plan).unwrap(), serde_json::to_vec(&again).unwrap());
    let parsed: Timestamp = "2026-05-20T09:37:00Z".parse().unwrap();
    assert!(plan.memory["base"].counts_since > parsed);
}
