//! What stands above the snapshots of a distribution: their list, the page over them and the feed. Readers of a target
//! find the same there as in the published folder, but of the snapshots that the target has.
//!
//! These files change where snapshots do not, and have no date in their names. So each has an *edition*, which rises
//! with whatever happens to the snapshots, and an older one never takes the place of a newer one.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::target::{Journal, Sent};
use crate::digest::hex;
use crate::failure::Failure;

/// The files above the snapshots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalogue {
    /// The distribution.
    pub distribution: String,
    /// How much had happened to the snapshots when it was made.
    pub edition: u32,
    /// Its files by name, in the order in which they are sent.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Catalogue {
    /// The SHA-256 of the names and bytes of all files.
    pub fn sha256(&self) -> String {
        let mut hasher = Sha256::new();
        for (name, bytes) in &self.files {
            // Lengths first, so that no two catalogues give the same stream.
            for part in [name.as_bytes(), bytes] {
                hasher.update((part.len() as u64).to_le_bytes());
                hasher.update(part);
            }
        }
        hex(&hasher.finalize())
    }
}

/// What is known of the catalogue at a target when an attempt begins, and where its progress is kept.
pub struct CatalogueGround<'g> {
    /// What was kept of the one before, or by an interrupted attempt.
    pub kept: Option<Value>,
    /// Keeps what the next attempt has to know, before the effect that it is about.
    pub journal: &'g dyn Journal,
}

/// What it took to bring a catalogue to a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueReceipt {
    /// What was sent for it.
    pub sent: Sent,
    /// What the target keeps for the next one.
    pub kept: Value,
}

/// A target that has a place for a catalogue.
pub trait CatalogueTarget: Send + Sync {
    /// Brings a catalogue there. What is there already is not sent; what somebody else put there, or a newer edition,
    /// is refused.
    fn show<'a>(
        &'a self,
        catalogue: &'a Catalogue,
        ground: &'a CatalogueGround<'a>,
    ) -> BoxFuture<'a, Result<CatalogueReceipt, Failure>>;
}

/// The refusal of a file that somebody else put at `address`.
pub(super) fn foreign(address: &str) -> Failure {
    Failure::Configuration {
        message: format!("{address} is there already, and tidegate did not put it there; it is not replaced"),
        hint: Some("move it away, or give this target another folder".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_tells_names_from_bytes() {
        let of = |files: &[(&str, &str)]| {
            let files = files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()));
            Catalogue { distribution: "d".to_owned(), edition: 1, files: files.collect() }.sha256()
        };
        let all = [of(&[("ab", "c")]), of(&[("a", "bc")]), of(&[("a", "b"), ("c", "")]), of(&[])];
        for (number, one) in all.iter().enumerate() {
            assert!(!all[..number].contains(one), "{number}");
        }
    }
}
