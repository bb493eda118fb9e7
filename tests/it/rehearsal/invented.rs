//! Made-up worlds: three quarters of a small distribution, drawn from a seed. Every seed has the same
//! cast, so that everything a world can hold is in each of them; when things happen, which versions
//! come out and what fails is up to the dice.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tidegate::rehearse::world::World;

use super::dice::Dice;

/// When the world begins: with its first dependency freeze.
pub const START: &str = "2026-04-15T00:00:00Z";
/// When it ends: after its third snapshot.
pub const END: &str = "2026-12-18T00:00:00Z";
const DAYS: u64 = 247;

/// How people behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tempers {
    /// Whatever is proposed is merged.
    Agreeable,
    /// The maintainer of `buoy` closes, and that of `cleat` commits to the branch.
    Contrary,
}

/// A package's part in the play.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Comes out now and then.
    Usual,
    /// Comes out in dependency freezes only: what its maintainer does is about this package alone.
    InFreezesOnly,
    /// Shares a repository.
    Monorepo,
    /// Lives on a host that is not GitHub.
    Elsewhere,
    /// Has a release whose version goes down.
    GoesDown,
    /// Fails from the dependency freeze on and is mended in the candidate freeze.
    Mended,
    /// The universe loses it for some weeks.
    Lost,
    /// Has a tag that moves to another commit.
    TagMoves,
    /// Is listed from a day on.
    Enters(u64),
    /// Is not listed any more from a day on.
    Leaves(u64),
}

const CAST: [(&str, Part); 15] = [
    ("anchor", Part::GoesDown),
    ("buoy", Part::InFreezesOnly),
    ("cleat", Part::InFreezesOnly),
    ("davit", Part::Mended),
    ("eddy", Part::Lost),
    ("fathom", Part::Monorepo),
    ("gale", Part::Monorepo),
    ("harbor", Part::Elsewhere),
    ("inlet", Part::Usual),
    ("jetty", Part::Usual),
    ("keel", Part::TagMoves),
    ("lagoon", Part::Usual),
    ("mast", Part::Leaves(40)),
    ("nautica", Part::Enters(45)),
    ("oar", Part::Enters(12)),
];

/// The names of the packages.
pub const PACKAGES: [&str; CAST.len()] = {
    let mut names = [""; CAST.len()];
    let mut index = 0;
    while index < CAST.len() {
        names[index] = CAST[index].0;
        index += 1;
    }
    names
};

/// A made-up world, as the files of its folder.
pub struct Invented {
    files: BTreeMap<&'static str, String>,
}

impl Invented {
    /// The world of a seed.
    pub fn from_seed(seed: u64, tempers: Tempers) -> Self {
        let mut draft = Draft { dice: Dice::new(seed), ..Draft::default() };
        for (index, (package, part)) in CAST.iter().enumerate() {
            draft.depend(index);
            if *package != "gale" {
                draft.publish(package, *part);
            }
        }
        draft.recheck();
        draft.into_world(tempers)
    }

    /// Writes its files into a folder.
    pub fn write_to(&self, folder: &Path) {
        for (name, text) in &self.files {
            std::fs::write(folder.join(name), text).unwrap();
        }
    }

    /// The world, read as any other.
    pub fn world(&self) -> World {
        let folder = tempfile::tempdir().unwrap();
        self.write_to(folder.path());
        World::load(folder.path()).unwrap_or_else(|problem| panic!("{problem}"))
    }
}

/// A world in the making.
struct Draft {
    dice: Dice,
    /// By minute and number: releases.
    releases: BTreeMap<(i64, usize), Value>,
    /// By minute, universe and package.
    evidence: BTreeMap<(i64, String, String), Value>,
    dependencies: BTreeMap<String, Vec<String>>,
    /// The first commit of each package.
    first: BTreeMap<String, String>,
    /// By package: when which commit and version came out.
    history: BTreeMap<String, Vec<(i64, String, String)>>,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            dice: Dice::new(0),
            releases: BTreeMap::new(),
            evidence: BTreeMap::new(),
            dependencies: BTreeMap::new(),
            first: BTreeMap::new(),
            history: BTreeMap::new(),
        }
    }
}

