//! What becomes of the builds that came in: those that are whole are published together, in one step; those
//! that wait too long expire.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use serde_json::json;

use super::{Intake, Tally, WAITING};
use crate::daemon::{RunContext, RunError};
use crate::decide::admission::{Admission, ArchiveFacts, BuildKey, admissions};
use crate::jobs::conda_channels;
use crate::publish::channel::PackageFile;
use crate::store::Arrival;

impl Intake {
    /// Publishes what is whole, and gives up what has waited too long.
    pub(super) async fn admit(&self, context: &RunContext, tally: &mut Tally) -> Result<(), RunError> {
        let archives = self.services.store.waiting_arrivals(&self.distribution.name).await?;
        let facts: Vec<ArchiveFacts> = archives.iter().map(facts_of).collect();
        let wait = SignedDuration::try_from(self.settings.wait.get()).unwrap_or(SignedDuration::MAX);
        let now = self.services.clock.now();
        let mut by_build: BTreeMap<BuildKey, Vec<Arrival>> = BTreeMap::new();
        for (archive, facts) in archives.into_iter().zip(&facts) {
            by_build.entry(facts.build.clone()).or_default().push(archive);
        }
        let (mut whole, mut expired) = (BTreeMap::new(), Vec::new());
        for (build, admission) in admissions(&facts, &self.distribution.platforms, wait, now) {
            let Some(archives) = by_build.remove(&build) else { continue };
            match admission {
                Admission::Whole => drop(whole.insert(build, archives)),
                Admission::Expired(lacking) => expired.push((build, archives, lacking)),
                Admission::Waiting(_) => tally.add(WAITING, 1),
            }
        }
        if !whole.is_empty() {
            self.publish(&whole, context).await?;
            tally.add("admitted", whole.len());
        }
        for (build, archives, lacking) in expired {
            self.expire(&build, &archives, &lacking, context).await?;
            tally.add("expired", 1);
        }
        Ok(())
    }

    /// Publishes every build that is whole: the channel as it is, and these.
    async fn publish(
        &self,
        whole: &BTreeMap<BuildKey, Vec<Arrival>>,
        context: &RunContext,
    ) -> Result<(), RunError> {
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
                self.event(context, "admitted", Some(name), body, &key_of(archives))
            })
            .collect();
        let ids: Vec<_> = whole.values().flatten().map(|archive| archive.id).collect();
        let (store, now) = (&self.services.store, self.services.clock.now());
        store.admit_arrivals(&self.distribution.name, &ids, &events, now).await?;
        Ok(())
    }

    /// Gives up a build that some platforms never brought.
    async fn expire(
        &self,
        (name, version, number): &BuildKey,
        archives: &[Arrival],
        lacking: &BTreeSet<String>,
        context: &RunContext,
    ) -> Result<(), RunError> {
        let lacking: Vec<&str> = lacking.iter().map(String::as_str).collect();
        let why = format!("{} did not come within {}", lacking.join(", "), self.settings.wait);
        let files: Vec<String> = archives.iter().map(file_of).collect();
        let body = json!({
            "version": version, "build_number": number, "files": files, "why": why,
            "do": "build the package again for all platforms, with the same version and build number on each",
        });
        let ids: Vec<_> = archives.iter().map(|archive| archive.id).collect();
        let event = self.event(context, "expired", Some(name), body, &key_of(archives));
        Ok(self.services.store.expire_arrivals(&ids, &why, &event).await?)
    }

    fn package_file(&self, archive: &Arrival) -> PackageFile {
        PackageFile {
            subdir: archive.subdir.clone(),
            file_name: archive.file_name.clone(),
            sha256: archive.sha256.clone(),
            size: archive.size,
            path: self.services.content().path_of(&archive.sha256),
        }
    }
}

fn facts_of(archive: &Arrival) -> ArchiveFacts {
    ArchiveFacts {
        build: (archive.name.clone(), archive.version.clone(), archive.build_number),
        subdir: archive.subdir.clone(),
        arrived_at: archive.arrived_at,
    }
}

/// What an event about these archives is known by.
fn key_of(archives: &[Arrival]) -> String {
    archives.iter().map(|archive| archive.id.0.to_string()).collect::<Vec<_>>().join("+")
}

fn file_of(archive: &Arrival) -> String {
    format!("{}/{}", archive.subdir, archive.file_name)
}
