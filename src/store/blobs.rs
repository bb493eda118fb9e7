//! Bytes by digest: observations, plans and their inputs, kept once each and compressed.

use std::io::{Read as _, Write as _};

use anyhow::{Context as _, ensure};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use sqlx::{Sqlite, Transaction};

use super::Store;
use super::columns::Micros;
use crate::digest::sha256_hex;

/// The most bytes that one blob unpacks to: a damaged row must not fill the memory.
const BLOB_LIMIT: u64 = 1 << 30;

impl Store {
    /// Keeps `bytes` as long as a row names them, and returns the SHA-256 of them, uncompressed, in lower-case
    /// hexadecimal. Keeping the same bytes again makes them young again, and changes nothing else.
    pub async fn put_blob(&self, bytes: &[u8], at: Timestamp) -> anyhow::Result<String> {
        let digest = digest_of(bytes);
        let mut write = self.write().await?;
        insert_blob(&mut write, &digest, bytes, at).await?;
        write.commit().await?;
        Ok(digest)
    }

    /// Keeps `bytes` for good: for facts that name a digest in their text, where no look for rows finds it.
    pub async fn put_blob_for_good(&self, bytes: &[u8], at: Timestamp) -> anyhow::Result<String> {
        let digest = digest_of(bytes);
        let mut write = self.write().await?;
        insert_blob(&mut write, &digest, bytes, at).await?;
        sqlx::query("UPDATE blob SET for_good = 1 WHERE digest = ?")
            .bind(&digest)
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        Ok(digest)
    }

    /// The bytes of `digest`, or `None` where they were never kept. What comes back was checked
    /// against the digest; a blob that no longer fits it is an error that names it.
    pub async fn blob(&self, digest: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let packed: Option<Vec<u8>> = sqlx::query_scalar("SELECT bytes FROM blob WHERE digest = ?")
            .bind(digest)
            .fetch_optional(&self.pool)
            .await
            .with_context(|| format!("cannot read blob {digest}"))?;
        packed.map(|packed| unpack(digest, &packed)).transpose()
    }
}

/// Inserts a blob inside a transaction that also writes the row which refers to it.
pub(super) async fn insert_blob(
    write: &mut Transaction<'_, Sqlite>,
    digest: &str,
    bytes: &[u8],
    at: Timestamp,
) -> anyhow::Result<()> {
    let known: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM blob WHERE digest = ?)")
        .bind(digest)
        .fetch_one(&mut **write)
        .await?;
    if known {
        // Whoever deletes old blobs has to leave this one to the row that is about to name it.
        sqlx::query("UPDATE blob SET created_at = max(created_at, ?) WHERE digest = ?")
            .bind(Micros(at))
            .bind(digest)
            .execute(&mut **write)
            .await?;
        return Ok(());
    }
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(bytes)?;
    sqlx::query("INSERT INTO blob (digest, bytes, created_at) VALUES (?, ?, ?)")
        .bind(digest)
        .bind(packer.finish()?)
        .bind(Micros(at))
        .execute(&mut **write)
        .await
        .with_context(|| format!("cannot keep blob {digest}"))?;
    Ok(())
}

/// The SHA-256 of `bytes` in lower-case hexadecimal.
pub(super) fn digest_of(bytes: &[u8]) -> String {
    sha256_hex(bytes)
}

fn unpack(digest: &str, packed: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    GzDecoder::new(packed)
        .take(BLOB_LIMIT)
        .read_to_end(&mut bytes)
        .with_context(|| format!("blob {digest} is damaged: it does not unpack"))?;
    let found = digest_of(&bytes);
    ensure!(found == digest, "blob {digest} is damaged: its bytes have the SHA-256 {found}");
    Ok(bytes)
}
