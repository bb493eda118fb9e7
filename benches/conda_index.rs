//! How long the index of a conda channel of 2,000 small packages takes, and in how much memory: the first
//! time, after one change, and beside the floor, which is reading and hashing the same bytes.
//!
//! Each measurement is a process of its own, so that its memory is its own: `cargo bench --bench
//! conda_index [-- PACKAGES]`.

#[path = "../tests/it/conda/made.rs"]
#[allow(dead_code, reason = "the tests order rude packages too")]
mod made;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use md5::Md5;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tidegate::ecosystem::conda::archive::ArchiveLimits;
use tidegate::ecosystem::conda::index::{FolderIndex, IndexMemory};
use tidegate::ecosystem::conda::layout::ArchiveFormat;

use made::{Entry, Made, made};

/// Says to a child which measurement it is, and where the channel lies; cargo passes arguments of its own.
const MEASUREMENT: &str = "TIDEGATE_BENCH_MEASUREMENT";
const CHANNEL: &str = "TIDEGATE_BENCH_CHANNEL";

fn main() -> anyhow::Result<()> {
    if let (Ok(measurement), Ok(channel)) = (std::env::var(MEASUREMENT), std::env::var(CHANNEL)) {
        return measure(&measurement, Path::new(&channel));
    }
    let packages = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(2000);
    let place = tempfile::tempdir()?;
    let folder = place.path().join("channel");
    let start = Instant::now();
    for number in 0..packages {
        let format = ArchiveFormat::ALL[number % 2];
        package(number).put(&folder, format);
    }
    println!("{packages} packages made in {:.1} s", start.elapsed().as_secs_f64());
    // The file system's clock has to tick before what was just written counts as settled.
    std::thread::sleep(Duration::from_millis(50));
    for measurement in ["floor", "first index", "second index"] {
        child(measurement, &folder)?;
    }
    package(packages).put(&folder, ArchiveFormat::Conda);
    child("index after one change", &folder)
}

/// A package with ten files that compress about as well as text does.
fn package(number: usize) -> Made {
    let words = |file: usize| -> Vec<u8> {
        let word = |at: usize| format!("{:x} ", (number * 7919 + file * 104_729 + at * at * 31) % 65_521);
        (0..800).flat_map(|at| word(at).into_bytes()).collect()
    };
    let package =
        made(&format!("package-{number}"), "1.0.0", "h0_0").with("depends", json!(["numpy >=1.20"]));
    (0..10).fold(package, |package, file| package.and(Entry::file(&format!("lib/f{file}.py"), words(file))))
}

fn child(measurement: &str, channel: &Path) -> anyhow::Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    let status = command.env(MEASUREMENT, measurement).env(CHANNEL, channel).status()?;
    anyhow::ensure!(status.success(), "`{measurement}` failed");
    Ok(())
}

fn measure(measurement: &str, channel: &Path) -> anyhow::Result<()> {
    let start = Instant::now();
    let told = match measurement {
        "floor" => format!("{} bytes read and hashed by one thread", hashed(channel)?),
        _ => {
            let memory = IndexMemory::in_folder(channel.with_file_name("memory"));
            let index = FolderIndex::remembering(channel, &ArchiveLimits::default(), &memory)?.write()?;
            let listed: usize = index.iter().map(|subdir| subdir.packages + subdir.packages_conda).sum();
            let read: usize = index.iter().map(|subdir| subdir.read).sum();
            format!("{listed} listed, {read} of them read")
        }
    };
    println!("{measurement}: {:.3} s, {told}, peak {}", start.elapsed().as_secs_f64(), peak_memory()?);
    Ok(())
}

fn hashed(channel: &Path) -> anyhow::Result<u64> {
    let mut size = 0;
    for entry in std::fs::read_dir(channel.join("noarch"))? {
        let bytes = std::fs::read(entry?.path())?;
        std::hint::black_box((Sha256::digest(&bytes), Md5::digest(&bytes)));
        size += bytes.len() as u64;
    }
    Ok(size)
}

/// The most memory that this process has held at once, as Linux counts it.
fn peak_memory() -> anyhow::Result<String> {
    let status =
        std::fs::read_to_string("/proc/self/status").context("only Linux says how much memory was used")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim().to_owned())
}
