//! Indexing folders.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use tidegate::ecosystem::conda::archive::ArchiveLimits;
use tidegate::ecosystem::conda::index::{FolderIndex, INDEX_FILES, IndexMemory, IndexedSubdir};
use tidegate::ecosystem::conda::layout::ArchiveFormat::{self, Conda, TarBz2};

use super::made::made;

fn index(folder: &Path) -> Vec<IndexedSubdir> {
    FolderIndex::of_folder(folder, &ArchiveLimits::default()).unwrap().write().unwrap()
}

/// The same with what was read kept in `memory`.
fn index_with(folder: &Path, memory: &Path) -> Vec<IndexedSubdir> {
    let memory = IndexMemory::in_folder(memory);
    FolderIndex::remembering(folder, &ArchiveLimits::default(), &memory).unwrap().write().unwrap()
}

fn refusal(folder: &Path) -> String {
    let error = FolderIndex::of_folder(folder, &ArchiveLimits::default()).unwrap_err();
    error.to_string().replace(&folder.display().to_string(), "<folder>")
}

fn repodata(folder: &Path, subdir: &str) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join(subdir).join("repodata.json")).unwrap()).unwrap()
}

/// The bytes of all index files below `folder`.
fn written(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for subdir in std::fs::read_dir(folder).unwrap() {
        for name in INDEX_FILES {
            let path = subdir.as_ref().unwrap().path().join(name);
            if let Ok(bytes) = std::fs::read(&path) {
                files.insert(path.strip_prefix(folder).unwrap().to_owned(), bytes);
            }
        }
    }
    files
}

/// Long enough that the file system's clock has ticked.
fn tick() {
    std::thread::sleep(Duration::from_millis(30));
}

#[test]
fn a_folder_is_indexed_with_both_formats_and_every_file_reads_back_alike() {
    let folder = tempfile::tempdir().unwrap();
    made("tidal", "1.0", "0").put(folder.path(), TarBz2);
    made("tidal", "1.0", "0").put(folder.path(), Conda);
    made("lunar", "0.9", "h1_3")
        .with("subdir", json!("linux-64"))
        .with("noarch", json!(null))
        .put(folder.path(), Conda);
    std::fs::write(folder.path().join("noarch/README"), "not a package").unwrap();
    index(folder.path());
    let text = std::fs::read_to_string(folder.path().join("noarch/repodata.json")).unwrap();
    insta::with_settings!({filters => vec![("[0-9a-f]{64}", "<sha256>"), ("[0-9a-f]{32}", "<md5>"), (r#""size": \d+"#, r#""size": <size>"#)]}, {
        insta::assert_snapshot!(text, @r#"
        {
          "info": {
            "subdir": "noarch"
          },
          "packages": {
            "tidal-1.0-0.tar.bz2": {
              "build": "0",
              "build_number": 0,
              "depends": [],
              "license": "BSD-3-Clause",
              "md5": "<md5>",
              "name": "tidal",
              "noarch": "generic",
              "sha256": "<sha256>",
              "size": <size>,
              "subdir": "noarch",
              "timestamp": 1700000000000,
              "version": "1.0"
            }
          },
          "packages.conda": {
            "tidal-1.0-0.conda": {
              "build": "0",
              "build_number": 0,
              "depends": [],
              "license": "BSD-3-Clause",
              "md5": "<md5>",
              "name": "tidal",
              "noarch": "generic",
              "sha256": "<sha256>",
              "size": <size>,
              "subdir": "noarch",
              "timestamp": 1700000000000,
              "version": "1.0"
            }
          },
          "removed": [],
          "repodata_version": 1
        }
        "#);
    });
    assert_eq!(
        repodata(folder.path(), "linux-64")["packages.conda"]["lunar-0.9-h1_3.conda"]["build"],
        "h1_3"
    );
    let bytes = written(folder.path());
    let plain = &bytes[Path::new("noarch/repodata.json")];
    let zst = zstd::decode_all(bytes[Path::new("noarch/repodata.json.zst")].as_slice()).unwrap();
    let mut bz2 = Vec::new();
    let compressed = bytes[Path::new("noarch/repodata.json.bz2")].as_slice();
    std::io::Read::read_to_end(&mut bzip2::read::BzDecoder::new(compressed), &mut bz2).unwrap();
    assert!(zst == *plain && bz2 == *plain);
}

#[test]
fn the_records_are_those_of_another_indexer() {
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/conda/recheck-channel/channel");
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("noarch")).unwrap();
    for file in std::fs::read_dir(recorded.join("noarch")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), folder.path().join("noarch").join(file.file_name())).unwrap();
    }
    index(folder.path());
    let (ours, mut theirs) = (repodata(folder.path(), "noarch"), repodata(&recorded, "noarch"));
    for record in theirs["packages"].as_object_mut().unwrap().values_mut() {
        // The time at which it was indexed: two indexings of one folder would differ in it.
        record.as_object_mut().unwrap().remove("indexed_timestamp");
    }
    assert_eq!(ours["packages"], theirs["packages"]);
    assert_eq!(ours["info"], theirs["info"]);
}

