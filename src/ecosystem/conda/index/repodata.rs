//! The index of one sub-directory, and the three files that hold it.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::Path;

use bzip2::write::BzEncoder;
use serde::Serialize;

use super::super::layout::ArchiveFormat;
use super::super::patch::PatchInstructions;
use super::super::record::Record;
use crate::ecosystem::index_memory::TEMPORARY;
use crate::whole_file::write_changed;

/// The names of the files that hold an index: as it is, and compressed in two ways.
pub const INDEX_FILES: [&str; 3] = ["repodata.json", "repodata.json.bz2", "repodata.json.zst"];

/// conda-index compresses with the same level.
const ZSTD_LEVEL: i32 = 16;

/// The index of one sub-directory. Its fields stand in the order of their names, as all keys of the file do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SubdirIndex {
    info: Info,
    /// `.tar.bz2` files by name.
    pub packages: BTreeMap<String, Record>,
    /// `.conda` files by name.
    #[serde(rename = "packages.conda")]
    pub packages_conda: BTreeMap<String, Record>,
    /// The files that lie there and are no longer listed, in order.
    pub removed: Vec<String>,
    repodata_version: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Info {
    subdir: String,
}

impl SubdirIndex {
    /// The index of the files `records` in `subdir`, as `patches` wants it.
    pub fn new(subdir: &str, mut records: BTreeMap<String, Record>, patches: &PatchInstructions) -> Self {
        let removed = patches.apply(&mut records);
        let (packages_conda, packages) =
            records.into_iter().partition(|(file, _)| file.ends_with(ArchiveFormat::Conda.suffix()));
        let info = Info { subdir: subdir.to_owned() };
        Self { info, packages, packages_conda, removed, repodata_version: 1 }
    }

    /// The sub-directory.
    pub fn subdir(&self) -> &str {
        &self.info.subdir
    }

    /// The bytes of `repodata.json`.
    pub fn json(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("texts and JSON values have JSON");
        bytes.push(b'\n');
        bytes
    }

    /// Writes all three files into `folder`, each in one step and only where its bytes change. True where any did.
    pub fn write_to(&self, folder: &Path) -> io::Result<bool> {
        let json = self.json();
        let contents = [json.clone(), bzip2(&json)?, zstd::encode_all(json.as_slice(), ZSTD_LEVEL)?];
        let mut changed = false;
        for (name, bytes) in INDEX_FILES.iter().zip(contents) {
            changed |= write_changed(&folder.join(name), &bytes, TEMPORARY)?;
        }
        Ok(changed)
    }
}

fn bzip2(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = BzEncoder::new(Vec::new(), bzip2::Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}
