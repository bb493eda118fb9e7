//! The job that sends snapshots to targets: what is wanted is a row, a target that fails holds up no other and is
//! tried again, and people see how each one stands.

use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::SignedDuration;
use tidegate::clock::{Clock as _, ManualClock};
use tidegate::config::Configuration;
use tidegate::daemon::{Jobs, RunLimits, Runner, new_boot_id};
use tidegate::decide::event_words::Event;
use tidegate::domain::{LatestChoice, WithdrawnBytes};
use tidegate::jobs::engines::Engines;
use tidegate::jobs::{self, Pass, Services};
use tidegate::publish::directory::Directory;
use tidegate::store::{
    Durability, NewEvent, NewPublication, NewSnapshotWithdrawal, Publication, PublicationState, Run,
    RunState, Snapshot, SnapshotState, Store,
};
use tokio_util::sync::CancellationToken;

use super::gate::{Fault, Gate};
use super::site::{self, Site};
use super::trees::{Published, snapshot};

/// How many files stand above the dates.
const ABOVE: usize = 3;

/// A configuration with two sites, and a machine on which snapshots are published.
struct Scene {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    store: Store,
    one: (Gate, Arc<Mutex<Site>>),
    other: (Gate, Arc<Mutex<Site>>),
}

impl Scene {
    async fn begin() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("token"), format!("{}\n", site::TOKEN)).unwrap();
        let clock = ManualClock::new("2026-06-15T02:00:00Z".parse().unwrap());
        let store = Store::open(&folder.path().join("tidegate.db"), Durability::ProcessCrash).await.unwrap();
        Self { folder, clock, store, one: site::serve().await, other: site::serve().await }
    }

    fn configuration(&self) -> Configuration {
        let folder = self.folder.path().display();
        let site = |name: &str, gate: &Gate| {
            format!(
                "[[publish.netlify]]\nname = \"{name}\"\nsite = \"{}\"\napi = \"http://{}/api/v1\"\n\
                 token = {{ file = \"{folder}/token\" }}\n",
                site::SITE,
                gate.address
            )
        };
        let settings = format!(
            "jobs = \"jobs\"\n[publish]\ndirectory = \"{folder}/published\"\n{}{}",
            site("one", &self.one.0),
            site("other", &self.other.0)
        );
        let distribution = "title = \"Demo\"\necosystem = \"r-universe\"\n\
             [[channel]]\nname = \"staging\"\nrepository = \"demo/staging\"\nuniverse = \"https://demo.example.org\"\n\
             builds = \"demo/builds\"\n[[channel]]\nname = \"production\"\npublish = \"directory\"\n\
             [calendar]\nmonths = [1, 4, 7, 10]\nday = 15\n\
             [[calendar.phase]]\nname = \"dependency-freeze\"\nstarts = { month = 0, day = 15 }\npromote = \"all\"\n\
             [[calendar.phase]]\nname = \"candidate-freeze\"\nstarts = { month = 1, day = 15 }\npromote = \"failing-only\"\n\
             [[calendar.milestone]]\nname = \"snapshot\"\non = { month = 2, day = 15 }\n\
             [r]\ncran = \"https://cran.example.org/{date}\"\nproduction = \"https://production.example.org/{date}\"\n\
             [[r.release]]\nversion = \"4.5.0\"\ndate = \"2025-04-11\"\n";
        let job = "kind = \"publish\"\ndistribution = \"demo\"\nschedule = \"*/10 * * * *\"\n\
             [publish]\nchannel = \"production\"\n";
        let files = [
            ("tidegate.toml", settings),
            ("distributions/demo.toml", distribution.to_owned()),
            ("jobs/publish.toml", job.to_owned()),
        ];
        let files = files.into_iter().map(|(path, text)| (PathBuf::from(path), text)).collect();
        Configuration::from_texts(files).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
    }

    /// Puts a snapshot where published ones lie, and writes it down as published.
    async fn published(&self, quarter: &Published) {
        let date = quarter.tree.date;
        let folder = self.folder.path().join(format!("published/demo/{date}"));
        for (path, _) in quarter.tree.files.files() {
            let to = folder.join(path);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(quarter.folder().join(path), to).unwrap();
        }
        let row = Snapshot {
            distribution: "demo".to_owned(),
            date,
            state: SnapshotState::Published,
            reason: None,
            suite: None,
            manifest_digest: Some(quarter.sums()["manifest.json"].clone()),
            packages: 3,
            published_at: Some(self.clock.now()),
            generation: 1,
        };
        self.store.save_snapshot(&row).await.unwrap();
    }

    /// Writes down that a package was withdrawn, and what is published since.
    async fn withdrew(&self, package: &str, since: &Published) {
        let (date, package) = (since.tree.date, Some(package.to_owned()));
        let withdrawn = [NewSnapshotWithdrawal { date, package, bytes: WithdrawnBytes::Drop }];
        let told = NewEvent {
            at: self.clock.now(),
            kind: "snapshot-withdrawal".to_owned(),
            job: "a test".to_owned(),
            package: None,
            body: serde_json::json!({}),
            dedup_key: "withdrawal".to_owned(),
        };
        self.store.withdraw_from_snapshots("demo", &withdrawn, ("a test", "asked for"), &told).await.unwrap();
        let id = self.store.snapshot_withdrawals("demo").await.unwrap().remove(0).id;
        let digest = &since.sums()["manifest.json"];
        self.store.snapshot_was_rewritten(id, (digest, 2)).await.unwrap();
    }

    async fn wanted_at(&self, quarter: &Published, targets: &[&str]) {
        for target in targets {
            let (distribution, date) = ("demo", quarter.tree.date);
            let new = NewPublication { distribution, date, generation: 1, target, by: "a test" };
            self.store.want_publication(&new, self.clock.now()).await.unwrap();
        }
    }

    async fn pass(&self) -> Run {
        let folder = self.folder.path();
        let configuration = self.configuration();
        let engines =
            Engines::new(configuration.settings.engine.clone(), folder.to_owned(), self.clock.clone());
        let services = Services {
            store: self.store.clone(),
            github: None,
            http: reqwest::Client::new(),
            clock: self.clock.clone(),
            publish: folder.join("published"),
            signer: Default::default(),
            artifacts: folder.join("artifacts"),
            engines,
        };
        let jobs = jobs::runnable(&configuration, &Arc::new(services), Pass::Full);
        let boot = new_boot_id();
        self.store.recover(&boot, self.clock.now()).await.unwrap();
        let limits = RunLimits { concurrent: NonZeroUsize::MIN, grace: Duration::from_secs(1) };
        let runner =
            Runner::new(self.store.clone(), self.clock.clone(), Jobs::new(jobs).unwrap(), boot, limits);
        let now = self.clock.now();
        runner.run_once("publish", now, "a test", CancellationToken::new()).await.unwrap()
    }

    fn later(&self, minutes: i64) {
        self.clock.set(self.clock.now() + SignedDuration::from_mins(minutes));
    }

    /// How it stands at each target, with why it does not.
    async fn standing(&self) -> Vec<(String, PublicationState, Option<String>)> {
        let rows = self.store.publications("demo").await.unwrap();
        rows.into_iter().map(|Publication { target, state, error, .. }| (target, state, error)).collect()
    }

    async fn told(&self) -> Vec<String> {
        let events = self.store.events_after(0, 100).await.unwrap();
        events.iter().map(|event| Event::new(&event.kind, None, &event.body).told()).collect()
    }
}

