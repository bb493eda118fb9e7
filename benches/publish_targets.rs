//! What a quarter costs at each target, beside a floor: the bytes of the files that changed, and the time it takes to
//! copy them to the disk. A quarter of 100 packages, the next one with 5 of them changed, and that once more.
//!
//! Everything listens on loopback: an S3-compatible server, a simulated Netlify, and `docker-registry` where it is
//! installed. `cargo bench --bench publish_targets [-- KIB_OF_A_PACKAGE]`; more than 1.1 times the floor is a failure.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use sha2::{Digest as _, Sha256};
use tidegate::publish::content::ContentStore;
use tidegate::publish::directory::{Directory, Outcome};
use tidegate::publish::netlify::{Netlify, NetlifySettings};
use tidegate::publish::oci::Rights;
use tidegate::publish::target::Target;

use self::gate::Gate;
use self::registry::RealRegistry;
use self::storage::Storage;
use self::trees::{Notes, Published, attempt, done, published};

#[allow(dead_code, reason = "the tests use more of the services")]
#[path = "../tests/it/publication/gate.rs"]
mod gate;
#[allow(dead_code, reason = "the tests use more of the services")]
#[path = "../tests/it/publication/registry.rs"]
mod registry;
#[allow(dead_code, reason = "the tests use more of the services")]
#[path = "../tests/it/publication/site.rs"]
mod site;
#[allow(dead_code, reason = "the tests use more of the services")]
#[path = "../tests/it/publication/storage.rs"]
mod storage;
#[allow(dead_code, reason = "the tests use more of the services")]
#[path = "../tests/it/publication/trees.rs"]
mod trees;

const PACKAGES: usize = 100;
const CHANGED: usize = 5;

/// How many times the floor a second quarter may cost, in hundredths.
const MOST: u64 = 110;

fn main() -> anyhow::Result<()> {
    let size = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(256);
    tokio::runtime::Runtime::new()?.block_on(compare(size << 10))
}

async fn compare(size: usize) -> anyhow::Result<()> {
    let (june, september) = (quarter("2026-06-15", 0, size)?, quarter("2026-09-15", CHANGED, size)?);
    let floor = september.new_bytes(&june);
    let copying = copied(&september, &june)?;
    println!(
        "floor: {floor} bytes changed of {}, copied to the disk in {}",
        september.bytes(),
        milliseconds(copying)
    );
    directory(&june, &september, floor)?;
    let storage = Storage::start().await;
    target("object storage", &storage.target(), &storage.gate, (&june, &september)).await?;
    let (gate, _site) = site::serve().await;
    let api = format!("http://{}/api/v1", gate.address);
    let settings = NetlifySettings { api, site: site::SITE.to_owned(), token: site::TOKEN.into() };
    target("netlify", &Netlify::new(settings)?, &gate, (&june, &september)).await?;
    if Command::new("docker-registry").arg("--version").output().is_err() {
        ensure!(std::env::var_os("TIDEGATE_REQUIRE_REAL").is_none(), "docker-registry is not installed");
        println!("oci: docker-registry is not installed");
        return Ok(());
    }
    let registry = RealRegistry::start(None).await;
    let gate = registry.behind_a_gate().await;
    target("oci", &registry::target(gate.address, Rights::Nobody), &gate, (&june, &september)).await
}

/// A snapshot of packages that cannot be made smaller, of which the first few are of a later version.
fn quarter(date: &str, changed: usize, size: usize) -> anyhow::Result<Published> {
    let folder = tempfile::tempdir()?;
    let contrib = folder.path().join("src/contrib");
    fs::create_dir_all(&contrib)?;
    let mut index = String::new();
    for number in 0..PACKAGES {
        let version = if number < changed { "1.1" } else { "1.0" };
        let blocks = (0..size / 32).flat_map(|block| Sha256::digest(format!("{number}/{version}/{block}")));
        fs::write(contrib.join(format!("p{number:03}_{version}.tar.gz")), blocks.collect::<Vec<u8>>())?;
        index += &format!("Package: p{number:03}\nVersion: {version}\n\n");
    }
    fs::write(contrib.join("PACKAGES"), index)?;
    fs::write(folder.path().join("snapshot.json"), format!("[\"{date}\"]\n"))?;
    Ok(published(folder, date))
}

