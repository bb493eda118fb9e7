//! What is remembered of a bucket: which object has which content, and which uploads in parts are not ended. It
//! lies in the journal while a publication is under way, and in its receipt afterwards.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::failure::Failure;
use crate::publish::folder_sums::FileSum;
use crate::publish::target::Other;

/// What a publication knows of its objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Memory {
    /// The checksum of the manifest that the date was claimed for.
    #[serde(default)]
    pub identity: String,
    /// The objects by path below the date.
    #[serde(default)]
    pub objects: BTreeMap<String, Object>,
    /// Uploads in parts that were begun and not ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uploads: Vec<Upload>,
}

/// An object as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Object {
    /// The checksum of its content.
    pub sha256: String,
    /// In bytes.
    pub size: u64,
    /// By which the service tells this content from any other under the same key; absent where it said none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

/// An upload in parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Upload {
    /// The whole key of the object.
    pub key: String,
    /// By which the service knows the upload.
    pub id: String,
}

impl Memory {
    /// What was kept, where it can be read; nothing where it cannot, which costs a look at each object.
    pub fn read(kept: Option<&Value>) -> Self {
        kept.and_then(|kept| serde_json::from_value(kept.clone()).ok()).unwrap_or_default()
    }

    /// What another publication remembers, done or not.
    pub fn of(other: &Other) -> Self {
        Self::read(other.receipt.as_ref().map(|receipt| &receipt.kept).or(other.progress.as_ref()))
    }

    /// For the journal.
    pub fn to_value(&self) -> Result<Value, Failure> {
        serde_json::to_value(self)
            .map_err(|error| Failure::permanent(format!("what is known of a bucket is no JSON: {error}")))
    }
}

impl Object {
    /// Whether it has the content `sum`, going by the tag that the service says now.
    pub fn is(&self, sum: &FileSum, tag: Option<&str>) -> bool {
        self.sha256 == sum.sha256 && self.tag.is_some() && self.tag.as_deref() == tag
    }
}
