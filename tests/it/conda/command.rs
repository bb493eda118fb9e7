//! `index conda`: what a person and a program are told.

use std::ffi::OsString;
use std::path::Path;

use tidegate::cli::{Streams, run_with};
use tidegate::clock::ManualClock;
use tidegate::config::Colour;
use tidegate::ecosystem::conda::layout::ArchiveFormat::{Conda, TarBz2};

use super::made::made;

/// The exit code, the output and the messages of `index conda` with the folder taken out of them.
fn index(folder: &Path, more: &str) -> (u8, String, String) {
    let line = ["tidegate".into(), "index".into(), "conda".into(), folder.into()];
    let line = line.into_iter().chain(more.split_whitespace().map(OsString::from));
    let clock = ManualClock::new("2026-08-20T12:00:00Z".parse().unwrap());
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let streams = Streams { out: &mut out, err: &mut err, colour: Colour::Never };
    let code = run_with(line, clock, streams);
    let text = |bytes| String::from_utf8(bytes).unwrap().replace(&folder.display().to_string(), "<folder>");
    (code, text(out), text(err))
}

#[test]
fn one_line_is_printed_for_each_sub_directory() {
    let folder = tempfile::tempdir().unwrap();
    made("tidal", "1.0", "0").put(folder.path(), Conda);
    std::fs::create_dir(folder.path().join("osx-arm64")).unwrap();
    let (code, out, err) = index(folder.path(), "");
    assert_eq!((code, err.as_str()), (0, ""));
    insta::assert_snapshot!(out, @r#"
    noarch: 1 package, written
    osx-arm64: 0 packages, written
    "#);
    made("tidal", "1.0", "0").put(folder.path(), TarBz2);
    let (code, out, _) = index(folder.path(), "--json");
    assert_eq!(code, 0);
    insta::assert_snapshot!(out, @r#"
    {
      "folder": "<folder>",
      "subdirs": [
        {
          "subdir": "noarch",
          "packages": 1,
          "packages_conda": 1,
          "changed": true
        },
        {
          "subdir": "osx-arm64",
          "packages": 0,
          "packages_conda": 0,
          "changed": false
        }
      ]
    }
    "#);
}

#[test]
fn a_bad_package_is_a_failure_and_a_wrong_folder_a_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let path = made("tidal", "1.0", "0").put(folder.path(), Conda);
    std::fs::rename(&path, path.with_file_name("tidal-1.1-0.conda")).unwrap();
    let bad = index(folder.path(), "");
    let sub_directory = index(&folder.path().join("noarch"), "");
    let missing = index(&folder.path().join("absent"), "");
    assert_eq!([bad.0, sub_directory.0, missing.0], [1, 2, 2]);
    insta::assert_snapshot!([bad.2, sub_directory.2, missing.2].join("---\n"), @r#"
    error: cannot index <folder>:
      noarch/tidal-1.1-0.conda: the entry `pkg-tidal-1.0-0.tar.zst` is refused: it is of another build than the file's name says; rename the file, or build it again
    ---
    error: <folder> holds packages itself, such as tidal-1.1-0.conda; a channel holds them in sub-directories
    hint: index the folder above it, or move the packages into sub-directories such as <folder>/noarch
    ---
    error: <folder> is not a folder
    hint: name the folder that holds noarch, linux-64, …
    "#);
}