#[test]
fn an_empty_folder_has_a_noarch_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    index(folder.path());
    let expected = json!({
        "info": { "subdir": "noarch" }, "packages": {}, "packages.conda": {}, "removed": [], "repodata_version": 1,
    });
    assert_eq!(repodata(folder.path(), "noarch"), expected);
    assert_eq!(written(folder.path()).len(), 3);
}

#[test]
fn equal_folders_give_equal_bytes_and_a_second_index_writes_nothing() {
    let folders = [0, 1].map(|_| tempfile::tempdir().unwrap());
    for (folder, formats) in folders.iter().zip([[TarBz2, Conda], [Conda, TarBz2]]) {
        for format in formats {
            made("tidal", "1.0", "0").put(folder.path(), format);
            made("lunar", "1.0", "0").put(folder.path(), format);
        }
        index(folder.path());
    }
    let first = written(folders[0].path());
    assert_eq!(first, written(folders[1].path()));
    let again = index(folders[0].path());
    assert!(again.iter().all(|subdir| !subdir.changed), "{again:?}");
    assert_eq!(first, written(folders[0].path()));
}

/// Every file below `folder` with its bytes.
fn whole(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for subdir in std::fs::read_dir(folder).unwrap() {
        for file in std::fs::read_dir(subdir.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            files.insert(path.strip_prefix(folder).unwrap().to_owned(), bytes);
        }
    }
    files
}

#[test]
fn equal_folders_are_equal_as_a_whole_after_each_was_indexed_whatever_was_killed_before() {
    let (folders, memory) = ([0, 1].map(|_| tempfile::tempdir().unwrap()), tempfile::tempdir().unwrap());
    for folder in &folders {
        made("tidal", "1.0", "0").put(folder.path(), Conda);
    }
    // What a killed indexing leaves behind, and what earlier versions did.
    std::fs::write(folders[0].path().join("noarch/.tidegate-index-Ab3xYz"), "{\"info\"").unwrap();
    std::fs::write(folders[0].path().join("noarch/.tidegate-index.json"), "{}").unwrap();
    tick();
    for folder in &folders {
        index_with(folder.path(), memory.path());
    }
    assert_eq!(whole(folders[0].path()), whole(folders[1].path()));
    assert_eq!(index_with(folders[1].path(), memory.path())[0].read, 0, "each has a memory of its own");
    assert_eq!(whole(folders[0].path()), whole(folders[1].path()));
}

#[test]
fn a_memory_that_would_lie_in_the_channel_or_cannot_be_written_is_done_without() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("channel");
    made("tidal", "1.0", "0").put(&folder, Conda);
    std::fs::write(place.path().join("file"), "").unwrap();
    tick();
    for memory in [folder.join("cache"), place.path().join("file/cache")] {
        for _ in 0..2 {
            assert_eq!(index_with(&folder, &memory)[0].read, 1, "{}", memory.display());
        }
    }
    let names: Vec<PathBuf> = whole(&folder).into_keys().collect();
    let expected: Vec<PathBuf> = INDEX_FILES.iter().map(|name| Path::new("noarch").join(name)).collect();
    assert_eq!(names, [expected, vec!["noarch/tidal-1.0-0.conda".into()]].concat());
}

