//! Reading the archives of strangers.

use std::path::{Path, PathBuf};

use serde_json::json;
use tar::EntryType;
use tidegate::ecosystem::conda::archive::{Archive, ArchiveLimits, UnpackLimits};
use tidegate::ecosystem::conda::layout::ArchiveFormat;
use tidegate::ecosystem::conda::record::Record;

use super::made::{Entry, Made, bz2, made, tarball, zipped, zst};

fn data(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/conda").join(relative)
}

fn read(path: &Path) -> Result<Archive, String> {
    Archive::read(path, &ArchiveLimits::default()).map_err(|error| error.to_string())
}

/// What is said of `bytes` as the file `name` of `noarch`.
fn refusal(name: &str, bytes: &[u8]) -> String {
    refusal_within(name, bytes, &ArchiveLimits::default())
}

fn refusal_within(name: &str, bytes: &[u8], limits: &ArchiveLimits) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("noarch").join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, bytes).unwrap();
    Archive::read(&path, limits).unwrap_err().to_string()
}

/// What is said of a package with one more entry, in both formats; the answers have to be the same.
fn refused_entry(entry: Entry) -> String {
    let package = made("rude", "1.0", "0").and(entry);
    let said = ArchiveFormat::ALL.map(|format| {
        let name = package.file_name(format);
        refusal(&name, &package.bytes(format)).replace(&name, "<file>")
    });
    assert_eq!(said[0], said[1]);
    said[0].clone()
}

