//! What is wrong in QIIME 2's files, with the place of each mistake: in one file by itself, and in several that
//! belong together.
//!
//! What a file means is the readers' to say; here their refusals get a place, and what they let pass, since they
//! read it as it was meant, is named where other programs would read it otherwise.

use std::ops::Range;

use super::build_config::{BuildConfig, BuildConfigError};
use super::catalogue::{Catalogue, CatalogueError, CatalogueFault};
use super::distribution_data::{DistributionData, DistributionDataError};
use super::kind::FileKind;
use super::places::Places;
use super::seed_environment::{SeedEnvironment, SeedEnvironmentError};
use super::yaml::{Node, Quoting, Scalar, YamlError, read_by_others};

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The bytes of the file that are wrong.
    pub span: Range<usize>,
    /// What is wrong, in one line.
    pub message: String,
    /// What to say at the place; may be empty.
    pub label: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What a file holds, as its reader has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// `data.yaml` of a distribution.
    Data(Box<DistributionData>),
    /// An environment.
    Environment(Box<SeedEnvironment>),
    /// `data.yaml` of all distributions.
    Catalogue(Box<Catalogue>),
    /// `conda_build_config.yaml`.
    BuildConfig(Box<BuildConfig>),
}

/// Why a file is not written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwritten {
    /// A value has no form in such a file.
    #[error(transparent)]
    Data(#[from] DistributionDataError),
    /// A value has no form in such a file.
    #[error(transparent)]
    Environment(#[from] SeedEnvironmentError),
    /// A value has no form in such a file.
    #[error(transparent)]
    BuildConfig(#[from] BuildConfigError),
    /// It cannot be read.
    #[error("it cannot be read")]
    Unread,
    /// People write it.
    #[error("it is written by hand: no tool has a form for it")]
    ByHand,
}

/// A file that was looked at.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// What kind of file it is; none where it is no YAML of the right shape.
    pub kind: Option<FileKind>,
    /// What it holds; none where it cannot be read.
    pub content: Option<Content>,
    /// What is wrong with it, in the order of the file.
    pub remarks: Vec<Remark>,
    node: Node,
    places: Places,
}

impl Remark {
    fn new(span: Range<usize>, message: impl Into<String>, label: impl Into<String>) -> Self {
        Self { span, message: message.into(), label: label.into(), hint: None }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl Inspection {
    /// Looks at one file.
    pub fn of(text: &str) -> Self {
        let nothing = |remark| Self {
            kind: None,
            content: None,
            remarks: vec![remark],
            node: Node::List(Vec::new()),
            places: Places::default(),
        };
        let (node, places) = match Node::read_with_places(text) {
            Ok(read) => read,
            Err(error) => return nothing(unreadable(text, &error)),
        };
        let kind = FileKind::of(&node);
        let look = Look { text, node: &node, places: &places };
        let (content, mut remarks) = match kind {
            FileKind::Data => look.data(),
            FileKind::Environment => look.environment(),
            FileKind::Catalogue => look.catalogue(),
            FileKind::BuildConfig => look.build_config(),
        };
        remarks.sort_by_key(|remark| (remark.span.start, remark.span.end));
        Self { kind: Some(kind), content, remarks, node, places }
    }

    /// The keys of a `data.yaml` of a distribution or an environment that are not known here. They are kept as they
    /// are.
    pub fn unknown_keys(&self) -> Vec<&str> {
        let known: &[&str] = match self.kind {
            Some(FileKind::Data) => &["run", "ignore", "version", "meta"],
            Some(FileKind::Environment) => &["name", "channels", "dependencies", "extras"],
            Some(FileKind::Catalogue) => {
                &["released_epoch", "active_epoch", "next_epoch", "distros", "packages"]
            }
            Some(FileKind::BuildConfig) | None => return Vec::new(),
        };
        let keys = self.node.as_map().into_iter().flat_map(|map| map.keys());
        keys.map(String::as_str).filter(|key| !known.contains(key)).collect()
    }

    /// The file as upstream's tools write it. One that is in their form already keeps every byte, also where they
    /// wrote a number without quotes.
    pub fn written(&self, text: &str) -> Result<String, Unwritten> {
        match &self.content {
            Some(_) if self.node.dump().is_ok_and(|dumped| dumped == text) => Ok(text.to_owned()),
            Some(content) => content.written(),
            None => Err(Unwritten::Unread),
        }
    }

    /// The comments of the file. Upstream's tools drop them when they write it.
    pub fn comments(&self) -> &[Range<usize>] {
        self.places.comments()
    }

    /// The members that the file of a distribution declares and another file, named `other`, gives no version.
    /// A name that only begins like the member's is another package.
    pub fn members_without_a_version(&self, config: &BuildConfig, other: &str) -> Vec<Remark> {
        let Some(Content::Data(data)) = &self.content else { return Vec::new() };
        let remark = |member: &str| {
            let entry = entry_of(&self.node, "run", |text| text == member);
            let message = format!("{other} gives the member `{member}` no version");
            let remark = Remark::new(self.places.value(&entry), message, "a member");
            let begins = format!("{}_", member.replace('-', "_"));
            match config.values().find(|(key, _)| key.starts_with(&begins)) {
                Some((key, _)) => remark.hint(format!("it has `{key}`, which is another package")),
                None => remark,
            }
        };
        data.members().filter(|member| config.value(member).is_none()).map(remark).collect()
    }

    /// The packages that a catalogue, named `other`, lists for the distribution whose environment this is, and that
    /// the environment does not have.
    pub fn members_not_installed(&self, catalogue: &Catalogue, other: &str) -> Vec<Remark> {
        let Some(Content::Environment(environment)) = &self.content else { return Vec::new() };
        let own = environment.channels.first().map(String::as_str).unwrap_or_default();
        let parts: Vec<&str> = own.split('/').collect();
        let Some(distribution) = catalogue.distributions.iter().find(|name| parts.contains(&name.as_str()))
        else {
            return Vec::new();
        };
        let missing =
            catalogue.members(distribution).filter(|name| !environment.dependencies.contains_key(*name));
        let remark = |name: &str| {
            let message = format!("{other} lists `{name}` for {distribution}, and this environment has none");
            Remark::new(self.places.key("dependencies"), message, "not among these")
        };
        missing.map(remark).collect()
    }
}

/// A file that is YAML.
struct Look<'f> {
    text: &'f str,
    node: &'f Node,
    places: &'f Places,
}

impl Look<'_> {
    fn data(&self) -> (Option<Content>, Vec<Remark>) {
        let mut remarks: Vec<Remark> = self.unquoted("version").into_iter().collect();
        match DistributionData::read(self.text) {
            Ok(data) => {
                for name in &data.run {
                    remarks.extend(self.no_name("run", name));
                }
                (Some(Content::Data(Box::new(data))), remarks)
            }
            Err(error) => {
                let place = match &error {
                    DistributionDataError::NotRunning(name) => {
                        entry_of(self.node, "ignore", |text| text == name)
                    }
                    DistributionDataError::Twice { key, name } => {
                        second_of(self.node, key, |text| text == name)
                    }
                    DistributionDataError::Shape { key, .. } | DistributionDataError::Missing(key) => {
                        (*key).to_owned()
                    }
                    DistributionDataError::Yaml(_) | DistributionDataError::NotAMap => String::new(),
                };
                remarks.push(Remark::new(self.places.value(&place), error.to_string(), ""));
                (None, remarks)
            }
        }
    }

    fn build_config(&self) -> (Option<Content>, Vec<Remark>) {
        let keys: Vec<String> = self.node.as_map().into_iter().flat_map(|map| map.keys().cloned()).collect();
        let mut remarks: Vec<Remark> =
            keys.iter().flat_map(|key| self.unquoted(&format!("{key}/0"))).collect();
        match BuildConfig::read(self.text) {
            Ok(config) => (Some(Content::BuildConfig(Box::new(config))), remarks),
            Err(error) => {
                let span = match &error {
                    BuildConfigError::NotOne(key) => self.places.value(key),
                    BuildConfigError::Twice(key) => self.places.key(key),
                    BuildConfigError::Yaml(_) | BuildConfigError::NotAMap => self.places.value(""),
                };
                remarks.push(Remark::new(span, error.to_string(), ""));
                (None, remarks)
            }
        }
    }

    fn environment(&self) -> (Option<Content>, Vec<Remark>) {
        let variants = "extras/variant_override";
        let node =
            self.node.as_map().and_then(|map| map.get("extras")?.as_map()?.get("variant_override")?.as_map());
        let keys = node.into_iter().flat_map(|map| map.keys());
        let mut remarks: Vec<Remark> =
            keys.flat_map(|key| self.unquoted(&format!("{variants}/{key}"))).collect();
        match SeedEnvironment::read(self.text) {
            Ok(environment) => {
                remarks.extend(self.other_python(&environment));
                (Some(Content::Environment(Box::new(environment))), remarks)
            }
            Err(error) => {
                let place = match &error {
                    SeedEnvironmentError::Shape(key) => (*key).to_owned(),
                    SeedEnvironmentError::NotPinned(line) => {
                        entry_of(self.node, "dependencies", |text| text == line)
                    }
                    SeedEnvironmentError::Twice(name) => {
                        let begins = format!("{name}=");
                        second_of(self.node, "dependencies", |text| text.starts_with(&begins))
                    }
                    SeedEnvironmentError::Yaml(_) => String::new(),
                };
                remarks.push(Remark::new(self.places.value(&place), error.to_string(), ""));
                (None, remarks)
            }
        }
    }

    /// A `python_abi` that was left behind when the version of Python went on.
    fn other_python(&self, environment: &SeedEnvironment) -> Option<Remark> {
        let version = |name: &str| environment.dependencies.get(name).map(String::as_str);
        let (python, abi) = (version("python")?, version("python_abi")?);
        let is_of = python == abi || python.strip_prefix(abi).is_some_and(|rest| rest.starts_with('.'));
        let place = entry_of(self.node, "dependencies", |text| text.starts_with("python_abi="));
        (!is_of).then(|| {
            let message = format!("`python_abi` is {abi}, and `python` is {python}");
            Remark::new(self.places.value(&place), message, "of another Python")
        })
    }

    fn catalogue(&self) -> (Option<Content>, Vec<Remark>) {
        match Catalogue::read(self.text) {
            Ok((catalogue, faults)) => {
                let remarks = faults.iter().map(|fault| self.fault(&catalogue, fault)).collect();
                (Some(Content::Catalogue(Box::new(catalogue))), remarks)
            }
            Err(error) => {
                let place = match &error {
                    CatalogueError::Shape { place, key, .. } => self
                        .package_called(place)
                        .map_or((*key).to_owned(), |package| format!("{package}/{key}")),
                    CatalogueError::Yaml(_) => String::new(),
                };
                (None, vec![Remark::new(self.places.value(&place), error.to_string(), "")])
            }
        }
    }

    fn fault(&self, catalogue: &Catalogue, fault: &CatalogueFault) -> Remark {
        let remark = |span, label: &str| Remark::new(span, fault.to_string(), label);
        match fault {
            CatalogueFault::Epoch { key, .. } => remark(self.places.value(key), "no epoch"),
            CatalogueFault::EpochIsANumber { key, .. } => remark(self.places.value(key), "read as a number"),
            CatalogueFault::UnknownDistribution { package, distribution } => {
                let is_it = |text: &str| text == distribution;
                let place = self.packages_called(package).into_iter().find_map(|path| {
                    let entry = places_of(self.at(&path)?, "distros", is_it).into_iter().next()?;
                    Some(format!("{path}/{entry}"))
                });
                let span = self.places.value(&place.unwrap_or_default());
                remark(span, "not among `distros`")
                    .hint(format!("the distributions are {}", catalogue.distributions.join(", ")))
            }
            CatalogueFault::Twice(name) => {
                let distributions = second_of(self.node, "distros", |text| text == name);
                let packages = self.packages_called(name);
                let place = packages.get(1).cloned().map_or(distributions, |second| format!("{second}/name"));
                remark(self.places.value(&place), "again")
            }
        }
    }

    /// The path of a package of a catalogue that a message calls so: by its name or its number.
    fn package_called(&self, place: &str) -> Option<String> {
        let called = place.strip_prefix("package ")?;
        match called.trim_matches('`') {
            number if number == called => {
                Some(format!("packages/{}", number.parse::<usize>().ok()?.checked_sub(1)?))
            }
            name => self.packages_called(name).into_iter().next(),
        }
    }

    fn packages_called(&self, name: &str) -> Vec<String> {
        let packages = self.node.as_map().and_then(|map| map.get("packages"));
        let Some(Node::List(packages)) = packages else { return Vec::new() };
        let is_called = |node: &Node| node.as_map().and_then(|map| map.get("name")?.as_text()) == Some(name);
        let numbers = (0..packages.len()).filter(|number| is_called(&packages[*number]));
        numbers.map(|number| format!("packages/{number}")).collect()
    }

    /// The value at a path.
    fn at(&self, path: &str) -> Option<&Node> {
        path.split('/').try_fold(self.node, |node, part| match node {
            Node::Map(map) => map.get(part),
            Node::List(list) => list.get(part.parse::<usize>().ok()?),
            Node::Scalar(_) => None,
        })
    }

    /// A version or an epoch that other programs read as a number, since it has no quotes.
    fn unquoted(&self, path: &str) -> Option<Remark> {
        let Node::Scalar(scalar) = self.at(path)? else { return None };
        let Scalar { text, quoting: Quoting::Plain } = scalar else { return None };
        let others = read_by_others(text)?;
        let message = format!("{text} stands without quotes: other programs read {others}");
        let remark = Remark::new(self.places.value(path), message, format!("read as {others}"));
        Some(remark.hint(format!("write '{text}'")))
    }

    /// An entry that is no name of a conda package.
    fn no_name(&self, key: &str, name: &str) -> Option<Remark> {
        let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        (!name.bytes().all(letters)).then(|| {
            let place = entry_of(self.node, key, |text| text == name);
            let message = format!("`{name}` is no name of a conda package");
            Remark::new(self.places.value(&place), message, "lower-case letters, digits, `.`, `_` and `-`")
        })
    }
}

fn unreadable(text: &str, error: &YamlError) -> Remark {
    let (line, why) = match error {
        YamlError::Malformed { line, message } => (*line, message.clone()),
        error @ (YamlError::TooLarge(_) | YamlError::Unwritable(_)) => (1, error.to_string()),
    };
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let length = text[before..].lines().next().map_or(0, str::len);
    Remark::new(before..before + length, "this is not the YAML of these files", why)
}

/// The path of the first entry of a list of texts that fits; else that of the list.
fn entry_of(node: &Node, key: &str, fits: impl Fn(&str) -> bool) -> String {
    places_of(node, key, fits).into_iter().next().unwrap_or_else(|| key.to_owned())
}

/// The path of the second one.
fn second_of(node: &Node, key: &str, fits: impl Fn(&str) -> bool) -> String {
    places_of(node, key, fits).into_iter().nth(1).unwrap_or_else(|| key.to_owned())
}

fn places_of(node: &Node, key: &str, fits: impl Fn(&str) -> bool) -> Vec<String> {
    let list = match node.as_map().and_then(|map| map.get(key)) {
        Some(Node::List(list)) => list.as_slice(),
        _ => &[],
    };
    let entries = list.iter().enumerate();
    entries
        .filter(|(_, entry)| entry.as_text().is_some_and(&fits))
        .map(|(number, _)| format!("{key}/{number}"))
        .collect()
}

impl Content {
    fn written(&self) -> Result<String, Unwritten> {
        match self {
            Self::Data(data) => Ok(data.written()?),
            Self::Environment(environment) => Ok(environment.written()?),
            Self::BuildConfig(config) => Ok(config.written()?),
            Self::Catalogue(_) => Err(Unwritten::ByHand),
        }
    }

    /// What was read, as a clause.
    pub fn summary(&self) -> String {
        let counted = |count: usize, one: &str| match count {
            1 => format!("1 {one}"),
            count => format!("{count} {one}s"),
        };
        match self {
            Self::Data(data) => {
                let ignored = match data.ignore.len() {
                    0 => String::new(),
                    count => format!(", {count} of them ignored"),
                };
                let version = data.version.as_deref().unwrap_or("none yet");
                format!("{}{ignored}; version {version}", counted(data.run.len(), "package"))
            }
            Self::Environment(environment) => format!(
                "{} from {}",
                counted(environment.dependencies.len(), "package"),
                counted(environment.channels.len(), "channel")
            ),
            Self::Catalogue(catalogue) => {
                let members = |name: &String| format!("{name} {}", catalogue.members(name).count());
                let distributions: Vec<String> = catalogue.distributions.iter().map(members).collect();
                format!(
                    "{} in {} ({}); epoch {} is worked on",
                    counted(catalogue.packages.len(), "package"),
                    counted(catalogue.distributions.len(), "distribution"),
                    distributions.join(", "),
                    catalogue.active_epoch
                )
            }
            Self::BuildConfig(config) => counted(config.values().len(), "version"),
        }
    }
}
