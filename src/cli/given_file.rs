//! Files as they are named on the command line.

use std::io::{Read as _, Write as _};
use std::path::Path;

use super::CommandError;

/// No file that a command takes comes near this: the answer of a universe of 30,000 packages is the
/// largest, with some 10 KiB for each.
const LARGEST: u64 = 512 * 1024 * 1024;

/// What is wrong with the content of a file, as a mistake of whoever named it.
pub(super) fn refused(problem: impl std::fmt::Display) -> CommandError {
    CommandError::invalid(problem.to_string())
}

/// Reads a whole file. A file that cannot be read, or is larger than 512 MiB, is an
/// invalid command line.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, CommandError> {
    let unreadable =
        |error: std::io::Error| CommandError::invalid(format!("cannot read {}: {error}", path.display()));
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST {
        return Err(CommandError::invalid(format!("{} is larger than 512 MiB", path.display())));
    }
    Ok(bytes)
}

/// Writes a file in one step: whoever reads it sees the old text or the new one. It can be read by
/// everybody, as a file that an editor writes.
pub(super) fn write(path: &Path, text: &str) -> Result<(), CommandError> {
    let unwritable =
        |error: std::io::Error| CommandError::failed(format!("cannot write {}: {error}", path.display()));
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut beside = tempfile::NamedTempFile::new_in(folder).map_err(unwritable)?;
    let permissions = match std::fs::metadata(path) {
        Ok(metadata) => metadata.permissions(),
        Err(_) => std::os::unix::fs::PermissionsExt::from_mode(0o644),
    };
    beside.write_all(text.as_bytes()).map_err(unwritable)?;
    beside.as_file().set_permissions(permissions).map_err(unwritable)?;
    beside.as_file().sync_all().map_err(unwritable)?;
    beside.persist(path).map_err(|error| unwritable(error.error))?;
    Ok(())
}