#[test]
fn archives_of_other_makers_are_read_in_both_formats() {
    let names = [
        "clobber-1-0.1.0-h4616a5c_0.tar.bz2",
        "clobber-python-0.1.0-cpython.conda",
        "empty-0.1.0-h4616a5c_0.conda",
    ];
    let told: Vec<String> = names
        .iter()
        .map(|name| {
            let path = data("archives").join(name);
            let subdir = ["noarch", "linux-64", "osx-arm64"].into_iter().find_map(|subdir| {
                Archive::read_as(&path, subdir, name, &ArchiveLimits::default()).ok()
            });
            let archive = subdir.unwrap_or_else(|| panic!("{name} is in no sub-directory"));
            let about = archive.about.map(|about| about.len());
            format!("{} in {}, {} entries, about {about:?}", archive.name, archive.index.subdir, archive.entries)
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"), @"");
}

#[test]
fn the_sums_are_those_of_the_file() {
    use sha2::{Digest as _, Sha256};
    let folder = tempfile::tempdir().unwrap();
    for format in ArchiveFormat::ALL {
        let path = made("tidal", "1.0", "0").put(folder.path(), format);
        let bytes = std::fs::read(&path).unwrap();
        let expected: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let sums = read(&path).unwrap().sums;
        assert_eq!((sums.sha256, sums.size), (expected, bytes.len() as u64));
    }
}

#[test]
fn the_record_has_what_indexes_have_and_nothing_that_leads_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let package = made("tidal", "1.0", "py310_1")
        .with("noarch", json!("python"))
        .with("depends", json!(["python >=3.10", "numpy"]))
        .with("constrains", json!(["moon <2"]))
        .with("run_exports", json!({ "weak": ["b"], "strong": ["a"] }))
        .with("python_site_packages_path", json!("lib/python3.10/site-packages"))
        .with("url", json!("https://elsewhere.example/tidal.conda"))
        .with("sha256", json!("0000"));
    let record = Record::of(&read(&package.put(folder.path(), ArchiveFormat::Conda)).unwrap());
    let text = serde_json::to_string_pretty(&record).unwrap();
    insta::with_settings!({filters => vec![("[0-9a-f]{64}", "<sha256>"), ("[0-9a-f]{32}", "<md5>"), (r#""size": \d+"#, r#""size": <size>"#)]}, {
        insta::assert_snapshot!(text, @"");
    });
}

#[test]
fn long_names_and_links_inside_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let long = format!("lib/{}/long.txt", "deep/".repeat(40));
    let package = made("linked", "1.0", "0")
        .and(Entry::file(&long, "long"))
        .and(Entry::other(EntryType::Directory, "lib/", ""))
        .and(Entry::other(EntryType::Symlink, "lib/libx.so", "libx.so.1"))
        .and(Entry::other(EntryType::Symlink, "share/up", "../lib/libx.so"))
        .and(Entry::other(EntryType::Link, "bin/linked", "share/linked.txt"));
    for format in ArchiveFormat::ALL {
        let archive = read(&package.put(folder.path(), format)).unwrap();
        assert_eq!(archive.entries, 4 + 6, "{format:?}");
    }
}

#[test]
fn entries_that_leave_their_folder_are_refused() {
    let entries = [
        Entry::file("../up.txt", "x"),
        Entry::file("lib/../../up.txt", "x"),
        Entry::file("/etc/passwd", "x"),
        Entry::file("C:/windows", "x"),
        Entry::file("lib\\up", "x"),
        Entry::other(EntryType::Symlink, "lib/out", "../../etc"),
        Entry::other(EntryType::Symlink, "out", "/etc"),
        Entry::other(EntryType::Symlink, "lib/round", "a/../../../etc"),
        Entry::other(EntryType::Link, "hard", "../outside"),
        Entry::other(EntryType::Char, "dev", ""),
        Entry::other(EntryType::Fifo, "pipe", ""),
        Entry::other(EntryType::Symlink, "info", "share"),
        Entry::file("INFO/index.json", "{}"),
    ];
    let said: Vec<String> = entries.into_iter().map(refused_entry).collect();
    insta::assert_snapshot!(said.join("\n"), @"");
}

#[test]
fn nothing_is_written_through_a_link() {
    let behind = made("rude", "1.0", "0").and(Entry::other(EntryType::Symlink, "lib64", "lib"));
    let inside = behind.clone().and(Entry::file("lib64/x", "x"));
    let over = behind.and(Entry::file("lib64", "x"));
    let said = [inside, over].map(|package: Made| {
        refusal("rude-1.0-0.conda", &package.bytes(ArchiveFormat::Conda))
    });
    insta::assert_snapshot!(said.join("\n"), @"");
}

#[test]
fn a_second_index_json_is_refused_wherever_it_lies() {
    let said = refused_entry(Entry::file("info/index.json", "{}"));
    insta::assert_snapshot!(said, @"");
}

#[test]
fn an_archive_is_what_its_name_and_folder_say() {
    let bytes = made("tidal", "1.0", "0").bytes(ArchiveFormat::TarBz2);
    let conda = made("tidal", "1.0", "0").bytes(ArchiveFormat::Conda);
    let elsewhere = made("tidal", "1.0", "0").with("subdir", json!("linux-64")).bytes(ArchiveFormat::TarBz2);
    let said = [
        refusal("tidal-1.1-0.tar.bz2", &bytes),
        refusal("lunar-1.0-0.conda", &conda),
        refusal("tidal-1.0-0.tar.bz2", &elsewhere),
        refusal("tidal-1.0.tar.bz2", &bytes),
        refusal("Tidal-1.0-0.tar.bz2", &bytes),
        refusal("tidal-1.0-0.TAR.BZ2", &bytes),
        refusal("tidal-1.0-0.conda", &bytes),
    ];
    insta::assert_snapshot!(said.join("\n"), @"");
}

#[test]
fn an_index_json_that_cannot_be_read_is_refused() {
    let without = |field: &str| {
        let mut package = made("tidal", "1.0", "0");
        package.index.remove(field);
        let entries: Vec<Entry> = package.info();
        refusal("tidal-1.0-0.tar.bz2", &bz2(&tarball(&entries)))
    };
    let of = |package: Made| refusal("tidal-1.0-0.tar.bz2", &bz2(&tarball(&package.info())));
    let tidal = || made("tidal", "1.0", "0");
    let said = [
        without("subdir"),
        without("build_number"),
        of(tidal().with("depends", json!("numpy"))),
        of(tidal().with("depends", json!([1]))),
        of(tidal().with("version", json!(1.0))),
        of(tidal().with("noarch", json!(["generic"]))),
        refusal("tidal-1.0-0.tar.bz2", &bz2(&tarball(&[Entry::file("info/index.json", "[]")]))),
        refusal("tidal-1.0-0.tar.bz2", &bz2(&tarball(&[Entry::file("info/index.json", "{")]))),
        refusal("tidal-1.0-0.tar.bz2", &bz2(&tarball(&[]))),
    ];
    insta::assert_snapshot!(said.join("\n"), @"");
}

#[test]
fn archives_that_are_cut_off_or_damaged_are_refused() {
    for format in ArchiveFormat::ALL {
        let package = made("tidal", "1.0", "0").and(Entry::file("big", noise(40_000)));
        let (name, bytes) = (package.file_name(format), package.bytes(format));
        for length in [0, 10, 100, bytes.len() / 2, bytes.len() - 30, bytes.len() - 1] {
            let said = refusal(&name, &bytes[..length]);
            assert!(said.contains("cut off or damaged"), "{length} bytes: {said}");
        }
        let mut flipped = bytes.clone();
        flipped[bytes.len() / 2] ^= 0xff;
        let said = refusal(&name, &flipped);
        assert!(said.contains("damaged"), "{said}");
    }
}

/// Bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    let mut state: u32 = 1;
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect()
}

#[test]
fn limits_hold_for_size_content_entries_and_proportion() {
    let limits = ArchiveLimits {
        unpack: UnpackLimits { compressed: 100_000, unpacked: 400_000, ratio: 20, ratio_from: 100_000, entries: 50 },
        info: 1000,
    };
    let said = |package: Made| {
        ArchiveFormat::ALL.map(|format| {
            refusal_within(&package.file_name(format), &package.bytes(format), &limits)
        })
    };
    let tidal = || made("tidal", "1.0", "0");
    let many = (0..60).fold(tidal(), |package, number| package.and(Entry::file(&format!("f{number}"), "")));
    let all = [
        said(tidal().and(Entry::file("large", noise(150_000)))),
        said(tidal().and(Entry::file("bomb", vec![0; 300_000]))),
        said(tidal().and(Entry::file("noise", noise(30_000))).and(Entry::file("huge", vec![0; 500_000]))),
        said(many),
        said(tidal().with("depends", json!(["a".repeat(2000)]))),
    ];
    insta::assert_snapshot!(all.concat().join("\n"), @"");
}

#[test]
fn a_conda_file_that_two_readers_would_read_differently_is_refused() {
    let package = made("tidal", "1.0", "0");
    let metadata = ("metadata.json".to_owned(), b"{\"conda_pkg_format_version\": 2}".to_vec());
    let pkg = ("pkg-tidal-1.0-0.tar.zst".to_owned(), zst(&tarball(&package.entries)));
    let info = ("info-tidal-1.0-0.tar.zst".to_owned(), zst(&tarball(&package.info())));
    let other = ("info-lunar-1.0-0.tar.zst".to_owned(), info.1.clone());
    let old = ("metadata.json".to_owned(), b"{\"conda_pkg_format_version\": 1}".to_vec());
    let whole = zipped(&[metadata.clone(), pkg.clone(), info.clone()]);
    // The header before the first member, and not the list at the end, gets another name.
    let mut renamed = whole.clone();
    renamed[30] = b'M';
    // Something that no list has lies before the first member.
    let before = [b"#!/bin/sh\n".as_slice(), &whole].concat();
    let said = [
        &zipped(&[metadata.clone(), pkg.clone()]),
        &zipped(&[metadata.clone(), pkg.clone(), other]),
        &zipped(&[metadata, pkg.clone(), info.clone(), ("extra".into(), b"x".to_vec())]),
        &zipped(&[old, pkg, info]),
        &renamed,
        &before,
    ]
    .map(|bytes| refusal("tidal-1.0-0.conda", bytes));
    insta::assert_snapshot!(said.join("\n"), @"");
}
