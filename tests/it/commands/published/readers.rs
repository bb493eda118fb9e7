//! Readers that loop over published snapshots, and follow every link anew for each file, while snapshots are published,
//! withdrawn from and gone back to by processes that are really killed.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tidegate::clock::SystemClock;
use tidegate::config::Configuration;
use tidegate::web::WebServer;

use super::*;
use crate::rehearsal::dice::Dice;

/// Says to this test binary that it is a publisher: the folder, and the number of the quarter.
const PUBLISHER: &str = "TIDEGATE_TEST_SNAPSHOT_PUBLISHER";
const BEGINS: &str = "it begins";
const KILLS: usize = 24;

/// The packages of the quarter with that number: one that stays, and others with a version of their own.
fn quarter(number: usize) -> (String, Vec<(String, String)>) {
    let date = format!("20{:02}-{:02}-15", 26 + number / 12, 1 + number % 12);
    let named = (0..6).map(|which| (format!("tidal{which}"), format!("1.{number}")));
    (date, named.chain([("lunar".to_owned(), "0.9.1".to_owned())]).collect())
}

fn publish(directory: &Directory, number: usize) {
    let (date, packages) = quarter(number);
    let prepared = directory.prepare(&date).unwrap();
    let contrib = prepared.path().join("src/contrib");
    fs::create_dir_all(&contrib).unwrap();
    for (package, version) in packages {
        let made = MadePackage { package, version, ..MadePackage::default() };
        let name = archive_name(&made.package, &made.version, ArchiveKind::Source).unwrap();
        fs::write(contrib.join(name), source_package(&made).unwrap()).unwrap();
    }
    let limits = ArchiveLimits::default();
    Index::of_folder(&contrib, ArchiveKind::Source, &limits).unwrap().write_to(&contrib).unwrap();
    directory.commit(prepared).unwrap();
    directory.point("latest", &date, &|_, path| path.ends_with(".tar.gz")).unwrap();
}

/// What runs in the process that is killed.
#[test]
#[ignore = "a part of the test below, in a process of its own"]
fn publishes_a_quarter() {
    let Ok(told) = std::env::var(PUBLISHER) else { return };
    let (number, folder) = told.split_once(' ').unwrap();
    println!("{BEGINS}");
    publish(&Directory::new(folder), number.parse().unwrap());
}

/// A process that has begun; what it says is read to the end by nobody.
fn publisher(folder: &Path, number: usize) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["commands::published::readers::publishes_a_quarter", "--exact", "--ignored", "--nocapture"])
        .env(PUBLISHER, format!("{number} {}", folder.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut says = BufReader::new(process.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains(BEGINS) {
        line.clear();
        assert_ne!(says.read_line(&mut line).unwrap(), 0, "it ended before it began");
    }
    (process, says)
}

/// Reads while `work` goes on: the names that are there, each file through every link anew. Nothing may be missing but
/// what `may_be_gone`.
fn under_readers(
    root: &Path,
    may_be_gone: impl Fn(&str) -> bool + Sync,
    work: impl FnOnce(&dyn Fn()),
) -> usize {
    let read = || {
        let names =
            fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        for name in names.filter(|name| !name.starts_with('.') && root.join(name).is_dir()) {
            for (file, bytes) in rows(&root.join(&name)) {
                assert!(bytes.is_some() || may_be_gone(&file), "{name} lists {file}, which is not there");
            }
        }
    };
    while_reading(read, work)
}

/// Reads while `work` goes on, which may wait until everything was read once more; how often that was.
fn while_reading(read: impl Fn() + Sync, work: impl FnOnce(&dyn Fn())) -> usize {
    let (stop, rounds) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                read();
                rounds.fetch_add(1, Ordering::Relaxed);
            }
        });
        // A reader is promised the last few generations of `latest`, so it may not fall behind for long.
        let waits = || {
            let before = rounds.load(Ordering::Relaxed);
            while rounds.load(Ordering::Relaxed) < before + 1 && !reader.is_finished() {
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&waits)));
        stop.store(true, Ordering::Relaxed);
        reader.join().unwrap();
        if let Err(panic) = worked {
            std::panic::resume_unwind(panic);
        }
    });
    rounds.load(Ordering::Relaxed)
}

