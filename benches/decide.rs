//! How long the rules take for 30,000 packages with 150,000 dependencies, of which 300 fail: the
//! status with its guard, a promotion in each phase that matters, and a snapshot.
//!
//! The floor beside them is writing the same facts down once as JSON, which every pass has to do in
//! any case. `cargo bench --bench decide [-- PACKAGES]`.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::time::{Duration, Instant};

use jiff::civil::date;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};
use tidegate::calendar::{CyclePoint, Phase, Promote, Targets};
use tidegate::decide::guard::{GuardMemory, GuardPolicy, review};
use tidegate::decide::promote::promote;
use tidegate::decide::snapshot::{SnapshotFacts, snapshot};
use tidegate::decide::status::{channel_status, own_findings};
use tidegate::domain::{
    ChannelHead, ChannelStatus, Check, Checks, DependencyRule, EvidencePolicy, Fact, Listing, PackageFacts,
    PackageName, PromotionFacts, Release, StagingModel, StatusFacts, Via,
};

const PACKAGES: usize = 30_000;
const DEPENDENCIES: usize = 5;
/// One package of so many has one dependency more: 150,000 in all.
const NEEDY: usize = 20;
/// One package of so many fails.
const FAILING: usize = 100;
/// One package of so many has a newer release.
const RELEASED: usize = 20;
/// One package of so many was updated since the first look, before what depends on it was checked.
const UPDATED: usize = 3;
/// When every package was checked last.
const PACKED: Timestamp = Timestamp::constant(1_779_000_000, 0);
const ROUNDS: usize = 5;

fn main() {
    let packages = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(PACKAGES);
    let facts = status_facts(packages);
    let own = || own_findings(&facts, EvidencePolicy::Guarded);
    let policy = GuardPolicy { mass_change: 0.25, confirm_after: 3 };
    let reviewed = || review(&GuardMemory::default(), Timestamp::UNIX_EPOCH, &facts, own(), (policy, None));
    let draw = || channel_status(&facts, &reviewed().findings, EvidencePolicy::Guarded);
    let status = draw();
    let edges: usize = facts.packages.values().map(|package| package.dependencies.len()).sum();
    let failing = status.packages.values().filter(|known| !known.issues.is_empty()).count();
    println!(
        "{packages} packages, {edges} dependencies, {} fail by themselves, {failing} in all",
        packages / FAILING
    );

    let floor = best(|| serde_json::to_vec(&facts).expect("it can be written"));
    row("status facts as JSON (floor)", floor, floor);
    row("status with guard", best(draw), floor);

    let freeze = promotion_facts(packages, &status, Promote::All);
    let floor = best(|| serde_json::to_vec(&freeze).expect("it can be written"));
    row("promotion facts as JSON (floor)", floor, floor);
    row("promote, the freeze begins", best(|| promote(&freeze)), floor);
    let candidates = promotion_facts(packages, &status, Promote::FailingOnly);
    row("promote, candidate freeze", best(|| promote(&candidates)), floor);
    let follow = PromotionFacts { staging: StagingModel::Follow, ..unpinned(candidates) };
    row("promote, follow", best(|| promote(&follow)), floor);

    let photograph = snapshot_facts(&facts, &freeze, status);
    row("snapshot", best(|| snapshot(&photograph)), floor);
}

/// The shortest of several rounds; what the work made is freed outside of the time.
fn best<T>(mut work: impl FnMut() -> T) -> Duration {
    let round = |_| {
        let begun = Instant::now();
        let made = black_box(work());
        let took = begun.elapsed();
        drop(made);
        took
    };
    (0..ROUNDS).map(round).min().unwrap_or_default()
}

fn row(what: &str, took: Duration, floor: Duration) {
    let times = took.as_secs_f64() / floor.as_secs_f64();
    println!("{what:<34} {:>8.1} ms  {times:>5.2} x floor", took.as_secs_f64() * 1_000.0);
}

fn name(number: usize) -> PackageName {
    format!("package{number:05}")
}

fn commit(number: usize, version: &str) -> String {
    let digest = Sha256::digest(format!("{number} {version}"));
    digest.iter().take(20).map(|byte| format!("{byte:02x}")).collect()
}

/// Made-up but always the same. As in real distributions most dependencies are on a few packages
/// that nearly everything needs, and these few depend on little.
fn dependencies(number: usize) -> Vec<PackageName> {
    let digest = Sha256::digest(number.to_le_bytes());
    let wanted = DEPENDENCIES + usize::from(number.is_multiple_of(NEEDY));
    let drawn = digest.chunks_exact(4).map(|four| {
        let drawn = f64::from(u32::from_le_bytes([four[0], four[1], four[2], four[3]])) / f64::from(u32::MAX);
        (drawn.powi(6) * number as f64) as usize
    });
    let mut different = BTreeSet::new();
    for dependency in drawn.filter(|dependency| *dependency < number) {
        if different.len() < wanted {
            different.insert(dependency);
        }
    }
    different.into_iter().map(name).collect()
}

