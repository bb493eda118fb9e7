//! Asking for the advisory database over HTTP.

use std::time::Duration;

use reqwest::Url;

use super::super::fetch::{self, Asked, FetchLimits};
use crate::failure::Failure;

/// The database is far smaller.
const LIMITS: FetchLimits = FetchLimits { bytes: 64 * 1024 * 1024, timeout: Duration::from_secs(60) };
/// How often a look that fails is tried: upstream's number.
const TRIES: u32 = 3;
/// How long it waits before the second try; twice that before the third.
const PAUSE: Duration = Duration::from_millis(500);

/// Where the database can be fetched as an archive.
#[derive(Clone, Debug)]
pub struct AdvisoryClient {
    address: Url,
    http: reqwest::Client,
}

/// What the server says of the archive.
pub enum AdvisoryAnswer {
    /// It is the one that the asker has.
    Unchanged,
    /// The whole archive.
    Archive {
        /// Its bytes.
        bytes: Vec<u8>,
        /// What to ask with the next time, where the server gives one.
        etag: Option<String>,
    },
}

impl AdvisoryClient {
    /// The archive at `address`, asked for through `http`.
    pub fn new(address: Url, http: reqwest::Client) -> Self {
        Self { address, http }
    }

    /// The most bytes that an archive may have.
    pub fn most_bytes() -> usize {
        LIMITS.bytes as usize
    }

    /// The archive, unless it is still the one with this ETag. What may work later is tried three times.
    pub async fn archive(&self, etag: Option<&str>) -> Result<AdvisoryAnswer, Failure> {
        let mut tried = 1;
        loop {
            match fetch::bytes_unless(&self.http, &self.address, &LIMITS, etag).await {
                Ok(Asked::Unchanged) => return Ok(AdvisoryAnswer::Unchanged),
                Ok(Asked::Found { bytes, etag }) => return Ok(AdvisoryAnswer::Archive { bytes, etag }),
                Ok(Asked::Missing) => {
                    let address = &self.address;
                    return Err(Failure::permanent(format!("GET {address}: there are no advisories (404)")));
                }
                Err(failure) if failure.is_transient() && tried < TRIES => {
                    tokio::time::sleep(PAUSE * tried).await;
                    tried += 1;
                }
                Err(failure) => return Err(failure),
            }
        }
    }
}
