//! `patch_instructions.json`, version 1: what an index says otherwise than the archives do, as
//! conda-index applies it. Files never change; only what readers are told about them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::layout::{ArchiveFormat, ArchiveName};
use super::record::Record;

/// The file's name in a sub-directory of a channel.
pub const PATCH_FILE: &str = "patch_instructions.json";

/// The most bytes of such a file; conda-forge's largest has about 20 MB.
pub const MAX_PATCH_BYTES: u64 = 64 * 1024 * 1024;

/// The version of the format that is applied.
const VERSION: u64 = 1;

/// The dependency that no package satisfies: who depends on it cannot be installed.
pub(super) const REVOKED: &str = "package_has_been_revoked";

/// The fields that a patch may set. What says which file it is (name, version, build, sums) is not among them.
const PATCHABLE: [&str; 13] = [
    "constrains",
    "depends",
    "features",
    "license",
    "license_family",
    "namespace",
    "noarch",
    "preferred_env",
    "purls",
    "python_site_packages_path",
    "run_exports",
    "timestamp",
    "track_features",
];

/// The values that a patch gives the fields of one record; `null` takes a field away.
pub type RecordPatch = BTreeMap<String, Value>;

/// The instructions for one sub-directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchInstructions {
    /// By `.tar.bz2` file; they hold for the `.conda` file of the same build too.
    pub packages: BTreeMap<String, RecordPatch>,
    /// By `.conda` file; they come after those of `packages`.
    #[serde(rename = "packages.conda")]
    pub packages_conda: BTreeMap<String, RecordPatch>,
    /// The files that nobody can install any more, though they stay listed.
    pub revoke: BTreeSet<String>,
    /// The files that are no longer listed.
    pub remove: BTreeSet<String>,
}

/// Why patch instructions are refused.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// It is not JSON of the right shape, or has a key that is not known.
    #[error("these are no patch instructions: {0}")]
    Malformed(#[from] serde_json::Error),
    /// The version is not 1.
    #[error("patch instructions of version {0} are not known; this program applies version 1")]
    Version(u64),
    /// A file's name is not that of a package, or of the other format.
    #[error("`{section}` names `{file}`, which is not a file of that kind")]
    File {
        /// The list.
        section: &'static str,
        /// The name, shortened.
        file: String,
    },
    /// A field that may not be patched.
    #[error("`{file}`: the field `{field}` cannot be patched; known are {}", PATCHABLE.join(", "))]
    Field {
        /// The file.
        file: String,
        /// The field, shortened.
        field: String,
    },
    /// A dependency list with something else in it.
    #[error("`{file}`: `{field}` has to be a list of texts")]
    NotTexts {
        /// The file.
        file: String,
        /// The field.
        field: String,
    },
}

/// The file as it is written. All keys but the version may be missing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(rename = "patch_instructions_version")]
    _version: u64,
    #[serde(default)]
    packages: BTreeMap<String, RecordPatch>,
    #[serde(default, rename = "packages.conda")]
    packages_conda: BTreeMap<String, RecordPatch>,
    #[serde(default)]
    revoke: BTreeSet<String>,
    #[serde(default)]
    remove: BTreeSet<String>,
}

/// The version alone, so that a newer file is called newer and not malformed.
#[derive(Deserialize)]
struct Version {
    patch_instructions_version: u64,
}

impl PatchInstructions {
    /// Reads the bytes of a `patch_instructions.json`.
    pub fn parse(bytes: &[u8]) -> Result<Self, PatchError> {
        let version: Version = serde_json::from_slice(bytes)?;
        if version.patch_instructions_version != VERSION {
            return Err(PatchError::Version(version.patch_instructions_version));
        }
        let Written { _version, packages, packages_conda, revoke, remove } = serde_json::from_slice(bytes)?;
        let instructions = Self { packages, packages_conda, revoke, remove };
        instructions.check()?;
        Ok(instructions)
    }

