//! `snapshot verify`: whether a snapshot, or a copy of one, is still what was published.

use clap::Args;
use serde::Serialize;

use super::place::{Place, place};
use crate::cli::shown::plain;
use crate::cli::{CommandError, Context, Output};
use crate::jobs::snapshot::{Finding, verify};

/// Verify every byte and every row of the indexes of a snapshot
#[derive(Debug, Args)]
#[command(
    after_help = "By its date the manifest is compared with the one that was published. A folder is held against its
own manifest alone.

Exit codes: 0 all is as it was published; 1 it is not, and every difference was named.

Examples:
  tidegate snapshot verify 2026-06-15
  tidegate snapshot verify /mnt/mirror/r-multiverse/2026-06-15"
)]
pub(super) struct Verify {
    /// Its date, or the folder of a copy
    #[arg(value_name = "SNAPSHOT")]
    which: String,
    /// The distribution; may be left out where there is only one
    #[arg(long, value_name = "NAME")]
    distribution: Option<String>,
}

#[derive(Serialize)]
struct Shown<'a> {
    folder: &'a std::path::Path,
    /// The SHA-256 that the manifest had to have; none for a folder.
    manifest_sha256: Option<&'a str>,
    packages: usize,
    files: usize,
    findings: &'a [Finding],
}

impl Verify {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let Place { folder, manifest_sha256 } = place(&self.which, self.distribution.as_deref(), context)?;
        let verified = verify(&folder, manifest_sha256.as_deref())
            .map_err(|error| CommandError::invalid(format!("cannot read {}: {error}", folder.display())))?;
        let (packages, files) = verified
            .manifest
            .as_ref()
            .map_or((0, 0), |manifest| (manifest.packages.len(), manifest.files.len()));
        let findings = &verified.findings;
        match context.output {
            Output::Json => {
                let manifest_sha256 = manifest_sha256.as_deref();
                context.print_json(&Shown { folder: &folder, manifest_sha256, packages, files, findings })?;
            }
            Output::Text => {
                for finding in findings {
                    writeln!(context.out, "{}", plain(&finding.to_string()))?;
                }
                if findings.is_empty() {
                    let against =
                        if manifest_sha256.is_some() { "as published" } else { "as its manifest says" };
                    writeln!(
                        context.out,
                        "{}: {packages} packages, {files} files, all {against}",
                        folder.display()
                    )?;
                }
            }
        }
        match findings.len() {
            0 => Ok(()),
            count => {
                let things =
                    if count == 1 { "1 difference".to_owned() } else { format!("{count} differences") };
                Err(CommandError::failed(format!(
                    "{} has {things} from what was published",
                    folder.display()
                ))
                .hint("restore what differs from a copy that verifies"))
            }
        }
    }
}
