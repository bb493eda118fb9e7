//! Which keys are trusted, and whether a signature is by one of them.

use std::fmt;

use ::minisign::PublicKey;
use serde::Serialize;

use super::{minisign, openpgp};

/// How a signature is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SignatureKind {
    /// `minisign`.
    Minisign,
    /// OpenPGP, detached.
    OpenPgp,
}

/// Who signed a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SignedBy {
    /// The file that is signed.
    pub document: String,
    /// How.
    pub kind: SignatureKind,
    /// The key: minisign's number, or an OpenPGP fingerprint.
    pub key: String,
    /// Whether the key was known beforehand, and does not only lie beside the signature.
    pub trusted: bool,
}

/// Public keys: any number of each kind, since keys change and old signatures stay.
#[derive(Clone, Debug, Default)]
pub struct TrustedKeys {
    minisign: Vec<PublicKey>,
    openpgp: Vec<String>,
}

impl SignatureKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Minisign, Self::OpenPgp];

    /// What is added to a document's name for the file of its signature.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Minisign => ".minisig",
            Self::OpenPgp => ".asc",
        }
    }

    /// The file in which the public key is published.
    pub fn public_key_file(self) -> &'static str {
        match self {
            Self::Minisign => "minisign.pub",
            Self::OpenPgp => "openpgp.pub",
        }
    }
}

impl fmt::Display for SignatureKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Minisign => "minisign",
            Self::OpenPgp => "OpenPGP",
        })
    }
}

impl TrustedKeys {
    /// Adds the key in a file: one of minisign, or of OpenPGP with armour. An error is one clause about the text.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        match text.contains("-----BEGIN PGP") {
            true if text.contains("PRIVATE KEY") => Err("it is a secret key".to_owned()),
            true => {
                self.openpgp.push(text.to_owned());
                Ok(())
            }
            false => {
                let key = minisign::read_public(text).map_err(|error| {
                    format!("it is neither a public key of minisign nor of OpenPGP: {error}")
                })?;
                self.minisign.push(key);
                Ok(())
            }
        }
    }

    /// True where there is a key of this kind.
    pub fn has(&self, kind: SignatureKind) -> bool {
        match kind {
            SignatureKind::Minisign => !self.minisign.is_empty(),
            SignatureKind::OpenPgp => !self.openpgp.is_empty(),
        }
    }

    /// The key by which a signature over `document` holds, and the comment that was signed with it, where there
    /// is one. An error is one clause.
    pub fn verify(
        &self,
        kind: SignatureKind,
        signature: &[u8],
        document: &[u8],
    ) -> Result<(String, Option<String>), String> {
        match kind {
            SignatureKind::Minisign => {
                let text = std::str::from_utf8(signature).map_err(|_| "it is no text".to_owned())?;
                let held = minisign::verify(text, document, &self.minisign)?;
                Ok((held.key, Some(held.comment)))
            }
            SignatureKind::OpenPgp => {
                let keys: Vec<&str> = self.openpgp.iter().map(String::as_str).collect();
                Ok((openpgp::verify(signature, document, &keys)?, None))
            }
        }
    }
}
