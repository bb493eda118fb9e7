//! What a link such as `latest` has beside the snapshot that it shows: files for readers of an older index, each of
//! which has to be the very file that its own snapshot lists.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use jiff::civil::Date;

use super::super::manifest::{self, Manifest};
use super::listed::Listed;
use super::{Findings, Problem, differs};
use crate::publish::directory::{Carried, carried_in};

impl Findings {
    /// The files that are carried in a folder; none where it is not what a link of ours shows.
    pub(super) fn check_carried(&mut self, folder: &Path, there: &Listed) -> BTreeSet<String> {
        let carried = match carried_in(folder) {
            // A date has nothing but what its manifest names, whatever is written beside it.
            Ok(Some(carried)) if carried.link.parse::<Date>().is_err() => carried,
            Ok(_) => return BTreeSet::new(),
            Err(error) => {
                self.add(".", Problem::Extra, format!("nobody can tell what is carried there: {error}"));
                return BTreeSet::new();
            }
        };
        for of in BTreeSet::from_iter(carried.files.values()) {
            let manifest = manifest_of(&carried, of);
            for (path, _) in carried.files.iter().filter(|(_, other)| *other == of) {
                if let Some((problem, detail)) = self::problem(folder, path, (there, &manifest)) {
                    self.add(path, problem, format!("it lies there for readers of {of}, and {detail}"));
                }
            }
        }
        carried.files.into_keys().collect()
    }
}

/// The manifest of a snapshot as it lies beside the link; an error is a clause.
fn manifest_of(carried: &Carried, of: &str) -> Result<Manifest, String> {
    of.parse::<Date>().map_err(|_| "that is no date".to_owned())?;
    let folder = carried.folder_of(of).map_err(|error| error.to_string())?;
    let bytes = fs::read(folder.join(manifest::FILE));
    bytes.map_err(|error| error.to_string()).and_then(|bytes| Manifest::read(&bytes))
}

/// What is wrong with a carried file.
fn problem(
    folder: &Path,
    path: &str,
    (there, manifest): (&Listed, &Result<Manifest, String>),
) -> Option<(Problem, String)> {
    if !there.files.contains(path) {
        return Some((Problem::Missing, "is not there".to_owned()));
    }
    let manifest = match manifest {
        Ok(manifest) => manifest,
        Err(why) => return Some((Problem::Extra, format!("the manifest of that cannot be read: {why}"))),
    };
    match manifest.files.iter().find(|file| file.path == path) {
        None => Some((Problem::Extra, "the manifest of that does not name it".to_owned())),
        Some(file) => differs(folder, file).map(|detail| (Problem::Changed, detail)),
    }
}
