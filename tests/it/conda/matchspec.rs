//! Match specs and versions mean what they mean to conda: compared with what py-rattler 0.28.0 said.

use serde::Deserialize;
use tidegate::ecosystem::conda::spec::{MalformedSpec, Spec, compare_versions, exact_spec};

use super::channel_builder::{channel, record};

#[derive(Deserialize)]
struct Oracle {
    versions_tested: Vec<String>,
    sorted_versions: Vec<String>,
    specs: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    spec: String,
    strict: Verdict,
    lenient: Verdict,
}

#[derive(Deserialize)]
struct Verdict {
    error: Option<String>,
    name: Option<String>,
    version: Option<String>,
    build: Option<String>,
    matches: Option<Vec<String>>,
}

fn oracle() -> Oracle {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/conda/matchspec-oracle.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// What our reading of a spec has otherwise than the oracle's.
fn differences(
    text: &str,
    read: Result<Spec, MalformedSpec>,
    oracle: &Verdict,
    versions: &[String],
) -> Vec<String> {
    let spec = match (read, &oracle.error) {
        (Err(_), Some(_)) => return Vec::new(),
        (Err(error), None) => return vec![format!("{text}: refused: {error}")],
        (Ok(_), Some(error)) => return vec![format!("{text}: accepted, though {error}")],
        (Ok(spec), None) => spec,
    };
    let mut different = Vec::new();
    let mut compare = |what: &str, ours: Option<String>, theirs: &Option<String>| {
        if ours != *theirs {
            different.push(format!("{text}: {what} {ours:?}, not {theirs:?}"));
        }
    };
    compare("name", Some(spec.name().to_owned()), &oracle.name);
    compare("version", spec.version(), &oracle.version);
    compare("build", spec.build(), &oracle.build);
    if let Some(matches) = &oracle.matches {
        let ours: Vec<&String> = versions.iter().filter(|version| spec.accepts_version(version)).collect();
        if ours != matches.iter().collect::<Vec<_>>() {
            different.push(format!("{text}: accepts {ours:?}, not {matches:?}"));
        }
    }
    different
}

#[test]
fn every_spec_accepts_the_versions_that_the_oracle_says() {
    let oracle = oracle();
    let versions = &oracle.versions_tested;
    assert!(oracle.specs.len() >= 50 && versions.len() >= 25);
    let different: Vec<String> = oracle
        .specs
        .iter()
        .flat_map(|case| {
            let strict = differences(&case.spec, Spec::strict(&case.spec), &case.strict, versions);
            let lenient = differences(&case.spec, Spec::lenient(&case.spec), &case.lenient, versions);
            [strict, lenient].concat()
        })
        .collect();
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn versions_are_in_the_order_of_the_oracle() {
    let oracle = oracle();
    let mut sorted = oracle.versions_tested.clone();
    sorted.sort_by(|a, b| compare_versions(a, b).unwrap());
    assert_eq!(sorted, oracle.sorted_versions);
    assert_eq!(compare_versions("1.0", "not a version"), None);
}

#[test]
fn an_exact_spec_accepts_one_file_only() {
    let channel = channel(
        "staged",
        &[
            record("q2-types 2023.7.0.dev0+3.gb8de86d py38_0", &[]),
            record("q2-types 2023.7.0.dev0+3.gb8de86d py38_0", &[]).tar_bz2(),
            record("q2-types 2023.7.0.dev0+3.gb8de86d py38_1", &[]),
            record("q2-types 2023.7.0.dev0+3.gb8de86d py38_0", &[]).on("linux-64"),
            record("q2-types-genomics 2023.7.0.dev0+3.gb8de86d py38_0", &[]),
        ],
    );
    for build in channel.builds() {
        let spec = Spec::strict(&exact_spec(&build)).unwrap();
        assert_eq!(channel.matching(&spec), [build]);
    }
}
