//! Targets beyond the published folder: where else snapshots lie. Each kind has its own list of tables, so that
//! every key keeps its place and its meaning.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret::SecretSource;
use super::signing::Signing;

/// Where snapshots are published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// The folder that a web server serves. A relative path begins at the folder of this file.
    pub directory: PathBuf,
    /// The keys that sign the manifest of a snapshot and its provenance. Default: nothing is signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing: Option<Signing>,
    /// OCI registries that keep snapshots as artifacts. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub oci: Vec<OciRegistry>,
    /// Buckets of S3-compatible object storage that hold snapshots as trees. Default: none.
    #[serde(rename = "object-storage", default, skip_serializing_if = "Vec::is_empty")]
    pub object_storage: Vec<ObjectStorage>,
    /// Sites of Netlify that show snapshots. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub netlify: Vec<NetlifySite>,
}

/// An OCI registry. Each distribution is a repository below the one that is named here, and each snapshot an artifact
/// with its date as tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OciRegistry {
    /// The name by which jobs name this target.
    #[schemars(extend("format" = "name"))]
    pub name: String,
    /// The address of the registry, without a `/` at the end, such as `https://ghcr.io`.
    #[schemars(extend("format" = "origin"))]
    pub registry: String,
    /// The repository in it below which each distribution has its own, such as `r-multiverse/snapshots`.
    #[schemars(extend("format" = "oci-repository"))]
    pub repository: String,
    /// The user, where the registry asks for user and password.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "word"))]
    pub user: Option<String>,
    /// Where the user's password, or a token that stands for it, is read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretSource>,
    /// Where a token is read from, for a registry that takes one without a user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretSource>,
}

/// A bucket of S3-compatible object storage. A snapshot lies below `<prefix>/<distribution>/<date>` in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectStorage {
    /// The name by which jobs name this target.
    #[schemars(extend("format" = "name"))]
    pub name: String,
    /// The address of the service, without a `/` at the end.
    #[schemars(extend("format" = "uri"))]
    pub endpoint: String,
    /// The bucket, which has to be there.
    #[schemars(extend("format" = "bucket"))]
    pub bucket: String,
    /// The region. Default: `us-east-1`.
    #[serde(default = "default_region")]
    #[schemars(extend("format" = "word"))]
    pub region: String,
    /// The folder in the bucket, with `/` between its parts. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "channel-path"))]
    pub prefix: Option<String>,
    /// Where the name of the access key is read from.
    pub access_key: SecretSource,
    /// Where the secret of the access key is read from.
    pub secret_key: SecretSource,
}

/// A site of Netlify. A snapshot lies at `/<distribution>/<date>` on it; what else the site shows stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetlifySite {
    /// The name by which jobs name this target.
    #[schemars(extend("format" = "name"))]
    pub name: String,
    /// The site's id, or its domain.
    #[schemars(extend("format" = "conda-name"))]
    pub site: String,
    /// The address of Netlify's API, without a `/` at the end. Default: `https://api.netlify.com/api/v1`.
    #[serde(default = "default_netlify")]
    #[schemars(extend("format" = "uri"))]
    pub api: String,
    /// Where the token is read from.
    pub token: SecretSource,
}

impl Publish {
    /// Publishing into a folder, and nowhere else.
    pub fn to_folder(directory: PathBuf) -> Self {
        Self { directory, signing: None, oci: Vec::new(), object_storage: Vec::new(), netlify: Vec::new() }
    }

    /// The names of all targets beyond the folder.
    pub fn targets(&self) -> impl Iterator<Item = &str> {
        let oci = self.oci.iter().map(|target| target.name.as_str());
        let buckets = self.object_storage.iter().map(|target| target.name.as_str());
        oci.chain(buckets).chain(self.netlify.iter().map(|target| target.name.as_str()))
    }

    /// Every place that a secret is read from.
    pub(super) fn secrets_mut(&mut self) -> impl Iterator<Item = &mut SecretSource> {
        let oci = self.oci.iter_mut().flat_map(|one| one.password.iter_mut().chain(one.token.iter_mut()));
        let buckets = self.object_storage.iter_mut();
        let buckets = buckets.flat_map(|one| [&mut one.access_key, &mut one.secret_key]);
        let signing = self.signing.iter_mut().flat_map(Signing::secrets_mut);
        oci.chain(buckets).chain(self.netlify.iter_mut().map(|one| &mut one.token)).chain(signing)
    }
}

fn default_region() -> String {
    "us-east-1".into()
}

fn default_netlify() -> String {
    "https://api.netlify.com/api/v1".into()
}
