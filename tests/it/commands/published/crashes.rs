//! The power fails at any step of the file system while something is withdrawn, gone back to, collected or looked
//! through: readers find whole snapshots and whole pages, and the same command once more comes to the same end as one
//! that was not disturbed.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;
use std::sync::Mutex;

use tidegate::digest::sha256_hex;
use tidegate::jobs::snapshot::verify;
use tidegate::publish::content::ContentStore;
use tidegate::store::{ChannelOf, KeptFile};

use super::super::run;
use super::*;

/// Says to this test binary that it is a command: the folder of the configuration, and the line.
const COMMAND: &str = "TIDEGATE_TEST_STOPPED_COMMAND";

/// Into how many moments the course of a command is divided.
const MOMENTS: usize = 20;

/// What runs in the process that is stopped.
#[test]
#[ignore = "a part of the tests below, in a process of its own"]
fn carries_out_a_command() {
    let Ok(told) = std::env::var(COMMAND) else { return };
    let (config, line) = told.split_once('\n').unwrap();
    // What it ends with is the business of whoever looks at the folder.
    drop(run(["--config", config].into_iter().chain(words(line))));
}

/// The words of a line; `WHY` is a reason.
fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(' ').map(|word| if word == "WHY" { "a reason" } else { word })
}

/// The library that stops a process. Where no C compiler is, a test says that it is skipped, and fails where
/// `TIDEGATE_REQUIRE_REAL` is set.
fn stopper(test: &str) -> Option<PathBuf> {
    static MADE: Mutex<Option<tempfile::TempDir>> = Mutex::new(None);
    let mut made = MADE.lock().unwrap();
    let folder = made.get_or_insert_with(|| tempfile::tempdir().unwrap());
    let (library, source) = (folder.path().join("stopper.so"), folder.path().join("stopper.c"));
    if library.exists() {
        return Some(library);
    }
    fs::write(&source, include_str!("stopper.c")).unwrap();
    let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).output();
    let Ok(compiled) = compiled else {
        assert!(std::env::var_os("TIDEGATE_REQUIRE_REAL").is_none(), "there is no C compiler");
        eprintln!("{test}: skipped, there is no C compiler");
        return None;
    };
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    Some(library)
}

/// A copy of a machine, with its times and its links among each other.
fn copy_of(shop: &Shop) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let copied = Command::new("cp").arg("-a").arg(shop.place.path(".")).arg(folder.path()).status();
    assert!(copied.unwrap().success());
    folder
}

/// Carries out a command on the machine in `root`, in a process that ends before the step `stop` where there is one.
/// How many steps it took; nothing where it was killed.
fn stopped_at(library: &Path, root: &Path, line: &str, stop: usize) -> Option<usize> {
    let steps = tempfile::NamedTempFile::new().unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["commands::published::crashes::carries_out_a_command", "--exact", "--ignored"])
        .env(COMMAND, format!("{}\n{line}", root.join("config").display()))
        .env("LD_PRELOAD", library)
        .env("TIDEGATE_TEST_BELOW", root)
        .env("TIDEGATE_TEST_STOP", stop.to_string())
        .env("TIDEGATE_TEST_STEPS", steps.path())
        .output()
        .unwrap()
        .status;
    if status.signal() == Some(9) {
        return None;
    }
    assert!(status.success(), "{line}: {status}");
    Some(fs::read_to_string(steps.path()).unwrap().parse().unwrap())
}

/// What lies on a machine in the end: what is published, what is kept, and what is told.
fn end(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut there: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for folder in ["published", "state/artifacts"] {
        for (path, bytes) in files_below(&root.join(folder)) {
            there.insert(format!("{folder}/{path}"), bytes);
        }
    }
    let config = root.join("config").display().to_string();
    let told = run(["--config", &config, "events", "--json"]).json();
    let told: Vec<&Value> = told.as_array().unwrap().iter().map(|event| &event["told"]).collect();
    there.insert("told".to_owned(), format!("{told:?}").into_bytes());
    there
}

/// What readers find on a machine at any moment.
fn is_whole(root: &Path, when: &str) {
    let published = root.join("published/r-multiverse");
    for date in ["2026-03-15", "2026-06-15"] {
        let verified = verify(&published.join(date), None, &Default::default()).unwrap();
        assert_eq!(verified.findings, [], "{when}: {date}");
    }
    for (file, bytes) in rows(&published.join("latest")) {
        assert!(bytes.is_some(), "{when}: latest lists {file}, which is not there");
    }
    let text = |name: &str| fs::read_to_string(published.join(name)).unwrap();
    assert!(text("index.html").ends_with("</html>\n"), "{when}");
    assert!(text("feed.xml").ends_with("</feed>\n"), "{when}");
    let listed: Value = serde_json::from_str(&text("snapshots.json")).unwrap();
    assert!(listed.is_array(), "{when}");
}

