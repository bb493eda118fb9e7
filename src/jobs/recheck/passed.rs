//! Publishes a metapackage and its members to the channel for what has passed, in one step for all
//! platforms. What that channel holds already stays.

use std::collections::BTreeMap;

use anyhow::Context as _;

use super::Recheck;
use super::observe::Seen;
use crate::daemon::{RunContext, RunError};
use crate::publish::channel::{ChannelFolder, Outcome, PackageFile};
use crate::store::NewEvent;

impl Recheck {
    /// Publishes. When the power fails before the switch, readers see the old channel, and the next pass
    /// publishes anew; after it, the next pass finds that nothing is to be done.
    pub(super) async fn publish(&self, seen: &Seen, context: &RunContext) -> Result<(), RunError> {
        let from = self.folder(&self.settings.from)?;
        let to = self.folder(&self.settings.to)?;
        let builds = seen.builds.clone();
        let published = tokio::task::spawn_blocking(move || -> anyhow::Result<_> {
            let channel = ChannelFolder::new(&to)?;
            let mut files = BTreeMap::new();
            let mut patches = BTreeMap::new();
            if let Some(generation) = channel.current()? {
                let contents = channel.contents(generation)?;
                for (subdir, file_name, record) in contents.iter() {
                    let file = PackageFile {
                        subdir: subdir.to_owned(),
                        file_name: file_name.to_owned(),
                        sha256: record.sha256().to_owned(),
                        size: record.size(),
                        path: to.join(subdir).join(file_name),
                    };
                    files.insert((file.subdir.clone(), file.file_name.clone()), file);
                }
                patches = contents.patches;
            }
            for build in builds {
                let path = from.join(&build.subdir).join(&build.file_name);
                let size = path.metadata().with_context(|| format!("cannot find {}", path.display()))?.len();
                let (subdir, file_name) = (build.subdir, build.file_name);
                let key = (subdir.clone(), file_name.clone());
                files.insert(key, PackageFile { subdir, file_name, sha256: build.sha256, size, path });
            }
            let files: Vec<PackageFile> = files.into_values().collect();
            Ok(channel.publish(&files, &patches)?)
        });
        let published = published.await.map_err(anyhow::Error::from)??;
        if published.outcome == Outcome::New {
            self.announce(seen, context).await?;
        }
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
