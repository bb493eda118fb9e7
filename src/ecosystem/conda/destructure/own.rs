//! The channel of a metapackage, as taking it apart looks at it: which builds a line may mean, where the
//! lines of a package lead, and whether a package is a metapackage itself.
//!
//! A package within a metapackage is one as well where that is declared; else by what is known of it:
//!
//! 1. Its archive, where that lies in a folder, may settle it: one that installs nothing is a metapackage, and
//!    one with anything to run, to import or to test is none.
//! 2. Else its record does, in the same way for a folder and for a server: each of its lines pins a package of
//!    the channel, by its build or by its version (`name 2023.7.*`). It is none where Python modules or more
//!    than a megabyte are in it, where it wants some version of an interpreter, or where the metapackage around
//!    it pins all of the same by itself: so does a plugin that pins the plugins below it.

use std::collections::BTreeSet;

use rattler_conda_types::{PackageName, RepoDataRecord};

use super::problem::DestructureError;
use super::{DestructureTask, name_of};
use crate::ecosystem::conda::archive::{Archive, ArchiveLimits, Payload, UnpackLimits};
use crate::ecosystem::conda::channel::build_of;
use crate::ecosystem::conda::spec::Spec;

/// The most bytes of a metapackage's archive. The largest real ones list some 750 packages in 20 kB.
const LARGEST: u64 = 1 << 20;

/// Packages that nobody wants by version but for code that they run.
const INTERPRETERS: [&str; 4] = ["perl", "python", "python_abi", "r-base"];

/// The channel of a metapackage.
pub(super) struct Own<'a> {
    task: &'a DestructureTask<'a>,
    names: BTreeSet<&'a str>,
}

/// A dependency of a package: as it is written, and read.
pub(super) struct Line {
    pub(super) text: String,
    pub(super) spec: Spec,
}

/// The dependencies of a package, without those on what a platform provides.
pub(super) fn lines(record: &RepoDataRecord) -> Result<Vec<Line>, DestructureError> {
    let read = |line: &String| match Spec::of_record(line) {
        Ok(spec) => Ok(Line { text: line.clone(), spec }),
        Err(why) => Err(DestructureError::MalformedDependency { package: build_of(record).to_string(), why }),
    };
    let depends = record.package_record.depends.iter();
    depends.filter(|line| !line.starts_with("__")).map(read).collect()
}

impl<'a> Own<'a> {
    pub(super) fn of(task: &'a DestructureTask<'a>) -> Self {
        Self { task, names: task.channel.names(task.platform) }
    }

