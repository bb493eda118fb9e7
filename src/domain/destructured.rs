//! A metapackage taken apart, whichever ecosystem it is of.

use serde::{Deserialize, Serialize};

/// The exact members of a metapackage or suite on one platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destructured {
    /// Where it was found: the address of a channel or registry, or the path of a file.
    pub source: String,
    /// The platform that its members are for, such as `linux-64`; absent where the ecosystem has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The metapackage itself.
    pub metapackage: DestructuredPackage,
    /// Its members, each once, by name.
    pub members: Vec<DestructuredMember>,
}

/// An exact package, as far as every ecosystem can name one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DestructuredPackage {
    /// Its name.
    pub name: String,
    /// Its version, as its index has it.
    pub version: String,
    /// What tells two builds of one version apart.
    pub build: String,
    /// SHA-256 of its file, lower-case hexadecimal.
    pub sha256: String,
    /// Where it lies, without a `/` at the end.
    pub channel: String,
}

/// One member of a metapackage.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DestructuredMember {
    /// The exact package.
    #[serde(flatten)]
    pub package: DestructuredPackage,
    /// The names of the metapackages by which it was reached, the outermost first: the shortest such
    /// path, and among those the first by name.
    pub via: Vec<String>,
}
