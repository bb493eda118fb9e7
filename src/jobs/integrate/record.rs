//! Writes a published metapackage down: packages, revisions, files, the suite, and the event.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use serde_json::json;

use super::Integrate;
use super::observe::Held;
use crate::daemon::{RunContext, RunError};
use crate::decide::integrate::KeptSolution;
use crate::domain::Build;
use crate::store::{Artifact, Ecosystem, PackageKind, RevisionId, SuiteMember};

impl Integrate {
    /// Writes down what the channel holds. What is written down already changes nothing.
    pub(super) async fn record(&self, held: &Held, context: &RunContext) -> Result<(), RunError> {
        let builds: BTreeSet<&Build> = held.members.values().flat_map(|builds| builds.values()).collect();
        let mut revisions = BTreeSet::new();
        for build in builds {
            revisions.insert(self.revision_of(build, PackageKind::Package).await?);
        }
        let members: Vec<SuiteMember> = revisions
            .into_iter()
            .map(|revision| SuiteMember { revision, constraint: String::new() })
            .collect();
        let metapackages: BTreeSet<&Build> = held.metapackages.values().collect();
        let mut suite = None;
        for metapackage in &metapackages {
            suite = Some(self.revision_of(metapackage, PackageKind::Suite).await?);
        }
        let suite = suite.context("a metapackage is a file of at least one platform")?;
        let now = self.services.clock.now();
        self.services.store.publish_suite(suite, &members, now).await?;
        let version = metapackages.first().map(|build| build.version.as_str()).unwrap_or_default();
        let mut body = json!({
            "distribution": self.distribution.name, "channel": self.settings.to, "version": version,
            "members": held.members.len(), "platforms": self.distribution.platforms,
        });
        // Not known of a metapackage that another state made.
        if let Some(kept) = self.services.store.latest_seen(&self.solution_source(version)).await? {
            let kept: BTreeMap<String, KeptSolution> =
                serde_json::from_slice(&kept.bytes).map_err(anyhow::Error::from)?;
            let fingerprints = kept.iter().map(|(platform, solution)| (platform, &solution.fingerprint));
            body["environments"] = json!(fingerprints.collect::<BTreeMap<_, _>>());
        }
        self.add_event("metapackage", version, body, context).await?;
        Ok(())
    }

    async fn revision_of(&self, build: &Build, kind: PackageKind) -> Result<RevisionId, RunError> {
        let (store, now) = (&self.services.store, self.services.clock.now());
        let namespace = &self.distribution.name;
        let package = store.ensure_package(Ecosystem::Conda, namespace, &build.name, kind, None).await?;
        let revision = store.ensure_revision(package, &build.version, &build.build, None, now).await?;
        let path = self.folder(&self.settings.to)?.join(&build.subdir).join(&build.file_name);
        let size = path.metadata().with_context(|| format!("cannot find {}", path.display()))?.len();
        let artifact = Artifact {
            platform: build.subdir.clone(),
            path: format!("{}/{}", build.subdir, build.file_name),
            size: i64::try_from(size).map_err(anyhow::Error::from)?,
            sha256: build.sha256.clone(),
        };
        store.add_artifact(revision, &artifact, now).await?;
        Ok(revision)
    }
}
