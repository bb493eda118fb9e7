//! The patch instructions that an operator has for a channel: read from the folder that the distribution's file
//! names, and applied whenever something is published into the channel, or when they have changed.
//!
//! When the power fails before the switch of the channel, readers see the old index and the next pass patches it;
//! after it, the next pass finds nothing to do. Instructions that cannot be read stop every publication into their
//! channel, and withdraw nothing: a person who takes a build out is not held up by them.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context as _, anyhow};

use super::Services;
use super::conda_channels;
use crate::config::CondaDistribution;
use crate::daemon::RunError;
use crate::domain::NOARCH;
use crate::ecosystem::conda::patch::PatchInstructions;
use crate::publish::channel::{ChannelFolder, Patches};

/// The name of the instructions in the folder of a sub-directory, as conda's own tools have it.
const FILE: &str = "patch_instructions.json";

/// The instructions for a channel, by sub-directory; those that change nothing are left out.
pub(super) fn of_channel(distribution: &CondaDistribution, channel: &str) -> Result<Patches, RunError> {
    let folder = distribution.channel(channel).and_then(|channel| channel.patches.as_deref());
    let Some(folder) = folder else { return Ok(Patches::new()) };
    let mut patches = Patches::new();
    // A folder that is gone must not look like one that says nothing.
    let there =
        fs::read_dir(folder).with_context(|| format!("cannot list the patches in {}", folder.display()));
    there.map_err(RunError::Configuration)?;
    for subdir in [NOARCH].into_iter().chain(distribution.platforms.iter().map(String::as_str)) {
        let read = read(&folder.join(subdir).join(FILE)).map_err(RunError::Configuration)?;
        if let Some(instructions) = read.filter(|instructions| !instructions.is_empty()) {
            patches.insert(subdir.to_owned(), instructions);
        }
    }
    Ok(patches)
}

fn read(path: &Path) -> anyhow::Result<Option<PatchInstructions>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(anyhow!("cannot read {}: {error}", path.display())),
    };
    let instructions = PatchInstructions::parse(&bytes);
    Ok(Some(instructions.map_err(|error| anyhow!("{}: {error}", path.display()))?))
}

/// Publishes a channel's index anew where its instructions have changed since.
pub(super) async fn renew(
    services: &Services,
    distribution: &CondaDistribution,
    channel: &str,
) -> Result<(), RunError> {
    let patches = of_channel(distribution, channel)?;
    let folder = ChannelFolder::new(conda_channels::folder(services, distribution, channel)?)
        .map_err(anyhow::Error::from)?;
    let renew = move || -> anyhow::Result<()> {
        let Some(generation) = folder.current()? else { return Ok(()) };
        if folder.contents(generation)?.patches != patches {
            folder.change_whole(|_, known| *known = patches)?;
        }
        Ok(())
    };
    Ok(tokio::task::spawn_blocking(renew).await.map_err(anyhow::Error::from)??)
}
