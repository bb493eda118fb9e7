//! Snapshots in a bucket, served by an S3-compatible server on loopback.

use std::fs;

use tidegate::failure::Failure;
use tidegate::publish::target::{Other, Receipt};

use super::gate::Fault;
use super::storage::Storage;
use super::trees::{
    Notes, PACKAGE, Published, attempt, content, done, published, snapshot, unlike_any_other,
};

async fn publish(storage: &Storage, published: &Published, others: &[Other]) -> Result<Receipt, Failure> {
    attempt(&storage.target(), published, &Notes::default(), others).await
}

#[tokio::test]
async fn a_quarter_with_5_of_100_packages_changed_sends_5_packages() {
    let storage = Storage::start().await;
    let (june, september) = (snapshot("2026-06-15", 100, 0), snapshot("2026-09-15", 100, 5));
    let first = publish(&storage, &june, &[]).await.unwrap();
    assert_eq!(first.sent.bytes, june.bytes());
    assert_eq!(storage.objects("2026-06-15"), june.sums());
    assert_eq!(storage.latest().as_deref(), Some("2026-06-15"));

    storage.gate.open();
    let second = publish(&storage, &september, &[done(&june, &first)]).await.unwrap();
    let new = september.new_bytes(&june);
    assert_eq!((second.sent.files, second.sent.bytes), (5 + 3, new), "{second:?}");
    assert_eq!(new / PACKAGE as u64, 5);
    // Beside the files themselves the claim and the pointer.
    assert!(storage.gate.bytes() < new + 1000, "{} bytes for {new}", storage.gate.bytes());
    assert_eq!(storage.objects("2026-09-15"), september.sums());
    assert_eq!(storage.objects("2026-06-15"), june.sums());
    assert_eq!(storage.latest().as_deref(), Some("2026-09-15"));

    storage.gate.open();
    let again = publish(&storage, &september, &[]).await.unwrap();
    assert_eq!((again.sent.bytes, storage.gate.bytes()), (0, 0), "what is there is not sent again");
}

#[tokio::test]
async fn packages_come_before_indexes_and_the_manifest_is_last() {
    let storage = Storage::start().await;
    storage.gate.open();
    publish(&storage, &snapshot("2026-06-15", 3, 0), &[]).await.unwrap();
    let written = storage.gate.seen().into_iter().filter(|seen| seen.method == "PUT");
    let written: Vec<String> =
        written.map(|seen| seen.path.replace("/bucket/r/snapshots/demo/", "")).collect();
    let mut packages = written[1..4].to_vec();
    packages.sort();
    let packages_first = (0..3).map(|number| format!("2026-06-15/src/contrib/p{number:03}_1.0.tar.gz"));
    assert_eq!(packages, packages_first.collect::<Vec<_>>());
    assert_eq!(written[0], "claims/2026-06-15.json");
    let rest: Vec<&str> = written[4..].iter().map(String::as_str).collect();
    assert_eq!(
        rest,
        [
            "2026-06-15/src/contrib/PACKAGES",
            "2026-06-15/snapshot.json",
            "2026-06-15/manifest.json",
            "latest.json"
        ]
    );
}

#[tokio::test]
async fn of_two_writers_with_different_snapshots_of_a_date_one_wins_whole() {
    for _ in 0..5 {
        let storage = Storage::start().await;
        let (one, other) = (snapshot("2026-06-15", 6, 0), snapshot("2026-06-15", 6, 3));
        let (mine, theirs) = tokio::join!(publish(&storage, &one, &[]), publish(&storage, &other, &[]));
        let won = match (&mine, &theirs) {
            (Ok(_), Err(lost)) => (&one, lost),
            (Err(lost), Ok(_)) => (&other, lost),
            both => panic!("{both:?}"),
        };
        assert!(matches!(won.1, Failure::Permanent { .. }), "{:?}", won.1);
        assert_eq!(storage.objects("2026-06-15"), won.0.sums());
    }
}

#[tokio::test]
async fn an_older_pointer_never_takes_the_place_of_a_newer_one_of_somebody_else() {
    let storage = Storage::start().await;
    publish(&storage, &snapshot("2026-09-15", 2, 0), &[]).await.unwrap();
    let receipt = publish(&storage, &snapshot("2026-06-15", 2, 0), &[]).await.unwrap();
    assert!(!receipt.is_latest);
    assert_eq!(storage.latest().as_deref(), Some("2026-09-15"));
}

#[tokio::test]
async fn what_the_service_does_wrong_is_named_and_mended_by_the_next_attempt() {
    for fault in [Fault::Status(500), Fault::Status(503), Fault::Cut, Fault::LoseAnswer] {
        let storage = Storage::start().await;
        let quarter = snapshot("2026-06-15", 5, 0);
        storage.gate.rule(move |_, method, path| match method == "PUT" && path.contains("p003") {
            true => fault,
            false => Fault::None,
        });
        let notes = Notes::default();
        let failure = attempt(&storage.target(), &quarter, &notes, &[]).await.unwrap_err();
        assert!(failure.is_transient(), "{fault:?}: {failure:?}");
        assert!(failure.to_string().contains("p003_1.0.tar.gz"), "{fault:?}: {failure}");
        assert!(!storage.place("2026-06-15/manifest.json").exists(), "{fault:?}");
        assert_eq!(storage.latest(), None, "{fault:?}");
        storage.gate.open();
        attempt(&storage.target(), &quarter, &notes, &[]).await.unwrap();
        assert_eq!(storage.objects("2026-06-15"), quarter.sums(), "{fault:?}");
    }
    let storage = Storage::start().await;
    let failure =
        attempt(&storage.asked_with("guess"), &snapshot("2026-06-15", 1, 0), &Notes::default(), &[])
            .await
            .unwrap_err();
    assert!(matches!(failure, Failure::Configuration { .. }), "{failure:?}");
    assert!(!format!("{failure:?}").contains("guess"), "{failure:?}");
}

