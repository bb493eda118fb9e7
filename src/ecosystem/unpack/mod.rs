//! Reading what strangers packed, whichever ecosystem it is for: how much may come out ([`guard`]), where
//! entries may lie ([`places`]), and the entries of a tarball ([`tarball`]). Nothing is unpacked to disk.

pub(in crate::ecosystem) mod guard;
pub(in crate::ecosystem) mod places;
pub(in crate::ecosystem) mod tarball;

/// How much an archive may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnpackLimits {
    /// The most bytes of the archive itself.
    pub compressed: u64,
    /// The most bytes of all its entries together.
    pub unpacked: u64,
    /// The most bytes that one byte of the archive may turn into.
    pub ratio: u64,
    /// From how many unpacked bytes on the ratio is looked at: small files of zeros are harmless.
    pub ratio_from: u64,
    /// The most entries.
    pub entries: usize,
}

impl Default for UnpackLimits {
    fn default() -> Self {
        Self {
            compressed: 512 * 1024 * 1024,
            unpacked: 2 * 1024 * 1024 * 1024,
            ratio: 200,
            ratio_from: 64 * 1024 * 1024,
            entries: 200_000,
        }
    }
}

/// Why an archive is refused before anybody asks what its content means.
#[derive(Debug, thiserror::Error)]
pub enum UnpackProblem {
    /// The archive itself is too large.
    #[error("the archive has {size} bytes, more than the {limit} allowed")]
    TooLarge {
        /// Its size in bytes.
        size: u64,
        /// What is allowed.
        limit: u64,
    },
    /// Its content is too large.
    #[error("the archive unpacks to more than the {limit} bytes allowed")]
    UnpacksTooLarge {
        /// What is allowed.
        limit: u64,
    },
    /// Its content is out of all proportion to the archive.
    #[error("the archive unpacks to more than {ratio} times its size; it looks like a decompression bomb")]
    Bomb {
        /// What is allowed.
        ratio: u64,
    },
    /// There are too many entries.
    #[error("the archive has more than the {limit} entries allowed")]
    TooManyEntries {
        /// What is allowed.
        limit: usize,
    },
    /// It ends too early, or its bytes are not what the format promises.
    #[error("the archive is cut off or damaged: {0}")]
    Damaged(String),
    /// An entry's name points outside the package's folder, or is not portable.
    #[error("the entry `{entry}` is refused: {why}")]
    Entry {
        /// The name as written, shortened.
        entry: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The file cannot be opened or read.
    #[error("the archive cannot be read from disk: {0}")]
    Disk(std::io::Error),
}

/// An error about an entry, with its name cut to what a person wants to see.
pub(in crate::ecosystem) fn refused(name: &[u8], why: &'static str) -> UnpackProblem {
    let entry =
        String::from_utf8_lossy(name).chars().filter(|letter| !letter.is_control()).take(120).collect();
    UnpackProblem::Entry { entry, why }
}
