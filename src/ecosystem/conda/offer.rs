//! What the solver may choose from: the records of the channels in their order of priority, and what is
//! ruled out beforehand and why.

use std::collections::{BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rattler_conda_types::{GenericVirtualPackage, MatchSpec, NamelessMatchSpec, RepoDataRecord};
use rattler_solve::resolvo::{
    CondaDependencyProvider, NameType, RepoData, SolverMatchSpec, SolverPackageRecord, extra_version_set,
};
use rattler_solve::{ChannelPriority, SolveStrategy};
use resolvo::utils::Pool;
use resolvo::{ConditionalRequirement, Problem, UnsolvableOrCancelled, VersionSetId};
use url::Url;

use super::channel::{ChannelIndex, NOARCH};
use super::explanation::beginning_of;
use super::spec::Spec;

/// Everything that questions to the solver have in common.
pub(super) struct Offer<'a> {
    /// One for each channel and sub-directory, in order of priority.
    records: Vec<RepoData<'a>>,
    /// What may not be chosen, by its address, with the reason.
    excluded: HashMap<Url, Arc<str>>,
    platform: Vec<GenericVirtualPackage>,
    constraints: Vec<MatchSpec>,
}

/// Why the solver has no answer.
pub(super) enum NoAnswer {
    /// There is none: its explanation.
    Impossible(String),
    /// What it was given cannot be solved at all.
    Malformed(String),
    /// It was not found in time.
    TimedOut,
}

impl<'a> Offer<'a> {
    /// What the channels offer for the platform, as far as the specs could ever need it. The order of
    /// the records of an index never counts: they come by file name.
    pub(super) fn new(channels: &'a [ChannelIndex], platform: &str, specs: &[Spec]) -> Self {
        let own = (platform != NOARCH).then_some(platform);
        let subdirs: Vec<&str> = own.into_iter().chain([NOARCH]).collect();
        let needed = needed(channels, &subdirs, specs);
        let of_folder = |(channel, subdir): (&'a ChannelIndex, &str)| {
            channel.records_named(subdir, &needed).into_iter().collect()
        };
        let records = folders(channels, &subdirs).map(of_folder).collect();
        let mut excluded = HashMap::new();
        for spec in specs {
            let name = BTreeSet::from([spec.name().to_owned()]);
            let named = folders(channels, &subdirs)
                .flat_map(|(channel, subdir)| channel.records_named(subdir, &name));
            excluded.extend(not_meant(spec, named));
        }
        Self { records, excluded, platform: Vec::new(), constraints: Vec::new() }
    }

    /// The same on a platform that provides these virtual packages.
    pub(super) fn on(mut self, platform: Vec<GenericVirtualPackage>) -> Self {
        self.platform = platform;
        self
    }

    /// The same where packages that are chosen have to accept these as well.
    pub(super) fn constrained(mut self, constraints: &[Spec]) -> Self {
        self.constraints = constraints.iter().map(|spec| spec.as_match_spec().clone()).collect();
        self
    }

    /// The same without what appeared after `moment`, and without what does not say when it appeared.
    pub(super) fn until(mut self, moment: Timestamp) -> Self {
        for record in self.records.iter().flat_map(|folder| &folder.records) {
            let package = &record.package_record;
            let appeared = package.indexed_timestamp.or(package.timestamp).map(|at| at.jiff_timestamp());
            let why = match appeared {
                Some(at) if at <= moment => continue,
                Some(_) => format!("it appeared after {moment}"),
                None => "it does not say when it appeared".to_owned(),
            };
            self.excluded.insert(record.url.clone(), why.into());
        }
        self
    }

    /// An environment with all of these; where there is none, why.
    pub(super) fn solve(&self, specs: &[&Spec], timeout: Duration) -> Result<Vec<RepoDataRecord>, NoAnswer> {
        guarded(|| match self.ask(specs, timeout)? {
            Answer::Chosen(records) => Ok(records),
            Answer::Unsolvable(solver, conflict) => {
                Err(NoAnswer::Impossible(beginning_of(&conflict.display_user_friendly(&solver))))
            }
        })
    }

    /// Whether there is an environment with all of these. It costs less than an explanation why not.
    pub(super) fn possible(&self, specs: &[&Spec], timeout: Duration) -> Result<bool, NoAnswer> {
        guarded(|| Ok(matches!(self.ask(specs, timeout)?, Answer::Chosen(_))))
    }

