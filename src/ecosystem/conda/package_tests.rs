//! The tests that a package carries: what they need, and the steps that run them. Three forms are
//! read: the scripts that conda-build writes to `info/test`, the `test` section of the rendered recipe,
//! and `info/tests/tests.yaml` of rattler-build.
//!
//! A package without tests has no steps, which is a verdict of its own and never a pass. A form of test
//! that cannot be run here is an error that names it, since leaving it out would turn it into a pass.

mod declared;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use rattler_package_streaming::archive::{PackageArchive, Section};

/// The most bytes of one file that says what the tests are.
const LARGEST_FILE: u64 = 4 * 1024 * 1024;
/// The most bytes of everything below `info/`, decompressed.
const LARGEST_INFO: u64 = 1024 * 1024 * 1024;
/// The most steps, and the most requirements, of one package.
const MOST_LINES: usize = 2_000;
/// The most bytes of one module, command or requirement.
const LONGEST_LINE: usize = 64 * 1024;

/// The folder of the tests that conda-build writes.
const TEST_FOLDER: &str = "info/test";
/// What conda-build's tests need besides the package: a list of match specs.
const REQUIRES: &str = "info/test/test_time_dependencies.json";
/// The list of tests that rattler-build writes.
const TESTS_YAML: &str = "info/tests/tests.yaml";
/// The recipe as conda-build rendered it.
const RECIPE: &str = "info/recipe/meta.yaml";

/// conda-build's scripts in the order in which it runs them (`conda_build/build.py`,
/// `write_test_scripts`). `run_test.bat` is for Windows alone.
const SCRIPTS: [(&str, Interpreter); 5] = [
    ("run_test.py", Interpreter::Python),
    ("run_test.pl", Interpreter::Perl),
    ("run_test.lua", Interpreter::Lua),
    ("run_test.r", Interpreter::R),
    ("run_test.sh", Interpreter::Bash),
];

/// The tests of one package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackageTests {
    /// Match specs of what has to be installed beside the package, as written.
    pub requires: Vec<String>,
    /// What is run, in this order; the first that fails ends the test.
    pub steps: Vec<TestStep>,
}

/// One step of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestStep {
    /// The folder of the package whose files lie in the working folder; it need not be there.
    pub folder: String,
    /// What is done.
    pub action: TestAction,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TestAction {
    /// Imports a Python module.
    Import(String),
    /// Runs shell code; the first command in it that fails ends it.
    Command(String),
    /// Runs a file of the step's folder.
    Script {
        /// Its name in the folder.
        file: String,
        /// What runs it.
        interpreter: Interpreter,
    },
}

/// What runs a test script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpreter {
    /// `bash -e`.
    Bash,
    /// `python -s`: without the user's own modules.
    Python,
    /// `perl`.
    Perl,
    /// `Rscript`.
    R,
    /// `lua`.
    Lua,
}

/// Why the tests of a package are not known. None of these says that there are none.
#[derive(Debug, thiserror::Error)]
pub enum TestsError {
    /// The archive or the folder cannot be read.
    #[error("cannot read {path}: {why}")]
    Unreadable {
        /// The archive or the file.
        path: PathBuf,
        /// What happened.
        why: String,
    },
    /// A file is not what its name promises, or larger than it may be.
    #[error("{file}: {why}")]
    Malformed {
        /// The file within the package.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// A form of test that tidegate does not run.
    #[error("{file}: tests of the kind `{kind}` cannot be run here")]
    Unsupported {
        /// The file within the package.
        file: String,
        /// The kind as written.
        kind: String,
    },
}

impl PackageTests {
    /// True where the package carries no test at all.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The tests of a package file, `.conda` or `.tar.bz2`.
    pub async fn of_archive(archive: &Path) -> Result<Self, TestsError> {
        let unreadable = |error: rattler_package_streaming::ExtractError| TestsError::Unreadable {
            path: archive.to_path_buf(),
            why: error.to_string(),
        };
        let opened = PackageArchive::from_path(archive).await.map_err(unreadable)?;
        let mut entries = opened.stream(Section::Info).await.map_err(unreadable)?;
        let mut files = InfoFiles::new();
        let mut read = 0;
        while let Some(mut entry) = entries.next_entry().await.map_err(unreadable)? {
            let size = entry.size().map_err(unreadable)?;
            read += size;
            let name = entry.path().to_string_lossy().into_owned();
            if read > LARGEST_INFO {
                return Err(too_large(&name, LARGEST_INFO));
            }
            if !counts(&name) || entry.kind() != rattler_package_streaming::archive::ArchiveEntryKind::File {
                continue;
            }
            if size > LARGEST_FILE {
                return Err(too_large(&name, LARGEST_FILE));
            }
            files.insert(name, entry.read().await.map_err(unreadable)?);
        }
        Self::of(&files)
    }