#[test]
fn the_command_keeps_what_it_read_in_the_users_cache() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("channel");
    made("tidal", "1.0", "0").put(&folder, Conda);
    let index = |variable: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tidegate"));
        for other in ["CACHE_DIRECTORY", "XDG_CACHE_HOME"] {
            command.env_remove(other);
        }
        command.env("HOME", place.path().join("home")).env(variable, place.path().join(variable));
        let output = command.args(["index", "conda"]).arg(&folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    for (variable, kept) in [
        ("CACHE_DIRECTORY", "CACHE_DIRECTORY/index"),
        ("XDG_CACHE_HOME", "XDG_CACHE_HOME/tidegate/index"),
        ("HOME", "HOME/.cache/tidegate/index"),
    ] {
        index(variable);
        assert_eq!(std::fs::read_dir(place.path().join(kept)).unwrap().count(), 1, "{kept}");
    }
}

#[test]
fn only_files_that_changed_are_read_again() {
    let (folder, memory) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let index = || index_with(folder.path(), memory.path()).remove(0);
    for number in 0..5 {
        made("tidal", &format!("1.{number}"), "0").put(folder.path(), Conda);
    }
    tick();
    assert_eq!(index().read, 5);
    assert_eq!(index().read, 0);
    made("tidal", "1.5", "0").put(folder.path(), TarBz2);
    tick();
    let added = index();
    assert_eq!((added.read, added.packages, added.packages_conda), (1, 1, 5));
    std::fs::remove_file(folder.path().join("noarch/tidal-1.0-0.conda")).unwrap();
    let removed = index();
    assert_eq!((removed.read, removed.packages_conda, removed.changed), (0, 4, true));
}

#[test]
fn a_replaced_file_gets_its_new_record_even_with_the_old_size_and_time() {
    let (folder, memory) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let index = || drop(index_with(folder.path(), memory.path()));
    let path = made("tidal", "1.0", "0").with("license", json!("AAA")).put(folder.path(), TarBz2);
    let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
    tick();
    index();
    let before = repodata(folder.path(), "noarch")["packages"]["tidal-1.0-0.tar.bz2"].clone();
    let other = made("tidal", "1.0", "0").with("license", json!("BBB"));
    let beside = folder.path().join("beside");
    // In place, so that the inode stays too, and renamed over it.
    for (number, target) in [&path, &beside].into_iter().enumerate() {
        let bytes = other.clone().with("build_number", json!(number)).bytes(TarBz2);
        std::fs::write(target, bytes).unwrap();
        std::fs::File::open(target).unwrap().set_modified(modified).unwrap();
        if target == &beside {
            std::fs::rename(&beside, &path).unwrap();
        }
        index();
        let record = repodata(folder.path(), "noarch")["packages"]["tidal-1.0-0.tar.bz2"].clone();
        assert_eq!((&record["license"], &record["build_number"]), (&json!("BBB"), &json!(number)));
        assert_ne!(record["sha256"], before["sha256"]);
        tick();
    }
}

#[test]
fn a_damaged_memory_is_ignored() {
    let (folder, memory) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    made("tidal", "1.0", "0").put(folder.path(), Conda);
    tick();
    index_with(folder.path(), memory.path());
    let expected = written(folder.path());
    let cache = std::fs::read_dir(memory.path()).unwrap().next().unwrap().unwrap().path();
    let whole = std::fs::read(&cache).unwrap();
    let altered =
        String::from_utf8(whole.clone()).unwrap().replace("BSD-3-Clause", "BSD-2-Clause").into_bytes();
    for bytes in [Vec::new(), whole[..whole.len() / 2].to_vec(), altered, b"\n{}".to_vec()] {
        std::fs::write(&cache, bytes).unwrap();
        assert_eq!(index_with(folder.path(), memory.path())[0].read, 1);
        assert_eq!(written(folder.path()), expected);
    }
}

