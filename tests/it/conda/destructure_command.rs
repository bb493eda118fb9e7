//! `tidegate destructure`, as somebody runs it.

use std::ffi::OsString;
use std::path::Path;

use serde_json::json;
use tidegate::cli::{Streams, run_with};
use tidegate::clock::ManualClock;
use tidegate::config::Colour;
use tidegate::ecosystem::conda::archive::ArchiveLimits;
use tidegate::ecosystem::conda::index::FolderIndex;
use tidegate::ecosystem::conda::layout::ArchiveFormat;

use super::channel_builder::{Record, record, write};
use super::made::{Entry, Made, made};

/// What the command printed and how it ended, with the folder as `PLACE`.
fn run(place: &Path, arguments: &[&str]) -> (u8, String, String) {
    let line = ["tidegate", "destructure"].into_iter().chain(arguments.iter().copied());
    let line = line.map(|word| OsString::from(word.replace("PLACE", place.to_str().unwrap())));
    let clock = ManualClock::new("2026-08-20T12:00:00Z".parse().unwrap());
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let streams = Streams { out: &mut out, err: &mut err, colour: Colour::Never };
    let code = run_with(line, clock, streams);
    let text = |bytes| String::from_utf8(bytes).unwrap().replace(place.to_str().unwrap(), "PLACE");
    (code, text(out), text(err))
}

/// A folder with a channel of ours, and one of somebody else.
fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    write(&place.path().join("staged"), &ours());
    write(&place.path().join("forge"), &[record("numpy 1.26.4 h_0", &[]), record("numpy 2.0.0 h_0", &[])]);
    std::fs::write(place.path().join("data.yaml"), "ignore: [q2templates]\nrun: [q2-types, q2templates]\n")
        .unwrap();
    place
}

fn ours() -> Vec<Record> {
    vec![
        record("q2-types 2023.7.0 py38_0", &["numpy"]).on("linux-64"),
        record("q2-types 2023.7.0 py38_1", &["numpy"]).on("linux-64"),
        record("q2templates 2023.7.0 pyh_0", &[]),
        record(
            "qiime2-core 2023.08.14 0",
            &["q2-types 2023.7.0.*", "q2templates 2023.7.0.*", "numpy 1.26.*"],
        ),
        record("qiime2-core 2023.08.02 0", &["q2-types 2023.7.0.*", "numpy 1.26.*"]),
        record("base 1 0", &["q2templates 2023.7.0 pyh_0"]),
    ]
}

