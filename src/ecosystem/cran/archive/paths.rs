//! Where the entries of an R package lie: all of them inside one folder, the package's.

use super::super::layout::is_package_name;
use super::{ArchiveLimits, ArchiveProblem};
use crate::ecosystem::unpack::places::{Place, Places};
use crate::ecosystem::unpack::refused;

/// What was seen of an archive so far.
pub(super) struct Contents {
    pub(super) unpacked: u64,
    places: Places,
    folder: Option<String>,
    description: Option<Vec<u8>>,
}

/// An entry's place in the package's folder.
pub(super) struct PackagePlace(Place);

impl PackagePlace {
    /// True for the package's folder itself.
    pub(super) fn is_top(&self) -> bool {
        self.0.parts().len() == 1
    }

    /// True for the DESCRIPTION of the package itself.
    pub(super) fn is_description(&self) -> bool {
        self.0.parts().len() == 2 && self.0.parts()[1] == b"DESCRIPTION"
    }
}

impl Contents {
    pub(super) fn new(limits: &ArchiveLimits) -> Self {
        Self { unpacked: 0, places: Places::new(limits, 1), folder: None, description: None }
    }

    /// How many entries there were.
    pub(super) fn entries(&self) -> usize {
        self.places.entries()
    }

    /// Takes an entry called `name` into account and says where it lies.
    pub(super) fn enter(&mut self, name: &[u8]) -> Result<PackagePlace, ArchiveProblem> {
        let place = self.places.enter(name)?;
        let top = place.parts().first().ok_or_else(|| refused(name, "it has no name"))?;
        let top = String::from_utf8(top.clone()).ok().filter(|top| is_package_name(top));
        let top = top.ok_or_else(|| refused(name, "the first folder is not named as a package"))?;
        if *self.folder.get_or_insert_with(|| top.clone()) != top {
            return Err(refused(name, "it is outside the package's folder").into());
        }
        Ok(PackagePlace(place))
    }

    /// Takes a symbolic link at `place` into account. Its target is relative to the folder it lies in.
    pub(super) fn symbolic_link(
        &mut self,
        place: &PackagePlace,
        name: &[u8],
        target: &[u8],
    ) -> Result<(), ArchiveProblem> {
        self.places.symbolic_link(&place.0, target)?;
        no_link_that_counts(place, name)
    }

    /// Takes a hard link at `place` into account. Its target is an entry's name.
    pub(super) fn hard_link(
        &mut self,
        place: &PackagePlace,
        name: &[u8],
        target: &[u8],
    ) -> Result<(), ArchiveProblem> {
        self.places.hard_link(&place.0, target)?;
        no_link_that_counts(place, name)
    }

    /// Keeps the DESCRIPTION.
    pub(super) fn describe(&mut self, name: &[u8], description: Vec<u8>) -> Result<(), ArchiveProblem> {
        match self.description.replace(description) {
            None => Ok(()),
            Some(_) => {
                Err(refused(name, "there is one already, and readers would differ on which counts").into())
            }
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
}

fn no_link_that_counts(place: &PackagePlace, name: &[u8]) -> Result<(), ArchiveProblem> {
    if place.is_description() || place.is_top() {
        return Err(refused(name, "the package's folder and its DESCRIPTION may not be links").into());
    }
    Ok(())
}
