//! Takes a metapackage of a channel apart into its exact members.
//!
//! Two kinds are real. Where every line that names a package of the channel fits one build of it alone, as
//! the exact pins do that tidegate writes, the members are looked up. Lines such as `name version.*`, which
//! QIIME 2 has written since 2021 for all packages of a solved environment, may fit several builds; then the
//! metapackage is solved for the platform, and the solver's choice is what it holds. One that cannot be
//! installed as a whole still has members, which have to be tested for the one at fault to be found: then the
//! newest builds that fit are taken, and a note says so.

mod candidates;
mod declared;
mod holding;
mod own;
mod problem;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rattler_conda_types::RepoDataRecord;

use super::channel::{ChannelIndex, build_of};
use super::platform::VirtualPackages;
use super::solution::Solution;
use super::solve::{SolveError, SolveTask, solve};
use super::spec::{Spec, Unclear, exact_spec};
use crate::domain::{Build, Destructured, DestructuredMember, DestructuredPackage, NOARCH};
pub use candidates::{Candidate, candidates};
pub use declared::{Declared, Listing, MalformedDeclaration};
use holding::{Choice, Holding};
pub use problem::{DestructureError, MemberProblem, NothingMatches};

/// Which metapackage is to be taken apart, and what is known of it.
#[derive(Clone, Debug)]
pub struct DestructureTask<'a> {
    /// The metapackage's own channel.
    pub channel: &'a ChannelIndex,
    /// The other channels that it is installed with, in order of priority.
    pub externals: &'a [ChannelIndex],
    /// The platform, such as `linux-64`.
    pub platform: &'a str,
    /// A match spec; the newest build that it accepts is taken. Its name may be a pattern (`qiime2-*`)
    /// that one package fits.
    pub spec: &'a str,
    /// What is known of its members.
    pub declared: Declared,
    /// What the platform provides; [`VirtualPackages::of`] the platform where absent.
    pub virtual_packages: Option<VirtualPackages>,
    /// The longest time for solving it, where it has to be solved.
    pub timeout: Duration,
}

/// The exact members of the metapackage. With what is wrong with each member, where something is.
pub fn destructure(task: &DestructureTask<'_>) -> Result<Destructured, DestructureError> {
    let metapackage = metapackage_of(task)?;
    let holding = |choice| Holding::of(metapackage, task, choice);
    let (held, why_guessed) = match holding(&Choice::Fitting)? {
        Some(held) => (Some(held), None),
        None => match solved(task, &build_of(metapackage)) {
            Ok(solution) => (holding(&Choice::Solved(solution))?, None),
            // What the solver would have chosen is not known, and may be known with more time.
            Err(SolveError::TimedOut { after }) => {
                let (package, platform) = (build_of(metapackage).to_string(), task.platform.to_owned());
                return Err(DestructureError::TimedOut { package, platform, after });
            }
            Err(why) => (holding(&Choice::Newest)?, Some(why)),
        },
    };
    let held = held.ok_or_else(|| no_members(task, metapackage))?;
    let guessed = held.guessed.clone();
    let mut notes = unknown_keys(task, &held);
    let members = declared_members(task, held, metapackage)?;
    if members.is_empty() {
        return Err(no_members(task, metapackage));
    }
    notes.extend(why_guessed.map(|why| guess(task, metapackage, &members, &guessed, &why)));
    Ok(Destructured {
        source: task.channel.address().to_string(),
        platform: Some(task.platform.to_owned()),
        metapackage: package(build_of(metapackage)),
        members,
        notes,
    })
}

/// What there is to say where a metapackage cannot be installed as a whole.
fn guess(
    task: &DestructureTask<'_>,
    metapackage: &RepoDataRecord,
    members: &[DestructuredMember],
    guessed: &BTreeSet<String>,
    why: &SolveError,
) -> String {
    let names = members.iter().map(|member| member.package.name.as_str());
    let names: Vec<&str> = names.filter(|name| guessed.contains(*name)).collect();
    let taken = match names.as_slice() {
        [] => String::new(),
        names => format!(
            " Which builds are meant is not known, so the newest that fits is listed: {}.",
            names.join(", ")
        ),
    };
    let why = why.in_short();
    let why = why.trim_end_matches('.');
    let (package, platform) = (build_of(metapackage), task.platform);
    format!(
        "{package} cannot be installed as a whole on {platform} from the channels given.{taken} The reason: {why}."
    )
}

