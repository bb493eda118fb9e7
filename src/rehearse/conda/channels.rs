//! The channels of others, as folders that hold what was there at a time of the world.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::json;

use crate::ecosystem::conda::archive::ArchiveLimits;
use crate::ecosystem::conda::index::FolderIndex;
use crate::ecosystem::conda::layout::NOARCH;
use crate::ecosystem::conda::patch::PATCH_FILE;
use crate::rehearse::world::{CondaWorld, DeedKind};

/// Every archive of the world, by `<subdir>/<file name>`.
pub(super) type Archives = BTreeMap<String, Vec<u8>>;

/// Where the channel of that name lies in the folder of the world.
pub(super) fn folder(root: &Path, channel: &str) -> PathBuf {
    root.join("channels").join(channel)
}

/// What a channel holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Listing {
    /// What its index lists.
    listed: BTreeSet<String>,
    /// What its index no longer lists: the files stay, as they do in real channels.
    withdrawn: BTreeSet<String>,
}

/// The channels of others.
pub(super) struct ExternalChannels {
    root: PathBuf,
    /// What lies there by this process's knowledge.
    written: BTreeMap<String, Listing>,
}

impl ExternalChannels {
    /// Channels below `root`; what lies there already is looked at again.
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root, written: BTreeMap::new() }
    }

    /// Brings every channel to what it held at `now`. Done again, it changes nothing.
    pub(super) fn bring_to(
        &mut self,
        now: Timestamp,
        world: &CondaWorld,
        archives: &Archives,
    ) -> anyhow::Result<()> {
        for channel in &world.channels {
            let listing = listing_at(world, &channel.name, now);
            if self.written.get(&channel.name) != Some(&listing) {
                let path = folder(&self.root, &channel.name);
                write(&path, &listing, archives)
                    .with_context(|| format!("cannot write the channel {}", path.display()))?;
                self.written.insert(channel.name.clone(), listing);
            }
        }
        Ok(())
    }
}

fn listing_at(world: &CondaWorld, name: &str, now: Timestamp) -> Listing {
    let mut listing = Listing::default();
    for deed in world.deeds.iter().take_while(|deed| deed.at <= now) {
        match &deed.what {
            DeedKind::Appear { channel, builds } if channel == name => {
                for build in builds {
                    listing.withdrawn.remove(build);
                    listing.listed.insert(build.clone());
                }
            }
            DeedKind::Withdraw { channel, builds } if channel == name => {
                for build in builds {
                    listing.listed.remove(build);
                    listing.withdrawn.insert(build.clone());
                }
            }
            _ => {}
        }
    }
    listing
}

fn write(channel: &Path, listing: &Listing, archives: &Archives) -> anyhow::Result<()> {
    fs::create_dir_all(channel.join(NOARCH))?;
    let mut removed: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for build in listing.listed.iter().chain(&listing.withdrawn) {
        let bytes = archives.get(build).with_context(|| format!("{build} was not made"))?;
        put(&channel.join(build), bytes)?;
        let (subdir, file) = build.split_once('/').unwrap_or((NOARCH, build));
        let removed = removed.entry(subdir).or_default();
        if listing.withdrawn.contains(build) {
            removed.push(file);
        }
    }
    for (subdir, files) in removed {
        let patches = json!({ "patch_instructions_version": 1, "remove": files });
        put(&channel.join(subdir).join(PATCH_FILE), &serde_json::to_vec_pretty(&patches)?)?;
    }
    FolderIndex::of_folder(channel, &ArchiveLimits::default())?.write()?;
    Ok(())
}

/// Puts a file in its place in one step, and only where it has other bytes: a test may be reading it.
pub(super) fn put(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let folder = path.parent().context("a file lies in a folder")?;
    fs::create_dir_all(folder)?;
    let mut beside = tempfile::Builder::new().prefix(".").tempfile_in(folder)?;
    beside.write_all(bytes)?;
    beside.persist(path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}
