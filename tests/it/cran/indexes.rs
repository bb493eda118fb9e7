//! Indexes of packages: those made here, CRAN's, and the advisory database.

use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use tidegate::ecosystem::cran::advisories::Advisories;
use tidegate::ecosystem::cran::archive::ArchiveLimits;
use tidegate::ecosystem::cran::cran_index::{CranClient, read_index};
use tidegate::ecosystem::cran::dcf::{self, DcfLimits};
use tidegate::ecosystem::cran::fetch::FetchLimits;
use tidegate::ecosystem::cran::index::{Index, Remembered};
use tidegate::ecosystem::cran::layout::{ArchiveKind, BinaryPlatform, archive_name};
use tidegate::ecosystem::cran::make::{MadePackage, binary_package, source_package};
use tidegate::ecosystem::index_memory::IndexMemory;

use super::serve::{always, answer, client};
use super::{bytes, data, made};

/// Puts the source package into `folder` under its right name.
pub fn put_source(folder: &Path, package: &MadePackage) {
    let name = archive_name(&package.package, &package.version, ArchiveKind::Source).unwrap();
    std::fs::write(folder.join(name), source_package(package).unwrap()).unwrap();
}

fn index(folder: &Path, kind: ArchiveKind) -> Index {
    Index::of_folder(folder, kind, &ArchiveLimits::default()).unwrap()
}

#[test]
fn every_version_in_the_folder_is_listed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    for (package, version) in [("tidal", "1.10.0"), ("tidal", "1.9.0"), ("Lunar", "0.9-1"), ("abc", "0.1.0")]
    {
        put_source(folder.path(), &made(package, version, &["rlang (>= 1.0.0)", "lunar"]));
    }
    std::fs::write(folder.path().join("README"), "not a package").unwrap();
    let index = index(folder.path(), ArchiveKind::Source);
    index.write_to(folder.path()).unwrap();
    let text = std::fs::read_to_string(folder.path().join("PACKAGES")).unwrap();
    insta::with_settings!({filters => vec![("MD5sum: [0-9a-f]{32}", "MD5sum: <md5>")]}, {
        insta::assert_snapshot!(text, @r#"
    Package: abc
    Version: 0.1.0
    Imports: rlang (>= 1.0.0), lunar
    License: MIT + file LICENSE
    MD5sum: <md5>
    NeedsCompilation: no

    Package: Lunar
    Version: 0.9-1
    Imports: rlang (>= 1.0.0), lunar
    License: MIT + file LICENSE
    MD5sum: <md5>
    NeedsCompilation: no

    Package: tidal
    Version: 1.9.0
    Imports: rlang (>= 1.0.0), lunar
    License: MIT + file LICENSE
    MD5sum: <md5>
    NeedsCompilation: no

    Package: tidal
    Version: 1.10.0
    Imports: rlang (>= 1.0.0), lunar
    License: MIT + file LICENSE
    MD5sum: <md5>
    NeedsCompilation: no
    "#);
    });
    let gzip = std::fs::read(folder.path().join("PACKAGES.gz")).unwrap();
    assert_eq!(read_index("PACKAGES.gz", &gzip).unwrap(), read_index("PACKAGES", text.as_bytes()).unwrap());
    assert_eq!(&gzip[4..8], [0; 4], "no time in the header");
}

#[test]
fn the_same_folder_gives_the_same_bytes() {
    let gzips = [0, 1].map(|_| {
        let folder = tempfile::tempdir().unwrap();
        put_source(folder.path(), &made("tidal", "1.0.0", &[]));
        put_source(folder.path(), &made("lunar", "1.0.0", &[]));
        let index = index(folder.path(), ArchiveKind::Source);
        (index.gzip().unwrap(), index.rds().unwrap())
    });
    assert_eq!(gzips[0], gzips[1]);
}

/// What was read for the index of a folder, and its three files.
fn remembered(folder: &Path, memory: &IndexMemory) -> (usize, [Vec<u8>; 3]) {
    // What was written in the same tick of the file system's clock could change once more unseen.
    std::thread::sleep(std::time::Duration::from_millis(50));
    let read = Remembered::of_folder(folder, ArchiveKind::Source, &ArchiveLimits::default(), memory).unwrap();
    read.write_to(folder).unwrap();
    let files = ["PACKAGES", "PACKAGES.gz", "PACKAGES.rds"];
    (read.read, files.map(|file| std::fs::read(folder.join(file)).unwrap()))
}