/// The newest build that the spec accepts.
fn metapackage_of<'a>(task: &DestructureTask<'a>) -> Result<&'a RepoDataRecord, DestructureError> {
    let names = task.channel.names(task.platform);
    let spec = match Spec::of_one(task.spec, &names) {
        Ok(spec) => spec,
        Err(Unclear::Malformed(why)) => return Err(why.into()),
        Err(Unclear::Several(names)) => {
            let channel = task.channel.address().to_string();
            return Err(DestructureError::SeveralMatch { spec: task.spec.to_owned(), channel, names });
        }
        Err(Unclear::None) => return Err(nothing_matches(task, "")),
    };
    let record = task.channel.newest_record(&spec, task.platform);
    record.ok_or_else(|| nothing_matches(task, spec.name()))
}

fn nothing_matches(task: &DestructureTask<'_>, name: &str) -> DestructureError {
    let channel = task.channel;
    let builds = Spec::lenient(name).map(|spec| channel.matching(&spec)).unwrap_or_default();
    // Where a version fits, it is the build that does not.
    let fitting = Spec::lenient(task.spec).ok();
    let fits = |build: &Build| fitting.as_ref().is_some_and(|spec| spec.accepts_version(&build.version));
    let usable = builds.iter().filter(|build| [task.platform, NOARCH].contains(&build.subdir.as_str()));
    let usable: Vec<&Build> = usable.collect();
    let of_version = usable.iter().any(|build| fits(build));
    let mut versions: Vec<String> = Vec::new();
    for build in usable.into_iter().filter(|build| !of_version || fits(build)) {
        let told = match of_version {
            true => format!("{} {}", build.version, build.build),
            false => build.version.clone(),
        };
        if !versions.contains(&told) && versions.len() < 5 {
            versions.push(told);
        }
    }
    let refused = channel.refused().filter(|refused| refused.name == name);
    let folders = [task.platform, NOARCH].into_iter();
    let missing = folders.filter(|folder| !channel.subdirs().any(|subdir| subdir == *folder));
    DestructureError::NothingMatches(Box::new(NothingMatches {
        spec: task.spec.to_owned(),
        channel: channel.address().to_string(),
        platform: task.platform.to_owned(),
        nearest: if versions.is_empty() { nearest(name, &channel.names(task.platform)) } else { Vec::new() },
        versions,
        refused: refused
            .map(|refused| format!("{} is left out: {}", refused.file_name, refused.why))
            .collect(),
        missing_folders: missing.map(str::to_owned).collect(),
    }))
}

/// The names that are much like this one, the most alike first, three at most.
fn nearest(name: &str, names: &BTreeSet<&str>) -> Vec<String> {
    let mut alike: Vec<(f64, &str)> = names
        .iter()
        .map(|other| (strsim::jaro_winkler(name, other), *other))
        .filter(|(likeness, _)| *likeness > 0.8)
        .collect();
    alike.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    alike.into_iter().take(3).map(|(_, name)| name.to_owned()).collect()
}

/// The environment that installing exactly this build gives.
fn solved(task: &DestructureTask<'_>, metapackage: &Build) -> Result<Solution, SolveError> {
    let channels: Vec<ChannelIndex> = std::iter::once(task.channel).chain(task.externals).cloned().collect();
    let question = SolveTask {
        virtual_packages: task.virtual_packages.clone(),
        timeout: task.timeout,
        ..SolveTask::new(&channels, task.platform)
    };
    solve(&question.wanting([exact_spec(metapackage)]))
}

