//! Publishing into an OCI registry: each snapshot is an artifact with its date as tag, in a repository for each
//! distribution.
//!
//! Blobs come first, each asked for before it is sent; then the manifest under the date, which is the one step
//! that readers see; and `latest` once the registry confirmed the digest. Whatever ends in between leaves
//! blobs that nothing names, which the next attempt finds and a registry clears away by itself.

mod artifact;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use http::HeaderValue;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use self::artifact::{Artifact, Contents, Layer, MANIFEST_TYPE, MOST_FILES, digest_of, write_bundle};
use super::catalogue::CatalogueTarget;
use super::file_stream;
use super::target::{Ground, Receipt, Sent, Target, Tree, refused};
use crate::failure::Failure;

/// The tag that stands for the newest snapshot.
const LATEST: &str = "latest";

/// How many blobs are on their way at once.
const AT_ONCE: usize = 4;

/// How long a request may take that has hardly a body, and how many bytes a second a larger one has to make.
const PATIENCE: Duration = Duration::from_secs(60);
const SLOWEST: u64 = 64 * 1024;

/// How a registry is asked.
#[derive(Clone, Debug)]
pub enum Rights {
    /// As anybody.
    Nobody,
    /// As a user.
    User {
        /// The user's name.
        name: String,
        /// The password.
        password: SecretString,
    },
    /// With a token.
    Token(SecretString),
}

/// A registry, and where in it snapshots lie.
#[derive(Clone, Debug)]
pub struct RegistrySettings {
    /// Its address, such as `https://ghcr.io`; plain `http` is for this machine itself.
    pub registry: String,
    /// The repository below which each distribution has its own.
    pub repository: String,
    /// How it is asked.
    pub rights: Rights,
}

/// A registry as a target.
pub struct Registry {
    client: Client,
    host: String,
    repository: String,
    rights: RegistryAuth,
}

