//! The channels of a conda distribution, as its jobs read them and add to them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{Services, channel_patches};
use crate::config::CondaDistribution;
use crate::daemon::RunError;
use crate::digest::hex;
use crate::domain::{Build, DestructuredMember, DestructuredPackage, NOARCH};
use crate::ecosystem::conda::address::ChannelAddress;
use crate::ecosystem::conda::channel::ChannelIndex;
use crate::ecosystem::conda::destructure::{
    Declared, DestructureError, DestructureTask, MemberProblem, destructure,
};
use crate::ecosystem::conda::reader::{ChannelReader, IndexLimits};
use crate::ecosystem::conda::spec::exact_spec;
use crate::failure::Failure;
use crate::publish::channel::{ChannelFolder, PackageFile, PublishedChannel};

/// The longest time for one solve.
pub(super) const SOLVE: Duration = Duration::from_secs(120);

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

/// Why a metapackage could not be taken apart into files of its channel.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotApart {
    /// It is not what it should be.
    #[error(transparent)]
    Destructure(#[from] DestructureError),
    /// A member lies in another channel.
    #[error("{name} {version} is no file of its metapackage's channel")]
    Elsewhere {
        /// The member.
        name: String,
        /// Its version.
        version: String,
    },
}

impl NotApart {
    /// What it means for a run. A solver that found no answer in time says nothing of the metapackage, and may find
    /// one the next time.
    pub(super) fn on(self, metapackage: &Build, platform: &str) -> RunError {
        let what = format!("{metapackage} on {platform}");
        match self {
            Self::Destructure(error @ DestructureError::TimedOut { .. }) => {
                Failure::transient(format!("{what}: {error}")).into()
            }
            error => RunError::Permanent(anyhow::Error::from(error).context(what)),
        }
    }
}

/// What a metapackage holds of its distribution on one platform.
pub(super) struct Holding {
    /// The members, as files of its channel.
    pub members: Vec<Build>,
    /// The members of the distribution that it does not hold: they were added after it was made.
    pub missing: Vec<MemberProblem>,
}

impl Channels {
    /// What a metapackage holds of what the distribution's file declares. Whatever else it installs is no member,
    /// wherever it lies.
    pub(super) fn holding(
        &self,
        metapackage: &Build,
        platform: &str,
        distribution: &CondaDistribution,
    ) -> Result<Holding, NotApart> {
        let mut names: BTreeSet<String> = distribution.required_members().map(str::to_owned).collect();
        let declared = |names: &BTreeSet<String>| Declared {
            members: Some(names.clone()),
            ignore: distribution.ignore.clone(),
            ..Declared::default()
        };
        let missing = match self.apart(metapackage, platform, declared(&names)) {
            Ok(members) => return Ok(Holding { members, missing: Vec::new() }),
            Err(NotApart::Destructure(DestructureError::Members { problems, .. }))
                if problems.iter().all(|problem| matches!(problem, MemberProblem::Missing { .. })) =>
            {
                problems
            }
            Err(error) => return Err(error),
        };
        for problem in &missing {
            if let MemberProblem::Missing { member } = problem {
                names.remove(member);
            }
        }
        let members = match names.is_empty() {
            true => Vec::new(),
            false => self.apart(metapackage, platform, declared(&names))?,
        };
        Ok(Holding { members, missing })
    }

