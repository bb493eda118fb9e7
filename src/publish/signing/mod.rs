//! Signatures over published documents, by the keys that the operator names, and how they are verified.
//!
//! The same key, document and time give the same bytes, so that a publication that was interrupted comes to the
//! same files when it is tried again. A secret key is read once, when tidegate starts: one that cannot be used is
//! known then, and not on the day.

pub mod minisign;
pub mod openpgp;
mod trusted;

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;

use self::minisign::MinisignKey;
use self::openpgp::OpenPgpKey;
pub use self::trusted::{SignatureKind, SignedBy, TrustedKeys};
use crate::failure::Failure;

/// Whoever signs, where no address says who that is.
const ANYBODY: &str = "urn:tidegate:builder";

/// The keys that sign what is published; with none of them nothing is signed.
#[derive(Clone, Debug, Default)]
pub struct Signer {
    builder: Option<String>,
    minisign: Option<Arc<MinisignKey>>,
    openpgp: Option<Arc<OpenPgpKey>>,
}

/// What is signed.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a> {
    /// Its file name.
    pub name: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// The distribution that it speaks of.
    pub distribution: &'a str,
    /// The snapshot that it speaks of.
    pub date: Date,
    /// The time that the signature bears: that for which the document was made, not the one of the clock.
    pub at: Timestamp,
}

/// A file that lies beside what was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachedFile {
    /// Its name.
    pub name: String,
    /// Its text.
    pub text: String,
}

impl Signer {
    /// A signer with these keys.
    pub fn new(minisign: Option<MinisignKey>, openpgp: Option<OpenPgpKey>) -> Self {
        Self { builder: None, minisign: minisign.map(Arc::new), openpgp: openpgp.map(Arc::new) }
    }

    /// The same, known to others by this address.
    #[must_use]
    pub fn known_as(self, builder: Option<String>) -> Self {
        Self { builder, ..self }
    }

    /// By which address whoever signs is known.
    pub fn builder(&self) -> &str {
        self.builder.as_deref().unwrap_or(ANYBODY)
    }

    /// True where nothing is signed.
    pub fn is_empty(&self) -> bool {
        self.minisign.is_none() && self.openpgp.is_none()
    }

    /// The signatures over a document, one file for each key. Runs `gpg` where there is an OpenPGP key: call it
    /// where blocking is allowed.
    pub fn sign(&self, document: &Document<'_>) -> Result<Vec<AttachedFile>, Failure> {
        let mut signatures = Vec::new();
        if let Some(key) = &self.minisign {
            signatures.push(SignatureKind::Minisign.over(document.name, key.sign(document)?));
        }
        if let Some(key) = &self.openpgp {
            signatures.push(SignatureKind::OpenPgp.over(document.name, key.sign(document)?));
        }
        Ok(signatures)
    }

    /// The public halves of the keys, one file for each.
    pub fn public_keys(&self) -> Vec<AttachedFile> {
        let minisign =
            self.minisign.iter().map(|key| SignatureKind::Minisign.public(key.public_text().to_owned()));
        let openpgp =
            self.openpgp.iter().map(|key| SignatureKind::OpenPgp.public(key.public_text().to_owned()));
        minisign.chain(openpgp).collect()
    }
}

impl SignatureKind {
    fn over(self, document: &str, text: String) -> AttachedFile {
        AttachedFile { name: format!("{document}{}", self.suffix()), text }
    }

    fn public(self, text: String) -> AttachedFile {
        AttachedFile { name: self.public_key_file().to_owned(), text }
    }
}
