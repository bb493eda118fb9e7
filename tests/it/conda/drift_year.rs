//! A made-up year beside a distribution: external builds that come, a few that break one member for some
//! weeks, and what becomes of those. Always the same for the same size. The benches use it too.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tidegate::domain::{Build, Environment};
use tidegate::ecosystem::conda::channel::ChannelIndex;
use tidegate::ecosystem::conda::spec::Spec;

/// The days of the year, which begin with day 0.
pub const DAYS: u32 = 365;

/// How much happens.
#[derive(Clone, Copy)]
pub struct Size {
    /// The members of the distribution, each with one build that stays.
    pub members: u32,
    /// The external packages.
    pub packages: u32,
    /// The external packages that a member names. Beside these it has what they need, in four layers.
    pub named: u32,
    /// The versions that each external package has on day 0.
    pub versions: u32,
    /// The days on which anything comes: every so many.
    pub every: u32,
    /// The external builds that come on each of those days.
    pub arrivals: u32,
    /// The faults that are planted over the year.
    pub faults: u32,
}

/// What breaks a member: all of these files in its environment. One file is a bad build, two are a bad
/// pair, each of which is good without the other.
pub struct Fault {
    /// The name of the member.
    pub member: String,
    /// The names of the files.
    pub files: BTreeSet<String>,
}

/// The year.
pub struct Year {
    members: Vec<Record>,
    externals: Vec<Record>,
    faults: Vec<Fault>,
}

/// A record of `noarch`, and when it is there.
struct Record {
    name: String,
    file: String,
    json: String,
    from: u32,
    /// The day on which it is taken back.
    until: u32,
}

impl Fault {
    /// Whether it breaks that member in that environment.
    pub fn breaks(&self, member: &str, environment: &Environment) -> bool {
        let here = |file: &String| environment.builds().any(|build| build.file_name == *file);
        self.member == member && self.files.iter().all(here)
    }
}

impl Year {
    /// The year of that size.
    pub fn new(size: Size) -> Self {
        let mut making = Making::new(size);
        for day in (1..DAYS).step_by(size.every as usize) {
            making.settle(day);
            for _ in 0..size.arrivals {
                let package = making.numbers.below(size.packages);
                if !making.open.contains_key(&package) {
                    making.arrive(package, day);
                }
            }
            making.plant(day);
        }
        making.year
    }

    /// What was planted.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// How many records there are over the whole year.
    pub fn records(&self) -> usize {
        self.members.len() + self.externals.len()
    }

    /// How many external builds are taken back.
    pub fn withdrawn(&self) -> usize {
        self.externals.iter().filter(|record| record.until < DAYS).count()
    }

    /// The bytes of the index of the external channel on a day.
    pub fn external_index(&self, day: u32) -> Vec<u8> {
        index(self.externals.iter().filter(|record| (record.from..record.until).contains(&day)))
    }

    /// The distribution's channel, and an external one.
    pub fn channels(&self, external_index: Vec<u8>) -> anyhow::Result<[ChannelIndex; 2]> {
        Ok([channel("staged", index(self.members.iter()))?, channel("forge", external_index)?])
    }

    /// The builds of the members.
    pub fn members(&self, staged: &ChannelIndex) -> anyhow::Result<Vec<Build>> {
        let found = self.members.iter().map(|record| {
            let build = staged.newest(&Spec::lenient(&record.name)?, "linux-64");
            build.with_context(|| format!("there is no {}", record.name))
        });
        found.collect()
    }
}

/// The year while it is made.
struct Making {
    size: Size,
    numbers: Numbers,
    /// The newest version of each external package.
    newest: Vec<u32>,
    /// What each external package needs, in whatever version.
    needs: Vec<Vec<u32>>,
    /// The external packages that each member names.
    named: Vec<Vec<u32>>,
    /// What is to become of packages with a fault: on which day, and which record is taken back then. Where
    /// none is, a fixed version comes.
    open: BTreeMap<u32, (u32, Option<usize>)>,
    year: Year,
}

impl Making {
    /// Day 0: the newest versions fit together, since nothing is asked of a version but to be no older
    /// than some.
    fn new(size: Size) -> Self {
        let year = Year { members: Vec::new(), externals: Vec::new(), faults: Vec::new() };
        let (mut numbers, newest) = (Numbers(7), vec![0; size.packages as usize]);
        let needs = (0..size.packages).map(|package| needed_by(package, size, &mut numbers)).collect();
        let mut making =
            Self { size, numbers, newest, needs, named: Vec::new(), open: BTreeMap::new(), year };
        for version in 1..=size.versions {
            for package in 0..size.packages {
                let on = |needed: &u32| format!("ext-{needed} >={}", version.saturating_sub(3));
                let depends: Vec<String> = making.needs[package as usize].iter().map(on).collect();
                making.add(package, version, &depends, 0);
            }
        }
        for member in 0..size.members {
            making.add_member(member);
        }
        making
    }

