//! What an integration sees: the builds of every member, and what the newest metapackage holds.

use std::collections::BTreeMap;

use super::Integrate;
use crate::daemon::RunError;
use crate::decide::integrate::{ByPlatform, IntegrateFacts, MemberFacts};
use crate::domain::Build;
use crate::ecosystem::conda::spec::{Spec, compare_versions};
use crate::jobs::conda_channels::{self, Channels};

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
            let holding = channels.holding(&metapackage, platform, distribution);
            for member in holding.map_err(|error| error.on(&metapackage, platform))?.members {
                held.members.entry(member.name.clone()).or_default().insert(platform.clone(), member);
            }
            held.metapackages.insert(platform.clone(), metapackage);
        }
        Ok(Some(held).filter(|held| !held.metapackages.is_empty()))
    }

    pub(super) async fn facts(
        &self,
        channels: &Channels,
        held: Option<&Held>,
    ) -> Result<IntegrateFacts, RunError> {
        let withdrawn =
            conda_channels::withdrawn(&self.services, &self.distribution, &self.settings.to).await?;
        let mut members = BTreeMap::new();
        for name in self.distribution.required_members() {
            let spec = Spec::lenient(name).map_err(anyhow::Error::from)?;
            let mut builds = channels.own().matching(&spec);
            builds.retain(|build| !withdrawn.holds(&build.subdir, &build.file_name));
            let held = held.and_then(|held| held.members.get(name)).cloned().unwrap_or_default();
            let versions = versions(builds.iter().chain(held.values()));
            members.insert(name.to_owned(), MemberFacts { builds, held, versions });
        }
        Ok(IntegrateFacts { platforms: self.distribution.platforms.clone(), members, settle: self.settle() })
    }
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
