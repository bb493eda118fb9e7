//! Asking a universe over HTTP.

use reqwest::Url;

use super::super::fetch::{self, Downloaded, FetchLimits, Fetched, Origin, PartialFile, Promise};
use super::super::layout::RepositoryPath;
use super::UniverseAnswer;
use crate::failure::Failure;

/// The fields that tidegate reads; R-universe leaves all others out of its answer.
const FIELDS: &str = "Package,Version,License,Remotes,RemoteSha,Title,URL,_type,_binaries,_buildurl,_dependencies,\
                      _failure,_jobs,_created,_published,_fileid,_sha256,_filesize";

/// R-universe answers with 2,500 records where nothing is said, and a package beyond them would look gone.
const MOST_RECORDS: &str = "100000";

/// A universe, such as `https://staging.r-multiverse.org`.
#[derive(Clone, Debug)]
pub struct UniverseClient {
    base: Url,
    http: reqwest::Client,
    limits: FetchLimits,
}

impl UniverseClient {
    /// A universe at `base`, asked through `http`.
    pub fn new(base: Url, http: reqwest::Client, limits: FetchLimits) -> Self {
        Self { base, http, limits }
    }

    /// The address of the packages API, as it is asked.
    pub fn packages_url(&self) -> Result<Url, Failure> {
        let mut url = fetch::join(&self.base, "api/packages")?;
        url.query_pairs_mut()
            .append_pair("stream", "true")
            .append_pair("limit", MOST_RECORDS)
            .append_pair("fields", FIELDS);
        Ok(url)
    }

    /// What the universe says of all its packages. Broken connections, time-outs, 5xx answers, rate
    /// limits and answers that are cut off are transient; other refusals and answers that are not
    /// JSON are permanent. An answer without packages is no error here: see [`UniverseAnswer::is_empty`].
    pub async fn packages(&self) -> Result<UniverseAnswer, Failure> {
        UniverseAnswer::read(self.packages_url()?.as_str(), &self.packages_text().await?)
    }

    /// The same as the universe sent it, for [`UniverseAnswer::read`]: who has seen these bytes before
    /// need not read them again.
    pub async fn packages_text(&self) -> Result<Vec<u8>, Failure> {
        let url = self.packages_url()?;
        match fetch::bytes(&self.http, &url, &self.limits).await? {
            Fetched::Found(bytes) => Ok(bytes),
            Fetched::Missing => {
                Err(Failure::permanent(format!("GET {url}: there is no such universe (404)")))
            }
        }
    }

    /// The address of something below the universe's own.
    pub(super) fn url(&self, path: &str) -> Result<Url, Failure> {
        fetch::join(&self.base, path)
    }

    /// What it is asked through.
    pub(super) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// The address of one file of the universe's repository.
    pub fn file_url(&self, path: &RepositoryPath) -> Result<Url, Failure> {
        fetch::join(&self.base, path.as_str())
    }

    /// Fetches one file of the universe's repository into `partial`, within `limits`, and gives back its
    /// checksums, which are the promised ones. `told` hears of bytes as they arrive.
    pub async fn fetch(
        &self,
        path: &RepositoryPath,
        promised: &Promise,
        limits: &FetchLimits,
        partial: &mut PartialFile,
        told: &(dyn Fn(u64) + Sync),
    ) -> Result<Downloaded, Failure> {
        let url = self.file_url(path)?;
        Origin { http: &self.http, url: &url, limits, told }.fetch(promised, partial).await
    }
}