    /// The tests of a package that is extracted to `folder`. Links are not followed.
    pub fn of_folder(folder: &Path) -> Result<Self, TestsError> {
        let scripts = SCRIPTS.iter().map(|(name, _)| format!("{TEST_FOLDER}/{name}"));
        let others = [REQUIRES, TESTS_YAML, RECIPE].into_iter().map(str::to_owned);
        let mut files = InfoFiles::new();
        for name in scripts.chain(others) {
            if let Some(content) = small_file(&folder.join(&name), &name)? {
                files.insert(name, content);
            }
        }
        Self::of(&files)
    }

    fn of(files: &InfoFiles) -> Result<Self, TestsError> {
        let mut tests = scripts(files)?;
        if let Some(content) = files.get(TESTS_YAML) {
            tests.extend(declared::tests_yaml(TESTS_YAML, content)?);
        }
        // Scripts and list are made from the recipe, so it only counts where neither is there.
        if tests.is_empty()
            && let Some(content) = files.get(RECIPE)
        {
            tests = declared::recipe(RECIPE, content)?;
        }
        tests.within_limits()
    }

    fn extend(&mut self, more: Self) {
        self.requires.extend(more.requires);
        self.steps.extend(more.steps);
    }

    fn within_limits(self) -> Result<Self, TestsError> {
        let texts = self.steps.iter().map(|step| match &step.action {
            TestAction::Import(text) | TestAction::Command(text) => text,
            TestAction::Script { file, .. } => file,
        });
        let longest = texts.chain(&self.requires).map(String::len).max().unwrap_or(0);
        if self.steps.len() > MOST_LINES || self.requires.len() > MOST_LINES || longest > LONGEST_LINE {
            let why = format!(
                "more than {MOST_LINES} steps or requirements, or one of more than {LONGEST_LINE} bytes"
            );
            return Err(TestsError::Malformed { file: "the tests".into(), why });
        }
        Ok(self)
    }
}

/// The files that say what the tests are, by their path in the package.
type InfoFiles = BTreeMap<String, Vec<u8>>;

/// True for a file that says what the tests are.
fn counts(name: &str) -> bool {
    let script = name.strip_prefix(TEST_FOLDER).and_then(|rest| rest.strip_prefix('/'));
    [REQUIRES, TESTS_YAML, RECIPE].contains(&name)
        || script.is_some_and(|script| SCRIPTS.iter().any(|(name, _)| *name == script))
}

/// What conda-build wrote: its scripts, and what they need.
fn scripts(files: &InfoFiles) -> Result<PackageTests, TestsError> {
    let present =
        SCRIPTS.into_iter().filter(|(name, _)| files.contains_key(&format!("{TEST_FOLDER}/{name}")));
    let steps: Vec<TestStep> = present
        .map(|(file, interpreter)| TestStep {
            folder: TEST_FOLDER.to_owned(),
            action: TestAction::Script { file: file.to_owned(), interpreter },
        })
        .collect();
    let requires = match files.get(REQUIRES) {
        Some(content) if !steps.is_empty() => serde_json::from_slice(content).map_err(|error| {
            let why = format!("not a list of match specs: {error}");
            TestsError::Malformed { file: REQUIRES.to_owned(), why }
        })?,
        _ => Vec::new(),
    };
    Ok(PackageTests { requires, steps })
}

/// A regular file of bounded size; none where there is no such file.
fn small_file(path: &Path, name: &str) -> Result<Option<Vec<u8>>, TestsError> {
    let unreadable =
        |error: std::io::Error| TestsError::Unreadable { path: path.to_path_buf(), why: error.to_string() };
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => return Ok(None),
        Ok(found) if found.len() > LARGEST_FILE => return Err(too_large(name, LARGEST_FILE)),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    }
    let mut content = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(LARGEST_FILE).read_to_end(&mut content).map_err(unreadable)?;
    Ok(Some(content))
}

fn too_large(file: &str, limit: u64) -> TestsError {
    TestsError::Malformed { file: file.to_owned(), why: format!("larger than {limit} bytes") }
}

impl Interpreter {
    /// The program and its arguments, before the name of the file.
    pub fn command(self) -> &'static [&'static str] {
        match self {
            Self::Bash => &["bash", "-e"],
            Self::Python => &["python", "-s"],
            Self::Perl => &["perl"],
            Self::R => &["Rscript"],
            Self::Lua => &["lua"],
        }
    }
}
