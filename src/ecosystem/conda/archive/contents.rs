//! What was seen of a package archive: where its entries lie, and the two files that are kept.

use std::io::Read;

use super::{ArchiveLimits, ArchiveProblem};
use crate::ecosystem::unpack::guard::problem_of;
use crate::ecosystem::unpack::places::Places;
use crate::ecosystem::unpack::tarball::EntryKind;
use crate::ecosystem::unpack::{UnpackProblem, refused};

const INDEX: &[u8] = b"info/index.json";
const ABOUT: &[u8] = b"info/about.json";
/// Where tests lie.
const TESTS: [&[u8]; 2] = [b"info/test/", b"info/tests/"];
/// Folders in which nothing is that is run or imported.
const DATA: [&[u8]; 2] = [b"etc", b"share"];

/// What a package installs, as far as its files tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Payload {
    /// No file and no link.
    Nothing,
    /// Files below `share` or `etc` alone, and no tests of them: what builders leave in metapackages, too.
    Data,
    /// Anything else: something that is run, imported or tested.
    Code,
}

/// Which tarball of a package an entry is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tarball {
    /// The only one of a `.tar.bz2`.
    Whole,
    /// The one with `info/` of a `.conda`.
    Info,
    /// The one with everything else.
    Package,
}

/// What was seen of an archive so far, over all the tarballs it is made of: they are unpacked into one folder.
pub(super) struct Contents {
    pub(super) unpacked: u64,
    files: Option<Payload>,
    tests: bool,
    places: Places,
    most_info: u64,
    index: Option<Vec<u8>>,
    about: Option<Vec<u8>>,
}

impl Contents {
    pub(super) fn new(limits: &ArchiveLimits) -> Self {
        let places = Places::new(&limits.unpack, 0);
        let most_info = limits.info;
        Self { unpacked: 0, files: None, tests: false, places, most_info, index: None, about: None }
    }

    /// How many entries there were.
    pub(super) fn entries(&self) -> usize {
        self.places.entries()
    }

    /// What it installs.
    pub(super) fn payload(&self) -> Payload {
        match self.files {
            None => Payload::Nothing,
            Some(_) if self.tests => Payload::Code,
            Some(payload) => payload,
        }
    }

    /// The bytes of `info/index.json` and of `info/about.json`.
    pub(super) fn into_info(self) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
        (self.index, self.about)
    }

    /// Takes one entry of a tarball into account.
    pub(super) fn take(
        &mut self,
        tarball: Tarball,
        (name, kind): (&[u8], EntryKind),
        reader: &mut dyn Read,
    ) -> Result<(), ArchiveProblem> {
        let place = self.places.enter(name)?;
        let path = place.path();
        let top = place.parts().first().map(Vec::as_slice).unwrap_or_default();
        if kind != EntryKind::Folder {
            self.see(top, &path);
        }
        // Readers that open the info tarball alone would not see it, and those that unpack both would.
        if tarball == Tarball::Package && top.eq_ignore_ascii_case(b"info") {
            return Err(refused(name, "what is below `info` belongs into the info tarball").into());
        }
        if kind == EntryKind::File {
            return self.file(name, &path, reader);
        }
        if counts(&path) {
            return Err(refused(name, "it has to be a file; package readers look into it").into());
        }
        match kind {
            EntryKind::SymbolicLink(target) => {
                self.link(&path, |places| places.symbolic_link(&place, &target))
            }
            EntryKind::HardLink(target) => self.link(&path, |places| places.hard_link(&place, &target)),
            EntryKind::Folder | EntryKind::File => Ok(()),
        }
    }

    /// Notes what a file or a link says of the package. It lies at `path`, below `top`.
    fn see(&mut self, top: &[u8], path: &[u8]) {
        if top.eq_ignore_ascii_case(b"info") {
            self.tests |= TESTS.iter().any(|tests| path.starts_with(tests));
        } else {
            let found = if DATA.contains(&top) { Payload::Data } else { Payload::Code };
            self.files = self.files.max(Some(found));
        }
    }

    fn link(
        &mut self,
        path: &[u8],
        make: impl FnOnce(&mut Places) -> Result<(), UnpackProblem>,
    ) -> Result<(), ArchiveProblem> {
        if path.is_empty() || path.eq_ignore_ascii_case(b"info") {
            return Err(refused(path, "the folder `info` may not be a link").into());
        }
        Ok(make(&mut self.places)?)
    }

    fn file(&mut self, name: &[u8], path: &[u8], reader: &mut dyn Read) -> Result<(), ArchiveProblem> {
        let kept = match path {
            INDEX => &mut self.index,
            ABOUT => &mut self.about,
            // On a disk that ignores case it would take the place of the file that was checked.
            _ if counts(path) => {
                return Err(refused(name, "it differs only in case from a file of `info/`").into());
            }
            b"" => return Err(refused(name, "it has no name").into()),
            _ => return Ok(()),
        };
        let mut bytes = Vec::new();
        reader.take(self.most_info + 1).read_to_end(&mut bytes).map_err(problem_of)?;
        if bytes.len() as u64 > self.most_info {
            return Err(refused(name, "it is longer than such a file may be").into());
        }
        match kept.replace(bytes) {
            None => Ok(()),
            Some(_) => {
                Err(refused(name, "there is one already, and readers would differ on which counts").into())
            }
        }
    }
}

/// True for the paths of the files that are kept, in whatever case.
fn counts(path: &[u8]) -> bool {
    path.eq_ignore_ascii_case(INDEX) || path.eq_ignore_ascii_case(ABOUT)
}
