//! Artifacts of workflow runs: finding one by its name, and fetching it from where GitHub sends us. That is
//! another host, with an address that is signed, so the token stays behind.

use std::time::Duration;

use http::Method;
use http::header::LOCATION;
use serde::Deserialize;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use url::{Host, Url};

use super::client::GitHub;
use super::dispatches::may_read;
use super::limits::{Call, Priority};
use super::names::RepositoryName;
use super::transport::chain;
use super::{Absence, Lookup};
use crate::failure::Failure;

/// The time for a whole artifact; a connection that is silent is given up sooner.
const DOWNLOAD: Duration = Duration::from_secs(15 * 60);
/// More of one name than this were never seen; GitHub lists at most so many in a page.
const PAGE: &str = "100";

/// An artifact of a run.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ArtifactSeen {
    /// GitHub's number of it.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Its size in bytes, compressed.
    pub size_in_bytes: u64,
    /// True where GitHub has deleted its content.
    pub expired: bool,
}

#[derive(Deserialize)]
struct Artifacts {
    artifacts: Vec<ArtifactSeen>,
}

impl GitHub {
    /// The artifact `name` of a run. Absent where the run, or the artifact in it, is not there (yet);
    /// several of one name are a permanent failure.
    pub async fn run_artifact(
        &self,
        repository: &RepositoryName,
        run_id: u64,
        name: &str,
    ) -> Lookup<ArtifactSeen> {
        let about = format!("the artifact {name} of run {run_id} of {repository}");
        let run = run_id.to_string();
        let path = ["repos", repository.owner(), repository.name(), "actions", "runs", &run, "artifacts"];
        let fetched = match self.get(&path, &[("name", name), ("per_page", PAGE)], Priority::Poll).await {
            Lookup::Found(fetched) => fetched,
            Lookup::Absent { reason } => return Lookup::Absent { reason },
            Lookup::Failed(failure) => return Lookup::Failed(may_read(failure, repository)),
        };
        let mut named = match fetched.json::<Artifacts>(&about) {
            Ok(listed) => listed.artifacts,
            Err(failure) => return Lookup::Failed(failure),
        };
        named.retain(|artifact| artifact.name == name);
        match (named.pop(), named.len()) {
            (None, _) => Lookup::Absent { reason: Absence::NotFound },
            (Some(artifact), 0) => Lookup::Found(artifact),
            (Some(_), others) => {
                Lookup::Failed(Failure::permanent(format!("{about}: there are {} of this name", others + 1)))
            }
        }
    }

    /// Writes the zip file of an artifact into `into`: at most `limit` bytes, more are a permanent failure.
    pub async fn download_artifact(
        &self,
        repository: &RepositoryName,
        artifact: u64,
        limit: u64,
        into: &mut (impl AsyncWrite + Unpin + Send),
    ) -> Result<(), Failure> {
        let id = artifact.to_string();
        let path = ["repos", repository.owner(), repository.name(), "actions", "artifacts", &id, "zip"];
        let address = self.signed_address(&path).await.map_err(|failure| may_read(failure, repository))?;
        // What is signed is as good as a password for a while, so no message shows it.
        let about = format!("artifact {artifact} of {repository} at {}", address.host_str().unwrap_or("?"));
        let request = self.transport().without_token(Method::GET, address).timeout(DOWNLOAD);
        let broken = |error: reqwest::Error| {
            Failure::transient(format!("{about}: the transfer failed: {}", chain(&error.without_url())))
        };
        let mut response = request.send().await.map_err(broken)?;
        match response.status().as_u16() {
            200 => {}
            // Signed addresses soon expire, and stores answer so while an artifact is being moved.
            status => return Err(Failure::transient(format!("{about}: it answered {status}"))),
        }
        let mut written = 0;
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            written += chunk.len() as u64;
            if written > limit {
                return Err(Failure::permanent(format!("{about}: it is larger than {limit} bytes")));
            }
            into.write_all(&chunk).await.map_err(|error| {
                Failure::transient(format!("{about}: cannot write what was fetched: {error}"))
            })?;
        }
        into.flush()
            .await
            .map_err(|error| Failure::transient(format!("{about}: cannot write what was fetched: {error}")))
    }

    /// Where GitHub sends us for the content at a path of its API.
    async fn signed_address(&self, path: &[&str]) -> Result<Url, Failure> {
        let url = self.rest_address(path);
        let permit = self.limiter().acquire(Call::Read, Priority::Poll).await?;
        let request = self.transport().request(Method::GET, url);
        let answer = self.transport().send(request, &permit).await?;
        if answer.status != 302 {
            return Err(answer.failure(&Method::GET));
        }
        let location = answer.headers.get(LOCATION).and_then(|location| location.to_str().ok());
        let address = location.and_then(|location| Url::parse(location).ok());
        // A simulated GitHub on loopback has no TLS; the real one never sends anybody there.
        let ours = is_loopback(&answer.url);
        let fits = |address: &Url| match address.scheme() {
            "https" => address.username().is_empty() && address.password().is_none(),
            "http" => ours && is_loopback(address),
            _ => false,
        };
        address.filter(fits).ok_or_else(|| {
            Failure::permanent(format!("GET {}: a redirect to no address of https", answer.url))
        })
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(_)) | None => false,
    }
}
