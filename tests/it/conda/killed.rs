//! A publisher that is really killed, again and again, under readers: this test binary starts itself as the
//! publisher, and ends it with SIGKILL somewhere in the middle.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Lines};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use tidegate::ecosystem::conda::layout::ArchiveFormat::Conda;
use tidegate::publish::channel::{ChannelFolder, PackageFile, Patches};

use super::channels::{Stopping, assert_whole, sum};
use super::made::made;
use crate::rehearsal::dice::Dice;

/// Says to a publisher that it is one, and what it publishes: a folder and a number.
const PUBLISHER: &str = "TIDEGATE_TEST_PUBLISHER";
/// What it says when it begins.
const BEGINS: &str = "it begins";
/// How many packages a channel holds at a time.
const HELD: usize = 12;
/// How many publishers are killed.
const KILLS: usize = 60;

/// The packages of one publication: one version of each, and another one for each number, so that none finds its
/// work done.
fn packages(place: &Path, number: usize) -> Vec<PackageFile> {
    let file = |which: usize| {
        let package = made(&format!("tidal{which}"), &format!("1.{number}"), "0");
        let bytes = package.bytes(Conda);
        let (sha256, file_name) = (sum(&bytes), package.file_name(Conda));
        let path = place.join("kept").join(&sha256);
        if !path.exists() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &bytes).unwrap();
        }
        PackageFile { subdir: "noarch".to_owned(), file_name, sha256, size: bytes.len() as u64, path }
    };
    (0..HELD).map(file).collect()
}

/// What runs in the process that is killed.
#[test]
#[ignore = "a part of the test below, in a process of its own"]
fn publishes_once() {
    let Ok(told) = std::env::var(PUBLISHER) else { return };
    let (number, place) = told.split_once(' ').unwrap();
    let (number, place) = (number.parse().unwrap(), Path::new(place));
    let channel = ChannelFolder::new(place.join("staged")).unwrap();
    let packages = packages(place, number);
    println!("{BEGINS}");
    channel.publish(&packages, &Patches::new()).unwrap();
}

/// A publisher that has begun, and what it says from then on: it would fail where nobody took that.
struct Publisher {
    process: Child,
    _says: Lines<BufReader<ChildStdout>>,
}

/// Starts a publisher, and waits until it begins.
fn publisher(place: &Path, number: usize) -> Publisher {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["conda::killed::publishes_once", "--exact", "--ignored", "--nocapture"])
        .env(PUBLISHER, format!("{number} {}", place.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut says = BufReader::new(process.stdout.take().unwrap()).lines();
    assert!(says.any(|line| line.unwrap().contains(BEGINS)), "it ended before it began");
    Publisher { process, _says: says }
}

/// Lets a publisher come to its end.
fn publish(place: &Path, number: usize) {
    assert!(publisher(place, number).process.wait().unwrap().success());
}

/// Whether a publication was cut off in the middle: what it prepared lies there.
fn is_cut_off(place: &Path) -> bool {
    let generations = place.join(".staged-generations");
    let current = std::fs::read_link(place.join("staged")).unwrap();
    let current: u64 = current.file_name().unwrap().to_str().unwrap().parse().unwrap();
    generations.join(".preparing").exists() || generations.join((current + 1).to_string()).exists()
}

/// The versions that a whole channel lists; all packages have to be of one.
fn version(root: &Path) -> String {
    let listed = assert_whole(root);
    assert_eq!(listed.len(), HELD);
    let version = |file: &String| file.rsplit('-').nth(1).unwrap().to_owned();
    let versions: BTreeSet<String> = listed.iter().map(version).collect();
    assert_eq!(versions.len(), 1, "neither the old nor the new: {listed:?}");
    versions.into_iter().next().unwrap()
}

#[test]
fn readers_never_see_a_broken_channel_whenever_its_publisher_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let root = place.join("staged");
    publish(place, 0);
    let mut undisturbed = publisher(place, 1);
    let begun = Instant::now();
    assert!(undisturbed.process.wait().unwrap().success());
    // Some come to their end before they are killed.
    let longest = begun.elapsed().mul_f64(1.5);
    let (stop, rounds) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (mut killed, mut cut_off, mut seen) = (0, 0, BTreeSet::new());
    std::thread::scope(|scope| {
        let stopping = Stopping(&stop);
        let reader = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                version(&std::fs::canonicalize(&root).unwrap());
                rounds.fetch_add(1, Ordering::Relaxed);
            }
        });
        let mut dice = Dice::new(7);
        for number in 2..KILLS + 2 {
            let mut child = publisher(place, number);
            // A busy machine may be slower than the one that was measured, so some are left to their ends.
            if number % 6 == 0 {
                assert!(child.process.wait().unwrap().success());
                seen.insert(version(&root));
                continue;
            }
            std::thread::sleep(longest.mul_f64(dice.between(0, 1000) as f64 / 1000.0));
            child.process.kill().unwrap();
            killed += usize::from(child.process.wait().unwrap().signal() == Some(9));
            cut_off += usize::from(is_cut_off(place));
            seen.insert(version(&root));
            // A reader is promised the generations that are kept, so it may not fall behind for long.
            let before = rounds.load(Ordering::Relaxed);
            while rounds.load(Ordering::Relaxed) == before && !reader.is_finished() {
                std::thread::yield_now();
            }
        }
        drop(stopping);
        reader.join().unwrap();
    });
    assert!(
        killed > KILLS / 4 && cut_off > 2 && seen.len() > 1,
        "{killed} killed, {cut_off} in the middle, {seen:?}"
    );

    publish(place, KILLS + 2);
    assert_eq!(version(&root), format!("1.{}", KILLS + 2));
    assert!(!is_cut_off(place), "what was cut off is cleared");
    let names = std::fs::read_dir(place).unwrap().map(|entry| entry.unwrap().file_name());
    let names: BTreeSet<PathBuf> = names.map(PathBuf::from).collect();
    assert_eq!(names, ["staged", ".staged-generations", "kept"].map(PathBuf::from).into());
}
