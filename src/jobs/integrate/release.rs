//! From a candidate to a published metapackage: the joint solve, the archives, the channel.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use jiff::Timestamp;
use serde_json::json;

use super::observe::Held;
use super::{Integrate, bytes};
use crate::daemon::{RunContext, RunError};
use crate::decide::integrate::{ByPlatform, Candidate};
use crate::domain::Build;
use crate::ecosystem::conda::integrate::{Conflict, Integration, IntegrationTask, integrate};
use crate::ecosystem::conda::layout::{ArchiveFormat, NOARCH};
use crate::ecosystem::conda::metapackage::{Metapackage, WrittenMetapackage};
use crate::ecosystem::conda::solution::Solution;
use crate::ecosystem::conda::spec::exact_spec;
use crate::jobs::artifacts::kept_path;
use crate::jobs::conda_channels::{self, Channels};
use crate::publish::channel::PackageFile;

/// The longest time for one platform.
const SOLVE: Duration = Duration::from_secs(300);
/// The most questions to the solver for one platform, where members do not integrate.
const QUESTIONS: usize = 400;

/// What the solver says of a candidate.
pub(super) enum Joint {
    /// It can be installed on every platform: the exact solutions.
    Integrates(BTreeMap<String, Solution>),
    /// It cannot on these.
    Conflicts(BTreeMap<String, Conflict>),
}

/// The version of a metapackage: the UTC time that it is made for, as QIIME 2 has it.
pub(super) fn version_of(nominal: Timestamp) -> String {
    nominal.strftime("%Y.%m.%d.%H.%M.%S").to_string()
}

impl Integrate {
    /// Asks on every platform whether the candidate can be installed as a whole.
    pub(super) async fn solve(&self, channels: &Channels, candidate: &Candidate) -> Result<Joint, RunError> {
        let mut solutions = BTreeMap::new();
        let mut conflicts = BTreeMap::new();
        for platform in &self.distribution.platforms {
            let wanted: Vec<String> = builds_for(candidate, platform).map(exact_spec).collect();
            let (indexes, name) = (Arc::clone(&channels.indexes), platform.clone());
            let answer = tokio::task::spawn_blocking(move || {
                let task = IntegrationTask {
                    channels: &indexes,
                    platforms: &[&name],
                    wanted: &wanted,
                    constraints: &[],
                    virtual_packages: BTreeMap::new(),
                    timeout: SOLVE,
                    questions: QUESTIONS,
                };
                integrate(&task)
            });
            let mut answer = answer
                .await
                .map_err(anyhow::Error::from)?
                .with_context(|| format!("nobody can tell whether the members integrate on {platform}"))?;
            match answer.remove(platform) {
                Some(Integration::Integrates(solution)) => drop(solutions.insert(platform.clone(), solution)),
                Some(Integration::Conflicts(conflict)) => drop(conflicts.insert(platform.clone(), *conflict)),
                None => return Err(RunError::Permanent(anyhow!("the solver did not answer for {platform}"))),
            }
        }
        Ok(if conflicts.is_empty() { Joint::Integrates(solutions) } else { Joint::Conflicts(conflicts) })
    }

    /// Tells once, and in the verdicts of the members at fault, why a candidate does not integrate.
    pub(super) async fn tell_of_conflicts(
        &self,
        candidate: &Candidate,
        conflicts: &BTreeMap<String, Conflict>,
        digest: &str,
        context: &RunContext,
    ) -> Result<String, RunError> {
        let mut why = BTreeMap::new();
        let mut told = Vec::new();
        let mut body = serde_json::Map::new();
        for (platform, conflict) in conflicts {
            let at_fault: BTreeSet<&str> = builds_for(candidate, platform)
                .filter(|build| conflict.at_fault.iter().flatten().any(|spec| *spec == exact_spec(build)))
                .map(|build| build.name.as_str())
                .collect();
            for name in &at_fault {
                why.insert((*name).to_owned(), format!("on {platform}: {}", conflict.explanation));
            }
            let names = at_fault.iter().copied().collect::<Vec<_>>().join(" and ");
            let names = if names.is_empty() { "the members".to_owned() } else { names };
            told.push(format!("{names} cannot be installed together on {platform}"));
            body.insert(
                platform.clone(),
                json!({
                    "at_fault": conflict.at_fault, "explanation": conflict.explanation,
                    "integrates": conflict.largest.as_ref().map(|largest| &largest.integrates),
                    "left_out": conflict.largest.as_ref().map(|largest| &largest.left_out),
                }),
            );
        }
        self.store_verdicts(candidate, &why, context).await?;
        self.add_event("conflict", digest, body.into(), context).await?;
        Ok(told.join("; "))
    }