#[test]
fn readers_find_every_file_of_every_index_whenever_a_publisher_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let directory = Directory::new(folder.path());
    publish(&directory, 0);
    let begun = Instant::now();
    assert!(publisher(folder.path(), 1).0.wait().unwrap().success());
    let longest = begun.elapsed();
    let (mut killed, mut done, mut dice) = (0, 0, Dice::new(11));
    let rounds = under_readers(
        folder.path(),
        |_| false,
        |waits| {
            for number in 2..KILLS + 2 {
                let (mut process, _says) = publisher(folder.path(), number);
                if number % 5 != 0 {
                    std::thread::sleep(longest.mul_f64(dice.between(0, 900) as f64 / 1000.0));
                    process.kill().unwrap();
                }
                match process.wait().unwrap().signal() {
                    Some(9) => killed += 1,
                    _ => done += 1,
                }
                let (date, packages) = quarter(number);
                if directory.generation(&date).unwrap().is_some() {
                    assert_eq!(
                        rows(&folder.path().join(&date)).len(),
                        packages.len(),
                        "the new one, and whole"
                    );
                }
                waits();
            }
        },
    );
    assert!(killed > KILLS / 4 && done > 2 && rounds > 10, "{killed} killed, {done} done, {rounds} rounds");
    publish(&directory, KILLS + 1);
    let (date, _) = quarter(KILLS + 1);
    assert_eq!(directory.pointed("latest").unwrap().unwrap().of, date);
    assert!(!folder.path().join(".generations/latest/.preparing").exists());
}

/// One command in a process of its own, which is killed after a while where one is given. True where it came to its end.
fn command(shop: &Shop, line: &[&str], killed_after: Option<Duration>) -> bool {
    let mut process = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .arg("--config")
        .arg(shop.place.config())
        .args(line)
        .args(["--reason", "a reason"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    if let Some(after) = killed_after {
        std::thread::sleep(after);
        process.kill().unwrap();
    }
    process.wait().unwrap().success()
}

#[test]
fn readers_find_every_file_whenever_a_withdrawal_or_a_step_back_is_killed() {
    let shop = Shop::new();
    let name = |number: usize| -> &'static str { format!("tidal{number}").leak() };
    let packages: Vec<Package> =
        (0..10).map(|number| (name(number), "1.0", &[][..])).chain([LUNAR]).collect();
    shop.publish("2026-03-15", &packages);
    shop.publish("2026-06-15", &[LUNAR, ("tidal0", "2.0", &[])]);
    let begun = Instant::now();
    assert!(command(&shop, &["snapshot", "rollback", "2026-03-15"], None));
    let longest = begun.elapsed();
    let mut dice = Dice::new(5);
    // Odd ones are dropped, and may be gone; of all others every reader finds the file.
    let may_be_gone = |file: &str| {
        let number = file.strip_prefix("tidal").and_then(|rest| rest.split('_').next());
        number.and_then(|number| number.parse::<usize>().ok()).is_some_and(|number| number % 2 == 1)
    };
    let rounds = under_readers(&shop.at("."), may_be_gone, |waits| {
        for number in 1..9 {
            let bytes = if number % 2 == 1 { "--drop-bytes" } else { "--keep-bytes" };
            let withdraw = ["snapshot", "withdraw", "2026-03-15", name(number), bytes];
            let after = |dice: &mut Dice| Some(longest.mul_f64(dice.between(0, 1200) as f64 / 1000.0));
            command(&shop, &withdraw, after(&mut dice));
            waits();
            let to = if number % 2 == 1 { "2026-06-15" } else { "2026-03-15" };
            command(&shop, &["snapshot", "rollback", to], after(&mut dice));
            waits();
            assert!(command(&shop, &withdraw, None), "the next try ends well");
            waits();
        }
    });
    assert!(rounds > 10, "{rounds} rounds");
    assert!(command(&shop, &["snapshot", "rollback", "2026-03-15"], None));
    let left = ["lunar_0.9.1.tar.gz", "tidal0_1.0.tar.gz", "tidal9_1.0.tar.gz"];
    assert_eq!(shop.listed("2026-03-15"), left);
    assert_eq!(shop.listed("latest"), left);
    let there = files_below(&shop.place.path("published"));
    assert!(
        there.keys().all(|path| !may_be_gone(path.rsplit('/').next().unwrap()) || path.contains("tidal9_"))
    );
    shop.verifies("2026-03-15");
    assert_eq!(shop.manifest("2026-03-15").generation, 9);
    assert_eq!(told(&shop, "snapshot-withdrawn").len(), 8, "each was told once");
}

/// The daemon's server before what a shop publishes, and a client whose connections stay.
struct Served {
    runtime: tokio::runtime::Runtime,
    web: WebServer,
    client: reqwest::Client,
}

impl Served {
    fn start(shop: &Shop) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let settings = format!(
            "state = \"{}\"\n[publish]\ndirectory = \"{}\"\n[web]\nlisten = \"127.0.0.1:0\"\n",
            shop.place.state().display(),
            shop.place.path("published").display()
        );
        let configuration = Configuration::from_texts(vec![("tidegate.toml".into(), settings)]);
        let configuration = configuration.unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
        let beside = shop.place.path("server.db");
        let web = runtime.block_on(async {
            let store = Store::open(&beside, Durability::ProcessCrash).await.unwrap();
            WebServer::start(&configuration, store, std::sync::Arc::new(SystemClock)).await
        });
        tidegate::tls::prepare();
        Self { runtime, web: web.unwrap().unwrap(), client: reqwest::Client::new() }
    }

    /// What lies at a path of the distribution; nothing where there is no such file.
    async fn get(&self, path: &str) -> Option<Vec<u8>> {
        let address = format!("http://{}/r-multiverse/{path}", self.web.address());
        let answer = self.client.get(address).send().await.unwrap();
        match answer.status().as_u16() {
            200 => Some(answer.bytes().await.unwrap().to_vec()),
            404 => None,
            status => panic!("{path}: {status}"),
        }
    }

    /// Reads as R does: an index below `name`, and then its files one after the other, through every link anew.
    async fn installs_from(&self, name: &str, may_be_gone: &(impl Fn(&str) -> bool + Sync)) {
        let index = self.get(&format!("{name}/src/contrib/PACKAGES.gz")).await.expect("an index");
        let mut text = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&index[..]), &mut text).unwrap();
        for row in dcf::read(&text, DcfLimits::INDEX).unwrap() {
            let (package, version) = (row.get("Package").unwrap(), row.get("Version").unwrap());
            let file = archive_name(package, version, ArchiveKind::Source).unwrap();
            match self.get(&format!("{name}/src/contrib/{file}")).await {
                None => assert!(may_be_gone(&file), "{name} lists {file}, which is not there"),
                Some(bytes) => {
                    let sum: String = Md5::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
                    assert_eq!(row.get("MD5sum"), Some(sum.as_str()), "{name}: {file} is another one");
                }
            }
        }
    }

    /// The pages above the snapshots come whole.
    async fn reads_about_them(&self) {
        let text = async |name: &str| String::from_utf8(self.get(name).await.unwrap()).unwrap();
        assert!(text("index.html").await.ends_with("</html>\n"));
        assert!(text("feed.xml").await.ends_with("</feed>\n"));
        let listed: Value = serde_json::from_str(&text("snapshots.json").await).unwrap();
        assert_eq!(listed.as_array().map(Vec::is_empty), Some(true), "these snapshots have no record");
    }
}

