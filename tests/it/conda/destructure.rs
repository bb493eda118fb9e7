//! Metapackages taken apart: members exact, or a word on what is wrong.

use std::time::Duration;

use tidegate::domain::Destructured;
use tidegate::ecosystem::conda::channel::ChannelIndex;
use tidegate::ecosystem::conda::destructure::{
    Declared, DestructureError, DestructureTask, candidates, destructure,
};

use super::channel_builder::{Record, channel, record};

/// The metapackage `spec` of the channel with these records.
fn taken_apart(records: &[Record], spec: &str, declared: Declared) -> Result<Destructured, DestructureError> {
    taken_apart_with(&channel("staged", records), &[], spec, declared)
}

fn taken_apart_with(
    channel: &ChannelIndex,
    externals: &[ChannelIndex],
    spec: &str,
    declared: Declared,
) -> Result<Destructured, DestructureError> {
    destructure(&DestructureTask {
        channel,
        externals,
        platform: "linux-64",
        spec,
        declared,
        virtual_packages: None,
        timeout: Duration::from_secs(60),
    })
}

fn members(names: &[&str]) -> Declared {
    Declared { members: Some(names.iter().map(|name| (*name).to_owned()).collect()), ..Declared::default() }
}

/// The members as `name version build (via)`.
fn told(found: &Destructured) -> Vec<String> {
    let told = found.members.iter().map(|member| {
        let package = &member.package;
        let [version, build] = [&package.version, &package.build].map(|part| part.as_deref().unwrap());
        format!("{} {version} {build} ({})", package.name, member.via.join(" > "))
    });
    told.collect()
}

fn refused(result: Result<Destructured, DestructureError>) -> String {
    result.unwrap_err().to_string()
}

/// Plugins whose names begin alike, with two builds of one version.
fn plugins() -> Vec<Record> {
    vec![
        record("q2-types 2023.7.0 py38_0", &["qiime2"]).on("linux-64"),
        record("q2-types 2023.7.0 py38_1", &["qiime2"]).on("linux-64"),
        record("q2-types 2023.7.0 py38_1", &["qiime2"]).on("linux-64").tar_bz2(),
        record("q2-types 2023.7.1 py38_0", &["qiime2"]).on("linux-64"),
        record("q2-types-genomics 2023.7.0 py38_0", &["q2-types"]).on("linux-64"),
        record("qiime2 2023.7.0 py38_0", &[]).on("linux-64"),
        record("q2templates 2023.7.0 pyh_0", &[]),
    ]
}

#[test]
fn exact_pins_are_looked_up_whatever_is_newer() {
    let mut records = plugins();
    records.push(record(
        "qiime2-core 1 0",
        &[
            "q2-types ==2023.7.0 py38_0",
            "q2templates 2023.7.0 pyh_0",
            "qiime2 2023.7.0 py38_0",
            "python 3.8.*",
        ],
    ));
    let found = taken_apart(&records, "qiime2-core", Declared::default()).unwrap();
    assert_eq!(
        told(&found),
        [
            "q2-types 2023.7.0 py38_0 (qiime2-core)",
            "q2templates 2023.7.0 pyh_0 (qiime2-core)",
            "qiime2 2023.7.0 py38_0 (qiime2-core)",
        ]
    );
    assert_eq!(found.members[0].package.sha256.as_ref(), Some(&records[0].sha256()));
}

#[test]
fn the_same_build_in_both_formats_is_one_member() {
    let mut records = plugins();
    records.push(record("meta 1 0", &["q2-types 2023.7.0 py38_1"]));
    let found = taken_apart(&records, "meta", Declared::default()).unwrap();
    assert_eq!(told(&found), ["q2-types 2023.7.0 py38_1 (meta)"]);
    assert_eq!(found.members[0].package.sha256.as_ref(), Some(&records[1].sha256()), "the .conda file");
}

