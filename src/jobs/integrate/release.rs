//! From a candidate to a published metapackage: the joint solve, the archives, the channel.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use serde_json::json;

use super::observe::Held;
use super::{Integrate, bytes};
use crate::daemon::{RunContext, RunError};
use crate::decide::conda_words::{self, Against, Joint};
use crate::decide::integrate::{ByPlatform, Candidate, KeptSolution, version_of};
use crate::domain::Build;
use crate::ecosystem::conda::integrate::{Conflict, Integration, IntegrationTask, integrate};
use crate::ecosystem::conda::layout::{ArchiveFormat, NOARCH};
use crate::ecosystem::conda::metapackage::{Metapackage, WrittenMetapackage};
use crate::ecosystem::conda::solution::Solution;
use crate::ecosystem::conda::solve::SolveError;
use crate::ecosystem::conda::spec::exact_spec;
use crate::failure::Failure;
use crate::jobs::conda_channels::{self, Channels};
use crate::publish::channel::PackageFile;

/// The longest time for one platform.
const SOLVE: Duration = Duration::from_secs(300);
/// The most questions to the solver for one platform, where members do not integrate.
const QUESTIONS: usize = 400;

/// What the solver says of a candidate.
pub(super) enum Answer {
    /// It can be installed on every platform: the exact solutions.
    Integrates(BTreeMap<String, Solution>),
    /// It cannot on these.
    Conflicts(BTreeMap<String, Conflict>),
}

impl Integrate {
    /// Asks on every platform whether the candidate can be installed as a whole.
    pub(super) async fn solve(&self, channels: &Channels, candidate: &Candidate) -> Result<Answer, RunError> {
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
            let unanswered = |error: SolveError| -> RunError {
                let what = format!("nobody can tell whether the members integrate on {platform}: {error}");
                match error {
                    SolveError::TimedOut { .. } => Failure::transient(what).into(),
                    SolveError::Malformed { .. } | SolveError::Impossible { .. } => {
                        Failure::permanent(what).into()
                    }
                }
            };
            let mut answer = answer.await.map_err(anyhow::Error::from)?.map_err(unanswered)?;
            match answer.remove(platform) {
                Some(Integration::Integrates(solution)) => drop(solutions.insert(platform.clone(), solution)),
                Some(Integration::Conflicts(conflict)) => drop(conflicts.insert(platform.clone(), *conflict)),
                None => return Err(RunError::Permanent(anyhow!("the solver did not answer for {platform}"))),
            }
        }
        Ok(if conflicts.is_empty() { Answer::Integrates(solutions) } else { Answer::Conflicts(conflicts) })
    }

    /// Tells once, and in the verdicts of the members at fault, why a candidate does not integrate.
    pub(super) async fn tell_of_conflicts(
        &self,
        candidate: &Candidate,
        conflicts: &BTreeMap<String, Conflict>,
        digest: &str,
        context: &RunContext,
    ) -> Result<String, RunError> {
        let mut against: BTreeMap<String, Against> = BTreeMap::new();
        let mut told = Vec::new();
        let mut body = serde_json::Map::new();
        for (platform, conflict) in conflicts {
            let names = |specs: &[String]| -> BTreeSet<&str> {
                builds_for(candidate, platform)
                    .filter(|build| specs.contains(&exact_spec(build)))
                    .map(|build| build.name.as_str())
                    .collect()
            };
            let at_fault = Vec::from_iter(names(conflict.at_fault.as_deref().unwrap_or_default()));
            let largest = conflict.largest.as_ref().and_then(|largest| {
                let left_out = Vec::from_iter(names(&largest.left_out));
                conda_words::largest(largest.integrates.len(), &left_out)
            });
            for name in &at_fault {
                let known = Against {
                    why: format!("on {platform}: {}", conflict.explanation),
                    largest: largest.as_ref().map(|largest| format!("on {platform}, {largest}")),
                };
                against.insert((*name).to_owned(), known);
            }
            told.push(Joint { platform, at_fault: &at_fault }.to_string());
            told.extend(largest);
            body.insert(
                platform.clone(),
                json!({
                    "at_fault": conflict.at_fault, "explanation": conflict.explanation,
                    "integrates": conflict.largest.as_ref().map(|largest| &largest.integrates),
                    "left_out": conflict.largest.as_ref().map(|largest| &largest.left_out),
                }),
            );
        }
        self.store_verdicts(candidate, &against, context).await?;
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
        // Until the rows of the metapackage are written, nothing may be collected.
        let _keeping = self.services.keeping().await?;
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
        self.keep_solutions(&version_of(context.nominal), solutions).await?;
        let files = files.into_values().collect();
        conda_channels::add(&self.services, &self.distribution, &self.settings.to, files).await?;
        let members = candidate.members.iter().map(|(name, choice)| (name.clone(), choice.builds.clone()));
        self.record(&Held { metapackages, members: members.collect() }, context).await
    }

    /// Keeps the exact solutions before the switch: whoever finds the metapackage can see what it was solved to.
    async fn keep_solutions(
        &self,
        version: &str,
        solutions: &BTreeMap<String, Solution>,
    ) -> anyhow::Result<()> {
        let (store, now) = (&self.services.store, self.services.clock.now());
        let mut kept = BTreeMap::new();
        for (platform, solution) in solutions {
            let digest = store.put_blob_for_good(&bytes(solution)?, now).await?;
            let fingerprint = solution.environment().fingerprint();
            kept.insert(platform, KeptSolution { digest, fingerprint });
        }
        store.record_seen(&self.solution_source(version), &bytes(&kept)?, now).await.map(drop)
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
        let content = self.services.content();
        let mut file = content.temporary().map_err(Failure::from)?;
        file.write_all(&written.bytes).map_err(|error| Failure::disk("write", file.path(), &error))?;
        Ok(content.keep(file.path(), &written.build.sha256).map_err(Failure::from)?)
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
