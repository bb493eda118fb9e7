//! Facts of a promotion with sensible defaults: a distribution with R-multiverse's calendar in which
//! every package is healthy, pinned and current, until a scene says otherwise.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use sha2::{Digest as _, Sha256};
use tidegate::calendar::{
    Calendar, CyclePoint, MilestoneRule, Offset, PhaseRule, Promote, RRelease, RTargets, Targets,
};
use tidegate::decide::promote::{promote, text_digest};
use tidegate::domain::{
    Action, Assessment, Change, ChannelHead, ChannelStatus, Check, Evidence, Fact, FreezeException, Issue,
    Listing, Plan, PromotionFacts, ProposalSeen, ProposalState, RVersion, Release, ReleasedEvidence,
    StagingModel, Verdict, VerdictKind, Via,
};

/// Days of the cycle that the scenes play in.
pub const FREEZE_BEGINS: &str = "2026-04-15";
pub const DEPENDENCY_FREEZE: &str = "2026-04-20";
pub const CANDIDATE_FREEZE: &str = "2026-05-20";
pub const STANDSTILL: &str = "2026-06-20";

/// What a promotion looks at, told step by step.
#[derive(Clone, Debug)]
pub struct Scene {
    pub facts: PromotionFacts,
}

impl Scene {
    /// The `pinned` model by pull request on `day`. The cycle's grouped change is merged already.
    pub fn on(day: &str) -> Self {
        let mut scene = Self::without_group(day);
        let key = scene.freeze_key();
        scene.facts.head.targets = Some(scene.facts.targets.clone());
        scene.facts.proposals.push(proposal(&key, 1, ProposalState::Merged));
        scene
    }

    /// The same, while nothing of the cycle has happened yet.
    pub fn without_group(day: &str) -> Self {
        let (point, targets) = point_and_targets(day);
        let status = ChannelStatus {
            r_series: targets.r.clone(),
            frozen_date: targets.dependency_freeze.to_string(),
            packages: BTreeMap::new(),
            held: Vec::new(),
            odd_dependencies: Default::default(),
        };
        Self {
            facts: PromotionFacts {
                distribution: "demo".to_owned(),
                from: "community".to_owned(),
                to: "staging".to_owned(),
                point,
                targets,
                staging: StagingModel::Pinned,
                via: Via::PullRequest,
                guarded: true,
                max_open: 20,
                source: Vec::new(),
                head: ChannelHead { commit: "0".repeat(40), listings: Vec::new(), targets: None },
                releases: BTreeMap::new(),
                status: Fact::Known(status),
                released: Fact::Known(BTreeMap::new()),
                universe: Some("https://staging.example.org".to_owned()),
                held_versions: BTreeMap::new(),
                pinned_by_person: Default::default(),
                proposals: Vec::new(),
                exceptions: Vec::new(),
                people: Default::default(),
                queue: Default::default(),
                upstream: BTreeMap::new(),
                removals: BTreeMap::new(),
            },
        }
    }

    /// The `follow` model on `day`: packages of staging follow their newest release.
    pub fn follow(day: &str) -> Self {
        let mut scene = Self::without_group(day);
        scene.facts.staging = StagingModel::Follow;
        scene.facts.head.targets = Some(scene.facts.targets.clone());
        scene
    }

    /// The same facts on another day of the same or another cycle.
    pub fn later(mut self, day: &str) -> Self {
        (self.facts.point, self.facts.targets) = point_and_targets(day);
        self
    }

    pub fn by_commit(mut self) -> Self {
        self.facts.via = Via::Commit;
        self
    }

    pub fn faithful(mut self) -> Self {
        self.facts.guarded = false;
        self
    }

    /// A healthy package at `version` in both channels, without a newer release.
    pub fn package(mut self, package: &str, version: &str) -> Self {
        let commit = commit(package, version);
        self.facts.source.push(listing(package, Some("*release")));
        let branch = if self.facts.staging == StagingModel::Pinned { &commit } else { "*release" };
        self.facts.head.listings.push(listing(package, Some(branch)));
        self.facts.held_versions.insert(package.to_owned(), version.to_owned());
        self.set_assessment(package, assessment(package, version));
        self.releases(package, version)
    }

    /// A package that only community lists.
    pub fn new_package(mut self, package: &str, version: &str) -> Self {
        self.facts.source.push(listing(package, Some("*release")));
        self.releases(package, version)
    }

    /// A package of staging that community lists no more.
    pub fn without(mut self, package: &str) -> Self {
        self.facts.source.retain(|listing| listing.package != package);
        self
    }

