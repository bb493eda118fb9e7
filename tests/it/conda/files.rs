//! QIIME 2's own files: real ones of several years come back byte for byte, and what is changed looks as
//! upstream's tools would have written it.

use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;
use tidegate::ecosystem::conda::files::build_config::BuildConfig;
use tidegate::ecosystem::conda::files::catalogue::Catalogue;
use tidegate::ecosystem::conda::files::distribution_data::DistributionData;
use tidegate::ecosystem::conda::files::seed_environment::SeedEnvironment;
use tidegate::ecosystem::conda::files::yaml::Node;

use super::real::python;

fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/conda").join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(data(path)).unwrap()
}

const BUILD_CONFIGS: [&str; 5] = [
    "package-integration/2021.8/staged/core/conda_build_config.yaml",
    "package-integration/2021.8/tested/conda_build_config.yaml",
    "package-integration/2023.7/staged/community/conda_build_config.yaml",
    "package-integration/2023.7/staged/core/conda_build_config.yaml",
    "package-integration/2023.7/tested/conda_build_config.yaml",
];

const DISTRIBUTIONS: [&str; 3] = [
    "package-integration/2021.8/staged/core/data.yaml",
    "package-integration/2023.7/staged/community/data.yaml",
    "package-integration/2023.7/staged/core/data.yaml",
];

const SEEDS: [&str; 2] = [
    "distributions/2024.10/tiny/passed/seed-environment-conda.yml",
    "distributions/2024.10/tiny/staged/seed-environment-conda.yml",
];

#[test]
fn real_files_come_back_byte_for_byte() {
    for path in BUILD_CONFIGS {
        assert_eq!(BuildConfig::read(&read(path)).unwrap().to_text().unwrap(), read(path), "{path}");
    }
    for path in DISTRIBUTIONS {
        assert_eq!(DistributionData::read(&read(path)).unwrap().to_text().unwrap(), read(path), "{path}");
    }
    for path in SEEDS {
        assert_eq!(SeedEnvironment::read(&read(path)).unwrap().to_text().unwrap(), read(path), "{path}");
    }
}

/// Not by remembering the text: the writer alone gives the same bytes.
#[test]
fn real_files_are_written_as_upstream_wrote_them() {
    for path in BUILD_CONFIGS.into_iter().chain(DISTRIBUTIONS).chain(SEEDS) {
        assert_eq!(Node::read(&read(path)).unwrap().dump().unwrap(), read(path), "{path}");
    }
}

#[test]
fn one_new_version_changes_one_line() {
    let before = read(BUILD_CONFIGS[3]);
    let mut config = BuildConfig::read(&before).unwrap();
    assert_eq!(config.value("q2-types"), Some("2023.7.0.dev0"));
    config.set("q2-types", "2023.7.0.dev0+4.g6b4839e");
    let after = config.to_text().unwrap();
    let changed: Vec<(&str, &str)> =
        before.lines().zip(after.lines()).filter(|(before, after)| before != after).collect();
    assert_eq!(changed, [("- 2023.7.0.dev0", "- 2023.7.0.dev0+4.g6b4839e")]);
    config.set("q2-types", "2023.7.0.dev0");
    assert_eq!(config.to_text().unwrap(), before);
}

