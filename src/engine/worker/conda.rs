//! The test of one conda package: its environment, and its steps one after the other, until one fails.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::judge;
use super::step::{Bench, StepEnd, copy, over_disk, size_of};
use crate::domain::{FailedStep, TestVerdict};
use crate::ecosystem::conda::install::{InstallError, PackageSource, activation};
use crate::ecosystem::conda::package_tests::{PackageTests, TestAction, TestStep, TestsError};
use crate::engine::CondaTest;
use crate::engine::shell::{exec, quoted};
use crate::failure::Failure;

/// The file with the code of a command, in the temporary folder.
const COMMAND: &str = "command.sh";
/// Imports the module that its argument names.
const IMPORT: &str = "import importlib, sys; importlib.import_module(sys.argv[1])";

/// Installs the environment and runs the tests of its member.
pub(super) async fn test(
    test: &CondaTest,
    bench: &mut Bench,
    source: &PackageSource,
) -> Result<TestVerdict, Failure> {
    bench.output.note(&format!(
        "{} on {}, among {} packages",
        test.member,
        test.platform,
        test.records.len()
    ));
    let patience = Duration::from_secs(bench.limits.time);
    let extracted = source.extracted(&test.records, &test.member);
    let package = match within(patience, extracted).await {
        Ok(package) => package.canonicalize().unwrap_or(package),
        Err(error) => return not_installed(error),
    };
    let tests = PackageTests::of_folder(&package).map_err(unknown_tests)?;
    if tests.is_empty() {
        return Ok(TestVerdict::NoTests);
    }
    let activation = match prepare(test, bench, source, patience).await {
        Ok(activation) => activation,
        Err(error) => return not_installed(error),
    };
    bench.start_clock();
    if let Some(verdict) = run_link_scripts(test, bench, &activation).await? {
        return Ok(verdict);
    }
    let mut commands = 0;
    for (number, step) in (1..).zip(&tests.steps) {
        bench.output.note(&format!("step {number} of {}: {}", tests.steps.len(), shown(&step.action)));
        if !matches!(step.action, TestAction::Import(_)) {
            commands += 1;
        }
        let end = run_step(test, bench, &activation, (&package, step)).await?;
        let failed = |exit| match &step.action {
            TestAction::Import(module) => FailedStep::Import(module.clone()),
            action => FailedStep::Command { number: commands, command: shown(action), exit },
        };
        if let Some(verdict) = judge(&end, bench, failed) {
            return Ok(verdict);
        }
    }
    Ok(TestVerdict::Pass)
}

/// Installs the environment, and gives back the code that activates it.
async fn prepare(
    test: &CondaTest,
    bench: &Bench,
    source: &PackageSource,
    patience: Duration,
) -> Result<String, InstallError> {
    let (environment, limit) = (&bench.places.environment, bench.limits.disk);
    let too_large = || InstallError::Machine {
        why: format!("the environment alone takes more than {limit} bytes of disk"),
    };
    tokio::select! {
        installed = within(patience, source.install(&test.records, &test.platform, environment)) => installed,
        () = over_disk(bench.places.clone(), limit) => Err(too_large()),
    }?;
    // A small environment is installed before the first look at it.
    if size_of(environment) > limit {
        return Err(too_large());
    }
    activation(environment, &test.platform)
}

