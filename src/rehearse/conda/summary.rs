//! `summary.json`: what a rehearsal of conda packages came to, for machines.
//!
//! Everything is read back from what was published and stored, in a way that does not depend on how often
//! tidegate was killed on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context as _;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::config::CondaDistribution;
use crate::decide::recheck::CaseVerdict;
use crate::domain::TestVerdict;
use crate::ecosystem::conda::address::ChannelAddress;
use crate::ecosystem::conda::channel::ChannelIndex;
use crate::ecosystem::conda::reader::{ChannelReader, IndexLimits};
use crate::ecosystem::conda::spec::Spec;
use crate::rehearse::rehearsal::PUBLISHED;
use crate::store::{Event, RecheckTest, Store, Verdict};

/// How many events are read at once.
const AT_ONCE: u32 = 500;

/// What a rehearsal came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CondaSummary {
    /// Every metapackage that was made, oldest first.
    pub metapackages: Vec<MetapackageSummary>,
    /// How many builds were admitted, refused or given up.
    pub builds: BTreeMap<String, u64>,
    /// The tests.
    pub tests: Tests,
    /// Every change of a member's state that was told, in the order of time.
    pub changes: Vec<StateChange>,
    /// How many occurrences ended with each outcome.
    pub occurrences: BTreeMap<String, u64>,
}

/// A metapackage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MetapackageSummary {
    /// Its version.
    pub version: String,
    /// When it was made.
    pub made: Timestamp,
    /// When it had passed; none where it has not.
    pub passed: Option<Timestamp>,
    /// The exact members that it stands for, as `name version build`.
    pub members: Vec<String>,
}

/// How much was tested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tests {
    /// Tests that ran, those of mixtures of environments among them.
    pub run: u64,
    /// Those that nothing failed in.
    pub green: u64,
    /// Those that failed or took too long.
    pub red: u64,
    /// How often a member's state was known at a time when others were tested: from an earlier test of the
    /// same build in the same environment.
    pub reused: u64,
}

/// A change of a member's state that was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StateChange {
    /// When.
    pub at: Timestamp,
    /// The member.
    pub member: String,
    /// Its version.
    pub version: String,
    /// The platform.
    pub platform: String,
    /// The state before; none for a member that is new.
    pub from: Option<String>,
    /// The state from then on.
    pub to: String,
    /// What changed in its environment since it was last green.
    pub changed: Vec<String>,
    /// What of that is at fault, where it was found.
    pub culprit: Vec<String>,
}

/// Reads the summary back.
pub(super) async fn collect(
    out: &Path,
    store: &Store,
    distribution: &CondaDistribution,
) -> anyhow::Result<CondaSummary> {
    let events = events(store).await?;
    let mut builds = BTreeMap::from(["admitted", "refused", "expired"].map(|kind| (kind.to_owned(), 0)));
    for event in &events {
        if let Some(count) = builds.get_mut(&event.kind) {
            *count += 1;
        }
    }
    let mut changes = changes(&events);
    changes.sort_by(|a, b| (a.at, &a.member, &a.platform).cmp(&(b.at, &b.member, &b.platform)));
    Ok(CondaSummary {
        metapackages: metapackages(out, distribution, &events).await?,
        builds,
        tests: tests(store, distribution).await?,
        changes,
        occurrences: store.occurrences_by_outcome().await?,
    })
}

/// Every event, in the order in which they were noticed.
pub(super) async fn events(store: &Store) -> anyhow::Result<Vec<Event>> {
    let mut events: Vec<Event> = Vec::new();
    loop {
        let after = events.last().map_or(0, |event| event.id);
        let some = store.events_after(after, AT_ONCE).await?;
        if some.is_empty() {
            return Ok(events);
        }
        events.extend(some);
    }
}

/// The changes of state, each with what was found to be at fault after it: a search may end long after a member
/// turned red, and has an event of its own.
fn changes(events: &[Event]) -> Vec<StateChange> {
    let mut changes: Vec<(&Event, StateChange)> = Vec::new();
    let same_case = |one: &Event, other: &Event| {
        let case = |event: &Event| {
            (event.package.clone(), event.body["platform"].clone(), event.body["mode"].clone())
        };
        case(one) == case(other)
    };
    for event in events {
        match event.kind.as_str() {
            "recheck" => changes.push((event, change(event))),
            "culprit" => {
                let turned = changes.iter_mut().rev().find(|(told, _)| same_case(told, event));
                if let Some((_, change)) = turned {
                    change.culprit = texts(&event.body["culprit"]);
                }
            }
            _ => {}
        }
    }
    changes.into_iter().map(|(_, change)| change).collect()
}

fn change(event: &Event) -> StateChange {
    let text = |key: &str| event.body[key].as_str().unwrap_or_default().to_owned();
    StateChange {
        at: event.at,
        member: event.package.clone().unwrap_or_default(),
        version: text("version"),
        platform: text("platform"),
        from: event.body["from"].as_str().map(str::to_owned),
        to: text("to"),
        changed: texts(&event.body["changed"]),
        culprit: Vec::new(),
    }
}

fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The metapackages that were told of, each with what its channel says that it holds.
async fn metapackages(
    out: &Path,
    distribution: &CondaDistribution,
    events: &[Event],
) -> anyhow::Result<Vec<MetapackageSummary>> {
    let of_kind = |kind: &'static str| events.iter().filter(move |event| event.kind == kind);
    let text = |event: &Event, key: &str| event.body[key].as_str().unwrap_or_default().to_owned();
    let mut found = Vec::new();
    let mut indexes: BTreeMap<String, ChannelIndex> = BTreeMap::new();
    for event in of_kind("metapackage") {
        let (channel, version) = (text(event, "channel"), text(event, "version"));
        if !indexes.contains_key(&channel) {
            indexes.insert(channel.clone(), index(out, distribution, &channel).await?);
        }
        let passed = of_kind("passed").find(|event| text(event, "version") == version);
        found.push(MetapackageSummary {
            members: members(&indexes[&channel], &distribution.metapackage, &version)?,
            version,
            made: event.at,
            passed: passed.map(|event| event.at),
        });
    }
    found.sort_by_key(|metapackage| metapackage.made);
    Ok(found)
}

async fn index(out: &Path, distribution: &CondaDistribution, channel: &str) -> anyhow::Result<ChannelIndex> {
    let channel = distribution.channel(channel).with_context(|| format!("there is no channel {channel}"))?;
    let folder = out.join(PUBLISHED).join(&channel.path);
    let address: ChannelAddress = folder.display().to_string().parse()?;
    let platforms: Vec<&str> = distribution.platforms.iter().map(String::as_str).collect();
    let reader = ChannelReader::new(reqwest::Client::new(), IndexLimits::default());
    Ok(reader.read(&address, &platforms).await?)
}

fn members(index: &ChannelIndex, metapackage: &str, version: &str) -> anyhow::Result<Vec<String>> {
    let builds = index.matching(&Spec::lenient(metapackage)?);
    let of_version = builds.iter().filter(|build| build.version == version);
    let members: BTreeSet<String> = of_version.flat_map(|build| index.depends(build)).collect();
    Ok(members.into_iter().collect())
}

/// What names a test: the file, the platform and the environment.
type Tested = (String, String, String);

async fn tests(store: &Store, distribution: &CondaDistribution) -> anyhow::Result<Tests> {
    let mut tests = Tests::default();
    let mut first: BTreeMap<Tested, Timestamp> = BTreeMap::new();
    for run in store.runs(None, u32::MAX).await? {
        for test in store.recheck_tests_of_run(run.id).await? {
            tests.count(&test);
            let key = (test.sha256, test.platform, test.fingerprint);
            let began = first.entry(key).or_insert(test.began_at);
            *began = test.began_at.min(*began);
        }
    }
    let mut verdicts = Vec::new();
    for member in &distribution.members {
        for verdict in store.verdict_history(member).await? {
            if verdict.scope.starts_with("recheck/") {
                verdicts.push((read(&verdict)?, verdict));
            }
        }
    }
    // World time stands still while anything runs, so that everything of one pass has one time.
    let passes: BTreeSet<Timestamp> = verdicts.iter().map(|(_, verdict)| verdict.since).collect();
    for pass in passes {
        let holds = |verdict: &Verdict| verdict.since <= pass && verdict.until.is_none_or(|end| pass < end);
        let known = verdicts.iter().filter(|(tested, verdict)| {
            let began = tested.as_ref().and_then(|tested| first.get(tested));
            holds(verdict) && began.is_some_and(|began| *began < pass)
        });
        tests.reused += known.count() as u64;
    }
    Ok(tests)
}

impl Tests {
    /// Counts a test whose result says something of the package.
    fn count(&mut self, test: &RecheckTest) {
        let counted = match &test.verdict {
            Some(TestVerdict::Pass) => &mut self.green,
            Some(TestVerdict::Fail { .. } | TestVerdict::TimedOut { .. }) => &mut self.red,
            Some(
                TestVerdict::NoTests
                | TestVerdict::UnknownTests { .. }
                | TestVerdict::NoEngine { .. }
                | TestVerdict::Infrastructure { .. },
            )
            | None => return,
        };
        *counted += 1;
        self.run += 1;
    }
}

/// The test that a verdict rests on; nothing where no environment was found.
fn read(verdict: &Verdict) -> anyhow::Result<Option<Tested>> {
    let stored: CaseVerdict = serde_json::from_value(verdict.body["recheck"].clone())
        .with_context(|| format!("the verdict on {} cannot be read", verdict.package))?;
    let case = stored.case;
    Ok(stored.fingerprint.map(|fingerprint| (case.member.sha256, case.platform, fingerprint)))
}
