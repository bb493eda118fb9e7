//! What is made here, in the hands of R itself. Skipped with a message where there is no `Rscript`.

use std::path::Path;
use std::process::Command;

use tidegate::ecosystem::cran::archive::ArchiveLimits;
use tidegate::ecosystem::cran::index::Index;
use tidegate::ecosystem::cran::layout::{ArchiveKind, BinaryPlatform, ContribFolder};
use tidegate::ecosystem::cran::licence::foss;
use tidegate::ecosystem::cran::make::{MadePackage, binary_package};

use super::indexes::put_source;
use super::made;

/// Runs R code and gives back what it printed; none where R is not installed.
pub fn r(code: &str, arguments: &[&Path]) -> Option<String> {
    let mut command = Command::new("Rscript");
    // What is not ASCII is read in the locale's encoding.
    command.env("LC_ALL", "C.UTF-8").args(["--vanilla", "-e", code]).args(arguments);
    let output = match command.output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            assert!(std::env::var_os("TIDEGATE_REQUIRE_REAL").is_none(), "Rscript is not installed");
            eprintln!("skipped: Rscript is not installed");
            return None;
        }
        output => output.unwrap(),
    };
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn the_index_of_sources_is_the_one_that_r_would_write() {
    let folder = tempfile::tempdir().unwrap();
    let many: Vec<String> = (1..30).map(|number| format!("dependency{number} (>= 1.{number}.0)")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    put_source(folder.path(), &made("abc", "0.1.0", &many));
    put_source(folder.path(), &made("abc", "0.2.0", &["rlang"]));
    put_source(folder.path(), &made("tidal", "1.0-3", &[]));
    let code = "tools::write_PACKAGES(commandArgs(TRUE)[1], type = 'source', latestOnly = FALSE)";
    if r(code, &[folder.path()]).is_none() {
        return;
    }
    let theirs = std::fs::read_to_string(folder.path().join("PACKAGES")).unwrap();
    let ours =
        Index::of_folder(folder.path(), ArchiveKind::Source, &ArchiveLimits::default()).unwrap().text();
    assert_eq!(ours, theirs);
}

#[test]
fn r_reads_the_serialised_index_as_the_very_matrix_of_the_plain_one() {
    let folder = tempfile::tempdir().unwrap();
    let many: Vec<String> = (1..30).map(|number| format!("dependency{number} (>= 1.{number}.0)")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let index = || Index::of_folder(folder.path(), ArchiveKind::Source, &ArchiveLimits::default()).unwrap();
    let code = "f <- function(name) file.path(commandArgs(TRUE)[1], name); \
                rds <- readRDS(f('PACKAGES.rds')); plain <- read.dcf(f('PACKAGES')); \
                known <- available.packages(paste0('file://', commandArgs(TRUE)[1]), filters = list()); \
                cat(identical(rds, plain), nrow(rds), nrow(known))";
    // An index that somebody left behind is replaced, or R would go on reading it.
    std::fs::write(folder.path().join("PACKAGES.rds"), "stale").unwrap();
    index().write_to(folder.path()).unwrap();
    let empty = "cat(nrow(readRDS(file.path(commandArgs(TRUE)[1], 'PACKAGES.rds'))))";
    let Some(printed) = r(empty, &[folder.path()]) else { return };
    assert_eq!(printed, "0");
    put_source(folder.path(), &made("abc", "0.1.0", &many));
    put_source(folder.path(), &made("abc", "0.2.0", &["rlang"]));
    put_source(
        folder.path(),
        &MadePackage {
            license: "GPL-3 | file LICENCE (déjà vu)".to_owned(), ..made("tidal", "1.0-3", &[])
        },
    );
    index().write_to(folder.path()).unwrap();
    assert_eq!(r(code, &[folder.path()]).unwrap(), "TRUE 3 3");
}

#[test]
fn r_installs_a_made_package_and_its_dependency_from_the_index() {
    let root = tempfile::tempdir().unwrap();
    let repository = root.path().join("repository");
    let library = root.path().join("library");
    let folder = repository.join(ContribFolder::source().as_str());
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::create_dir_all(&library).unwrap();
    put_source(&folder, &made("lunar", "0.9.1", &[]));
    put_source(&folder, &made("tidal", "1.2.0", &["lunar (>= 0.9)"]));
    let index = Index::of_folder(&folder, ArchiveKind::Source, &ArchiveLimits::default()).unwrap();
    index.write_to(&folder).unwrap();
    let code = "a <- commandArgs(TRUE); .libPaths(a[2]); \
                install.packages('tidal', lib = a[2], repos = paste0('file://', a[1]), type = 'source', quiet = TRUE); \
                cat(tidal::about(), '+', lunar::about())";
    if let Some(printed) = r(code, &[&repository, &library]) {
        assert_eq!(printed, "tidal 1.2.0 + lunar 0.9.1");
    }
}

#[test]
fn r_finds_the_binaries_of_every_platform() {
    let root = tempfile::tempdir().unwrap();
    let version = tidegate::domain::RVersion::parse("4.6.1").unwrap();
    for platform in BinaryPlatform::ALL {
        let contrib = ContribFolder::binary(platform, "4.6").unwrap();
        let folder = root.path().join(contrib.as_str());
        std::fs::create_dir_all(&folder).unwrap();
        let binary = binary_package(
            &made("tidal", "1.2.0", &[]),
            platform,
            &version,
            "2026-08-01T10:00:00Z".parse().unwrap(),
        );
        let path = root.path().join(contrib.archive("tidal", "1.2.0").unwrap().as_str());
        std::fs::write(path, binary.unwrap()).unwrap();
        Index::of_folder(&folder, contrib.kind(), &ArchiveLimits::default())
            .unwrap()
            .write_to(&folder)
            .unwrap();
        let code = "p <- available.packages(paste0('file://', commandArgs(TRUE)[1]), filters = list(), \
                    fields = 'Built'); cat(p[, 'Package'], p[, 'Version'], p[, 'Built'])";
        if let Some(printed) = r(code, &[&folder]) {
            assert!(printed.starts_with("tidal 1.2.0 R 4.6.1; ; 2026-08-01"), "{printed}");
        }
    }
}

#[test]
fn licences_are_judged_as_r_judges_them() {
    let bases = [
        "GPL-2",
        "GPL",
        "GPL-2.0",
        "MIT",
        "Apache License 2.0",
        "Apache License",
        "Apache-2.0",
        "LGPL",
        "MPL-2.0",
        "Artistic License",
        "Artistic-1.0",
        "Artistic-2.0",
        "CC0",
        "CC BY-NC 4.0",
        "BSD_3_clause",
        "BSL-1.0",
        "ACM",
        "Mozilla Public License Version 1.1",
        "Unlimited",
        "file LICENSE",
        "Proprietary",
        "Zlib",
        "EPL",
    ];
    let ends = [
        "",
        " (>= 2)",
        "(>=1.1)",
        " (== 1.0)",
        " (>= 1, < 2)",
        " (= 2)",
        " + file LICENSE",
        " | file LICENSE",
        " | GPL-3",
        " |",
        ", GPL-3",
    ];
    let licences: Vec<String> =
        bases.iter().flat_map(|base| ends.iter().map(move |end| format!("{base}{end}"))).collect();
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("licences");
    std::fs::write(&list, licences.join("\n")).unwrap();
    let code = "for (l in readLines(commandArgs(TRUE)[1], warn = FALSE)) { a <- tools:::analyze_license(l); \
                cat(isTRUE(a$is_canonical && (a$is_FOSS || a$is_verified)), '\\n', sep = '') }";
    let Some(printed) = r(code, &[&list]) else { return };
    let theirs: Vec<&str> = printed.lines().collect();
    assert_eq!(theirs.len(), licences.len());
    for (license, theirs) in licences.iter().zip(theirs) {
        assert_eq!(foss(license), Some(theirs == "TRUE"), "{license}");
    }
}
