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
use crate::decide::recheck::version_to_test;
use crate::domain::{Build, RecheckCase, RecheckMode, Solved};
use crate::ecosystem::conda::channel::ChannelIndex;
use crate::ecosystem::conda::package_tests::PackageTests;
use crate::ecosystem::conda::solution::Solution;
use crate::ecosystem::conda::solve::{SolveError, SolveTask, solve};
use crate::ecosystem::conda::spec::{Spec, exact_spec};
use crate::jobs::conda_channels::{Channels, SOLVE};

/// Everything that a pass decides from, beside the tests in the store.
pub(super) struct Seen {
    /// The metapackage, as the first of the platforms has it.
    pub metapackage: Build,
    /// The metapackage and its members on all platforms, each file once.
    pub builds: Vec<Build>,
    /// The platforms on which the metapackage could not be solved for as a whole, and why.
    pub not_whole: BTreeMap<String, SolveError>,
    /// Every member on every platform in every mode.
    pub cases: Vec<SeenCase>,
}

/// A case with its environment.
pub(super) struct SeenCase {
    pub case: RecheckCase,
    /// The exact files, where there is an environment.
    pub solution: Option<Solution>,
    pub solved: Solved,
    pub tests: Known,
}

/// The tests of a member, or why they are not known. That is nobody's fault, and keeps nobody else from
/// being tested.
pub(super) type Known = Result<Arc<PackageTests>, String>;

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
        let spec = Spec::lenient(&self.distribution.metapackage).map_err(anyhow::Error::from)?;
        let platforms = self.distribution.platforms.iter();
        let newest: BTreeMap<&str, Option<Build>> =
            platforms.map(|platform| (platform.as_str(), own.newest(&spec, platform))).collect();
        let seen = newest.iter().map(|(platform, build)| (*platform, build.as_ref())).collect();
        if let Err(why) = version_to_test(&seen) {
            let name = &self.distribution.metapackage;
            return Ok(Err(format!("{} has no {name} to be tested: {why}", self.settings.from)));
        }
        let mut apart = Vec::new();
        for (platform, metapackage) in
            newest.into_iter().filter_map(|(platform, build)| Some((platform, build?)))
        {
            let members = match self.members(channels, platform, &metapackage)? {
                Ok(members) => members,
                Err(reason) => return Ok(Err(reason)),
            };
            apart.push(OnPlatform { platform: platform.to_owned(), metapackage, members });
        }
        let tests = self.tests(&apart).await?;
        let cases = self.solve_all(channels, &apart, &tests).await?;
        let not_whole = not_whole(channels, &apart).await?;
        let mut builds: Vec<Build> =
            apart.iter().flat_map(|one| one.members.iter().chain([&one.metapackage])).cloned().collect();
        builds.sort();
        builds.dedup();
        let first = apart.into_iter().next().context("a distribution has at least one platform")?;
        Ok(Ok(Seen { metapackage: first.metapackage, builds, not_whole, cases }))
    }

    /// The exact members of the metapackage on a platform, as files of its own channel; or why it is not the
    /// one to be tested.
    fn members(
        &self,
        channels: &Channels,
        platform: &str,
        metapackage: &Build,
    ) -> Result<Result<Vec<Build>, String>, RunError> {
        let holding = channels.holding(metapackage, platform, &self.distribution);
        let holding = holding.map_err(|error| error.on(metapackage, platform))?;
        if holding.missing.is_empty() {
            return Ok(Ok(holding.members));
        }
        // Somebody added a member to the distribution: the next metapackage will hold it.
        let told: Vec<String> = holding.missing.iter().map(ToString::to_string).collect();
        Ok(Err(format!("{metapackage} waits for the next one: {}", told.join("; "))))
    }

    /// The tests of each member, by the SHA-256 of its file.
    async fn tests(&self, apart: &[OnPlatform]) -> Result<BTreeMap<String, Known>, RunError> {
        let mut found = BTreeMap::new();
        for member in apart.iter().flat_map(|one| &one.members) {
            if !found.contains_key(&member.sha256) {
                found.insert(member.sha256.clone(), self.tests_of(member).await?);
            }
        }
        Ok(found)
    }

    /// The tests of one build, as its archive has them.
    pub(super) async fn tests_of(&self, member: &Build) -> Result<Known, RunError> {
        let archive = self.archive(member)?;
        let tests = PackageTests::of_archive(&archive).await.map(Arc::new);
        Ok(tests.map_err(|error| {
            tracing::warn!(%member, "its tests are not known: {error}");
            error.to_string()
        }))
    }

    /// Where the file of a member lies.
    pub(super) fn archive(&self, member: &Build) -> Result<PathBuf, RunError> {
        Ok(self.folder(&self.settings.from)?.join(&member.subdir).join(&member.file_name))
    }

    async fn solve_all(
        &self,
        channels: &Channels,
        apart: &[OnPlatform],
        tests: &BTreeMap<String, Known>,
    ) -> Result<Vec<SeenCase>, RunError> {
        let mut wanted = Vec::new();
        for one in apart {
            for member in &one.members {
                for mode in &self.settings.modes {
                    let tests = tests[&member.sha256].clone();
                    let question = Question {
                        case: RecheckCase {
                            member: member.clone(),
                            platform: one.platform.clone(),
                            mode: *mode,
                        },
                        specs: specs(member, tests.as_deref().unwrap_or(&PackageTests::default())),
                        constraints: constraints(channels, one, *mode),
                        tests,
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

/// Asks for the whole metapackage on each platform. Its members are tested one by one, and so could all be well
/// where two of them exclude each other: what nobody can install must not pass.
async fn not_whole(
    channels: &Channels,
    apart: &[OnPlatform],
) -> Result<BTreeMap<String, SolveError>, RunError> {
    let mut found = BTreeMap::new();
    for one in apart {
        let (indexes, platform) = (Arc::clone(&channels.indexes), one.platform.clone());
        let whole = exact_spec(&one.metapackage);
        let ask = move || {
            let task = SolveTask { timeout: SOLVE, ..SolveTask::new(&indexes, &platform).wanting([whole]) };
            solve(&task).err()
        };
        let why = tokio::task::spawn_blocking(ask).await.map_err(anyhow::Error::from)?;
        found.extend(why.map(|why| (one.platform.clone(), why)));
    }
    Ok(found)
}

/// A case that is to be solved.
struct Question {
    case: RecheckCase,
    specs: Vec<String>,
    constraints: Vec<String>,
    tests: Known,
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
        SeenCase { case: self.case, solution, solved, tests: self.tests }
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
