//! Why a suite cannot be taken apart, in words that name the file.

use std::path::PathBuf;

/// Why a suite was not taken apart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SuiteProblem {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What happened.
        why: String,
    },
    /// A file is not what its name says.
    #[error("{}: {why}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line where it is known.
        why: String,
    },
    /// There is no suite.
    #[error("{}: {why}", path.display())]
    NoSuite {
        /// The file or folder.
        path: PathBuf,
        /// Why what is there is none.
        why: String,
    },
    /// There are several suites, and none was named, or several have that name.
    #[error("{} has several suites{}", path.display(), asked.as_ref().map_or(String::new(), |asked| format!(" called `{asked}`")))]
    Several {
        /// The folder.
        path: PathBuf,
        /// The name that was asked for.
        asked: Option<String>,
        /// The suites, by name.
        names: Vec<String>,
    },
    /// No suite has that name.
    #[error("{} has no suite `{asked}`", path.display())]
    NoSuch {
        /// The file or folder.
        path: PathBuf,
        /// The name.
        asked: String,
        /// The suites that there are.
        names: Vec<String>,
    },
    /// Suites hold each other.
    #[error("suites hold each other: {}", path.join(" → "))]
    Cycle {
        /// From a suite back to itself.
        path: Vec<String>,
    },
    /// Two suites pin different revisions of a member.
    #[error("{member} is pinned to {one} and to {other}")]
    Twice {
        /// The member.
        member: String,
        /// One revision, with the suite that pins it.
        one: String,
        /// The other one.
        other: String,
    },
}
