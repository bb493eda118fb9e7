//! What a person may ask of the conda channels of a distribution, and what that comes to.

use serde::{Deserialize, Serialize};

/// A wish about the channels of one distribution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelWish {
    /// The distribution.
    pub distribution: String,
    /// What is asked for.
    pub change: ChannelWishKind,
    /// Who asks.
    pub by: String,
    /// Why; kept and shown.
    pub reason: String,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ChannelWishKind {
    /// No reader finds these builds any more, nor the metapackages that pin them.
    Withdraw {
        /// A match spec with a version, such as `q2-types=2024.10.0`.
        spec: String,
        /// The channels; none named: all of the distribution.
        from: Vec<String>,
    },
    /// A channel holds nothing that came into it after a kept generation.
    Rollback {
        /// The channel.
        channel: String,
        /// The generation; absent: the one before the current one.
        to: Option<u64>,
    },
    /// What was withdrawn together with these builds is put back.
    Reinstate {
        /// A match spec, such as `q2-types=2024.10.0`.
        spec: String,
    },
}

/// One file of one channel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ChannelFile {
    /// The channel's name.
    pub channel: String,
    /// The sub-directory, such as `linux-64`.
    pub subdir: String,
    /// The file's name.
    pub file_name: String,
    /// SHA-256 of its bytes, lower-case hexadecimal.
    pub sha256: String,
}

/// What a wish comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelChange {
    /// The files that no reader finds any more, in order.
    pub withdrawn: Vec<ChannelFile>,
    /// The files that are put back, in order.
    pub reinstated: Vec<ChannelFile>,
    /// Files that would be put back, were their bytes still kept.
    pub not_kept: Vec<ChannelFile>,
}
