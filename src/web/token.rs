//! Tokens of those who send notices. Only their SHA-256 is ever kept.

use crate::digest::{hex, sha256_hex};
use crate::tls;

/// The random bytes of a token: as many as its digest has.
const BYTES: usize = 32;
/// With it no token can be taken for a digest, nor be put into a configuration file in its place.
const PREFIX: &str = "tgt_";

/// A fresh token: `tgt_` and 64 hexadecimal digits from the operating system's source of randomness.
pub fn fresh() -> anyhow::Result<String> {
    tls::prepare();
    let mut bytes = [0; BYTES];
    let random = rustls::crypto::ring::default_provider().secure_random;
    random.fill(&mut bytes).map_err(|_| anyhow::anyhow!("the operating system gives no random bytes"))?;
    Ok(format!("{PREFIX}{}", hex(&bytes)))
}

/// SHA-256 of a token, as it stands in configuration files.
pub fn digest(token: &str) -> String {
    sha256_hex(token.as_bytes())
}

/// True where both digests are the same. It takes the same time wherever they differ, so that nobody can
/// guess one digit after the other.
pub(super) fn same(one: &str, other: &str) -> bool {
    let differing = one.bytes().zip(other.bytes()).fold(0, |sum, (one, other)| sum | (one ^ other));
    one.len() == other.len() && std::hint::black_box(differing) == 0
}