#[test]
fn only_what_changed_is_read_again_and_the_index_is_the_same() {
    let (folder, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let memory = IndexMemory::in_folder(kept.path());
    for number in 0..20 {
        put_source(folder.path(), &made(&format!("pkg{number}"), "1.0.0", &["rlang"]));
    }
    let (read, first) = remembered(folder.path(), &memory);
    assert_eq!(read, 20);
    assert_eq!(remembered(folder.path(), &memory), (0, first));
    // One that is new, one in the place of another, one that is gone.
    put_source(folder.path(), &made("pkg20", "1.0.0", &[]));
    put_source(folder.path(), &made("pkg3", "1.0.0", &["cli"]));
    std::fs::remove_file(folder.path().join("pkg7_1.0.0.tar.gz")).unwrap();
    let (read, files) = remembered(folder.path(), &memory);
    assert_eq!(read, 2);
    assert_eq!(remembered(folder.path(), &IndexMemory::none()), (20, files));
    // A memory that is damaged costs time and nothing else.
    for entry in std::fs::read_dir(kept.path()).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("cli", "bli")).unwrap();
    }
    let (read, _) = remembered(folder.path(), &memory);
    assert_eq!(read, 20);
    assert!(
        String::from_utf8(index(folder.path(), ArchiveKind::Source).text().into_bytes())
            .unwrap()
            .contains("cli")
    );
}

#[test]
fn a_memory_does_not_lie_in_the_folder_that_it_is_of() {
    let folder = tempfile::tempdir().unwrap();
    put_source(folder.path(), &made("tidal", "1.0.0", &[]));
    let memory = IndexMemory::in_folder(folder.path().join("memory"));
    assert_eq!(remembered(folder.path(), &memory).0, 1);
    assert!(!folder.path().join("memory").exists());
    assert_eq!(remembered(folder.path(), &memory).0, 1);
}

#[test]
fn an_index_of_binaries_says_what_they_were_built_with() {
    let folder = tempfile::tempdir().unwrap();
    let r = tidegate::domain::RVersion::parse("4.6.1").unwrap();
    let platform = BinaryPlatform::WindowsX64;
    let binary =
        binary_package(&made("tidal", "1.0.0", &[]), platform, &r, "2026-08-01T10:00:00Z".parse().unwrap());
    std::fs::write(folder.path().join("tidal_1.0.0.zip"), binary.unwrap()).unwrap();
    let rows =
        dcf::read(index(folder.path(), platform.archive_kind()).text().as_bytes(), DcfLimits::INDEX).unwrap();
    assert_eq!(rows[0].get("Built"), Some("R 4.6.1; ; 2026-08-01 10:00:00 UTC; windows"));
}