    /// Whether the channel has a package of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// The builds that a line may mean, the best first: each once where it is there in both formats, and only
    /// the one with that very version where the line pins a build and two versions are equal in conda's order
    /// (`1.0` and `1.0.0`).
    pub(super) fn meant(&self, spec: &Spec) -> Vec<&'a RepoDataRecord> {
        let mut fitting = self.task.channel.fitting(spec, self.task.platform);
        if spec.is_exact() {
            let written = spec.exact_version();
            // The sort is stable, and the best is first.
            fitting
                .sort_by_key(|record| written.as_deref() != Some(&*record.package_record.version.as_str()));
            fitting.truncate(1);
        }
        let mut seen = BTreeSet::new();
        fitting.retain(|record| {
            let package = &record.package_record;
            seen.insert((&package.subdir, package.version.as_str(), package.build.as_str()))
        });
        fitting
    }

    /// The way from one of the metapackages `via` over `member` back to that metapackage, if the lines of the
    /// member lead there. What leads nowhere is added to `settled`, and not followed again.
    pub(super) fn way_back(
        &self,
        member: &RepoDataRecord,
        via: &[String],
        settled: &mut BTreeSet<String>,
    ) -> Option<Vec<String>> {
        let mut path = vec![name_of(member).to_owned()];
        let mut open = vec![self.needs(member).into_iter()];
        while let Some(rest) = open.last_mut() {
            let Some(next) = rest.next() else {
                open.pop();
                settled.extend(path.pop());
                continue;
            };
            let name = name_of(next).to_owned();
            if let Some(begin) = via.iter().position(|outer| *outer == name) {
                return Some([&via[begin..], &path, &[name]].concat());
            }
            if !path.contains(&name) && !settled.contains(&name) {
                path.push(name);
                open.push(self.needs(next).into_iter());
            }
        }
        None
    }

    /// What a package needs of the channel: of each the best build that fits. A line that cannot be read leads
    /// nowhere.
    fn needs(&self, record: &RepoDataRecord) -> Vec<&'a RepoDataRecord> {
        let own = |line: &&String| {
            let name = PackageName::normalized_name_from_matchspec_str(line);
            self.has(&name) && !self.task.declared.ignore.contains(name.as_ref())
        };
        let depends = record.package_record.depends.iter().filter(own);
        let best = |line: &String| self.meant(&Spec::of_record(line).ok()?).first().copied();
        depends.filter_map(best).collect()
    }

    /// Whether a package is a metapackage itself; see the module. `outer` are the lines of the one around it.
    pub(super) fn is_metapackage(
        &self,
        record: &RepoDataRecord,
        outer: &[Line],
    ) -> Result<bool, DestructureError> {
        let (name, declared) = (name_of(record), &self.task.declared);
        if declared.nested.contains(name) {
            return Ok(true);
        }
        if declared.members.as_ref().is_some_and(|members| members.contains(name)) {
            return Ok(false);
        }
        let package = &record.package_record;
        let too_much = package.noarch.is_python() || package.size.is_some_and(|size| size > LARGEST);
        if too_much || !package.depends.iter().any(|line| self.names_own(line)) {
            return Ok(false);
        }
        match payload(record) {
            Some(Payload::Nothing) => Ok(true),
            Some(Payload::Code) => Ok(false),
            Some(Payload::Data) | None => {
                let pins = self.pins_only(&lines(record)?);
                Ok(pins && !self.is_plugin(record, outer, &mut BTreeSet::new())?)
            }
        }
    }

    fn names_own(&self, line: &str) -> bool {
        self.has(&PackageName::normalized_name_from_matchspec_str(line))
    }

    /// Whether every line pins a package of this channel.
    fn pins_only(&self, lines: &[Line]) -> bool {
        let pins = |Line { spec, .. }: &Line| {
            let by_version = spec.names_version() && !INTERPRETERS.contains(&spec.name());
            self.has(spec.name()) && (spec.is_exact() || by_version)
        };
        !lines.is_empty() && lines.iter().all(pins)
    }

    /// Whether a package that only pins others may be a plugin: `outer` pins all of the same by itself, and what
    /// it pins are plugins, too. One that leads back to itself is none.
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
        for Line { spec, .. } in &lines {
            let best = |spec: &Spec| self.meant(spec).first().copied();
            let inner = best(spec);
            let named = outer.iter().filter(|other| other.spec.name() == spec.name());
            let same =
                |other: &Line| best(&other.spec).map(|build| &build.url) == inner.map(|build| &build.url);
            let plugin = match inner {
                Some(inner) if named.into_iter().any(same) => self.is_plugin(inner, outer, path)?,
                Some(_) | None => false,
            };
            if !plugin {
                return Ok(false);
            }
        }
        path.remove(name_of(record));
        Ok(true)
    }
}

/// What a package installs, where its archive lies in a folder and can be looked into.
fn payload(record: &RepoDataRecord) -> Option<Payload> {
    let path = record.url.to_file_path().ok().filter(|path| path.is_file())?;
    let default = ArchiveLimits::default();
    let unpack = UnpackLimits { compressed: LARGEST, ..default.unpack };
    let limits = ArchiveLimits { unpack, ..default };
    let (subdir, file_name) = (&record.package_record.subdir, record.identifier.to_file_name());
    Archive::read_as(&path, subdir, &file_name, &limits).ok().map(|archive| archive.payload)
}
