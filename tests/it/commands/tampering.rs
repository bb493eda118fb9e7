//! `snapshot verify` against somebody who changes a published snapshot on purpose: without the manifest, and with a
//! manifest made to match.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;

use flate2::Compression;
use flate2::write::GzEncoder;
use md5::{Digest as _, Md5};
use tidegate::ecosystem::cran::index::write_text;
use tidegate::ecosystem::cran::layout::ArchiveKind;
use tidegate::ecosystem::cran::make::{MadePackage, source_package};

use super::snapshot::{PACKAGES, Published, manifest, with_failing};

const SOURCES: &str = "src/contrib";
const BINARIES: &str = "bin/windows/contrib/4.5";

fn snapshot() -> Published {
    Published::on("2026-06-15", &PACKAGES)
}

/// What is found, one line each, without sums.
fn found(published: &Published) -> String {
    let ran = published.verify();
    let findings: Vec<&str> = ran.out.lines().filter(|line| !line.starts_with("not signed")).collect();
    assert_eq!(ran.code, 1, "{}", ran.out);
    regex::Regex::new("[0-9a-f]{64}").unwrap().replace_all(&findings.join("\n"), "SHA256").into_owned() + "\n"
}

fn source(package: &str, version: &str, imports: &[&str]) -> Vec<u8> {
    let made = MadePackage {
        package: package.to_owned(),
        version: version.to_owned(),
        imports: imports.iter().map(|import| (*import).to_owned()).collect(),
        ..MadePackage::default()
    };
    source_package(&made).unwrap()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap()
}

/// Changes the text of an index, in all its forms.
fn edit_index(published: &Published, folder: &str, edit: impl Fn(&str) -> String) {
    let text = fs::read_to_string(published.path(folder).join("PACKAGES")).unwrap();
    write_text(&edit(&text), &published.path(folder)).unwrap();
}

