//! What an integration sees: the builds of every member, and what the newest metapackage holds.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;

use super::Integrate;
use crate::daemon::RunError;
use crate::decide::integrate::{ByPlatform, IntegrateFacts, MemberFacts};
use crate::domain::{Build, DestructuredPackage};
use crate::ecosystem::conda::channel::ChannelIndex;
use crate::ecosystem::conda::destructure::{Declared, DestructureTask, destructure};
use crate::ecosystem::conda::spec::{Spec, compare_versions, exact_spec};
use crate::jobs::conda_channels::{self, Channels};

/// The longest time for one solve of a metapackage that pins no exact builds.
const SOLVE: Duration = Duration::from_secs(120);

/// The newest metapackage, as its channel has it.
pub(super) struct Held {
    /// Its builds, by platform.
    pub metapackages: ByPlatform,
    /// Its members by name, each by platform.
    pub members: BTreeMap<String, ByPlatform>,
}

impl Integrate {
    /// The newest metapackage of the channel that gets them, taken apart. Nothing where there is none.
    pub(super) async fn held(&self) -> Result<Option<Held>, RunError> {
        let (services, distribution) = (&*self.services, &*self.distribution);
        let channels =
            conda_channels::read(services, distribution, &self.settings.to, &self.settings).await?;
        let Some(channels) = channels else { return Ok(None) };
        let spec = Spec::lenient(&distribution.metapackage).map_err(anyhow::Error::from)?;
        let mut held = Held { metapackages: ByPlatform::new(), members: BTreeMap::new() };
        for platform in &distribution.platforms {
            let Some(metapackage) = channels.own().newest(&spec, platform) else { continue };
            for member in members_of(&channels, platform, &metapackage)? {
                held.members.entry(member.name.clone()).or_default().insert(platform.clone(), member);
            }
            held.metapackages.insert(platform.clone(), metapackage);
        }
        Ok(Some(held).filter(|held| !held.metapackages.is_empty()))
    }

    pub(super) fn facts(&self, channels: &Channels, held: Option<&Held>) -> Result<IntegrateFacts, RunError> {
        let mut members = BTreeMap::new();
        for name in self.distribution.required_members() {
            let spec = Spec::lenient(name).map_err(anyhow::Error::from)?;
            let builds = channels.own().matching(&spec);
            let held = held.and_then(|held| held.members.get(name)).cloned().unwrap_or_default();
            let versions = versions(builds.iter().chain(held.values()));
            members.insert(name.to_owned(), MemberFacts { builds, held, versions });
        }
        Ok(IntegrateFacts { platforms: self.distribution.platforms.clone(), members, settle: self.settle() })
    }
}

/// The members of a metapackage on a platform, as files of its own channel.
fn members_of(channels: &Channels, platform: &str, metapackage: &Build) -> Result<Vec<Build>, RunError> {
    let own = channels.own();
    let spec = exact_spec(metapackage);
    let task = DestructureTask {
        channel: own,
        externals: channels.external(),
        platform,
        spec: &spec,
        declared: Declared::default(),
        virtual_packages: None,
        timeout: SOLVE,
    };
    let apart = destructure(&task)
        .with_context(|| format!("cannot take {metapackage} apart on {platform}"))
        .map_err(RunError::Permanent)?;
    let files = apart.members.iter().map(|member| file_of(own, &member.package));
    files.collect::<anyhow::Result<_>>().map_err(RunError::Permanent)
}

fn file_of(own: &ChannelIndex, member: &DestructuredPackage) -> anyhow::Result<Build> {
    let DestructuredPackage { name, sha256, .. } = member;
    let mut builds = own.builds().into_iter();
    let found = builds.find(|build| Some(&build.sha256) == sha256.as_ref() && build.name == *name);
    found.with_context(|| format!("{name} is no file of its metapackage's channel"))
}

/// The versions, each once, the newest first in conda's order.
fn versions<'b>(builds: impl Iterator<Item = &'b Build>) -> Vec<String> {
    let mut versions: Vec<String> = builds.map(|build| build.version.clone()).collect();
    // Two spellings of one version are equal to conda; the text settles which comes first.
    versions
        .sort_by(|a, b| compare_versions(b, a).unwrap_or(std::cmp::Ordering::Equal).then_with(|| b.cmp(a)));
    versions.dedup();
    versions
}
