//! Plays a world in this process, and reads what the rehearsal left behind.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::Value;
use tempfile::TempDir;
use tidegate::config::{Configuration, shipped_texts};
use tidegate::domain::{ChannelStatus, EvidencePolicy, StagingModel, Via};
use tidegate::jobs::sources::names;
use tidegate::rehearse::output::Summary;
use tidegate::rehearse::rehearsal::{Audience, Outcome, RehearsalSettings, rehearse};
use tidegate::rehearse::world::World;
use tidegate::store::{Event, Occurrence, Store, Verdict};

/// The distribution of every rehearsal here.
pub const DISTRIBUTION: &str = "r-multiverse";

/// The jobs of a small world run twice a day: its quarters are as long as real ones.
pub const TWICE_A_DAY: &str = "*/12";

/// The shipped configuration with jobs that run at these hours. Of a few packages a large share may
/// come and go between two snapshots, which the guard against shrinking has to bear.
pub fn configuration_texts(hours: &str) -> Vec<(PathBuf, String)> {
    let changed = |text: String| match hours {
        "*" => text,
        _ => text.replace(" * * * *\"", &format!(" {hours} * * *\"")).replace("shrink = 0.2", "shrink = 0.9"),
    };
    shipped_texts().into_iter().map(|(path, text)| (path, changed(text))).collect()
}

pub fn configuration(hours: &str) -> Configuration {
    Configuration::from_texts(configuration_texts(hours)).unwrap()
}

/// How a rehearsal is played.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    pub staging: StagingModel,
    pub via: Via,
    pub policy: EvidencePolicy,
}

impl Way {
    pub const SHIPPED: Self =
        Self { staging: StagingModel::Pinned, via: Via::PullRequest, policy: EvidencePolicy::Guarded };

    /// The four ways of one staging model.
    pub fn all(staging: StagingModel) -> Vec<Self> {
        let mut ways = Vec::new();
        for via in [Via::PullRequest, Via::Commit] {
            for policy in [EvidencePolicy::Guarded, EvidencePolicy::Faithful] {
                ways.push(Self { staging, via, policy });
            }
        }
        ways
    }

    pub fn settings(self, out: &Path, to: Option<&str>) -> RehearsalSettings {
        RehearsalSettings {
            out: out.to_owned(),
            to: to.map(|to| to.parse().unwrap()),
            staging: Some(self.staging),
            via: Some(self.via),
            policy: Some(self.policy),
            faults: Vec::new(),
        }
    }
}

/// Nobody watches.
pub struct Empty;

impl Audience for Empty {
    fn time_moves(&mut self, _: Timestamp, _: Timestamp, _: Timestamp) {}
    fn happens(&mut self, _: &Event) {}
}

/// Plays on a runtime of its own.
pub fn play(
    world: World,
    configuration: Configuration,
    settings: &RehearsalSettings,
) -> anyhow::Result<Outcome<Summary>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(rehearse(world, configuration, settings, &mut Empty))
}

/// A rehearsal that was played to its end in a folder of its own.
pub struct Played {
    pub outcome: Outcome<Summary>,
    pub left: LeftBehind,
    _folder: TempDir,
}

impl Played {
    /// Plays `world` in a fresh folder; the simulated services have nothing to complain about.
    pub fn of(world: World, hours: &str, way: Way, to: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let outcome = play(world, configuration(hours), &way.settings(&out, to)).unwrap();
        assert_eq!(outcome.violations, Vec::<String>::new());
        Self { outcome, left: LeftBehind(out), _folder: folder }
    }
}

/// The folder that a rehearsal wrote.
pub struct LeftBehind(pub PathBuf);

impl LeftBehind {
    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap()
    }

    pub fn summary(&self) -> Value {
        serde_json::from_str(&self.text("summary.json")).unwrap()
    }

    pub fn timeline(&self) -> Vec<Value> {
        self.text("timeline.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The events of one kind.
    pub fn events(&self, kind: &str) -> Vec<Value> {
        self.timeline().into_iter().filter(|event| event["kind"] == kind).collect()
    }

    /// The events of one action on pull requests.
    pub fn pull_requests(&self, action: &str) -> Vec<Value> {
        let events = self.events("pull-request").into_iter();
        events.filter(|event| event["action"] == action).collect()
    }

    /// The page of a pull request.
    pub fn page(&self, number: u64) -> String {
        let ending = format!("-{number:04}.md");
        let pages = self.pages();
        pages.into_iter().find(|(name, _)| name.ends_with(&ending)).map(|(_, page)| page).unwrap()
    }

    /// Every page, by file name.
    pub fn pages(&self) -> BTreeMap<String, String> {
        let files = files_below(&self.0.join("pull-requests")).into_iter();
        files.map(|(name, bytes)| (name, String::from_utf8(bytes).unwrap())).collect()
    }

    /// The lines of all pages, each with the page's name.
    pub fn pages_as_lines(&self) -> Vec<String> {
        let pages = self.pages();
        pages
            .iter()
            .flat_map(|(name, page)| page.lines().map(move |line| format!("{name}: {line}")))
            .collect()
    }

    /// Every published file, by path.
    pub fn published(&self) -> BTreeMap<String, Vec<u8>> {
        files_below(&self.0.join("published"))
    }

    /// The manifest of a snapshot.
    pub fn manifest(&self, date: &str) -> Value {
        serde_json::from_str(&self.text(&format!("published/{DISTRIBUTION}/{date}/manifest.json"))).unwrap()
    }

    fn read<T>(&self, read: impl AsyncFnOnce(&Store) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = Store::open_read_only(&self.0).await.unwrap();
            read(&store).await
        })
    }

    /// Every occurrence.
    pub fn occurrences(&self) -> Vec<Occurrence> {
        self.read(async |store| store.occurrences(None, u32::MAX).await.unwrap())
    }

    /// What was known of a channel at a time.
    pub fn status(&self, channel: &str, at: Timestamp) -> ChannelStatus {
        let source = names::status(DISTRIBUTION, channel);
        let seen = self.read(async |store| store.seen_at(&source, at).await.unwrap()).unwrap();
        serde_json::from_slice(&seen.bytes).unwrap()
    }

    /// Every verdict there ever was on these packages.
    pub fn verdicts<'a>(&self, packages: impl IntoIterator<Item = &'a str>) -> Vec<Verdict> {
        let packages: Vec<&str> = packages.into_iter().collect();
        self.read(async |store| {
            let mut verdicts = Vec::new();
            for package in packages {
                verdicts.extend(store.verdict_history(package).await.unwrap());
            }
            verdicts
        })
    }
}

/// Every file below a folder, by its path there; none where there is no folder.
pub fn files_below(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
                files.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    files
}
