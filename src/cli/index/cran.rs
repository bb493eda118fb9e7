//! `index cran`: the index of a folder of R packages.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::super::{CommandError, Context, Output};
use crate::ecosystem::cran::archive::ArchiveLimits;
use crate::ecosystem::cran::index::Remembered;
use crate::ecosystem::cran::layout::ArchiveKind;

/// Write PACKAGES, PACKAGES.gz and PACKAGES.rds of a folder of R packages, as R itself would
#[derive(Debug, Args)]
#[command(
    after_help = "The packages are all sources (.tar.gz), all for macOS (.tgz) or all for Windows (.zip). Packages that did
not change since the last index are not read again; what tells so lies in $CACHE_DIRECTORY,
$XDG_CACHE_HOME/tidegate or ~/.cache/tidegate, so that equal folders stay equal.

Examples:
  tidegate index cran repository/src/contrib"
)]
pub(super) struct Cran {
    /// The folder, such as src/contrib
    folder: PathBuf,
}

impl Cran {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let folder = &self.folder;
        let kind = kind_of(folder)?;
        let remembered = Remembered::of_folder(folder, kind, &ArchiveLimits::default(), &super::memory())
            .map_err(|error| CommandError::failed(error.to_string()))?;
        remembered.write_to(folder).map_err(|error| {
            CommandError::failed(format!("cannot write the index into {}: {error}", folder.display()))
        })?;
        let index = &remembered.index;
        let packages = index.packages.len();
        match context.output {
            Output::Json => {
                let names: Vec<String> =
                    index.packages.iter().map(|row| format!("{} {}", row.package, row.version)).collect();
                context.print_json(&json!({ "folder": folder, "packages": names }))
            }
            Output::Text => Ok(writeln!(
                context.out,
                "{}: {packages} {}",
                folder.display(),
                if packages == 1 { "package" } else { "packages" }
            )?),
        }
    }
}

/// The one kind of archive that lies in the folder.
fn kind_of(folder: &Path) -> Result<ArchiveKind, CommandError> {
    let unreadable = |error: std::io::Error| {
        CommandError::invalid(format!("cannot read the folder {}: {error}", folder.display()))
    };
    let mut kinds = BTreeSet::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        let name = name.to_string_lossy();
        let all = [ArchiveKind::Source, ArchiveKind::MacBinary, ArchiveKind::WindowsBinary];
        kinds.extend(all.into_iter().filter(|kind| name.ends_with(kind.suffix())));
    }
    let endings: Vec<&str> = kinds.iter().map(|kind| kind.suffix()).collect();
    let mut found = kinds.iter();
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(*only),
        (None, _) => {
            let message =
                format!("{} holds no package: no file ends in .tar.gz, .tgz or .zip", folder.display());
            Err(CommandError::invalid(message))
        }
        (Some(_), Some(_)) => {
            let message =
                format!("{} holds packages of several kinds: {}", folder.display(), endings.join(", "));
            Err(CommandError::invalid(message)
                .hint("an index is of one kind; put each into a folder of its own"))
        }
    }
}