#[test]
fn members_are_shown_under_each_other() {
    let place = place();
    let (code, out, err) = run(place.path(), &["PLACE/staged", "qiime2-core", "-c", "PLACE/forge"]);
    assert_eq!((code, err.as_str()), (0, ""));
    insta::assert_snapshot!(out, @"
    qiime2-core 2023.08.14 0 on linux-64: 2 members
      of file://PLACE/staged

      member       version   build   sha256        via
      q2-types     2023.7.0  py38_1  f5e01874f679  qiime2-core
      q2templates  2023.7.0  pyh_0   0615aaa634c1  qiime2-core
    ");
}

#[test]
fn json_has_every_member_exactly() {
    let place = place();
    let line = ["PLACE/staged", "-c", "PLACE/forge", "--members", "PLACE/data.yaml", "--json"];
    let (code, out, err) = run(place.path(), &line);
    assert_eq!((code, err.as_str()), (0, ""));
    insta::assert_snapshot!(out, @r#"
    {
      "source": "file://PLACE/staged",
      "platform": "linux-64",
      "metapackage": {
        "name": "qiime2-core",
        "version": "2023.08.14",
        "build": "0",
        "sha256": "aa5c60dea38e410ecb89851072800e369231a9f8c05802fe033900c8309d653d",
        "channel": "file://PLACE/staged"
      },
      "members": [
        {
          "name": "q2-types",
          "version": "2023.7.0",
          "build": "py38_1",
          "sha256": "f5e01874f679409a8411e3043a643183b741198c97d13e2bdc59c7dde2fd35f5",
          "channel": "file://PLACE/staged",
          "via": [
            "qiime2-core"
          ]
        }
      ]
    }
    "#);
}

#[test]
fn an_older_metapackage_is_taken_apart_when_it_is_named() {
    let place = place();
    let line =
        ["PLACE/staged", "qiime2-core=2023.08.02", "-c", "PLACE/forge", "--members", "q2-types", "--json"];
    let (_, out, _) = run(place.path(), &line);
    let found: tidegate::domain::Destructured = serde_json::from_str(&out).unwrap();
    assert_eq!(found.metapackage.version.as_deref(), Some("2023.08.02"));
}

#[test]
fn the_one_metapackage_of_a_channel_need_not_be_named() {
    let channel = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/conda/recheck-channel/channel");
    let (code, out, err) = run(Path::new("nowhere"), &[channel, "--ignore", "extdep"]);
    assert_eq!((code, err.as_str()), (0, ""));
    insta::assert_snapshot!(out.replace(channel, "/CHANNEL"), @"
    qiime2-core 2023.08.14.20.23.00 0 on linux-64: 2 members
      of file:///CHANNEL

      member   version   build  sha256        via
      q2-bad   2023.7.0  0      c10cd3f64ab2  qiime2-core
      q2-good  2023.7.0  0      ce294d4105a5  qiime2-core
    ");
}

#[test]
fn what_goes_wrong_is_told_with_what_to_do() {
    let place = place();
    let two = [ours(), vec![record("other-core 1 0", &["q2-types", "q2templates"])]].concat();
    write(&place.path().join("two"), &two);
    let told: Vec<String> = [
        &["PLACE/staged", "qiime2-cor"][..],
        &["PLACE/two"],
        &["PLACE/forge"],
        &["PLACE/staged", "qiime2-core", "-c", "PLACE/forge", "--members", "q2-types,numpy"],
        &["PLACE/staged", "qiime2-core", "--members", "PLACE/missing.yaml"],
        &["PLACE/staged", "qiime2-core", "--platform", "linux-65"],
        &["PLACE/staged", "-c", "conda-forge"],
        &["https://user:secret@example.org/q2"],
    ]
    .iter()
    .map(|line| {
        let (code, out, err) = run(place.path(), line);
        assert_eq!(out, "");
        let here = std::env::current_dir().unwrap();
        format!("$ {}\n{err}exit code {code}\n", line.join(" ")).replace(here.to_str().unwrap(), "HERE")
    })
    .collect();
    insta::assert_snapshot!(told.join("\n"), @"
    $ PLACE/staged qiime2-cor
    error: `qiime2-cor` fits no package of file://PLACE/staged for linux-64
    hint: there is `qiime2-core`
    exit code 1

    $ PLACE/two
    error: file://PLACE/two has several packages that could be metapackages
    hint: name one, such as `other-core` (2 dependencies in the channel)
    hint: name one, such as `qiime2-core` (2 dependencies in the channel)
    exit code 1

    $ PLACE/forge
    error: file://PLACE/forge has no package for linux-64 that looks like a metapackage
    hint: name the package: tidegate destructure CHANNEL SPEC
    exit code 1

    $ PLACE/staged qiime2-core -c PLACE/forge --members q2-types,numpy
    error: qiime2-core 2023.08.14 0 does not hold what it should:
      numpy comes from file://PLACE/forge and not from the metapackage's own channel
    hint: leave out with --ignore what is not meant to be a member
    exit code 1

    $ PLACE/staged qiime2-core --members PLACE/missing.yaml
    error: cannot read PLACE/missing.yaml: No such file or directory (os error 2)
    exit code 2

    $ PLACE/staged qiime2-core --platform linux-65
    error: `linux-65` is no platform of conda
    hint: platforms are written as linux-64, linux-aarch64, osx-64, osx-arm64 or win-64
    exit code 2

    $ PLACE/staged -c conda-forge
    error: file://HERE/conda-forge is no conda channel: there is no noarch/repodata.json and no linux-64/repodata.json
    hint: a name alone is read as a folder; write a channel of a server with its whole address
    exit code 2

    $ https://user:secret@example.org/q2
    error: the address of a channel on `example.org` carries a user, a password or a token; addresses are stored and shown, so write it without them
    exit code 2
    ");
}

#[test]
fn a_metapackage_that_cannot_be_installed_is_listed_with_a_note() {
    let place = place();
    let (code, out, err) = run(place.path(), &["PLACE/staged", "qiime2-core"]);
    assert_eq!((code, err.as_str()), (0, ""));
    insta::assert_snapshot!(out, @r"
    qiime2-core 2023.08.14 0 on linux-64: 2 members
      of file://PLACE/staged

      member       version   build   sha256        via
      q2-types     2023.7.0  py38_1  f5e01874f679  qiime2-core
      q2templates  2023.7.0  pyh_0   0615aaa634c1  qiime2-core

    note: qiime2-core 2023.08.14 0 cannot be installed as a whole on linux-64 from the channels given. Which builds are meant is not known, so the newest that fits is listed: q2-types. The reason: q2-types 2023.7.0.* cannot be installed because there are no viable options: └─ q2-types 2023.7.0 would require    └─ numpy *, for which no candidates were found.
    ");
    let (_, json, _) = run(place.path(), &["PLACE/staged", "qiime2-core", "--json"]);
    let found: tidegate::domain::Destructured = serde_json::from_str(&json).unwrap();
    assert_eq!(found.notes.len(), 1);
}

#[test]
fn several_files_say_together_what_the_members_are() {
    let place = place();
    std::fs::write(place.path().join("config.yaml"), "q2_types: [2023.7.0]\nqiime2_epoch: ['2023.7']\n")
        .unwrap();
    let line = ["PLACE/staged", "qiime2-core", "-c", "PLACE/forge", "--members", "PLACE/data.yaml"];
    let both = [&line[..], &["--members", "PLACE/config.yaml"]].concat();
    let (code, out, err) = run(place.path(), &both);
    assert_eq!((code, err.as_str()), (0, ""));
    insta::assert_snapshot!(out, @r"
    qiime2-core 2023.08.14 0 on linux-64: 1 member
      of file://PLACE/staged

      member    version   build   sha256        via
      q2-types  2023.7.0  py38_1  f5e01874f679  qiime2-core

    note: conda_build_config.yaml names what no channel has, so nothing was compared for: qiime2_epoch
    ");
    std::fs::write(place.path().join("config.yaml"), "q2_types: [2023.7.1]\n").unwrap();
    let (code, _, err) = run(place.path(), &both);
    insta::assert_snapshot!(format!("{code} {err}"), @r"
    1 error: qiime2-core 2023.08.14 0 does not hold what it should:
      q2-types is 2023.7.0 where the distribution says 2023.7.1
    ");
}

/// A metapackage: it holds no files.
fn metapackage(name: &str, depends: &[&str]) -> Made {
    Made { entries: Vec::new(), ..made(name, "1", "0").with("depends", json!(depends)) }
}

#[test]
fn in_a_folder_the_archives_tell_metapackages_from_plugins() {
    let place = tempfile::tempdir().unwrap();
    let staged = place.path().join("staged");
    std::fs::create_dir_all(staged.join("noarch")).unwrap();
    for package in [
        made("qiime2", "1", "0"),
        made("q2-lone", "1", "0")
            .with("depends", json!(["q2-far 1 0"]))
            .and(Entry::file("lib/python3.8/site-packages/q2_lone.py", "")),
        made("q2-far", "1", "0"),
        metapackage("inner", &["qiime2 1.*"]),
        metapackage("outer", &["inner 1.*", "q2-lone 1.*"]),
    ] {
        package.put(&staged, ArchiveFormat::Conda);
    }
    FolderIndex::of_folder(&staged, &ArchiveLimits::default()).unwrap().write().unwrap();
    let (code, out, err) = run(place.path(), &["PLACE/staged", "outer"]);
    assert_eq!((code, err.as_str()), (0, ""));
    insta::with_settings!({filters => vec![("[0-9a-f]{12}", "<digest>")]}, {
        insta::assert_snapshot!(out, @r"
    outer 1 0 on linux-64: 2 members
      of file://PLACE/staged

      member   version  build  sha256        via
      q2-lone  1        0      <digest>  outer
      qiime2   1        0      <digest>  outer → inner
    ");
    });
}

/// The lines that a command prints below its headings, without the digests.
fn rows(out: &str) -> Vec<String> {
    let rows = out.lines().skip(4);
    let words = |line: &str| {
        let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        words.remove(3);
        words.join(" ")
    };
    rows.map(words).collect()
}

#[test]
fn a_folder_and_a_server_agree_on_metapackages_that_hold_a_token_of_a_file() {
    let place = tempfile::tempdir().unwrap();
    let staged = place.path().join("staged");
    std::fs::create_dir_all(staged.join("linux-64")).unwrap();
    let token = |name: &str, depends: &[&str]| made(name, "1", "0").with("depends", json!(depends));
    for package in [
        token("qiime2", &[]),
        token("q2-types", &["qiime2"]),
        token("exact", &["q2-types 1 0", "qiime2 1 0"]),
        token("by-version", &["q2-types 1.*", "qiime2 1.*"]),
        token("outer", &["exact 1 0", "qiime2 1 0"]),
        token("outer-by-version", &["by-version 1.*"]),
        token("cyc-a", &["cyc-b 1 0"]),
        token("cyc-b", &["cyc-a 1.*"]).and(Entry::file("bin/cyc-b", "#!/bin/sh\n")),
    ] {
        package.put(&staged, ArchiveFormat::TarBz2);
    }
    FolderIndex::of_folder(&staged, &ArchiveLimits::default()).unwrap().write().unwrap();
    for source in ["PLACE/staged".to_owned(), crate::engine::made::serve(staged)] {
        let (code, out, err) = run(place.path(), &[&source, "outer"]);
        assert_eq!((code, err.as_str()), (0, ""));
        assert_eq!(rows(&out), ["q2-types 1 0 outer → exact", "qiime2 1 0 outer"], "{source}");
        let (_, out, _) = run(place.path(), &[&source, "outer-by-version"]);
        let within = "outer-by-version → by-version";
        assert_eq!(
            rows(&out),
            [format!("q2-types 1 0 {within}"), format!("qiime2 1 0 {within}")],
            "{source}"
        );
        let (code, out, err) = run(place.path(), &[&source, "cyc-a"]);
        assert_eq!((code, out.as_str()), (1, ""), "{source}");
        assert_eq!(err, "error: metapackages hold each other: cyc-a → cyc-b → cyc-a\n", "{source}");
    }
}

#[test]
fn lists_of_members_that_name_none_are_refused() {
    let place = place();
    let (code, _, err) = run(place.path(), &["PLACE/staged", "qiime2-core", "--members", " , "]);
    insta::assert_snapshot!(format!("{code} {err}"), @"2 error: --members names no members");
    std::fs::write(place.path().join("data.yaml"), "run: []\n").unwrap();
    let (code, _, err) = run(place.path(), &["PLACE/staged", "qiime2-core", "--members", "PLACE/data.yaml"]);
    insta::assert_snapshot!(format!("{code} {err}"), @"2 error: PLACE/data.yaml does not name members: it names no members");
}

#[test]
fn what_is_lost_is_told_with_what_to_do() {
    let place = tempfile::tempdir().unwrap();
    write(
        &place.path().join("staged"),
        &[record("meta 1 0", &["q2-a 1 0", "q2-b 1 0"]), record("q2-a 1 0", &[])],
    );
    let (code, out, err) = run(place.path(), &["PLACE/staged", "meta"]);
    insta::assert_snapshot!(format!("{code} {out}{err}"), @r"
    1 error: meta 1 0 does not hold what it should:
      `q2-b 1 0` of meta names no build of the channel
    hint: leave out with --ignore what is not meant to be a member
    hint: give with --channel the channels of what comes from elsewhere
    ");
    let (code, _, err) = run(place.path(), &["PLACE/staged", "meta=1=7"]);
    insta::assert_snapshot!(format!("{code} {err}"), @"1 error: `meta=1=7` fits no package of file://PLACE/staged for linux-64; it has 1 0");
}
