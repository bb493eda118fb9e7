//! What lies beside a manifest and is not in its list, since it is about the manifest itself: its provenance, the
//! signatures over both, and the public keys.

use std::fs;
use std::path::Path;

use anyhow::Context as _;

use super::manifest::{self, Manifest};
use super::provenance::{self, Made, statement};
use crate::digest::sha256_hex;
use crate::publish::signing::{AttachedFile, Document, SignatureKind, Signer};

/// What is signed.
pub(super) const SIGNED: [&str; 2] = [manifest::FILE, provenance::FILE];

/// True for a file that may lie at the top of a snapshot without being in the list of its manifest.
pub(super) fn is_attached(path: &str) -> bool {
    let of_kind = |kind: SignatureKind| {
        path == kind.public_key_file()
            || path.strip_suffix(kind.suffix()).is_some_and(|document| SIGNED.contains(&document))
    };
    path == provenance::FILE || SignatureKind::ALL.into_iter().any(of_kind)
}

/// Writes all of it beside a manifest with these bytes. Runs `gpg` where there is an OpenPGP key.
pub fn attach(
    root: &Path,
    manifest: &Manifest,
    bytes: &[u8],
    made: &Made,
    signer: &Signer,
) -> anyhow::Result<()> {
    let statement = statement(manifest, &sha256_hex(bytes), made)?;
    let mut files = signer.public_keys();
    for (name, bytes) in [(manifest::FILE, bytes), (provenance::FILE, statement.as_bytes())] {
        let (distribution, date) = (&*manifest.distribution, manifest.date);
        files.extend(signer.sign(&Document { name, bytes, distribution, date, at: made.at })?);
    }
    files.push(AttachedFile { name: provenance::FILE.to_owned(), text: statement });
    for AttachedFile { name, text } in files {
        fs::write(root.join(&name), text).with_context(|| format!("cannot write {name}"))?;
    }
    Ok(())
}
