//! The files of QIIME 2's distributions on the command line: real ones of several years, and what is wrong in bad
//! ones, at its place.

use std::path::{Path, PathBuf};

use super::{Ran, run};

fn recorded(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/conda").join(path).display().to_string()
}

/// A command on files whose folder is not shown.
fn without_folder(ran: Ran, folder: &str) -> Ran {
    Ran { out: ran.out.replace(folder, ""), err: ran.err.replace(folder, ""), ..ran }
}

/// What `check` says of recorded files.
fn check_recorded(paths: &[&str]) -> Ran {
    let files: Vec<String> = paths.iter().map(|path| recorded(path)).collect();
    let ran = run(["distribution", "check"].into_iter().chain(files.iter().map(String::as_str)));
    without_folder(ran, &recorded(""))
}

/// A folder with one file of that text.
struct Written {
    folder: tempfile::TempDir,
    path: PathBuf,
}

impl Written {
    fn new(name: &str, text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        Self { folder, path }
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let path = self.path.to_str().unwrap();
        let ran = run(["distribution"].iter().chain(arguments).copied().chain([path]));
        without_folder(ran, &format!("{}/", self.folder.path().display()))
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.path).unwrap()
    }
}

/// What `check` says of a bad file.
fn refused(name: &str, text: &str) -> String {
    let ran = Written::new(name, text).run(&["check"]);
    assert_eq!(ran.code, 2, "{} {}", ran.out, ran.err);
    ran.err
}

const WRITTEN_BY_TOOLS: [&str; 12] = [
    "package-integration/2021.8/staged/core/conda_build_config.yaml",
    "package-integration/2021.8/staged/core/data.yaml",
    "package-integration/2021.8/tested/conda_build_config.yaml",
    "package-integration/2023.7/staged/community/conda_build_config.yaml",
    "package-integration/2023.7/staged/community/data.yaml",
    "package-integration/2023.7/staged/core/conda_build_config.yaml",
    "package-integration/2023.7/staged/core/data.yaml",
    "package-integration/2023.7/tested/conda_build_config.yaml",
    "distributions/2024.10/tiny/passed/seed-environment-conda.yml",
    "distributions/2024.10/tiny/staged/seed-environment-conda.yml",
    "distributions/2024.10/tiny/passed/qiime2-tiny-ubuntu-latest-conda.yml",
    "distributions/2024.10/tiny/released/qiime2-tiny-ubuntu-latest-conda.yml",
];

#[test]
fn recorded_files_of_several_years_are_printed_without_a_changed_byte() {
    for path in WRITTEN_BY_TOOLS {
        let path = recorded(path);
        let ran = run(["distribution", "format", &path]);
        assert_eq!((ran.code, ran.out), (0, std::fs::read_to_string(&path).unwrap()), "{path} {}", ran.err);
    }
}