fn md5(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Puts other bytes in the place of an archive, and their sum into the index.
fn replace(published: &Published, file: &str, bytes: &[u8]) {
    let path = published.path(SOURCES).join(file);
    let before = md5(&fs::read(&path).unwrap());
    fs::write(&path, bytes).unwrap();
    edit_index(published, SOURCES, |text| text.replace(&before, &md5(bytes)));
}

/// A change that somebody makes.
type Change = (&'static str, fn(&Published));

/// What is found of each change.
fn told(changes: &[Change], then: impl Fn(&Published)) -> String {
    let mut told = String::new();
    for (what, change) in changes {
        let published = snapshot();
        change(&published);
        then(&published);
        told += &format!("{what}:\n{}\n", found(&published));
    }
    told
}

#[test]
fn what_a_snapshot_does_not_have_is_named_wherever_it_lies() {
    let changes: [Change; 9] = [
        ("a file at the top", |published| fs::write(published.path("more"), "").unwrap()),
        ("a hidden file", |published| fs::write(published.path("src/.more"), "").unwrap()),
        ("an empty folder", |published| fs::create_dir(published.path("failing")).unwrap()),
        ("folders within each other", |published| fs::create_dir_all(published.path("a/b/c")).unwrap()),
        ("a link in the place of a file", |published| {
            let file = published.path(SOURCES).join("lunar_0.9.1.tar.gz");
            fs::rename(&file, published.path("moved")).unwrap();
            symlink(published.path("moved"), &file).unwrap();
            fs::rename(published.path("moved"), published.path("src/moved")).unwrap();
        }),
        ("a link in the place of a folder", |published| {
            fs::rename(published.path("bin"), published.path("src/bin")).unwrap();
            symlink(published.path("src/bin"), published.path("bin")).unwrap();
        }),
        ("a link with the name of a key", |published| {
            symlink("/etc/passwd", published.path("minisign.pub")).unwrap();
        }),
        ("a link with the name of a signature", |published| {
            symlink("/etc/passwd", published.path("manifest.json.asc")).unwrap();
        }),
        ("a socket", |published| {
            drop(std::os::unix::net::UnixListener::bind(published.path("more")).unwrap());
        }),
    ];
    insta::assert_snapshot!(told(&changes, |_| {}));
}

#[test]
fn a_manifest_in_another_form_is_none() {
    let changes: [Change; 4] = [
        ("a link", |published| {
            fs::rename(published.path("manifest.json"), published.path("elsewhere")).unwrap();
            symlink("elsewhere", published.path("manifest.json")).unwrap();
        }),
        ("gone", |published| fs::remove_file(published.path("manifest.json")).unwrap()),
        ("torn", |published| published.edit("manifest.json", |text| text[..text.len() / 2].to_owned())),
        ("of a later format", |published| {
            published.edit("manifest.json", |text| text.replace("\"format\": 2", "\"format\": 3"));
        }),
    ];
    insta::assert_snapshot!(told(&changes, |_| {}));
}

/// Each is a change of an index, and of nothing else.
const OF_AN_INDEX: [Change; 9] = [
    ("another PACKAGES.gz", |published| {
        let text = fs::read_to_string(published.path(SOURCES).join("PACKAGES")).unwrap();
        fs::write(published.path(SOURCES).join("PACKAGES.gz"), gzip(&text.replace("0.9.1", "0.9.0")))
            .unwrap();
    }),
    ("one more stream in PACKAGES.gz", |published| {
        let path = published.path(BINARIES).join("PACKAGES.gz");
        let more = gzip("\nPackage: evil\nVersion: 1.0\n");
        fs::write(&path, [fs::read(&path).unwrap(), more].concat()).unwrap();
    }),
    ("another PACKAGES.rds", |published| {
        let elsewhere = tempfile::tempdir().unwrap();
        write_text("Package: lunar\nVersion: 0.9.0\n", elsewhere.path()).unwrap();
        fs::copy(elsewhere.path().join("PACKAGES.rds"), published.path(SOURCES).join("PACKAGES.rds"))
            .unwrap();
    }),
    ("PACKAGES.rds that is none", |published| {
        fs::write(published.path(SOURCES).join("PACKAGES.rds"), "none").unwrap();
    }),
    ("no PACKAGES.rds and no PACKAGES.gz", |published| {
        for file in ["PACKAGES.rds", "PACKAGES.gz"] {
            fs::remove_file(published.path(SOURCES).join(file)).unwrap();
        }
    }),
    ("a dependency more in every form", |published| {
        edit_index(published, SOURCES, |text| text.replace("License:", "Imports: evil\nLicense:"));
    }),
    ("a row less in every form", |published| {
        edit_index(published, BINARIES, |text| text.split_once("\n\n").unwrap().1.to_owned());
    }),
    ("a row twice in every form", |published| {
        edit_index(published, SOURCES, |text| format!("{}\n\n{text}", text.split_once("\n\n").unwrap().0));
    }),
    ("no checksums in any form", |published| {
        edit_index(published, SOURCES, |text| {
            let lines = text.lines().filter(|line| !line.starts_with("MD5sum"));
            lines.map(|line| format!("{line}\n")).collect()
        });
    }),
];

#[test]
fn a_changed_index_is_named() {
    insta::assert_snapshot!(told(&OF_AN_INDEX, |_| {}));
}

fn with_a_manifest_to_match(published: &Published) {
    published.write_manifest(&manifest("2026-06-15", &PACKAGES));
}

#[test]
fn a_changed_index_is_named_where_the_manifest_was_made_to_match() {
    insta::assert_snapshot!(told(&OF_AN_INDEX, with_a_manifest_to_match));
}

#[test]
fn packages_that_are_not_those_of_the_manifest_are_named_where_its_files_were_made_to_match() {
    let changes: [Change; 8] = [
        ("one more package with its row", |published| {
            fs::write(published.path(SOURCES).join("evil_1.0.tar.gz"), source("evil", "1.0", &[])).unwrap();
            published.index(SOURCES, ArchiveKind::Source);
        }),
        ("one more version with its row", |published| {
            fs::write(published.path(SOURCES).join("lunar_0.9.9.tar.gz"), source("lunar", "0.9.9", &[]))
                .unwrap();
            published.index(SOURCES, ArchiveKind::Source);
        }),
        ("one more package without a row", |published| {
            fs::write(published.path(SOURCES).join("evil_1.0.tar.gz"), source("evil", "1.0", &[])).unwrap();
        }),
        ("other bytes under a name, with their checksum", |published| {
            replace(published, "lunar_0.9.1.tar.gz", &source("evil", "1.0", &[]));
        }),
        ("no package under a name, with its checksum", |published| {
            replace(published, "lunar_0.9.1.tar.gz", b"no package");
        }),
        ("a package with another dependency than its row", |published| {
            replace(published, "lunar_0.9.1.tar.gz", &source("lunar", "0.9.1", &["evil"]));
        }),
        ("no binaries, and their index", |published| {
            for file in ["lunar_0.9.1.zip", "tidal_1.2.0.zip"] {
                fs::remove_file(published.path(BINARIES).join(file)).unwrap();
            }
        }),
        ("no sources at all", |published| fs::remove_dir_all(published.path("src")).unwrap()),
    ];
    insta::assert_snapshot!(told(&changes, with_a_manifest_to_match));
}

#[test]
fn a_repository_of_failing_packages_is_held_against_the_manifest() {
    let mut told = String::new();
    // It names none.
    let published = snapshot();
    let contrib = published.path("failing/src/contrib");
    fs::create_dir_all(&contrib).unwrap();
    fs::write(contrib.join("evil_1.0.tar.gz"), source("evil", "1.0", &[])).unwrap();
    published.index("failing/src/contrib", ArchiveKind::Source);
    told += &format!("beside the manifest:\n{}\n", found(&published));
    with_a_manifest_to_match(&published);
    told += &format!("with its files:\n{}\n", found(&published));

    let published = with_failing();
    assert_eq!(published.verify().code, 0);
    fs::remove_dir_all(published.path("failing")).unwrap();
    told += &format!("gone:\n{}\n", found(&published));

    let published = with_failing();
    let swapped = published.path("failing/src/contrib/comet_0.1.tar.gz");
    fs::write(&swapped, source("comet", "0.1", &["evil"])).unwrap();
    told += &format!("another archive:\n{}\n", found(&published));
    insta::assert_snapshot!(told);
}

#[test]
fn a_statement_that_is_about_something_else_is_named() {
    const FILE: &str = "provenance.intoto.json";
    let changes: [Change; 5] = [
        ("another commit", |published| {
            published.edit(FILE, |text| text.replacen("\"gitCommit\": \"", "\"gitCommit\": \"f00", 1));
        }),
        ("a package less", |published| {
            published.edit(FILE, |text| text.replacen("\"gitCommit\"", "\"sha1\"", 1));
        }),
        ("torn", |published| published.edit(FILE, |text| text[..text.len() / 2].to_owned())),
        ("of another quarter", |published| {
            let other = Published::on("2026-03-15", &PACKAGES);
            fs::copy(other.path(FILE), published.path(FILE)).unwrap();
        }),
        ("a link", |published| {
            fs::rename(published.path(FILE), published.path("src/elsewhere")).unwrap();
            symlink("src/elsewhere", published.path(FILE)).unwrap();
        }),
    ];
    insta::assert_snapshot!(told(&changes, |_| {}));
}