impl Registry {
    /// The registry that `settings` describe. Nothing is asked of it yet.
    pub fn new(settings: RegistrySettings) -> Result<Self, Failure> {
        let RegistrySettings { registry, repository, rights } = settings;
        let wrong = || Failure::Configuration {
            message: format!("`{registry}` is not the address of a registry"),
            hint: Some("write it like `https://ghcr.io`".to_owned()),
        };
        let (scheme, host) = registry.split_once("://").ok_or_else(wrong)?;
        let protocol = if scheme == "http" { ClientProtocol::Http } else { ClientProtocol::Https };
        let configuration = ClientConfig {
            protocol,
            // One request for each blob: the digest is known beforehand, and a stream is never in memory as a whole.
            use_monolithic_push: true,
            connect_timeout: Some(Duration::from_secs(10)),
            user_agent: concat!("tidegate/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        let client = Client::try_from(configuration)
            .map_err(|error| Failure::permanent(format!("cannot set up a client for {host}: {error}")))?;
        let rights = match rights {
            Rights::Nobody => RegistryAuth::Anonymous,
            Rights::User { name, password } => RegistryAuth::Basic(name, password.expose_secret().to_owned()),
            Rights::Token(token) => RegistryAuth::Bearer(token.expose_secret().to_owned()),
        };
        Ok(Self { client, host: host.to_owned(), repository, rights })
    }

    fn repository_of(&self, distribution: &str) -> String {
        format!("{}/{distribution}", self.repository)
    }

    /// A tag of a distribution's repository.
    fn tagged(&self, distribution: &str, tag: &str) -> Result<Reference, Failure> {
        let text = format!("{}/{}:{tag}", self.host, self.repository_of(distribution));
        text.parse().map_err(|error| Failure::Configuration {
            message: format!("`{text}` is no address of an artifact: {error}"),
            hint: Some("registries take lower-case letters, digits and single `.`, `_` and `-`".to_owned()),
        })
    }

    /// The digest that a tag stands for; none where the registry says that there is no such tag.
    async fn digest_at(&self, tag: &Reference) -> Result<Option<String>, Failure> {
        let asked = async {
            match self.client.fetch_manifest_digest(tag, &self.rights).await {
                Ok(digest) => Ok(Some(digest)),
                Err(error) if says_absent(&error) => Ok(None),
                Err(error) => Err(error),
            }
        };
        within(0, &format!("look up {tag}"), asked).await
    }

    async fn send(&self, tree: &Tree, ground: &Ground<'_>) -> Result<Receipt, Failure> {
        let artifact = artifact_of(tree).await?;
        let digest = artifact.digest();
        let tag = self.tagged(&tree.distribution, &tree.date.to_string())?;
        let there = self.digest_at(&tag).await?;
        let mut sent = Sent::default();
        match there {
            Some(there) if there == digest => sent.there = artifact.layers.len() as u64 + 2,
            Some(there) if !ground.may_replace(tree, &there) => {
                return Err(refused(tree, &tag.whole(), &format!("it has {there}, and ours is {digest}")));
            }
            _ => {
                self.send_blobs(tree, &artifact, &tag, &mut sent).await?;
                self.name(&tag, &artifact, &digest).await?;
                sent.add(artifact.manifest.len() as u64);
            }
        }
        let is_latest = tree.is_latest;
        if is_latest {
            let latest = self.tagged(&tree.distribution, LATEST)?;
            if self.digest_at(&latest).await?.as_ref() != Some(&digest) {
                self.name(&latest, &artifact, &digest).await?;
            }
        }
        Ok(Receipt { address: tag.whole(), identity: digest, sent, is_latest, kept: Value::Null })
    }

    /// Sends what the registry lacks. Several layers with the same content are one blob.
    async fn send_blobs(
        &self,
        tree: &Tree,
        artifact: &Artifact,
        image: &Reference,
        sent: &mut Sent,
    ) -> Result<(), Failure> {
        let blobs: BTreeMap<&str, &Layer> =
            artifact.layers.iter().map(|layer| (layer.digest.as_str(), layer)).collect();
        sent.there += (artifact.layers.len() - blobs.len()) as u64;
        let sendings: Vec<_> =
            blobs.values().map(|layer| self.send_layer(tree, layer, image).boxed()).collect();
        let sizes: Vec<Option<u64>> = stream::iter(sendings).buffered(AT_ONCE).try_collect().await?;
        for size in sizes {
            match size {
                Some(size) => sent.add(size),
                None => sent.there += 1,
            }
        }
        let config = digest_of(&artifact.config);
        if self.has(image, &config).await? {
            sent.there += 1;
            return Ok(());
        }
        let what = format!("send the config of {image}");
        let size = artifact.config.len() as u64;
        within(size, &what, self.client.push_blob(image, artifact.config.clone(), &config)).await?;
        sent.add(size);
        Ok(())
    }

    async fn has(&self, image: &Reference, digest: &str) -> Result<bool, Failure> {
        let what = format!("look up the blob {digest} of {image}");
        within(0, &what, self.client.blob_exists(image, digest)).await
    }

    /// Sends a layer where the registry lacks it; says how many bytes that took.
    async fn send_layer(
        &self,
        tree: &Tree,
        layer: &Layer,
        image: &Reference,
    ) -> Result<Option<u64>, Failure> {
        // Asking takes the right to read; who may write but not read has it asked in vain, and is told.
        if self.has(image, &layer.digest).await? {
            return Ok(None);
        }
        let what = format!("send {} to {image}", layer.title);
        let unreadable = |error: anyhow::Error| Failure::permanent(format!("cannot {what}: {error:#}"));
        // A bundle is kept as a file until it is sent.
        let bundle = match &layer.contents {
            Contents::File(_) => None,
            Contents::Bundle(paths) => Some(bundle(tree, paths).await.map_err(unreadable)?),
        };
        let path = match (&layer.contents, &bundle) {
            (Contents::File(path), None) => tree.place(path),
            (_, Some(bundle)) => bundle.path().to_owned(),
            (Contents::Bundle(_), None) => unreachable!("a bundle was made above"),
        };
        let bytes = file_stream::open(&path).await.map_err(|error| unreadable(error.into()))?;
        let bytes = bytes.map_err(OciDistributionError::IoError);
        let push = self.client.push_blob_stream(image, bytes, &layer.digest, Some(layer.size));
        within(layer.size, &what, push).await?;
        Ok(Some(layer.size))
    }

    /// Puts the manifest under a tag, and asks the registry what it has there.
    async fn name(&self, tag: &Reference, artifact: &Artifact, digest: &str) -> Result<(), Failure> {
        let kind = HeaderValue::from_static(MANIFEST_TYPE);
        let push = self.client.push_manifest_raw(tag, artifact.manifest.clone(), kind);
        within(artifact.manifest.len() as u64, &format!("put the manifest at {tag}"), push).await?;
        match self.digest_at(tag).await? {
            Some(there) if there == digest => Ok(()),
            there => {
                let there = there.unwrap_or_else(|| "nothing".to_owned());
                Err(Failure::transient(format!("{tag} has {there} after {digest} was put there")))
            }
        }
    }
}

impl Target for Registry {
    fn publish<'a>(
        &'a self,
        tree: &'a Tree,
        ground: &'a Ground<'a>,
    ) -> BoxFuture<'a, Result<Receipt, Failure>> {
        Box::pin(async {
            self.client.store_auth_if_needed(&self.host, &self.rights).await;
            self.send(tree, ground).await
        })
    }

