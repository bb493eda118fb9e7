//! What the channel that packages come from says of new releases. People read it in pull requests; it decides nothing.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Promote;
use crate::domain::{ChannelStatus, Checks, Fact, Listing, PackageName, Release, ReleasedEvidence};
use crate::jobs::check_status::SeenUniverse;
use crate::jobs::sources::{fresh_fact, names};

impl Promote {
    /// What the universe of the source channel has, as it was seen last.
    pub(super) async fn source_universe(&self, now: Timestamp) -> anyhow::Result<Fact<SeenUniverse>> {
        let source = names::universe(&self.distribution.name, &self.settings.from);
        fresh_fact(&self.services.store, &source, now, self.distribution.policy.max_age.get()).await
    }

    /// The evidence there on each newest release that the channel does not hold, where it is of exactly its commit.
    pub(super) async fn released(
        &self,
        releases: &BTreeMap<PackageName, Fact<Option<Release>>>,
        head: &[Listing],
        universe: &Fact<SeenUniverse>,
        now: Timestamp,
    ) -> anyhow::Result<Fact<BTreeMap<PackageName, ReleasedEvidence>>> {
        let source = names::status(&self.distribution.name, &self.settings.from);
        let max_age = self.distribution.policy.max_age.get();
        let status: Fact<ChannelStatus> =
            match fresh_fact(&self.services.store, &source, now, max_age).await? {
                Fact::Known(status) => Fact::Known(status),
                Fact::Unknown { why } => return Ok(Fact::Unknown { why }),
            };
        let pins: BTreeMap<&str, Option<&str>> =
            head.iter().map(|listing| (listing.package.as_str(), listing.pin())).collect();
        let evidence = |(package, release): (&PackageName, &Fact<Option<Release>>)| {
            let commit = &release.known()?.as_ref()?.commit;
            let assessment = status.known()?.packages.get(package)?;
            let is_held = pins.get(package.as_str()).copied().flatten() == Some(commit);
            let is_of_it = |about: &Option<String>| about.as_ref() == Some(commit);
            if is_held || !(is_of_it(&assessment.commit) || is_of_it(&assessment.failed_build)) {
                return None;
            }
            let built = universe.known().and_then(|seen| seen.get(package));
            let checks =
                match built.filter(|seen| is_of_it(&seen.facts.commit)).map(|seen| &seen.facts.checks) {
                    Some(Checks::All(checks)) => checks.clone(),
                    Some(Checks::Bad(_)) | None => Vec::new(),
                };
            Some((package.clone(), ReleasedEvidence { assessment: assessment.clone(), checks }))
        };
        Ok(Fact::Known(releases.iter().filter_map(evidence).collect()))
    }

    /// The address of the channel's universe, where everybody can reach it: a text that strangers read names no other.
    pub(super) fn public_universe(&self) -> Option<String> {
        let universe = self.distribution.channel(&self.settings.to)?.universe()?;
        universe.url.starts_with("https://").then(|| universe.url.clone())
    }
}
