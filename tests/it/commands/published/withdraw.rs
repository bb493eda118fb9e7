//! `snapshot withdraw`.

use jiff::Timestamp;
use tidegate::domain::WithdrawnBytes;
use tidegate::publish::content::ContentStore;
use tidegate::store::{ChannelOf, KeptFile};

use super::*;

const LUNAR_OF_MARCH: &str = "2026-03-15/src/contrib/lunar_0.9.1.tar.gz";

#[test]
fn a_package_leaves_the_indexes_and_the_manifest_says_why() {
    let shop = Shop::with_two_quarters();
    let before = fs::read(shop.at(LUNAR_OF_MARCH)).unwrap();
    let told = shop.run("snapshot withdraw 2026-03-15 lunar --by ada --reason WHY").printed();
    insta::assert_snapshot!(told, @r"
    2026-03-15  generation 2  without lunar 0.9.1
      no longer listed  bin/windows/contrib/4.5/lunar_0.9.1.zip
      no longer listed  src/contrib/lunar_0.9.1.tar.gz
      needs it          tidal
    ");
    assert_eq!(shop.listed("2026-03-15"), ["brine_2.0.tar.gz", "tidal_1.2.0.tar.gz"]);
    assert_eq!(shop.listed("2026-06-15").len(), 3, "only the snapshot that was named");
    // Kept, for whoever has read the index before.
    assert_eq!(fs::read(shop.at(LUNAR_OF_MARCH)).unwrap(), before);

    let manifest = shop.manifest("2026-03-15");
    assert_eq!(names(&manifest), ["brine", "tidal"].into());
    let withdrawn = &manifest.withdrawn[0];
    assert_eq!((withdrawn.package.as_deref(), withdrawn.version.as_deref()), (Some("lunar"), Some("0.9.1")));
    assert_eq!((withdrawn.reason.as_str(), withdrawn.bytes), ("a reason", SHIPPED));
    assert_eq!(withdrawn.at, "2026-08-20T12:00:00Z".parse().unwrap());
    let archives: Vec<&str> = withdrawn.archives.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(archives, ["bin/windows/contrib/4.5/lunar_0.9.1.zip", "src/contrib/lunar_0.9.1.tar.gz"]);
    shop.verifies("2026-03-15");
    shop.verifies("2026-06-15");
    let shown = shop.run("snapshot list").printed();
    assert!(shown.contains("2026-03-15  r-multiverse  published      2 packages"), "{shown}");
    assert_eq!(
        super::told(&shop, "snapshot-withdrawn"),
        ["ada withdrew lunar from the snapshot of 2026-03-15: a reason"]
    );
}

#[test]
fn everything_else_keeps_its_bytes_and_the_first_generation_stays() {
    let shop = Shop::with_two_quarters();
    let before = files_below(&shop.at("2026-03-15"));
    shop.run("snapshot withdraw 2026-03-15 lunar --reason WHY").printed();
    let after = files_below(&shop.at("2026-03-15"));
    let changed: BTreeSet<&str> = after
        .iter()
        .filter(|(path, bytes)| before.get(*path) != Some(bytes))
        .map(|(path, _)| &**path)
        .collect();
    let indexes = ["PACKAGES", "PACKAGES.gz", "PACKAGES.rds"];
    let mut expected: BTreeSet<String> =
        ["index.html", "manifest.json", "provenance.intoto.json"].map(str::to_owned).into();
    for folder in ["bin/windows/contrib/4.5", "src/contrib"] {
        expected.extend(indexes.map(|index| format!("{folder}/{index}")));
    }
    assert_eq!(changed, expected.iter().map(String::as_str).collect());
    assert_eq!(files_below(&shop.at(".generations/2026-03-15/1")), before);

    // An index without the rows is the index of the packages that are left.
    let made = tempfile::tempdir().unwrap();
    fill(made.path(), "2026-03-15", &[TIDAL, BRINE]);
    for path in expected.iter().filter(|path| path.contains('/')) {
        assert_eq!(after[path], fs::read(made.path().join(path)).unwrap(), "{path}");
    }
}

#[test]
fn dropped_bytes_are_gone_from_every_path_and_generation() {
    let shop = Shop::with_two_quarters();
    let brine = fs::read(shop.at("2026-06-15/src/contrib/brine_2.0.tar.gz")).unwrap();
    let kept = shop.place.path("state/artifacts").join(&sha256(&brine)[..2]).join(sha256(&brine));
    fs::create_dir_all(kept.parent().unwrap()).unwrap();
    fs::write(&kept, &brine).unwrap();
    shop.run("snapshot rollback --newest --reason WHY").printed();
    let told = shop.run("snapshot withdraw --everywhere brine --drop-bytes --by ada --reason WHY").printed();
    insta::assert_snapshot!(told, @r"
    2026-03-15  generation 2  without brine 2.0
      gone              bin/windows/contrib/4.5/brine_2.0.zip
      gone              src/contrib/brine_2.0.tar.gz
    2026-06-15  generation 2  without brine 2.0
      gone              bin/windows/contrib/4.5/brine_2.0.zip
      gone              src/contrib/brine_2.0.tar.gz
    ");
    let left: Vec<String> = shop.everything().into_keys().filter(|path| path.contains("/brine_")).collect();
    assert_eq!(left, Vec::<String>::new());
    assert!(!kept.exists(), "what was kept for later is gone as well");
    for date in ["2026-03-15", "2026-06-15"] {
        assert_eq!(shop.listed(date).len(), 2);
        shop.verifies(date);
    }
    assert_eq!(shop.listed("latest"), ["lunar_0.9.1.tar.gz", "tidal_1.3.0.tar.gz"]);
    assert_eq!(
        super::told(&shop, "snapshot-withdrawn"),
        [
            "ada withdrew brine from the snapshot of 2026-03-15 and 2026-06-15, and its files are gone: a reason"
        ]
    );
}

#[test]
fn kept_bytes_are_dropped_once_nobody_keeps_files() {
    let shop = Shop::with_two_quarters();
    let content = ContentStore::new(shop.place.path("state/artifacts"));
    let brine = fs::read(shop.at("2026-06-15/src/contrib/brine_2.0.tar.gz")).unwrap();
    let file = content.temporary().unwrap();
    fs::write(file.path(), &brine).unwrap();
    let kept = content.keep(file.path(), &sha256(&brine)).unwrap();
    let keeping = content.begin_keeping().unwrap();
    let told = shop.run("snapshot withdraw --everywhere brine --drop-bytes --by ada --reason WHY").printed();
    assert!(told.ends_with("Where no daemon runs, do the same again then.\n"), "{told}");
    assert!(kept.exists(), "a job may be building on it");
    assert!(!shop.at("2026-06-15/src/contrib/brine_2.0.tar.gz").exists(), "nobody reads it meanwhile");
    shop.verifies("2026-06-15");
    drop(keeping);
    let again = shop.run("snapshot withdraw --everywhere brine --drop-bytes --by ada --reason WHY").printed();
    assert_eq!(again, "2026-03-15  brine was withdrawn before\n2026-06-15  brine was withdrawn before\n");
    assert!(!kept.exists());
    assert_eq!(super::told(&shop, "snapshot-withdrawn").len(), 1);
}

#[test]
fn what_another_snapshot_still_lists_is_kept() {
    let shop = Shop::with_two_quarters();
    let brine = fs::read(shop.at("2026-06-15/src/contrib/brine_2.0.tar.gz")).unwrap();
    let kept = shop.place.path("state/artifacts").join(&sha256(&brine)[..2]).join(sha256(&brine));
    fs::create_dir_all(kept.parent().unwrap()).unwrap();
    fs::write(&kept, &brine).unwrap();
    shop.run("snapshot withdraw 2026-03-15 brine --drop-bytes --reason WHY").printed();
    assert!(kept.exists());
    assert_eq!(shop.listed("2026-06-15").len(), 3);
    assert!(!shop.at("2026-03-15/src/contrib/brine_2.0.tar.gz").exists());
    assert!(!shop.at(".generations/2026-03-15/1").exists());
}

#[test]
fn what_another_distribution_holds_is_kept() {
    let shop = Shop::with_two_quarters();
    let brine = fs::read(shop.at("2026-06-15/src/contrib/brine_2.0.tar.gz")).unwrap();
    let content = ContentStore::new(shop.place.path("state/artifacts"));
    let file = content.temporary().unwrap();
    fs::write(file.path(), &brine).unwrap();
    let kept = content.keep(file.path(), &sha256(&brine)).unwrap();
    let theirs = KeptFile {
        package: "brine".to_owned(),
        version: "2.0".to_owned(),
        commit: "b".repeat(40),
        path: "src/contrib/brine_2.0.tar.gz".to_owned(),
        sha256: sha256(&brine),
        size: brine.len() as u64,
    };
    shop.on_store(async |store| {
        let staging = ChannelOf { distribution: "another", channel: "staging" };
        store.add_kept_file(staging, &theirs, Timestamp::UNIX_EPOCH).await.unwrap();
    });
    shop.run("snapshot withdraw --everywhere brine --drop-bytes --reason WHY").printed();
    assert!(kept.exists(), "it was not withdrawn from there");
    assert!(!shop.at("2026-06-15/src/contrib/brine_2.0.tar.gz").exists());
}

#[test]
fn kept_bytes_can_be_dropped_later_and_the_same_wish_changes_nothing() {
    let shop = Shop::with_two_quarters();
    shop.run("snapshot withdraw 2026-03-15 lunar --keep-bytes --reason WHY").printed();
    let kept = shop.everything();
    let again = shop.run("snapshot withdraw 2026-03-15 lunar --keep-bytes --reason WHY").printed();
    assert_eq!(again, "2026-03-15  lunar was withdrawn before\n");
    assert_eq!(shop.everything(), kept);
    assert_eq!(super::told(&shop, "snapshot-withdrawn").len(), 1);

    shop.run("snapshot withdraw 2026-03-15 lunar --drop-bytes --reason WHY").printed();
    assert!(!shop.at(LUNAR_OF_MARCH).exists());
    let manifest = shop.manifest("2026-03-15");
    assert_eq!((manifest.generation, manifest.withdrawn.len()), (3, 1));
    let withdrawn = &manifest.withdrawn[0];
    assert_eq!((withdrawn.bytes, withdrawn.version.as_deref()), (WithdrawnBytes::Drop, Some("0.9.1")));
    shop.verifies("2026-03-15");
    let back = shop.run("snapshot withdraw 2026-03-15 lunar --keep-bytes --reason WHY").printed();
    assert_eq!(back, "2026-03-15  lunar was withdrawn before\n", "what is gone cannot be kept");
}

#[test]
fn the_policy_says_what_becomes_of_bytes_where_the_command_does_not() {
    let shop = Shop::with_two_quarters();
    let file = shop.place.path("config/distributions/r-multiverse.toml");
    let text = fs::read_to_string(&file).unwrap();
    let (keep, drop) = ("withdrawn_bytes = \"keep\"", "withdrawn_bytes = \"drop\"");
    assert!(text.contains(keep));
    fs::write(&file, text.replace(keep, drop)).unwrap();
    shop.run("snapshot withdraw 2026-03-15 lunar --reason WHY").printed();
    assert!(!shop.at(LUNAR_OF_MARCH).exists());
}

#[test]
fn a_dry_run_shows_what_would_change_and_changes_nothing() {
    let shop = Shop::with_two_quarters();
    let before = shop.everything();
    let told = shop.run("snapshot withdraw 2026-03-15 lunar --drop-bytes --dry-run --reason WHY").printed();
    insta::assert_snapshot!(told, @r"
    Nothing was changed; this would be:
    2026-03-15  generation 2  without lunar 0.9.1
      gone              bin/windows/contrib/4.5/lunar_0.9.1.zip
      gone              src/contrib/lunar_0.9.1.tar.gz
      needs it          tidal
    ");
    let json = shop.run("snapshot withdraw --everywhere tidal --dry-run --json --reason WHY").json();
    assert_eq!(json["rewritten"][1]["version"], "1.3.0");
    assert_eq!(shop.everything(), before);
    assert_eq!(super::told(&shop, "snapshot-withdrawn"), Vec::<String>::new());
}

#[test]
fn a_whole_snapshot_is_withdrawn_and_latest_shows_another() {
    let shop = Shop::with_two_quarters();
    shop.run("snapshot rollback --newest --reason WHY").printed();
    assert_eq!(shop.listed("latest")[2], "tidal_1.3.0.tar.gz");
    let told = shop.run("snapshot withdraw --whole 2026-06-15 --by ada --reason WHY").printed();
    insta::assert_snapshot!(told, @r"
    2026-06-15  generation 2  withdrawn as a whole
    latest  2026-06-15 → 2026-03-15
    ");
    assert_eq!(shop.listed("2026-06-15").len(), 3, "who uses it by its date still finds it");
    assert_eq!(shop.listed("latest")[2], "tidal_1.2.0.tar.gz");
    let shown = shop.run("snapshot list").printed();
    assert!(shown.contains("2026-06-15  r-multiverse  withdrawn      3 packages  a reason"), "{shown}");
    assert!(shop.page("2026-06-15/index.html").contains("This snapshot was withdrawn."));
    assert!(shop.page("index.html").contains("withdrawn: A reason."));
    shop.verifies("2026-06-15");
    let refused = shop.run("snapshot rollback 2026-06-15 --reason WHY");
    insta::assert_snapshot!(refused.err, @r"
    error: the snapshot 2026-06-15 was withdrawn; `latest` never shows one that was
    ");

    let told = shop.run("snapshot withdraw --whole 2026-06-15 --drop-bytes --reason WHY").printed();
    assert!(told.contains("src/contrib/tidal_1.3.0.tar.gz"), "{told}");
    let left: Vec<String> = files_below(&shop.at("2026-06-15")).into_keys().collect();
    let says = ["index.html", "manifest.json", "provenance.intoto.json"];
    assert_eq!(left, says, "a page that says what was here");
    shop.verifies("2026-06-15");
}

#[test]
fn a_folder_from_before_there_were_generations_is_exchanged_in_one_step() {
    let shop = Shop::new();
    shop.publish_plainly("2026-03-15", &[LUNAR, TIDAL, BRINE]);
    let before = files_below(&shop.at("2026-03-15"));
    shop.run("snapshot rollback --newest --reason WHY").printed();
    assert!(!shop.at("2026-03-15").is_symlink(), "nothing touches it without need");
    shop.run("snapshot withdraw 2026-03-15 lunar --reason WHY").printed();
    assert_eq!(shop.listed("2026-03-15").len(), 2);
    assert_eq!(files_below(&shop.at(".generations/2026-03-15/1")), before);
    shop.verifies("2026-03-15");
}

#[test]
fn what_makes_no_sense_is_refused_with_the_reason() {
    let shop = Shop::with_two_quarters();
    shop.run("snapshot rollback --newest --reason WHY").printed();
    let before = shop.everything();
    let mut told = String::new();
    for line in [
        "snapshot withdraw 2026-03-15 kelp --reason WHY",
        "snapshot withdraw --everywhere kelp --reason WHY",
        "snapshot withdraw 2025-03-15 lunar --reason WHY",
        "snapshot withdraw lunar 2026-03-15 --reason WHY",
        "snapshot rollback 2025-03-15 --reason WHY",
    ] {
        let ran = shop.run(line);
        assert_ne!(ran.code, 0, "{line}");
        told += &format!("{line}\n{}\n", ran.err);
    }
    insta::assert_snapshot!(told, @r"
    snapshot withdraw 2026-03-15 kelp --reason WHY
    error: the snapshot 2026-03-15 does not hold kelp, and never did

    snapshot withdraw --everywhere kelp --reason WHY
    error: no snapshot holds kelp

    snapshot withdraw 2025-03-15 lunar --reason WHY
    error: no snapshot 2025-03-15 is published; there are 2026-03-15, 2026-06-15

    snapshot withdraw lunar 2026-03-15 --reason WHY
    error: `lunar` is not a date
    hint: write the snapshot's date like 2026-06-15, then the package

    snapshot rollback 2025-03-15 --reason WHY
    error: no snapshot 2025-03-15 is published; there are 2026-03-15, 2026-06-15
    ");
    let without = ["snapshot", "withdraw", "2026-03-15", "lunar", "--reason", " "];
    assert_eq!(shop.place.run(without).err, "error: a reason is needed: it is kept and shown\n");
    assert_eq!(shop.everything(), before);
}

#[test]
fn a_withdrawal_that_was_only_written_down_is_finished_by_whoever_comes_next() {
    let shop = Shop::with_two_quarters();
    let date = "2026-03-15".parse().unwrap();
    shop.on_store(async |store| {
        let new = tidegate::store::NewSnapshotWithdrawal {
            date,
            package: Some("lunar".to_owned()),
            bytes: WithdrawnBytes::Drop,
        };
        let event = tidegate::store::NewEvent {
            at: "2026-08-20T12:00:00Z".parse().unwrap(),
            kind: "snapshot-withdrawn".to_owned(),
            job: "withdraw".to_owned(),
            package: Some("lunar".to_owned()),
            body: serde_json::json!({}),
            dedup_key: "one".to_owned(),
        };
        store.withdraw_from_snapshots("r-multiverse", &[new], ("ada", "a reason"), &event).await.unwrap();
        assert_eq!(store.snapshot("r-multiverse", date).await.unwrap().unwrap().generation, 1);
    });
    assert_eq!(shop.listed("2026-03-15").len(), 3);
    shop.verifies("2026-03-15");
    let told = shop.run("snapshot withdraw 2026-03-15 lunar --drop-bytes --reason WHY").printed();
    assert_eq!(told, "2026-03-15  lunar was withdrawn before\n");
    assert!(!shop.at(LUNAR_OF_MARCH).exists());
    shop.verifies("2026-03-15");
    assert_eq!(shop.manifest("2026-03-15").withdrawn[0].reason, "a reason");
}
