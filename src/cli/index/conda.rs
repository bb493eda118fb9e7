//! `index conda`: the index of a conda channel in a folder.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::super::{CommandError, Context, Output};
use crate::ecosystem::conda::archive::ArchiveLimits;
use crate::ecosystem::conda::index::{FolderIndex, IndexError, IndexedSubdir};

/// Write repodata.json, also compressed, into each sub-directory of a conda channel
#[derive(Debug, Args)]
#[command(
    after_help = "The folder holds sub-directories such as noarch and linux-64 with packages (.conda, .tar.bz2).
A patch_instructions.json in a sub-directory is applied. Packages that did not change since the
last index are not read again; what tells so lies in $CACHE_DIRECTORY, $XDG_CACHE_HOME/tidegate or
~/.cache/tidegate, so that equal folders stay equal. Where any package is bad, all bad ones are
named and nothing is written.

Examples:
  tidegate index conda channel/staged"
)]
pub(super) struct Conda {
    /// The folder that holds the sub-directories
    folder: PathBuf,
}

impl Conda {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let folder = &self.folder;
        if !folder.is_dir() {
            let message = format!("{} is not a folder", folder.display());
            return Err(CommandError::invalid(message).hint("name the folder that holds noarch, linux-64, …"));
        }
        let memory = super::memory();
        let index = FolderIndex::remembering(folder, &ArchiveLimits::default(), &memory).map_err(refused)?;
        let subdirs = index.write().map_err(|error| {
            CommandError::failed(format!("cannot write the index into {}: {error}", folder.display()))
        })?;
        match context.output {
            Output::Json => {
                let subdirs: Vec<Value> = subdirs.iter().map(as_json).collect();
                context.print_json(&json!({ "folder": folder, "subdirs": subdirs }))
            }
            Output::Text => {
                for subdir in &subdirs {
                    writeln!(context.out, "{}", line(subdir))?;
                }
                Ok(())
            }
        }
    }
}

fn refused(error: IndexError) -> CommandError {
    let message = error.to_string();
    match error {
        IndexError::HoldsPackages { folder, .. } => CommandError::invalid(message).hint(format!(
            "index the folder above it, or move the packages into sub-directories such as {}",
            folder.join("noarch").display()
        )),
        IndexError::Problems { .. } => CommandError::failed(message),
    }
}

fn as_json(subdir: &IndexedSubdir) -> Value {
    json!({
        "subdir": subdir.subdir,
        "packages": subdir.packages,
        "packages_conda": subdir.packages_conda,
        "changed": subdir.changed,
    })
}

fn line(subdir: &IndexedSubdir) -> String {
    let count = subdir.packages + subdir.packages_conda;
    let packages = if count == 1 { "package" } else { "packages" };
    let changed = if subdir.changed { "written" } else { "unchanged" };
    format!("{}: {count} {packages}, {changed}", subdir.subdir)
}
