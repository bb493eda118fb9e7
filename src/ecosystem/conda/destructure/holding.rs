//! What a metapackage holds: the lines of its dependencies, and the metapackages within it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rattler_conda_types::RepoDataRecord;

use super::own::{Line, Own, lines};
use super::problem::{DestructureError, MemberProblem};
use super::{DestructureTask, name_of};
use crate::domain::Build;
use crate::ecosystem::conda::channel::build_of;
use crate::ecosystem::conda::solution::Solution;
use crate::ecosystem::conda::spec::Spec;

/// How the exact build behind a line is known.
pub(super) enum Choice {
    /// The line fits one build of the channel alone. A package is taken from the first channel that has it, so
    /// there is no other.
    Fitting,
    /// The solver chose among those that fit.
    Solved(Solution),
    /// Nothing tells which is meant: the newest of those that fit.
    Newest,
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
    /// Of whom the newest build was taken, though others fit as well.
    pub(super) guessed: BTreeSet<String>,
    task: &'a DestructureTask<'a>,
    own: Own<'a>,
}

/// No real metapackage comes near this many within it.
const MOST_WITHIN: usize = 500;

/// A metapackage that is yet to be looked into.
struct Open {
    record: RepoDataRecord,
    /// The path to it, itself included.
    via: Vec<String>,
}

impl<'a> Holding<'a> {
    /// Walks through the metapackage and those within it, by breadth, so that each member is reached by
    /// the shortest path. None where a line fits several builds and nothing chooses among them.
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
            guessed: BTreeSet::new(),
            task,
            own: Own::of(task),
        };
        let outermost = name_of(metapackage).to_owned();
        let path = vec![outermost.clone()];
        holding.metapackages.insert(outermost, (metapackage.clone(), path.clone()));
        let mut open = VecDeque::from([Open { record: metapackage.clone(), via: path }]);
        while let Some(next) = open.pop_front() {
            let Some(found) = holding.look_into(&next, choice)? else { return Ok(None) };
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
        Ok(Some(holding))
    }

    /// Takes in the members of one metapackage; gives back the metapackages that it names. What leads back to
    /// a metapackage on the path is refused, whatever it holds: nobody could say what is a member of what.
    fn look_into(
        &mut self,
        open: &Open,
        choice: &Choice,
    ) -> Result<Option<Vec<RepoDataRecord>>, DestructureError> {
        let mut nested = BTreeMap::new();
        let mut settled = BTreeSet::new();
        let outer = lines(&open.record)?;
        for Line { text, spec } in &outer {
            let name = spec.name().to_owned();
            if self.task.declared.ignore.contains(&name) {
                continue;
            }
            if !self.own.has(&name) {
                match spec.is_exact() && self.is_lost(spec) {
                    true => self.problems.push(self.no_such_build(text, &name, &open.record)),
                    false => drop(self.others.insert(name)),
                }
                continue;
            }
            let record = match (self.own.meant(spec).as_slice(), choice) {
                ([], _) => None,
                ([only], _) if !spec.has_condition() => Some((*only).clone()),
                (_, Choice::Fitting) => return Ok(None),
                (_, Choice::Solved(solution)) => chosen(solution, &name),
                ([newest, ..], Choice::Newest) => {
                    self.guessed.insert(name.clone());
                    Some((*newest).clone())
                }
            };
            let Some(record) = record else {
                self.problems.push(self.no_such_build(text, &name, &open.record));
                continue;
            };
            if let Some(path) = self.own.way_back(&record, &open.via, &mut settled) {
                return Err(DestructureError::Cycle { path });
            }
            match self.own.is_metapackage(&record, &outer)? {
                true => drop(nested.insert(name, record)),
                false => self.take(name, record, &open.via),
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

fn chosen(solution: &Solution, name: &str) -> Option<RepoDataRecord> {
    solution.records().iter().find(|record| name_of(record) == name).cloned()
}
