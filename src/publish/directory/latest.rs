//! The link that shows readers the newest of the published names, or an older one that people went back to. It leads
//! to a tree of its own, made of hard links: everything of the name that it shows, and besides the packages that
//! the names shown before it list. So a reader that follows the link anew for every file finds all files of the
//! index it has read, however the link was switched meanwhile, and the trees of the names themselves hold nothing
//! but what they list.
//!
//! One thing this cannot give: where a name has other bytes under the same path as the one before, the path leads to
//! the new ones. Who must not meet that reads by the name and not by the link.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::generations::{Found, GENERATIONS, Generations, number_of};
use super::{AtStep, Directory, Outcome, PublishError, Step, take};
use crate::publish::disk::{is_folder, remove_leftover, sync_tree};
use crate::publish::error::disk;

/// How many generations of the link are kept, the current one among them.
const KEPT: u64 = 3;

/// What a link shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pointed {
    /// The published name.
    pub of: String,
    /// Its generation.
    pub generation: u64,
    /// The files that are there for readers of an older index, by path, each with the name that lists it.
    pub carried: BTreeMap<String, String>,
}

/// What a generation of a link has beside the name that it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    directory: PathBuf,
    /// The link.
    pub link: String,
    /// The files by path, each with the name that lists it.
    pub files: BTreeMap<String, String>,
}

impl Carried {
    /// Where a name lies that lists some of the files.
    pub fn folder_of(&self, name: &str) -> Result<PathBuf, PublishError> {
        let found = Directory::new(&self.directory).generation(name)?;
        found.map(|(_, folder)| folder).ok_or_else(|| PublishError::NotPublished(name.to_owned()))
    }
}

/// What is carried in `folder`, where that is what a link shows; none for any other folder, such as a copy.
pub fn carried_in(folder: &Path) -> Result<Option<Carried>, PublishError> {
    let real = fs::canonicalize(folder).map_err(disk("look at", folder))?;
    let mut above = real.ancestors().skip(1);
    let (Some(link), Some(generations), Some(root)) = (above.next(), above.next(), above.next()) else {
        return Ok(None);
    };
    let name = |path: &Path| path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    if name(generations).as_deref() != Some(GENERATIONS) {
        return Ok(None);
    }
    let (Some(link), Some(number)) = (name(link), name(&real).and_then(|name| number_of(&name))) else {
        return Ok(None);
    };
    let note = Generations::of(root, &link)?.note(number);
    // Only links have notes.
    if !note.is_file() {
        return Ok(None);
    }
    let Pointed { carried, .. } = read(&note)?;
    Ok(Some(Carried { directory: root.to_owned(), link, files: carried }))
}

/// A tree that the link showed, with the paths that its name lists.
struct Shown {
    of: String,
    folder: PathBuf,
    listed: BTreeSet<String>,
}

impl Directory {
    /// What the link `link` shows; none where there is no such link, or one that somebody else made.
    pub fn pointed(&self, link: &str) -> Result<Option<Pointed>, PublishError> {
        let generations = Generations::of(self.root(), link)?;
        match generations.found()? {
            Found::Generation(number) => read(&generations.note(number)).map(Some),
            _ => Ok(None),
        }
    }

    /// Makes the link `link` (such as `latest`) show the published name `name`, in one step. `carries` says for a
    /// name shown before and a path that it lists whether the file stays there for its readers.
    pub fn point(
        &self,
        link: &str,
        name: &str,
        carries: &dyn Fn(&str, &str) -> bool,
    ) -> Result<Outcome, PublishError> {
        self.point_in_steps(link, name, carries, &|_| Ok(()))
    }