#[test]
fn readers_over_http_find_the_same_with_connections_that_stay() {
    let shop = Shop::new();
    let name = |number: usize| -> &'static str { format!("tidal{number}").leak() };
    let packages: Vec<Package> = (0..8).map(|number| (name(number), "1.0", &[][..])).chain([LUNAR]).collect();
    shop.publish("2026-03-15", &packages);
    shop.publish("2026-06-15", &[LUNAR, ("tidal0", "2.0", &[])]);
    let begun = Instant::now();
    assert!(command(&shop, &["snapshot", "rollback", "2026-03-15"], None));
    let longest = begun.elapsed();
    let served = Served::start(&shop);
    let may_be_gone = |file: &str| ["tidal1_1.0.tar.gz", "tidal3_1.0.tar.gz"].contains(&file);
    let mut dice = Dice::new(7);
    let read = || {
        served.runtime.block_on(async {
            for name in ["2026-03-15", "2026-06-15", "latest"] {
                served.installs_from(name, &may_be_gone).await;
            }
            served.reads_about_them().await;
        });
    };
    let rounds = while_reading(read, |waits| {
        for number in 1..5 {
            let bytes = if number % 2 == 1 { "--drop-bytes" } else { "--keep-bytes" };
            let withdraw = ["snapshot", "withdraw", "2026-03-15", name(number), bytes];
            let killed_after = longest.mul_f64(dice.between(0, 1200) as f64 / 1000.0);
            command(&shop, &withdraw, Some(killed_after));
            waits();
            let to = if number % 2 == 1 { "2026-06-15" } else { "2026-03-15" };
            assert!(command(&shop, &["snapshot", "rollback", to], None));
            waits();
            assert!(command(&shop, &withdraw, None), "the next try ends well");
            waits();
        }
    });
    assert!(rounds > 10, "{rounds} rounds");
    assert_eq!(shop.listed("latest").len(), 5);
}
