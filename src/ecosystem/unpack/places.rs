//! Where the entries of an archive lie: inside the folder it is unpacked into, whatever somebody who
//! unpacks it later will follow.

use std::collections::BTreeSet;

use super::{UnpackLimits, UnpackProblem, refused};

/// How many entries were seen, and which of them are links.
pub(in crate::ecosystem) struct Places {
    entries: usize,
    most_entries: usize,
    /// How many leading parts of a path belong to the root, which links may not leave.
    root: usize,
    /// The links seen so far: no later entry may lie behind one, or take its place.
    links: BTreeSet<Vec<u8>>,
}

/// An entry's place: the parts of its path.
pub(in crate::ecosystem) struct Place(Vec<Vec<u8>>);

impl Place {
    /// The parts of the path, from the top.
    pub(in crate::ecosystem) fn parts(&self) -> &[Vec<u8>] {
        &self.0
    }

    /// The path with single slashes.
    pub(in crate::ecosystem) fn path(&self) -> Vec<u8> {
        self.0.join(&b'/')
    }
}

impl Places {
    /// No places so far. Links have to stay below the first `root` parts of the path they lie at.
    pub(in crate::ecosystem) fn new(limits: &UnpackLimits, root: usize) -> Self {
        Self { entries: 0, most_entries: limits.entries, root, links: BTreeSet::new() }
    }

    /// How many entries there were.
    pub(in crate::ecosystem) fn entries(&self) -> usize {
        self.entries
    }

    /// Takes an entry called `name` into account and says where it lies.
    pub(in crate::ecosystem) fn enter(&mut self, name: &[u8]) -> Result<Place, UnpackProblem> {
        self.entries += 1;
        if self.entries > self.most_entries {
            return Err(UnpackProblem::TooManyEntries { limit: self.most_entries });
        }
        let parts = split(name)?;
        if parts.iter().any(|part| part == b"..") {
            return Err(refused(name, "it contains `..`"));
        }
        if (1..parts.len()).any(|depth| self.links.contains(&parts[..depth].join(&b'/'))) {
            return Err(refused(name, "it lies behind a link"));
        }
        if self.links.contains(&parts.join(&b'/')) {
            return Err(refused(name, "a link lies there already"));
        }
        Ok(Place(parts))
    }

    /// Takes a symbolic link at `place` into account. Its target is relative to the folder it lies in.
    pub(in crate::ecosystem) fn symbolic_link(
        &mut self,
        place: &Place,
        target: &[u8],
    ) -> Result<(), UnpackProblem> {
        let name = place.path();
        let parts = link_target(&name, target)?;
        let depth = place.0.len().saturating_sub(1 + self.root);
        let ups = parts.iter().take_while(|part| part.as_slice() == b"..").count();
        if ups > depth {
            return Err(refused(&name, "the link points outside the package's folder"));
        }
        if parts[ups..].iter().any(|part| part == b"..") {
            return Err(refused(
                &name,
                "the link goes down and up again, so that nobody can tell where it points",
            ));
        }
        self.links.insert(name);
        Ok(())
    }

    /// Takes a hard link at `place` into account. Its target is an entry's name.
    pub(in crate::ecosystem) fn hard_link(
        &mut self,
        place: &Place,
        target: &[u8],
    ) -> Result<(), UnpackProblem> {
        let name = place.path();
        let parts = link_target(&name, target)?;
        let inside = parts.len() > self.root && parts[..self.root] == place.0[..self.root.min(place.0.len())];
        if !inside || parts.iter().any(|part| part == b"..") {
            return Err(refused(&name, "the link points outside the package's folder"));
        }
        self.links.insert(name);
        Ok(())
    }
}

fn link_target(name: &[u8], target: &[u8]) -> Result<Vec<Vec<u8>>, UnpackProblem> {
    let parts = split(target).map_err(|_| refused(name, "the link's target is not a plain relative path"))?;
    if parts.is_empty() {
        return Err(refused(name, "the link points nowhere"));
    }
    Ok(parts)
}

/// The parts between slashes, without empty ones and lone dots; refused where the path could leave the
/// folder it is unpacked into.
fn split(path: &[u8]) -> Result<Vec<Vec<u8>>, UnpackProblem> {
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
