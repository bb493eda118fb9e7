//! From match specs to exact builds, always the same ones, and why there are none.

use std::time::Duration;

use proptest::prelude::*;
use tidegate::ecosystem::conda::channel::ChannelIndex;
use tidegate::ecosystem::conda::platform::VirtualPackages;
use tidegate::ecosystem::conda::solution::Solution;
use tidegate::ecosystem::conda::solve::{SolveError, SolveTask, solve};
use tidegate::ecosystem::conda::spec::{Spec, exact_spec};

use super::channel_builder::{Record, any_records, channel, quarrel, record};

/// What is chosen, as `name version build`.
fn chosen(solution: &Solution) -> Vec<String> {
    solution.environment().builds().map(ToString::to_string).collect()
}

fn on_linux<'a>(channels: &'a [ChannelIndex], specs: &[&str]) -> SolveTask<'a> {
    SolveTask::new(channels, "linux-64").wanting(specs.iter().copied())
}

/// The explanation and the two at fault.
fn impossible(result: Result<Solution, SolveError>) -> (String, Option<(String, String)>) {
    match result {
        Err(SolveError::Impossible { explanation, conflict }) => (explanation, conflict),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_newest_builds_that_fit_are_chosen() {
    let channels = [channel(
        "main",
        &[
            record("app 1.0 0", &["lib >=1,<3"]),
            record("lib 1.9 0", &[]),
            record("lib 1.10 0", &[]),
            record("lib 1.10 1", &[]),
            record("lib 3.0 0", &[]),
        ],
    )];
    assert_eq!(chosen(&solve(&on_linux(&channels, &["app"])).unwrap()), ["app 1.0 0", "lib 1.10 1"]);
}

#[test]
fn a_package_comes_from_the_first_channel_that_has_it() {
    let staged = channel("staged", &[record("lib 1.0 0", &[]), record("app 1.0 0", &["lib"])]);
    let forge = channel("conda-forge", &[record("lib 2.0 0", &[])]);
    let channels = [staged.clone(), forge.clone()];
    assert_eq!(chosen(&solve(&on_linux(&channels, &["app"])).unwrap()), ["app 1.0 0", "lib 1.0 0"]);
    let turned = [forge, staged];
    let solution = solve(&on_linux(&turned, &["app"])).unwrap();
    assert_eq!(chosen(&solution), ["app 1.0 0", "lib 2.0 0"]);
    assert_eq!(solution.build("lib").unwrap().channel, "file:///conda-forge");
}

#[test]
fn the_pair_at_fault_is_told() {
    let channels = [channel("main", &quarrel())];
    let task = on_linux(&channels, &["q2-other", "q2-old", "q2-more", "q2-new"]);
    let (explanation, conflict) = impossible(solve(&task));
    assert_eq!(conflict, Some(("q2-old".to_owned(), "q2-new".to_owned())));
    insta::assert_snapshot!(explanation, @"
    The following packages are incompatible
    ├─ q2-new * can be installed with any of the following options:
    │  └─ q2-new 1.0 would require
    │     └─ numpy >=2, which can be installed with any of the following options:
    │        └─ numpy 2.0
    └─ q2-old * cannot be installed because there are no viable options:
       └─ q2-old 1.0 would require
          └─ numpy <2, which cannot be installed because there are no viable options:
             └─ numpy 1.26, which conflicts with the versions reported above.
    ");
}

#[test]
fn of_a_metapackage_the_two_dependencies_at_fault_are_told() {
    let mut records = quarrel();
    records.push(record("meta 1.0 0", &["q2-other 1.0.*", "q2-old 1.0.*", "q2-more 1.0.*", "q2-new 1.0.*"]));
    let channels = [channel("main", &records)];
    let (_, conflict) = impossible(solve(&on_linux(&channels, &["meta"])));
    assert_eq!(conflict, Some(("q2-old 1.0.*".to_owned(), "q2-new 1.0.*".to_owned())));
}

#[test]
fn a_package_that_does_not_exist_excludes_nobody() {
    let channels = [channel("main", &quarrel())];
    let (explanation, conflict) = impossible(solve(&on_linux(&channels, &["q2-other", "q2-nowhere"])));
    assert_eq!(conflict, None);
    insta::assert_snapshot!(explanation, @"No candidates were found for q2-nowhere *.");
}

#[test]
fn explanations_are_short_and_always_the_same() {
    let versions: Vec<Record> =
        (0..200).map(|n| record(&format!("lib {n}.0 0"), &[&format!("gone >{n}")])).collect();
    let channels = [channel("main", &versions)];
    let first = impossible(solve(&on_linux(&channels, &["lib"])));
    assert!(first.0.lines().count() <= 41 && first.0.len() < 9000, "{}", first.0);
    let mut records = quarrel();
    records.extend((0..9).map(|n| record(&format!("numpy 1.{n} 0"), &["python >=3"])));
    records.extend((0..9).map(|n| record(&format!("q2-old 0.{n} 0"), &["numpy <1.5", "python"])));
    let channels = [channel("main", &records)];
    let task = on_linux(&channels, &["q2-old", "q2-new"]);
    let first = impossible(solve(&task));
    for _ in 0..20 {
        assert_eq!(impossible(solve(&task)), first);
    }
}

#[test]
fn an_explanation_with_more_lines_than_memory_has_bytes_is_stopped() {
    // Each step can be reached in two ways by each way to the one before: a tree of 2⁴⁰ lines.
    let mut records = vec![record("step40 1.0 0", &["gone"]), record("step40 2.0 0", &["gone >1"])];
    for step in 0..40 {
        for (version, part) in [("1.0", "<9"), ("2.0", ">=1")] {
            let next = format!("step{} {part}", step + 1);
            records.push(record(&format!("step{step} {version} 0"), &[&next]));
        }
    }
    let channels = [channel("main", &records)];
    let (explanation, _) = impossible(solve(&on_linux(&channels, &["step0"])));
    assert_eq!(explanation.lines().count(), 41, "{explanation}");
    assert!(explanation.ends_with("\n… and more"));
}

#[test]
fn the_platform_provides_what_is_written_and_not_what_this_machine_has() {
    let channels = [channel(
        "main",
        &[
            record("app 1.0 0", &["__glibc >=2.17"]).on("linux-64"),
            record("app 2.0 0", &["__glibc >=2.30"]).on("linux-64"),
        ],
    )];
    let task = on_linux(&channels, &["app"]);
    assert_eq!(chosen(&solve(&task).unwrap()), ["app 1.0 0"]);
    let newer = VirtualPackages::of("linux-64").with("__glibc", "2.39", "0").unwrap();
    let task = SolveTask { virtual_packages: Some(newer), ..task };
    assert_eq!(chosen(&solve(&task).unwrap()), ["app 2.0 0"]);
}

#[test]
fn each_platform_has_its_own_builds() {
    let channels = [channel(
        "main",
        &[
            record("app 2.0 0", &["__unix"]).on("linux-64"),
            record("app 1.0 0", &["__osx >=11"]).on("osx-arm64"),
            record("data 1.0 0", &[]),
        ],
    )];
    assert_eq!(chosen(&solve(&on_linux(&channels, &["app", "data"])).unwrap()), ["app 2.0 0", "data 1.0 0"]);
    let mac = SolveTask::new(&channels, "osx-arm64").wanting(["app", "data"]);
    assert_eq!(chosen(&solve(&mac).unwrap()), ["app 1.0 0", "data 1.0 0"]);
    assert_eq!(impossible(solve(&SolveTask::new(&channels, "win-64").wanting(["app"]))).1, None);
}

#[test]
fn what_installs_everywhere_is_found_in_every_channel() {
    let channels =
        [channel("one", &[record("app 1.0 0", &["lib"])]), channel("two", &[record("lib 2.0 0", &[])])];
    let everywhere = SolveTask::new(&channels, "noarch").wanting(["app"]);
    assert_eq!(chosen(&solve(&everywhere).unwrap()), ["app 1.0 0", "lib 2.0 0"]);
}

#[test]
fn a_day_of_the_past_can_be_solved_again() {
    let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_millisecond();
    let channels = [channel(
        "main",
        &[
            record("lib 1.0 0", &[]).with("timestamp", at("2024-01-01T00:00:00Z")),
            record("lib 2.0 0", &[]).with("timestamp", at("2024-06-01T00:00:00Z")),
            record("lib 3.0 0", &[]).with("timestamp", serde_json::Value::Null),
        ],
    )];
    let task = on_linux(&channels, &["lib"]);
    assert_eq!(chosen(&solve(&task).unwrap()), ["lib 3.0 0"]);
    let until = |text: &str| SolveTask { exclude_newer: Some(text.parse().unwrap()), ..task.clone() };
    assert_eq!(chosen(&solve(&until("2024-06-01T00:00:00Z")).unwrap()), ["lib 2.0 0"]);
    assert_eq!(chosen(&solve(&until("2024-05-31T23:59:59Z")).unwrap()), ["lib 1.0 0"]);
    let (explanation, _) = impossible(solve(&until("2023-01-01T00:00:00Z")));
    insta::assert_snapshot!(explanation, @"
    The following packages are incompatible
    └─ lib * cannot be installed because there are no viable options:
       ├─ lib 3.0 is excluded because it does not say when it appeared
       └─ lib 1.0 | 2.0 is excluded because it appeared after 2023-01-01T00:00:00Z
    ");
}

#[test]
fn constraints_hold_for_what_comes_in() {
    let channels = [channel("main", &quarrel())];
    let task = SolveTask { constraints: vec!["numpy <2".to_owned()], ..on_linux(&channels, &["q2-other"]) };
    assert_eq!(chosen(&solve(&task).unwrap()), ["numpy 1.26 0", "q2-other 1.0 0"]);
    let unneeded = SolveTask { constraints: vec!["q2-old >9".to_owned()], ..task };
    assert!(solve(&unneeded).is_ok());
}

#[test]
fn of_two_formats_conda_is_taken_unless_the_other_file_is_named() {
    let (newer, older) = (record("lib 1.0 0", &[]), record("lib 1.0 0", &[]).tar_bz2());
    let channels = [channel("main", &[older.clone(), newer.clone()])];
    let file = |spec: &str| solve(&on_linux(&channels, &[spec])).unwrap().build("lib").unwrap().file_name;
    assert_eq!(file("lib"), "lib-1.0-0.conda");
    for record in [newer, older] {
        let builds = channels[0].builds();
        let build = builds.iter().find(|build| build.sha256 == record.sha256()).unwrap();
        assert_eq!(file(&exact_spec(build)), record.file_name());
    }
}

#[test]
fn a_spec_that_names_a_sub_directory_means_it() {
    let channels = [channel("main", &[record("lib 1.0 0", &[]), record("lib 2.0 0", &[]).on("linux-64")])];
    let solution = solve(&on_linux(&channels, &["lib[subdir=noarch]"])).unwrap();
    assert_eq!(chosen(&solution), ["lib 1.0 0"]);
}

#[test]
fn a_spec_that_names_a_channel_means_it() {
    let channels = [channel("one", &[record("lib 1.0 0", &[])]), channel("two", &[record("lib 2.0 0", &[])])];
    let spec = "lib[channel=\"file:///two\"]";
    assert_eq!(chosen(&solve(&on_linux(&channels, &[spec])).unwrap()), ["lib 2.0 0"]);
    let spec = Spec::lenient(spec).unwrap();
    assert_eq!((channels[0].matching(&spec).len(), channels[1].matching(&spec).len()), (0, 1));
}

#[test]
fn a_dependency_that_cannot_be_read_rules_out_its_package_alone() {
    for strange in
        ["", "*", "q2-*", "a b c d e f", "lib >=", "lib[when=\"q2-*\"]", "lib[when=\"a[when='b']\"]"]
    {
        let channels = [channel(
            "main",
            &[
                record("lib 1.0 0", &[]),
                record("app 1.0 0", &["lib"]),
                record("app 2.0 0", &["lib", strange]),
            ],
        )];
        match solve(&on_linux(&channels, &["app"])) {
            Ok(solution) => assert_eq!(chosen(&solution), ["app 1.0 0", "lib 1.0 0"], "{strange}"),
            Err(SolveError::Malformed { .. }) => assert!(strange.contains("when"), "{strange}"),
            Err(other) => panic!("{strange}: {other:?}"),
        }
    }
}

#[test]
fn what_cannot_be_read_or_takes_too_long_is_no_verdict() {
    let channels = [channel("main", &quarrel())];
    let malformed = |task: SolveTask<'_>| match solve(&task) {
        Err(SolveError::Malformed { message }) => message,
        other => panic!("{other:?}"),
    };
    let several = on_linux(&channels, &["q2-*"]);
    insta::assert_snapshot!(malformed(several), @r#"`q2-*` is no match spec: "q2-*" looks like a glob but only exact package names are allowed, package names can only contain 0-9, a-z, A-Z, -, _, or ."#);
    insta::assert_snapshot!(malformed(SolveTask::new(&channels, "linux-65").wanting(["numpy"])), @"`linux-65` is no platform of conda");
    let task = SolveTask { timeout: Duration::ZERO, ..on_linux(&channels, &["numpy"]) };
    assert_eq!(solve(&task), Err(SolveError::TimedOut { after: Duration::ZERO }));
}

#[test]
fn a_solution_can_be_kept_and_installed_without_solving() {
    let md5 = "0".repeat(32);
    let records =
        [record("lib 1.0 0", &[]).with("md5", md5), record("app 1.0 py_1", &["lib"]).on("linux-64")];
    let channels = [channel("main", &records)];
    let solution = solve(&on_linux(&channels, &["app"])).unwrap();
    let json = serde_json::to_string(&solution).unwrap();
    assert_eq!(serde_json::from_str::<Solution>(&json).unwrap(), solution);
    insta::assert_snapshot!(solution.to_explicit(), @"
    # platform: linux-64
    @EXPLICIT
    file:///main/linux-64/app-1.0-py_1.conda#sha256:93a85eec77857fd4e8efbea099aaef0baabd59353b634c8872a79066c8e78a3c
    file:///main/noarch/lib-1.0-0.conda#00000000000000000000000000000000
    ");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_order_of_an_index_never_counts(
        (records, shuffled) in any_records().prop_flat_map(|records| (Just(records.clone()), Just(records).prop_shuffle())),
        split in any::<prop::sample::Index>(),
        wanted in proptest::collection::vec(0u8..6, 1..4),
    ) {
        let specs: Vec<String> = wanted.iter().map(|name| format!("p{name}")).collect();
        let at = split.index(records.len());
        let of = |records: &[Record], first: &[Record]| {
            let in_first = |record: &&Record| first.iter().any(|other| other.sha256() == record.sha256());
            let one: Vec<Record> = records.iter().filter(in_first).cloned().collect();
            let two: Vec<Record> = records.iter().filter(|record| !in_first(record)).cloned().collect();
            let channels = [channel("one", &one), channel("two", &two)];
            solve(&SolveTask::new(&channels, "linux-64").wanting(specs.clone()))
        };
        let answer = of(&records, &records[..at]);
        let in_time = !matches!(answer, Err(SolveError::TimedOut { .. }));
        prop_assert!(in_time);
        prop_assert_eq!(answer, of(&shuffled, &records[..at]));
    }
}
