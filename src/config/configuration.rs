//! The whole configuration: all files parsed, checked alone and against each other, and resolved; or
//! every mistake in every file.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::conda::{CondaDistribution, CondaDistributionFile};
use super::cross;
use super::diagnostic::Diagnostic;
use super::distribution::{Distribution, DistributionFile, Ecosystem, Exception, ExceptionsFile};
use super::document::{Document, Role, SourceFile};
use super::files;
use super::job::{Job, JobFile};
use super::jobs::{JobKind, Kind, kind_names, kind_of};
use super::nearest::{listed, nearest};
use super::schema::schema;
use super::settings::Settings;
use super::targets::Publish;

/// Everything that operators wrote, sound as a whole.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// `tidegate.toml`, its paths joined to the folder it lies in.
    pub settings: Settings,
    /// The distributions of R packages by name.
    pub distributions: BTreeMap<String, Distribution>,
    /// The conda distributions by name; no name is in both.
    pub conda: BTreeMap<String, CondaDistribution>,
    /// The jobs by name, those that are switched off too.
    pub jobs: BTreeMap<String, Job>,
}

impl Configuration {
    /// Reads the folder `dir`, which holds `tidegate.toml`, and the folder of jobs that it names. Either
    /// everything is sound, or every mistake that was found is returned, ordered by file and place.
    pub fn load(dir: &Path) -> Result<Self, Vec<Diagnostic>> {
        let (files, unreadable) = files::read(dir);
        Self::assemble(&files, unreadable)
    }

    /// Where the exceptions of `distribution` are written, whether the file is there or not.
    pub fn exceptions_file(dir: &Path, distribution: &str) -> PathBuf {
        joined(dir, Path::new(&format!("distributions/{distribution}.exceptions.toml")))
    }

    /// Like [`Configuration::load`], with `text` in the place of the file `path`, which need not be
    /// there: whether a change would be sound.
    pub fn load_with(dir: &Path, path: &Path, text: &str) -> Result<Self, Vec<Diagnostic>> {
        let (mut files, unreadable) = files::read(dir);
        files.retain(|file| file.path != path);
        let role = files::role_of(path).map_err(|mistake| vec![*mistake])?;
        files.push(SourceFile { role, path: path.to_owned(), text: text.to_owned() });
        Self::assemble(&files, unreadable)
    }

    /// Like [`Configuration::load`], from texts with their paths. A file named `tidegate.toml` holds the
    /// settings, files in a folder `distributions` are distributions or their exceptions, all others jobs.
    pub fn from_texts(files: Vec<(PathBuf, String)>) -> Result<Self, Vec<Diagnostic>> {
        let mut mistakes = Vec::new();
        let mut sources = Vec::new();
        for (path, text) in files {
            match files::role_of(&path) {
                Ok(role) => sources.push(SourceFile { role, path, text }),
                Err(mistake) => mistakes.push(*mistake),
            }
        }
        Self::assemble(&sources, mistakes)
    }

    /// The same, with nothing that would be sent to targets beyond the published folder: what is only played
    /// must not reach them.
    pub fn without_targets(mut self) -> Self {
        if let Some(publish) = self.settings.publish.take() {
            self.settings.publish = Some(Publish::to_folder(publish.directory));
        }
        self.jobs.retain(|_, job| !matches!(job.kind, JobKind::Publish(_)));
        for job in self.jobs.values_mut() {
            if let JobKind::Snapshot(snapshot) = &mut job.kind {
                snapshot.targets.clear();
            }
        }
        self
    }

