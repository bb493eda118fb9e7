//! The three ways in which a call to the outside can fail, told apart because the caller acts
//! differently on each: try again, hold and tell a person, or refuse to start.

use std::io;
use std::path::Path;

use jiff::Timestamp;

/// Why a call to a service failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// It may work later: a time-out, a broken connection, a 5xx answer, a rate limit, a full disk, a file
    /// that upstream may be replacing.
    #[error("{message}")]
    Transient {
        /// What was tried and what happened, with the address.
        message: String,
        /// Not before this time, where the service said so.
        retry_at: Option<Timestamp>,
    },
    /// It will not work again in the same way: a 4xx answer, a malformed body, an archive that is refused.
    #[error("{message}")]
    Permanent {
        /// What was tried and what happened, with the address.
        message: String,
    },
    /// Something that the operator wrote is wrong: a token that is refused, a bad address.
    #[error("{message}")]
    Configuration {
        /// What is wrong and where.
        message: String,
        /// What to do about it; shown on a line of its own.
        hint: Option<String>,
    },
}

impl Failure {
    /// A failure worth another try, with no word on when.
    pub fn transient(message: impl Into<String>) -> Self {
        Self::Transient { message: message.into(), retry_at: None }
    }

    /// A failure that trying again does not mend.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self::Permanent { message: message.into() }
    }

    /// What the system said of the file or folder at `path`. Disks get room again, and network disks come back.
    pub fn disk(what: &str, path: &Path, error: &io::Error) -> Self {
        Self::transient(format!("cannot {what} {}: {error}{}", path.display(), room(error)))
    }

    /// An error with what a disk said among its causes is one that may not come again, with what to do about it; any
    /// other is as it is.
    pub fn of_disk(error: anyhow::Error) -> anyhow::Error {
        if error.downcast_ref::<Self>().is_some() {
            return error;
        }
        match error.chain().find_map(|cause| cause.downcast_ref::<io::Error>()) {
            Some(said) => Self::transient(format!("{error:#}{}", room(said))).into(),
            None => error,
        }
    }

    /// True where trying again makes sense.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Transient { .. })
    }
}

/// What to do about a disk that refuses to take more.
fn room(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull => "; make room on that disk",
        io::ErrorKind::QuotaExceeded => "; raise this user's quota, or make room",
        io::ErrorKind::FileTooLarge => "; raise the limit on the size of files",
        _ => "",
    }
}
