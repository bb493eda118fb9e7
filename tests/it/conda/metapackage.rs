//! The archive of a metapackage: the same bytes each time, and whole to another reader.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tidegate::domain::Build;
use tidegate::ecosystem::conda::destructure::{Declared, DestructureTask, destructure};
use tidegate::ecosystem::conda::layout::ArchiveFormat;
use tidegate::ecosystem::conda::metapackage::Metapackage;

use super::channel_builder::{Record, channel, record};

fn records() -> Vec<Record> {
    vec![record("q2-types 2023.7.0 py38_1", &[]).on("linux-64"), record("q2templates 2023.7.0 pyh_0", &[])]
}

fn members() -> Vec<Build> {
    channel("staged", &records()).builds()
}

fn core() -> Metapackage {
    Metapackage {
        name: "qiime2-core".to_owned(),
        version: "2023.08.14.20.23.00".to_owned(),
        subdir: "linux-64".to_owned(),
        summary: "QIIME 2, the packages of its core".to_owned(),
        timestamp: "2023-08-14T20:23:00Z".parse().unwrap(),
        members: members(),
    }
}

/// A file of the archive, as rattler unpacks it.
fn unpacked(metapackage: &Metapackage, format: ArchiveFormat, path: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let written = metapackage.archive(format).unwrap();
    let file = folder.path().join(&written.build.file_name);
    std::fs::write(&file, &written.bytes).unwrap();
    let into = folder.path().join("unpacked");
    let result = rattler_package_streaming::fs::extract(&file, &into).unwrap();
    let hex: String = result.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, written.build.sha256);
    std::fs::read_to_string(into.join(path)).unwrap()
}

#[test]
fn both_formats_hold_the_pins_of_every_member() {
    for format in [ArchiveFormat::Conda, ArchiveFormat::TarBz2] {
        insta::allow_duplicates! {
            insta::assert_snapshot!(unpacked(&core(), format, "info/index.json"), @r#"
            {
              "arch": "x86_64",
              "build": "0",
              "build_number": 0,
              "depends": [
                "q2-types 2023.7.0 py38_1",
                "q2templates 2023.7.0 pyh_0"
              ],
              "name": "qiime2-core",
              "platform": "linux",
              "subdir": "linux-64",
              "timestamp": 1692044580000,
              "version": "2023.08.14.20.23.00"
            }
            "#);
        }
        assert_eq!(unpacked(&core(), format, "info/files"), "");
        let paths: Value = serde_json::from_str(&unpacked(&core(), format, "info/paths.json")).unwrap();
        assert_eq!(paths["paths"], serde_json::json!([]));
    }
}

#[test]
fn what_is_written_is_taken_apart_into_the_same_members() {
    let index: Value =
        serde_json::from_str(&unpacked(&core(), ArchiveFormat::Conda, "info/index.json")).unwrap();
    let written = record("qiime2-core 2023.08.14.20.23.00 0", &[]).on("linux-64");
    let rebuilt = record("q2-types 2023.7.0 py38_2", &[]).on("linux-64");
    let all = [records(), vec![written.with("depends", index["depends"].clone()), rebuilt]].concat();
    let found = destructure(&DestructureTask {
        channel: &channel("staged", &all),
        externals: &[],
        platform: "linux-64",
        spec: "qiime2-core",
        declared: Declared::default(),
        virtual_packages: None,
        timeout: Duration::from_secs(60),
    });
    let found: Vec<String> =
        found.unwrap().members.into_iter().filter_map(|member| member.package.sha256).collect();
    assert_eq!(found, members().into_iter().map(|member| member.sha256).collect::<Vec<_>>());
}

#[test]
fn a_metapackage_for_all_platforms_says_so() {
    let everywhere = Metapackage { subdir: "noarch".to_owned(), ..core() };
    let index: Value =
        serde_json::from_str(&unpacked(&everywhere, ArchiveFormat::Conda, "info/index.json")).unwrap();
    assert_eq!((&index["noarch"], &index["platform"]), (&"generic".into(), &Value::Null));
}

#[test]
fn the_same_metapackage_has_the_same_bytes() {
    let turned = Metapackage { members: members().into_iter().rev().collect(), ..core() };
    for (format, ending) in [(ArchiveFormat::Conda, "conda"), (ArchiveFormat::TarBz2, "tar.bz2")] {
        let one = core().archive(format).unwrap();
        assert_eq!(turned.archive(format).unwrap(), one);
        assert_eq!(one.build.file_name, format!("qiime2-core-2023.08.14.20.23.00-0.{ending}"));
        assert_eq!(Path::new(&one.build.file_name).components().count(), 1);
    }
}

#[test]
fn what_would_be_no_package_is_refused() {
    let why = |metapackage: Metapackage| metapackage.archive(ArchiveFormat::Conda).unwrap_err().to_string();
    let twice = [members(), members()].concat();
    let told = [
        why(Metapackage { name: "../core".to_owned(), ..core() }),
        why(Metapackage { version: "1-2".to_owned(), ..core() }),
        why(Metapackage { version: "1..2".to_owned(), ..core() }),
        why(Metapackage { subdir: "linux-65".to_owned(), ..core() }),
        why(Metapackage { members: Vec::new(), ..core() }),
        why(Metapackage { members: twice, ..core() }),
    ];
    insta::assert_snapshot!(told.join("\n"), @"
    no metapackage `../core 2023.08.14.20.23.00` can be written: its name is none of conda: lower-case letters, digits, `-`, `_` and `.`
    no metapackage `qiime2-core 1-2` can be written: its version is none of conda
    no metapackage `qiime2-core 1..2` can be written: its version is none of conda
    no metapackage `qiime2-core 2023.08.14.20.23.00` can be written: its platform is none of conda
    no metapackage `qiime2-core 2023.08.14.20.23.00` can be written: it has no members
    no metapackage `qiime2-core 2023.08.14.20.23.00` can be written: `q2-types` is a member twice
    ");
}
