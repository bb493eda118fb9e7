//! The members of a metapackage tested again: with real archives, real solves and real tests on this
//! machine's engine.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::json;
use tidegate::clock::{Clock as _, ManualClock};
use tidegate::config::{Configuration, Engines as EngineSettings};
use tidegate::daemon::{Jobs, RunLimits, Runner, new_boot_id};
use tidegate::ecosystem::conda::archive::ArchiveLimits;
use tidegate::ecosystem::conda::index::ChannelIndex as FolderIndex;
use tidegate::ecosystem::conda::layout::ArchiveFormat;
use tidegate::jobs::engines::Engines;
use tidegate::jobs::{self, Pass, Services};
use tidegate::store::{Durability, Event, Run, RunState, Store};
use tokio_util::sync::CancellationToken;

use super::made::{Entry, Made, made};
use super::real::bubblewrap;

const JOB: &str = "recheck";

/// A published folder with a channel `staged`, a channel of others, and the job that rechecks.
struct Scene {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    store: Store,
    modes: &'static str,
    members: &'static str,
}

impl Scene {
    async fn new(members: &'static str, modes: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::new("2026-11-20T04:00:00Z".parse().unwrap());
        let store = Store::open(&folder.path().join("state.db"), Durability::ProcessCrash).await.unwrap();
        Self { folder, clock, store, modes, members }
    }

    fn staged(&self) -> PathBuf {
        self.folder.path().join("published/tiny/staged")
    }

    fn forge(&self) -> PathBuf {
        self.folder.path().join("forge")
    }

    fn passed(&self) -> PathBuf {
        self.folder.path().join("published/tiny/passed")
    }

    /// Puts archives into a channel and indexes it.
    fn offer(channel: &Path, packages: &[Package]) {
        std::fs::create_dir_all(channel.join("noarch")).unwrap();
        for package in packages {
            package.0.put(channel, ArchiveFormat::TarBz2);
        }
        FolderIndex::of_folder(channel, &ArchiveLimits::default()).unwrap().write().unwrap();
    }

    fn configuration(&self) -> Configuration {
        let settings = "[publish]\ndirectory = \"published\"\n".to_owned();
        let distribution = format!(
            "title = \"Tiny\"\necosystem = \"conda\"\nepoch = \"2026.10\"\nmetapackage = \"qiime2-tiny\"\n\
             platforms = [\"linux-64\"]\nmembers = [{}]\nexternal = [\"{}\"]\n\
             [[channel]]\nname = \"staged\"\npath = \"tiny/staged\"\n\
             [[channel]]\nname = \"passed\"\npath = \"tiny/passed\"\n",
            self.members,
            self.forge().display(),
        );
        let job = format!(
            "kind = \"recheck\"\ndistribution = \"tiny\"\nschedule = \"0 4 * * *\"\n\
             [recheck]\nfrom = \"staged\"\nto = \"passed\"\nmodes = [{}]\ntest_time = \"5s\"\n",
            self.modes
        );
        let root = self.folder.path();
        let files = vec![
            (root.join("tidegate.toml"), settings),
            (root.join("distributions/tiny.toml"), distribution),
            (root.join(format!("jobs/{JOB}.toml")), job),
        ];
        Configuration::from_texts(files).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
    }

    /// One pass, a day after the last one.
    async fn pass(&self) -> Run {
        self.clock.set(self.clock.now() + SignedDuration::from_hours(24));
        let configuration = self.configuration();
        let state = self.folder.path().join("state");
        tidegate::tls::prepare();
        let program = PathBuf::from(env!("CARGO_BIN_EXE_tidegate"));
        let services = Services {
            store: self.store.clone(),
            github: None,
            http: reqwest::Client::new(),
            clock: self.clock.clone(),
            publish: self.folder.path().join("published"),
            artifacts: state.join("artifacts"),
            engines: Engines::new(EngineSettings::default(), state).with_program(program),
        };
        let jobs = jobs::runnable(&configuration, &Arc::new(services), Pass::Full);
        let boot = new_boot_id();
        self.store.recover(&boot, self.clock.now()).await.unwrap();
        let limits = RunLimits { concurrent: NonZeroUsize::MIN, grace: std::time::Duration::from_secs(1) };
        let jobs = Jobs::new(jobs).unwrap();
        let runner = Runner::new(self.store.clone(), self.clock.clone(), jobs, boot, limits);
        runner.run_once(JOB, self.clock.now(), "a test", CancellationToken::new()).await.unwrap()
    }