    /// Writes the metapackage and publishes it with its members.
    pub(super) async fn publish(
        &self,
        candidate: &Candidate,
        solutions: &BTreeMap<String, Solution>,
        context: &RunContext,
    ) -> Result<(), RunError> {
        let from = self.folder(&self.settings.from)?;
        let mut files = BTreeMap::new();
        let mut metapackages = ByPlatform::new();
        for platform in &self.distribution.platforms {
            let written = self.archive(candidate, platform, context)?;
            let path = self.keep(&written)?;
            let size = written.bytes.len() as u64;
            metapackages.insert(platform.clone(), written.build.clone());
            add_file(&mut files, &written.build, size, path);
            for build in builds_for(candidate, platform) {
                let path = from.join(&build.subdir).join(&build.file_name);
                let size = path.metadata().with_context(|| format!("cannot find {}", path.display()))?.len();
                add_file(&mut files, build, size, path);
            }
        }
        // Kept before the switch: whoever finds the metapackage can see what it was solved to.
        let now = self.services.clock.now();
        for solution in solutions.values() {
            self.services.store.put_blob(&bytes(solution)?, now).await?;
        }
        let files = files.into_values().collect();
        conda_channels::add(&self.services, &self.distribution, &self.settings.to, files).await?;
        let members = candidate.members.iter().map(|(name, choice)| (name.clone(), choice.builds.clone()));
        self.record(&Held { metapackages, members: members.collect() }, context).await
    }

    /// The metapackage's archive for a platform; one for all of them where every member is `noarch`.
    fn archive(
        &self,
        candidate: &Candidate,
        platform: &str,
        context: &RunContext,
    ) -> Result<WrittenMetapackage, RunError> {
        let everywhere = candidate.members.values().flat_map(|choice| choice.builds.values());
        let noarch = everywhere.into_iter().all(|build| build.subdir == NOARCH);
        let metapackage = Metapackage {
            name: self.distribution.metapackage.clone(),
            version: version_of(context.nominal),
            subdir: if noarch { NOARCH.to_owned() } else { platform.to_owned() },
            summary: format!("Exactly the members of {}", self.distribution.title),
            timestamp: context.nominal,
            members: builds_for(candidate, platform).cloned().collect(),
        };
        Ok(metapackage.archive(ArchiveFormat::Conda)?)
    }

    /// Keeps an archive by its digest, and says where.
    fn keep(&self, written: &WrittenMetapackage) -> Result<PathBuf, RunError> {
        let path = kept_path(&self.services.artifacts, &written.build.sha256);
        let folder = path.parent().context("a kept file lies in a folder")?;
        let keep = || -> anyhow::Result<()> {
            fs::create_dir_all(folder)?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(&written.bytes)?;
            // A temporary file is for its owner only; what is published is for everybody to read.
            file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            Ok(())
        };
        keep().with_context(|| format!("cannot keep {}", path.display()))?;
        Ok(path)
    }
}

/// The chosen builds for a platform, in the order of their names.
fn builds_for<'c>(candidate: &'c Candidate, platform: &'c str) -> impl Iterator<Item = &'c Build> {
    candidate.members.values().filter_map(move |choice| choice.builds.get(platform))
}

fn add_file(files: &mut BTreeMap<(String, String), PackageFile>, build: &Build, size: u64, path: PathBuf) {
    let file = PackageFile {
        subdir: build.subdir.clone(),
        file_name: build.file_name.clone(),
        sha256: build.sha256.clone(),
        size,
        path,
    };
    files.insert((file.subdir.clone(), file.file_name.clone()), file);
}
