//! Which builds are whole, and what becomes of them: those that all platforms have are published together,
//! in one step; those that wait too long expire.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{Intake, Tally, WAITING};
use crate::daemon::{RunContext, RunError};
use crate::ecosystem::conda::layout::NOARCH;
use crate::jobs::artifacts::kept_path;
use crate::jobs::conda_channels;
use crate::publish::channel::PackageFile;
use crate::store::Arrival;

/// What makes archives one build: name, version and build number. Build strings may differ by platform.
type Build = (String, String, u64);

impl Intake {
    /// Publishes every build that all platforms have: the channel as it is, and these.
    pub(super) async fn admit(&self, context: &RunContext, tally: &mut Tally) -> Result<(), RunError> {
        let whole: BTreeMap<Build, Vec<Arrival>> = self
            .builds()
            .await?
            .into_iter()
            .filter(|(_, archives)| self.lacks(archives).is_empty())
            .collect();
        if whole.is_empty() {
            return Ok(());
        }
        // A crash may have come after they were published, and a person's withdrawal since.
        let withdrawn =
            conda_channels::withdrawn(&self.services, &self.distribution, &self.settings.to).await?;
        let fresh = whole.values().flatten().map(|archive| self.package_file(archive));
        let fresh = fresh.filter(|file| !withdrawn.holds(&file.subdir, &file.file_name)).collect();
        conda_channels::add(&self.services, &self.distribution, &self.settings.to, fresh).await?;
        let events: Vec<_> = whole
            .iter()
            .map(|((name, version, number), archives)| {
                let files: Vec<String> = archives.iter().map(file_of).collect();
                let body = json!({ "version": version, "build_number": number, "files": files });
                let key =
                    archives.iter().map(|archive| archive.id.0.to_string()).collect::<Vec<_>>().join("+");
                self.event(context, "admitted", Some(name), body, &key)
            })
            .collect();
        let ids: Vec<_> = whole.values().flatten().map(|archive| archive.id).collect();
        let (store, now) = (&self.services.store, self.services.clock.now());
        store.admit_arrivals(&self.distribution.name, &ids, &events, now).await?;
        tally.add("admitted", whole.len());
        Ok(())
    }

    /// Gives up builds whose first archive has waited too long for the others.
    pub(super) async fn expire(&self, context: &RunContext, tally: &mut Tally) -> Result<(), RunError> {
        let now = self.services.clock.now();
        let wait = SignedDuration::try_from(self.settings.wait.get()).unwrap_or(SignedDuration::MAX);
        for ((name, version, number), archives) in self.builds().await? {
            let first = archives.iter().map(|archive| archive.arrived_at).min().unwrap_or(Timestamp::MAX);
            if now.duration_since(first) < wait {
                tally.add(WAITING, 1);
                continue;
            }
            let lacking: Vec<&str> = self.lacks(&archives).into_iter().collect();
            let why = format!("{} did not come within {}", lacking.join(", "), self.settings.wait);
            let files: Vec<String> = archives.iter().map(file_of).collect();
            let body = json!({
                "version": version, "build_number": number, "files": files, "why": why,
                "do": "build the package again for all platforms, with the same version and build number on each",
            });
            let ids: Vec<_> = archives.iter().map(|archive| archive.id).collect();
            let key = ids.iter().map(|id| id.0.to_string()).collect::<Vec<_>>().join("+");
            let event = self.event(context, "expired", Some(&name), body, &key);
            self.services.store.expire_arrivals(&ids, &why, &event).await?;
            tally.add("expired", 1);
        }
        Ok(())
    }

    /// What waits, by build.
    async fn builds(&self) -> Result<BTreeMap<Build, Vec<Arrival>>, RunError> {
        let mut builds: BTreeMap<Build, Vec<Arrival>> = BTreeMap::new();
        for archive in self.services.store.waiting_arrivals(&self.distribution.name).await? {
            let build = (archive.name.clone(), archive.version.clone(), archive.build_number);
            builds.entry(build).or_default().push(archive);
        }
        Ok(builds)
    }

    /// The platforms that a build is not here for.
    fn lacks(&self, archives: &[Arrival]) -> BTreeSet<&str> {
        let here: BTreeSet<&str> = archives.iter().map(|archive| archive.subdir.as_str()).collect();
        if here.contains(NOARCH) {
            return BTreeSet::new();
        }
        self.distribution.platforms.iter().map(String::as_str).filter(|one| !here.contains(one)).collect()
    }

    fn package_file(&self, archive: &Arrival) -> PackageFile {
        PackageFile {
            subdir: archive.subdir.clone(),
            file_name: archive.file_name.clone(),
            sha256: archive.sha256.clone(),
            size: archive.size,
            path: kept_path(&self.services.artifacts, &archive.sha256),
        }
    }
}

fn file_of(archive: &Arrival) -> String {
    format!("{}/{}", archive.subdir, archive.file_name)
}
