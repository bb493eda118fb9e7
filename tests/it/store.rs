//! The store through its public face.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;
use tidegate::domain::{LedgerRow, WithdrawnBytes};
use tidegate::store::{
    Artifact, BootId, ChannelEntry, Durability, Ecosystem, Intention, NewEvent, NewSnapshotWithdrawal,
    Origin, PackageKind, PullRequest, PullRequestState, Replacement, ReplacementKind, RunId, Snapshot,
    SnapshotState, Store, Subject, SuiteMember, VerdictRow,
};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn hour(hour: i64) -> Timestamp {
    at("2026-06-01T00:00:00Z") + jiff::SignedDuration::from_hours(hour)
}

struct Home {
    folder: tempfile::TempDir,
    store: Store,
}

async fn home() -> Home {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open_state(folder.path(), Durability::ProcessCrash, hour(0)).await.unwrap();
    Home { folder, store }
}

async fn some_run(store: &Store) -> RunId {
    let occurrence = store.request_run("staging", hour(0), "a test", hour(0)).await.unwrap();
    store.claim_occurrence(occurrence, &BootId("b".into()), hour(0)).await.unwrap().run
}

#[tokio::test]
async fn a_blob_comes_back_as_it_was_and_is_kept_once() {
    let Home { store, folder: _folder } = home().await;
    let digest = store.put_blob(b"tide", hour(0)).await.unwrap();
    assert_eq!(digest, "8a28929ac7f9a17e97a421ac2cd63ac73568ebe87bc0cee641a193d91c761577");
    assert_eq!(store.put_blob(b"tide", hour(1)).await.unwrap(), digest);
    assert_eq!(store.blob(&digest).await.unwrap().unwrap(), b"tide");
    assert_eq!(store.blob(&"0".repeat(64)).await.unwrap(), None);
}

#[tokio::test]
async fn a_damaged_blob_is_an_error_that_names_it() {
    let Home { store, folder } = home().await;
    let digest = store.put_blob(b"tide", hour(0)).await.unwrap();
    let other = store.put_blob(b"ebb", hour(0)).await.unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.path().join("tidegate.db"));
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    sqlx::query("UPDATE blob SET bytes = (SELECT bytes FROM blob WHERE digest = ?) WHERE digest = ?")
        .bind(&other)
        .bind(&digest)
        .execute(&pool)
        .await
        .unwrap();
    let error = store.blob(&digest).await.unwrap_err().to_string();
    assert!(error.contains(&digest) && error.contains("damaged"), "{error}");
}

#[tokio::test]
async fn a_source_that_says_the_same_is_one_interval() {
    let Home { store, folder: _folder } = home().await;
    assert!(store.record_seen("universe:staging", b"one", hour(1)).await.unwrap().changed);
    assert!(!store.record_seen("universe:staging", b"one", hour(2)).await.unwrap().changed);
    let fact = store.latest_seen("universe:staging").await.unwrap().unwrap();
    assert_eq!((fact.bytes.as_slice(), fact.first_at, fact.last_at), (&b"one"[..], hour(1), hour(2)));
    assert!(store.record_seen("universe:staging", b"two", hour(3)).await.unwrap().changed);
}

#[tokio::test]
async fn a_failed_look_is_known_as_such_and_the_old_fact_keeps_its_age() {
    let Home { store, folder: _folder } = home().await;
    store.record_seen("cran:2026-04-15", b"index", hour(1)).await.unwrap();
    store.record_failed("cran:2026-04-15", "timed out", hour(2)).await.unwrap();
    store.record_failed("cran:2026-04-15", "timed out", hour(3)).await.unwrap();
    store.record_failed("cran:2026-04-15", "refused", hour(4)).await.unwrap();
    let latest = store.latest("cran:2026-04-15").await.unwrap();
    assert_eq!(latest.seen.unwrap().last_at, hour(1));
    let failing = latest.failing.unwrap();
    assert_eq!((failing.message.as_str(), failing.since, failing.last_at), ("refused", hour(2), hour(4)));

    let seen = store.record_seen("cran:2026-04-15", b"index", hour(5)).await.unwrap();
    assert!(!seen.changed, "the same words after an outage are no change");
    let latest = store.latest("cran:2026-04-15").await.unwrap();
    assert_eq!(latest.failing, None);
    assert_eq!(latest.seen.unwrap().last_at, hour(5));
}