    /// Asks resolvo with rattler's provider. rattler's own function around it explains at any length, see
    /// [`beginning_of`].
    fn ask(&self, specs: &[&Spec], timeout: Duration) -> Result<Answer<'_>, NoAnswer> {
        let wanted: Vec<MatchSpec> = specs.iter().map(|spec| spec.as_match_spec().clone()).collect();
        let provider = CondaDependencyProvider::new(
            self.records.iter().cloned(),
            &[],
            &[],
            &self.platform,
            &wanted,
            // A length of real time; the provider asks the system itself.
            Some(std::time::SystemTime::now() + timeout),
            None,
            ChannelPriority::Strict,
            None,
            SolveStrategy::Highest,
            Vec::new(),
            &self.excluded,
        );
        let provider = provider.map_err(|error| NoAnswer::Malformed(error.to_string()))?;
        let pool = &provider.pool;
        let platform = self.platform.iter().map(|package| {
            let name = pool.intern_package_name(NameType::from(&package.name));
            pool.intern_version_set(name, NamelessMatchSpec::default().into())
        });
        let requirements = platform.chain(wanted.into_iter().flat_map(|spec| version_sets(pool, spec)));
        let constraints = self.constraints.iter().cloned().flat_map(|spec| version_sets(pool, spec));
        let problem = Problem::new()
            .requirements(requirements.map(ConditionalRequirement::from).collect())
            .constraints(constraints.collect());
        let mut solver = resolvo::Solver::new(provider);
        match solver.solve(problem) {
            Ok(chosen) => {
                let pool = &solver.provider().pool;
                let record = |id| match &pool.resolve_solvable(id).record {
                    SolverPackageRecord::Record(record) => Some((*record).clone()),
                    SolverPackageRecord::VirtualPackage(_) | SolverPackageRecord::Extra { .. } => None,
                };
                Ok(Answer::Chosen(chosen.into_iter().filter_map(record).collect()))
            }
            Err(UnsolvableOrCancelled::Unsolvable(conflict)) => {
                Ok(Answer::Unsolvable(Box::new(solver), conflict))
            }
            Err(UnsolvableOrCancelled::Cancelled(_)) => Err(NoAnswer::TimedOut),
        }
    }
}

/// What the solver says.
enum Answer<'o> {
    Chosen(Vec<RepoDataRecord>),
    Unsolvable(Box<resolvo::Solver<CondaDependencyProvider<'o>>>, resolvo::conflict::Conflict),
}

/// Does work with the solver, which panics on some conditions in a record's dependencies. Those come from
/// outside, and must not take more down with them than this question.
fn guarded<T>(work: impl FnOnce() -> Result<T, NoAnswer>) -> Result<T, NoAnswer> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(NoAnswer::Malformed("a record has a dependency that the solver cannot read".to_owned()))
    })
}

/// What a spec asks for: its package, and the extras of it. A condition is not looked at: specs that
/// are asked for have none.
fn version_sets(pool: &Pool<SolverMatchSpec<'_>, NameType>, spec: MatchSpec) -> Vec<VersionSetId> {
    let (name, spec) = spec.into_nameless();
    let Some(name) = name.into_exact() else { return Vec::new() };
    let extras = spec.extras.iter().flatten();
    let mut sets: Vec<VersionSetId> =
        extras.map(|extra| extra_version_set(pool, name.clone(), extra.clone())).collect();
    let name = pool.intern_package_name(NameType::from(&name));
    sets.push(pool.intern_version_set(name, spec.into()));
    sets
}

/// The sub-directories of all channels, in order of priority.
fn folders<'a, 's>(
    channels: &'a [ChannelIndex],
    subdirs: &'s [&'s str],
) -> impl Iterator<Item = (&'a ChannelIndex, &'s str)> {
    channels.iter().flat_map(move |channel| subdirs.iter().map(move |subdir| (channel, *subdir)))
}

/// The names that an environment with these specs could hold. A channel such as conda-forge has hundred
/// times more than any one environment can reach, and every question costs time for each record.
fn needed<'a>(channels: &'a [ChannelIndex], subdirs: &[&str], specs: &[Spec]) -> BTreeSet<String> {
    let mut needed: BTreeSet<String> = specs.iter().map(|spec| spec.name().to_owned()).collect();
    let mut open: Vec<String> = needed.iter().cloned().collect();
    while let Some(name) = open.pop() {
        let has = |(channel, subdir): (&'a ChannelIndex, &str)| channel.package(subdir, &name);
        for on in folders(channels, subdirs).filter_map(has).flat_map(|package| &package.needs) {
            if !needed.contains(on) {
                needed.insert(on.clone());
                open.push(on.clone());
            }
        }
    }
    needed
}

/// What a spec rules out that the solver itself would not see: another place than it names, and the
/// other format of the exact file that it names (the solver would keep `.conda` alone).
fn not_meant<'r>(
    spec: &Spec,
    named: impl Iterator<Item = &'r RepoDataRecord>,
) -> impl Iterator<Item = (Url, Arc<str>)> {
    let written = spec.as_match_spec();
    let places = written.subdir.is_some() || written.file_name.is_some() || written.url.is_some();
    let exact = places || written.sha256.is_some() || written.md5.is_some();
    let why: Arc<str> = format!("it is not what `{spec}` names").into();
    let other = named.filter(move |record| exact && !spec.accepts(record));
    other.map(move |record| (record.url.clone(), why.clone())).collect::<Vec<_>>().into_iter()
}
