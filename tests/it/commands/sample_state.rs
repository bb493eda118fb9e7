//! A state folder as a few passes leave it: two promotions and a snapshot of a channel with four
//! packages, decided by the real rules.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::Timestamp;
use serde_json::json;
use tidegate::config::{Distribution, shipped};
use tidegate::decide::promote::promote;
use tidegate::decide::snapshot::{SnapshotFacts, snapshot};
use tidegate::domain::{
    Assessment, ChannelHead, ChannelStatus, Evidence, Fact, Issue, Listing, PackageName, PromotionFacts,
    Release,
};
use tidegate::store::{BootId, Durability, RunEnd, RunId, Store, VerdictRow};

pub const PROMOTION: &str = "r-multiverse-staging";
pub const SNAPSHOT: &str = "r-multiverse-snapshot";

/// The folder; it goes away with this value.
pub struct SampleState(tempfile::TempDir);

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn distribution() -> Distribution {
    shipped().distributions.remove("r-multiverse").unwrap()
}

fn commit(of: &str, version: &str) -> String {
    let mut text: String = format!("{of}{version}").bytes().map(|byte| format!("{byte:02x}")).collect();
    text.truncate(40);
    format!("{text:0>40}")
}

/// `base` ← `middle` ← `top`, and `apart` by itself.
fn dependencies() -> BTreeMap<PackageName, Vec<PackageName>> {
    let on = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    BTreeMap::from([
        ("apart".to_owned(), on(&[])),
        ("base".to_owned(), on(&[])),
        ("middle".to_owned(), on(&["base"])),
        ("top".to_owned(), on(&["middle", "base"])),
    ])
}

fn listings() -> Vec<Listing> {
    let listing = |package: &PackageName| Listing {
        package: package.clone(),
        url: format!("https://github.com/upstream/{package}"),
        branch: Some(commit(package, "1.0")),
        subdir: None,
    };
    dependencies().keys().map(listing).collect()
}