    /// Upstream published this version.
    pub fn releases(mut self, package: &str, version: &str) -> Self {
        let release = Release {
            version: version.to_owned(),
            commit: commit(package, version),
            tag: Some(format!("v{version}")),
            problems: Vec::new(),
        };
        self.facts.releases.insert(package.to_owned(), Fact::Known(Some(release)));
        self
    }

    /// One commit of their repository released all of these.
    pub fn released_together(mut self, packages: &[(&str, &str)]) -> Self {
        let whole: String = packages.iter().map(|(package, version)| format!("{package}{version}")).collect();
        for (package, version) in packages {
            self = self.releases(package, version);
            if let Some(Fact::Known(Some(release))) = self.facts.releases.get_mut(*package) {
                release.commit = commit(&whole, "together");
            }
        }
        self
    }

    /// What community says of a package at this version.
    pub fn released(mut self, package: &str, version: &str, change: impl FnOnce(&mut Assessment)) -> Self {
        let mut known = assessment(package, version);
        change(&mut known);
        if let Fact::Known(released) = &mut self.facts.released {
            released.insert(package.to_owned(), ReleasedEvidence { assessment: known, checks: Vec::new() });
        }
        self
    }

    /// Community passes a package at this version, with these checks.
    pub fn released_passes(self, package: &str, version: &str, checks: Vec<Check>) -> Self {
        let mut scene = self.released(package, version, |_| {});
        if let Fact::Known(released) = &mut scene.facts.released {
            released.get_mut(package).expect("it was added just now").checks = checks;
        }
        scene
    }

    /// What is known of the newest release instead.
    pub fn release_fact(mut self, package: &str, fact: Fact<Option<Release>>) -> Self {
        self.facts.releases.insert(package.to_owned(), fact);
        self
    }

    /// The package's newest release does not meet the light checks.
    pub fn problem(mut self, package: &str, problem: &str) -> Self {
        if let Some(Fact::Known(Some(release))) = self.facts.releases.get_mut(package) {
            release.problems.push(problem.to_owned());
        }
        self
    }

    /// Staging pins this package at another commit than the one its universe has.
    pub fn pinned_at(mut self, package: &str, version: &str) -> Self {
        let pin = commit(package, version);
        self.row(package).branch = Some(pin);
        self.facts.held_versions.insert(package.to_owned(), version.to_owned());
        self
    }

    pub fn pinned_by_person(mut self, package: &str) -> Self {
        self.facts.pinned_by_person.insert(package.to_owned());
        self
    }

    /// The repository holds several packages.
    pub fn at_url(mut self, package: &str, url: &str) -> Self {
        let rows = self.facts.source.iter_mut().chain(&mut self.facts.head.listings);
        rows.filter(|listing| listing.package == package).for_each(|listing| listing.url = url.to_owned());
        self
    }

    pub fn fails(self, package: &str) -> Self {
        self.has_issue(package, Issue::RCmdCheck(vec![check("ERROR", "linux-release-x86_64")]))
    }

    pub fn has_issue(self, package: &str, issue: Issue) -> Self {
        self.assess(package, |assessment| {
            assessment.evidence = Evidence::Failing;
            assessment.issues.push(issue);
        })
    }

    /// `package` depends on `cause`, which fails.
    pub fn fails_through(self, package: &str, cause: &str) -> Self {
        self.has_issue(package, Issue::Dependencies([(cause.to_owned(), Vec::new())].into()))
    }

    pub fn building(self, package: &str) -> Self {
        self.assess(package, |assessment| {
            assessment.settled = Some(assessment.evidence);
            assessment.evidence = Evidence::Pending;
            assessment.issues = vec![Issue::Synchronization("https://example.org/run/1".to_owned())];
        })
    }

    pub fn undetermined(self, package: &str) -> Self {
        self.assess(package, |assessment| {
            assessment.evidence = Evidence::Unknown;
            assessment.unknown = vec!["the CRAN index could not be read".to_owned()];
        })
    }

    pub fn assess(mut self, package: &str, change: impl FnOnce(&mut Assessment)) -> Self {
        if let Fact::Known(status) = &mut self.facts.status {
            change(status.packages.get_mut(package).expect("the package is assessed"));
        }
        self
    }

    pub fn status_unknown(mut self) -> Self {
        self.facts.status = Fact::unknown("the status of staging was not read lately");
        self
    }

    pub fn exception(mut self, package: &str, version: &str) -> Self {
        self.facts.exceptions.push(FreezeException {
            package: package.to_owned(),
            version: version.to_owned(),
            by: "Ada".to_owned(),
            reason: "mends a leak".to_owned(),
        });
        self
    }