    /// The exact members of a metapackage on a platform, as files of its own channel.
    fn apart(&self, metapackage: &Build, platform: &str, declared: Declared) -> Result<Vec<Build>, NotApart> {
        let apart = destructure(&DestructureTask {
            channel: self.own(),
            externals: self.external(),
            platform,
            spec: &exact_spec(metapackage),
            declared,
            virtual_packages: None,
            timeout: SOLVE,
        })?;
        let builds = self.own().builds();
        let file = |member: DestructuredMember| {
            let DestructuredPackage { name, version, sha256, .. } = member.package;
            let version = version.unwrap_or_default();
            let fits = |build: &&Build| {
                Some(&build.sha256) == sha256.as_ref()
                    && build.name == name
                    && [platform, NOARCH].contains(&&*build.subdir)
            };
            builds.iter().find(fits).cloned().ok_or(NotApart::Elsewhere { name, version })
        };
        apart.members.into_iter().map(file).collect()
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
    // What was withdrawn may not be published again, so it is part of what a pass decides from.
    let withdrawals = services.store.withdrawals(&distribution.name).await?;
    digest.update(serde_json::to_vec(&withdrawals).map_err(anyhow::Error::from)?);
    let digest = hex(&digest.finalize());
    Ok(Some(Channels { indexes: Arc::new(indexes), digest }))
}

/// Publishes `files` beside what the channel holds already, in one step for all platforms. Files that it holds
/// already change nothing. When the power fails before the switch, readers see the old channel and the next
/// pass publishes anew; after it, the next pass finds nothing to do. What was withdrawn from the channel is not
/// published: then nothing is, and the next pass decides anew.
pub(super) async fn add(
    services: &Services,
    distribution: &CondaDistribution,
    channel: &str,
    files: Vec<PackageFile>,
) -> Result<PublishedChannel, RunError> {
    let withdrawn = withdrawn(services, distribution, channel).await?;
    if let Some(file) = files.iter().find(|file| withdrawn.holds(&file.subdir, &file.file_name)) {
        let place = format!("{}/{}", file.subdir, file.file_name);
        return Err(Failure::transient(format!("{place} was withdrawn from {channel} meanwhile")).into());
    }
    let root = folder(services, distribution, channel)?;
    let patches = channel_patches::of_channel(distribution, channel)?;
    let publish = move || -> anyhow::Result<PublishedChannel> {
        let fresh = files.into_iter().map(|file| ((file.subdir.clone(), file.file_name.clone()), file));
        Ok(ChannelFolder::new(&root)?.change_whole(|held, known| {
            held.extend(fresh);
            *known = patches;
        })?)
    };
    Ok(tokio::task::spawn_blocking(publish).await.map_err(anyhow::Error::from)??)
}

/// What people have taken out of one channel, and nobody has put back.
#[derive(Default)]
pub(super) struct Withdrawn(BTreeMap<(String, String), String>);

impl Withdrawn {
    /// Whether it holds the file.
    pub(super) fn holds(&self, subdir: &str, file_name: &str) -> bool {
        self.why(subdir, file_name).is_some()
    }

    /// Who withdrew the file, and why; nothing where nobody did.
    pub(super) fn why(&self, subdir: &str, file_name: &str) -> Option<&str> {
        self.0.get(&(subdir.to_owned(), file_name.to_owned())).map(String::as_str)
    }
}

/// What is withdrawn from a channel.
pub(super) async fn withdrawn(
    services: &Services,
    distribution: &CondaDistribution,
    channel: &str,
) -> anyhow::Result<Withdrawn> {
    let mut all = Withdrawn::default();
    let withdrawals = services.store.withdrawals(&distribution.name).await?;
    for withdrawal in withdrawals.into_iter().filter(|withdrawal| withdrawal.lifted_at.is_none()) {
        let why = format!("withdrawn by {}: {}", withdrawal.by, withdrawal.reason);
        for file in withdrawal.files.into_iter().filter(|file| file.channel == channel) {
            all.0.insert((file.subdir, file.file_name), why.clone());
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::NotApart;
    use crate::daemon::RunError;
    use crate::domain::Build;
    use crate::ecosystem::conda::destructure::DestructureError;

    fn metapackage() -> Build {
        let text = |text: &str| text.to_owned();
        Build {
            name: text("qiime2-tiny"),
            version: text("2026.10"),
            build: text("0"),
            build_number: 0,
            subdir: text("noarch"),
            file_name: text("qiime2-tiny-2026.10-0.conda"),
            sha256: text("0"),
            channel: text("/srv/staged"),
        }
    }

    #[test]
    fn a_solver_without_time_is_asked_again_and_a_bad_metapackage_is_not() {
        let (package, platform) = ("qiime2-tiny 2026.10 0".to_owned(), "linux-64".to_owned());
        let after = Duration::from_secs(120);
        let timed_out = DestructureError::TimedOut { package: package.clone(), platform, after };
        let error = NotApart::from(timed_out).on(&metapackage(), "linux-64");
        assert!(matches!(error, RunError::Transient(..)), "{error:?}");
        let cycle = DestructureError::Cycle { path: vec![package.clone(), package] };
        let error = NotApart::from(cycle).on(&metapackage(), "linux-64");
        assert!(matches!(error, RunError::Permanent(..)), "{error:?}");
    }
}
