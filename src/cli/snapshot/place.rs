//! Which snapshot is meant on the command line: one of the state by its date, or a folder anywhere.

use std::path::{Path, PathBuf};

use jiff::civil::Date;

use super::{find, named, published};
use crate::cli::{CommandError, Context, given_file, state};
use crate::digest::sha256_hex;
use crate::jobs::snapshot::Manifest;
use crate::publish::target::MANIFEST;

/// Where a snapshot lies.
pub(super) struct Place {
    pub folder: PathBuf,
    /// What its manifest was when it was published; none for a folder that is no snapshot of the state.
    pub manifest_sha256: Option<String>,
}

/// Finds the snapshot that `which` stands for.
pub(super) fn place(
    which: &str,
    distribution: Option<&str>,
    context: &mut Context<'_>,
) -> Result<Place, CommandError> {
    let Ok(date) = which.parse::<Date>() else {
        let folder = PathBuf::from(which);
        return match folder.is_dir() {
            true => Ok(Place { folder, manifest_sha256: None }),
            false => Err(CommandError::invalid(format!("`{which}` is neither a date nor a folder"))
                .hint("write the snapshot's date like 2026-06-15, or the path of a copy")),
        };
    };
    let configuration = context.configuration_of_state()?;
    let names = named(&configuration, distribution)?;
    let [name] = names[..] else {
        let message = "there are several distributions: name one with --distribution";
        return Err(CommandError::invalid(message));
    };
    let snapshot = state::block_on(async {
        let store = context.read_state().await?;
        find(&store, name, date).await
    })?;
    match (published(&configuration, name, date, context), snapshot.manifest_digest) {
        (Some(folder), Some(digest)) => Ok(Place { folder, manifest_sha256: Some(digest) }),
        (None, Some(_)) => Err(CommandError::failed(format!("the folder of the snapshot {date} is gone"))
            .hint("restore it from a copy; it is never made again")),
        (_, None) => Err(CommandError::invalid(format!("the snapshot {date} of {name} is not published"))),
    }
}

/// Reads the manifest of a snapshot, which has to be the very one that was published where that is known.
pub(super) fn manifest(place: &Place) -> Result<Manifest, CommandError> {
    let file = place.folder.join(MANIFEST);
    let bytes = given_file::read(&file)?;
    let found = sha256_hex(&bytes);
    if let Some(digest) = place.manifest_sha256.as_ref().filter(|digest| **digest != found) {
        let message =
            format!("{} is not what was published: its sha256 is {found}, not {digest}", file.display());
        return Err(CommandError::failed(message).hint("restore the folder from a copy"));
    }
    parse(&file, &bytes)
}

fn parse(file: &Path, bytes: &[u8]) -> Result<Manifest, CommandError> {
    Manifest::read(bytes).map_err(|detail| CommandError::failed(format!("{}: {detail}", file.display())))
}