    /// What each member stands at, by scope and name.
    async fn states(&self) -> BTreeMap<String, String> {
        let mut states = BTreeMap::new();
        for mode in ["latest", "pinned"] {
            let scope = format!("recheck/linux-64/{mode}");
            for (name, verdict) in self.store.verdicts_at("tiny", &scope, self.clock.now()).await.unwrap() {
                states.insert(format!("{name} {mode}"), verdict.kind);
            }
        }
        states
    }

    async fn events(&self) -> Vec<Event> {
        self.store.events_after(0, 1000).await.unwrap()
    }

    /// Every change of state that was told, in order.
    async fn told(&self) -> Vec<String> {
        let events = self.events().await.into_iter().filter(|event| event.kind == "recheck");
        events
            .map(|event| {
                let word = |key: &str| event.body[key].as_str().unwrap_or("new").to_owned();
                let changed: Vec<&str> = event.body["changed"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .filter_map(|text| text.as_str())
                    .collect();
                let name = event.package.unwrap_or_default();
                format!("{name}: {} to {} [{}]", word("from"), word("to"), changed.join(", "))
            })
            .collect()
    }

    /// The files of a channel, by sub-directory and name.
    fn files(channel: &Path) -> Vec<String> {
        let mut files = Vec::new();
        for subdir in ["noarch", "linux-64"] {
            let Ok(entries) = std::fs::read_dir(channel.join(subdir)) else { continue };
            for entry in entries {
                let name = entry.unwrap().file_name().to_string_lossy().into_owned();
                if name.ends_with(".tar.bz2") || name.ends_with(".conda") {
                    files.push(format!("{subdir}/{name}"));
                }
            }
        }
        files.sort();
        files
    }
}

/// A noarch package for this scene.
struct Package(Made);

impl Package {
    fn new(name: &str, version: &str) -> Self {
        Self(made(name, version, "0"))
    }

    fn depends(self, specs: &[&str]) -> Self {
        Self(self.0.with("depends", json!(specs)))
    }

    fn file(self, path: &str, content: &str) -> Self {
        let mut made = self.0;
        made.entries = vec![Entry::file(path, content)];
        Self(made)
    }

    /// With a shell script as its test.
    fn test(self, script: &str) -> Self {
        Self(self.0.and(Entry::file("info/test/run_test.sh", script)))
    }