#[test]
fn lines_without_builds_are_decided_by_the_solver() {
    let mut records = plugins();
    records.push(record("qiime2-core 1 0", &["q2-types 2023.7.0.*", "qiime2 2023.7.0.*", "numpy 1.26.*"]));
    let forge = channel("conda-forge", &[record("numpy 1.26.4 0", &[])]);
    let staged = channel("staged", &records);
    let found = taken_apart_with(&staged, &[forge], "qiime2-core", Declared::default()).unwrap();
    assert_eq!(
        told(&found),
        ["q2-types 2023.7.0 py38_1 (qiime2-core)", "qiime2 2023.7.0 py38_0 (qiime2-core)"]
    );
}

#[test]
fn nested_metapackages_are_opened_and_members_named_once_by_the_shortest_way() {
    let mut records = plugins();
    records.push(record("inner 1 0", &["q2-types 2023.7.0 py38_0", "qiime2 2023.7.0 py38_0"]));
    records.push(record("other 1 0", &["inner 1 0"]));
    records.push(record("outer 2 0", &["other 1 0", "inner 1 0", "qiime2 2023.7.0 py38_0"]));
    let found = taken_apart(&records, "outer", Declared::default()).unwrap();
    assert_eq!(told(&found), ["q2-types 2023.7.0 py38_0 (outer > inner)", "qiime2 2023.7.0 py38_0 (outer)"]);
}

#[test]
fn a_nested_metapackage_of_the_old_kind_is_opened_by_its_lines() {
    let mut records = plugins();
    records.push(record("inner 1 0", &["q2-types 2023.7.0.*"]));
    records.push(record("outer 2 0", &["inner 1.*", "qiime2 2023.7.0.*"]));
    let found = taken_apart(&records, "outer", Declared::default()).unwrap();
    assert_eq!(told(&found), ["q2-types 2023.7.0 py38_1 (outer > inner)", "qiime2 2023.7.0 py38_0 (outer)"]);
}

#[test]
fn what_the_lines_leave_open_is_opened_where_it_is_named() {
    let mut records = plugins();
    records.push(record("inner 1 0", &["q2-types 2023.7.0.*", "numpy 1.26.*"]));
    records.push(record("outer 2 0", &["inner 1.*", "qiime2 2023.7.0.*"]));
    let staged = channel("staged", &records);
    let forge = [channel("conda-forge", &[record("numpy 1.26.4 0", &[])])];
    let nested = Declared { nested: ["inner".to_owned()].into(), ..Declared::default() };
    let found = taken_apart_with(&staged, &forge, "outer", nested).unwrap();
    assert_eq!(told(&found), ["q2-types 2023.7.0 py38_1 (outer > inner)", "qiime2 2023.7.0 py38_0 (outer)"]);
    let closed = taken_apart_with(&staged, &forge, "outer", Declared::default()).unwrap();
    assert_eq!(told(&closed), ["inner 1 0 (outer)", "qiime2 2023.7.0 py38_0 (outer)"]);
}

#[test]
fn a_package_that_holds_something_of_its_own_is_a_member_whatever_it_pins() {
    let python = record("python 3.8.16 0", &[]);
    let pins = ["python 3.8.*", "qiime2 2023.7.*"];
    for plugin in [
        record("q2-a 1 0", &["qiime2 >=2023.7"]),
        record("q2-a 1 0", &["qiime2"]),
        record("q2-a 1 0", &pins),
        record("q2-a 1 0", &pins[1..]).with("noarch", "python"),
        record("q2-a 1 0", &pins[1..]).with("size", 2_000_000),
    ] {
        let records = [plugins(), vec![python.clone(), plugin, record("meta 1 0", &["q2-a 1 0"])]].concat();
        let found = taken_apart(&records, "meta", Declared::default()).unwrap();
        assert_eq!(told(&found), ["q2-a 1 0 (meta)"], "{records:?}");
    }
}

#[test]
fn metapackages_that_hold_each_other_are_refused_with_their_path() {
    let records =
        [record("a 1 0", &["b 1 0", "c 1 0"]), record("b 1 0", &["c 1 0"]), record("c 1 0", &["b 1 0"])];
    insta::assert_snapshot!(refused(taken_apart(&records, "a", Declared::default())), @"metapackages hold each other: b → c → b");
}