    /// True where they change nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The bytes of a `patch_instructions.json` that says this: equal instructions give equal bytes.
    pub fn to_json(&self) -> Vec<u8> {
        let mut value = serde_json::to_value(self).expect("texts and JSON values have JSON");
        value["patch_instructions_version"] = VERSION.into();
        let mut bytes = serde_json::to_vec_pretty(&value).expect("a JSON value has a text");
        bytes.push(b'\n');
        bytes
    }

    /// Changes `records` by what is said here, and gives the files that were removed from them. What is
    /// said of files that are not there means nothing, as one file of instructions serves many copies of a channel.
    pub(super) fn apply(&self, records: &mut BTreeMap<String, Record>) -> Vec<String> {
        let both = |file: &String| [file.clone(), twin(file)];
        for (file, patch) in &self.packages {
            both(file).iter().for_each(|file| patch_record(records, file, patch));
        }
        for (file, patch) in &self.packages_conda {
            patch_record(records, file, patch);
        }
        for file in self.revoke.iter().flat_map(both) {
            records.get_mut(&file).into_iter().for_each(revoke);
        }
        let removed = self.remove.iter().flat_map(both).filter(|file| records.remove(file).is_some());
        let removed: BTreeSet<String> = removed.collect();
        removed.into_iter().collect()
    }

    fn check(&self) -> Result<(), PatchError> {
        let sections =
            [(ArchiveFormat::TarBz2, &self.packages), (ArchiveFormat::Conda, &self.packages_conda)];
        for (format, patches) in sections {
            for (file, patch) in patches {
                check_file(file, format.section(), &[format])?;
                check_fields(file, patch)?;
            }
        }
        let lists = [("revoke", &self.revoke), ("remove", &self.remove)];
        for (section, files) in lists {
            for file in files {
                check_file(file, section, &ArchiveFormat::ALL)?;
            }
        }
        Ok(())
    }
}

fn check_file(file: &str, section: &'static str, formats: &[ArchiveFormat]) -> Result<(), PatchError> {
    match ArchiveName::parse(file) {
        Ok(name) if formats.contains(&name.format) => Ok(()),
        _ => Err(PatchError::File { section, file: file.chars().take(120).collect() }),
    }
}

fn check_fields(file: &str, patch: &RecordPatch) -> Result<(), PatchError> {
    for (field, value) in patch {
        if !PATCHABLE.contains(&field.as_str()) {
            let field = field.chars().take(60).collect();
            return Err(PatchError::Field { file: file.to_owned(), field });
        }
        let texts = value.as_array().is_some_and(|values| values.iter().all(Value::is_string));
        let gone = value.is_null() && field == "constrains";
        if matches!(field.as_str(), "depends" | "constrains") && !texts && !gone {
            return Err(PatchError::NotTexts { file: file.to_owned(), field: field.clone() });
        }
    }
    Ok(())
}

/// The `.conda` file of the build whose `.tar.bz2` file is `file`: instructions for the older format hold
/// for both. A `.conda` file has no such twin, and is its own.
fn twin(file: &str) -> String {
    match file.strip_suffix(ArchiveFormat::TarBz2.suffix()) {
        Some(stem) => format!("{stem}{}", ArchiveFormat::Conda.suffix()),
        None => file.to_owned(),
    }
}

fn patch_record(records: &mut BTreeMap<String, Record>, file: &str, patch: &RecordPatch) {
    let Some(record) = records.get_mut(file) else { return };
    for (field, value) in patch {
        record.set(field, Some(value.clone()).filter(|value| !value.is_null()));
    }
}

/// Once only, though a `.conda` file may be named twice.
fn revoke(record: &mut Record) {
    if record.field("revoked").is_some() {
        return;
    }
    let depends = record.field("depends").and_then(Value::as_array);
    let depends = depends.into_iter().flatten().cloned().chain([REVOKED.into()]).collect();
    record.set("depends", Some(depends));
    record.set("revoked", Some(true.into()));
}
