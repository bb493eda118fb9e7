//! From a world's files to a [`World`]: finds them, parses each, and hands them to the checks that
//! take more than one value.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::problem::{Mistake, nearest, place_of};
use super::semantics;
use super::written::{
    CranFile, DependenciesFile, EvidenceObject, InitialFile, RegistryRow, ReleaseRow, WorldFile,
};
use super::{World, WorldProblem};

/// The files of a world, in the order of their names.
pub(super) const FILES: [&str; 7] = [
    "cran.json",
    "dependencies.json",
    "evidence.jsonl",
    "initial.json",
    "registry.jsonl",
    "releases.jsonl",
    "world.toml",
];

/// Longer files are refused; the bundled world's longest has less than a megabyte.
const LONGEST_FILE: u64 = 256 << 20;

/// The one format that this version plays back.
const FORMAT: i64 = 1;

/// A row of a `.jsonl` file and its line, counted from one.
pub(super) type Numbered<T> = (usize, T);

/// All files, parsed one by one.
pub(super) struct Parsed {
    pub(super) world: (WorldFile, String),
    pub(super) initial: (InitialFile, String),
    pub(super) registry: Vec<Numbered<RegistryRow>>,
    pub(super) releases: Vec<Numbered<ReleaseRow>>,
    pub(super) evidence: Vec<Numbered<EvidenceObject>>,
    pub(super) cran: CranFile,
    pub(super) dependencies: (DependenciesFile, String),
}

impl World {
    /// Reads the world in `folder`. Files that are no part of a world, such as a README, may lie
    /// beside its own.
    ///
    /// # Errors
    /// The first mistake, with its file and line: a missing or unreadable file, an unknown key, a
    /// malformed value, rows out of order or outside the world's time, names that nothing defines.
    pub fn load(folder: &Path) -> Result<Self, WorldProblem> {
        let origin = folder.display().to_string();
        let mut files = BTreeMap::new();
        // From the end, where world.toml is: a folder without it is no world at all.
        for file in FILES.into_iter().rev() {
            let text = read_text(folder, file, &FILES).map_err(|mistake| in_file(&origin, file, mistake))?;
            files.insert(file, text);
        }
        Self::from_files(&origin, files)
    }

    /// Reads a world from the texts of its files; `origin` is named in problems.
    pub(super) fn from_files(origin: &str, mut files: BTreeMap<&str, String>) -> Result<Self, WorldProblem> {
        let mut sha256 = Sha256::new();
        for file in FILES {
            sha256.update(files.get(file).map(String::as_bytes).unwrap_or_default());
        }
        let digest = sha256.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let mut take = |file: &'static str| -> Result<String, WorldProblem> {
            let lost = || in_file(origin, file, missing(file, &FILES, std::iter::empty()));
            files.remove(file).ok_or_else(lost)
        };
        let world = take("world.toml")?;
        let initial = take("initial.json")?;
        let dependencies = take("dependencies.json")?;
        let located = |file: &'static str| move |mistake| in_file(origin, file, mistake);
        let parsed = Parsed {
            world: (parse_world(&world).map_err(located("world.toml"))?, world),
            initial: (parse_json(&initial).map_err(located("initial.json"))?, initial),
            registry: parse_lines(&take("registry.jsonl")?).map_err(located("registry.jsonl"))?,
            releases: parse_lines(&take("releases.jsonl")?).map_err(located("releases.jsonl"))?,
            evidence: parse_lines(&take("evidence.jsonl")?).map_err(located("evidence.jsonl"))?,
            cran: parse_json(&take("cran.json")?).map_err(located("cran.json"))?,
            dependencies: (parse_json(&dependencies).map_err(located("dependencies.json"))?, dependencies),
        };
        semantics::assemble(parsed, digest).map_err(|(file, mistake)| in_file(origin, file, mistake))
    }
}

pub(super) fn in_file(origin: &str, file: &str, mistake: Mistake) -> WorldProblem {
    WorldProblem {
        origin: origin.to_owned(),
        file: file.to_owned(),
        place: mistake.place,
        message: mistake.message,
        hint: mistake.hint,
    }
}

fn missing<'a>(file: &str, all: &[&str], present: impl Iterator<Item = &'a str>) -> Mistake {
    let misspelt = nearest(file, present).map(|name| format!("there is a file {name}; is it this one?"));
    Mistake::whole_file(format!("the file is missing; a world has {}", all.join(", "))).hint(misspelt)
}

/// The text of a file of the world in `folder`, which has the files `all`.
pub(super) fn read_text(folder: &Path, file: &str, all: &[&str]) -> Result<String, Mistake> {
    let path = folder.join(file);
    let opened = fs::File::open(&path).map_err(|error| match error.kind() {
        ErrorKind::NotFound if !folder.exists() => {
            Mistake::whole_file("there is no such folder; expected the folder of a world")
        }
        ErrorKind::NotFound => {
            let names = names_in(folder);
            let strangers = names.iter().map(String::as_str).filter(|name| !all.contains(name));
            missing(file, all, strangers)
        }
        _ => Mistake::whole_file(format!("cannot be opened: {error}")),
    })?;
    let mut bytes = Vec::new();
    opened
        .take(LONGEST_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Mistake::whole_file(format!("cannot be read: {error}")))?;
    if bytes.len() as u64 > LONGEST_FILE {
        return Err(Mistake::whole_file(format!(
            "the file is too long; expected at most {} MiB",
            LONGEST_FILE >> 20
        )));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]);
        let (line, column) = place_of(&good, good.len());
        Mistake::at(line, column, "the text is not UTF-8")
    })
}

/// Names of the files in a folder, for advice only: an unreadable folder has none.
fn names_in(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// Looks at `format` before anything else: a world of another format would only show up as keys
/// that nobody knows.
pub(super) fn parse_world<T: DeserializeOwned>(text: &str) -> Result<T, Mistake> {
    #[derive(serde::Deserialize)]
    struct Format {
        format: Option<toml::Spanned<i64>>,
    }
    let header: Format = parse_toml(text)?;
    let Some(format) = header.format else {
        return Err(Mistake::at(1, 1, format!("missing key `format`; expected `format = {FORMAT}`")));
    };
    if *format.get_ref() != FORMAT {
        let (line, column) = place_of(text, format.span().start);
        let message = format!("format {} is unknown; expected {FORMAT}", format.get_ref());
        let hint = "a newer tidegate may know it".to_owned();
        return Err(Mistake::at(line, column, message).hint(Some(hint)));
    }
    parse_toml(text)
}

pub(super) fn parse_toml<T: DeserializeOwned>(text: &str) -> Result<T, Mistake> {
    toml::from_str(text).map_err(|error| {
        let place = error.span().map(|span| place_of(text, span.start));
        Mistake::from_serde(place, error.message())
    })
}

fn parse_json<T: DeserializeOwned>(text: &str) -> Result<T, Mistake> {
    serde_json::from_str(text).map_err(|error| Mistake::from_json(1, &error))
}

fn parse_lines<T: DeserializeOwned>(text: &str) -> Result<Vec<Numbered<T>>, Mistake> {
    let mut rows = Vec::new();
    for (index, row) in text.lines().enumerate() {
        let line = index + 1;
        if row.trim().is_empty() {
            return Err(Mistake::at(line, 1, "the line is empty; expected one JSON object on every line"));
        }
        let parsed = serde_json::from_str(row).map_err(|error| Mistake::from_json(line, &error))?;
        rows.push((line, parsed));
    }
    Ok(rows)
}
