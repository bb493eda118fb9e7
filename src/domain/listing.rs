//! What a channel's repository lists: R-universe's `packages.json`.

use serde::{Deserialize, Serialize};

/// A package's name inside its distribution.
pub type PackageName = String;

/// One row of a `packages.json`: where a package's source lives, and which revision of it the
/// channel holds. The order of the fields is the order in which upstream writes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// The package.
    pub package: PackageName,
    /// The address of its git repository.
    pub url: String,
    /// `*release`, a branch or tag, or a commit of 40 hexadecimal digits (a pin); absent where the
    /// universe follows the default branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The package's folder inside the repository, where it is not the top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subdir: Option<String>,
}

impl Listing {
    /// The commit this row pins, where its branch is one.
    pub fn pin(&self) -> Option<&str> {
        self.branch.as_deref().filter(|branch| is_commit(branch))
    }
}

/// True for a full git commit hash: 40 hexadecimal digits, lower case as git writes them.
pub fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Sorts listings by lower-cased name, as R's collation orders upstream's files.
pub fn sort_as_upstream(listings: &mut [Listing]) {
    listings.sort_by_cached_key(|listing| (listing.package.to_lowercase(), listing.package.clone()));
}
