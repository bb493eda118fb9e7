//! Publishing into a bucket of S3-compatible object storage: a snapshot is a tree of objects below
//! `<prefix>/<distribution>/<date>/`, so that R installs from the bucket's address as from any repository.
//!
//! - `claims/<date>.json` comes first, and only where there is none: of two writers with different snapshots of
//!   one date only one ever writes.
//! - What a snapshot before has with the same content is copied by the service itself, which transfers nothing.
//!   Packages come before indexes, and the manifest is last: what is named is there.
//! - `latest.json` names the newest snapshot, and is changed only where it still is what was read. It is a pointer
//!   and not a second tree: objects cannot be switched together.
//! - `index.html`, `feed.xml` and `snapshots.json` stand above the dates, and come after them: `catalogue.rs`.
//!
//! Large objects are sent in parts. An upload in parts that was interrupted is journalled, and ended by the next
//! attempt, since its parts cost and no list shows them.

mod catalogue;
mod memory;
mod passage;

use std::time::Duration;

use futures_util::future::BoxFuture;
use http::HeaderValue;
use jiff::civil::Date;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path as Key;
use object_store::{
    Attributes, BackoffConfig, ClientOptions, ObjectStoreExt as _, PutMode, PutOptions, PutPayload,
    RetryConfig, UpdateVersion,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use self::memory::Memory;
use self::passage::Passage;
use super::catalogue::CatalogueTarget;
use super::target::{Ground, Receipt, Target, Tree, refused};
use crate::failure::Failure;

/// How long the service may take to answer one request; the largest one carries a part of [`passage::PART`] bytes.
const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// How often a pointer is read again that somebody changed meanwhile.
const RACES: usize = 3;

/// A bucket, and where in it snapshots lie.
#[derive(Clone, Debug)]
pub struct BucketSettings {
    /// The address of the service.
    pub endpoint: String,
    /// The bucket.
    pub bucket: String,
    /// The region.
    pub region: String,
    /// The folder in the bucket.
    pub prefix: Option<String>,
    /// The name of the access key.
    pub access_key: SecretString,
    /// Its secret.
    pub secret_key: SecretString,
}

/// A bucket as a target.
pub struct Bucket {
    store: AmazonS3,
    address: String,
    prefix: String,
}

/// Who may write the objects of a date.
#[derive(Serialize, Deserialize)]
struct Claim {
    manifest_sha256: String,
    generation: u32,
}

/// What `latest.json` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Latest {
    date: Date,
    generation: u32,
    manifest_sha256: String,
}

impl Bucket {
    /// The bucket that `settings` describe. Nothing is asked of it yet.
    pub fn new(settings: BucketSettings) -> Result<Self, Failure> {
        crate::tls::prepare();
        let client = ClientOptions::new()
            .with_user_agent(HeaderValue::from_static(concat!("tidegate/", env!("CARGO_PKG_VERSION"))))
            .with_allow_http(settings.endpoint.starts_with("http://"))
            .with_connect_timeout(Duration::from_secs(10))
            .with_timeout(PATIENCE);
        // What goes wrong for longer is tried again as a whole, and shown meanwhile.
        let retry = RetryConfig {
            backoff: BackoffConfig::default(),
            max_retries: 2,
            retry_timeout: Duration::from_secs(30),
        };
        let store = AmazonS3Builder::new()
            .with_endpoint(&settings.endpoint)
            .with_allow_http(settings.endpoint.starts_with("http://"))
            .with_bucket_name(&settings.bucket)
            .with_region(&settings.region)
            .with_access_key_id(settings.access_key.expose_secret())
            .with_secret_access_key(settings.secret_key.expose_secret())
            .with_client_options(client)
            .with_retry(retry)
            .build()
            .map_err(|error| Failure::Configuration {
                message: format!(
                    "the bucket {} at {} cannot be used: {error}",
                    settings.bucket, settings.endpoint
                ),
                hint: None,
            })?;
        let prefix = settings.prefix.map(|prefix| format!("{prefix}/")).unwrap_or_default();
        let address = format!("{}/{}/{prefix}", settings.endpoint, settings.bucket);
        Ok(Self { store, address, prefix })
    }

    /// The key of an object of a distribution.
    fn key(&self, distribution: &str, path: &str) -> Result<Key, Failure> {
        let text = format!("{}{distribution}/{path}", self.prefix);
        Key::parse(&text).map_err(|error| Failure::permanent(format!("`{text}` cannot be a key: {error}")))
    }

    /// Where people find an object of a distribution.
    fn address_of(&self, distribution: &str, path: &str) -> String {
        format!("{}{distribution}/{path}", self.address)
    }

    async fn send(&self, tree: &Tree, ground: &Ground<'_>) -> Result<Receipt, Failure> {
        let identity = tree.manifest_sha256()?.to_owned();
        self.claim(tree, ground, &identity).await?;
        let passage = Passage::begin(self, tree, ground, &identity).await?;
        let (sent, memory) = passage.finish().await?;
        let is_latest = tree.is_latest && self.point_latest(tree, ground, &identity).await?;
        let address = self.address_of(&tree.distribution, &format!("{}/", tree.date));
        Ok(Receipt { address, identity, sent, is_latest, kept: memory.to_value()? })
    }

