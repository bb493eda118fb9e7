//! Which tests a package carries, in every form that is read.

use std::path::Path;

use tidegate::ecosystem::conda::package_tests::{Interpreter, PackageTests, TestAction, TestsError};

use super::made::recheck_channel;

/// The tests of a package that has these files.
fn tests_of(files: &[(&str, &str)]) -> Result<PackageTests, TestsError> {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    PackageTests::of_folder(folder.path())
}

/// What the steps do, one line each.
fn told(tests: &PackageTests) -> Vec<String> {
    let line = |step: &tidegate::ecosystem::conda::package_tests::TestStep| match &step.action {
        TestAction::Import(module) => format!("{}: import {module}", step.folder),
        TestAction::Command(text) => format!("{}: {text}", step.folder),
        TestAction::Script { file, interpreter } => format!("{}: {interpreter:?} {file}", step.folder),
    };
    tests.steps.iter().map(line).collect()
}

#[tokio::test]
async fn an_archive_and_its_extracted_folder_carry_the_same_tests() {
    let mut found = Vec::new();
    for name in ["q2-good-2023.7.0-0", "q2-notest-2023.7.0-0", "q2-unsat-2023.7.0-0"] {
        let archive = recheck_channel().join(format!("{name}.tar.bz2"));
        let extracted = tempfile::tempdir().unwrap();
        rattler_package_streaming::fs::extract(&archive, extracted.path()).unwrap();
        let tests = PackageTests::of_archive(&archive).await.unwrap();
        assert_eq!(tests, PackageTests::of_folder(extracted.path()).unwrap());
        found.push((tests.requires.clone(), told(&tests)));
    }
    let script = || vec!["info/test: Bash run_test.sh".to_owned()];
    assert_eq!(found, [(vec!["helper".to_owned()], script()), (vec![], vec![]), (vec![], script())]);
}

#[tokio::test]
async fn the_newer_archive_format_is_read_as_well() {
    let archives = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/conda/archives");
    let tests = PackageTests::of_archive(&archives.join("empty-0.1.0-h4616a5c_0.conda")).await.unwrap();
    assert!(tests.is_empty());
}

#[test]
fn scripts_run_in_the_order_of_conda_build_and_windows_is_left_out() {
    let tests = tests_of(&[
        ("info/test/run_test.sh", "true"),
        ("info/test/run_test.bat", "true"),
        ("info/test/run_test.py", "import a"),
        ("info/test/run_test.r", "library(a)"),
        ("info/test/test_time_dependencies.json", r#"["pytest", "r-base >=4"]"#),
        ("info/recipe/meta.yaml", "test: {commands: [never]}"),
    ])
    .unwrap();
    let lines = ["info/test: Python run_test.py", "info/test: R run_test.r", "info/test: Bash run_test.sh"];
    assert_eq!(told(&tests), lines);
    assert_eq!(tests.requires, ["pytest", "r-base >=4"]);
    assert_eq!(Interpreter::Bash.command(), ["bash", "-e"]);
}

#[test]
fn the_recipe_counts_where_there_are_no_scripts() {
    let recipe = "package: {name: a}\ntest:\n  requires: [pytest]\n  imports:\n    - a\n    - a.b\n  commands: a --help\n";
    let tests = tests_of(&[("info/recipe/meta.yaml", recipe)]).unwrap();
    assert_eq!(told(&tests), ["info/test: import a", "info/test: import a.b", "info/test: a --help"]);
    assert_eq!(tests.requires, ["pytest"]);
    assert!(tests_of(&[("info/recipe/meta.yaml", "package: {name: a}\ntest: null\n")]).unwrap().is_empty());
    assert!(tests_of(&[]).unwrap().is_empty());
}

#[test]
fn the_list_of_rattler_build_is_read_with_its_requirements() {
    let list = "
- python:
    imports: [a, a.b]
    pip_check: true
- python:
    imports: [c]
    pip_check: false
- script:
    - x=1
    - test $x = 1
  requirements: {run: [curl], build: [make]}
";
    let tests = tests_of(&[("info/tests/tests.yaml", list)]).unwrap();
    insta::assert_snapshot!(told(&tests).join("\n"), @r"
    info/tests/0: import a
    info/tests/0: import a.b
    info/tests/0: pip check
    info/tests/1: import c
    info/tests/2: x=1
    test $x = 1
    ");
    assert_eq!(tests.requires, ["pip", "curl", "make"]);
}

#[test]
fn a_test_that_cannot_be_run_is_named_and_never_left_out() {
    let list = |text: &str| tests_of(&[("info/tests/tests.yaml", text)]).unwrap_err().to_string();
    let recipe = |text: &str| tests_of(&[("info/recipe/meta.yaml", text)]).unwrap_err().to_string();
    let told = [
        list("- package_contents: {files: [a]}\n"),
        list("- script: [true]\n"),
        list("- script: {file: a.sh}\n"),
        list("- script: ['true']\n  interpreter: nu\n"),
        list("- python: {imports: [a], python_version: ['3.9', '3.10']}\n"),
        list("- []\n"),
        list("- {}\n"),
        recipe("test: {imports: [{lang: r}]}\n"),
        recipe("test: {wishes: [a]}\n"),
        tests_of(&[("info/test/run_test.sh", "true"), ("info/test/test_time_dependencies.json", "{}")])
            .unwrap_err()
            .to_string(),
    ];
    insta::assert_snapshot!(told.join("\n"), @r"
    info/tests/tests.yaml: tests of the kind `package_contents` cannot be run here
    info/tests/tests.yaml: `script` has to be a list of texts
    info/tests/tests.yaml: tests of the kind `script.file` cannot be run here
    info/tests/tests.yaml: tests of the kind `interpreter` cannot be run here
    info/tests/tests.yaml: tests of the kind `python.python_version with several versions` cannot be run here
    info/tests/tests.yaml: error: line 1 column 3: expected mapping start
    info/tests/tests.yaml: a test without any key
    info/recipe/meta.yaml: `imports` has to be a list of texts
    info/recipe/meta.yaml: tests of the kind `wishes` cannot be run here
    info/test/test_time_dependencies.json: not a list of match specs: invalid type: map, expected a sequence at line 1 column 0
    ");
}

#[test]
fn a_script_that_is_a_link_or_a_list_that_is_too_large_is_no_test() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("info/test")).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", folder.path().join("info/test/run_test.sh")).unwrap();
    assert!(PackageTests::of_folder(folder.path()).unwrap().is_empty());
    let large = "x".repeat(5 * 1024 * 1024);
    let refused = tests_of(&[("info/tests/tests.yaml", &large)]).unwrap_err();
    assert_eq!(refused.to_string(), "info/tests/tests.yaml: larger than 4194304 bytes");
}
