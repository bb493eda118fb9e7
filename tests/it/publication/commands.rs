//! The commands about targets: what is asked for is written down, and people see how each one stands.

use std::fs;
use std::path::Path;

use tidegate::store::{Durability, FailedAttempt, NewEvent, Snapshot, SnapshotState, Store};

use super::super::commands::{Ran, run};
use super::trees::snapshot;

/// A configuration with a target and a published snapshot.
struct Scene(tempfile::TempDir);

impl Scene {
    async fn begin() -> Self {
        let scene = Self(tempfile::tempdir().unwrap());
        let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/config/base");
        let distribution = fs::read_to_string(base.join("config/distributions/demo.toml")).unwrap();
        scene.write("config/distributions/demo.toml", &distribution);
        scene.write(
            "config/tidegate.toml",
            "state = \"../state\"\n[publish]\ndirectory = \"../published\"\n[[publish.oci]]\nname = \"archive\"\n\
             registry = \"https://registry.example.org\"\nrepository = \"demo/snapshots\"\n",
        );
        scene.write(
            "jobs/demo-publish.toml",
            "kind = \"publish\"\ndistribution = \"demo\"\nschedule = \"*/10 * * * *\"\n[publish]\n\
             channel = \"production\"\n",
        );
        let quarter = snapshot("2026-06-15", 1, 0);
        for (path, _) in quarter.tree.files.files() {
            let text = fs::read(quarter.folder().join(path)).unwrap();
            let to = scene.0.path().join("published/demo/2026-06-15").join(path);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::write(to, text).unwrap();
        }
        let row = Snapshot {
            distribution: "demo".to_owned(),
            date: quarter.tree.date,
            state: SnapshotState::Published,
            reason: None,
            suite: None,
            manifest_digest: Some(quarter.sums()["manifest.json"].clone()),
            packages: 1,
            published_at: Some("2026-06-15T02:00:00Z".parse().unwrap()),
            generation: 1,
        };
        let store = scene.store().await;
        store.save_snapshot(&row).await.unwrap();
        store.close().await;
        scene
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    async fn store(&self) -> Store {
        let since = "2026-06-15T02:00:00Z".parse().unwrap();
        Store::open_state(&self.0.path().join("state"), Durability::ProcessCrash, since).await.unwrap()
    }

    /// Runs a command as a process of its own would: outside of this runtime.
    async fn run(&self, line: &str) -> Ran {
        let config = self.0.path().join("config").display().to_string();
        let line: Vec<String> = ["--config".to_owned(), config]
            .into_iter()
            .chain(line.split_whitespace().map(str::to_owned))
            .collect();
        tokio::task::spawn_blocking(move || run(line)).await.unwrap()
    }
}

#[tokio::test]
async fn a_person_has_a_snapshot_sent_and_sees_how_it_stands() {
    let scene = Scene::begin().await;
    let told = scene.run("snapshot publish 2026-06-15 --to archive --by somebody").await.printed();
    insta::assert_snapshot!(told, @"the snapshot 2026-06-15 of demo is sent to archive with the next run of demo-publish");
    let again = scene.run("snapshot publish 2026-06-15 --to archive --by somebody").await.printed();
    assert!(again.contains("is at archive already, or is sent there"), "{again}");

    let store = scene.store().await;
    let row = store.publications("demo").await.unwrap().remove(0);
    let at = "2026-08-20T11:00:00Z".parse().unwrap();
    store.publication_begun(row.id, at).await.unwrap();
    let failed = FailedAttempt {
        error: "cannot send p000: no answer within 60s".to_owned(),
        next_try_at: Some("2026-08-20T12:30:00Z".parse().unwrap()),
    };
    let told = NewEvent {
        at,
        kind: "publication".to_owned(),
        job: "demo-publish".to_owned(),
        package: None,
        body: serde_json::json!({ "date": "2026-06-15", "target": "archive", "error": failed.error }),
        dedup_key: "one".to_owned(),
    };
    store.publication_failed(row.id, &failed, &told).await.unwrap();
    store.close().await;

    let shown = scene.run("snapshot show 2026-06-15").await.printed();
    let (_, targets) = shown.split_once("\ntargets\n").unwrap();
    let line = targets.lines().next().unwrap();
    insta::assert_snapshot!(line.trim(), @"archive  to be sent, tried once, tried again at 2026-08-20T12:30:00Z: cannot send p000: no answer within 60s");
    let status = scene.run("status").await.printed();
    let (_, targets) = status.split_once("\nsnapshots that are not at a target\n").unwrap();
    assert!(targets.starts_with(&format!("  demo, 2026-06-15: {}\n", line.trim())), "{targets}");
    let events = scene.run("events").await.printed();
    assert!(
        events.contains("the snapshot of 2026-06-15 is not at archive yet, and is sent again: cannot send"),
        "{events}"
    );
    let json = scene.run("snapshot show 2026-06-15 --json").await.json();
    assert_eq!(json["targets"][0]["state"], "wanted");
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_with_what_to_do() {
    let scene = Scene::begin().await;
    for (line, why) in [
        ("snapshot publish 2026-06-15 --to archiv", "did you mean `archive`?"),
        ("snapshot publish 2026-03-15 --to archive", "demo has no snapshot 2026-03-15"),
    ] {
        let ran = scene.run(line).await;
        assert_eq!(ran.code, 2, "{}", ran.err);
        assert!(ran.err.contains(why), "{}", ran.err);
    }
    fs::remove_file(scene.0.path().join("jobs/demo-publish.toml")).unwrap();
    let ran = scene.run("snapshot publish 2026-06-15 --to archive").await;
    assert!(ran.code == 2 && ran.err.contains("add a job with `kind = \"publish\"`"), "{}", ran.err);
}
