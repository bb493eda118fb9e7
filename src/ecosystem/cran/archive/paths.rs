//! Where the entries of an archive lie: all of them inside one folder, the package's, whatever
//! somebody who unpacks it later will follow.

use std::collections::BTreeSet;

use super::super::layout::is_package_name;
use super::{ArchiveLimits, ArchiveProblem};

/// What was seen of an archive so far.
pub(super) struct Contents {
    pub(super) entries: usize,
    pub(super) unpacked: u64,
    most_entries: usize,
    folder: Option<String>,
    /// The links seen so far: no later entry may lie behind one.
    links: BTreeSet<Vec<u8>>,
    description: Option<Vec<u8>>,
}

/// An entry's place: the parts of its path below the package's folder.
pub(super) struct Place {
    parts: Vec<Vec<u8>>,
}

impl Place {
    /// True for the package's folder itself.
    pub(super) fn is_top(&self) -> bool {
        self.parts.is_empty()
    }

    /// True for the DESCRIPTION of the package itself.
    pub(super) fn is_description(&self) -> bool {
        self.parts.len() == 1 && self.parts[0] == b"DESCRIPTION"
    }
}

impl Contents {
    pub(super) fn new(limits: &ArchiveLimits) -> Self {
        Self {
            entries: 0,
            unpacked: 0,
            most_entries: limits.entries,
            folder: None,
            links: BTreeSet::new(),
            description: None,
        }
    }

    /// Takes an entry called `name` into account and says where it lies.
    pub(super) fn enter(&mut self, name: &[u8]) -> Result<Place, ArchiveProblem> {
        self.entries += 1;
        if self.entries > self.most_entries {
            return Err(ArchiveProblem::TooManyEntries { limit: self.most_entries });
        }
        let refuse = |why| refused(name, why);
        let mut parts = portable_parts(name)?.into_iter();
        let top = parts.next().ok_or_else(|| refuse("it has no name"))?;
        let top = String::from_utf8(top).ok().filter(|top| is_package_name(top));
        let top = top.ok_or_else(|| refuse("the first folder is not named as a package"))?;
        if *self.folder.get_or_insert_with(|| top.clone()) != top {
            return Err(refuse("it is outside the package's folder"));
        }
        let parts: Vec<Vec<u8>> = parts.collect();
        let behind_link = (1..parts.len()).any(|depth| self.links.contains(&parts[..depth].join(&b'/')));
        if behind_link {
            return Err(refuse("it lies behind a link"));
        }
        Ok(Place { parts })
    }

    /// Takes a symbolic link at `place` into account. Its target is relative to the folder it lies in.
    pub(super) fn symbolic_link(
        &mut self,
        place: &Place,
        name: &[u8],
        target: &[u8],
    ) -> Result<(), ArchiveProblem> {
        let depth = place.parts.len().saturating_sub(1);
        let parts = portable_link(name, target)?;
        let ups = parts.iter().take_while(|part| part.as_slice() == b"..").count();
        if ups > depth {
            return Err(refused(name, "the link points outside the package's folder"));
        }
        if parts[ups..].iter().any(|part| part == b"..") {
            return Err(refused(
                name,
                "the link goes down and up again, so that nobody can tell where it points",
            ));
        }
        self.link(place, name)
    }

    /// Takes a hard link at `place` into account. Its target is an entry's name.
    pub(super) fn hard_link(
        &mut self,
        place: &Place,
        name: &[u8],
        target: &[u8],
    ) -> Result<(), ArchiveProblem> {
        let parts = portable_link(name, target)?;
        let inside = parts.first().map(Vec::as_slice) == self.folder.as_deref().map(str::as_bytes);
        if !inside || parts.iter().any(|part| part == b"..") {
            return Err(refused(name, "the link points outside the package's folder"));
        }
        self.link(place, name)
    }

    /// Keeps the DESCRIPTION.
    pub(super) fn describe(&mut self, name: &[u8], description: Vec<u8>) -> Result<(), ArchiveProblem> {
        match self.description.replace(description) {
            None => Ok(()),
            Some(_) => Err(refused(name, "there is one already, and readers would differ on which counts")),
        }
    }

    /// The folder's name and the DESCRIPTION's bytes.
    pub(super) fn into_description(self) -> Result<(String, Vec<u8>), ArchiveProblem> {
        let folder = self.folder.unwrap_or_else(|| "<package>".to_owned());
        match self.description {
            Some(description) => Ok((folder, description)),
            None => Err(ArchiveProblem::NoDescription(folder)),
        }
    }

    fn link(&mut self, place: &Place, name: &[u8]) -> Result<(), ArchiveProblem> {
        if place.is_description() || place.is_top() {
            return Err(refused(name, "the package's folder and its DESCRIPTION may not be links"));
        }
        self.links.insert(place.parts.join(&b'/'));
        Ok(())
    }
}

/// An error about an entry, with its name cut to what a person wants to see.
pub(super) fn refused(name: &[u8], why: &'static str) -> ArchiveProblem {
    let entry =
        String::from_utf8_lossy(name).chars().filter(|letter| !letter.is_control()).take(120).collect();
    ArchiveProblem::Entry { entry, why }
}

/// The parts of an entry's name; refused where it could leave the folder it is unpacked into.
fn portable_parts(name: &[u8]) -> Result<Vec<Vec<u8>>, ArchiveProblem> {
    let parts = split(name)?;
    if parts.iter().any(|part| part == b"..") {
        return Err(refused(name, "it contains `..`"));
    }
    Ok(parts)
}

fn portable_link(name: &[u8], target: &[u8]) -> Result<Vec<Vec<u8>>, ArchiveProblem> {
    let parts = split(target).map_err(|_| refused(name, "the link's target is not a plain relative path"))?;
    if parts.is_empty() {
        return Err(refused(name, "the link points nowhere"));
    }
    Ok(parts)
}

/// The parts between slashes, without empty ones and lone dots.
fn split(path: &[u8]) -> Result<Vec<Vec<u8>>, ArchiveProblem> {
    if path.first() == Some(&b'/') {
        return Err(refused(path, "the path is absolute"));
    }
    if path.get(1) == Some(&b':') {
        return Err(refused(path, "the path names a drive"));
    }
    if path.iter().any(|byte| matches!(byte, b'\\' | 0)) {
        return Err(refused(path, "it contains a backslash or a zero byte"));
    }
    let parts = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".");
    Ok(parts.map(<[u8]>::to_vec).collect())
}