    /// Makes the date ours, or finds that it is.
    async fn claim(&self, tree: &Tree, ground: &Ground<'_>, identity: &str) -> Result<(), Failure> {
        let path = format!("claims/{}.json", tree.date);
        let key = self.key(&tree.distribution, &path)?;
        let claim = Claim { manifest_sha256: identity.to_owned(), generation: tree.generation };
        for _ in 0..RACES {
            let there = self.read::<Claim>(&key).await?;
            let mode = match there {
                None => PutMode::Create,
                Some((there, _)) if there.manifest_sha256 == identity => return Ok(()),
                Some((there, version)) => {
                    let ours = ground.earlier_generations(tree).map(Memory::of);
                    if !ours.into_iter().any(|memory| memory.identity == there.manifest_sha256) {
                        let address = self.address_of(&tree.distribution, &format!("{}/", tree.date));
                        let difference =
                            format!("its manifest has sha256 {}, and ours {identity}", there.manifest_sha256);
                        return Err(refused(tree, &address, &difference));
                    }
                    PutMode::Update(version)
                }
            };
            if self.write(&key, &claim, mode).await? {
                return Ok(());
            }
        }
        Err(Failure::transient(format!("somebody else keeps changing {key}")))
    }

    /// Makes `latest.json` name the tree; false where it names a newer snapshot that another writer put there.
    async fn point_latest(&self, tree: &Tree, ground: &Ground<'_>, identity: &str) -> Result<bool, Failure> {
        let key = self.key(&tree.distribution, "latest.json")?;
        let latest =
            Latest { date: tree.date, generation: tree.generation, manifest_sha256: identity.to_owned() };
        for _ in 0..RACES {
            let mode = match self.read::<Latest>(&key).await? {
                None => PutMode::Create,
                Some((there, _)) if there == latest => return Ok(true),
                Some((there, _))
                    if there.date > tree.date
                        && !ground.others.iter().any(|other| other.date == there.date) =>
                {
                    return Ok(false);
                }
                Some((_, version)) => PutMode::Update(version),
            };
            if self.write(&key, &latest, mode).await? {
                return Ok(true);
            }
        }
        Err(Failure::transient(format!("somebody else keeps changing {key}")))
    }

    /// A small JSON object with the version that it has; none where there is no such object.
    async fn read<T: for<'de> Deserialize<'de>>(
        &self,
        key: &Key,
    ) -> Result<Option<(T, UpdateVersion)>, Failure> {
        let Some(found) = self.object(key).await? else { return Ok(None) };
        let value = serde_json::from_slice(&found.bytes)
            .map_err(|error| Failure::permanent(format!("{key} is not what tidegate writes: {error}")))?;
        Ok(Some((value, found.version)))
    }

    /// A small object as it is there; none where there is no such object.
    async fn object(&self, key: &Key) -> Result<Option<Object>, Failure> {
        let what = format!("read {key}");
        let found = match self.store.get(key).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failure(&what, &error)),
        };
        let version = UpdateVersion { e_tag: found.meta.e_tag.clone(), version: found.meta.version.clone() };
        let attributes = found.attributes.clone();
        let bytes = found.bytes().await.map_err(|error| failure(&what, &error))?.to_vec();
        Ok(Some(Object { bytes, attributes, version }))
    }

    /// Writes a small JSON object where it still is as `mode` says; false where it is not.
    async fn write(&self, key: &Key, value: &impl Serialize, mode: PutMode) -> Result<bool, Failure> {
        let bytes = serde_json::to_vec(value)
            .map_err(|error| Failure::permanent(format!("{key} would be no JSON: {error}")))?;
        self.put(key, bytes, PutOptions { mode, ..PutOptions::default() }).await
    }

    /// Writes an object where it still is as the options say; false where it is not.
    async fn put(&self, key: &Key, bytes: Vec<u8>, options: PutOptions) -> Result<bool, Failure> {
        match object_store::ObjectStore::put_opts(&self.store, key, PutPayload::from(bytes), options).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                Ok(false)
            }
            Err(error) => Err(failure(&format!("write {key}"), &error)),
        }
    }
}

/// A small object as it is in the bucket.
struct Object {
    bytes: Vec<u8>,
    /// What the service keeps of it beside.
    attributes: Attributes,
    version: UpdateVersion,
}

impl Target for Bucket {
    fn publish<'a>(
        &'a self,
        tree: &'a Tree,
        ground: &'a Ground<'a>,
    ) -> BoxFuture<'a, Result<Receipt, Failure>> {
        Box::pin(self.send(tree, ground))
    }

    fn catalogues(&self) -> Option<&dyn CatalogueTarget> {
        Some(self)
    }
}

/// What an error of the service means for whoever tries.
fn failure(what: &str, error: &object_store::Error) -> Failure {
    let message = format!("cannot {what}: {}", told(error));
    match error {
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            let hint = "`access_key` and `secret_key` of this target need the right to read, write and list";
            Failure::Configuration { message, hint: Some(hint.to_owned()) }
        }
        object_store::Error::NotFound { .. } => Failure::Configuration {
            message,
            hint: Some("is the bucket there, and does it have this name?".to_owned()),
        },
        // Whatever the service says besides: time-outs, connections that end, 5xx.
        object_store::Error::Generic { .. } => Failure::transient(message),
        _ => Failure::permanent(message),
    }
}

/// An error with its causes, on one line.
fn told(error: &object_store::Error) -> String {
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
