//! What a recheck sees: the newest metapackage with its exact members, and for every member the
//! environment of today.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use anyhow::Context as _;
use futures_util::{StreamExt as _, stream};

use super::Recheck;
use crate::daemon::RunError;
use crate::domain::{Build, Destructured, RecheckCase, RecheckMode, Solved};
use crate::ecosystem::conda::channel::ChannelIndex;
use crate::ecosystem::conda::destructure::{
    Declared, DestructureError, DestructureTask, MemberProblem, destructure,
};
use crate::ecosystem::conda::package_tests::PackageTests;
use crate::ecosystem::conda::solution::Solution;
use crate::ecosystem::conda::solve::{SolveError, SolveTask, solve};
use crate::ecosystem::conda::spec::{Spec, exact_spec};
use crate::jobs::conda_channels::Channels;

/// The longest time for one solve.
pub(super) const SOLVE: std::time::Duration = std::time::Duration::from_secs(120);

/// Everything that a pass decides from, beside the tests in the store.
pub(super) struct Seen {
    /// The metapackage, as the first of the platforms has it.
    pub metapackage: Build,
    /// The metapackage and its members on all platforms, each file once.
    pub builds: Vec<Build>,
    /// Every member on every platform in every mode.
    pub cases: Vec<SeenCase>,
}

/// A case with its environment.
pub(super) struct SeenCase {
    pub case: RecheckCase,
    /// The exact files, where there is an environment.
    pub solution: Option<Solution>,
    pub solved: Solved,
    pub carries_tests: bool,
}

/// A metapackage on one platform.
struct OnPlatform {
    platform: String,
    metapackage: Build,
    members: Vec<Build>,
}

impl Recheck {
    /// Takes the newest metapackage apart and solves for every member. Nothing where there is no
    /// metapackage that all platforms have; then the reason.
    pub(super) async fn observe(&self, channels: &Channels) -> Result<Result<Seen, String>, RunError> {
        let own = channels.own();
        let mut newest = BTreeMap::new();
        for platform in &self.distribution.platforms {
            let spec = Spec::lenient(&self.distribution.metapackage).map_err(anyhow::Error::from)?;
            match own.newest(&spec, platform) {
                Some(build) => newest.insert(platform.clone(), build),
                None => {
                    let name = &self.distribution.metapackage;
                    return Ok(Err(format!("{} has no {name} for {platform}", self.settings.from)));
                }
            };
        }
        let versions: BTreeMap<&str, &str> =
            newest.iter().map(|(platform, build)| (build.version.as_str(), platform.as_str())).collect();
        if versions.len() > 1 {
            let told: Vec<String> =
                versions.iter().map(|(version, platform)| format!("{version} for {platform}")).collect();
            return Ok(Err(format!("the newest metapackage differs by platform: {}", told.join(", "))));
        }
        let mut apart = Vec::new();
        for (platform, metapackage) in newest {
            let members = match self.members(channels, &platform, &metapackage)? {
                Ok(members) => members,
                Err(reason) => return Ok(Err(reason)),
            };
            apart.push(OnPlatform { platform, metapackage, members });
        }
        let requires = self.requirements(&apart).await?;
        let cases = self.solve_all(channels, &apart, &requires).await?;
        let mut builds: Vec<Build> =
            apart.iter().flat_map(|one| one.members.iter().chain([&one.metapackage])).cloned().collect();
        builds.sort();
        builds.dedup();
        let first = apart.into_iter().next().context("a distribution has at least one platform")?;
        Ok(Ok(Seen { metapackage: first.metapackage, builds, cases }))
    }

    /// The exact members of the metapackage on a platform, as files of its own channel; or why it is not the
    /// one to be tested.
    fn members(
        &self,
        channels: &Channels,
        platform: &str,
        metapackage: &Build,
    ) -> Result<Result<Vec<Build>, String>, RunError> {
        let own = channels.own();
        let declared = Declared {
            members: Some(self.distribution.required_members().map(str::to_owned).collect()),
            ignore: self.distribution.ignore.clone(),
            ..Declared::default()
        };
        let spec = exact_spec(metapackage);
        let task = DestructureTask {
            channel: own,
            externals: channels.external(),
            platform,
            spec: &spec,
            declared,
            virtual_packages: None,
            timeout: SOLVE,
        };
        match destructure(&task) {
            Ok(apart) => files_of(&apart, own, platform).map(Ok).map_err(RunError::Permanent),
            // Somebody added a member to the distribution: the next metapackage will hold it.
            Err(DestructureError::Members { problems, .. }) if problems.iter().all(is_missing) => {
                let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
                Ok(Err(format!("{metapackage} waits for the next one: {}", told.join("; "))))
            }
            Err(error) => {
                let error = anyhow::Error::from(error).context(format!("{metapackage} on {platform}"));
                Err(RunError::Permanent(error))
            }
        }
    }