const HOUR: i64 = 60;
const DAY: i64 = 24 * HOUR;

fn time(minute: i64) -> String {
    let start: Timestamp = START.parse().unwrap();
    (start + SignedDuration::from_mins(minute)).to_string()
}

fn published(minute: i64) -> String {
    let at: Timestamp = time(minute).parse().unwrap();
    at.strftime("%Y-%m-%d %H:%M:%S.000 UTC").to_string()
}

fn listing(package: &str, part: Part) -> Value {
    match part {
        Part::Monorepo => {
            json!({"url": "https://github.com/tide/mono", "branch": "*release", "subdir": format!("r/{package}")})
        }
        Part::Elsewhere => {
            json!({"url": format!("https://gitlab.com/tide/{package}"), "branch": "*release"})
        }
        _ => json!({"url": format!("https://github.com/tide/{package}"), "branch": "*release"}),
    }
}

impl Draft {
    /// Up to two dependencies among the packages that stay; `inlet` and `jetty` need each other.
    fn depend(&mut self, index: usize) {
        let name = CAST[index].0;
        let stay: Vec<&str> = CAST[..index]
            .iter()
            .filter(|(_, part)| !matches!(part, Part::Enters(_) | Part::Leaves(_)))
            .map(|(name, _)| *name)
            .collect();
        let mut needs: Vec<String> = Vec::new();
        for _ in 0..if stay.len() < 3 { 0 } else { self.dice.between(0, 3) } {
            let need = stay[self.dice.between(0, stay.len() as u64) as usize].to_owned();
            if !needs.contains(&need) {
                needs.push(need);
            }
        }
        match name {
            "inlet" => needs = vec!["jetty".to_owned()],
            "jetty" if !needs.contains(&"inlet".to_owned()) => needs.push("inlet".to_owned()),
            _ => {}
        }
        self.dependencies.insert(name.to_owned(), needs);
    }

    /// Everything that a package ever publishes.
    fn publish(&mut self, package: &str, part: Part) {
        self.release(package, part, -2 * DAY, "1.0.0", "v1.0.0", Fate::Passes);
        let days: Vec<i64> = match part {
            Part::InFreezesOnly => vec![4, 20, 95, 190],
            Part::Mended => vec![22, 43],
            _ => {
                let count = self.dice.between(3, 6);
                let mut days: Vec<i64> = (0..count).map(|_| self.dice.between(3, DAYS - 3) as i64).collect();
                days.sort_unstable();
                days.dedup();
                days
            }
        };
        for (number, day) in days.into_iter().enumerate() {
            let minute = day * DAY + self.dice.between(0, DAY as u64) as i64;
            let version = match part {
                Part::GoesDown if number == 1 => "0.9.0".to_owned(),
                _ => format!("1.{}.{}", number + 1, self.dice.between(0, 4)),
            };
            let fate = match (part, number) {
                (Part::Mended, 0) => Fate::Fails,
                (Part::Mended | Part::InFreezesOnly, _) => Fate::Passes,
                _ => self.fate(),
            };
            self.release(package, part, minute, &version, &format!("v{version}"), fate);
            if part == Part::TagMoves && number == 0 {
                let tag = format!("v{version}");
                self.release(package, part, minute + 2 * DAY, &version, &tag, Fate::Passes);
            }
        }
        if part == Part::Lost {
            let gone =
                json!({"at": time(60 * DAY), "universe": "community", "package": package, "gone": true});
            self.evidence.insert((60 * DAY, "community".to_owned(), package.to_owned()), gone);
        }
    }

    fn fate(&mut self) -> Fate {
        match self.dice.between(0, 20) {
            0..4 => Fate::Fails,
            4 => Fate::HasRemotes,
            5 => Fate::IsNotFree,
            6 => Fate::HasAdvisory,
            _ => Fate::Passes,
        }
    }