    /// Alters the proposal with this number.
    pub fn proposal(mut self, number: u64, change: impl FnOnce(&mut ProposalSeen)) -> Self {
        let found = self.facts.proposals.iter_mut().find(|seen| seen.number == number);
        change(found.expect("there is a proposal of this number"));
        self
    }

    pub fn closed(self, number: u64) -> Self {
        self.proposal(number, |seen| seen.state = ProposalState::Closed)
    }

    pub fn withdrawn(self, number: u64) -> Self {
        self.proposal(number, |seen| seen.state = ProposalState::Withdrawn)
    }

    pub fn freeze_key(&self) -> String {
        format!("staging/freeze-{}", self.facts.point.cycle_start)
    }

    pub fn plan(&self) -> Plan {
        promote(&self.facts)
    }

    /// The scene after the plan's actions, before anybody merged its pull requests.
    pub fn acted(mut self) -> Self {
        for action in self.plan().actions {
            match action {
                Action::Commit(change) => self.land(&change),
                Action::Propose { key, change, body, .. } => self.open(&key, &change, &body),
                Action::Retext { number, title, body, .. } => {
                    self = self.proposal(number, |seen| seen.text_digest = text_digest(&title, &body));
                }
                Action::Close { number, .. } => self = self.withdrawn(number),
                Action::Comment { number, commits, .. } => {
                    self = self.proposal(number, |seen| seen.told.extend(commits));
                }
            }
        }
        self
    }

    /// The scene after the plan's actions, with every pull request merged, and built well.
    pub fn merged(mut self) -> Self {
        for action in self.plan().actions {
            match action {
                Action::Commit(change) => self.land(&change),
                Action::Propose { key, change, body, .. } => {
                    self.open(&key, &change, &body);
                    let seen = self.facts.proposals.iter_mut().rfind(|seen| seen.key == key);
                    seen.expect("it was opened just now").state = ProposalState::Merged;
                    self.land(&change);
                }
                Action::Retext { .. } | Action::Comment { .. } => {}
                Action::Close { number, .. } => self = self.withdrawn(number),
            }
        }
        self
    }

    fn open(&mut self, key: &str, change: &Change, body: &str) {
        let open = |seen: &&mut ProposalSeen| seen.key == key && seen.state == ProposalState::Open;
        let number = self.facts.proposals.iter().map(|seen| seen.number).max().unwrap_or(0) + 1;
        let fingerprint = change.fingerprint(&self.facts.source);
        let seen = match self.facts.proposals.iter_mut().find(open) {
            Some(seen) => seen,
            None => {
                self.facts.proposals.push(proposal(key, number, ProposalState::Open));
                self.facts.proposals.last_mut().expect("it was added just now")
            }
        };
        seen.commits = change.commits();
        seen.fingerprint = fingerprint;
        seen.text_digest = text_digest(&change.title, body);
        seen.conflicting = false;
    }

    fn land(&mut self, change: &Change) {
        let copy = self.facts.source.clone();
        self.facts.head.listings = change.listings(&self.facts.head.listings).unwrap_or(copy);
        if let Some(targets) = &change.targets {
            self.facts.head.targets = Some(targets.clone());
        }
        for moved in &change.moves {
            self.facts.held_versions.insert(moved.package.clone(), moved.to_version.clone());
            let mut built = assessment(&moved.package, &moved.to_version);
            built.commit = Some(moved.to_commit.clone());
            self.set_assessment(&moved.package, built);
        }
    }

    fn row(&mut self, package: &str) -> &mut Listing {
        let rows = &mut self.facts.head.listings;
        rows.iter_mut().find(|listing| listing.package == package).expect("staging lists the package")
    }

    fn set_assessment(&mut self, package: &str, assessment: Assessment) {
        if let Fact::Known(status) = &mut self.facts.status {
            status.packages.insert(package.to_owned(), assessment);
        }
    }
}

/// The verdict on a package.
pub fn verdict<'a>(plan: &'a Plan, package: &str) -> &'a Verdict {
    plan.verdicts.get(package).expect("every package has a verdict")
}

/// The kind of the verdict on a package.
pub fn kind(scene: &Scene, package: &str) -> VerdictKind {
    verdict(&scene.plan(), package).kind
}

/// The verdict on a package as people read it.
pub fn words(scene: &Scene, package: &str) -> String {
    let plan = scene.plan();
    let verdict = verdict(&plan, package);
    format!("{:?}: {} {}", verdict.kind, verdict.reason, verdict.next)
}