#[test]
fn an_epoch_without_quotes_keeps_its_zero_and_gets_its_quotes() {
    let mut config = BuildConfig::read("python:\n- 3.10\nqiime2_epoch:\n- 2024.10\n").unwrap();
    assert_eq!(config.value("qiime2-epoch"), Some("2024.10"));
    config.set("q2-types", "2024.10.0");
    insta::assert_snapshot!(config.to_text().unwrap(), @r"
    python:
    - '3.10'
    q2_types:
    - 2024.10.0
    qiime2_epoch:
    - '2024.10'
    ");
}

#[test]
fn a_distribution_gains_a_member_and_a_version_and_keeps_what_it_does_not_know() {
    let text = "ignore:\nmeta:\n  phone_home: true\nowners:\n- name: anna\n  since: 2023-01-02\nrun:\n\
                - q2-types\nversion: 2023.08.14.20.23.00\n";
    let mut distribution = DistributionData::read(text).unwrap();
    distribution.run.insert("q2-metadata".to_owned());
    distribution.ignore.insert("q2-types".to_owned());
    distribution.version = Some("2023.08.15.00.00.00".to_owned());
    assert_eq!(distribution.members().collect::<Vec<_>>(), ["q2-metadata"]);
    insta::assert_snapshot!(distribution.to_text().unwrap(), @r"
    ignore:
    - q2-types
    meta:
      phone_home: true
    owners:
    - name: anna
      since: 2023-01-02
    run:
    - q2-metadata
    - q2-types
    version: 2023.08.15.00.00.00
    ");
}

#[test]
fn files_that_contradict_themselves_are_refused_with_the_place() {
    let messages: Vec<String> = [
        "q2_types:\n- a\n- b\n",
        "q2_types: a\n",
        "q2_types: [a]\nq2-types: [b]\n",
        "q2_types: [a]\nq2_types: [b]\n",
        "- a\n",
        "q2_types: &x [a]\n",
        "",
        "a: [b\n",
    ]
    .iter()
    .map(|text| BuildConfig::read(text).unwrap_err().to_string())
    .collect();
    insta::assert_snapshot!(messages.join("\n"));
    let messages: Vec<String> =
        ["run: [a, a]\n", "run: a\n", "version: 1\n", "run: [a]\nignore: [b]\n", "run: [a]\nversion: [b]\n"]
            .iter()
            .map(|text| DistributionData::read(text).unwrap_err().to_string())
            .collect();
    insta::assert_snapshot!(messages.join("\n"));
    let dependency = |line: &str| {
        let text = format!("channels: [a]\ndependencies:\n- {line}\n");
        SeedEnvironment::read(&text).unwrap_err().to_string()
    };
    let messages = ["python", "python==3.8", "=3", "python=3.8\n- python=3.9"].map(dependency);
    insta::assert_snapshot!(messages.join("\n"));
}

#[test]
fn the_real_catalogue_has_its_real_defects_named() {
    let (catalogue, faults) = Catalogue::read(&read("distributions/data.yaml")).unwrap();
    assert_eq!(catalogue.active_epoch, "2024.10");
    assert_eq!(catalogue.distributions, ["tiny", "amplicon", "metagenome", "pathogenome"]);
    assert_eq!(catalogue.members("tiny").collect::<Vec<_>>().len(), 6);
    assert_eq!(
        catalogue.packages["q2-amrfinderplus"].repository.to_string(),
        "bokulich-lab/q2-amrfinderplus"
    );
    let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(faults.join("\n"));
}

#[test]
fn an_epoch_that_other_programs_would_read_as_a_number_is_named() {
    let text = "released_epoch: 2024.5\nactive_epoch: '2024.10'\nnext_epoch: soon\ndistros: [tiny, tiny]\n\
                packages: []\n";
    let (catalogue, faults) = Catalogue::read(text).unwrap();
    assert_eq!(catalogue.released_epoch, "2024.5");
    let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(faults.join("\n"));
}

/// Texts as they may stand in such a file, with many that mean something else in YAML.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,12}",
        "[-+0-9._:eExXob]{1,8}",
        "[0-9]{4}\\.[0-9]{1,2}(\\.[0-9]{1,2}){0,4}",
        "[-?:,#&*!|>%@`'\"\\[\\]{}=<~ ]{1,4}[a-z]{0,2}",
        Just("yes".to_owned()),
        Just("null".to_owned()),
        Just("2024-10-01".to_owned()),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_back_as_the_same_text(values in proptest::collection::vec(texts(), 1..8)) {
        let list = Node::List(values.iter().map(Node::text).collect());
        let text = list.dump().unwrap();
        let back = Node::read(&text).unwrap();
        prop_assert_eq!(back.as_texts(), Some(values.iter().map(String::as_str).collect()));
    }
}

/// PyYAML itself, over many texts at once.
#[test]
fn pyyaml_writes_the_same_bytes() {
    let Some(python) = python("yaml") else { return };
    let values = [
        "2024.10",
        "2023.7.0.dev0+3.gb8de86d",
        ">=1.7,<1.9",
        "*",
        "",
        " a",
        "a ",
        "a: b",
        "a:b",
        "a #b",
        "a#b",
        "#a",
        "-",
        "- a",
        "-a",
        "---",
        "...",
        "--- a",
        "?",
        "? a",
        "?a",
        ":",
        ": a",
        ":a",
        "a:",
        "yes",
        "Off",
        "y",
        "null",
        "~",
        "0x1f",
        "0o17",
        "017",
        "08",
        "1_000",
        "1e5",
        "1e+5",
        "1.5e+5",
        ".5",
        "5.",
        "-.inf",
        ".nan",
        "1:30",
        "1:30.5",
        "2024-10-01",
        "2024-10-01T00:00:00Z",
        "2024-10-01 00:00:00",
        "=",
        "<<",
        "<",
        "@a",
        "`a",
        "%a",
        "!a",
        "&a",
        "*a",
        "|",
        ">",
        "'",
        "it's",
        "\"",
        "{a",
        "a{b}",
        "[a",
        "a[b]",
        ",a",
        "a,b",
        "a - b",
        "true ",
        "+1",
        "0b11",
        "0",
        "00",
        "1.2.3",
        "inf",
        "2021.09.09.22.42.04",
    ];
    let json = serde_json::to_string(values.as_slice()).unwrap();
    let script = "import json, sys, yaml; sys.stdout.write(yaml.dump(json.loads(sys.argv[1])))";
    let output = Command::new(python).args(["-c", script, &json]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let ours = Node::List(values.iter().map(|value| Node::text(*value)).collect()).dump().unwrap();
    assert_eq!(ours, String::from_utf8(output.stdout).unwrap());
}