/// Stops a command at moments spread over its whole course, and carries it out once more. `holds` is asked of the
/// folder at each of them.
fn whenever_it_is_stopped(test: &str, shop: &Shop, line: &str, holds: impl Fn(&Path, &str) + Sync) {
    let Some(library) = stopper(test) else { return };
    let undisturbed = copy_of(shop);
    let steps = stopped_at(&library, undisturbed.path(), line, 0).expect("nothing stops it");
    let expected = end(undisturbed.path());
    assert!(steps > 4, "{line} takes {steps} steps");
    let moments: BTreeSet<usize> = (0..=MOMENTS).map(|moment| 1 + moment * (steps - 1) / MOMENTS).collect();
    let killed = Mutex::new(0);
    let left = Mutex::new(moments.clone());
    let work = || {
        while let Some(stop) = { left.lock().unwrap().pop_first() } {
            let when = format!("{line}, stopped before step {stop} of {steps}");
            let machine = copy_of(shop);
            if stopped_at(&library, machine.path(), line, stop).is_none() {
                *killed.lock().unwrap() += 1;
            }
            holds(machine.path(), &when);
            stopped_at(&library, machine.path(), line, 0).expect("nothing stops it");
            holds(machine.path(), &when);
            same(&end(machine.path()), &expected, &when);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    let killed = *killed.lock().unwrap();
    assert!(killed + 1 >= moments.len(), "{line}: {killed} of {} were killed", moments.len());
}

/// Both hold the same; else the first thing that differs is named.
fn same(found: &BTreeMap<String, Vec<u8>>, expected: &BTreeMap<String, Vec<u8>>, when: &str) {
    let paths: BTreeSet<&String> = found.keys().chain(expected.keys()).collect();
    for path in paths {
        let text =
            |of: &BTreeMap<String, Vec<u8>>| of.get(path).map(|b| String::from_utf8_lossy(b).into_owned());
        assert!(
            found.get(path) == expected.get(path),
            "{when}: {path}\n{:?}\n{:?}",
            text(found),
            text(expected)
        );
    }
}

/// A machine with two quarters, with everything above them in place.
fn shop() -> Shop {
    let shop = Shop::with_two_quarters();
    shop.run("snapshot rollback --newest --reason WHY").printed();
    shop
}

#[test]
fn a_withdrawal() {
    let line = "snapshot withdraw --everywhere brine --keep-bytes --by ada --reason WHY";
    whenever_it_is_stopped("a_withdrawal", &shop(), line, is_whole);
}

#[test]
fn a_withdrawal_of_bytes() {
    let shop = shop();
    let brine = fs::read(shop.at("2026-06-15/src/contrib/brine_2.0.tar.gz")).unwrap();
    kept(&shop, &brine);
    let line = "snapshot withdraw --everywhere brine --drop-bytes --by ada --reason WHY";
    whenever_it_is_stopped("a_withdrawal_of_bytes", &shop, line, is_whole);
}

#[test]
fn a_withdrawal_of_a_whole_snapshot() {
    let line = "snapshot withdraw --whole 2026-06-15 --keep-bytes --by ada --reason WHY";
    whenever_it_is_stopped("a_withdrawal_of_a_whole_snapshot", &shop(), line, is_whole);
}

#[test]
fn a_step_back() {
    let line = "snapshot rollback 2026-03-15 --by ada --reason WHY";
    whenever_it_is_stopped("a_step_back", &shop(), line, is_whole);
}

/// Keeps a file, as one that came long ago.
fn kept(shop: &Shop, bytes: &[u8]) -> String {
    let (content, sha256) = (ContentStore::new(shop.place.path("state/artifacts")), sha256_hex(bytes));
    let file = content.temporary().unwrap();
    fs::write(file.path(), bytes).unwrap();
    let path = content.keep(file.path(), &sha256).unwrap();
    fs::File::open(path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    sha256
}

/// Writes down that a channel holds these files.
async fn hold(store: &Store, held: &[String]) {
    let of = ChannelOf { distribution: "r-multiverse", channel: "staging" };
    for sha256 in held {
        let file = KeptFile {
            package: sha256[..8].to_owned(),
            version: "1.0".to_owned(),
            commit: sha256[..40].to_owned(),
            path: format!("src/contrib/p{sha256}_1.0.tar.gz"),
            sha256: sha256.clone(),
            size: 4,
        };
        store.add_kept_file(of, &file, "2026-06-16T00:00:00Z".parse().unwrap()).await.unwrap();
    }
}

/// Asserts that the store in `root` has these files, with their bytes.
fn has(root: &Path, held: &[String], when: &str) {
    let content = ContentStore::new(root.join("state/artifacts"));
    for sha256 in held {
        let (path, _) =
            content.find(sha256, None).unwrap().unwrap_or_else(|| panic!("{when}: {sha256} is gone"));
        assert_eq!(sha256_hex(&fs::read(path).unwrap()), *sha256, "{when}");
    }
}

#[test]
fn a_collection() {
    let shop = shop();
    let files: Vec<String> = (0..24).map(|number| kept(&shop, format!("no {number}").as_bytes())).collect();
    let (held, free): (Vec<_>, Vec<_>) =
        files.into_iter().enumerate().partition(|(number, _)| number % 2 == 0);
    let held: Vec<String> = held.into_iter().map(|(_, sha256)| sha256).collect();
    shop.on_store(async |store| hold(store, &held).await);
    let line = "store collect --older-than 1d";
    whenever_it_is_stopped("a_collection", &shop, line, |root, when| {
        is_whole(root, when);
        has(root, &held, when);
    });
    shop.run(line).printed();
    let content = shop.place.path("state/artifacts");
    let there = |sha256: &String| ContentStore::new(&content).find(sha256, None).unwrap().is_some();
    assert!(held.iter().all(there) && !free.iter().any(|(_, sha256)| there(sha256)));
}

#[test]
fn a_look_through_the_store() {
    let shop = shop();
    let files: Vec<String> = (0..24).map(|number| kept(&shop, format!("no {number}").as_bytes())).collect();
    shop.on_store(async |store| hold(store, &files).await);
    let content = ContentStore::new(shop.place.path("state/artifacts"));
    let (damaged, sound) = files.split_at(8);
    for sha256 in damaged {
        let path = content.path_of(sha256);
        fs::remove_file(&path).unwrap();
        fs::write(&path, "else").unwrap();
    }
    // What an earlier version kept can be written to, until a look mends that.
    for sha256 in sound {
        let writable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        fs::set_permissions(content.path_of(sha256), writable).unwrap();
    }
    whenever_it_is_stopped("a_look_through_the_store", &shop, "store scrub", |root, when| {
        has(root, sound, when);
        for sha256 in damaged {
            let aside = root.join("state/artifacts/.quarantine").join(sha256);
            let place = ContentStore::new(root.join("state/artifacts")).path_of(sha256);
            assert!(aside.exists() != place.exists(), "{when}: {sha256} is in two places or none");
        }
    });
}

/// How many files come while collections go on.
const ROUNDS: usize = 60;

#[test]
fn collections_beside_a_keeper_take_nothing_that_is_held() {
    let shop = shop();
    let held: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let mut collected = 0;
    std::thread::scope(|scope| {
        let keeper = scope.spawn(|| {
            shop.on_store(async |store| {
                let content = ContentStore::new(shop.place.path("state/artifacts"));
                for number in 0..ROUNDS {
                    let keeping = content.begin_keeping().unwrap();
                    let sha256 = kept(&shop, format!("file {number}").as_bytes());
                    let stray = kept(&shop, format!("stray {number}").as_bytes());
                    hold(store, std::slice::from_ref(&sha256)).await;
                    has(&shop.place.path("."), &[sha256.clone(), stray], "while it is kept");
                    drop(keeping);
                    held.lock().unwrap().push(sha256);
                    // So that a collection comes in between now and then.
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
            });
        });
        while !keeper.is_finished() {
            // Held before the collection began, and so after it.
            let before = held.lock().unwrap().clone();
            let ran = shop.run("store collect --older-than 1d");
            if ran.code == 0 && !ran.out.contains("removed: 0 files") {
                collected += 1;
            }
            has(&shop.place.path("."), &before, "after a collection");
        }
    });
    assert!(collected > 3, "{collected} collections");
    let held = held.into_inner().unwrap();
    assert_eq!(held.len(), ROUNDS);
    has(&shop.place.path("."), &held, "in the end");
}