/// The actions of a plan, one line each.
pub fn actions(scene: &Scene) -> Vec<String> {
    let line = |action: &Action| match action {
        Action::Commit(change) => format!("commit: {}", change.title),
        Action::Propose { key, update: None, change, .. } => format!("open {key}: {}", change.title),
        Action::Propose { key, update: Some(number), change, .. } => {
            format!("update #{number} {key}: {}", change.title)
        }
        Action::Retext { key, number, title, .. } => format!("retext #{number} {key}: {title}"),
        Action::Close { key, number, title, .. } => format!("close #{number} {key}: {title}"),
        Action::Comment { number, .. } => format!("comment on #{number}"),
    };
    scene.plan().actions.iter().map(line).collect()
}

/// The changes that a plan commits or proposes.
pub fn changes(plan: &Plan) -> Vec<&Change> {
    fn change(action: &Action) -> Option<&Change> {
        match action {
            Action::Commit(change) | Action::Propose { change, .. } => Some(change),
            Action::Retext { .. } | Action::Close { .. } | Action::Comment { .. } => None,
        }
    }
    plan.actions.iter().filter_map(change).collect()
}

/// The title and body of the only pull request that a scene leads to.
pub fn text(scene: &Scene) -> String {
    match scene.plan().actions.as_slice() {
        [Action::Propose { change, body, .. }] => format!("{}\n\n{body}", change.title),
        other => panic!("one pull request was expected, not {other:?}"),
    }
}

/// The commit of a version, always the same.
pub fn commit(package: &str, version: &str) -> String {
    let digest = Sha256::digest(format!("{package} {version}"));
    digest.iter().take(20).map(|byte| format!("{byte:02x}")).collect()
}

pub fn listing(package: &str, branch: Option<&str>) -> Listing {
    Listing {
        package: package.to_owned(),
        url: format!("https://github.com/owner/{package}"),
        branch: branch.map(str::to_owned),
        subdir: None,
    }
}

pub fn assessment(package: &str, version: &str) -> Assessment {
    Assessment {
        version: Some(version.to_owned()),
        commit: Some(commit(package, version)),
        published: Some("2026-04-01 00:00:00.000 UTC".to_owned()),
        evidence: Evidence::Passing,
        settled: None,
        failed_build: None,
        issues: Vec::new(),
        unknown: Vec::new(),
        unknown_through: None,
        held_until: Default::default(),
        outdated_by: Vec::new(),
        from_elsewhere: Vec::new(),
        overridden: None,
        own_check: None,
        cleared: Vec::new(),
    }
}

pub fn check(result: &str, config: &str) -> Check {
    Check {
        check: result.to_owned(),
        config: config.to_owned(),
        r: "4.5.3".to_owned(),
        url: format!("https://github.com/r-universe/demo/actions/runs/1/job/{}", config.len()),
    }
}

pub fn proposal(key: &str, number: u64, state: ProposalState) -> ProposalSeen {
    ProposalSeen {
        key: key.to_owned(),
        number,
        state,
        touched: false,
        conflicting: false,
        commits: BTreeMap::new(),
        fingerprint: String::new(),
        text_digest: String::new(),
        told: BTreeMap::new(),
    }
}

/// R-multiverse's calendar.
pub fn point_and_targets(day: &str) -> (CyclePoint, Targets) {
    let phase = |name: &str, month: i8, promote: Promote| PhaseRule {
        name: name.to_owned(),
        starts: Offset { month, day: 15 },
        promote,
    };
    let phases = vec![
        phase("dependency-freeze", 0, Promote::All),
        phase("candidate-freeze", 1, Promote::FailingOnly),
        phase("standstill", 2, Promote::None),
    ];
    let snapshot = MilestoneRule { name: "snapshot".to_owned(), on: Offset { month: 2, day: 15 } };
    let calendar =
        Calendar::new(TimeZone::UTC, vec![1, 4, 7, 10], 15, phases, vec![snapshot]).expect("it is sound");
    let point = calendar.point_on(day.parse::<Date>().expect("a date"));
    let r = RRelease {
        version: RVersion::parse("4.5.0").expect("a version"),
        date: "2025-04-11".parse().expect("a date"),
    };
    let targets = RTargets {
        releases: vec![r],
        cran: "https://packagemanager.posit.co/cran/{date}".to_owned(),
        production: "https://production.example.org/{date}".to_owned(),
    };
    let targets = targets.targets(&point).expect("the calendar has what targets need");
    (point, targets)
}