#[test]
fn every_bad_file_is_named_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    made("good", "1.0", "0").put(folder.path(), Conda);
    index(folder.path());
    let before = written(folder.path());
    let tidal = made("tidal", "1.0", "0").bytes(Conda);
    std::fs::write(folder.path().join("noarch/lunar-1.0-0.conda"), &tidal).unwrap();
    std::fs::write(folder.path().join("noarch/tidal-1.0-0.conda"), &tidal[..100]).unwrap();
    std::fs::create_dir(folder.path().join("noarch/folder-1.0-0.conda")).unwrap();
    std::fs::create_dir(folder.path().join("linux-64")).unwrap();
    let linux = made("tidal", "1.0", "0").bytes(TarBz2);
    std::fs::write(folder.path().join("linux-64/tidal-1.0-0.tar.bz2"), &linux).unwrap();
    std::fs::write(folder.path().join("linux-64/Tidal-1.0-0.tar.bz2"), &linux).unwrap();
    std::fs::create_dir(folder.path().join("Linux-64")).unwrap();
    std::fs::write(folder.path().join("Linux-64/tidal-1.0-0.tar.bz2"), &linux).unwrap();
    std::fs::write(
        folder.path().join("noarch/patch_instructions.json"),
        "{\"patch_instructions_version\": 2}",
    )
    .unwrap();
    made("more", "1.0", "0").put(folder.path(), Conda);
    insta::assert_snapshot!(refusal(folder.path()), @r#"
    cannot index <folder>:
      Linux-64: `Linux-64` is not a sub-directory of a channel that conda knows, such as `linux-64` or `noarch`
      linux-64/Tidal-1.0-0.tar.bz2: `Tidal-1.0-0.tar.bz2` is not the name of a conda package: names have lower-case letters, digits, `.`, `_` and `-`, and begin with no dot
      linux-64/tidal-1.0-0.tar.bz2: it lies in `linux-64`, its index.json says `noarch`; move it there, or build it again
      noarch/folder-1.0-0.conda: the archive cannot be read from disk: it is not a regular file
      noarch/lunar-1.0-0.conda: the entry `pkg-tidal-1.0-0.tar.zst` is refused: it is of another build than the file's name says; rename the file, or build it again
      noarch/patch_instructions.json: patch instructions of version 2 are not known; this program applies version 1
      noarch/tidal-1.0-0.conda: the archive is cut off or damaged: it has no zip directory: it ends too early, or is no .conda file
    "#);
    assert_eq!(written(folder.path()), before);
}

#[test]
fn a_sub_directory_itself_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = made("tidal", "1.0", "0").put(folder.path(), Conda);
    let said = refusal(path.parent().unwrap());
    assert_eq!(
        said,
        "<folder> holds packages itself, such as tidal-1.0-0.conda; a channel holds them in sub-directories"
    );
}

#[test]
fn patch_instructions_change_what_is_listed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["patched", "revoked", "removed", "plain"] {
        for format in ArchiveFormat::ALL {
            made(name, "1.0", "0").with("license_family", json!("BSD")).put(folder.path(), format);
        }
    }
    let instructions = json!({
        "patch_instructions_version": 1,
        "packages": {
            "patched-1.0-0.tar.bz2": { "depends": ["numpy <2"], "license_family": null },
            "absent-1.0-0.tar.bz2": { "depends": [] },
        },
        "packages.conda": { "patched-1.0-0.conda": { "constrains": ["moon"] } },
        "revoke": ["revoked-1.0-0.tar.bz2"],
        "remove": ["removed-1.0-0.tar.bz2", "absent-1.0-0.conda"],
    });
    std::fs::write(folder.path().join("noarch/patch_instructions.json"), instructions.to_string()).unwrap();
    index(folder.path());
    let repodata = repodata(folder.path(), "noarch");
    let mut told = Vec::new();
    for section in ["packages", "packages.conda"] {
        for (file, record) in repodata[section].as_object().unwrap() {
            let field = |name: &str| record.get(name).map_or("-".to_owned(), Value::to_string);
            told.push(format!(
                "{file}: depends {}, constrains {}, family {}, revoked {}",
                field("depends"),
                field("constrains"),
                field("license_family"),
                field("revoked"),
            ));
        }
    }
    told.push(format!("removed {}", repodata["removed"]));
    insta::assert_snapshot!(told.join("\n"), @r#"
    patched-1.0-0.tar.bz2: depends ["numpy <2"], constrains -, family -, revoked -
    plain-1.0-0.tar.bz2: depends [], constrains -, family "BSD", revoked -
    revoked-1.0-0.tar.bz2: depends ["package_has_been_revoked"], constrains -, family "BSD", revoked true
    patched-1.0-0.conda: depends ["numpy <2"], constrains ["moon"], family -, revoked -
    plain-1.0-0.conda: depends [], constrains -, family "BSD", revoked -
    revoked-1.0-0.conda: depends ["package_has_been_revoked"], constrains -, family "BSD", revoked true
    removed ["removed-1.0-0.conda","removed-1.0-0.tar.bz2"]
    "#);
}