    fn assemble(files: &[SourceFile], mut mistakes: Vec<Diagnostic>) -> Result<Self, Vec<Diagnostic>> {
        let mut documents: Vec<Document<'_>> = files.iter().map(Document::parse).collect();
        documents.sort_by(|a, b| a.role.cmp(&b.role));
        let ecosystems = ecosystems(&documents);
        documents.iter_mut().for_each(|document| inspect(document, &ecosystems));
        cross::check(&mut documents);
        let resolved = resolve(&mut documents, &ecosystems);
        mistakes.extend(documents.into_iter().flat_map(Document::into_diagnostics));
        mistakes.sort_by_key(|mistake| {
            let start = mistake.span.as_ref().map(|span| span.start);
            (mistake.file.clone(), start, mistake.message.clone())
        });
        match resolved {
            Some(configuration) if mistakes.is_empty() => Ok(configuration),
            // Without a file of settings there is nothing to resolve and no document to blame.
            _ if mistakes.is_empty() => Err(vec![files::no_settings(Path::new("tidegate.toml"))]),
            _ => Err(mistakes),
        }
    }
}

/// The ecosystems of the distributions, by name: the same kind of job has other settings in another one.
fn ecosystems(documents: &[Document<'_>]) -> BTreeMap<String, Ecosystem> {
    let of = |document: &Document<'_>| match &document.role {
        Role::Distribution(name) => Some((name.clone(), Ecosystem::of(document))),
        _ => None,
    };
    documents.iter().filter_map(of).collect()
}

/// Holds a document against the schema of its role.
fn inspect(document: &mut Document<'_>, ecosystems: &BTreeMap<String, Ecosystem>) {
    let name = match &document.role {
        Role::Settings => "tidegate",
        Role::Distribution(_) => match Ecosystem::of(document) {
            Ecosystem::RUniverse => "distribution",
            Ecosystem::Conda => "conda-distribution",
        },
        Role::Exceptions(_) => "exceptions",
        Role::Job(_) => match job_kind(document, ecosystems) {
            Some(kind) => kind.schema_name,
            None => return,
        },
    };
    let mut schema = schema(name).expect("every role has a schema");
    if let (Role::Job(_), Some(kind)) = (&document.role, schema.pointer_mut("/properties/kind/const")) {
        // The kind may be a guess: a misspelt one is shown all the kinds, not only the guessed one.
        *kind = Value::Null;
        schema["properties"]["kind"]["enum"] = kind_names().collect();
    }
    if let (Role::Distribution(_), Some(ecosystem)) =
        (&document.role, schema.pointer_mut("/properties/ecosystem/const"))
    {
        // As with kinds: a misspelt ecosystem is shown all of them.
        *ecosystem = Value::Null;
        schema["properties"]["ecosystem"]["enum"] = Ecosystem::WORDS.into_iter().collect();
    }
    document.inspect(&schema);
}