/// How long it takes to copy what is new in a snapshot, and to bring it to the disk.
fn copied(new: &Published, old: &Published) -> anyhow::Result<Duration> {
    let known: BTreeSet<String> = old.sums().into_values().collect();
    let to = tempfile::tempdir()?;
    let start = Instant::now();
    for (number, (path, sum)) in new.sums().into_iter().enumerate() {
        if !known.contains(&sum) {
            let at = to.path().join(number.to_string());
            fs::copy(new.folder().join(path), &at)?;
            fs::File::open(at)?.sync_all()?;
        }
    }
    Ok(start.elapsed())
}

/// The published folder, from a store of files beside it as the snapshot job does it: the blocks on the disk.
fn directory(june: &Published, september: &Published, floor: u64) -> anyhow::Result<()> {
    let machine = tempfile::tempdir()?;
    let content = ContentStore::new(machine.path().join("artifacts"));
    let directory = Directory::new(machine.path().join("published"));
    for (what, quarter, bytes) in
        [("first", june, june.bytes()), ("second", september, floor), ("again", september, 0)]
    {
        let before = blocks(machine.path(), &mut BTreeSet::new())?;
        let start = Instant::now();
        let prepared = directory.prepare(&quarter.tree.date.to_string())?;
        for (path, sum) in quarter.sums() {
            if content.find(&sum, None)?.is_none() {
                let mut file = content.temporary()?;
                std::io::copy(&mut fs::File::open(quarter.folder().join(&path))?, &mut file)?;
                content.keep(&file.into_temp_path(), &sum)?;
            }
            prepared.take(&content.path_of(&sum), &path)?;
        }
        let outcome = directory.commit(prepared)?.outcome;
        let took = start.elapsed();
        let grown = blocks(machine.path(), &mut BTreeSet::new())?.saturating_sub(before);
        println!(
            "directory, {what} quarter: {grown} bytes of the disk ({:.3} of the floor) in {}",
            ratio(grown, bytes),
            milliseconds(took)
        );
        // Folders have blocks as well, and each small file a block of its own.
        let allowed = bytes * MOST / 100 + (1 << 20);
        ensure!(grown <= allowed, "the folder grew by {grown} bytes, for {bytes}");
        ensure!((outcome == Outcome::Adopted) == (what == "again"), "{what}: {outcome:?}");
    }
    Ok(())
}

/// The bytes of the disk below a folder, each file once.
fn blocks(folder: &Path, seen: &mut BTreeSet<u64>) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let there = entry.path().symlink_metadata()?;
        if seen.insert(there.ino()) {
            bytes += there.blocks() * 512;
        }
        if there.is_dir() {
            bytes += blocks(&entry.path(), seen)?;
        }
    }
    Ok(bytes)
}

/// A target: the bytes of all requests' bodies, and how many requests there were.
async fn target(
    name: &str,
    target: &dyn Target,
    gate: &Gate,
    (june, september): (&Published, &Published),
) -> anyhow::Result<()> {
    let mut others = Vec::new();
    let floor = september.new_bytes(june);
    for (what, quarter, bytes) in
        [("first", june, june.bytes()), ("second", september, floor), ("again", september, 0)]
    {
        gate.open();
        let start = Instant::now();
        let receipt = attempt(target, quarter, &Notes::default(), &others).await;
        let receipt = receipt.with_context(|| format!("{name}, {what} quarter"))?;
        let (took, sent, requests) = (start.elapsed(), gate.bytes(), gate.seen().len());
        println!(
            "{name}, {what} quarter: {sent} bytes ({:.3} of the floor) in {requests} requests, {}",
            ratio(sent, bytes),
            milliseconds(took)
        );
        ensure!(receipt.sent.bytes <= sent, "{name} says {} bytes", receipt.sent.bytes);
        ensure!(sent <= bytes * MOST / 100, "{name}, {what} quarter: {sent} bytes are sent for {bytes}");
        others.push(done(quarter, &receipt));
    }
    Ok(())
}

/// Of nothing, nothing is all there is.
fn ratio(bytes: u64, floor: u64) -> f64 {
    if floor == 0 { bytes as f64 } else { bytes as f64 / floor as f64 }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.0} ms", time.as_secs_f64() * 1000.0)
}