    fn release(&mut self, package: &str, part: Part, minute: i64, version: &str, tag: &str, fate: Fate) {
        let commit = self.dice.commit();
        let mut packages = vec![(package.to_owned(), version.to_owned())];
        if part == Part::Monorepo {
            // The sibling's version does not rise in every release of their repository.
            let before = self.history.get("gale").and_then(|history| history.last().cloned());
            let same = before.filter(|_| self.dice.percent(40)).map(|(_, _, version)| version);
            packages.push(("gale".to_owned(), same.unwrap_or_else(|| version.to_owned())));
        }
        let url = listing(package, part)["url"].clone();
        let carried: BTreeMap<_, _> = packages.iter().cloned().collect();
        let row =
            json!({"at": time(minute), "repository": url, "tag": tag, "commit": commit, "packages": carried});
        self.releases.insert((minute, self.releases.len()), row);
        for (package, version) in packages {
            self.first.entry(package.clone()).or_insert_with(|| commit.clone());
            self.build(&package, minute, &commit, &version, fate);
            self.history.entry(package).or_default().push((minute, commit.clone(), version));
        }
    }

    /// What community's universe says: a build that runs, then what came of it.
    fn build(&mut self, package: &str, minute: i64, commit: &str, version: &str, fate: Fate) {
        let began = (minute + 10).max(0);
        let ended = if minute < 0 { 0 } else { minute + self.dice.between(40, 600) as i64 };
        if began < ended {
            let run = format!("https://github.com/r-universe/tide/actions/runs/{}", self.run());
            let row = json!({"at": time(began), "universe": "community", "package": package, "commit": commit,
                "version": version, "published": published(minute), "building": run});
            self.evidence.insert((began, "community".to_owned(), package.to_owned()), row);
        }
        let row = self.verdict("community", package, ended, (commit, version), fate);
        self.evidence.insert((ended, "community".to_owned(), package.to_owned()), row);
    }

    fn run(&mut self) -> u64 {
        self.dice.between(10_000_000_000, 90_000_000_000)
    }

    fn verdict(
        &mut self,
        universe: &str,
        package: &str,
        minute: i64,
        (commit, version): (&str, &str),
        fate: Fate,
    ) -> Value {
        let mut row = json!({"at": time(minute), "universe": universe, "package": package, "commit": commit,
            "version": version, "published": published(minute - 10)});
        match fate {
            Fate::Passes => {}
            Fate::Fails => {
                // Checks count for the R that is targeted at the time.
                let r = if minute < 91 * DAY { "4.5.3" } else { "4.6.1" };
                let (run, job) = (self.run(), self.run());
                let url = format!("https://github.com/r-universe/tide/actions/runs/{run}/job/{job}");
                row["checks"] =
                    json!([{"config": "linux-release-x86_64", "r": r, "check": "ERROR", "url": url}]);
            }
            Fate::HasRemotes => row["remotes"] = json!([format!("tide/{package}dev")]),
            Fate::IsNotFree => row["license"] = json!("file LICENSE"),
            Fate::HasAdvisory => {
                row["advisories"] = json!([format!("https://example.org/advisories/{package}")]);
            }
        }
        row
    }

    /// Staging's universe tests what it holds again now and then: something begins to fail, and
    /// passes again some days later.
    fn recheck(&mut self) {
        for _ in 0..12 {
            let (package, part) = CAST[self.dice.between(0, CAST.len() as u64) as usize];
            if matches!(part, Part::InFreezesOnly | Part::Mended) {
                continue;
            }
            let minute = self.dice.between(5 * DAY as u64, (DAYS - 20) * DAY as u64) as i64;
            let newest = self.history[package].iter().rfind(|(at, ..)| *at < minute - DAY).cloned();
            let Some((_, commit, version)) = newest else { continue };
            let better = minute + self.dice.between(DAY as u64, 15 * DAY as u64) as i64;
            for (minute, fate) in [(minute, Fate::Fails), (better, Fate::Passes)] {
                let row = self.verdict("staging", package, minute, (&commit, &version), fate);
                self.evidence.insert((minute, "staging".to_owned(), package.to_owned()), row);
            }
        }
    }

