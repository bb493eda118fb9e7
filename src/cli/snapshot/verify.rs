//! `snapshot verify`: whether a snapshot, or a copy of one, is still what was published.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::place::{Place, place};
use crate::cli::shown::plain;
use crate::cli::{CommandError, Context, Output, given_file};
use crate::decide::words::counted;
use crate::jobs::snapshot::{Finding, Verified, verify};
use crate::publish::signing::{SignedBy, TrustedKeys};

/// Verify every byte and every row of the indexes of a snapshot
#[derive(Debug, Args)]
#[command(
    after_help = "By its date the manifest is compared with the one that was published. A folder is held against its
own manifest, and that against the keys that you give: without one, the key that lies in the folder shows damage, but
not who signed. Keys are files of minisign or OpenPGP (which needs gpg); after a change of keys give all of them.

Exit codes: 0 all is as it was published; 1 it is not, and every difference was named.

Examples:
  tidegate snapshot verify 2026-06-15
  tidegate snapshot verify /mnt/mirror/r-multiverse/2026-06-15 --key minisign.pub"
)]
pub(super) struct Verify {
    /// Its date, or the folder of a copy
    #[arg(value_name = "SNAPSHOT")]
    which: String,
    /// The distribution; may be left out where there is only one
    #[arg(long, value_name = "NAME")]
    distribution: Option<String>,
    /// A public key by which the signatures have to hold; may be given several times
    #[arg(long = "key", value_name = "FILE")]
    keys: Vec<PathBuf>,
}

#[derive(Serialize)]
struct Shown<'a> {
    folder: &'a std::path::Path,
    /// The SHA-256 that the manifest had to have; none for a folder.
    manifest_sha256: Option<&'a str>,
    packages: usize,
    files: usize,
    /// Further files, for readers of earlier snapshots; only where the folder is what a link such as `latest` shows.
    #[serde(skip_serializing_if = "is_zero")]
    carried: usize,
    is_signed: bool,
    signed_by: &'a [SignedBy],
    findings: &'a [Finding],
}

impl Verify {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let Place { folder, manifest_sha256 } = place(&self.which, self.distribution.as_deref(), context)?;
        let trusted = trusted(&self.keys)?;
        let verified = verify(&folder, manifest_sha256.as_deref(), &trusted)
            .map_err(|error| CommandError::invalid(format!("cannot read {}: {error}", folder.display())))?;
        let (packages, files) = verified
            .manifest
            .as_ref()
            .map_or((0, 0), |manifest| (manifest.packages.len(), manifest.files.len()));
        let (findings, signed_by) = (&verified.findings, &verified.signed_by[..]);
        match context.output {
            Output::Json => {
                let manifest_sha256 = manifest_sha256.as_deref();
                let folder = &folder;
                context.print_json(&Shown {
                    folder,
                    manifest_sha256,
                    packages,
                    files,
                    carried: verified.carried,
                    is_signed: verified.is_signed,
                    signed_by,
                    findings,
                })?;
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
                        "{}: {packages} packages, {files} files, all {against}{}",
                        folder.display(),
                        carried(verified.carried)
                    )?;
                }
                write!(context.out, "{}", signatures(&verified))?;
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

/// The keys in the files that were given.
fn trusted(files: &[PathBuf]) -> Result<TrustedKeys, CommandError> {
    let mut keys = TrustedKeys::default();
    for file in files {
        let text = given_file::read(file)?;
        let text = String::from_utf8(text).map_err(|_| "it is no text".to_owned());
        text.and_then(|text| keys.add(&text))
            .map_err(|why| CommandError::invalid(format!("{} is no key: {why}", file.display())))?;
    }
    Ok(keys)
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// What else lies in what a link shows.
fn carried(files: usize) -> String {
    match files {
        0 => String::new(),
        _ => format!("; and {} for readers of earlier snapshots, as published", counted(files, "file")),
    }
}

/// A line on each signature that holds.
fn signatures(verified: &Verified) -> String {
    let signed_by = &verified.signed_by;
    if signed_by.is_empty() {
        let none = if verified.is_signed { "no signature that holds\n" } else { "not signed\n" };
        return none.to_owned();
    }
    let line = |signed: &SignedBy| {
        let SignedBy { document, kind, key, trusted } = signed;
        let known = match trusted {
            true => "which you gave".to_owned(),
            false => {
                format!(
                    "which {} beside it has; compare it with one you trust by --key",
                    kind.public_key_file()
                )
            }
        };
        format!("{document}: signed by the {kind} key {key}, {known}")
    };
    signed_by.iter().map(|signed| plain(&line(signed)) + "\n").collect()
}
