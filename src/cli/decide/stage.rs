//! `decide stage`: R-multiverse's candidate freeze on files alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;

use super::super::{CommandError, Context, given_file};
use super::{Day, read_packages};
use crate::calendar::Targets;
use crate::decide::stage::stage_candidates;
use crate::domain::PackageName;
use crate::ecosystem::cran::files::{
    ByName, ConfigFile, PackagesFile, SnapshotRecord, StagingStatus, StatusFile, write_snapshot,
};

/// Pin every package that succeeds to the commit that did, and print the new packages.json
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tidegate decide stage --packages packages.json --status status.json
      Print what packages.json becomes; nothing is written
  tidegate decide stage --packages packages.json --status status.json --write-to staging --at 2026-08-15
      Also write packages.json, config.json and snapshot.json of the cycle of that day")]
pub(super) struct Stage {
    /// The packages.json of staging
    #[arg(long, value_name = "FILE")]
    packages: PathBuf,
    /// The status.json of staging
    #[arg(long, value_name = "FILE")]
    status: PathBuf,
    /// Also write packages.json, config.json and snapshot.json into this folder
    #[arg(long, value_name = "DIR")]
    write_to: Option<PathBuf>,
    #[command(flatten)]
    day: Day,
}

impl Stage {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let mut packages = read_packages(&self.packages)?;
        let status = self.status.to_string_lossy();
        let entries = StatusFile::read_for_staging(&status, &given_file::read(&self.status)?)
            .map_err(given_file::refused)?;
        let succeeded = succeeded(&status, &entries, &packages, context)?;
        packages.listings = stage_candidates(&packages.listings, &succeeded);
        let text = packages.write();
        if let Some(folder) = &self.write_to {
            let (_, targets) = self.day.look_up(context)?;
            write_all(folder, &text, &targets)?;
        }
        Ok(context.out.write_all(text.as_bytes())?)
    }
}

/// The commit of every listed package that succeeded.
fn succeeded(
    file: &str,
    entries: &ByName<StagingStatus>,
    packages: &PackagesFile,
    context: &mut Context<'_>,
) -> Result<BTreeMap<PackageName, String>, CommandError> {
    let mut succeeded = BTreeMap::new();
    for (package, entry) in entries.iter().filter(|(_, entry)| entry.success) {
        if packages.get(package).is_none() {
            writeln!(context.err, "note: `{package}` succeeds, but packages.json does not list it")?;
            continue;
        }
        let commit = entry.remote_hash.as_deref().filter(|commit| is_branch(commit)).ok_or_else(|| {
            let message = format!("{file}: `{package}` succeeds, but has no `remote_hash` to pin it to");
            CommandError::invalid(message).hint("take the file from where it was made once more")
        })?;
        succeeded.insert(package.clone(), commit.to_owned());
    }
    Ok(succeeded)
}

/// Upstream pins whatever the status file names; one word is the least that git asks of it.
fn is_branch(commit: &str) -> bool {
    !commit.is_empty() && commit.len() <= 200 && commit.chars().all(|letter| letter.is_ascii_graphic())
}

fn write_all(folder: &Path, packages: &str, targets: &Targets) -> Result<(), CommandError> {
    std::fs::create_dir_all(folder).map_err(|error| {
        CommandError::failed(format!("cannot create the folder {}: {error}", folder.display()))
    })?;
    let config = ConfigFile { cran_version: targets.dependency_freeze };
    given_file::write(&folder.join("packages.json"), packages)?;
    given_file::write(&folder.join("config.json"), &config.write())?;
    given_file::write(&folder.join("snapshot.json"), &write_snapshot(&SnapshotRecord::from(targets)))
}