    /// What each member's tests need, and whether it has any, by the SHA-256 of its file.
    async fn requirements(&self, apart: &[OnPlatform]) -> Result<BTreeMap<String, PackageTests>, RunError> {
        let mut found = BTreeMap::new();
        for member in apart.iter().flat_map(|one| &one.members) {
            if found.contains_key(&member.sha256) {
                continue;
            }
            let archive = self.archive(member)?;
            let tests = PackageTests::of_archive(&archive)
                .await
                .with_context(|| format!("cannot read the tests of {}", archive.display()))?;
            found.insert(member.sha256.clone(), tests);
        }
        Ok(found)
    }

    /// Where the file of a member lies.
    pub(super) fn archive(&self, member: &Build) -> Result<PathBuf, RunError> {
        Ok(self.folder(&self.settings.from)?.join(&member.subdir).join(&member.file_name))
    }

    async fn solve_all(
        &self,
        channels: &Channels,
        apart: &[OnPlatform],
        tests: &BTreeMap<String, PackageTests>,
    ) -> Result<Vec<SeenCase>, RunError> {
        let mut wanted = Vec::new();
        for one in apart {
            for member in &one.members {
                for mode in &self.settings.modes {
                    let tests = &tests[&member.sha256];
                    let question = Question {
                        case: RecheckCase {
                            member: member.clone(),
                            platform: one.platform.clone(),
                            mode: *mode,
                        },
                        specs: specs(member, tests),
                        constraints: constraints(channels, one, *mode),
                        carries_tests: !tests.is_empty(),
                    };
                    wanted.push((question, Arc::clone(&channels.indexes)));
                }
            }
        }
        let together = thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        let solved = stream::iter(wanted)
            .map(|(question, channels)| tokio::task::spawn_blocking(move || question.answer(&channels)))
            .buffered(together);
        let solved: Vec<_> = solved.collect().await;
        solved.into_iter().map(|case| case.map_err(|error| RunError::Permanent(error.into()))).collect()
    }
}

fn is_missing(problem: &MemberProblem) -> bool {
    matches!(problem, MemberProblem::Missing { .. })
}

/// A case that is to be solved.
struct Question {
    case: RecheckCase,
    specs: Vec<String>,
    constraints: Vec<String>,
    carries_tests: bool,
}

impl Question {
    fn answer(self, channels: &[ChannelIndex]) -> SeenCase {
        let task = SolveTask {
            constraints: self.constraints,
            timeout: SOLVE,
            ..SolveTask::new(channels, &self.case.platform).wanting(self.specs)
        };
        let (solved, solution) = match solve(&task) {
            Ok(solution) => (Solved::Environment(solution.environment()), Some(solution)),
            Err(SolveError::Impossible { explanation, .. }) => (Solved::Impossible(explanation), None),
            Err(error @ (SolveError::Malformed { .. } | SolveError::TimedOut { .. })) => {
                (Solved::Unknown(error.to_string()), None)
            }
        };
        SeenCase { case: self.case, solution, solved, carries_tests: self.carries_tests }
    }
}

/// What a member is tested with: itself, and what its tests need.
pub(super) fn specs(member: &Build, tests: &PackageTests) -> Vec<String> {
    let needed = tests.requires.iter().cloned();
    [exact_spec(member)].into_iter().chain(needed).collect()
}

/// What holds for whatever comes in beside a member: the other members are those of the metapackage; in
/// mode `pinned` its own lines hold as well, without anything coming in for their sake.
fn constraints(channels: &Channels, one: &OnPlatform, mode: RecheckMode) -> Vec<String> {
    let mut constraints: Vec<String> = one.members.iter().map(exact_spec).collect();
    if mode == RecheckMode::Pinned {
        constraints.extend(channels.own().depends(&one.metapackage));
    }
    constraints
}

/// The files of the members in their channel.
fn files_of(apart: &Destructured, own: &ChannelIndex, platform: &str) -> anyhow::Result<Vec<Build>> {
    let builds = own.builds();
    let file = |member: &crate::domain::DestructuredPackage| {
        let fits = |build: &&Build| {
            Some(&build.sha256) == member.sha256.as_ref()
                && build.name == member.name
                && [platform, "noarch"].contains(&build.subdir.as_str())
        };
        let found = builds.iter().find(fits).cloned();
        let version = member.version.as_deref().unwrap_or_default();
        found.with_context(|| format!("{} {version} is not a file of its channel", member.name))
    };
    apart.members.iter().map(|member| file(&member.package)).collect()
}
