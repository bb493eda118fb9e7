//! Why something was not published.

use std::io;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Why nothing was published. What was published before is as it was.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Other files are published under this name, and published folders never change.
    #[error("`{name}` is published already with other files: {difference}; publish under another name")]
    AlreadyPublished {
        /// The name.
        name: String,
        /// The first difference.
        difference: String,
    },
    /// The name could leave the root, or hide.
    #[error(
        "`{0}` is not a name to publish under: use letters, digits, `.`, `_` and `-`, at most 128, a letter or digit first"
    )]
    BadName(String),
    /// There is nothing to publish.
    #[error("nothing was prepared for `{0}`: the folder is empty")]
    Empty(String),
    /// A link was asked to point at what is not there.
    #[error("`{0}` is not published here, so nothing can point at it")]
    NotPublished(String),
    /// A link was asked to replace something that is no link.
    #[error("`{0}` is there and is not a link; it stays as it is")]
    NotALink(String),
    /// The name of a file in the store is none.
    #[error("`{0}` is no SHA-256 of 64 hexadecimal digits in lower case")]
    NotADigest(String),
    /// The link is there, but not of our making.
    #[error("`{name}` points at {}, which is no generation of it; put the link away to publish here", target.display())]
    Foreign {
        /// The link's name.
        name: String,
        /// What it points at.
        target: PathBuf,
    },
    /// A generation can only follow the one before it.
    #[error(
        "`{name}` is at generation {current}, so generation {number} cannot follow; restore the folder or the state from a copy"
    )]
    OutOfOrder {
        /// The name.
        name: String,
        /// The generation that readers see.
        current: u64,
        /// The one that was to follow.
        number: u64,
    },
    /// The disk refused.
    #[error("cannot {what} {}: {source}", path.display())]
    Disk {
        /// What was tried.
        what: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl From<PublishError> for Failure {
    /// A disk may have room again; everything else stays as it is.
    fn from(error: PublishError) -> Self {
        match &error {
            PublishError::Disk { what, path, source } => Self::disk(what, path, source),
            _ => Self::permanent(error.to_string()),
        }
    }
}

/// Turns what the system said into an error about the file or folder at `path`.
pub(super) fn disk<'p>(what: &'static str, path: &'p Path) -> impl FnOnce(io::Error) -> PublishError + 'p {
    move |source| PublishError::Disk { what, path: path.to_owned(), source }
}
