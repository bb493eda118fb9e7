//! What people ask of the channels of a conda distribution: to withdraw builds, to go back to an older
//! generation, to put back what was withdrawn.
//!
//! | effect | power fails before it | between its row and the channel |
//! | --- | --- | --- |
//! | withdrawing, going back | nothing happened | the row is in force: jobs publish nothing of it, and the next start of the daemon takes the files out |
//! | putting back | nothing happened | the files are listed though the row is in force: the next start takes them out again, and whoever asked had no answer |
//!
//! Going back is a withdrawal of whatever came later, so that no job publishes the same again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::{Context as _, anyhow, bail, ensure};
use futures_util::future::BoxFuture;
use serde_json::json;

use super::{Services, conda_channels};
use crate::config::{CondaDistribution, Configuration};
use crate::daemon::ChannelSteering;
use crate::domain::{Build, ChannelChange, ChannelFile, ChannelWish, ChannelWishKind};
use crate::ecosystem::conda::address::ChannelAddress;
use crate::ecosystem::conda::layout::ArchiveName;
use crate::ecosystem::conda::reader::{ChannelReader, IndexLimits};
use crate::ecosystem::conda::spec::Spec;
use crate::publish::channel::{ChannelFolder, Files, PackageFile};
use crate::store::{NewEvent, Withdrawal, WithdrawalId};

/// The channels of the configuration in force, as people change them.
pub struct ChannelWishes {
    services: Arc<Services>,
    distributions: RwLock<Arc<BTreeMap<String, CondaDistribution>>>,
}

impl ChannelWishes {
    /// Wishes about the conda distributions of `configuration`.
    pub fn new(services: Arc<Services>, configuration: &Configuration) -> Self {
        Self { services, distributions: RwLock::new(Arc::new(configuration.conda.clone())) }
    }

    /// Puts a new configuration in force.
    pub fn reload(&self, configuration: &Configuration) {
        let fresh = Arc::new(configuration.conda.clone());
        *self.distributions.write().unwrap_or_else(PoisonError::into_inner) = fresh;
    }

    /// What a wish would come to. Nothing is changed.
    pub async fn preview(&self, wish: &ChannelWish) -> anyhow::Result<ChannelChange> {
        self.channels(&wish.distribution)?.plan(&wish.change).await.map(|(change, _)| change)
    }

    /// Carries out a wish. One that comes to nothing is an error that says so.
    pub async fn carry_out(&self, wish: &ChannelWish) -> anyhow::Result<ChannelChange> {
        ensure!(!wish.reason.trim().is_empty(), "a reason is needed: it is kept and shown");
        let channels = self.channels(&wish.distribution)?;
        let (change, lifted) = channels.plan(&wish.change).await?;
        match wish.change {
            ChannelWishKind::Reinstate { .. } => channels.put_back(wish, &change, &lifted).await?,
            ChannelWishKind::Withdraw { .. } | ChannelWishKind::Rollback { .. } => {
                channels.take_out(wish, &change).await?;
            }
        }
        Ok(change)
    }

    /// Takes out of all channels what is withdrawn from them: what is left to do after a crash.
    pub async fn finish(&self) -> anyhow::Result<()> {
        let distributions = Arc::clone(&self.distributions.read().unwrap_or_else(PoisonError::into_inner));
        for distribution in distributions.values() {
            let channels = Channels { services: &self.services, distribution: distribution.clone() };
            let in_force = channels.in_force().await?;
            let names: BTreeSet<String> =
                in_force.into_iter().flat_map(|one| one.files).map(|file| file.channel).collect();
            for channel in names.iter().filter(|name| distribution.channel(name).is_some()) {
                // Jobs publish nothing of it either way; whoever runs this has other things to do as well.
                if let Err(error) = channels.leave_out_withdrawn(channel).await {
                    tracing::error!("what was withdrawn from {channel} is still listed there: {error:#}");
                }
            }
        }
        Ok(())
    }

    fn channels(&self, distribution: &str) -> anyhow::Result<Channels<'_>> {
        let distributions = self.distributions.read().unwrap_or_else(PoisonError::into_inner);
        let found = distributions.get(distribution).cloned();
        let distribution =
            found.with_context(|| format!("there is no conda distribution `{distribution}`"))?;
        Ok(Channels { services: &self.services, distribution })
    }
}

impl ChannelSteering for ChannelWishes {
    fn carry_out<'a>(&'a self, wish: &'a ChannelWish) -> BoxFuture<'a, anyhow::Result<ChannelChange>> {
        Box::pin(self.carry_out(wish))
    }
}

/// The channels of one distribution.
struct Channels<'s> {
    services: &'s Services,
    distribution: CondaDistribution,
}

