//! The zip file of an artifact. Only the archives of packages in it are looked at, and nothing is ever
//! written under a name that stands in it.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::Path;

use anyhow::Context as _;
use zip::ZipArchive;
use zip::read::ZipFile;

use super::archives::{Incoming, Refusal};
use crate::ecosystem::conda::layout::ArchiveFormat;
use crate::publish::content::ContentStore;

/// More files than this are no artifact of a package.
const ENTRIES: usize = 10_000;
/// More builds than this come from no run.
const ARCHIVES: usize = 100;
/// The file type in the mode of a Unix file, and the one of a symbolic link.
const FILE_TYPE: u32 = 0o170_000;
const SYMBOLIC_LINK: u32 = 0o120_000;

/// The package archives in the zip file `zip`, which together may have `largest` bytes.
pub(super) fn archives_in(
    zip: &File,
    content: &ContentStore,
    largest: u64,
) -> anyhow::Result<Result<Vec<Incoming>, Refusal>> {
    let mut zip = match ZipArchive::new(zip) {
        Ok(zip) => zip,
        Err(error) => return Ok(Err(format!("the artifact is no zip file that can be read: {error}"))),
    };
    if zip.len() > ENTRIES {
        return Ok(Err(format!("the artifact has more than {ENTRIES} files")));
    }
    let (mut found, mut left) = (Vec::new(), largest);
    for position in 0..zip.len() {
        let mut entry = match zip.by_index(position) {
            Ok(entry) => entry,
            Err(error) => return Ok(Err(format!("the artifact is damaged: {error}"))),
        };
        let (folder, file_name) = match named(&entry) {
            Ok(Some(name)) => name,
            Ok(None) => continue,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if found.len() == ARCHIVES {
            return Ok(Err(format!("the artifact has more than {ARCHIVES} package archives")));
        }
        let mut file = content.temporary()?;
        let copied = std::io::copy(&mut entry.by_ref().take(left + 1), &mut file);
        match copied {
            Ok(size) if size > left => {
                return Ok(Err(format!("the archives in the artifact have more than {largest} bytes")));
            }
            Ok(size) => left -= size,
            Err(error) if error.raw_os_error().is_some() => {
                return Err(error).context("cannot unpack an artifact");
            }
            Err(error) => return Ok(Err(format!("{file_name} in the artifact is damaged: {error}"))),
        }
        file.rewind().context("cannot unpack an artifact")?;
        found.push(Incoming { file, folder, file_name });
    }
    match found.is_empty() {
        true => Ok(Err("there is no package archive in the artifact".to_owned())),
        false => Ok(Ok(found)),
    }
}

/// The folder and the name of a package archive; nothing for other files. A name that leads out of the
/// folder it is unpacked into is refused, whatever it is of: others would unpack this artifact too.
fn named(entry: &ZipFile<'_, impl std::io::Read>) -> Result<Option<(Option<String>, String)>, Refusal> {
    let shown = || {
        let name = String::from_utf8_lossy(entry.name_raw());
        name.chars().filter(|letter| !letter.is_control()).take(120).collect::<String>()
    };
    // An absolute path is cut down to a relative one by some readers, and followed by others.
    let relative = !entry.name_raw().starts_with(b"/") && !entry.name_raw().starts_with(b"\\");
    let Some(path) = entry.enclosed_name().filter(|_| relative) else {
        return Err(format!("`{}` in the artifact leads out of its folder", shown()));
    };
    let last = |path: &Path| path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    let Some(file_name) = last(&path).filter(|name| ArchiveFormat::claimed_by(name).is_some()) else {
        return Ok(None);
    };
    if !entry.is_file() || entry.unix_mode().is_some_and(|mode| mode & FILE_TYPE == SYMBOLIC_LINK) {
        return Err(format!("`{}` in the artifact is no regular file", shown()));
    }
    Ok(Some((path.parent().and_then(last), file_name)))
}
