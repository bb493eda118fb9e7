//! Reading the archives of strangers.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
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

/// What is said of a package with one more entry, in both formats.
fn refused_entry(entry: Entry) -> [String; 2] {
    let package = made("rude", "1.0", "0").and(entry);
    ArchiveFormat::ALL.map(|format| {
        let name = package.file_name(format);
        refusal(&name, &package.bytes(format)).replace(&name, "<file>")
    })
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
            let subdir = ["noarch", "linux-64", "osx-arm64"]
                .into_iter()
                .find_map(|subdir| Archive::read_as(&path, subdir, name, &ArchiveLimits::default()).ok());
            let archive = subdir.unwrap_or_else(|| panic!("{name} is in no sub-directory"));
            let about = archive.about.map(|about| about.len());
            format!(
                "{} in {}, {} entries, about {about:?}",
                archive.name, archive.index.subdir, archive.entries
            )
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    clobber-1-0.1.0-h4616a5c_0.tar.bz2 in noarch, 11 entries, about Some(1)
    clobber-python-0.1.0-cpython.conda in noarch, 13 entries, about Some(1)
    empty-0.1.0-h4616a5c_0.conda in noarch, 8 entries, about Some(1)
    "#);
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
        insta::assert_snapshot!(text, @r#"
        {
          "build": "py310_1",
          "build_number": 0,
          "constrains": [
            "moon <2"
          ],
          "depends": [
            "python >=3.10",
            "numpy"
          ],
          "license": "BSD-3-Clause",
          "md5": "<md5>",
          "name": "tidal",
          "noarch": "python",
          "python_site_packages_path": "lib/python3.10/site-packages",
          "run_exports": {
            "strong": [
              "a"
            ],
            "weak": [
              "b"
            ]
          },
          "sha256": "<sha256>",
          "size": <size>,
          "subdir": "noarch",
          "timestamp": 1700000000000,
          "version": "1.0"
        }
        "#);
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
    ];
    let said = entries.map(refused_entry).map(|[tar_bz2, conda]| {
        assert_eq!(tar_bz2, conda);
        conda
    });
    insta::assert_snapshot!(said.join("\n"), @r#"
    noarch/<file>: the entry `../up.txt` is refused: it contains `..`
    noarch/<file>: the entry `lib/../../up.txt` is refused: it contains `..`
    noarch/<file>: the entry `/etc/passwd` is refused: the path is absolute
    noarch/<file>: the entry `C:/windows` is refused: the path names a drive
    noarch/<file>: the entry `lib\up` is refused: it contains a backslash or a zero byte
    noarch/<file>: the entry `lib/out` is refused: the link points outside the package's folder
    noarch/<file>: the entry `out` is refused: the link's target is not a plain relative path
    noarch/<file>: the entry `lib/round` is refused: the link goes down and up again, so that nobody can tell where it points
    noarch/<file>: the entry `hard` is refused: the link points outside the package's folder
    noarch/<file>: the entry `dev` is refused: it is neither a file, a folder nor a link
    noarch/<file>: the entry `pipe` is refused: it is neither a file, a folder nor a link
    "#);
}

#[test]
fn nothing_is_written_through_a_link() {
    let behind = made("rude", "1.0", "0").and(Entry::other(EntryType::Symlink, "lib64", "lib"));
    let inside = behind.clone().and(Entry::file("lib64/x", "x"));
    let over = behind.and(Entry::file("lib64", "x"));
    let said =
        [inside, over].map(|package: Made| refusal("rude-1.0-0.conda", &package.bytes(ArchiveFormat::Conda)));
    insta::assert_snapshot!(said.join("\n"), @r#"
    noarch/rude-1.0-0.conda: the entry `lib64/x` is refused: it lies behind a link
    noarch/rude-1.0-0.conda: the entry `lib64` is refused: a link lies there already
    "#);
}

#[test]
fn nothing_takes_the_place_of_the_index_json_that_was_read() {
    let entries = [
        Entry::file("info/index.json", "{}"),
        Entry::file("INFO/index.json", "{}"),
        Entry::other(EntryType::Symlink, "info", "share"),
        Entry::other(EntryType::Symlink, "info/about.json", "../share/about.json"),
    ];
    let said = entries.map(refused_entry);
    insta::assert_snapshot!(said.concat().join("\n"), @r#"
    noarch/<file>: the entry `info/index.json` is refused: there is one already, and readers would differ on which counts
    noarch/<file>: the entry `info/index.json` is refused: what is below `info` belongs into the info tarball
    noarch/<file>: the entry `INFO/index.json` is refused: it differs only in case from a file of `info/`
    noarch/<file>: the entry `INFO/index.json` is refused: what is below `info` belongs into the info tarball
    noarch/<file>: the entry `info` is refused: the folder `info` may not be a link
    noarch/<file>: the entry `info` is refused: what is below `info` belongs into the info tarball
    noarch/<file>: the entry `info/about.json` is refused: it has to be a file; package readers look into it
    noarch/<file>: the entry `info/about.json` is refused: what is below `info` belongs into the info tarball
    "#);
}

#[test]
fn nothing_hides_behind_the_end_of_a_tarball() {
    let package = made("rude", "1.0", "0");
    let hidden = tarball(&[Entry::file("info/index.json", "{}")]);
    let tar = [tarball(&package.info()), hidden].concat();
    let said = refusal("rude-1.0-0.tar.bz2", &bz2(&tar));
    insta::assert_snapshot!(said, @"noarch/rude-1.0-0.tar.bz2: the archive is cut off or damaged: something lies behind the end of its tarball");
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
    insta::assert_snapshot!(said.join("\n"), @r#"
    noarch/tidal-1.1-0.tar.bz2: by its index.json the file should be called `tidal-1.0-0.tar.bz2`; rename it, or build it again
    noarch/lunar-1.0-0.conda: the entry `pkg-tidal-1.0-0.tar.zst` is refused: it is of another build than the file's name says; rename the file, or build it again
    noarch/tidal-1.0-0.tar.bz2: it lies in `noarch`, its index.json says `linux-64`; move it there, or build it again
    noarch/tidal-1.0.tar.bz2: `tidal-1.0.tar.bz2` is not the name of a conda package: it should be `<name>-<version>-<build>`
    noarch/Tidal-1.0-0.tar.bz2: `Tidal-1.0-0.tar.bz2` is not the name of a conda package: names have lower-case letters, digits, `.`, `_` and `-`, and begin with no dot
    noarch/tidal-1.0-0.TAR.BZ2: `tidal-1.0-0.TAR.BZ2` is not the name of a conda package: its suffix has to be in lower case
    noarch/tidal-1.0-0.conda: the archive is cut off or damaged: it has no zip directory: it ends too early, or is no .conda file
    "#);
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
    insta::assert_snapshot!(said.join("\n"), @r#"
    noarch/tidal-1.0-0.tar.bz2: `info/index.json` has no `subdir`; build the package again with a newer conda-build
    noarch/tidal-1.0-0.tar.bz2: `info/index.json` has no `build_number`; build the package again with a newer conda-build
    noarch/tidal-1.0-0.tar.bz2: in `info/index.json` the field `depends` should be a list of texts, and is `"numpy"`
    noarch/tidal-1.0-0.tar.bz2: in `info/index.json` the field `depends` should be a list of texts, and is `1`
    noarch/tidal-1.0-0.tar.bz2: in `info/index.json` the field `version` should be a text, and is `1.0`
    noarch/tidal-1.0-0.tar.bz2: in `info/index.json` the field `noarch` should be `generic` or `python`, and is `["generic"]`
    noarch/tidal-1.0-0.tar.bz2: `info/index.json` is not a JSON object: it is `[]`
    noarch/tidal-1.0-0.tar.bz2: `info/index.json` is not a JSON object: EOF while parsing an object at line 1 column 1
    noarch/tidal-1.0-0.tar.bz2: there is no `info/index.json` in it, so it is not a conda package
    "#);
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
        unpack: UnpackLimits {
            compressed: 100_000,
            unpacked: 400_000,
            ratio: 20,
            ratio_from: 100_000,
            entries: 50,
        },
        info: 1000,
    };
    let said = |package: Made| {
        ArchiveFormat::ALL
            .map(|format| refusal_within(&package.file_name(format), &package.bytes(format), &limits))
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
    insta::assert_snapshot!(all.concat().join("\n"), @r#"
    noarch/tidal-1.0-0.tar.bz2: the archive has 151868 bytes, more than the 100000 allowed
    noarch/tidal-1.0-0.conda: the archive has 152487 bytes, more than the 100000 allowed
    noarch/tidal-1.0-0.tar.bz2: the archive unpacks to more than 20 times its size; it looks like a decompression bomb
    noarch/tidal-1.0-0.conda: the archive unpacks to more than 20 times its size; it looks like a decompression bomb
    noarch/tidal-1.0-0.tar.bz2: the archive unpacks to more than the 400000 bytes allowed
    noarch/tidal-1.0-0.conda: the archive unpacks to more than the 400000 bytes allowed
    noarch/tidal-1.0-0.tar.bz2: the archive has more than the 50 entries allowed
    noarch/tidal-1.0-0.conda: the archive has more than the 50 entries allowed
    noarch/tidal-1.0-0.tar.bz2: the entry `info/index.json` is refused: it is longer than such a file may be
    noarch/tidal-1.0-0.conda: the entry `info/index.json` is refused: it is longer than such a file may be
    "#);
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
    let many: Vec<_> = (0..20).map(|number| (format!("m{number}"), Vec::new())).collect();
    let commented = [whole.as_slice(), b"x"].concat();
    let said = [
        &zipped(&many),
        &commented,
        &zipped(&[metadata.clone(), pkg.clone()]),
        &zipped(&[metadata.clone(), pkg.clone(), other]),
        &zipped(&[metadata, pkg.clone(), info.clone(), ("extra".into(), b"x".to_vec())]),
        &zipped(&[old, pkg, info]),
        &renamed,
        &before,
    ]
    .map(|bytes| refusal("tidal-1.0-0.conda", bytes));
    insta::assert_snapshot!(said.join("\n"), @r#"
    noarch/tidal-1.0-0.conda: the archive is cut off or damaged: its list names 20 members in 970 bytes, where three belong
    noarch/tidal-1.0-0.conda: the archive is cut off or damaged: it has no zip directory: it ends too early, or is no .conda file
    noarch/tidal-1.0-0.conda: the archive is cut off or damaged: one of `metadata.json`, `info-*.tar.zst` and `pkg-*.tar.zst` is missing
    noarch/tidal-1.0-0.conda: the entry `info-lunar-1.0-0.tar.zst` is refused: it is of another build than the file's name says; rename the file, or build it again
    noarch/tidal-1.0-0.conda: the entry `extra` is refused: a .conda file holds metadata.json, an info tarball and a pkg tarball
    noarch/tidal-1.0-0.conda: the entry `metadata.json` is refused: it does not say `conda_pkg_format_version: 2`
    noarch/tidal-1.0-0.conda: the entry `metadata.json` is refused: the header before it and the list at the end differ
    noarch/tidal-1.0-0.conda: the entry `metadata.json` is refused: it overlaps with another member, or something lies between them that no list has
    "#);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever is done to an archive, it is either refused or still the package that its name says.
    #[test]
    fn a_damaged_archive_is_refused_or_still_itself(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
        shorter in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        for format in ArchiveFormat::ALL {
            let path = made("tidal", "1.0", "0").put(folder.path(), format);
            let mut bytes = std::fs::read(&path).unwrap();
            for (place, byte) in &changes {
                *place.get_mut(&mut bytes) = *byte;
            }
            if shorter {
                bytes.truncate(cut.index(bytes.len()));
            }
            std::fs::write(&path, &bytes).unwrap();
            if let Ok(archive) = read(&path) {
                prop_assert_eq!(archive.name.stem(), "tidal-1.0-0");
                prop_assert_eq!(archive.sums.size, bytes.len() as u64);
            }
        }
    }
}
