//! One look at the advisory database: an archive that is fetched where it changed, or a folder on this machine.

use jiff::Timestamp;

use super::CheckStatus;
use crate::config::AdvisorySource;
use crate::domain::Advisories;
use crate::ecosystem::cran::advisories::{Advisories as Database, AdvisoryAnswer, AdvisoryClient};
use crate::failure::Failure;
use crate::store::{CacheKey, KeptAnswer};

impl CheckStatus {
    /// What the database says; none where the distribution names no source.
    pub(super) async fn look_at_advisories(
        &self,
        now: Timestamp,
    ) -> anyhow::Result<Option<Result<Advisories, Failure>>> {
        let database = match &self.distribution.advisories {
            None => return Ok(None),
            Some(AdvisorySource::Archive(address)) => self.fetched(address, now).await?,
            Some(AdvisorySource::Folder(folder)) => {
                let folder = folder.clone();
                tokio::task::spawn_blocking(move || Database::read_database(&folder)).await?
            }
        };
        Ok(Some(database.map(Database::into_known)))
    }

    /// The archive as the server has it. It is kept with its ETag, so that one that did not change is not sent
    /// again; what cannot be read is not kept, and so is fetched whole the next time.
    async fn fetched(&self, address: &str, now: Timestamp) -> anyhow::Result<Result<Database, Failure>> {
        let store = &self.services.store;
        let url = match address.parse() {
            Ok(url) => url,
            Err(error) => return Ok(Err(Failure::permanent(format!("`{address}` is no address: {error}")))),
        };
        let key = CacheKey { url: address.to_owned(), token: String::new(), accept: String::new() };
        let kept = store.kept_answer(&key, AdvisoryClient::most_bytes()).await?;
        let client = AdvisoryClient::new(url, self.services.http.clone());
        match (client.archive(kept.as_ref().map(|kept| kept.etag.as_str())).await, kept) {
            (Ok(AdvisoryAnswer::Unchanged), Some(kept)) => {
                store.touch_answer(&key, now).await?;
                Ok(Database::read_archive(address, &kept.body))
            }
            // The client asks for a change only where something is kept.
            (Ok(AdvisoryAnswer::Unchanged), None) => {
                Ok(Err(Failure::permanent(format!("GET {address}: nothing is kept that could be unchanged"))))
            }
            (Ok(AdvisoryAnswer::Archive { bytes, etag }), _) => {
                let read = Database::read_archive(address, &bytes);
                if let (Ok(_), Some(etag)) = (&read, etag) {
                    store.keep_answer(&key, &KeptAnswer { etag, body: bytes.into() }, now).await?;
                }
                Ok(read)
            }
            (Err(failure), _) => Ok(Err(failure)),
        }
    }
}
