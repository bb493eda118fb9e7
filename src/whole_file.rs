//! Files that are written in one step: whoever reads one finds the old bytes or the new ones, whenever the power
//! fails. Any room may use it.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Puts `bytes` into the file at `path` in one step, for everybody to read; false where it has them already. Until
/// then they lie beside it, in a file whose name begins with `prefix`, which whoever is killed leaves behind.
pub(crate) fn write_changed(path: &Path, bytes: &[u8], prefix: &str) -> io::Result<bool> {
    let same_size =
        fs::symlink_metadata(path).is_ok_and(|there| there.is_file() && there.len() == bytes.len() as u64);
    if same_size && fs::read(path)? == bytes {
        return Ok(false);
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut beside = tempfile::Builder::new().prefix(prefix).tempfile_in(folder)?;
    beside.write_all(bytes)?;
    beside.as_file().set_permissions(Permissions::from_mode(0o644))?;
    beside.as_file().sync_all()?;
    beside.persist(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()?;
    Ok(true)
}

/// Removes what [`write_changed`] left in a folder when it was killed. Nobody else may be writing there.
pub(crate) fn clear_leftovers(folder: &Path, prefix: &str) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(prefix.as_bytes()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_bytes_leave_the_file_alone_and_leftovers_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        assert!(write_changed(&path, b"one", ".beside-").unwrap());
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        assert!(!write_changed(&path, b"one", ".beside-").unwrap());
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
        fs::write(folder.path().join(".beside-abc"), "torn").unwrap();
        clear_leftovers(folder.path(), ".beside-").unwrap();
        assert!(write_changed(&path, b"two", ".beside-").unwrap());
        let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(names.collect::<Vec<_>>(), ["file"]);
        assert_eq!(fs::read(&path).unwrap(), b"two");
    }
}
