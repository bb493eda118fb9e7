//! What a metapackage holds: the lines of its dependencies, and the metapackages within it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rattler_conda_types::RepoDataRecord;

use super::DestructureTask;
use super::problem::{DestructureError, MemberProblem};
use crate::domain::{Build, NOARCH};
use crate::ecosystem::conda::archive::{Archive, ArchiveLimits, UnpackLimits};
use crate::ecosystem::conda::channel::build_of;
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
    /// All metapackages by name, the outermost included: where each lies, and the path to it.
    pub(super) metapackages: BTreeMap<String, (RepoDataRecord, Vec<String>)>,
    /// Lines that name no build, and members that are held twice.
    pub(super) problems: Vec<MemberProblem>,
    task: &'a DestructureTask<'a>,
    names: BTreeSet<&'a str>,
}

/// No real metapackage comes near this many within it; the walk for cycles is as deep as there are.
const MOST_WITHIN: usize = 500;

/// The most bytes of a metapackage's archive. The largest real ones list some 500 packages in 10 kB.
const LARGEST: u64 = 1 << 20;

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
        task: &'a DestructureTask<'a>,
        choice: &Choice,
    ) -> Result<Option<Self>, DestructureError> {
        let mut holding = Self {
            members: BTreeMap::new(),
            others: BTreeSet::new(),
            metapackages: BTreeMap::new(),
            problems: Vec::new(),
            task,
            names: task.channel.names(task.platform),
        };
        let outermost = name_of(metapackage).to_owned();
        let path = vec![outermost.clone()];
        holding.metapackages.insert(outermost.clone(), (metapackage.clone(), path.clone()));
        let mut within: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut open = VecDeque::from([Open { record: metapackage.clone(), via: path }]);
        while let Some(next) = open.pop_front() {
            let Some(found) = holding.look_into(&next, choice)? else { return Ok(None) };
            within.insert(
                name_of(&next.record).to_owned(),
                found.iter().map(|inner| name_of(inner).to_owned()).collect(),
            );
            for record in found {
                let name = name_of(&record).to_owned();
                if let Some((held, by)) = holding.metapackages.get(&name) {
                    let by = &by[..by.len().saturating_sub(1)];
                    holding.problems.extend(twice((held, by), (&record, &next.via)));
                    continue;
                }
                let via: Vec<String> = next.via.iter().cloned().chain([name.clone()]).collect();
                holding.metapackages.insert(name, (record.clone(), via.clone()));
                open.push_back(Open { record, via });
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
        let outer = lines(&open.record)?;
        for Line { text, spec } in &outer {
            let name = spec.name().to_owned();
            if name.starts_with("__") || self.task.declared.ignore.contains(&name) {
                continue;
            }
            if !self.names.contains(name.as_str()) {
                match spec.is_exact() && self.is_lost(spec) {
                    true => self.problems.push(self.no_such_build(text, &name, &open.record)),
                    false => drop(self.others.insert(name)),
                }
                continue;
            }
            let record = match choice {
                Choice::Pinned if !spec.is_exact() => return Ok(None),
                Choice::Pinned => self.pinned(spec),
                Choice::Solved(solution) => chosen(solution, &name),
            };
            match record {
                None => self.problems.push(self.no_such_build(text, &name, &open.record)),
                Some(record) if self.is_metapackage(&record, &outer)? => {
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
        self.problems.extend(twice((held, by), (&record, via)));
    }

    /// Whether no channel that is read has what a line pins, and it matters: the line may be that of a
    /// member.
    fn is_lost(&self, spec: &Spec) -> bool {
        let DestructureTask { externals, declared, platform, .. } = self.task;
        let member = declared.members.as_ref().is_none_or(|members| members.contains(spec.name()));
        member && externals.iter().all(|channel| channel.newest_record(spec, platform).is_none())
    }

    fn no_such_build(&self, line: &str, name: &str, metapackage: &RepoDataRecord) -> MemberProblem {
        let refused = self.task.channel.refused().filter(|refused| refused.name == name);
        MemberProblem::NoSuchBuild {
            line: line.to_owned(),
            metapackage: name_of(metapackage).to_owned(),
            there: self.builds(name),
            refused: refused.map(|one| format!("{} is left out: {}", one.file_name, one.why)).collect(),
        }
    }

    /// The build that a line pins: the one with that very version where two are equal in conda's order
    /// (`1.0` and `1.0.0`), and `.conda` where both formats are there.
    fn pinned(&self, spec: &Spec) -> Option<RepoDataRecord> {
        let builds = self.task.channel.matching(spec);
        let mut fitting: Vec<_> = builds
            .iter()
            .filter(|build| [self.task.platform, NOARCH].contains(&build.subdir.as_str()))
            .collect();
        let written = spec.exact_version();
        // The sort is stable, and `matching` has the best first.
        fitting.sort_by_key(|build| Some(&build.version) != written.as_ref());
        let best = fitting.first()?;
        self.task.channel.record(&best.subdir, &best.file_name).cloned()
    }

    /// Whether the package is a metapackage itself. Declared is declared; else its archive says so where it is
    /// at hand: a metapackage holds no files. Where only the index is, it is one of which every line pins an
    /// exact build of this channel, and that is no plugin.
    fn is_metapackage(&self, record: &RepoDataRecord, outer: &[Line]) -> Result<bool, DestructureError> {
        let (name, declared) = (name_of(record), &self.task.declared);
        if declared.nested.contains(name) {
            return Ok(true);
        }
        if declared.members.as_ref().is_some_and(|members| members.contains(name)) {
            return Ok(false);
        }
        let lines = lines(record)?;
        let own = |line: &&Line| self.names.contains(line.spec.name());
        if !lines.iter().any(|line| own(&line)) {
            return Ok(false);
        }
        if let Some(holds_files) = holds_files(record) {
            return Ok(!holds_files);
        }
        Ok(self.pins_only(&lines) && !self.is_plugin(record, outer, &mut BTreeSet::new())?)
    }

    /// Whether every line pins an exact build of this channel.
    fn pins_only(&self, lines: &[Line]) -> bool {
        let pins = |line: &Line| line.spec.is_exact() && self.names.contains(line.spec.name());
        !lines.is_empty() && lines.iter().all(pins)
    }

    /// Whether a package that pins exact builds alone may be a plugin: `outer` pins all of the same by itself,
    /// and what it pins are plugins, too. One that leads back to itself is none.
    fn is_plugin(
        &self,
        record: &RepoDataRecord,
        outer: &[Line],
        path: &mut BTreeSet<String>,
    ) -> Result<bool, DestructureError> {
        let lines = lines(record)?;
        if !self.pins_only(&lines) {
            return Ok(true);
        }
        if !path.insert(name_of(record).to_owned()) {
            return Ok(false);
        }
        for line in &lines {
            let inner = self.pinned(&line.spec);
            let plugin = match inner.filter(|_| outer.iter().any(|other| other.spec == line.spec)) {
                Some(inner) => self.is_plugin(&inner, outer, path)?,
                None => false,
            };
            if !plugin {
                return Ok(false);
            }
        }
        path.remove(name_of(record));
        Ok(true)
    }

    fn builds(&self, name: &str) -> Vec<String> {
        let Ok(spec) = Spec::lenient(name) else { return Vec::new() };
        let told = |build: &Build| format!("{} {} ({})", build.version, build.build, build.subdir);
        let mut builds: Vec<String> = self.task.channel.matching(&spec).iter().map(told).collect();
        // A build in both formats stands twice, one after the other.
        builds.dedup();
        builds.truncate(5);
        builds
    }
}

/// That one name is held by two builds, where it is.
fn twice(
    (one, by): (&RepoDataRecord, &[String]),
    (other, via): (&RepoDataRecord, &[String]),
) -> Option<MemberProblem> {
    let told = |record: &RepoDataRecord, via: &[String]| {
        let build = build_of(record);
        format!("{} {} by {}", build.version, build.build, via.join(" → "))
    };
    (one.url != other.url).then(|| MemberProblem::Twice {
        member: name_of(one).to_owned(),
        one: told(one, by),
        other: told(other, via),
    })
}

/// Whether a package holds files, as its archive says where that lies in a folder; nothing where it cannot
/// be looked into, or is too large for a metapackage.
fn holds_files(record: &RepoDataRecord) -> Option<bool> {
    if record.package_record.size.is_some_and(|size| size > LARGEST) {
        return Some(true);
    }
    let path = record.url.to_file_path().ok().filter(|path| path.is_file())?;
    let default = ArchiveLimits::default();
    let unpack = UnpackLimits { compressed: LARGEST, ..default.unpack };
    let limits = ArchiveLimits { unpack, ..default };
    let (subdir, file_name) = (&record.package_record.subdir, record.identifier.to_file_name());
    Archive::read_as(&path, subdir, &file_name, &limits).ok().map(|archive| archive.holds_files)
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