#[tokio::test]
async fn a_target_that_fails_holds_up_no_other_and_is_tried_again_later() {
    let scene = Scene::begin().await;
    let quarter = snapshot("2026-06-15", 3, 0);
    scene.published(&quarter).await;
    scene.wanted_at(&quarter, &["one", "other"]).await;
    scene.one.0.rule(|_, method, _| if method == "PUT" { Fault::Status(500) } else { Fault::None });
    assert_eq!(scene.pass().await.state, RunState::Done);
    let standing = scene.standing().await;
    assert_eq!((standing[0].1, standing[1].1), (PublicationState::Wanted, PublicationState::Done));
    assert!(scene.one.1.lock().unwrap().shown().is_empty());
    assert_eq!(scene.other.1.lock().unwrap().shown().len(), 2 * quarter.sums().len() + ABOVE);

    assert_eq!(scene.pass().await.state, RunState::Unchanged, "it waits before it tries again");
    scene.later(2);
    scene.pass().await;
    scene.later(10);
    scene.one.0.open();
    scene.pass().await;
    assert_eq!(scene.one.1.lock().unwrap().shown(), scene.other.1.lock().unwrap().shown());
    assert_eq!(scene.standing().await[0].1, PublicationState::Done);
    insta::assert_snapshot!(scene.told().await.join("\n"), @r"
    the snapshot of 2026-06-15 is not at one yet, and is sent again: cannot send `manifest.json`: Netlify answered 500 Internal Server Error
    the snapshot of 2026-06-15 is at other: demo.netlify.app/demo/2026-06-15
    the snapshot of 2026-06-15 is at one: demo.netlify.app/demo/2026-06-15
    ");
    assert_eq!(scene.pass().await.state, RunState::Unchanged);
}

#[tokio::test]
async fn what_is_no_longer_what_was_published_is_sent_nowhere() {
    let scene = Scene::begin().await;
    let quarter = snapshot("2026-06-15", 3, 0);
    scene.published(&quarter).await;
    scene.wanted_at(&quarter, &["one"]).await;
    let archive = scene.folder.path().join("published/demo/2026-06-15/src/contrib/p001_1.0.tar.gz");
    let sound = fs::read(&archive).unwrap();
    fs::write(&archive, "something else").unwrap();
    scene.pass().await;
    let why = scene.standing().await.remove(0).2.unwrap();
    assert!(why.contains("`src/contrib/p001_1.0.tar.gz` is missing or has other bytes"), "{why}");
    assert!(scene.one.1.lock().unwrap().shown().is_empty());

    fs::write(&archive, sound).unwrap();
    fs::write(archive.with_file_name("extra"), "").unwrap();
    scene.later(10);
    scene.pass().await;
    let why = scene.standing().await.remove(0).2.unwrap();
    assert!(why.contains("`src/contrib/extra` is none of its files"), "{why}");

    fs::remove_file(archive.with_file_name("extra")).unwrap();
    scene.later(10);
    scene.pass().await;
    assert_eq!(scene.standing().await[0].1, PublicationState::Done);
}

#[tokio::test]
async fn a_later_generation_in_the_folder_follows_to_every_target_that_has_the_one_before() {
    let scene = Scene::begin().await;
    let quarter = snapshot("2026-06-15", 3, 0);
    scene.published(&quarter).await;
    scene.wanted_at(&quarter, &["one"]).await;
    scene.pass().await;
    let later = snapshot("2026-06-15", 2, 0);
    let directory = Directory::new(scene.folder.path().join("published/demo"));
    let prepared = directory.prepare("2026-06-15").unwrap();
    for (path, _) in later.tree.files.files() {
        prepared.take(&later.folder().join(path), path).unwrap();
    }
    directory.rewrite(prepared, 2).unwrap();
    scene.withdrew("p002", &later).await;
    scene.pass().await;
    let rows = scene.store.publications("demo").await.unwrap();
    let rows: Vec<_> = rows.iter().map(|row| (row.target.as_str(), row.generation, row.state)).collect();
    assert_eq!(rows, [("one", 1, PublicationState::Done), ("one", 2, PublicationState::Done)]);
    let shown = scene.one.1.lock().unwrap().shown();
    assert_eq!(shown.len(), 2 * later.sums().len() + ABOVE, "{shown:?}");
    assert!(!shown.keys().any(|path| path.contains("p002")), "{shown:?}");
}

#[tokio::test]
async fn where_people_go_back_to_an_older_snapshot_every_target_that_has_it_follows() {
    let scene = Scene::begin().await;
    let (old, new) = (snapshot("2026-03-15", 2, 0), snapshot("2026-06-15", 3, 1));
    let directory = Directory::new(scene.folder.path().join("published/demo"));
    for quarter in [&old, &new] {
        scene.published(quarter).await;
        directory.point("latest", &quarter.tree.date.to_string(), &|_, _| false).unwrap();
        scene.wanted_at(quarter, &["one"]).await;
        scene.pass().await;
    }
    scene.wanted_at(&new, &["other"]).await;
    scene.pass().await;
    let latest = |(_, site): &(Gate, Arc<Mutex<Site>>)| {
        site.lock().unwrap().shown().get("/demo/latest/manifest.json").cloned()
    };
    let of = |quarter: &Published| Some(quarter.sums()["manifest.json"].clone());
    assert_eq!((latest(&scene.one), latest(&scene.other)), (of(&new), of(&new)));
    assert_eq!(scene.pass().await.state, RunState::Unchanged);

    directory.point("latest", "2026-03-15", &|_, _| false).unwrap();
    scene.one.0.rule(|_, method, _| if method == "POST" { Fault::Status(503) } else { Fault::None });
    scene.pass().await;
    assert_eq!(latest(&scene.one), of(&new), "it was not to be reached");
    scene.one.0.open();
    scene.pass().await;
    assert_eq!((latest(&scene.one), latest(&scene.other)), (of(&old), of(&new)), "other never had it");
    let sent: Vec<String> =
        scene.one.0.seen().into_iter().filter(|seen| seen.method == "PUT").map(|seen| seen.path).collect();
    assert!(
        sent.len() == 1 && sent[0].ends_with("/files/demo/index.html"),
        "only the page is sent: {sent:?}"
    );
    assert_eq!(scene.told().await.last().unwrap(), "the snapshot of 2026-03-15 is the latest at one now");
    assert_eq!(scene.pass().await.state, RunState::Unchanged);
}

#[tokio::test]
async fn what_a_target_refuses_is_given_up_until_somebody_asks_again() {
    let scene = Scene::begin().await;
    let quarter = snapshot("2026-06-15", 3, 0);
    scene.published(&quarter).await;
    scene.wanted_at(&quarter, &["one"]).await;
    scene.one.0.rule(|_, method, _| if method == "PUT" { Fault::Status(422) } else { Fault::None });
    scene.pass().await;
    assert_eq!(scene.standing().await[0].1, PublicationState::Failed);
    scene.one.0.open();
    scene.later(600);
    assert_eq!(scene.pass().await.state, RunState::Unchanged);
    scene.wanted_at(&quarter, &["one"]).await;
    scene.pass().await;
    assert_eq!(scene.standing().await[0].1, PublicationState::Done);
}

#[tokio::test]
async fn a_secret_that_is_missing_is_said_and_never_shown() {
    let scene = Scene::begin().await;
    let quarter = snapshot("2026-06-15", 1, 0);
    scene.published(&quarter).await;
    scene.wanted_at(&quarter, &["one", "gone"]).await;
    fs::remove_file(scene.folder.path().join("token")).unwrap();
    scene.pass().await;
    let standing = scene.standing().await;
    let (gone, one) = (standing[0].2.clone().unwrap(), standing[1].2.clone().unwrap());
    assert!(gone.contains("tidegate.toml sets up no target `gone`"), "{gone}");
    assert!(one.contains("`token` in tidegate.toml says where it is read from"), "{one}");
    assert!(!format!("{standing:?}{:?}", scene.told().await).contains(site::TOKEN));
}

#[tokio::test]
async fn what_stands_above_the_snapshots_comes_after_them_and_is_sent_again_where_that_failed() {
    let scene = Scene::begin().await;
    let quarter = snapshot("2026-06-15", 3, 0);
    scene.published(&quarter).await;
    scene.wanted_at(&quarter, &["one"]).await;
    scene.one.0.rule(|_, method, path| match method == "PUT" && path.ends_with("/files/demo/index.html") {
        true => Fault::Status(500),
        false => Fault::None,
    });
    assert_eq!(scene.pass().await.state, RunState::Done);
    assert_eq!(scene.standing().await[0].1, PublicationState::Done, "the date is there");
    let page = || scene.one.1.lock().unwrap().text("/demo/index.html");
    assert_eq!(page(), None);
    assert_eq!(scene.pass().await.state, RunState::Unchanged, "it waits before it tries again");

    scene.one.0.open();
    scene.later(2);
    scene.pass().await;
    assert!(page().unwrap().contains("2026-06-15/index.html"), "{:?}", page());
    let sent: u64 =
        scene.one.0.seen().iter().filter(|seen| seen.method == "PUT").map(|seen| seen.bytes).sum();
    let texts = ["index.html", "feed.xml", "snapshots.json"];
    let texts = texts.map(|name| scene.one.1.lock().unwrap().text(&format!("/demo/{name}")).unwrap());
    assert!(sent <= texts.iter().map(|text| text.len() as u64).sum(), "{sent} bytes");
    insta::assert_snapshot!(scene.told().await.join("\n"), @r"
    the snapshot of 2026-06-15 is at one: demo.netlify.app/demo/2026-06-15
    the list of snapshots at one is an older one, and is sent again: cannot send `index.html`: Netlify answered 500 Internal Server Error
    ");

    scene.one.0.open();
    assert_eq!(scene.pass().await.state, RunState::Unchanged);
    assert!(scene.one.0.seen().is_empty(), "nothing is asked where nothing changed");
}

#[tokio::test]
async fn a_target_lists_the_snapshots_that_it_has_with_what_became_of_them() {
    let scene = Scene::begin().await;
    let (old, new) = (snapshot("2026-03-15", 2, 0), snapshot("2026-06-15", 3, 1));
    for quarter in [&old, &new] {
        scene.published(quarter).await;
        scene.wanted_at(quarter, &["one"]).await;
    }
    scene.wanted_at(&new, &["other"]).await;
    scene.pass().await;
    let listed = |(_, site): &(Gate, Arc<Mutex<Site>>)| -> serde_json::Value {
        serde_json::from_str(&site.lock().unwrap().text("/demo/snapshots.json").unwrap()).unwrap()
    };
    let dates = |list: &serde_json::Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|one| one["snapshot"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(dates(&listed(&scene.one)), ["2026-03-15", "2026-06-15"]);
    assert_eq!(dates(&listed(&scene.other)), ["2026-06-15"], "it never had the older one");

    let choice = LatestChoice {
        date: old.tree.date,
        newest: new.tree.date,
        at: scene.clock.now(),
        by: "a test".to_owned(),
        reason: "it does not install".to_owned(),
    };
    let told = NewEvent {
        at: scene.clock.now(),
        kind: "latest".to_owned(),
        job: "rollback".to_owned(),
        package: None,
        body: serde_json::json!({}),
        dedup_key: "a choice".to_owned(),
    };
    scene.store.choose_latest("demo", &choice, &told).await.unwrap();
    scene.pass().await;
    for site in [&scene.one, &scene.other] {
        assert_eq!(listed(site).as_array().unwrap().last().unwrap()["rolled_back"], "it does not install");
    }
    assert_eq!(scene.pass().await.state, RunState::Unchanged);
}
