//! One archive of a build: read whole, checked against the distribution, and kept by its digest.

use anyhow::Context as _;
use tempfile::NamedTempFile;

use crate::config::CondaDistribution;
use crate::ecosystem::conda::archive::{Archive, ArchiveLimits, ArchiveProblem, UnpackLimits, UnpackProblem};
use crate::ecosystem::conda::layout::{NOARCH, is_subdir};
use crate::publish::content::ContentStore;
use crate::store::NewArrival;

/// Why an archive is not taken in, for a person.
pub(super) type Refusal = String;

/// An archive that came out of an artifact or a folder, under its name there.
pub(super) struct Incoming {
    pub(super) file: NamedTempFile,
    /// The folder that it lay in, where it is that of a platform.
    pub(super) folder: Option<String>,
    pub(super) file_name: String,
}

/// An archive that is what it is called, and that the distribution may have.
pub(super) struct Checked {
    pub(super) incoming: Incoming,
    pub(super) arrival: NewArrival,
}

impl Incoming {
    /// Reads the archive whole. The outer error is this machine's, the inner one the archive's.
    pub(super) fn check(
        self,
        distribution: &CondaDistribution,
        largest: u64,
    ) -> anyhow::Result<Result<Checked, Refusal>> {
        let archive = match self.read(largest) {
            Ok(archive) => archive,
            Err(ArchiveProblem::Unpack(UnpackProblem::Disk(error))) => {
                return Err(error).with_context(|| format!("cannot read {}", self.file_name));
            }
            Err(problem) => return Ok(Err(format!("{}: {problem}", self.file_name))),
        };
        let (name, subdir) = (archive.name, archive.index.subdir);
        if !distribution.members.contains(&name.name) {
            return Ok(Err(format!(
                "{}: {} is no member of {}",
                self.file_name, name.name, distribution.name
            )));
        }
        if subdir != NOARCH && !distribution.platforms.contains(&subdir) {
            return Ok(Err(format!("{}: {} is not for {subdir}", self.file_name, distribution.name)));
        }
        let arrival = NewArrival {
            subdir,
            file_name: name.to_string(),
            name: name.name,
            version: name.version,
            build: name.build,
            build_number: archive.index.build_number,
            sha256: archive.sums.sha256,
            size: archive.sums.size,
        };
        Ok(Ok(Checked { incoming: self, arrival }))
    }

    /// An archive outside any folder of a platform is for the one that its index.json says.
    fn read(&self, largest: u64) -> Result<Archive, ArchiveProblem> {
        let unpack = UnpackLimits { compressed: largest, ..ArchiveLimits::default().unpack };
        let limits = ArchiveLimits { unpack, ..ArchiveLimits::default() };
        let read = |subdir: &str| Archive::read_as(self.file.path(), subdir, &self.file_name, &limits);
        let folder = self.folder.as_deref().filter(|folder| is_subdir(folder));
        let read = match (folder, read(folder.unwrap_or(NOARCH))) {
            (None, Err(error)) => match error.problem {
                ArchiveProblem::OtherSubdir { subdir, .. } => read(&subdir),
                problem => return Err(problem),
            },
            (_, read) => read,
        };
        read.map_err(|error| error.problem)
    }
}

impl Checked {
    /// Brings the archive to its place by its digest, and to the disk.
    pub(super) fn keep(self, content: &ContentStore) -> anyhow::Result<NewArrival> {
        let kept = content.keep(self.incoming.file.path(), &self.arrival.sha256);
        kept.with_context(|| format!("cannot keep {}", self.arrival.file_name))?;
        Ok(self.arrival)
    }
}
