//! What is read for the manifest alone: checks, versions of the frozen CRAN, and since when packages fail.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Snapshot, read};
use crate::calendar::Targets;
use crate::daemon::RunError;
use crate::decide::snapshot::{Background, ChecksOfBuild};
use crate::decide::status::since::NotPassingSince;
use crate::domain::{Checks, Fact, PackageName};
use crate::jobs::check_status::{SeenPackage, SeenUniverse};
use crate::jobs::sources::names;

impl Snapshot {
    pub(super) async fn background(
        &self,
        universe: &SeenUniverse,
        targets: &Targets,
        nominal: Timestamp,
        now: Timestamp,
    ) -> Result<Background, RunError> {
        let (distribution, channel) = (&self.distribution.name, &self.settings.from);
        let source = names::cran(distribution, channel, targets.dependency_freeze);
        let at_nominal = self.stored(&source, nominal, now).await?;
        let about = format!("the CRAN index of {}", targets.dependency_freeze);
        let cran: Fact<BTreeMap<PackageName, String>> = read(at_nominal, &about)?;
        // However long ago it was noted: it only changes with the status, which has to be fresh.
        let source = names::not_passing(distribution, channel);
        let since = self.services.store.seen_at(&source, nominal).await?;
        let since: Option<NotPassingSince> =
            since.map(|seen| serde_json::from_slice(&seen.bytes)).transpose().map_err(anyhow::Error::from)?;
        Ok(Background {
            checks: universe.iter().map(|(name, seen)| (name.clone(), checks(seen))).collect(),
            older_r: self.distribution.older_series(&targets.r).map_err(RunError::Configuration)?,
            cran: Some(needed_of(cran, universe)),
            not_passing_since: since.unwrap_or_default(),
            with_failing: self.settings.failing,
        })
    }
}

fn checks(seen: &SeenPackage) -> ChecksOfBuild {
    let (Checks::All(checks) | Checks::Bad(checks)) = &seen.facts.checks;
    ChecksOfBuild { commit: seen.facts.commit.clone(), checks: checks.clone() }
}

/// The versions of what packages of the universe depend on: a whole index would be stored with each decision.
fn needed_of(
    cran: Fact<BTreeMap<PackageName, String>>,
    universe: &SeenUniverse,
) -> Fact<BTreeMap<PackageName, String>> {
    let Fact::Known(mut versions) = cran else { return cran };
    let needed: BTreeSet<&PackageName> =
        universe.values().flat_map(|seen| &seen.facts.dependencies).collect();
    versions.retain(|package, _| needed.contains(package));
    Fact::Known(versions)
}
