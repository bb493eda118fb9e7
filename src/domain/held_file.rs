//! The files that have to be kept, and for whom.

use std::fmt;

use jiff::civil::Date;
use serde::Serialize;

/// A file that somebody holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeldFile {
    /// Its SHA-256.
    pub sha256: String,
    /// Its size in bytes, where that is known.
    pub size: Option<u64>,
    /// Where it lies in a repository.
    pub path: String,
    /// Who holds it.
    pub holder: Holder,
}

/// Who holds a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Holder {
    /// A snapshot that is public, or was.
    Snapshot {
        /// Its distribution.
        distribution: String,
        /// Its date.
        date: Date,
    },
    /// A revision of a package that is in no snapshot, such as a conda build.
    Revision {
        /// Where its package's name counts.
        namespace: String,
        /// Its package.
        package: String,
        /// Its version.
        version: String,
    },
    /// What a channel holds, or held after the last snapshot.
    Channel {
        /// The distribution.
        distribution: String,
        /// The channel.
        channel: String,
        /// The package.
        package: String,
    },
    /// A build that came in.
    Arrival {
        /// The distribution.
        distribution: String,
    },
    /// A person's withdrawal, which can be taken back.
    Withdrawal {
        /// The distribution.
        distribution: String,
    },
    /// A test that is under way.
    Test {
        /// Its job.
        job: String,
    },
}

impl fmt::Display for Holder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Snapshot { distribution, date } => {
                write!(formatter, "the snapshot {date} of {distribution}")
            }
            Self::Revision { namespace, package, version } => {
                write!(formatter, "{namespace}/{package} {version}")
            }
            Self::Channel { distribution, channel, package } => {
                write!(formatter, "{package} in {distribution}/{channel}")
            }
            Self::Arrival { distribution } => write!(formatter, "a build that came in for {distribution}"),
            Self::Withdrawal { distribution } => write!(formatter, "a withdrawal from {distribution}"),
            Self::Test { job } => write!(formatter, "a test of {job} that is under way"),
        }
    }
}