#[tokio::test]
async fn a_source_that_never_answered_has_no_fact() {
    let Home { store, folder: _folder } = home().await;
    store.record_failed("releases:r-multiverse", "no route", hour(1)).await.unwrap();
    let latest = store.latest("releases:r-multiverse").await.unwrap();
    assert_eq!(latest.seen, None);
    assert_eq!(latest.failing.unwrap().since, hour(1));
}

fn entry(package: &str, version: Option<&str>, commit: char, origin: Origin) -> ChannelEntry {
    ChannelEntry {
        package: package.into(),
        version: version.map(Into::into),
        commit_sha: commit.to_string().repeat(40),
        origin,
    }
}

#[tokio::test]
async fn a_channel_remembers_what_it_held_and_reports_what_changed() {
    let Home { store, folder: _folder } = home().await;
    let first = [entry("a", Some("1"), 'a', Origin::Import), entry("b", None, 'b', Origin::Import)];
    assert_eq!(store.sync_channel("r", "staging", &first, hour(1), &|_| None).await.unwrap().len(), 2);
    assert!(store.sync_channel("r", "staging", &first, hour(2), &|_| None).await.unwrap().is_empty());

    let second = [entry("b", Some("2"), 'b', Origin::Person), entry("c", Some("1"), 'c', Origin::Tidegate)];
    let changes = store.sync_channel("r", "staging", &second, hour(3), &|_| None).await.unwrap();
    let shown: Vec<_> = changes
        .iter()
        .map(|change| (change.package.as_str(), change.before.is_some(), change.after.is_some()))
        .collect();
    assert_eq!(shown, [("a", true, false), ("c", false, true)], "a version that becomes known is no move");

    let then = store.channel_at("r", "staging", hour(2)).await.unwrap();
    assert_eq!(then.keys().collect::<Vec<_>>(), ["a", "b"]);
    let now = store.channel_at("r", "staging", hour(3)).await.unwrap();
    assert_eq!(now.keys().collect::<Vec<_>>(), ["b", "c"]);
    let (held, since) = &now["b"];
    assert_eq!((held.version.as_deref(), held.origin, *since), (Some("2"), Origin::Import, hour(1)));
    assert!(store.channel_at("r", "production", hour(3)).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_channel_that_lists_a_package_twice_is_refused() {
    let Home { store, folder: _folder } = home().await;
    let twice = [entry("a", None, 'a', Origin::Import), entry("a", None, 'b', Origin::Import)];
    let error = store.sync_channel("r", "staging", &twice, hour(1), &|_| None).await.unwrap_err();
    assert_eq!(error.to_string(), "r/staging lists a twice");
}

#[tokio::test]
async fn the_ledger_remembers_a_package_that_is_gone() {
    let Home { store, folder: _folder } = home().await;
    let row = |version: &str| LedgerRow {
        version_current: Some(version.into()),
        hash_current: Some("h".into()),
        version_highest: Some("2".into()),
        hash_highest: Some("h".into()),
    };
    let both = BTreeMap::from([("a".to_owned(), row("1")), ("b".to_owned(), row("2"))]);
    store.save_ledger("community", &both).await.unwrap();
    store.save_ledger("community", &BTreeMap::from([("b".to_owned(), row("1"))])).await.unwrap();
    let ledger = store.ledger("community").await.unwrap();
    assert_eq!(ledger["a"], row("1"));
    assert_eq!(ledger["b"], row("1"));
    assert!(store.ledger("staging").await.unwrap().is_empty());
}

#[tokio::test]
async fn verdicts_are_intervals_that_end_only_where_they_change() {
    let Home { store, folder: _folder } = home().await;
    let run = some_run(&store).await;
    let verdict = |kind: &str| VerdictRow { kind: kind.into(), body: json!({"reason": kind}) };
    let decide = |rows: &[(&str, &str)]| -> BTreeMap<String, VerdictRow> {
        rows.iter().map(|(package, kind)| ((*package).to_owned(), verdict(kind))).collect()
    };
    let first = decide(&[("a", "hold"), ("b", "promote")]);
    assert_eq!(store.replace_verdicts("r", "staging", &first, hour(1), run).await.unwrap(), ["a", "b"]);
    assert!(store.replace_verdicts("r", "staging", &first, hour(2), run).await.unwrap().is_empty());
    let second = decide(&[("a", "promote"), ("c", "hold")]);
    assert_eq!(store.replace_verdicts("r", "staging", &second, hour(3), run).await.unwrap(), ["a", "b", "c"]);

    let then = store.verdicts_at("r", "staging", hour(2)).await.unwrap();
    assert_eq!((then["a"].kind.as_str(), then.len()), ("hold", 2));
    assert!(!store.verdicts_at("r", "staging", hour(3)).await.unwrap().contains_key("b"));
    let history = store.verdict_history("a").await.unwrap();
    let shown: Vec<_> = history.iter().map(|one| (one.kind.as_str(), one.since, one.until)).collect();
    assert_eq!(shown, [("hold", hour(1), Some(hour(3))), ("promote", hour(3), None)]);
    assert_eq!(history[0].run_id, run);
}

#[tokio::test]
async fn an_action_is_new_once_then_looked_up_then_done_for_good() {
    let Home { store, folder: _folder } = home().await;
    let run = some_run(&store).await;
    let intent = json!({"branch": "tidegate/a"});
    assert_eq!(store.intend("pr:a", "pull-request", &intent, run, hour(1)).await.unwrap(), Intention::New);
    assert_eq!(store.intend("pr:a", "pull-request", &intent, run, hour(2)).await.unwrap(), Intention::Again);
    assert_eq!(store.open_actions().await.unwrap().len(), 1);
    store.fail("pr:a", "422", hour(2)).await.unwrap();
    assert!(store.open_actions().await.unwrap().is_empty());
    assert_eq!(store.intend("pr:a", "pull-request", &intent, run, hour(3)).await.unwrap(), Intention::Again);
    store.finish("pr:a", &json!({"number": 7}), hour(3)).await.unwrap();
    let found = store.intend("pr:a", "pull-request", &intent, run, hour(4)).await.unwrap();
    assert_eq!(found, Intention::Done(json!({"number": 7})));
    store.fail("pr:a", "too late", hour(5)).await.unwrap_err();
    let action = store.action("pr:a").await.unwrap().unwrap();
    assert_eq!((action.attempts, action.receipt), (3, Some(json!({"number": 7}))));
}

#[tokio::test]
async fn a_pull_request_gets_its_number_later_and_stays_one() {
    let Home { store, folder: _folder } = home().await;
    let mut proposal = PullRequest {
        repository: "r/staging".into(),
        branch: "tidegate/a".into(),
        number: None,
        key: "pr:a".into(),
        versions: BTreeMap::from([("a".into(), "1.0".into())]),
        commits: BTreeMap::from([("a".into(), "1".into())]),
        fingerprint: "f".into(),
        text_digest: "t".into(),
        state: PullRequestState::Open,
        head_oid: "1".into(),
        base_oid: "0".into(),
        title: "Promote a 1.0".into(),
        opened_at: hour(1),
        updated_at: hour(1),
        finished_at: None,
        is_dressed: false,
        told: BTreeMap::new(),
    };
    store.save_pull_request(&proposal).await.unwrap();
    proposal.number = Some(7);
    proposal.state = PullRequestState::Closed;
    proposal.finished_at = Some(hour(2));
    store.save_pull_request(&proposal).await.unwrap();
    assert_eq!(store.pull_requests("r/staging").await.unwrap(), [proposal.clone()]);

    let next = PullRequest { number: Some(9), state: PullRequestState::Open, finished_at: None, ..proposal };
    store.save_pull_request(&next).await.unwrap();
    assert_eq!(store.newest_pull_request("r/staging", "tidegate/a").await.unwrap(), Some(next));
    assert_eq!(store.pull_requests("r/staging").await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_published_snapshot_can_only_be_withdrawn() {
    let Home { store, folder: _folder } = home().await;
    let mut snapshot = Snapshot {
        distribution: "r".into(),
        date: jiff::civil::date(2026, 6, 15),
        state: SnapshotState::Preparing,
        reason: None,
        suite: None,
        manifest_digest: None,
        packages: 0,
        published_at: None,
        generation: 1,
    };
    store.save_snapshot(&snapshot).await.unwrap();
    snapshot.state = SnapshotState::Published;
    snapshot.manifest_digest = Some("d".into());
    snapshot.packages = 12;
    snapshot.published_at = Some(hour(5));
    store.save_snapshot(&snapshot).await.unwrap();
    let altered = Snapshot { packages: 11, ..snapshot.clone() };
    let error = format!("{:#}", store.save_snapshot(&altered).await.unwrap_err());
    assert!(error.contains("a published snapshot cannot change"), "{error}");
    let whole = NewSnapshotWithdrawal { date: snapshot.date, package: None, bytes: WithdrawnBytes::Keep };
    let event = NewEvent {
        at: hour(6),
        kind: "snapshot-withdrawn".into(),
        job: "withdraw".into(),
        package: None,
        body: json!({}),
        dedup_key: "withdrawn".into(),
    };
    let told = ("ada", "a wrong licence");
    store.withdraw_from_snapshots("r", std::slice::from_ref(&whole), told, &event).await.unwrap();
    store.withdraw_from_snapshots("r", &[whole], told, &event).await.unwrap_err();
    let row = store.snapshot_withdrawals("r").await.unwrap().remove(0);
    assert_eq!((row.generation, row.manifest_digest, row.by.as_str()), (2, None, "ada"));
    let kept = store.snapshot("r", snapshot.date).await.unwrap().unwrap();
    assert_eq!((kept.state, kept.packages), (SnapshotState::Withdrawn, 12));
    store.save_snapshot(&snapshot).await.unwrap_err();

    assert_eq!((kept.generation, kept.manifest_digest.as_deref()), (1, Some("d")), "readers see the first");
    store.snapshot_was_rewritten(row.id, ("e", 11)).await.unwrap();
    store.snapshot_was_rewritten(row.id, ("f", 10)).await.unwrap();
    let seen = store.snapshot("r", snapshot.date).await.unwrap().unwrap();
    assert_eq!((seen.generation, seen.manifest_digest.as_deref(), seen.packages), (2, Some("e"), 11));
    assert_eq!(store.snapshots("r").await.unwrap(), [seen]);
}

#[tokio::test]
async fn an_event_is_told_once() {
    let Home { store, folder: _folder } = home().await;
    let event = NewEvent {
        at: hour(1),
        kind: "promoted".into(),
        job: "staging".into(),
        package: Some("a".into()),
        body: json!({}),
        dedup_key: "promoted:a:1.0".into(),
    };
    assert!(store.add_event(&event).await.unwrap());
    assert!(!store.add_event(&event).await.unwrap());
    let events = store.events_after(0, 10).await.unwrap();
    assert_eq!(events.len(), 1);
    assert!(store.events_after(events[0].id, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_suite_comes_apart_into_each_leaf_once() {
    let Home { store, folder: _folder } = home().await;
    let mut revisions = Vec::new();
    for (name, kind) in [
        ("whole", PackageKind::Suite),
        ("part", PackageKind::Suite),
        ("x", PackageKind::Package),
        ("y", PackageKind::Package),
    ] {
        let package = store.ensure_package(Ecosystem::Conda, "q2", name, kind, None).await.unwrap();
        revisions.push(store.ensure_revision(package, "1.0", "0", None, hour(0)).await.unwrap());
    }
    let member = |index: usize| SuiteMember { revision: revisions[index], constraint: "==1.0".into() };
    store.publish_suite(revisions[1], &[member(3), member(2)], hour(1)).await.unwrap();
    store.publish_suite(revisions[0], &[member(2), member(1)], hour(1)).await.unwrap();
    let leaves = store.suite_members(revisions[0]).await.unwrap();
    assert_eq!(leaves.iter().map(|leaf| leaf.name.as_str()).collect::<Vec<_>>(), ["x", "y"]);
    store.publish_suite(revisions[0], &[member(2), member(1)], hour(2)).await.unwrap();
    let error = store.publish_suite(revisions[0], &[member(2)], hour(2)).await.unwrap_err().to_string();
    assert!(error.contains("with other members"), "{error}");
}

#[tokio::test]
async fn a_suite_that_contains_itself_is_refused_with_the_path() {
    let Home { store, folder: _folder } = home().await;
    let mut revisions = Vec::new();
    for name in ["a", "b"] {
        let package =
            store.ensure_package(Ecosystem::Galaxy, "o", name, PackageKind::Suite, None).await.unwrap();
        revisions.push(store.ensure_revision(package, "1", "", None, hour(0)).await.unwrap());
    }
    let member = |index: usize| SuiteMember { revision: revisions[index], constraint: String::new() };
    store.publish_suite(revisions[0], &[member(1)], hour(1)).await.unwrap();
    let error = store.publish_suite(revisions[1], &[member(0)], hour(1)).await.unwrap_err();
    assert_eq!(error.to_string(), "the suite contains itself: revisions 2 -> 1 -> 2");
    let leaves = store.suite_members(revisions[0]).await.unwrap();
    assert_eq!(leaves.len(), 1, "the refused suite left nothing behind");
}

#[tokio::test]
async fn what_was_published_never_changes() {
    let Home { store, folder: _folder } = home().await;
    let package = store
        .ensure_package(Ecosystem::Runiverse, "staging", "a", PackageKind::RPackage, None)
        .await
        .unwrap();
    let revision = store.ensure_revision(package, "1.0", "", Some("c"), hour(0)).await.unwrap();
    assert_eq!(store.ensure_revision(package, "1.0", "", Some("c"), hour(9)).await.unwrap(), revision);
    let artifact = Artifact {
        platform: "src".into(),
        path: "src/contrib/a_1.0.tar.gz".into(),
        size: 3,
        sha256: "a".repeat(64),
    };
    store.add_artifact(revision, &artifact, hour(0)).await.unwrap();
    store.add_artifact(revision, &artifact, hour(1)).await.unwrap();
    let other = Artifact { sha256: "b".repeat(64), ..artifact.clone() };
    let error = store.add_artifact(revision, &other, hour(1)).await.unwrap_err().to_string();
    assert!(error.contains("a published file never changes"), "{error}");
    assert_eq!(store.artifacts(revision).await.unwrap(), [artifact]);
    store.ensure_package(Ecosystem::Runiverse, "staging", "a", PackageKind::Suite, None).await.unwrap_err();
}

#[tokio::test]
async fn replacements_form_no_circle_and_events_say_why() {
    let Home { store, folder: _folder } = home().await;
    let package = store.ensure_package(Ecosystem::Galaxy, "o", "a", PackageKind::Tool, None).await.unwrap();
    let old = store.ensure_revision(package, "1", "", None, hour(0)).await.unwrap();
    let new = store.ensure_revision(package, "2", "", None, hour(0)).await.unwrap();
    let replace = |from, to| Replacement {
        from,
        to: Some(to),
        kind: ReplacementKind::Repair,
        reason: "a file was missing".into(),
        actor: "anna".into(),
    };
    store.add_replacement(&replace(old, new), hour(1)).await.unwrap();
    store.add_replacement(&replace(new, old), hour(1)).await.unwrap_err();
    assert_eq!(store.replacement_of(old).await.unwrap().unwrap().to, Some(new));
    store.record_event(Subject::Revision(old), "yank", "anna", hour(2), "a file was missing").await.unwrap();
    assert_eq!(store.state_events(Subject::Revision(old)).await.unwrap()[0].event, "yank");
    assert!(store.state_events(Subject::Package(package)).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_second_writer_is_told_who_holds_the_state() {
    let Home { folder, store } = home().await;
    let error = Store::open_state(folder.path(), Durability::ProcessCrash, hour(1)).await.unwrap_err();
    let said = error.to_string();
    assert!(said.contains(&format!("process {} since", std::process::id())), "{said}");
    store.close().await;
    Store::open_state(folder.path(), Durability::ProcessCrash, hour(1)).await.unwrap();
}

#[tokio::test]
async fn a_reader_sees_what_the_writer_wrote_and_can_write_nothing() {
    let Home { folder, store } = home().await;
    let run = some_run(&store).await;
    let reader = Store::open_read_only(folder.path()).await.unwrap();
    assert_eq!(reader.run(run).await.unwrap().unwrap().job, "staging");
    reader.put_blob(b"no", hour(1)).await.unwrap_err();
    let empty = tempfile::tempdir().unwrap();
    Store::open_read_only(empty.path()).await.unwrap_err();
}

#[tokio::test]
async fn a_backup_brings_back_what_was_there_and_keeps_what_it_replaces() {
    let Home { folder, store } = home().await;
    let run = some_run(&store).await;
    let backup = folder.path().join("copy.db");
    store.backup(&backup).await.unwrap();
    store.put_blob(b"later", hour(2)).await.unwrap();
    Store::restore(&backup, folder.path(), hour(3)).await.unwrap_err();
    store.close().await;

    Store::restore(&backup, folder.path(), hour(3)).await.unwrap();
    let restored = Store::open_state(folder.path(), Durability::ProcessCrash, hour(3)).await.unwrap();
    assert!(restored.run(run).await.unwrap().is_some());
    let later = restored.put_blob(b"later", hour(4)).await.unwrap();
    assert!(restored.blob(&later).await.unwrap().is_some());
    assert!(folder.path().join("tidegate.db.before-restore").exists());

    let junk = folder.path().join("junk");
    std::fs::write(&junk, "not a database").unwrap();
    restored.close().await;
    Store::restore(&junk, folder.path(), hour(5)).await.unwrap_err();
    assert!(folder.path().join("tidegate.db").exists(), "a refused restore touches nothing");
}