/// Runs one step in the working folder of the package's folder that it belongs to.
async fn run_step(
    test: &CondaTest,
    bench: &mut Bench,
    activation: &str,
    (package, step): (&Path, &TestStep),
) -> Result<StepEnd, Failure> {
    let name = step.folder.replace('/', "-");
    let known = bench.places.work.join(&name).exists();
    let work = bench.work_folder(&name)?;
    if !known {
        let from = package.join(&step.folder);
        // A package whose folder is a link out of it has no files for its tests.
        if from.canonicalize().is_ok_and(|real| real.starts_with(package)) {
            copy(&from, &work)?;
        }
    }
    let command = match &step.action {
        TestAction::Import(module) => exec(&["python", "-s", "-c", IMPORT, module].map(str::to_owned)),
        TestAction::Script { file, interpreter } => {
            let words = interpreter.command().iter().copied().chain([file.as_str()]);
            exec(&words.map(str::to_owned).collect::<Vec<_>>())
        }
        TestAction::Command(text) => {
            let path = bench.places.temporary.join(COMMAND);
            fs::write(&path, text)
                .map_err(|error| Failure::transient(format!("cannot write {}: {error}", path.display())))?;
            format!("exec bash -e \"$TMPDIR\"/{COMMAND}")
        }
    };
    let mut variables = variables(bench, &work);
    let member = &test.member;
    variables.extend(package_variables(&member.name, &member.version, member.build_number));
    variables.insert("PKG_BUILD_STRING".to_owned(), member.build.clone());
    bench.run(&format!("{activation}\n{command}"), &work, &variables).await
}

/// Runs the scripts that packages want to have run after they were linked, as conda does: a verdict
/// where one fails.
async fn run_link_scripts(
    test: &CondaTest,
    bench: &mut Bench,
    activation: &str,
) -> Result<Option<TestVerdict>, Failure> {
    let work = bench.work_folder("link")?;
    for script in test.records.link_scripts(&bench.places.environment) {
        bench.output.note(&format!("post-link script of {}", script.name));
        let mut variables = variables(bench, &work);
        variables.extend(package_variables(&script.name, &script.version, script.build_number));
        let code = format!("{activation}\nexec bash {}", quoted(&script.path.to_string_lossy()));
        let end = bench.run(&code, &work, &variables).await?;
        if let Some(verdict) = judge(&end, bench, |_| FailedStep::Install) {
            return Ok(Some(verdict));
        }
    }
    Ok(None)
}

/// The variables that conda-build's tests know, but those of the package.
fn variables(bench: &Bench, work: &Path) -> BTreeMap<String, String> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let environment = text(&bench.places.environment);
    BTreeMap::from([
        ("CONDA_BUILD_STATE".to_owned(), "TEST".to_owned()),
        ("CONDA_DEFAULT_ENV".to_owned(), environment.clone()),
        ("PREFIX".to_owned(), environment),
        ("SRC_DIR".to_owned(), text(work)),
    ])
}

fn package_variables(name: &str, version: &str, build_number: u64) -> [(String, String); 3] {
    [
        ("PKG_NAME".to_owned(), name.to_owned()),
        ("PKG_VERSION".to_owned(), version.to_owned()),
        ("PKG_BUILDNUM".to_owned(), build_number.to_string()),
    ]
}

/// The result, unless it takes longer than the assignment has.
async fn within<T>(
    patience: Duration,
    work: impl Future<Output = Result<T, InstallError>>,
) -> Result<T, InstallError> {
    tokio::time::timeout(patience, work).await.unwrap_or_else(|_| {
        Err(InstallError::Machine { why: format!("it was not installed within {} s", patience.as_secs()) })
    })
}

/// Packages that cannot be installed have failed; everything else says nothing of them.
fn not_installed(error: InstallError) -> Result<TestVerdict, Failure> {
    match error {
        InstallError::Packages { .. } => {
            Ok(TestVerdict::Fail { step: FailedStep::Install, detail: error.to_string() })
        }
        error if error.is_transient() => Err(Failure::transient(error.to_string())),
        error => Err(Failure::permanent(error.to_string())),
    }
}

/// Tests that cannot be read or run here say nothing of the package.
fn unknown_tests(error: TestsError) -> Failure {
    Failure::permanent(error.to_string())
}

/// A step as a person would write it.
fn shown(action: &TestAction) -> String {
    match action {
        TestAction::Import(module) => format!("import {module}"),
        TestAction::Command(text) => text.clone(),
        TestAction::Script { file, interpreter } => format!("{} {file}", interpreter.command().join(" ")),
    }
}