    /// A registry lists its tags by itself, which is the list of snapshots, and `latest` is one of them. Pages and
    /// feeds are nothing that anybody reads from a registry: a reader would have to know digests.
    fn catalogues(&self) -> Option<&dyn CatalogueTarget> {
        None
    }
}

async fn artifact_of(tree: &Tree) -> Result<Artifact, Failure> {
    let tree = tree.clone();
    let made = tokio::task::spawn_blocking(move || Artifact::of(&tree, MOST_FILES)).await;
    made.map_err(|error| Failure::permanent(format!("an artifact was not made: {error}")))?
}

async fn bundle(tree: &Tree, paths: &[String]) -> anyhow::Result<tempfile::NamedTempFile> {
    let (tree, paths) = (tree.clone(), paths.to_vec());
    let made = tokio::task::spawn_blocking(move || -> anyhow::Result<_> {
        let file = tempfile::NamedTempFile::new().context("cannot make a temporary file")?;
        write_bundle(&tree, &paths, file.as_file()).context("cannot write a bundle")?;
        Ok(file)
    });
    made.await?
}

/// Waits for an answer as long as `bytes` may take.
async fn within<T>(
    bytes: u64,
    what: &str,
    answer: impl Future<Output = Result<T, OciDistributionError>>,
) -> Result<T, Failure> {
    let patience = PATIENCE + Duration::from_secs(bytes / SLOWEST);
    match tokio::time::timeout(patience, answer).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(failure(what, &error)),
        Err(_) => Err(Failure::transient(format!("cannot {what}: no answer within {patience:?}"))),
    }
}

/// Whether a registry says that there is nothing, which is more than that it did not answer.
fn says_absent(error: &OciDistributionError) -> bool {
    match error {
        OciDistributionError::ImageManifestNotFoundError(_) => true,
        OciDistributionError::ServerError { code, .. } => *code == 404,
        OciDistributionError::RegistryError { envelope, .. } => envelope.errors.iter().any(|one| {
            matches!(
                one.code,
                OciErrorCode::ManifestUnknown | OciErrorCode::NameUnknown | OciErrorCode::NotFound
            )
        }),
        _ => false,
    }
}

/// What an error of the registry means for whoever tries.
fn failure(what: &str, error: &OciDistributionError) -> Failure {
    let message = format!("cannot {what}: {}", told(error));
    let denied = || Failure::Configuration {
        message: message.clone(),
        hint: Some("`user` and `password`, or `token`, of this target need the right to write".to_owned()),
    };
    match error {
        OciDistributionError::UnauthorizedError { .. } | OciDistributionError::AuthenticationFailure(_) => {
            denied()
        }
        OciDistributionError::ServerError { code: 401 | 403, .. } => denied(),
        OciDistributionError::ServerError { code, .. } if matches!(code, 408 | 425 | 429) || *code >= 500 => {
            Failure::transient(message)
        }
        OciDistributionError::RegistryError { envelope, .. } => {
            let says = |code: OciErrorCode| envelope.errors.iter().any(|one| one.code == code);
            match says(OciErrorCode::Unauthorized) || says(OciErrorCode::Denied) {
                true => denied(),
                false if says(OciErrorCode::Toomanyrequests) => Failure::transient(message),
                false => Failure::permanent(message),
            }
        }
        OciDistributionError::RequestError(error) => match error.status().map(|status| status.as_u16()) {
            Some(401 | 403) => denied(),
            Some(code) if code < 500 && !matches!(code, 408 | 425 | 429) => Failure::permanent(message),
            _ => Failure::transient(message),
        },
        _ => Failure::permanent(message),
    }
}

/// An error with its causes, on one line: what a connection ended with is said by its cause alone.
fn told(error: &OciDistributionError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(one) = cause {
        let said = one.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = one.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