/// All is well, or `base` fails and takes its dependents with it.
fn status(fails: &[&str]) -> ChannelStatus {
    let assessment = |package: &str| {
        let mut issues = Vec::new();
        if fails.contains(&package) {
            issues.push(Issue::License("\u{1b}[31mSecret\nlicence".to_owned()));
        } else if dependencies()[package].iter().any(|on| fails.contains(&on.as_str())) {
            issues.push(Issue::Dependencies(BTreeMap::from([("base".to_owned(), Vec::new())])));
        }
        Assessment {
            version: Some("1.0".to_owned()),
            commit: Some(commit(package, "1.0")),
            published: None,
            evidence: if issues.is_empty() { Evidence::Passing } else { Evidence::Failing },
            settled: None,
            issues,
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
    };
    ChannelStatus {
        r_series: "4.6".to_owned(),
        frozen_date: "2026-07-15".to_owned(),
        packages: dependencies().keys().map(|name| (name.clone(), assessment(name))).collect(),
        held: Vec::new(),
        odd_dependencies: Default::default(),
    }
}

/// What a promotion at `now` looks at.
pub fn promotion_facts(now: Timestamp, fails: &[&str]) -> PromotionFacts {
    let distribution = distribution();
    let point = distribution.point(now);
    let release = |package: &PackageName, version: &str| Release {
        version: version.to_owned(),
        commit: commit(package, version),
        tag: Some(format!("v{version}")),
        problems: Vec::new(),
    };
    let mut releases: BTreeMap<PackageName, Fact<Option<Release>>> =
        dependencies().keys().map(|name| (name.clone(), Fact::Known(Some(release(name, "1.0"))))).collect();
    releases.insert("apart".to_owned(), Fact::Known(Some(release(&"apart".to_owned(), "1.1"))));
    PromotionFacts {
        distribution: "r-multiverse".to_owned(),
        from: "community".to_owned(),
        to: "staging".to_owned(),
        targets: distribution.targets(&point).unwrap(),
        point,
        staging: distribution.policy.staging,
        via: distribution.policy.via,
        guarded: true,
        max_open: 20,
        source: listings()
            .into_iter()
            .map(|row| Listing { branch: Some("*release".into()), ..row })
            .collect(),
        head: ChannelHead { commit: "f".repeat(40), listings: listings(), targets: None },
        releases,
        status: Fact::Known(status(fails)),
        released: Fact::Known(BTreeMap::new()),
        universe: None,
        held_versions: dependencies().keys().map(|name| (name.clone(), "1.0".to_owned())).collect(),
        pinned_by_person: BTreeSet::new(),
        proposals: Vec::new(),
        exceptions: Vec::new(),
        people: Default::default(),
        queue: Default::default(),
        upstream: BTreeMap::new(),
        removals: BTreeMap::new(),
    }
}

fn snapshot_facts(now: Timestamp) -> SnapshotFacts {
    let distribution = distribution();
    let targets = distribution.targets(&distribution.point(now)).unwrap();
    SnapshotFacts {
        distribution: "r-multiverse".to_owned(),
        from: "staging".to_owned(),
        date: targets.snapshot,
        targets,
        staging: distribution.policy.staging,
        listings: listings(),
        status: Fact::Known(status(&["base"])),
        dependencies: dependencies(),
        previous: None,
        shrink: 0.2,
        removals: BTreeMap::new(),
        absent: BTreeMap::new(),
        dependency_rule: distribution.policy.dependencies,
        released: None,
        exceptions: Vec::new(),
        background: Default::default(),
    }
}

/// Opens a run of `job` for `now`.
pub async fn begin(store: &Store, job: &str, now: Timestamp) -> RunId {
    let occurrence = store.request_run(job, now, "a test", now).await.unwrap();
    store.claim_occurrence(occurrence, &BootId("b".into()), now).await.unwrap().run
}

/// A decision with its input: both as bytes.
struct Decided {
    input: Vec<u8>,
    plan: Vec<u8>,
    verdicts: BTreeMap<String, VerdictRow>,
}

async fn keep(store: &Store, (job, scope): (&str, &str), decided: Decided, now: Timestamp) {
    let run = begin(store, job, now).await;
    let input_digest = Some(store.put_blob(&decided.input, now).await.unwrap());
    let plan_digest = Some(store.put_blob(&decided.plan, now).await.unwrap());
    store.replace_verdicts("r-multiverse", scope, &decided.verdicts, now, run).await.unwrap();
    let summary = format!("{} packages", decided.verdicts.len());
    store.finish_run(run, &RunEnd::Done { summary, input_digest, plan_digest }, now).await.unwrap();
}

fn promoted(facts: &PromotionFacts) -> Decided {
    let plan = promote(facts);
    let row = |(package, verdict): (&String, &tidegate::domain::Verdict)| {
        let body = serde_json::to_value(verdict).unwrap();
        (package.clone(), VerdictRow { kind: body["kind"].as_str().unwrap().to_owned(), body })
    };
    let verdicts = plan.verdicts.iter().map(row).collect();
    Decided { input: serde_json::to_vec(facts).unwrap(), plan: serde_json::to_vec(&plan).unwrap(), verdicts }
}

fn photographed(facts: &SnapshotFacts) -> Decided {
    let plan = snapshot(facts);
    let mut verdicts = BTreeMap::new();
    for member in &plan.members {
        let body = json!({"date": facts.date, "member": member});
        verdicts.insert(member.package.clone(), VerdictRow { kind: "included".into(), body });
    }
    for left_out in &plan.left_out {
        let body = json!({"date": facts.date, "left_out": left_out});
        verdicts.insert(left_out.package.clone(), VerdictRow { kind: "left-out".into(), body });
    }
    Decided { input: serde_json::to_vec(facts).unwrap(), plan: serde_json::to_vec(&plan).unwrap(), verdicts }
}

impl SampleState {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        block_on(async {
            let now = at("2026-08-20T09:17:00Z");
            let store = Store::open_state(folder.path(), Durability::ProcessCrash, now).await.unwrap();
            for (now, fails) in [("2026-08-20T09:17:00Z", [].as_slice()), ("2026-08-20T10:17:00Z", &["base"])]
            {
                let now = at(now);
                let decided = promoted(&promotion_facts(now, fails));
                keep(&store, (PROMOTION, "staging"), decided, now).await;
            }
            let now = at("2026-09-15T02:00:00Z");
            keep(&store, (SNAPSHOT, "snapshot"), photographed(&snapshot_facts(now)), now).await;
            store.close().await;
        });
        Self(folder)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Runs a command on this state. Digests and paths that differ between machines are cut out.
    pub fn run(&self, arguments: &str) -> super::Ran {
        let state = self.path().to_str().unwrap();
        let line = ["--state", state].into_iter().chain(arguments.split_whitespace());
        let ran = super::run(line);
        let out = ran.out.replace(state, "STATE");
        let out = if arguments.contains("--json") { out } else { without_digests(&out) };
        super::Ran { err: ran.err.replace(state, "STATE"), out, ..ran }
    }

    /// Changes the state as another tidegate would.
    pub fn change(&self, change: impl AsyncFnOnce(&Store)) {
        block_on(async {
            let now = at("2026-09-15T03:00:00Z");
            let store = Store::open_state(self.path(), Durability::ProcessCrash, now).await.unwrap();
            change(&store).await;
            store.close().await;
        });
    }
}

pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(work)
}

/// SHA-256 digests depend on every field of the facts; what they are made of is tested elsewhere.
fn without_digests(text: &str) -> String {
    let is_digit = |letter: char| letter.is_ascii_hexdigit();
    let words = text.split_inclusive(|letter| !is_digit(letter));
    words
        .map(|word| match word.trim_end_matches(|letter| !is_digit(letter)) {
            digest if digest.len() == 64 => word.replace(digest, "DIGEST"),
            _ => word.to_owned(),
        })
        .collect()
}
