//! The suites of a file, or of a folder of suites.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::shed_yml::ShedFile;
use super::{Repository, Required, SuiteProblem, repository_dependencies, text};

const DEPENDENCIES: &str = "repository_dependencies.xml";
const SHED: &str = ".shed.yml";
/// How deep suites may lie below the folder, and how many folders are looked into.
const DEEPEST: usize = 4;
const MOST_FOLDERS: usize = 20_000;

/// A suite as its files describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suite {
    /// What it is called.
    pub repository: Repository,
    /// What it holds, in no particular order.
    pub members: Vec<Required>,
    /// The file that says so.
    pub file: PathBuf,
}

/// The suites at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shelf {
    /// Where they are.
    pub source: PathBuf,
    /// By name and owner.
    suites: BTreeMap<Repository, Suite>,
}

/// True for what a suite is read from: a file that ends with `.xml`, `.yml` or `.yaml`, or a folder that has
/// such a file of a suite itself or directly below.
pub fn is_suite_source(path: &Path) -> bool {
    if path.is_file() {
        let extension = path.extension().and_then(|extension| extension.to_str());
        return matches!(extension, Some("xml" | "yml" | "yaml"));
    }
    let has_files = |folder: &Path| [DEPENDENCIES, SHED].iter().any(|name| folder.join(name).is_file());
    let below = || {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        entries.take(MOST_FOLDERS).any(|entry| has_files(&entry.path()))
    };
    path.is_dir() && (has_files(path) || below())
}

impl Shelf {
    /// The suite of a file, or all those below a folder.
    pub fn read(source: &Path) -> Result<Self, SuiteProblem> {
        let mut shelf = Self { source: source.to_path_buf(), suites: BTreeMap::new() };
        if source.is_file() {
            let suite = suite_of_file(source)?;
            shelf.suites.insert(suite.repository.clone(), suite);
            return Ok(shelf);
        }
        for folder in folders(source)? {
            let Some(suite) = suite_of_folder(&folder)? else { continue };
            if let Some(other) = shelf.suites.get(&suite.repository) {
                let (other, file) = (other.file.display(), suite.file.clone());
                let why = format!("the suite {} is described in {other} as well", suite.repository);
                return Err(SuiteProblem::Malformed { path: file, why });
            }
            shelf.suites.insert(suite.repository.clone(), suite);
        }
        Ok(shelf)
    }

    /// The suite that is meant: `suite_samtools` or `iuc/suite_samtools`. It need not be named where there is
    /// only one.
    pub fn suite(&self, asked: Option<&str>) -> Result<&Suite, SuiteProblem> {
        let named: Vec<&Suite> = self
            .suites
            .values()
            .filter(|suite| asked.is_none_or(|asked| is_called(&suite.repository, asked)))
            .collect();
        let path = self.source.clone();
        let names = |of: &[&Suite]| of.iter().map(|suite| suite.repository.to_string()).collect();
        match (named.as_slice(), asked) {
            ([only], _) => Ok(only),
            ([], Some(asked)) => {
                let all: Vec<&Suite> = self.suites.values().collect();
                Err(SuiteProblem::NoSuch { path, asked: asked.to_owned(), names: names(&all) })
            }
            ([], None) => {
                let why = "no repository below it is a suite".to_owned();
                Err(SuiteProblem::NoSuite { path, why })
            }
            (several, asked) => {
                let asked = asked.map(str::to_owned);
                Err(SuiteProblem::Several { path, asked, names: names(several) })
            }
        }
    }

    /// All suites, by name.
    pub fn suites(&self) -> impl Iterator<Item = &Suite> {
        self.suites.values()
    }

    /// The suite that a member is, where its file is at hand. A suite whose file does not say who owns it is
    /// meant by its name.
    pub fn within(&self, member: &Repository) -> Option<&Suite> {
        let meant = |suite: &&Suite| {
            let own = &suite.repository;
            own.name == member.name && (own.owner.is_none() || own.owner == member.owner)
        };
        self.suites.values().rfind(meant)
    }
}

fn is_called(repository: &Repository, asked: &str) -> bool {
    match asked.rsplit_once('/') {
        Some((owner, name)) => repository.name == name && repository.owner.as_deref() == Some(owner),
        None => repository.name == asked,
    }
}