/// The members that are meant, each as it has to be.
fn declared_members(
    task: &DestructureTask<'_>,
    held: Holding<'_>,
    metapackage: &RepoDataRecord,
) -> Result<Vec<DestructuredMember>, DestructureError> {
    let Holding { mut members, others, metapackages, mut problems, .. } = held;
    let declared = &task.declared;
    if let Some(wanted) = &declared.members {
        let meant = |name: &String| wanted.contains(name) && !declared.ignore.contains(name);
        for member in wanted.iter().filter(|name| meant(name) && !members.contains_key(*name)) {
            let told = problems.iter().any(
                |problem| matches!(problem, MemberProblem::NoSuchBuild { line, .. } if is_of(line, member)),
            );
            let offered =
                task.externals.iter().any(|channel| channel.names(task.platform).contains(&**member));
            let external = declared.lists == Listing::Environment
                && (offered || (others.contains(member) && task.externals.is_empty()));
            if external || told {
                continue;
            }
            if others.contains(member) {
                let channel = elsewhere(task, member);
                problems.push(MemberProblem::Foreign { member: member.clone(), channel });
            } else if !metapackages.contains_key(member) {
                problems.push(MemberProblem::Missing { member: member.clone() });
            }
        }
        members.retain(|name, _| meant(name));
    }
    problems.extend(configured_and_missing(task, &members, &metapackages));
    for nested in declared.nested.iter().filter(|nested| !metapackages.contains_key(*nested)) {
        problems.push(MemberProblem::Missing { member: nested.clone() });
    }
    for (member, (record, _)) in &members {
        let found = record.package_record.version.as_str();
        if let Some(expected) = declared.expected_instead_of(member, &found) {
            let (member, expected) = (member.clone(), expected.to_owned());
            problems.push(MemberProblem::OtherVersion { member, expected, found: found.into_owned() });
        }
    }
    if !problems.is_empty() {
        problems.sort();
        return Err(DestructureError::Members { package: build_of(metapackage).to_string(), problems });
    }
    let taken = members.into_values();
    let member =
        |(record, via)| DestructuredMember { package: package(build_of(&record)), via, locked: Vec::new() };
    Ok(taken.map(member).collect())
}

/// What a `conda_build_config.yaml` names and the channel has, and what the metapackage does not hold. Where the
/// members are listed elsewhere, that list is what counts.
fn configured_and_missing<T>(
    task: &DestructureTask<'_>,
    members: &BTreeMap<String, T>,
    metapackages: &BTreeMap<String, T>,
) -> Vec<MemberProblem> {
    let declared = &task.declared;
    if declared.members.is_some() {
        return Vec::new();
    }
    let names = task.channel.names(task.platform);
    let held = |name: &str| members.contains_key(name) || metapackages.contains_key(name);
    let missing = names
        .into_iter()
        .filter(|name| declared.configures(name) && !held(name) && !declared.ignore.contains(*name));
    missing.map(|name| MemberProblem::Missing { member: name.to_owned() }).collect()
}

/// A note on what a `conda_build_config.yaml` names and nobody has: variables, or packages that are lost.
fn unknown_keys(task: &DestructureTask<'_>, held: &Holding<'_>) -> Vec<String> {
    let channels = std::iter::once(task.channel).chain(task.externals);
    let offered: Vec<BTreeSet<&str>> = channels.map(|channel| channel.names(task.platform)).collect();
    let names = offered.iter().flatten().copied().chain(held.others.iter().map(String::as_str));
    let known: BTreeSet<String> = names.map(|name| name.replace('-', "_")).collect();
    let unknown = task.declared.configured.keys().filter(|key| !known.contains(*key));
    let unknown: Vec<&str> = unknown.map(String::as_str).collect();
    let told = || {
        format!(
            "conda_build_config.yaml names what no channel has, so nothing was compared for: {}",
            unknown.join(", ")
        )
    };
    (!unknown.is_empty()).then(told).into_iter().collect()
}

/// The package's name in lower case.
fn name_of(record: &RepoDataRecord) -> &str {
    record.package_record.name.as_normalized()
}

/// Whether a line of dependencies is about that package.
fn is_of(line: &str, name: &str) -> bool {
    Spec::of_record(line).is_ok_and(|spec| spec.name() == name)
}

/// The channel that a package comes from which is not of the metapackage's own.
fn elsewhere(task: &DestructureTask<'_>, name: &str) -> String {
    let from = task.externals.iter().find(|channel| channel.names(task.platform).contains(name));
    let mut refused = task.channel.refused().filter(|refused| refused.name == name);
    match (from, refused.next()) {
        (Some(channel), _) => channel.address().to_string(),
        (None, Some(refused)) => {
            format!("no channel that is read ({} is left out: {})", refused.file_name, refused.why)
        }
        (None, None) => "no channel that is read".to_owned(),
    }
}

fn no_members(task: &DestructureTask<'_>, metapackage: &RepoDataRecord) -> DestructureError {
    DestructureError::NoMembers {
        package: name_of(metapackage).to_owned(),
        channel: task.channel.address().to_string(),
    }
}

fn package(build: Build) -> DestructuredPackage {
    let Build { name, version, build, sha256, channel, .. } = build;
    DestructuredPackage {
        name,
        version: Some(version),
        build: Some(build),
        sha256: Some(sha256),
        channel: Some(channel),
    }
}