#[tokio::test]
async fn a_kill_at_any_request_leaves_no_manifest_or_the_whole_and_the_next_attempt_ends_well() {
    let storage = Storage::start().await;
    let mut kills = 0;
    for stop in [Fault::StopBefore, Fault::StopAfter] {
        for at in 0.. {
            let month = if stop == Fault::StopBefore { 3 } else { 6 };
            let date = format!("20{:02}-{month:02}-{:02}", 20 + at / 28, at % 28 + 1);
            let quarter = unlike_any_other(&date, 2);
            storage.gate.rule(move |number, _, _| if number == at { stop } else { Fault::None });
            let notes = Notes::default();
            let target = storage.target();
            let ended = storage.gate.killed(attempt(&target, &quarter, &notes, &[])).await;
            storage.gate.open();
            if let Some(ended) = ended {
                ended.unwrap();
                break;
            }
            kills += 1;
            if storage.place(&format!("{date}/manifest.json")).exists() {
                assert_eq!(storage.objects(&date), quarter.sums(), "{stop:?} {at}");
            }
            attempt(&target, &quarter, &notes, &[]).await.unwrap();
            assert_eq!(storage.objects(&date), quarter.sums(), "{stop:?} {at}");
        }
    }
    assert!(kills > 15, "only {kills} kills");
}

#[tokio::test]
async fn a_large_file_is_sent_in_parts_and_those_of_a_kill_are_cleared() {
    let storage = Storage::start().await;
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("src/contrib")).unwrap();
    let large: Vec<u8> = content("large").into_iter().cycle().take(20 << 20).collect();
    fs::write(folder.path().join("src/contrib/large_1.0.tar.gz"), &large).unwrap();
    fs::write(folder.path().join("src/contrib/PACKAGES"), "Package: large\nVersion: 1.0\n").unwrap();
    let quarter = published(folder, "2026-06-15");
    let (notes, target) = (Notes::default(), storage.target());
    storage.gate.rule(|_, _, path| match path.contains("partNumber=3") {
        true => Fault::StopBefore,
        false => Fault::None,
    });
    let killed = storage.gate.killed(attempt(&target, &quarter, &notes, &[])).await;
    assert!(killed.is_none() && storage.parts() == 2, "{} parts", storage.parts());

    // A failure is cleared at once.
    storage.gate.rule(|_, _, path| match path.contains("partNumber=2") {
        true => Fault::Status(500),
        false => Fault::None,
    });
    let failure = attempt(&target, &quarter, &notes, &[]).await.unwrap_err();
    assert!(failure.is_transient() && storage.parts() == 0, "{failure}: {} parts", storage.parts());

    storage.gate.open();
    attempt(&target, &quarter, &notes, &[]).await.unwrap();
    assert_eq!(storage.objects("2026-06-15"), quarter.sums());
    assert_eq!(storage.parts(), 0);
}

#[tokio::test]
async fn a_later_generation_takes_the_place_of_ours_and_of_nothing_else() {
    let storage = Storage::start().await;
    let (first, other) = (snapshot("2026-06-15", 3, 0), snapshot("2026-06-15", 2, 1));
    let receipt = publish(&storage, &first, &[]).await.unwrap();
    let failure = publish(&storage, &other, &[]).await.unwrap_err();
    assert!(matches!(failure, Failure::Permanent { .. }), "{failure:?}");
    assert!(failure.to_string().contains("holds another snapshot 2026-06-15 of demo"), "{failure}");
    assert_eq!(storage.objects("2026-06-15"), first.sums());

    let second = other.generation(2);
    storage.gate.open();
    let receipt = publish(&storage, &second, &[done(&first, &receipt)]).await.unwrap();
    assert_eq!(storage.objects("2026-06-15"), second.sums(), "what left it is taken away");
    assert_eq!(receipt.sent.bytes, second.new_bytes(&first));

    let strange = storage.place("2026-12-15/src/contrib/PACKAGES");
    fs::create_dir_all(strange.parent().unwrap()).unwrap();
    fs::write(&strange, "of somebody else").unwrap();
    let failure = publish(&storage, &snapshot("2026-12-15", 1, 0), &[]).await.unwrap_err();
    assert!(failure.to_string().contains("`src/contrib/PACKAGES` has another content there"), "{failure}");
    assert_eq!(fs::read_to_string(strange).unwrap(), "of somebody else");
}

#[tokio::test]
async fn a_generation_that_was_interrupted_is_taken_over_by_the_next() {
    let storage = Storage::start().await;
    let (first, second) = (snapshot("2026-06-15", 3, 0), snapshot("2026-06-15", 3, 1).generation(2));
    storage.gate.rule(|_, method, path| match method == "PUT" && path.contains("manifest.json") {
        true => Fault::StopBefore,
        false => Fault::None,
    });
    let notes = Notes::default();
    let killed = storage.gate.killed(attempt(&storage.target(), &first, &notes, &[])).await;
    assert!(killed.is_none());
    storage.gate.open();
    let progress = notes.kept.lock().unwrap().clone();
    let left = Other { date: first.tree.date, generation: 1, receipt: None, progress };
    publish(&storage, &second, &[left]).await.unwrap();
    assert_eq!(storage.objects("2026-06-15"), second.sums());
}