/// The folder itself and those below it, by name. Links and hidden folders are not followed.
fn folders(source: &Path) -> Result<Vec<PathBuf>, SuiteProblem> {
    let mut all = Vec::new();
    let mut open = vec![(source.to_path_buf(), 0)];
    while let Some((folder, depth)) = open.pop() {
        let unreadable = |why: String| SuiteProblem::Unreadable { path: folder.clone(), why };
        if all.len() + open.len() > MOST_FOLDERS {
            return Err(unreadable(format!("there are more than {MOST_FOLDERS} folders")));
        }
        let entries = std::fs::read_dir(&folder).map_err(|error| unreadable(error.to_string()))?;
        for entry in entries.take_while(|_| depth < DEEPEST) {
            let entry = entry.map_err(|error| unreadable(error.to_string()))?;
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder && !entry.file_name().as_encoded_bytes().starts_with(b".") {
                open.push((entry.path(), depth + 1));
            }
        }
        all.push(folder);
    }
    all.sort();
    Ok(all)
}

/// The suite of a folder; none where its repository is none. What is no suite is not read any further: it may
/// be malformed in ways that are no concern here.
fn suite_of_folder(folder: &Path) -> Result<Option<Suite>, SuiteProblem> {
    let (shed, dependencies) = (folder.join(SHED), folder.join(DEPENDENCIES));
    if !shed.is_file() {
        return dependencies.is_file().then(|| suite_of_dependencies(&dependencies)).transpose();
    }
    let file = read_shed(&shed)?;
    if file.has_suite() {
        return suite_of_shed(&shed, &file).map(Some);
    }
    match file.is_suite(&name_of(folder)) && dependencies.is_file() {
        true => suite_of_dependencies(&dependencies).map(Some),
        false => Ok(None),
    }
}

fn suite_of_file(path: &Path) -> Result<Suite, SuiteProblem> {
    if path.extension().is_some_and(|extension| extension == "xml") {
        return suite_of_dependencies(path);
    }
    let file = read_shed(path)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let dependencies = folder.join(DEPENDENCIES);
    match (file.has_suite(), file.is_suite(&name_of(folder)) && dependencies.is_file()) {
        (true, _) => suite_of_shed(path, &file),
        (false, true) => suite_of_dependencies(&dependencies),
        (false, false) => Err(SuiteProblem::NoSuite {
            path: path.to_path_buf(),
            why: format!(
                "it describes no suite: it has no `suite`, and there is no {DEPENDENCIES} of one beside it"
            ),
        }),
    }
}

/// The suite of a `repository_dependencies.xml`. The file has no name of its own: `.shed.yml` beside it, or the
/// folder, has. A tool that needs other repositories has such a file as well, and is no suite for that.
fn suite_of_dependencies(path: &Path) -> Result<Suite, SuiteProblem> {
    let malformed = |why: String| SuiteProblem::Malformed { path: path.to_path_buf(), why };
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let shed = folder.join(SHED);
    let file = shed.is_file().then(|| read_shed(&shed)).transpose()?;
    let by_folder = name_of(folder);
    if file.as_ref().is_some_and(|file| !file.is_suite(&by_folder)) {
        let why = format!("it lists what a repository needs that is no suite, as {} says", shed.display());
        return Err(SuiteProblem::NoSuite { path: path.to_path_buf(), why });
    }
    let name = file.as_ref().and_then(|file| file.name.clone()).unwrap_or(by_folder);
    let owner = file.as_ref().and_then(|file| file.owner.as_deref());
    let members = repository_dependencies::read(&text::of_file(path)?).map_err(malformed)?;
    if members.is_empty() {
        return Err(SuiteProblem::NoSuite { path: path.to_path_buf(), why: "it holds nothing".to_owned() });
    }
    let repository = Repository::new(&name, owner, None).map_err(malformed)?;
    Ok(Suite { repository, members, file: path.to_path_buf() })
}

fn suite_of_shed(path: &Path, file: &ShedFile) -> Result<Suite, SuiteProblem> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (repository, members) = file.described(path, folder)?;
    if members.is_empty() {
        return Err(SuiteProblem::NoSuite {
            path: path.to_path_buf(),
            why: "its suite holds nothing".to_owned(),
        });
    }
    Ok(Suite { repository, members, file: path.to_path_buf() })
}

fn read_shed(path: &Path) -> Result<ShedFile, SuiteProblem> {
    ShedFile::read(&text::of_file(path)?)
        .map_err(|why| SuiteProblem::Malformed { path: path.to_path_buf(), why })
}

/// The name of a folder, also of one that is written as `.`.
fn name_of(folder: &Path) -> String {
    let real = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    real.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
