//! Publishes a metapackage and its members to the channel for what has passed, in one step for all
//! platforms. What that channel holds already stays.

use std::collections::BTreeMap;

use anyhow::Context as _;

use super::Recheck;
use super::observe::Seen;
use crate::daemon::{RunContext, RunError};
use crate::domain::Build;
use crate::jobs::conda_channels;
use crate::publish::channel::PackageFile;
use crate::store::NewEvent;

impl Recheck {
    /// The files that would pass but were withdrawn from the channel for what has passed, and why.
    pub(super) async fn withdrawn(&self, seen: &Seen) -> anyhow::Result<BTreeMap<String, String>> {
        let withdrawn =
            conda_channels::withdrawn(&self.services, &self.distribution, &self.settings.to).await?;
        let why = |build: &Build| {
            let why = withdrawn.why(&build.subdir, &build.file_name)?;
            Some((format!("{}/{}", build.subdir, build.file_name), why.to_owned()))
        };
        Ok(seen.builds.iter().filter_map(why).collect())
    }

    /// Publishes, and tells of it once.
    pub(super) async fn publish(&self, seen: &Seen, context: &RunContext) -> Result<(), RunError> {
        let from = self.folder(&self.settings.from)?;
        let mut files = Vec::with_capacity(seen.builds.len());
        for build in &seen.builds {
            let path = from.join(&build.subdir).join(&build.file_name);
            let size = path.metadata().with_context(|| format!("cannot find {}", path.display()))?.len();
            files.push(PackageFile {
                subdir: build.subdir.clone(),
                file_name: build.file_name.clone(),
                sha256: build.sha256.clone(),
                size,
                path,
            });
        }
        conda_channels::add(&self.services, &self.distribution, &self.settings.to, files).await?;
        // Also where the channel held it already: the power may have failed before it was told. An event with
        // the same key is told once.
        self.announce(seen, context).await?;
        Ok(())
    }

    async fn announce(&self, seen: &Seen, context: &RunContext) -> anyhow::Result<()> {
        let metapackage = &seen.metapackage;
        let event = NewEvent {
            at: self.services.clock.now(),
            kind: "passed".to_owned(),
            job: context.job.clone(),
            package: Some(metapackage.name.clone()),
            body: serde_json::json!({
                "distribution": self.distribution.name, "channel": self.settings.to,
                "version": metapackage.version, "build": metapackage.build, "files": seen.builds.len(),
            }),
            dedup_key: format!(
                "passed/{}/{}/{}/{}",
                self.distribution.name, self.settings.to, metapackage.name, metapackage.sha256
            ),
        };
        self.services.store.add_event(&event).await.map(drop)
    }
}