    fn into_world(self, tempers: Tempers) -> Invented {
        let lines = |rows: Vec<Value>| rows.iter().map(|row| format!("{row}\n")).collect::<String>();
        let (mut registry, mut community, mut staging) = (Vec::new(), Vec::new(), Vec::new());
        for (package, part) in CAST {
            let mut row = listing(package, part);
            if let Part::Enters(day) = part {
                let at = day as i64 * DAY + 77;
                registry.push((at, json!({"at": time(at), "set": {package: row}, "remove": []})));
                continue;
            }
            if let Part::Leaves(day) = part {
                let at = day as i64 * DAY + 99;
                registry.push((at, json!({"at": time(at), "set": {}, "remove": [package]})));
            }
            row["package"] = json!(package);
            community.push(row.clone());
            if part == Part::InFreezesOnly {
                row["branch"] = json!(self.first[package]);
            }
            staging.push(row);
        }
        registry.sort_by_key(|(at, _)| *at);
        let initial = json!({
            "community": {"packages": community, "versions": []},
            "staging": {"packages": staging, "versions": []},
        });
        let cran = json!({
            "2026-04-15": {"anchor": "0.5.0", "litedown": "0.10"},
            "2026-07-15": {"anchor": "0.5.0", "lagoon": "7.0.0", "litedown": "0.11"},
            "2026-10-15": {"anchor": "0.5.0", "litedown": "0.12"},
        });
        let (close, edit) = match tempers {
            Tempers::Agreeable => ("", ""),
            Tempers::Contrary => ("\"buoy\"", "\"cleat\""),
        };
        let files = BTreeMap::from([
            ("world.toml", settings(close, edit)),
            ("initial.json", initial.to_string()),
            ("registry.jsonl", lines(registry.into_iter().map(|(_, row)| row).collect())),
            ("releases.jsonl", lines(self.releases.into_values().collect())),
            ("evidence.jsonl", lines(self.evidence.into_values().collect())),
            ("cran.json", cran.to_string()),
            ("dependencies.json", json!({"dependencies": self.dependencies}).to_string()),
        ]);
        Invented { files }
    }
}

/// What becomes of a release in its universe.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Passes,
    Fails,
    HasRemotes,
    IsNotFree,
    HasAdvisory,
}

fn settings(close: &str, edit: &str) -> String {
    let mut text = format!(
        "format = 1\nname = \"A made-up world\"\necosystem = \"r-universe\"\nstart = \"{START}\"\nend = \"{END}\"\n\n\
         [[universe]]\nchannel = \"community\"\nrepository = \"tide/community\"\n\n\
         [[universe]]\nchannel = \"staging\"\nrepository = \"tide/staging\"\n\n\
         [people]\nmerge_after = \"6h\"\nclose = [{close}]\nedit = [{edit}]\n"
    );
    for (version, date) in
        [("4.5.0", "2025-04-11"), ("4.6.0", "2026-04-24"), ("4.6.1", "2026-09-01"), ("4.7.0", "2026-11-01")]
    {
        text += &format!("\n[[r_release]]\nversion = \"{version}\"\ndate = \"{date}\"\n");
    }
    for (source, universe, from, to) in [
        ("universe", "community", "2026-04-20T05:00:00Z", "2026-04-20T19:00:00Z"),
        ("universe", "staging", "2026-05-20T00:00:00Z", "2026-05-20T07:00:00Z"),
        ("cran", "staging", "2026-05-28T00:00:00Z", "2026-05-29T01:00:00Z"),
        ("cran", "community", "2026-07-15T00:00:00Z", "2026-07-15T13:00:00Z"),
        ("universe", "staging", "2026-12-14T20:00:00Z", "2026-12-15T01:00:00Z"),
    ] {
        text += &format!(
            "\n[[outage]]\nsource = \"{source}\"\nuniverse = \"{universe}\"\nfrom = \"{from}\"\nto = \"{to}\"\n"
        );
    }
    text
}