#[test]
fn what_leads_back_to_a_metapackage_is_refused_whatever_it_looks_like() {
    let way = |records: &[Record]| refused(taken_apart(records, "outer", Declared::default()));
    let outer = record("outer 1 0", &["q2-a 1 0", "q2-b 1 0"]);
    let over_a_plugin = [outer.clone(), record("q2-a 1 0", &["outer", "python"]), record("q2-b 1 0", &[])];
    insta::assert_snapshot!(way(&over_a_plugin), @"metapackages hold each other: outer → q2-a → outer");
    let over_two = [
        outer.clone(),
        record("q2-a 1 0", &["base >=1"]),
        record("base 1 0", &["outer >=1", "q2-b"]),
        record("q2-b 1 0", &[]),
    ];
    insta::assert_snapshot!(way(&over_two), @"metapackages hold each other: outer → q2-a → base → outer");
    let among_others =
        [outer, record("q2-a 1 0", &["base"]), record("base 1 0", &["q2-a"]), record("q2-b 1 0", &["base"])];
    let found = taken_apart(&among_others, "outer", Declared::default()).unwrap();
    assert_eq!(told(&found), ["q2-a 1 0 (outer)", "q2-b 1 0 (outer)"], "packages may need each other");
}

#[test]
fn a_plugin_that_pins_others_exactly_is_a_member_and_no_metapackage() {
    let mut records = plugins();
    records.push(record("q2-a 1 0", &["qiime2==2023.7.0=py38_0"]));
    records.push(record("q2-b 1 0", &["q2-a 1 0", "qiime2 2023.7.0 py38_0"]));
    records.push(record("meta 1 0", &["q2-a 1 0", "q2-b 1 0", "qiime2 2023.7.0 py38_0"]));
    let found = taken_apart(&records, "meta", Declared::default()).unwrap();
    assert_eq!(told(&found), ["q2-a 1 0 (meta)", "q2-b 1 0 (meta)", "qiime2 2023.7.0 py38_0 (meta)"]);
}

