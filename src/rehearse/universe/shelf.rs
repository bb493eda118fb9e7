//! Made files: each is made when it is first asked for and kept, since its hash is listed long
//! before anybody downloads it.

use crate::digest::hex;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use sha2::Digest as _;

use super::maker::{MadePackage, PackageMaker, Platform};

/// Which file of a package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Artifact {
    /// The source package.
    Source,
    /// A binary for a platform and a full version of R.
    Binary(Platform, String),
}

/// A made file and its hashes in hexadecimal.
#[derive(Debug)]
pub(super) struct MadeFile {
    pub(super) bytes: Bytes,
    pub(super) sha256: String,
    pub(super) md5: String,
}

/// Package, version, commit and which file.
type Key = (String, String, String, Artifact);

/// All files made so far.
pub(super) struct Shelf {
    maker: Arc<dyn PackageMaker>,
    files: Mutex<BTreeMap<Key, Arc<MadeFile>>>,
}

impl Shelf {
    pub(super) fn new(maker: Arc<dyn PackageMaker>) -> Self {
        Self { maker, files: Mutex::default() }
    }

    /// The platforms that there are binaries for.
    pub(super) fn platforms(&self) -> &[Platform] {
        self.maker.platforms()
    }

    /// The file, made now from what `describe` tells where it was not made before.
    pub(super) fn file(
        &self,
        (package, version, commit): (&str, &str, &str),
        artifact: Artifact,
        describe: impl FnOnce() -> MadePackage,
    ) -> Arc<MadeFile> {
        let key = (package.to_owned(), version.to_owned(), commit.to_owned(), artifact);
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let file = files.entry(key).or_insert_with_key(|(_, _, _, artifact)| {
            let bytes = match artifact {
                Artifact::Source => self.maker.source(&describe()),
                Artifact::Binary(platform, r) => self.maker.binary(&describe(), *platform, r),
            };
            let (sha256, md5) = (hex(&sha2::Sha256::digest(&bytes)), hex(&md5::Md5::digest(&bytes)));
            Arc::new(MadeFile { bytes: Bytes::from(bytes), sha256, md5 })
        });
        Arc::clone(file)
    }
}
