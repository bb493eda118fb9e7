//! Tests that are declared in YAML: the `test` section of a recipe, and rattler-build's list.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{PackageTests, TEST_FOLDER, TestAction, TestStep, TestsError};

/// The part of a rendered recipe that counts here; everything else in it is somebody else's.
#[derive(Deserialize)]
struct Recipe {
    #[serde(default)]
    test: Option<Map<String, Value>>,
}

/// The tests of a rendered recipe. Its commands run one by one, each in a shell of its own, as QIIME 2's
/// recheck (`action-library-packaging`, `run_tests.py`) runs them.
pub(super) fn recipe(file: &str, content: &[u8]) -> Result<PackageTests, TestsError> {
    let recipe: Recipe = parse(file, content)?;
    let test = recipe.test.unwrap_or_default();
    // Files are only copied beside the scripts, and packages downstream are tested by their builders.
    let known = ["requires", "imports", "commands", "files", "source_files", "downstreams"];
    if let Some(kind) = test.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(unsupported(file, kind));
    }
    let folder = TEST_FOLDER.to_owned();
    let imports = lines(file, "imports", test.get("imports"))?.into_iter().map(TestAction::Import);
    let commands = lines(file, "commands", test.get("commands"))?.into_iter().map(TestAction::Command);
    let steps = imports.chain(commands).map(|action| TestStep { folder: folder.clone(), action }).collect();
    Ok(PackageTests { requires: lines(file, "requires", test.get("requires"))?, steps })
}

/// The tests of rattler-build's list. Each test has the folder with its number.
pub(super) fn tests_yaml(file: &str, content: &[u8]) -> Result<PackageTests, TestsError> {
    let list: Vec<Map<String, Value>> = parse(file, content)?;
    let mut tests = PackageTests::default();
    for (number, entry) in list.iter().enumerate() {
        let folder = format!("info/tests/{number}");
        let test = match (entry.get("python"), entry.get("script")) {
            (Some(python), None) if entry.len() == 1 => python_test(file, &folder, python)?,
            (None, Some(script)) => script_test(file, &folder, script, entry)?,
            _ => {
                let other = entry.keys().find(|key| !["python", "script"].contains(&key.as_str()));
                return Err(match other.or(entry.keys().next()) {
                    Some(kind) => unsupported(file, kind),
                    None => malformed(file, "a test without any key"),
                });
            }
        };
        tests.extend(test);
    }
    Ok(tests)
}

/// `python: {imports, pip_check, python_version}`; `pip check` is run unless it says no.
fn python_test(file: &str, folder: &str, python: &Value) -> Result<PackageTests, TestsError> {
    let Value::Object(python) = python else {
        return Err(malformed(file, "`python` has to be a mapping"));
    };
    if let Some(kind) =
        python.keys().find(|key| !["imports", "pip_check", "python_version"].contains(&key.as_str()))
    {
        return Err(unsupported(file, &format!("python.{kind}")));
    }
    let mut tests = PackageTests::default();
    let imports = lines(file, "imports", python.get("imports"))?;
    let step = |action| TestStep { folder: folder.to_owned(), action };
    tests.steps.extend(imports.into_iter().map(TestAction::Import).map(step));
    match python.get("python_version") {
        None | Some(Value::Null) => {}
        Some(Value::String(version)) => tests.requires.push(format!("python={version}")),
        // Several versions would be several environments.
        Some(_) => return Err(unsupported(file, "python.python_version with several versions")),
    }
    if python.get("pip_check").is_none_or(|wanted| wanted != &Value::Bool(false)) {
        tests.requires.push("pip".to_owned());
        tests.steps.push(step(TestAction::Command("pip check".to_owned())));
    }
    Ok(tests)
}

/// `script: [..]` with `requirements: {run, build}`. Its lines are one script, so that a variable of one
/// reaches the next. One environment serves all tests of a package, so both lists go into it.
fn script_test(
    file: &str,
    folder: &str,
    script: &Value,
    entry: &Map<String, Value>,
) -> Result<PackageTests, TestsError> {
    let known = ["script", "requirements", "files"];
    if let Some(kind) = entry.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(unsupported(file, kind));
    }
    let code = match script {
        Value::Object(fields) => match (fields.get("content"), fields.len()) {
            (Some(content), 1) => lines(file, "script.content", Some(content))?,
            _ => {
                let kind = fields.keys().find(|key| *key != "content");
                return Err(unsupported(file, &format!("script.{}", kind.map_or("", String::as_str))));
            }
        },
        script => lines(file, "script", Some(script))?,
    };
    let mut requires = Vec::new();
    match entry.get("requirements") {
        None | Some(Value::Null) => {}
        Some(Value::Object(requirements)) => {
            for (key, specs) in requirements {
                if !["run", "build"].contains(&key.as_str()) {
                    return Err(unsupported(file, &format!("requirements.{key}")));
                }
                requires.extend(lines(file, key, Some(specs))?);
            }
        }
        Some(_) => return Err(malformed(file, "`requirements` has to be a mapping")),
    }
    if code.is_empty() {
        return Err(malformed(file, "`script` is empty"));
    }
    let action = TestAction::Command(code.join("\n"));
    Ok(PackageTests { requires, steps: vec![TestStep { folder: folder.to_owned(), action }] })
}

/// A text or a list of texts; nothing where the key is missing or empty.
fn lines(file: &str, key: &str, value: Option<&Value>) -> Result<Vec<String>, TestsError> {
    let wrong = || malformed(file, &format!("`{key}` has to be a list of texts"));
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(line)) => Ok(vec![line.clone()]),
        Some(Value::Array(list)) => {
            list.iter().map(|line| line.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
        }
        Some(_) => Err(wrong()),
    }
}

fn parse<'a, T: Deserialize<'a>>(file: &str, content: &'a [u8]) -> Result<T, TestsError> {
    let text = std::str::from_utf8(content).map_err(|error| malformed(file, &error.to_string()))?;
    serde_yaml::from_str(text).map_err(|error| {
        // The lines after the first draw the file, which whoever reads this has not written.
        malformed(file, error.to_string().lines().next().unwrap_or_default())
    })
}

fn malformed(file: &str, why: &str) -> TestsError {
    TestsError::Malformed { file: file.to_owned(), why: why.to_owned() }
}

fn unsupported(file: &str, kind: &str) -> TestsError {
    TestsError::Unsupported { file: file.to_owned(), kind: kind.to_owned() }
}