#[test]
fn a_member_that_no_channel_has_is_named_and_never_left_out() {
    let mut records = plugins();
    records.push(record("meta 1 0", &["q2-types 2023.7.0 py38_0", "q2-gone 1 0", "q2-odd 1 0"]));
    records.push(record("q2-odd 1 0", &[]).with("sha256", serde_json::Value::Null));
    insta::assert_snapshot!(refused(taken_apart(&records, "meta", Declared::default())), @r"
    meta 1 0 does not hold what it should:
      `q2-gone 1 0` of meta names no build of the channel
      `q2-odd 1 0` of meta names no build of the channel; q2-odd-1-0.conda is left out: its record has no SHA-256, so the file could not be verified
    ");
    let forge = channel("forge", &[record("q2-gone 1 0", &[]), record("q2-odd 1 0", &[])]);
    let elsewhere =
        taken_apart_with(&channel("staged", &records), &[forge], "meta", Declared::default()).unwrap();
    assert_eq!(told(&elsewhere), ["q2-types 2023.7.0 py38_0 (meta)"], "others have it");
}

#[test]
fn two_builds_of_a_metapackage_within_are_refused() {
    let mut records = plugins();
    records.push(record("inner 1 a_0", &["q2-types 2023.7.0 py38_0"]));
    records.push(record("inner 1 b_1", &["q2-types 2023.7.1 py38_0"]));
    records.push(record("other 1 0", &["inner 1 b_1"]));
    records.push(record("outer 1 0", &["inner 1 a_0", "other 1 0"]));
    insta::assert_snapshot!(refused(taken_apart(&records, "outer", Declared::default())), @r"
    outer 1 0 does not hold what it should:
      inner is held as 1 a_0 by outer and as 1 b_1 by outer → other
    ");
}

#[test]
fn what_was_revoked_is_neither_the_newest_nor_a_member() {
    let mut records = plugins();
    let revoked = "package_has_been_revoked";
    records.push(record("meta 1 0", &["q2-types 2023.7.0 py38_0"]));
    records.push(record("meta 2 0", &["q2-types 2023.7.1 py38_0", revoked]));
    let found = taken_apart(&records, "meta", Declared::default()).unwrap();
    assert_eq!(found.metapackage.version.as_deref(), Some("1"));
    records.push(record("q2-old 1 0", &[revoked]));
    records.push(record("meta 3 0", &["q2-old 1 0"]));
    insta::assert_snapshot!(refused(taken_apart(&records, "meta", Declared::default())), @r"
    meta 3 0 does not hold what it should:
      `q2-old 1 0` of meta names no build of the channel
    ");
}

#[test]
fn of_two_spellings_of_a_version_the_pinned_one_is_taken_however_it_is_written() {
    for pin in ["q 1.0 0", "q==1.0=0", "q=1.0=0", "q[version='==1.0', build='0']"] {
        let records = [record("q 1.0 0", &[]), record("q 1.0.0 0", &[]), record("meta 1 0", &[pin])];
        let found = taken_apart(&records, "meta", Declared::default()).unwrap();
        assert_eq!(told(&found), ["q 1.0 0 (meta)"], "{pin}");
    }
}

#[test]
fn a_catalogue_names_the_members_of_the_distribution_whose_metapackage_it_is() {
    let catalogue = "released_epoch: '2024.5'\nactive_epoch: '2024.10'\nnext_epoch: '2025.4'\n\
        distros: [tiny, amplicon]\npackages:\n\
        - {name: q2-types, repo: qiime2/q2-types, distros: [tiny, amplicon]}\n\
        - {name: q2-dada2, repo: qiime2/q2-dada2, distros: [amplicon]}\n";
    let declared = Declared::from_yaml(catalogue, "qiime2-tiny").unwrap();
    assert_eq!(declared.members.unwrap().into_iter().collect::<Vec<_>>(), ["q2-types"]);
    let unknown = catalogue.replace("distros: [amplicon]}", "distros: [amplicom]}");
    insta::assert_snapshot!(Declared::from_yaml(&unknown, "qiime2-tiny").unwrap_err(), @r"
    it contradicts itself:
      `q2-dada2` is listed for `amplicom`, which is not among `distros`
    ");
    insta::assert_snapshot!(Declared::from_yaml(catalogue, "qiime2-core").unwrap_err(), @"`qiime2-core` is the metapackage of none of its distributions: tiny, amplicon");
}

#[test]
fn declared_members_are_those_and_no_others() {
    let mut records = plugins();
    records.push(record(
        "meta 1 0",
        &["q2-types 2023.7.0.*", "q2-types-genomics 2023.7.0.*", "qiime2 2023.7.0.*"],
    ));
    let declared = Declared { ignore: ["qiime2".to_owned()].into(), ..members(&["q2-types", "qiime2"]) };
    let found = taken_apart(&records, "meta", declared).unwrap();
    assert_eq!(told(&found), ["q2-types 2023.7.0 py38_1 (meta)"]);
}

#[test]
fn every_member_that_is_not_as_declared_is_named() {
    let mut records = plugins();
    records.push(record("meta 1 0", &["q2-types 2023.7.0.*", "qiime2 2023.7.0.*", "numpy 1.26.*"]));
    let staged = channel("staged", &records);
    let forge = channel("conda-forge", &[record("numpy 1.26.4 0", &[])]);
    let declared = Declared {
        versions: [
            ("qiime2".to_owned(), "2023.7.1".to_owned()),
            ("q2-types".to_owned(), "2023.7.0".to_owned()),
        ]
        .into(),
        ..members(&["numpy", "q2-types", "q2templates", "qiime2"])
    };
    insta::assert_snapshot!(refused(taken_apart_with(&staged, &[forge], "meta", declared)), @"
    meta 1 0 does not hold what it should:
      q2templates is declared as a member, but the metapackage does not depend on it
      numpy comes from file:///conda-forge and not from the metapackage's own channel
      qiime2 is 2023.7.0 where the distribution says 2023.7.1
    ");
}

#[test]
fn a_build_config_is_compared_with_what_the_metapackage_holds() {
    let mut records = plugins();
    records.push(record("meta 1 0", &["q2-types 2023.7.0.*", "qiime2 2023.7.0.*", "numpy 1.26.*"]));
    let staged = channel("staged", &records);
    let forge = [channel("conda-forge", &[record("numpy 1.26.4 0", &[])])];
    let text = "numpy: ['1.26']\nq2_gone: [1.0]\nq2_types: [2023.7.0]\nqiime2: [2023.7.0]\nqiime2_epoch: ['2023.7']\n";
    let config = |text: &str| Declared::from_yaml(text, "meta").unwrap();
    let found = taken_apart_with(&staged, &forge, "meta", config(text)).unwrap();
    assert_eq!(told(&found), ["q2-types 2023.7.0 py38_1 (meta)", "qiime2 2023.7.0 py38_0 (meta)"]);
    insta::assert_snapshot!(found.notes.join("\n"), @"conda_build_config.yaml names what no channel has, so nothing was compared for: q2_gone, qiime2_epoch");
    let wrong = text.replace("qiime2: [2023.7.0]", "qiime2: [2023.7.0.dev0]\nq2templates: [2023.7.0]");
    insta::assert_snapshot!(refused(taken_apart_with(&staged, &forge, "meta", config(&wrong))), @r"
    meta 1 0 does not hold what it should:
      q2templates is declared as a member, but the metapackage does not depend on it
      qiime2 is 2023.7.0 where the distribution says 2023.7.0.dev0
    ");
}

#[test]
fn a_pin_that_fits_no_build_is_named_with_what_is_there() {
    let mut records = plugins();
    records.push(record("meta 1 0", &["q2-types 2023.7.0 py39_0", "qiime2 2023.7.0 py38_0"]));
    insta::assert_snapshot!(refused(taken_apart(&records, "meta", Declared::default())), @"
    meta 1 0 does not hold what it should:
      `q2-types 2023.7.0 py39_0` of meta names no build of the channel, which has 2023.7.1 py38_0 (linux-64), 2023.7.0 py38_1 (linux-64), 2023.7.0 py38_0 (linux-64)
    ");
}

#[test]
fn a_member_that_two_metapackages_hold_differently_is_refused() {
    let mut records = plugins();
    records.push(record("inner 1 0", &["q2-types 2023.7.0 py38_0"]));
    records.push(record("outer 1 0", &["inner 1 0", "q2-types 2023.7.0 py38_1"]));
    insta::assert_snapshot!(refused(taken_apart(&records, "outer", Declared::default())), @"
    outer 1 0 does not hold what it should:
      q2-types is held as 2023.7.0 py38_1 by outer and as 2023.7.0 py38_0 by outer → inner
    ");
}

#[test]
fn a_spec_that_fits_nothing_is_answered_with_what_is_near() {
    let records = plugins();
    let error = taken_apart(&records, "q2-typos", Declared::default()).unwrap_err();
    let DestructureError::NothingMatches(nothing) = &error else { panic!("{error:?}") };
    assert_eq!(nothing.nearest[0], "q2-types");
    insta::assert_snapshot!(error, @"`q2-typos` fits no package of file:///staged for linux-64");
    insta::assert_snapshot!(refused(taken_apart(&records, "q2-types >=2024", Declared::default())), @"`q2-types >=2024` fits no package of file:///staged for linux-64; it has 2023.7.1, 2023.7.0");
}

#[test]
fn a_pattern_has_to_fit_one_package() {
    let mut records = plugins();
    records.push(record("meta-core 1 0", &["qiime2 2023.7.0 py38_0"]));
    assert_eq!(taken_apart(&records, "meta-*", Declared::default()).unwrap().metapackage.name, "meta-core");
    insta::assert_snapshot!(refused(taken_apart(&records, "q2-*", Declared::default())), @"`q2-*` fits several packages of file:///staged: q2-types, q2-types-genomics");
    insta::assert_snapshot!(refused(taken_apart(&records, "nothing-*", Declared::default())), @"`nothing-*` fits no package of file:///staged for linux-64");
}

#[test]
fn a_platform_that_the_channel_does_not_have_is_told() {
    let records = [record("meta 1 0", &["lib 1 0"]).on("osx-64"), record("lib 1 0", &[]).on("osx-64")];
    let staged = channel("staged", &records);
    let task = DestructureTask {
        channel: &staged,
        externals: &[],
        platform: "osx-arm64",
        spec: "meta",
        declared: Declared::default(),
        virtual_packages: None,
        timeout: Duration::from_secs(60),
    };
    insta::assert_snapshot!(refused(destructure(&task)), @"`meta` fits no package of file:///staged for osx-arm64; the channel has no folder osx-arm64");
    let there = DestructureTask { platform: "osx-64", ..task };
    assert_eq!(told(&destructure(&there).unwrap()), ["lib 1 0 (meta)"]);
}

#[test]
fn a_line_that_fits_one_build_is_exact_whether_or_not_the_whole_can_be_installed() {
    let records = [
        record("numpy 1.26 0", &[]),
        record("numpy 2.0 0", &[]),
        record("q2-old 1.0 0", &["numpy <2"]),
        record("q2-new 1.0 0", &["numpy >=2"]),
        record("meta 1 0", &["q2-old 1.0.*", "q2-new"]),
    ];
    let found = taken_apart(&records, "meta", Declared::default()).unwrap();
    assert_eq!(told(&found), ["q2-new 1.0 0 (meta)", "q2-old 1.0 0 (meta)"]);
    assert_eq!(found.notes, [""; 0]);
}

#[test]
fn of_a_metapackage_that_cannot_be_installed_the_newest_builds_are_listed_and_it_is_said() {
    let mut records = vec![
        record("numpy 1.26 0", &[]),
        record("numpy 2.0 0", &[]),
        record("q2-old 1.0 a_0", &["numpy <2"]),
        record("q2-old 1.0 b_1", &["numpy <2"]),
        record("q2-new 1.0 0", &["numpy >=2"]),
        record("meta 1 0", &["q2-old 1.0.*", "q2-new 1.0.*"]),
    ];
    let found = taken_apart(&records, "meta", Declared::default()).unwrap();
    assert_eq!(told(&found), ["q2-new 1.0 0 (meta)", "q2-old 1.0 b_1 (meta)"]);
    insta::assert_snapshot!(found.notes.join("\n"), @"meta 1 0 cannot be installed as a whole on linux-64 from the channels given. Which builds are meant is not known, so the newest that fits is listed: q2-old. The reason: `q2-old 1.0.*` and `q2-new 1.0.*` exclude each other.");
    records.push(record("q2-old 1.0 c_2", &["numpy >=2"]));
    let whole = taken_apart(&records, "meta", Declared::default()).unwrap();
    assert_eq!(told(&whole), ["q2-new 1.0 0 (meta)", "q2-old 1.0 c_2 (meta)"]);
    assert_eq!(whole.notes, [""; 0], "the solver chose");
}

#[test]
fn a_solver_that_finds_no_answer_in_time_says_nothing_of_the_members() {
    let mut records = plugins();
    records.push(record("meta 1 0", &["q2-types 2023.7.0.*"]));
    let task = DestructureTask {
        channel: &channel("staged", &records),
        externals: &[],
        platform: "linux-64",
        spec: "meta",
        declared: Declared::default(),
        virtual_packages: None,
        timeout: Duration::ZERO,
    };
    insta::assert_snapshot!(refused(destructure(&task)), @"the solver found no answer for meta 1 0 on linux-64 in 0 s");
}

#[test]
fn a_plain_package_is_no_metapackage() {
    insta::assert_snapshot!(refused(taken_apart(&plugins(), "qiime2", Declared::default())), @"qiime2 is no metapackage: it depends on no package of its channel file:///staged");
}

#[test]
fn metapackages_are_those_on_which_nothing_depends() {
    let mut records = plugins();
    records.push(record("core 1 0", &["q2-types 2023.7.0.*", "q2-types-genomics *", "qiime2"]));
    let found = candidates(&channel("staged", &records), "linux-64");
    let told: Vec<(&str, usize)> = found.iter().map(|one| (one.build.name.as_str(), one.holds)).collect();
    assert_eq!(told, [("core", 3)]);
}
