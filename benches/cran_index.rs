//! How long the index of 2,000 source packages of R takes beside R's own `tools::write_PACKAGES` on the same
//! files, and beside the floor, which is reading and hashing the same bytes; then how long a second index takes,
//! and one after a package more.
//!
//! Each measurement is a process of its own, so that its memory is its own: `cargo bench --bench
//! cran_index [-- PACKAGES]`. Where R is not installed, its row is left out and said to be.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::Context as _;
use flate2::Compression;
use flate2::write::GzEncoder;
use md5::{Digest as _, Md5};
use tidegate::ecosystem::cran::archive::ArchiveLimits;
use tidegate::ecosystem::cran::index::Remembered;
use tidegate::ecosystem::cran::layout::ArchiveKind;
use tidegate::ecosystem::index_memory::IndexMemory;

/// Says to a child which measurement it is, and where the packages lie; cargo passes arguments of its own.
const MEASUREMENT: &str = "TIDEGATE_BENCH_MEASUREMENT";
const FOLDER: &str = "TIDEGATE_BENCH_FOLDER";

fn main() -> anyhow::Result<()> {
    if let (Ok(measurement), Ok(folder)) = (std::env::var(MEASUREMENT), std::env::var(FOLDER)) {
        return measure(&measurement, Path::new(&folder));
    }
    let packages = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(2000);
    let folder = tempfile::tempdir()?;
    for number in 0..packages {
        put(folder.path(), number)?;
    }
    println!("{packages} source packages");
    // The file system's clock has to tick before what was just written counts as settled.
    std::thread::sleep(std::time::Duration::from_millis(50));
    for measurement in ["floor", "first index", "index again"] {
        child(measurement, folder.path())?;
    }
    put(folder.path(), packages)?;
    std::thread::sleep(std::time::Duration::from_millis(50));
    child("index after one change", folder.path())?;
    r(folder.path())
}

/// A package with ten files that compress about as well as code does.
fn put(folder: &Path, number: usize) -> anyhow::Result<()> {
    let name = format!("package{number}");
    let description = format!(
        "Package: {name}\nVersion: 1.0.{number}\nTitle: Measured\nDepends: R (>= 4.1.0)\n\
         Imports: rlang (>= 1.0.0), cli, vctrs\nSuggests: testthat (>= 3.0.0)\nLicense: MIT + file LICENSE\n\
         NeedsCompilation: no\n"
    );
    let mut packed = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    let mut add = |path: String, content: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(1_700_000_000);
        packed.append_data(&mut header, path, content)
    };
    add(format!("{name}/DESCRIPTION"), description.as_bytes())?;
    for file in 0..10 {
        let word = |at: usize| format!("{:x} <- ", (number * 7919 + file * 104_729 + at * at * 31) % 65_521);
        let code: String = (0..800).map(word).collect();
        add(format!("{name}/R/file{file}.R"), code.as_bytes())?;
    }
    std::fs::write(folder.join(format!("{name}_1.0.{number}.tar.gz")), packed.into_inner()?.finish()?)?;
    Ok(())
}

fn child(measurement: &str, folder: &Path) -> anyhow::Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    let status = command.env(MEASUREMENT, measurement).env(FOLDER, folder).status()?;
    anyhow::ensure!(status.success(), "`{measurement}` failed");
    Ok(())
}

fn measure(measurement: &str, folder: &Path) -> anyhow::Result<()> {
    let start = Instant::now();
    let told = match measurement {
        "floor" => format!("{} bytes read and hashed by one thread", hashed(folder)?),
        _ => {
            let memory = IndexMemory::in_folder(folder.with_file_name("tidegate-bench-memory"));
            let indexed =
                Remembered::of_folder(folder, ArchiveKind::Source, &ArchiveLimits::default(), &memory)?;
            indexed.write_to(folder)?;
            format!("{} listed, {} read", indexed.index.packages.len(), indexed.read)
        }
    };
    println!("{measurement}: {:.3} s, {told}, peak {}", start.elapsed().as_secs_f64(), peak_memory()?);
    Ok(())
}

fn hashed(folder: &Path) -> anyhow::Result<u64> {
    let mut size = 0;
    for entry in std::fs::read_dir(folder)? {
        let bytes = std::fs::read(entry?.path())?;
        std::hint::black_box(Md5::digest(&bytes));
        size += bytes.len() as u64;
    }
    Ok(size)
}

/// R's own writer, on the same folder.
fn r(folder: &Path) -> anyhow::Result<()> {
    let code = "invisible(tools::write_PACKAGES(commandArgs(TRUE)[1], type = 'source', latestOnly = FALSE))";
    let start = Instant::now();
    let status = Command::new("Rscript").args(["--vanilla", "-e", code]).arg(folder).status();
    match status {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("tools::write_PACKAGES: left out, Rscript is not installed");
            Ok(())
        }
        status => {
            anyhow::ensure!(status?.success(), "R's own writer failed");
            println!("tools::write_PACKAGES: {:.3} s", start.elapsed().as_secs_f64());
            Ok(())
        }
    }
}

/// The most memory that this process has held at once, as Linux counts it.
fn peak_memory() -> anyhow::Result<String> {
    let status =
        std::fs::read_to_string("/proc/self/status").context("only Linux says how much memory was used")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim().to_owned())
}