#[test]
fn patch_instructions_that_are_not_understood_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("noarch/patch_instructions.json");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let said: Vec<String> = [
        json!({ "patch_instructions_version": 2, "external_dependencies": {} }),
        json!({ "patch_instructions_version": 1, "external_dependencies": {} }),
        json!({ "packages": {} }),
        json!({ "patch_instructions_version": 1, "packages": { "a-1-0.conda": {} } }),
        json!({ "patch_instructions_version": 1, "packages": { "../a-1-0.tar.bz2": {} } }),
        json!({ "patch_instructions_version": 1, "packages": { "a-1-0.tar.bz2": { "sha256": "0" } } }),
        json!({ "patch_instructions_version": 1, "packages": { "a-1-0.tar.bz2": { "depends": "b" } } }),
        json!({ "patch_instructions_version": 1, "revoke": ["a"] }),
    ]
    .iter()
    .map(|instructions| {
        std::fs::write(&file, instructions.to_string()).unwrap();
        refusal(folder.path())
    })
    .collect();
    insta::assert_snapshot!(said.join("\n"), @r#"
    cannot index <folder>:
      noarch/patch_instructions.json: patch instructions of version 2 are not known; this program applies version 1
    cannot index <folder>:
      noarch/patch_instructions.json: these are no patch instructions: unknown field `external_dependencies`, expected one of `patch_instructions_version`, `packages`, `packages.conda`, `revoke`, `remove` at line 1 column 55
    cannot index <folder>:
      noarch/patch_instructions.json: these are no patch instructions: missing field `patch_instructions_version` at line 1 column 15
    cannot index <folder>:
      noarch/patch_instructions.json: `packages` names `a-1-0.conda`, which is not a file of that kind
    cannot index <folder>:
      noarch/patch_instructions.json: `packages` names `../a-1-0.tar.bz2`, which is not a file of that kind
    cannot index <folder>:
      noarch/patch_instructions.json: `a-1-0.tar.bz2`: the field `sha256` cannot be patched; known are constrains, depends, features, license, license_family, namespace, noarch, preferred_env, purls, python_site_packages_path, run_exports, timestamp, track_features
    cannot index <folder>:
      noarch/patch_instructions.json: `a-1-0.tar.bz2`: `depends` has to be a list of texts
    cannot index <folder>:
      noarch/patch_instructions.json: `revoke` names `a`, which is not a file of that kind
    "#);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    /// Whatever happened to a folder in between, its index is the one of a fresh copy.
    #[test]
    fn an_index_depends_on_the_folder_alone(steps in prop::collection::vec((0..4u8, 0..3u8, any::<bool>()), 1..8)) {
        let (folder, memory) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::create_dir(folder.path().join("noarch")).unwrap();
        for (package, licence, keep) in steps {
            let made = made("tidal", &format!("1.{package}"), "0").with("license", json!(format!("L{licence}")));
            let path = made.put(folder.path(), Conda);
            if !keep {
                std::fs::remove_file(path).unwrap();
            }
            index_with(folder.path(), memory.path());
        }
        let fresh = tempfile::tempdir().unwrap();
        std::fs::create_dir(fresh.path().join("noarch")).unwrap();
        for file in std::fs::read_dir(folder.path().join("noarch")).unwrap() {
            let file = file.unwrap();
            if file.file_name().to_string_lossy().ends_with(".conda") {
                std::fs::copy(file.path(), fresh.path().join("noarch").join(file.file_name())).unwrap();
            }
        }
        index(fresh.path());
        prop_assert_eq!(written(folder.path()), written(fresh.path()));
    }
}