/// The kind of a job's document. One that is missing or misspelt is guessed where that is possible, so that
/// the rest of the file can be checked against its schema (and the kind is reported there); otherwise it
/// is reported here.
fn job_kind(document: &mut Document<'_>, ecosystems: &BTreeMap<String, Ecosystem>) -> Option<&'static Kind> {
    if !document.parsed {
        return None;
    }
    // A distribution that is misspelt is reported elsewhere; meanwhile the nearest one is meant.
    let distribution = document.text_at("distribution");
    let meant = distribution.and_then(|name| nearest(name, ecosystems.keys().map(String::as_str)));
    let ecosystem = meant.and_then(|name| ecosystems.get(name)).copied();
    let find = |name: &str| kind_of(name, ecosystem);
    let hint = format!("the kinds are {}", listed(kind_names()));
    let by_table = document.keys().find_map(find);
    let Some(written) = document.text_at("kind").map(str::to_owned) else {
        if by_table.is_none() {
            document.report("kind", "the key `kind` is missing", "missing here", &hint);
        }
        return by_table;
    };
    if let Some(kind) = find(&written) {
        return Some(kind);
    }
    let meant = nearest(&written, kind_names());
    if meant.and_then(find).or(by_table).is_none() {
        document.report("kind", format!("unknown value `{written}` for `kind`"), "not a kind of job", &hint);
    }
    meant.and_then(find).or(by_table)
}

/// Makes the typed configuration from documents of which nothing bad is known. Documents with findings
/// are left out: the configuration as a whole is refused anyway.
fn resolve(
    documents: &mut [Document<'_>],
    ecosystems: &BTreeMap<String, Ecosystem>,
) -> Option<Configuration> {
    let mut settings = None;
    let mut distributions = BTreeMap::new();
    let mut conda = BTreeMap::new();
    let mut exceptions: BTreeMap<String, Vec<Exception>> = BTreeMap::new();
    let mut jobs = BTreeMap::new();
    // The documents are ordered by role, so that a job comes after its distribution.
    for document in documents.iter_mut().filter(|document| document.is_sound()) {
        match document.role.clone() {
            Role::Settings => {
                settings = document.typed::<Settings>(&[]).map(|s| rooted(s, document.folder()))
            }
            Role::Distribution(name) => match Ecosystem::of(document) {
                Ecosystem::RUniverse => {
                    let file = document.typed::<DistributionFile>(&[]);
                    let whole = file.and_then(|file| file.resolve(&name));
                    distributions.extend(whole.map(|whole| (name, whole)));
                }
                Ecosystem::Conda => {
                    let file = document.typed::<CondaDistributionFile>(&[]);
                    conda.extend(file.map(|file| (name.clone(), file.resolve(&name))));
                }
            },
            Role::Exceptions(name) => {
                let file = document.typed::<ExceptionsFile>(&[]);
                exceptions.extend(file.map(|file| (name, file.exception)));
            }
            Role::Job(name) => {
                let kind = job_kind(document, ecosystems);
                let job = kind.and_then(|kind| job(document, (&name, kind), &distributions, &conda));
                jobs.extend(job.map(|job| (name, job)));
            }
        }
    }
    for (name, list) in exceptions {
        if let Some(distribution) = distributions.get_mut(&name) {
            distribution.exceptions = list;
        }
    }
    Some(Configuration { settings: settings?, distributions, conda, jobs })
}

fn job(
    document: &mut Document<'_>,
    (name, kind): (&str, &Kind),
    distributions: &BTreeMap<String, Distribution>,
    conda: &BTreeMap<String, CondaDistribution>,
) -> Option<Job> {
    let distribution = document.text_at("distribution")?;
    let calendar = match kind.ecosystem {
        Ecosystem::RUniverse => Some(&distributions.get(distribution)?.calendar),
        // conda distributions have no calendar: their jobs are due by cron expressions.
        Ecosystem::Conda => conda.get(distribution).map(|_| None)?,
    };
    let settings = (kind.typed)(document)?;
    let file = document.typed::<JobFile>(&["kind", kind.name])?;
    match file.resolve(name, settings, calendar) {
        Ok(job) => job,
        Err(error) => {
            document.report("schedule", error.to_string(), "", "");
            None
        }
    }
}

/// The settings with their relative paths joined to the folder of their file.
fn rooted(mut settings: Settings, folder: &Path) -> Settings {
    settings.state = joined(folder, &settings.state);
    settings.jobs = joined(folder, &settings.jobs);
    if let Some(publish) = &mut settings.publish {
        publish.directory = joined(folder, &publish.directory);
    }
    if let Some(slurm) = &mut settings.engine.slurm {
        slurm.folder = joined(folder, &slurm.folder);
    }
    for served in settings.engine.github_actions.iter_mut().flat_map(|actions| &mut actions.served) {
        served.folder = joined(folder, &served.folder);
    }
    let github = &mut settings.github;
    let secrets = github.token.iter_mut().chain(github.app.iter_mut().map(|app| &mut app.private_key));
    let secrets = secrets.chain(settings.publish.iter_mut().flat_map(|publish| publish.secrets_mut()));
    for file in secrets.filter_map(|secret| secret.file.as_mut()) {
        *file = joined(folder, file);
    }
    settings
}

/// `path` seen from `folder`, with every `..` taken out by its name: `config` and `../jobs` make `jobs`,
/// which is what an operator sees, also where `config` is a symbolic link.
pub(super) fn joined(folder: &Path, path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in folder.join(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(clean.components().next_back(), Some(Component::Normal(_))) => {
                clean.pop();
            }
            part => clean.push(part),
        }
    }
    clean
}
