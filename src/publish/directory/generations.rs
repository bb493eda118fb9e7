//! Numbered folders behind one link: what every published name of a directory is made of.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use super::{AtStep, PublishError, Step};
use crate::publish::disk::{Link, checked, is_folder, remove_leftover, sync};
use crate::publish::error::disk;

/// The hidden folder beside the published names, with a folder of generations for each.
pub(super) const GENERATIONS: &str = ".generations";

/// The generations of one published name.
pub(super) struct Generations {
    root: PathBuf,
    name: String,
}

/// What readers of a name find there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    /// A folder and no link: published before there were generations, and the first of them.
    Plain,
    /// The generation with this number.
    Generation(u64),
    /// A link that somebody else made.
    Elsewhere(PathBuf),
}

impl Generations {
    pub(super) fn of(root: &Path, name: &str) -> Result<Self, PublishError> {
        Ok(Self { root: root.to_owned(), name: checked(name)?.to_owned() })
    }

    /// The address that readers know.
    pub(super) fn address(&self) -> PathBuf {
        self.root.join(&self.name)
    }

    pub(super) fn folder(&self) -> PathBuf {
        self.root.join(GENERATIONS).join(&self.name)
    }

    pub(super) fn path(&self, number: u64) -> PathBuf {
        self.folder().join(number.to_string())
    }

    /// What is told of a generation beside it, where anything is.
    pub(super) fn note(&self, number: u64) -> PathBuf {
        self.folder().join(format!("{number}.json"))
    }

    pub(super) fn preparing(&self) -> PathBuf {
        self.folder().join(".preparing")
    }

    fn link(&self) -> Link {
        Link { path: self.address(), beside: self.root.join(format!(".switching-{}", self.name)) }
    }

    /// What readers find now.
    pub(super) fn found(&self) -> Result<Found, PublishError> {
        if is_folder(&self.address()) {
            return Ok(Found::Plain);
        }
        let Some(target) = self.link().target()? else { return Ok(Found::Nothing) };
        let number = target.strip_prefix(Path::new(GENERATIONS).join(&self.name)).ok();
        let number = number.and_then(Path::to_str).and_then(number_of);
        Ok(match number.filter(|number| is_folder(&self.path(*number))) {
            Some(number) => Found::Generation(number),
            None => Found::Elsewhere(target),
        })
    }

    /// The number of the generation that readers see. A link that is not ours is an error.
    pub(super) fn current(&self) -> Result<Option<u64>, PublishError> {
        match self.found()? {
            Found::Nothing => Ok(None),
            Found::Plain => Ok(Some(1)),
            Found::Generation(number) => Ok(Some(number)),
            Found::Elsewhere(target) => Err(PublishError::Foreign { name: self.name.clone(), target }),
        }
    }

    /// Where the generation that readers see lies, links followed.
    pub(super) fn current_folder(&self) -> Result<Option<(u64, PathBuf)>, PublishError> {
        Ok(match self.found()? {
            Found::Plain => Some((1, self.address())),
            _ => self.current()?.map(|number| (number, self.path(number))),
        })
    }

    /// The numbers of the folders there are, in order; not that of a plain folder.
    pub(super) fn numbers(&self) -> Result<BTreeSet<u64>, PublishError> {
        let folder = self.folder();
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            entries => entries.map_err(disk("list", &folder))?,
        };
        let mut numbers = BTreeSet::new();
        for entry in entries {
            let name = entry.map_err(disk("list", &folder))?.file_name();
            numbers.extend(name.to_str().and_then(number_of));
        }
        Ok(numbers)
    }

    /// Makes what was prepared the generation `number`, which no reader sees yet. Whatever lies under that number is
    /// what a crash left before its switch.
    pub(super) fn put_in_place(&self, number: u64, at: AtStep) -> Result<(), PublishError> {
        let (from, to) = (self.preparing(), self.path(number));
        remove_leftover(&to)?;
        fs::rename(&from, &to).map_err(disk("put in its place", &to))?;
        at(Step::Renamed).map_err(disk("write", &to))?;
        sync(&self.folder())
    }

    /// Shows the generation `number` to readers, in one step. A plain folder in the way becomes the first
    /// generation: it changes places with the link.
    pub(super) fn switch_to(&self, number: u64, at: AtStep) -> Result<(), PublishError> {
        self.put_aside()?;
        let link = self.link();
        // Relative, so that the root can be moved or served from elsewhere.
        link.make(&Path::new(GENERATIONS).join(&self.name).join(number.to_string()))?;
        at(Step::LinkMade).map_err(disk("write", &link.beside))?;
        match is_folder(&link.path) {
            true => exchange(&link.beside, &link.path)?,
            false => link.switch()?,
        }
        at(Step::Switched).map_err(disk("write", &self.root))?;
        self.put_aside()?;
        sync(&self.root)
    }

    /// Moves a plain folder that has changed places with a link to where generations lie.
    pub(super) fn put_aside(&self) -> Result<(), PublishError> {
        let link = self.link();
        if !is_folder(&link.beside) {
            return Ok(());
        }
        let first = self.path(1);
        fs::rename(&link.beside, &first).map_err(disk("put aside", &first))?;
        sync(&self.folder())?;
        sync(&self.root)
    }

    /// Removes the generations that are not to be kept, and what a crash left; never the one that readers see.
    pub(super) fn clear(&self, is_kept: impl Fn(u64) -> bool) -> Result<(), PublishError> {
        let current = self.current()?;
        remove_leftover(&self.preparing())?;
        for number in self.numbers()? {
            if Some(number) == current || is_kept(number) {
                continue;
            }
            remove_leftover(&self.path(number))?;
            let note = self.note(number);
            match fs::remove_file(&note) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(disk("remove", &note)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// A number without leading zeros or signs, as we write them.
pub(super) fn number_of(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| *number > 0 && number.to_string() == text)
}

/// Lets two names change places in one step, so that no reader finds neither.
fn exchange(one: &Path, other: &Path) -> Result<(), PublishError> {
    renameat2(AT_FDCWD, one, AT_FDCWD, other, RenameFlags::RENAME_EXCHANGE)
        .map_err(|errno| disk("let a link change places with", other)(errno.into()))
}
