//! The keys that sign what is published.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret::SecretSource;

/// The keys that sign what is published. With both, everything has two signatures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Signing {
    /// The address by which provenance names this tidegate, such as `https://example.org/tidegate`. Others decide
    /// by it whose snapshots they trust. Default: `urn:tidegate:builder`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "uri"))]
    pub builder: Option<String>,
    /// A secret key as `minisign -G` writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minisign: Option<SigningKey>,
    /// A secret key as `gpg --armor --export-secret-keys` writes it. `gpg` has to be installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub openpgp: Option<SigningKey>,
}

/// A key that signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SigningKey {
    /// Where the key is read from.
    pub secret_key: SecretSource,
    /// Where its password is read from. Default: it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretSource>,
}

impl Signing {
    /// Where its secrets are read from.
    pub(super) fn secrets_mut(&mut self) -> impl Iterator<Item = &mut SecretSource> {
        let keys = self.minisign.iter_mut().chain(&mut self.openpgp);
        keys.flat_map(|key| std::iter::once(&mut key.secret_key).chain(&mut key.password))
    }
}