    pub(super) fn point_in_steps(
        &self,
        link: &str,
        name: &str,
        carries: &dyn Fn(&str, &str) -> bool,
        at: AtStep,
    ) -> Result<Outcome, PublishError> {
        let generations = Generations::of(self.root(), link)?;
        let (generation, folder) =
            self.generation(name)?.ok_or_else(|| PublishError::NotPublished(name.to_owned()))?;
        if let Some(pointed) = self.pointed(link)? {
            let is_right = pointed.of == name
                && pointed.generation == generation
                && pointed.carried.iter().all(|(path, of)| carries(of, path));
            if is_right {
                self.clear(&generations)?;
                return Ok(Outcome::Adopted);
            }
        }
        let newest = match generations.found()? {
            Found::Generation(current) => current,
            _ => generations.numbers()?.last().copied().unwrap_or(0),
        };
        let number = newest + 1;
        let shown = self.shown(&generations)?;
        let preparing = generations.preparing();
        remove_leftover(&preparing)?;
        fs::create_dir_all(&preparing).map_err(disk("make", &preparing))?;
        let listed = paths(&folder)?;
        for path in &listed {
            take(&preparing, &folder.join(path), path)?;
        }
        let mut carried = BTreeMap::new();
        for Shown { of, folder, listed: before } in shown {
            for path in before {
                if !listed.contains(&path) && !carried.contains_key(&path) && carries(&of, &path) {
                    take(&preparing, &folder.join(&path), &path)?;
                    carried.insert(path, of.clone());
                }
            }
        }
        at(Step::Compared).map_err(disk("write", &preparing))?;
        sync_tree(&preparing)?;
        at(Step::Synced).map_err(disk("write", &preparing))?;
        let pointed = Pointed { of: name.to_owned(), generation, carried };
        write(&generations.note(number), &pointed)?;
        generations.put_in_place(number, at)?;
        generations.switch_to(number, at)?;
        self.clear(&generations)?;
        Ok(Outcome::New)
    }

    /// The trees that the link showed last, the newest first; one less than are kept.
    fn shown(&self, generations: &Generations) -> Result<Vec<Shown>, PublishError> {
        let current = match generations.found()? {
            Found::Nothing => return Ok(Vec::new()),
            Found::Plain => {
                let name =
                    generations.address().file_name().unwrap_or_default().to_string_lossy().into_owned();
                return Err(PublishError::NotALink(name));
            }
            Found::Generation(number) => number,
            // A link to a published name, made by hand or by an older version of this program.
            Found::Elsewhere(target) => {
                let of = target.to_string_lossy().into_owned();
                return Ok(match self.generation(&of) {
                    Ok(Some((_, folder))) => vec![Shown { listed: paths(&folder)?, of, folder }],
                    _ => Vec::new(),
                });
            }
        };
        let mut shown = Vec::new();
        for number in generations.numbers()?.into_iter().rev().filter(|number| *number <= current) {
            if shown.len() as u64 == KEPT - 1 {
                break;
            }
            let Pointed { of, carried, .. } = read(&generations.note(number))?;
            let folder = generations.path(number);
            let mut listed = paths(&folder)?;
            listed.retain(|path| !carried.contains_key(path));
            shown.push(Shown { of, folder, listed });
        }
        Ok(shown)
    }

    fn clear(&self, generations: &Generations) -> Result<(), PublishError> {
        let current = generations.current()?.unwrap_or(0);
        generations.clear(|number| number <= current && number + KEPT > current)
    }
}

/// Every file below a folder, by its path there.
fn paths(folder: &Path) -> Result<BTreeSet<String>, PublishError> {
    let mut paths = BTreeSet::new();
    let mut below = vec![String::new()];
    while let Some(prefix) = below.pop() {
        let at = folder.join(&prefix);
        for entry in fs::read_dir(&at).map_err(disk("list", &at))? {
            let name = entry.map_err(disk("list", &at))?.file_name().to_string_lossy().into_owned();
            let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            if is_folder(&folder.join(&path)) {
                below.push(path);
            } else {
                paths.insert(path);
            }
        }
    }
    Ok(paths)
}

fn read(path: &Path) -> Result<Pointed, PublishError> {
    let bytes = fs::read(path).map_err(disk("read", path))?;
    serde_json::from_slice(&bytes).map_err(|error| disk("understand", path)(error.into()))
}

fn write(path: &Path, pointed: &Pointed) -> Result<(), PublishError> {
    let write = || -> io::Result<()> {
        let mut file = fs::File::create(path)?;
        serde_json::to_writer(&mut file, pointed)?;
        file.write_all(b"\n")?;
        file.sync_all()
    };
    write().map_err(disk("write", path))
}