#[test]
fn a_folder_with_a_bad_archive_has_no_index_and_every_reason_is_told() {
    let folder = tempfile::tempdir().unwrap();
    put_source(folder.path(), &made("tidal", "1.0.0", &[]));
    let whole = source_package(&made("lunar", "1.0.0", &[])).unwrap();
    std::fs::write(folder.path().join("lunar_2.0.0.tar.gz"), &whole).unwrap();
    std::fs::write(folder.path().join("broken_1.0.tar.gz"), &whole[..40]).unwrap();
    let error = Index::of_folder(folder.path(), ArchiveKind::Source, &ArchiveLimits::default()).unwrap_err();
    let text = error.to_string().replace(&folder.path().display().to_string(), "<folder>");
    insta::assert_snapshot!(text, @r#"
    cannot index <folder>:
      broken_1.0.tar.gz: the archive is cut off or damaged: it ends too early
      lunar_2.0.0.tar.gz: by its DESCRIPTION the file should be called `lunar_1.0.0.tar.gz`
    "#);
}

#[test]
fn the_recorded_indexes_are_read() {
    for (folder, rows) in [("src/contrib", 33), ("bin/windows/contrib/4.4", 33)] {
        let recorded = bytes(&format!("cranlike/{folder}/PACKAGES"));
        let versions = read_index(folder, &recorded).unwrap();
        assert_eq!(versions.len(), rows, "{folder}");
        assert_eq!(versions["adbcbigquery"].as_str(), "0.15.0");
    }
}

#[test]
fn the_highest_of_several_versions_counts() {
    let text = b"Package: a1\nVersion: 1.9\n\nPackage: a1\nVersion: 1.10\n\nPackage: a1\nVersion: 1.2\n";
    assert_eq!(read_index("PACKAGES", text).unwrap()["a1"].as_str(), "1.10");
}

#[test]
fn an_index_that_is_cut_off_is_worth_another_try_and_a_malformed_one_is_not() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&bytes("cranlike/src/contrib/PACKAGES")).unwrap();
    let gzip = gzip.finish().unwrap();
    assert!(read_index("PACKAGES.gz", &gzip[..gzip.len() - 4]).unwrap_err().is_transient());
    assert!(read_index("PACKAGES.gz", &gzip[..100]).unwrap_err().is_transient());
    let messages = [
        read_index("PACKAGES", b"<html>").unwrap_err().to_string(),
        read_index("PACKAGES", b"Package: a1\n\nPackage: b1\nVersion: 1.0\n").unwrap_err().to_string(),
        read_index("PACKAGES", b"Package: a1\nVersion: one\n").unwrap_err().to_string(),
    ];
    insta::assert_snapshot!(messages.join("\n"), @r#"
    PACKAGES is not a package index: line 1: expected `Field: value`, found `<html>`
    PACKAGES, record 1: the field `Version` is missing
    PACKAGES, package `a1`: `one` is not an R version (integers separated by `.` or `-`)
    "#);
}

#[tokio::test]
async fn the_client_reads_the_index_of_a_frozen_day() {
    let base = always(answer("200 OK", &bytes("cranlike/src/contrib/PACKAGES"))).await;
    let versions = CranClient::new(base, client(), FetchLimits::default()).versions().await.unwrap();
    assert_eq!(versions.len(), 33);
    let base = always(answer("404 Not Found", b"")).await;
    let failure = CranClient::new(base, client(), FetchLimits::default()).versions().await.unwrap_err();
    assert!(!failure.is_transient(), "{failure}");
    assert!(failure.to_string().contains("neither src/contrib/PACKAGES.gz nor PACKAGES"), "{failure}");
}

#[test]
fn advisories_hold_for_exactly_the_versions_they_name() {
    let advisories = Advisories::read(&data("advisories")).unwrap();
    let address =
        "https://github.com/RConsortium/r-advisory-database/blob/main/vulns/readxl/RSEC-2023-0.yaml";
    assert!(advisories.against("readxl", "1.0.0").contains(&address.to_owned()));
    assert_eq!(advisories.against("readxl", "99.0.0"), Vec::<String>::new());
    assert_eq!(advisories.against("png", "0.1-8").len(), 1);
    assert_eq!(advisories.iter().map(|(_, _, addresses)| addresses.len()).sum::<usize>(), 144);
}

#[test]
fn a_version_without_quotes_keeps_its_last_zero() {
    let folder = tempfile::tempdir().unwrap();
    let text = "id: RSEC-2026-9\naffected:\n- package: {name: tidal, ecosystem: CRAN}\n  versions: [1.10, 2, 0.1-3]\n";
    std::fs::write(folder.path().join("RSEC-2026-9.yaml"), text).unwrap();
    let advisories = Advisories::read(folder.path()).unwrap();
    let versions: Vec<&str> = advisories.iter().map(|(_, version, _)| version).collect();
    assert_eq!(versions, ["0.1-3", "1.10", "2"]);
}

#[test]
fn an_advisory_that_cannot_be_read_is_not_overlooked() {
    let folder = tempfile::tempdir().unwrap();
    for bad in ["affected: []", "id: ../../x", "id: RSEC-1\naffected:\n- package: {name: ../up}\n", "id: ["] {
        std::fs::write(folder.path().join("bad.yaml"), bad).unwrap();
        let error = Advisories::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("bad.yaml: "), "{error}");
    }
}
