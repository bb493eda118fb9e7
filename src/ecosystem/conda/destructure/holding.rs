//! What a metapackage holds: the lines of its dependencies, and the metapackages within it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rattler_conda_types::RepoDataRecord;

use super::Declared;
use super::problem::{DestructureError, MemberProblem};
use crate::domain::Build;
use crate::ecosystem::conda::channel::{ChannelIndex, build_of};
use crate::ecosystem::conda::solution::Solution;
use crate::ecosystem::conda::spec::Spec;

/// How the exact build behind a line is known.
pub(super) enum Choice {
    /// The line itself pins it.
    Pinned,
    /// The solver chose it.
    Solved(Solution),
}

/// The members of a metapackage and of those within it.
pub(super) struct Holding<'a> {
    /// By name: the build, and the path of metapackages.
    pub(super) members: BTreeMap<String, (RepoDataRecord, Vec<String>)>,
    /// Every name that a line has and that is no member, since it is not of the channel.
    pub(super) others: BTreeSet<String>,
    /// The names of all metapackages, the outermost included.
    pub(super) metapackages: BTreeSet<String>,
    /// Lines that name no build, and members that are held twice.
    pub(super) problems: Vec<MemberProblem>,
    channel: &'a ChannelIndex,
    names: BTreeSet<&'a str>,
    declared: &'a Declared,
    platform: &'a str,
}

/// No real metapackage comes near this many within it; the walk for cycles is as deep as there are.
const MOST_WITHIN: usize = 500;

/// A metapackage that is yet to be looked into.
struct Open {
    record: RepoDataRecord,
    /// The path to it, itself included.
    via: Vec<String>,
}

impl<'a> Holding<'a> {
    /// Walks through the metapackage and those within it, by breadth, so that each member is reached by
    /// the shortest path. None where a line pins no exact build and `choice` is the pins.
    pub(super) fn of(
        metapackage: &RepoDataRecord,
        channel: &'a ChannelIndex,
        platform: &'a str,
        declared: &'a Declared,
        choice: &Choice,
    ) -> Result<Option<Self>, DestructureError> {
        let mut holding = Self {
            members: BTreeMap::new(),
            others: BTreeSet::new(),
            metapackages: BTreeSet::new(),
            problems: Vec::new(),
            channel,
            names: channel.names(platform),
            declared,
            platform,
        };
        let outermost = name_of(metapackage).to_owned();
        holding.metapackages.insert(outermost.clone());
        let mut within: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut open = VecDeque::from([Open { record: metapackage.clone(), via: vec![outermost.clone()] }]);
        while let Some(next) = open.pop_front() {
            let Some(found) = holding.look_into(&next, choice)? else { return Ok(None) };
            within.insert(
                name_of(&next.record).to_owned(),
                found.iter().map(|inner| name_of(inner).to_owned()).collect(),
            );
            for record in found {
                let name = name_of(&record).to_owned();
                if holding.metapackages.insert(name.clone()) {
                    let via = next.via.iter().cloned().chain([name]).collect();
                    open.push_back(Open { record, via });
                }
            }
            if holding.metapackages.len() > MOST_WITHIN {
                let package = build_of(metapackage).to_string();
                return Err(DestructureError::TooManyWithin { package, limit: MOST_WITHIN });
            }
        }
        match cycle(&within, &mut vec![outermost], &mut BTreeSet::new()) {
            Some(path) => Err(DestructureError::Cycle { path }),
            None => Ok(Some(holding)),
        }
    }

    /// Takes in the members of one metapackage; gives back the metapackages that it names.
    fn look_into(
        &mut self,
        open: &Open,
        choice: &Choice,
    ) -> Result<Option<Vec<RepoDataRecord>>, DestructureError> {
        let mut nested = BTreeMap::new();
        for Line { text, spec } in lines(&open.record)? {
            let name = spec.name().to_owned();
            if name.starts_with("__") || self.declared.ignore.contains(&name) {
                continue;
            }
            if !self.names.contains(name.as_str()) {
                self.others.insert(name);
                continue;
            }
            let record = match choice {
                Choice::Pinned if !spec.is_exact() => return Ok(None),
                Choice::Pinned => self.pinned(&text, &spec),
                Choice::Solved(solution) => chosen(solution, &name),
            };
            match record {
                None => self.problems.push(MemberProblem::NoSuchBuild {
                    line: text,
                    metapackage: name_of(&open.record).to_owned(),
                    there: self.builds(&name),
                }),
                Some(record) if self.is_metapackage(&record)? => {
                    nested.insert(name, record);
                }
                Some(record) => self.take(name, record, &open.via),
            }
        }
        Ok(Some(nested.into_values().collect()))
    }

