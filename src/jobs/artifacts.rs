//! Where fetched and written files are kept by their digest.

use std::path::{Path, PathBuf};

/// Where a file is kept: `<artifacts>/<first two digits>/<digest>`. The digest has been checked to be one.
pub(super) fn kept_path(artifacts: &Path, sha256: &str) -> PathBuf {
    artifacts.join(sha256.get(..2).unwrap_or_default()).join(sha256)
}