    fn test_needs(self, specs: &[&str]) -> Self {
        let needs = json!(specs).to_string();
        Self(self.0.and(Entry::file("info/test/test_time_dependencies.json", needs)))
    }
}

const GOOD: &str = "set -e\ntest -f $PREFIX/share/extdep.txt\n";
/// Works with the first version of extdep only.
const PICKY: &str = "grep -q '^1' $PREFIX/share/extdep.txt\n";

fn metapackage(version: &str, depends: &[&str]) -> Package {
    Package::new("qiime2-tiny", version).depends(depends)
}

#[tokio::test]
async fn pass_fail_unsatisfiable_and_no_tests_come_out_as_such_in_both_modes() {
    if !bubblewrap() {
        return;
    }
    let scene = Scene::new(r#""q2-good", "q2-bad", "q2-unsat", "q2-notest""#, r#""latest", "pinned""#).await;
    Scene::offer(
        &scene.forge(),
        &[Package::new("extdep", "1.0"), Package::new("extdep", "2.0"), Package::new("helper", "1")],
    );
    Scene::offer(
        &scene.staged(),
        &[
            Package::new("q2-good", "1.0").depends(&["extdep >=1.0"]).test(GOOD).test_needs(&["helper"]),
            Package::new("q2-bad", "1.0").depends(&["extdep >=1.0"]).test("echo about to fail; exit 3\n"),
            Package::new("q2-unsat", "1.0").depends(&["extdep >=3"]).test("true\n"),
            Package::new("q2-notest", "1.0").depends(&["extdep"]),
            metapackage("2026.10", &["q2-good 1.0 0", "q2-bad 1.0 0", "q2-unsat 1.0 0", "q2-notest 1.0 0"]),
        ],
    );
    let run = scene.pass().await;
    assert_eq!(run.state, RunState::Done, "{run:?}");
    let states: Vec<String> =
        scene.states().await.into_iter().map(|(case, state)| format!("{case}: {state}")).collect();
    insta::assert_snapshot!(states.join("\n"), @r"
    q2-bad latest: red
    q2-bad pinned: red
    q2-good latest: green
    q2-good pinned: green
    q2-notest latest: no-tests
    q2-notest pinned: no-tests
    q2-unsat latest: red
    q2-unsat pinned: red
    ");
    insta::assert_snapshot!(run.summary.unwrap(), @"qiime2-tiny 2026.10 does not pass: 2 green, 4 red, 2 without tests");
    insta::assert_snapshot!(scene.told().await.join("\n"), @r"
    q2-bad: new to red []
    q2-bad: new to red []
    q2-notest: new to no-tests []
    q2-notest: new to no-tests []
    q2-unsat: new to red []
    q2-unsat: new to red []
    ");
    assert!(!scene.passed().exists(), "nothing passes");
}

#[tokio::test]
async fn what_drifts_turns_exactly_its_victim_red_and_a_fix_lets_everything_pass() {
    if !bubblewrap() {
        return;
    }
    let scene = Scene::new(r#""q2-picky", "q2-steady""#, r#""latest""#).await;
    let external =
        |version: &str| Package::new("extdep", version).file("share/extdep.txt", &format!("{version}\n"));
    Scene::offer(&scene.forge(), &[external("1.0"), Package::new("other", "1.0")]);
    let picky = |version: &str, range: &str| Package::new("q2-picky", version).depends(&[range]).test(PICKY);
    Scene::offer(
        &scene.staged(),
        &[
            picky("1.0", "extdep"),
            Package::new("q2-steady", "1.0").depends(&["other"]).test("true\n"),
            metapackage("2026.10.01", &["q2-picky 1.0 0", "q2-steady 1.0 0"]),
        ],
    );
    let first = scene.pass().await;
    insta::assert_snapshot!(first.summary.unwrap(), @"qiime2-tiny 2026.10.01 passes: 2 green");
    let passed = Scene::files(&scene.passed());
    assert_eq!(passed, Scene::files(&scene.staged()));

    let unchanged = scene.pass().await;
    assert_eq!(unchanged.state, RunState::Unchanged);

    Scene::offer(&scene.forge(), &[external("2.0")]);
    let drifted = scene.pass().await;
    insta::assert_snapshot!(drifted.summary.unwrap(), @"qiime2-tiny 2026.10.01 does not pass: 1 green, 1 red; 1 not tested again in the same environment");
    insta::assert_snapshot!(scene.told().await.join("\n"), @"q2-picky: green to red [extdep 1.0 → 2.0]");
    assert_eq!(Scene::files(&scene.passed()), passed, "what passed stays");

    Scene::offer(
        &scene.staged(),
        &[picky("1.1", "extdep <2"), metapackage("2026.10.02", &["q2-picky 1.1 0", "q2-steady 1.0 0"])],
    );
    let fixed = scene.pass().await;
    insta::assert_snapshot!(fixed.summary.unwrap(), @"qiime2-tiny 2026.10.02 passes: 2 green; 1 not tested again in the same environment");
    insta::assert_snapshot!(scene.told().await.join("\n"), @r"
    q2-picky: green to red [extdep 1.0 → 2.0]
    q2-picky: red to green []
    ");
    assert_eq!(
        Scene::files(&scene.passed()),
        Scene::files(&scene.staged()),
        "the old files stay beside the new"
    );
}