#[test]
fn recorded_files_are_read_and_their_real_defects_are_shown_at_their_places() {
    let ran = check_recorded(&[WRITTEN_BY_TOOLS[1], WRITTEN_BY_TOOLS[2], WRITTEN_BY_TOOLS[8]]);
    insta::assert_snapshot!(ran.printed(), @r"
    package-integration/2021.8/staged/core/data.yaml: data.yaml of a distribution: 27 packages; version 2021.09.09.22.42.04
    package-integration/2021.8/tested/conda_build_config.yaml: conda_build_config.yaml: 31 versions
    distributions/2024.10/tiny/passed/seed-environment-conda.yml: environment: 21 packages from 3 channels
    ");
    let staged = check_recorded(&[WRITTEN_BY_TOOLS[9]]);
    assert_eq!(staged.code, 2);
    insta::assert_snapshot!("python_abi_of_another_python", staged.err);
    let catalogue = check_recorded(&["distributions/data.yaml"]);
    assert_eq!(catalogue.code, 2);
    insta::assert_snapshot!("a_real_catalogue", format!("{}{}", catalogue.out, catalogue.err));
}

#[test]
fn files_that_belong_together_are_compared() {
    let core = check_recorded(&[WRITTEN_BY_TOOLS[5], WRITTEN_BY_TOOLS[6]]);
    insta::assert_snapshot!("members_without_a_version", format!("{}{}", core.out, core.err));
    let with_catalogue = check_recorded(&["distributions/data.yaml", WRITTEN_BY_TOOLS[8]]);
    assert!(!with_catalogue.err.contains("this environment has none"), "{}", with_catalogue.err);
    let seed = "channels: [https://packages.example.org/2024.10/tiny/staged]\ndependencies:\n\
                - q2-metadata=1\n- q2-mystery-stew=1\n- q2-types-genomics=1\n- q2cli=1\n- q2templates=1\n- qiime2=1\n";
    let ran = Written::new("seed.yml", seed).run(&["check", &recorded("distributions/data.yaml")]);
    assert_eq!(ran.err.matches("this environment has none").count(), 1);
    assert!(ran.err.contains("lists `q2-types` for tiny"), "{}", ran.err);
}

#[test]
fn a_member_whose_name_another_one_begins_with_is_not_taken_for_it() {
    let config = Written::new("conda_build_config.yaml", "q2_types_genomics:\n- 2023.7.0\n");
    let data = Written::new("data.yaml", "run:\n- q2-types\n- q2-types-genomics\nversion: null\n");
    let ran = data.run(&["check", config.path.to_str().unwrap()]);
    let shown = ran.err.replace(config.path.to_str().unwrap(), "conda_build_config.yaml");
    insta::assert_snapshot!(shown, @r"
    error: conda_build_config.yaml gives the member `q2-types` no version
     --> data.yaml:2:3
      |
    2 | - q2-types
      |   ^^^^^^^^ a member
      |
    help: it has `q2_types_genomics`, which is another package

    error: the files have 1 mistake
    ");
}

#[test]
fn an_epoch_without_quotes_is_shown_as_the_number_that_others_read() {
    insta::assert_snapshot!(refused("conda_build_config.yaml", "python:\n- '3.8'\nqiime2_epoch:\n- 2024.10\n"), @r"
    error: 2024.10 stands without quotes: other programs read 2024.1
     --> conda_build_config.yaml:4:3
      |
    4 | - 2024.10
      |   ^^^^^^^ read as 2024.1
      |
    help: write '2024.10'

    error: the files have 1 mistake
    ");
    let catalogue = "released_epoch: '2024.5'\nactive_epoch: 2024.10\nnext_epoch: '2025.4'\n\
                     distros: [tiny]\npackages: []\n";
    insta::assert_snapshot!(refused("data.yaml", catalogue), @r"
    error: `active_epoch` stands without quotes: other programs read 2024.10 as a number; write '2024.10'
     --> data.yaml:2:15
      |
    2 | active_epoch: 2024.10
      |               ^^^^^^^ read as a number

    error: the files have 1 mistake
    ");
    let seed = "channels:\n- https://example.org/2024.10/tiny/staged\ndependencies:\n- python=3.10\n\
                extras:\n  variant_override:\n    qiime2_epoch: 2024.10\n";
    insta::assert_snapshot!(refused("seed-environment-conda.yml", seed), @r"
    error: 2024.10 stands without quotes: other programs read 2024.1
     --> seed-environment-conda.yml:7:19
      |
    7 |     qiime2_epoch: 2024.10
      |                   ^^^^^^^ read as 2024.1
      |
    help: write '2024.10'

    error: the files have 1 mistake
    ");
}

#[test]
fn a_package_listed_for_an_unknown_distribution_is_shown_there() {
    let catalogue = "released_epoch: '2024.5'\nactive_epoch: '2024.10'\nnext_epoch: '2025.4'\n\
                     distros: [tiny, amplicon]\npackages:\n- name: q2-types\n  repo: qiime2/q2-types\n  \
                     distros: [tiny, amplicom]\n- name: q2-types\n  repo: qiime2/q2-types\n  distros: [tiny]\n";
    insta::assert_snapshot!(refused("data.yaml", catalogue), @r"
    error: `q2-types` is listed for `amplicom`, which is not among `distros`
     --> data.yaml:8:19
      |
    8 |   distros: [tiny, amplicom]
      |                   ^^^^^^^^ not among `distros`
      |
    help: the distributions are tiny, amplicon

    error: `q2-types` is listed twice
     --> data.yaml:9:9
      |
    9 | - name: q2-types
      |         ^^^^^^^^ again

    error: the files have 2 mistakes
    ");
}

#[test]
fn each_kind_of_bad_file_is_shown_at_its_place() {
    insta::assert_snapshot!(refused("data.yaml", "run:\n- q2-types\n- q2cli\n- q2-types\n"), @r"
    error: `q2-types` is listed twice under `run`
     --> data.yaml:4:3
      |
    4 | - q2-types
      |   ^^^^^^^^

    error: the files have 1 mistake
    ");
    insta::assert_snapshot!(refused("data.yaml", "ignore: [q2-fondue]\nrun: [q2-types]\n"), @r"
    error: `q2-fondue` is under `ignore`, but not under `run`
     --> data.yaml:1:10
      |
    1 | ignore: [q2-fondue]
      |          ^^^^^^^^^

    error: the files have 1 mistake
    ");
    insta::assert_snapshot!(refused("data.yaml", "run: [Q2-Types]\nversion: 2023.10\n"), @r"
    error: `Q2-Types` is no name of a conda package
     --> data.yaml:1:7
      |
    1 | run: [Q2-Types]
      |       ^^^^^^^^ lower-case letters, digits, `.`, `_` and `-`

    error: 2023.10 stands without quotes: other programs read 2023.1
     --> data.yaml:2:10
      |
    2 | version: 2023.10
      |          ^^^^^^^ read as 2023.1
      |
    help: write '2023.10'

    error: the files have 2 mistakes
    ");
    insta::assert_snapshot!(refused("conda_build_config.yaml", "python:\n- '3.8'\nq2_types: 2023.7.0\n"), @r"
    error: `q2_types` has to be a list of exactly one version or spec
     --> conda_build_config.yaml:3:11
      |
    3 | q2_types: 2023.7.0
      |           ^^^^^^^^

    error: the files have 1 mistake
    ");
    insta::assert_snapshot!(refused("conda_build_config.yaml", "q2-types: [a]\nq2_types: [b]\n"), @r"
    error: `q2_types` is there twice, once with `-` and once with `_`
     --> conda_build_config.yaml:2:1
      |
    2 | q2_types: [b]
      | ^^^^^^^^

    error: the files have 1 mistake
    ");
    let seed = "channels: [conda-forge]\ndependencies:\n- python=3.10\n- q2-types\n";
    insta::assert_snapshot!(refused("seed-environment-conda.yml", seed), @r"
    error: `q2-types` is not a dependency in the form `name=version`
     --> seed-environment-conda.yml:4:3
      |
    4 | - q2-types
      |   ^^^^^^^^

    error: the files have 1 mistake
    ");
    insta::assert_snapshot!(refused("data.yaml", "run:\n- q2-types\nversion: &v 1\n"), @r"
    error: this is not the YAML of these files
     --> data.yaml:3:1
      |
    3 | version: &v 1
      | ^^^^^^^^^^^^^ anchors, aliases and tags have no place in a distribution file

    error: the files have 1 mistake
    ");
    insta::assert_snapshot!(refused("data.yaml", "run: [a\n"), @r"
    error: this is not the YAML of these files
     --> data.yaml:1:1
      |
    1 | run: [a
      | ^^^^^^^ unclosed bracket '[' at char 5 line 1 column 6

    error: the files have 1 mistake
    ");
    let catalogue = "released_epoch: '2024.5'\nactive_epoch: '2024.10'\nnext_epoch: '2025.4'\n\
                     distros: [tiny]\npackages:\n- name: q2-types\n  repo: nowhere\n  distros: [tiny]\n";
    insta::assert_snapshot!(refused("data.yaml", catalogue), @r"
    error: package `q2-types`: `repo` has to be a GitHub repository such as qiime2/q2-types
     --> data.yaml:7:9
      |
    7 |   repo: nowhere
      |         ^^^^^^^

    error: the files have 1 mistake
    ");
}

#[test]
fn a_file_is_formatted_in_place_and_keeps_the_keys_that_nobody_knows() {
    let file = Written::new(
        "data.yaml",
        "version: '2023.08.14.20.23.00'\nrun: [q2cli, q2-types]\nowners: [{name: anna, since: 2023-01-02}]\nignore:\n",
    );
    let shown = file.run(&["check"]);
    insta::assert_snapshot!(shown.out, @"data.yaml: data.yaml of a distribution: 2 packages; version 2023.08.14.20.23.00; not known and kept: owners");
    insta::assert_snapshot!(file.run(&["format"]).out, @r"
    ignore: null
    owners:
    - name: anna
      since: 2023-01-02
    run:
    - q2-types
    - q2cli
    version: 2023.08.14.20.23.00
    ");
    assert!(file.text().contains("[q2cli, q2-types]"), "printing changes nothing");
    insta::assert_snapshot!(file.run(&["format", "--write"]).out, @"data.yaml is written anew");
    let written = file.text();
    insta::assert_snapshot!(file.run(&["format", "--write"]).out, @"data.yaml is so already");
    assert_eq!((file.text(), file.run(&["format"]).out), (written.clone(), written));
    let json = file.run(&["check", "--json"]).json();
    insta::assert_snapshot!(json, @r#"{"valid":true,"files":[{"file":"data.yaml","kind":"data.yaml of a distribution","read":"2 packages; version 2023.08.14.20.23.00","unknown_keys":["owners"]}],"mistakes":[]}"#);
}

#[test]
fn a_number_gets_its_quotes_and_prefixes_are_sorted_as_upstream_sorts_them() {
    let config = Written::new("conda_build_config.yaml", "q2-types: [2024.10.0]\npython: [3.10]\n");
    insta::assert_snapshot!(config.run(&["format"]).out, @r"
    python:
    - '3.10'
    q2_types:
    - 2024.10.0
    ");
    let seed = "dependencies: [unifrac=1.3, unifrac-binaries=1.4]\nchannels: [conda-forge]\n";
    insta::assert_snapshot!(Written::new("seed.yml", seed).run(&["format"]).out, @r"
    channels:
    - conda-forge
    dependencies:
    - unifrac-binaries=1.4
    - unifrac=1.3
    ");
}

#[test]
fn what_would_be_lost_is_not_formatted() {
    let file = Written::new("data.yaml", "# who runs\nrun: [q2-types] # all of them\n");
    let ran = file.run(&["format", "--write"]);
    assert_eq!(ran.code, 2);
    insta::assert_snapshot!(ran.err, @r"
    error: upstream's tools drop comments when they write this file
     --> data.yaml:1:1
      |
    1 | # who runs
      | ^^^^^^^^^^ this would be lost
      |
    help: take the comments out first

    error: the file has 1 mistake
    ");
    assert!(file.text().starts_with("# who runs"));
    let catalogue = run(["distribution", "format", &recorded("distributions/data.yaml")]);
    insta::assert_snapshot!(catalogue.err.replace(&recorded(""), ""), @r"
    error: distributions/data.yaml is written by hand: no tool has a form for it
    hint: `tidegate distribution check` looks at it
    ");
}