impl Channels<'_> {
    /// What the change comes to, and the withdrawals that it lifts.
    async fn plan(&self, change: &ChannelWishKind) -> anyhow::Result<(ChannelChange, Vec<Withdrawal>)> {
        let (mut withdrawn, mut reinstated, mut not_kept) = (Vec::new(), Vec::new(), Vec::new());
        let mut lifted = Vec::new();
        match change {
            ChannelWishKind::Withdraw { spec, from } => withdrawn = self.builds_of(spec, from).await?,
            ChannelWishKind::Rollback { channel, to } => withdrawn = self.later_than(channel, *to)?,
            ChannelWishKind::Reinstate { spec } => {
                lifted = self.withdrawn_with(spec).await?;
                let files = lifted.iter().flat_map(|withdrawal| &withdrawal.files).cloned();
                for file in files.collect::<BTreeSet<_>>() {
                    match self.kept(&file)? {
                        Some(_) => reinstated.push(file),
                        None => not_kept.push(file),
                    }
                }
            }
        }
        Ok((ChannelChange { withdrawn, reinstated, not_kept }, lifted))
    }

    /// The builds that a spec means, and the metapackages that nobody could install without them.
    async fn builds_of(&self, spec: &str, from: &[String]) -> anyhow::Result<Vec<ChannelFile>> {
        let spec = Spec::lenient(spec)?;
        if spec.version().is_none() {
            let name = spec.name();
            bail!("`{name}` means every version; say which one, such as `{name}=1.0`, or `{name}=*` for all");
        }
        if let Some(unknown) = from.iter().find(|name| self.distribution.channel(name).is_none()) {
            bail!("{} has no channel `{unknown}`", self.distribution.name);
        }
        let platforms: Vec<&str> = self.distribution.platforms.iter().map(String::as_str).collect();
        let reader = ChannelReader::new(self.services.http.clone(), IndexLimits::default());
        let mut files = Vec::new();
        for channel in self.distribution.channels.iter().map(|channel| &channel.name) {
            let root = self.folder(channel)?;
            if !(from.is_empty() || from.contains(channel)) || !root.exists() {
                continue;
            }
            let address: ChannelAddress = root.display().to_string().parse()?;
            let index = reader.read(&address, &platforms).await?;
            let builds = index.matching(&spec);
            if !builds.is_empty() && ChannelFolder::new(&root)?.current().is_err() {
                bail!(
                    "{channel} is not published by tidegate; take the files out of {} yourself, and name the \
                     other channels with --from",
                    root.display()
                );
            }
            let metapackages = index.pinned_to(&builds);
            files.extend(builds.into_iter().chain(metapackages).map(|build| file_of(channel, build)));
        }
        files.sort();
        let name = &self.distribution.name;
        ensure!(!files.is_empty(), "no channel of {name} offers a build that fits; nothing is withdrawn");
        Ok(files)
    }

    /// What came into a channel after a kept generation.
    fn later_than(&self, channel: &str, to: Option<u64>) -> anyhow::Result<Vec<ChannelFile>> {
        let folder = ChannelFolder::new(self.folder(channel)?)?;
        let current = folder
            .current()?
            .with_context(|| format!("{channel} was never published; nothing to go back to"))?;
        let before = folder.kept()?.into_iter().filter(|generation| *generation < current).max();
        let to = to.or(before).context("no older generation is kept")?;
        let (now, then) = (folder.contents(current)?, folder.contents(to)?);
        let files: Vec<ChannelFile> = now
            .iter()
            .filter(|(subdir, file, _)| then.record(subdir, file).is_none())
            .map(|(subdir, file, record)| ChannelFile {
                channel: channel.to_owned(),
                subdir: subdir.to_owned(),
                file_name: file.to_owned(),
                sha256: record.sha256().to_owned(),
            })
            .collect();
        ensure!(!files.is_empty(), "nothing came into {channel} after generation {to}; it stays as it is");
        Ok(files)
    }

    /// The withdrawals in force that took out a build that fits.
    async fn withdrawn_with(&self, spec: &str) -> anyhow::Result<Vec<Withdrawal>> {
        let spec = Spec::lenient(spec)?;
        let fits = |file: &ChannelFile| {
            ArchiveName::parse(&file.file_name).is_ok_and(|name| {
                name.name == spec.name()
                    && spec.accepts_version(&name.version)
                    && spec.build().is_none_or(|build| build == name.build)
            })
        };
        let mut found = self.in_force().await?;
        found.retain(|withdrawal| withdrawal.files.iter().any(fits));
        ensure!(!found.is_empty(), "nothing that fits is withdrawn from {}", self.distribution.name);
        Ok(found)
    }

    /// First the row, then the channels.
    async fn take_out(&self, wish: &ChannelWish, change: &ChannelChange) -> anyhow::Result<()> {
        let now = self.services.clock.now();
        let (reason, step) = match &wish.change {
            ChannelWishKind::Rollback { channel, .. } => {
                (format!("{channel} was rolled back: {}", wish.reason), "rollback")
            }
            _ => (wish.reason.clone(), "withdraw"),
        };
        let body = json!({
            "distribution": self.distribution.name, "by": wish.by, "reason": reason, "files": change.withdrawn,
        });
        let event = |id: WithdrawalId| NewEvent {
            at: now,
            kind: "withdrawn".to_owned(),
            job: step.to_owned(),
            package: None,
            body,
            dedup_key: format!("withdrawn/{}/{}", self.distribution.name, id.0),
        };
        let store = &self.services.store;
        store.withdraw(&self.distribution.name, &change.withdrawn, (&wish.by, &reason), event, now).await?;
        let channels: BTreeSet<&str> = change.withdrawn.iter().map(|file| file.channel.as_str()).collect();
        for channel in channels {
            self.leave_out_withdrawn(channel).await?;
        }
        Ok(())
    }

    /// First the channels, then the rows: a row that is lifted stands for files that readers find.
    async fn put_back(
        &self,
        wish: &ChannelWish,
        change: &ChannelChange,
        lifted: &[Withdrawal],
    ) -> anyhow::Result<()> {
        let mut by_channel: BTreeMap<&str, Vec<PackageFile>> = BTreeMap::new();
        for file in &change.reinstated {
            let kept = self.kept(file)?.with_context(|| format!("{} is gone meanwhile", file.file_name))?;
            by_channel.entry(&file.channel).or_default().push(kept);
        }
        for (channel, files) in by_channel {
            let back = files.into_iter().map(|file| ((file.subdir.clone(), file.file_name.clone()), file));
            self.change(channel, move |held| held.extend(back)).await?;
        }
        for withdrawal in lifted {
            let event = NewEvent {
                at: self.services.clock.now(),
                kind: "reinstated".to_owned(),
                job: "reinstate".to_owned(),
                package: None,
                body: json!({
                    "distribution": self.distribution.name, "by": wish.by, "reason": wish.reason,
                    "files": withdrawal.files,
                }),
                dedup_key: format!("reinstated/{}/{}", self.distribution.name, withdrawal.id.0),
            };
            self.services.store.lift_withdrawal(withdrawal.id, (&wish.by, &wish.reason), &event).await?;
        }
        Ok(())
    }

    /// Publishes a channel without what is withdrawn from it; one that holds nothing of it stays.
    async fn leave_out_withdrawn(&self, channel: &str) -> anyhow::Result<()> {
        if !self.folder(channel)?.exists() {
            return Ok(());
        }
        let withdrawn = conda_channels::withdrawn(self.services, &self.distribution, channel).await?;
        self.change(channel, move |held| held.retain(|(subdir, file), _| !withdrawn.holds(subdir, file)))
            .await
    }

    async fn change(
        &self,
        channel: &str,
        change: impl FnOnce(&mut Files) + Send + 'static,
    ) -> anyhow::Result<()> {
        let root = self.folder(channel)?;
        let publish = move || ChannelFolder::new(root)?.change(change);
        tokio::task::spawn_blocking(publish).await??;
        Ok(())
    }

    /// Where the bytes of a withdrawn file still lie: among what came in or was made here, or in a
    /// generation of any channel.
    fn kept(&self, file: &ChannelFile) -> anyhow::Result<Option<PackageFile>> {
        let package = |path: PathBuf, size| PackageFile {
            subdir: file.subdir.clone(),
            file_name: file.file_name.clone(),
            sha256: file.sha256.clone(),
            size,
            path,
        };
        let artifact = self.services.content().path_of(&file.sha256);
        if let Ok(there) = artifact.metadata() {
            return Ok(Some(package(artifact, there.len())));
        }
        for channel in &self.distribution.channels {
            let folder = ChannelFolder::new(self.folder(&channel.name)?)?;
            // A channel that somebody else publishes has no generations.
            for generation in folder.kept().unwrap_or_default() {
                let files = folder.files(generation)?;
                let same =
                    |other: &PackageFile| other.sha256 == file.sha256 && other.file_name == file.file_name;
                if let Some(found) = files.into_iter().find(same) {
                    return Ok(Some(package(found.path, found.size)));
                }
            }
        }
        Ok(None)
    }

    async fn in_force(&self) -> anyhow::Result<Vec<Withdrawal>> {
        let mut withdrawals = self.services.store.withdrawals(&self.distribution.name).await?;
        withdrawals.retain(|withdrawal| withdrawal.lifted_at.is_none());
        Ok(withdrawals)
    }

    fn folder(&self, channel: &str) -> anyhow::Result<PathBuf> {
        conda_channels::folder(self.services, &self.distribution, channel)
            .map_err(|_| anyhow!("{} has no channel `{channel}`", self.distribution.name))
    }
}

fn file_of(channel: &str, build: Build) -> ChannelFile {
    ChannelFile {
        channel: channel.to_owned(),
        subdir: build.subdir,
        file_name: build.file_name,
        sha256: build.sha256,
    }
}