    fn add_member(&mut self, member: u32) {
        let named: Vec<u32> = (0..self.size.named).map(|_| self.numbers.below(self.size.packages)).collect();
        let mut depends: Vec<String> =
            named.iter().map(|on| format!("ext-{on} >={}", self.numbers.below(self.size.versions))).collect();
        if member > 0 && self.numbers.below(2) == 0 {
            depends.push(format!("q2-{} >=1", self.numbers.below(member)));
        }
        self.named.push(named);
        self.year.members.push(record(&format!("q2-{member}"), 1, &depends, 0));
    }

    fn add(&mut self, package: u32, version: u32, depends: &[String], day: u32) {
        self.newest[package as usize] = version;
        self.year.externals.push(record(&format!("ext-{package}"), version, depends, day));
    }

    /// The next version of a package. One in four cannot do with what comes later of a package that it
    /// needs, so that the newest of everything no longer fits together.
    fn arrive(&mut self, package: u32, day: u32) {
        let mut depends = Vec::new();
        for on in self.needs[package as usize].clone() {
            let newest = self.newest[on as usize];
            depends.push(match self.numbers.below(4) {
                0 => format!("ext-{on} <={newest}"),
                _ => format!("ext-{on} >={}", newest.saturating_sub(3)),
            });
        }
        self.add(package, self.newest[package as usize] + 1, &depends, day);
    }

    /// Ends the faults whose day has come.
    fn settle(&mut self, day: u32) {
        let due: Vec<u32> =
            self.open.iter().filter(|(_, (end, _))| *end <= day).map(|(package, _)| *package).collect();
        for package in due {
            match self.open.remove(&package) {
                Some((_, Some(record))) => self.year.externals[record].until = day,
                _ => self.arrive(package, day),
            }
        }
    }

    /// Plants a fault, while the year has not had its share of them: every third a pair of a new build and
    /// one that is there, and of the bad builds every second one is withdrawn.
    fn plant(&mut self, day: u32) {
        let planted = u32::try_from(self.year.faults.len()).unwrap_or(u32::MAX);
        if planted * DAYS >= day * self.size.faults {
            return;
        }
        let member = self.numbers.below(self.size.members);
        let named = self.named[member as usize].iter().filter(|package| !self.open.contains_key(package));
        let named: Vec<u32> = named.copied().collect::<BTreeSet<_>>().into_iter().collect();
        let &[bad, partner, ..] = named.as_slice() else { return };
        self.add(bad, self.newest[bad as usize] + 1, &[], day);
        let withdrawn = (planted % 3 == 1).then(|| self.year.externals.len() - 1);
        // What is withdrawn is so within a week; a fix takes two to five.
        let end = day + withdrawn.map_or(14, |_| 1) + self.numbers.below(withdrawn.map_or(22, |_| 7));
        self.open.insert(bad, (end, withdrawn));
        let mut files = BTreeSet::from([self.newest_file(bad)]);
        if planted % 3 == 2 {
            files.insert(self.newest_file(partner));
            self.open.insert(partner, (end, None));
        }
        self.year.faults.push(Fault { member: format!("q2-{member}"), files });
    }

    fn newest_file(&self, package: u32) -> String {
        file_name(&format!("ext-{package}"), self.newest[package as usize])
    }
}

/// Up to two packages of the layer below.
fn needed_by(package: u32, size: Size, numbers: &mut Numbers) -> Vec<u32> {
    let layer = size.packages.div_ceil(4);
    let Some(below) = (package / layer).checked_sub(1) else { return Vec::new() };
    (0..numbers.below(3)).map(|_| below * layer + numbers.below(layer)).collect()
}

fn file_name(name: &str, version: u32) -> String {
    format!("{name}-{version}.0-h_0.conda")
}

fn record(name: &str, version: u32, depends: &[String], from: u32) -> Record {
    let file = file_name(name, version);
    // A digest of its own for each file; nothing is fetched.
    let sha256: String = Sha256::digest(&file).iter().map(|byte| format!("{byte:02x}")).collect();
    let json = json!({
        "name": name, "version": format!("{version}.0"), "build": "h_0", "build_number": 0,
        "depends": depends, "subdir": "noarch", "sha256": sha256, "timestamp": 1_700_000_000_000_u64,
    });
    Record { name: name.to_owned(), file, json: json.to_string(), from, until: u32::MAX }
}

fn index<'r>(records: impl Iterator<Item = &'r Record>) -> Vec<u8> {
    let lines: Vec<String> = records.map(|record| format!("\"{}\": {}", record.file, record.json)).collect();
    format!(r#"{{"info": {{"subdir": "noarch"}}, "packages.conda": {{{}}}}}"#, lines.join(",\n")).into_bytes()
}

fn channel(name: &str, index: Vec<u8>) -> anyhow::Result<ChannelIndex> {
    Ok(ChannelIndex::new(format!("/{name}").parse()?, &BTreeMap::from([("noarch".to_owned(), index)]))?)
}

/// Numbers that look random and are always the same (Knuth's MMIX generator).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from((self.0 >> 33) % u64::from(limit.max(1))).expect("it is below a number of 32 bits")
    }
}
