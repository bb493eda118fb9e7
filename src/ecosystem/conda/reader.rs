//! Reads channels: from a folder, or from a web server.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::str::FromStr as _;
use std::time::Duration;

use rattler_conda_types::Subdir;
use url::Url;

use super::address::ChannelAddress;
use super::channel::{ChannelIndex, NOARCH};
use crate::ecosystem::cran::fetch::{self, FetchLimits, Fetched};
use crate::failure::Failure;

const PLAIN: &str = "repodata.json";
const COMPRESSED: &str = "repodata.json.zst";

/// How much one index may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexLimits {
    /// The most bytes as they are transferred, of one sub-directory.
    pub transferred: u64,
    /// The most bytes after decompression, of one sub-directory.
    pub unpacked: u64,
    /// The longest time for one file.
    pub timeout: Duration,
}

impl Default for IndexLimits {
    /// conda-forge's largest sub-directory has some 70 MB compressed and 500 MB unpacked.
    fn default() -> Self {
        Self { transferred: 256 << 20, unpacked: 1 << 30, timeout: Duration::from_secs(300) }
    }
}

/// Reads channels.
#[derive(Clone, Debug)]
pub struct ChannelReader {
    http: reqwest::Client,
    limits: IndexLimits,
}

impl ChannelReader {
    /// A reader that asks web servers with this client.
    pub fn new(http: reqwest::Client, limits: IndexLimits) -> Self {
        Self { http, limits }
    }

    /// What the channel offers for these platforms and, whether named or not, for all (`noarch`).
    ///
    /// A sub-directory that answers 404 (or is no folder) is one that the channel does not have; where
    /// that is so for all of them, it is no channel: permanent for a server, a mistake of the operator
    /// for a folder. A 5xx answer and a broken connection are transient; a malformed or truncated
    /// index, and one beyond the limits, are permanent.
    pub async fn read(&self, address: &ChannelAddress, platforms: &[&str]) -> Result<ChannelIndex, Failure> {
        let mut indexes = BTreeMap::new();
        for subdir in std::iter::once(NOARCH).chain(platforms.iter().copied()) {
            known_platform(subdir)?;
            if indexes.contains_key(subdir) {
                continue;
            }
            if let Some(bytes) = self.index_of(address, subdir).await? {
                indexes.insert(subdir.to_owned(), bytes);
            }
        }
        if indexes.is_empty() {
            return Err(no_channel(address, platforms));
        }
        let address = address.clone();
        aside(move || ChannelIndex::new(address, &indexes)).await
    }

    async fn index_of(&self, address: &ChannelAddress, subdir: &str) -> Result<Option<Vec<u8>>, Failure> {
        if let Some(folder) = address.folder() {
            let (path, limit) = (folder.join(subdir).join(PLAIN), self.limits.unpacked);
            return aside(move || from_file(&path, limit)).await;
        }
        let compressed = address.join(subdir, COMPRESSED);
        if let Some(bytes) = self.fetch(&compressed, self.limits.transferred).await? {
            let limit = self.limits.unpacked;
            return aside(move || unpack(&bytes, &compressed, limit)).await.map(Some);
        }
        self.fetch(&address.join(subdir, PLAIN), self.limits.unpacked).await
    }

    async fn fetch(&self, url: &Url, bytes: u64) -> Result<Option<Vec<u8>>, Failure> {
        let limits = FetchLimits { bytes, timeout: self.limits.timeout };
        match fetch::bytes(&self.http, url, &limits).await? {
            Fetched::Found(bytes) => Ok(Some(bytes)),
            Fetched::Missing => Ok(None),
        }
    }
}

/// Does work on a thread of its own: a large index takes seconds, and this one has others waiting.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Failure::permanent(format!("reading an index came to a sudden end: {error}")))?
}

/// Refuses what is no platform of conda, before it becomes part of a path.
pub(super) fn known_platform(name: &str) -> Result<(), Failure> {
    Subdir::from_str(name).map(drop).map_err(|_| Failure::Configuration {
        message: format!("`{name}` is no platform of conda"),
        hint: Some(
            "platforms are written as linux-64, linux-aarch64, osx-64, osx-arm64 or win-64".to_owned(),
        ),
    })
}

fn no_channel(address: &ChannelAddress, platforms: &[&str]) -> Failure {
    let wanted =
        std::iter::once(NOARCH).chain(platforms.iter().copied().filter(|platform| *platform != NOARCH));
    let tried: Vec<String> = wanted.map(|subdir| format!("{subdir}/{PLAIN}")).collect();
    let message = format!("{address} is no conda channel: there is no {}", tried.join(" and no "));
    match address.folder() {
        Some(_) => Failure::Configuration {
            message,
            hint: Some(
                "a name alone is read as a folder; write a channel of a server with its whole address"
                    .to_owned(),
            ),
        },
        None => Failure::permanent(message),
    }
}

/// The file's bytes; none where it does not exist.
fn from_file(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, Failure> {
    let unreadable =
        |error: std::io::Error| Failure::permanent(format!("cannot read {}: {error}", path.display()));
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let bytes = bounded(file, limit).map_err(unreadable)?;
    bytes.map(Some).ok_or_else(|| too_large(&path.display(), limit))
}

fn unpack(bytes: &[u8], url: &Url, limit: u64) -> Result<Vec<u8>, Failure> {
    let broken = |error: std::io::Error| {
        Failure::permanent(format!("GET {url}: the index cannot be unpacked, or is cut off: {error}"))
    };
    let unpacked = bounded(zstd::Decoder::new(bytes).map_err(broken)?, limit).map_err(broken)?;
    unpacked.ok_or_else(|| too_large(url, limit))
}

/// All of `source`, or none where it has more than `limit` bytes.
fn bounded(source: impl Read, limit: u64) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    source.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}

fn too_large(what: &dyn std::fmt::Display, limit: u64) -> Failure {
    Failure::permanent(format!("{what}: the index has more than the {limit} bytes allowed"))
}