fn status_facts(packages: usize) -> StatusFacts {
    let check = |number: usize, result: &str, config: &str| Check {
        check: result.to_owned(),
        config: config.to_owned(),
        r: "4.5.3".to_owned(),
        url: format!("https://github.com/r-universe/demo/actions/runs/{number}"),
    };
    let facts = |number: usize| PackageFacts {
        version: Some("1.0".to_owned()),
        commit: Some(commit(number, "1.0")),
        license: Some("MIT + file LICENSE".to_owned()),
        foss: Some(true),
        checks: Checks::All(
            ["source", "linux-release-x86_64", "macos-release-arm64", "windows-release"]
                .map(|config| check(number, if number % FAILING == 7 { "ERROR" } else { "OK" }, config))
                .into(),
        ),
        dependencies: dependencies(number),
        packed: Some(PACKED),
        updated: number.is_multiple_of(UPDATED).then(|| PACKED - SignedDuration::from_hours(24)),
        ..PackageFacts::default()
    };
    StatusFacts {
        packages: (0..packages).map(|number| (name(number), facts(number))).collect(),
        cran: Fact::Known((0..packages / 2).map(|number| (name(number), "0.9".to_owned())).collect()),
        builds: Fact::Known(BTreeMap::new()),
        advisories: Fact::Known(BTreeMap::new()),
        listed: Fact::Known((0..packages).map(|number| (name(number), None)).collect()),
        ledger: BTreeMap::new(),
        staged: BTreeSet::new(),
        own_checks: BTreeMap::new(),
        r_series: "4.5".to_owned(),
        older_r_series: None,
        frozen_date: "2026-04-15".to_owned(),
        dependency_rule: DependencyRule::Strict,
        overrides: BTreeMap::new(),
    }
}

fn listing(number: usize, branch: String) -> Listing {
    let package = name(number);
    let url = format!("https://github.com/owner/{package}");
    Listing { package, url, branch: Some(branch), subdir: None }
}

fn promotion_facts(packages: usize, status: &ChannelStatus, promote: Promote) -> PromotionFacts {
    let release = |number: usize| {
        let version = if number.is_multiple_of(RELEASED) { "1.1" } else { "1.0" };
        let (version, commit) = (version.to_owned(), commit(number, version));
        (name(number), Fact::Known(Some(Release { version, commit, tag: None, problems: Vec::new() })))
    };
    let targets = Targets {
        dependency_freeze: date(2026, 4, 15),
        candidate_freeze: date(2026, 5, 15),
        snapshot: date(2026, 6, 15),
        r: "4.5".to_owned(),
        cran: "https://packagemanager.posit.co/cran/2026-04-15".to_owned(),
        production: "https://production.example.org/2026-06-15".to_owned(),
    };
    let phase = Phase { name: "now".to_owned(), promote, start: date(2026, 4, 15), end: date(2026, 5, 15) };
    let held = (0..packages).map(|number| listing(number, commit(number, "1.0")));
    PromotionFacts {
        distribution: "demo".to_owned(),
        from: "community".to_owned(),
        to: "staging".to_owned(),
        point: CyclePoint {
            cycle_start: date(2026, 4, 15),
            phase,
            milestones: BTreeMap::new(),
            phase_starts: BTreeMap::new(),
            next_cycle: date(2026, 7, 15),
        },
        targets: targets.clone(),
        staging: StagingModel::Pinned,
        via: Via::PullRequest,
        guarded: true,
        max_open: 1_000,
        source: (0..packages).map(|number| listing(number, "*release".to_owned())).collect(),
        head: ChannelHead { commit: "0".repeat(40), listings: held.collect(), targets: Some(targets) },
        releases: (0..packages).map(release).collect(),
        status: Fact::Known(status.clone()),
        released: Fact::Known(BTreeMap::new()),
        universe: None,
        held_versions: (0..packages).map(|number| (name(number), "1.0".to_owned())).collect(),
        pinned_by_person: BTreeSet::new(),
        proposals: Vec::new(),
        exceptions: Vec::new(),
        people: Default::default(),
        queue: Default::default(),
        upstream: BTreeMap::new(),
        removals: BTreeMap::new(),
    }
}

fn unpinned(mut facts: PromotionFacts) -> PromotionFacts {
    facts.head.listings.clone_from(&facts.source);
    facts
}

fn snapshot_facts(facts: &StatusFacts, promotion: &PromotionFacts, status: ChannelStatus) -> SnapshotFacts {
    let dependencies =
        facts.packages.iter().map(|(name, package)| (name.clone(), package.dependencies.clone()));
    SnapshotFacts {
        distribution: promotion.distribution.clone(),
        from: promotion.to.clone(),
        date: promotion.targets.snapshot,
        targets: promotion.targets.clone(),
        staging: StagingModel::Pinned,
        listings: promotion.head.listings.clone(),
        status: Fact::Known(status),
        dependencies: dependencies.collect(),
        previous: None,
        shrink: 0.2,
        removals: BTreeMap::new(),
        absent: BTreeMap::new(),
        dependency_rule: DependencyRule::Strict,
        released: None,
        exceptions: Vec::new(),
        background: Default::default(),
    }
}