    fn take(&mut self, member: String, record: RepoDataRecord, via: &[String]) {
        let Some((held, by)) = self.members.get(&member) else {
            self.members.insert(member, (record, via.to_vec()));
            return;
        };
        if held.url != record.url {
            let told = |record: &RepoDataRecord, via: &[String]| {
                let build = build_of(record);
                format!("{} {} by {}", build.version, build.build, via.join(" → "))
            };
            let (one, other) = (told(held, by), told(&record, via));
            self.problems.push(MemberProblem::Twice { member, one, other });
        }
    }

    /// The build that a line pins: the one with that very version where two are equal in conda's order
    /// (`1.0` and `1.0.0`), and `.conda` where both formats are there.
    fn pinned(&self, text: &str, spec: &Spec) -> Option<RepoDataRecord> {
        let builds = self.channel.matching(spec);
        let mut fitting: Vec<_> = builds
            .iter()
            .filter(|build| [self.platform, "noarch"].contains(&build.subdir.as_str()))
            .collect();
        let written = text.split_whitespace().nth(1).map(|version| version.trim_start_matches('='));
        // The sort is stable, and `matching` has the best first.
        fitting.sort_by_key(|build| Some(build.version.as_str()) != written);
        let best = fitting.first()?;
        self.channel.record(&best.subdir, &best.file_name).cloned()
    }

    /// Whether the package is a metapackage itself: said to be one, or one of which every line pins an
    /// exact build of this channel. A package with code depends on more than that.
    fn is_metapackage(&self, record: &RepoDataRecord) -> Result<bool, DestructureError> {
        let name = name_of(record);
        if self.declared.nested.iter().any(|nested| nested == name) {
            return Ok(true);
        }
        if self.declared.members.as_ref().is_some_and(|members| members.iter().any(|member| member == name)) {
            return Ok(false);
        }
        let lines = lines(record)?;
        let pins = |line: &Line| line.spec.is_exact() && self.names.contains(line.spec.name());
        Ok(!lines.is_empty() && lines.iter().all(pins))
    }

    fn builds(&self, name: &str) -> Vec<String> {
        let Ok(spec) = Spec::lenient(name) else { return Vec::new() };
        let told = |build: &Build| format!("{} {} ({})", build.version, build.build, build.subdir);
        let mut builds: Vec<String> = self.channel.matching(&spec).iter().map(told).collect();
        // A build in both formats stands twice, one after the other.
        builds.dedup();
        builds.truncate(5);
        builds
    }
}

/// The package's name in lower case.
pub(super) fn name_of(record: &RepoDataRecord) -> &str {
    record.package_record.name.as_normalized()
}

/// A dependency of a package: as it is written, and read.
struct Line {
    text: String,
    spec: Spec,
}

/// The dependencies of a package.
fn lines(record: &RepoDataRecord) -> Result<Vec<Line>, DestructureError> {
    let read = |line: &String| match Spec::of_record(line) {
        Ok(spec) => Ok(Line { text: line.clone(), spec }),
        Err(why) => Err(DestructureError::MalformedDependency { package: build_of(record).to_string(), why }),
    };
    record.package_record.depends.iter().map(read).collect()
}

fn chosen(solution: &Solution, name: &str) -> Option<RepoDataRecord> {
    solution.records().iter().find(|record| name_of(record) == name).cloned()
}

/// A path from a metapackage back to itself, if there is one at the end of `path` or beyond.
fn cycle(
    within: &BTreeMap<String, BTreeSet<String>>,
    path: &mut Vec<String>,
    done: &mut BTreeSet<String>,
) -> Option<Vec<String>> {
    let here = path.last()?.clone();
    for inner in within.get(&here).into_iter().flatten() {
        if let Some(begin) = path.iter().position(|outer| outer == inner) {
            return Some(path[begin..].iter().chain([inner]).cloned().collect());
        }
        if !done.contains(inner) {
            path.push(inner.clone());
            let found = cycle(within, path, done);
            if found.is_some() {
                return found;
            }
            path.pop();
        }
    }
    done.insert(here);
    None
}
