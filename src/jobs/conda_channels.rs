//! The channels of a conda distribution, as its jobs read them and add to them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::Services;
use crate::config::CondaDistribution;
use crate::daemon::RunError;
use crate::digest::hex;
use crate::ecosystem::conda::address::ChannelAddress;
use crate::ecosystem::conda::channel::ChannelIndex;
use crate::ecosystem::conda::reader::{ChannelReader, IndexLimits};
use crate::publish::channel::{ChannelFolder, PackageFile, PublishedChannel};

/// A channel of the distribution and all that it builds on, as they are now.
pub(super) struct Channels {
    /// The distribution's own channel first, then the external ones in the order of their priority.
    pub indexes: Arc<Vec<ChannelIndex>>,
    /// A digest of the indexes and of what the operator wrote: of everything that a pass sees outside.
    pub digest: String,
}

impl Channels {
    /// The distribution's own channel.
    pub(super) fn own(&self) -> &ChannelIndex {
        &self.indexes[0]
    }

    /// The channels of others.
    pub(super) fn external(&self) -> &[ChannelIndex] {
        &self.indexes[1..]
    }
}

/// The folder in which a channel of the distribution is published.
pub(super) fn folder(
    services: &Services,
    distribution: &CondaDistribution,
    channel: &str,
) -> Result<PathBuf, RunError> {
    let found = distribution
        .channel(channel)
        .with_context(|| format!("distribution `{}` has no channel `{channel}`", distribution.name));
    Ok(services.publish.join(&found.map_err(RunError::Configuration)?.path))
}

/// Reads a channel and all that it builds on. Nothing where the channel was never published.
pub(super) async fn read(
    services: &Services,
    distribution: &CondaDistribution,
    channel: &str,
    settings: &impl Serialize,
) -> Result<Option<Channels>, RunError> {
    let own = folder(services, distribution, channel)?;
    if !own.exists() {
        return Ok(None);
    }
    let platforms: Vec<&str> = distribution.platforms.iter().map(String::as_str).collect();
    let reader = ChannelReader::new(services.http.clone(), IndexLimits::default());
    let mut digest = Sha256::new();
    digest.update(serde_json::to_vec(&(distribution, settings)).map_err(anyhow::Error::from)?);
    let mut indexes = Vec::new();
    let texts = [own.display().to_string()].into_iter().chain(distribution.external.iter().cloned());
    for text in texts {
        let address: ChannelAddress = text
            .parse()
            .map_err(|error| RunError::Configuration(anyhow!("`{text}` is not a channel: {error}")))?;
        let index = reader.read(&address, &platforms).await?;
        digest.update(format!("{} {}\n", index.address(), index.digest()));
        indexes.push(index);
    }
    let digest = hex(&digest.finalize());
    Ok(Some(Channels { indexes: Arc::new(indexes), digest }))
}

/// Publishes `files` beside what the channel in `root` holds already, in one step for all platforms. Files
/// that it holds already change nothing. When the power fails before the switch, readers see the old channel and
/// the next pass publishes anew; after it, the next pass finds nothing to do.
pub(super) async fn add(root: PathBuf, files: Vec<PackageFile>) -> Result<PublishedChannel, RunError> {
    let publish = move || -> anyhow::Result<PublishedChannel> {
        let channel = ChannelFolder::new(&root)?;
        let mut all = BTreeMap::new();
        let mut patches = BTreeMap::new();
        if let Some(generation) = channel.current()? {
            let kept = channel.files(generation)?;
            all.extend(kept.into_iter().map(|file| ((file.subdir.clone(), file.file_name.clone()), file)));
            patches = channel.contents(generation)?.patches;
        }
        all.extend(files.into_iter().map(|file| ((file.subdir.clone(), file.file_name.clone()), file)));
        let all: Vec<PackageFile> = all.into_values().collect();
        Ok(channel.publish(&all, &patches)?)
    };
    Ok(tokio::task::spawn_blocking(publish).await.map_err(anyhow::Error::from)??)
}
