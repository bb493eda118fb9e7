//! Random universes, and upstream's rules once more: written from the description of what
//! R-multiverse's `record_status` does, as slowly and plainly as possible, and sharing no code with
//! the program.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// What one package of a random universe is like.
#[derive(Clone, Debug)]
struct Package {
    /// Pairs of role and dependency, in the order of the DESCRIPTION.
    dependencies: Vec<(&'static str, usize)>,
    license: Option<&'static str>,
    check: Option<(&'static str, &'static str)>,
    remotes: Vec<&'static str>,
    running: bool,
    recent: bool,
    cran: Option<&'static str>,
    advisory: bool,
    ledger: Ledger,
    staged: bool,
}

#[derive(Clone, Copy, Debug)]
enum Ledger {
    Missing,
    SeenOnce,
    Same,
    Lower,
    OtherCommit,
}

/// The files of a random universe.
#[derive(Clone, Debug)]
pub struct World {
    packages: Vec<Package>,
    pub universe: String,
    pub versions: String,
    pub staging: String,
    pub cran: String,
    pub runs: String,
    pub advisories: Vec<String>,
}

const VERSION: &str = "1.2";
/// Names whose order depends on the case of their letters; some that only others name.
const NAMES: [&str; 8] = ["aa", "Ab", "ac", "B1", "b2", "Zoo", "zap", "m.m"];
const OUTSIDE: [&str; 2] = ["ggplot2", "R"];

fn name(index: usize) -> &'static str {
    NAMES.iter().chain(&OUTSIDE).nth(index).unwrap()
}

fn commit(index: usize) -> String {
    format!("{:040x}", index + 1)
}

fn package() -> impl Strategy<Value = Package> {
    let role = prop::sample::select(vec!["Depends", "Imports", "LinkingTo", "Suggests", "Enhances"]);
    let dependencies = prop::collection::vec((role, 0..NAMES.len() + OUTSIDE.len()), 0..5);
    let license =
        prop::sample::select(vec![Some("GPL-3"), Some("MIT + file LICENSE"), Some("file LICENSE"), None]);
    let check = (
        prop::sample::select(vec!["OK", "NOTE", "WARNING", "ERROR", "FAIL"]),
        prop::sample::select(vec!["4.6.1", "4.5.3", "4.7.0"]),
    );
    let remotes = prop::sample::select(vec![vec![], vec![], vec![], vec!["a/b"], vec!["a/b", "c/d"]]);
    let cran = prop::sample::select(vec![
        None,
        None,
        Some("1.1"),
        Some("1.2"),
        Some("1-2"),
        Some("1.2.0"),
        Some("1.10"),
    ]);
    let ledger = prop::sample::select(vec![
        Ledger::Missing,
        Ledger::SeenOnce,
        Ledger::Same,
        Ledger::Same,
        Ledger::Same,
        Ledger::Lower,
        Ledger::OtherCommit,
    ]);
    let rarely = prop::bool::weighted(0.1);
    (
        (dependencies, license, prop::option::of(check), remotes),
        (rarely, rarely, rarely),
        (cran, ledger, prop::bool::weighted(0.3)),
    )
        .prop_map(
            |(
                (dependencies, license, check, remotes),
                (running, recent, advisory),
                (cran, ledger, staged),
            )| {
                Package {
                    dependencies,
                    license,
                    check,
                    remotes,
                    running,
                    recent,
                    cran,
                    advisory,
                    ledger,
                    staged,
                }
            },
        )
}

/// A universe of one to eight packages, with cycles and packages that depend on themselves.
pub fn world() -> impl Strategy<Value = World> {
    prop::collection::vec(package(), 1..=NAMES.len()).prop_map(World::of)
}

impl World {
    fn of(packages: Vec<Package>) -> Self {
        let each = || packages.iter().enumerate();
        let universe: Vec<String> =
            each().map(|(index, package)| package.record(index).to_string()).collect();
        let versions: Vec<Value> = each().filter_map(|(index, package)| package.ledger_row(index)).collect();
        let staging: Vec<Value> = each()
            .map(|(index, package)| {
                let branch = if package.staged { commit(index) } else { "*release".to_owned() };
                json!({"package": name(index), "url": "https://example.org/x", "branch": branch})
            })
            .collect();
        let cran: Vec<String> = each()
            .filter_map(|(index, package)| {
                Some(format!("Package: {}\nVersion: {}\n", name(index), package.cran?))
            })
            .collect();
        let runs: Vec<Value> = each()
            .filter(|(_, package)| package.running)
            .map(|(index, _)| {
                json!({
                    "id": index, "name": "Build", "display_title": format!("{} x", name(index)),
                    "status": "in_progress", "html_url": run_address(index), "created_at": "2026-08-20T10:00:00Z",
                })
            })
            .collect();
        let advisories = each()
            .filter(|(_, package)| package.advisory)
            .map(|(index, _)| {
                let package = format!("{{name: {}, ecosystem: CRAN}}", name(index));
                format!("id: RSEC-1-{index}\naffected:\n- package: {package}\n  versions: ['{VERSION}']\n")
            })
            .collect();
        Self {
            universe: universe.join("\n"),
            versions: Value::Array(versions).to_string(),
            staging: Value::Array(staging).to_string(),
            cran: cran.join("\n"),
            runs: Value::Array(runs).to_string(),
            advisories,
            packages,
        }
    }

    /// The status file, unboxed, by upstream's rules.
    pub fn expected(&self) -> Value {
        let mut entries: Vec<(usize, Map<String, Value>)> = Vec::new();
        for (index, package) in self.packages.iter().enumerate() {
            entries.push((index, package.own_issues(index)));
        }
        let bad: Vec<usize> =
            entries.iter().filter(|(_, issues)| !issues.is_empty()).map(|(index, _)| *index).collect();
        for bad in bad.into_iter().filter(|bad| !self.packages[*bad].staged) {
            let reached = self.reached_from(bad);
            for dependent in &reached {
                let through: Vec<&str> = self
                    .strong(*dependent)
                    .into_iter()
                    .filter(|dependency| reached.contains(dependency))
                    .map(name)
                    .collect();
                let issues = &mut entries[*dependent].1;
                let causes = issues.entry("dependencies").or_insert_with(|| json!({}));
                causes[name(bad)] = json!(through);
            }
        }
        entries.sort_by_key(|(index, _)| name(*index).to_lowercase());
        let mut status = Map::new();
        for (index, issues) in entries {
            let mut entry = Map::new();
            entry.insert("success".to_owned(), issues.is_empty().into());
            entry.insert("published".to_owned(), self.packages[index].published().1.into());
            entry.insert("version".to_owned(), VERSION.into());
            entry.insert("remote_hash".to_owned(), commit(index).into());
            entry.extend(issues);
            status.insert(name(index).to_owned(), Value::Object(entry));
        }
        Value::Object(status)
    }

    /// Strong dependencies inside the universe, each once, in the order of the DESCRIPTION.
    fn strong(&self, of: usize) -> Vec<usize> {
        let mut strong = Vec::new();
        for (role, dependency) in &self.packages[of].dependencies {
            let counts =
                ["Depends", "Imports", "LinkingTo"].contains(role) && *dependency < self.packages.len();
            if counts && !strong.contains(dependency) {
                strong.push(*dependency);
            }
        }
        strong
    }

    /// igraph's `subcomponent(mode = "out")` on edges from dependency to dependent, less the package
    /// itself: grown until nothing is added any more.
    fn reached_from(&self, bad: usize) -> Vec<usize> {
        let mut reached = vec![bad];
        loop {
            let more = (0..self.packages.len()).find(|candidate| {
                !reached.contains(candidate)
                    && self.strong(*candidate).iter().any(|dependency| reached.contains(dependency))
            });
            match more {
                Some(more) => reached.push(more),
                None => break,
            }
        }
        reached.retain(|package| *package != bad);
        reached
    }
}

fn run_address(index: usize) -> String {
    format!("https://example.org/runs/{index}")
}

impl Package {
    /// When it was published: as the universe says it and as a status file does. The command is run
    /// at noon.
    fn published(&self) -> (&'static str, &'static str) {
        match self.recent {
            true => ("2026-08-20T11:57:00.500Z", "2026-08-20 11:57:00.500 UTC"),
            false => ("2026-08-02T01:02:03.004Z", "2026-08-02 01:02:03.004 UTC"),
        }
    }

    fn record(&self, index: usize) -> Value {
        let dependencies: Vec<Value> = self
            .dependencies
            .iter()
            .map(|(role, dependency)| json!({"package": name(*dependency), "role": role}))
            .collect();
        let jobs: Vec<Value> = self
            .check
            .iter()
            .map(|(check, r)| json!({"config": "linux-release", "check": check, "r": r, "job": 9}))
            .collect();
        json!({
            "Package": name(index), "Version": VERSION, "RemoteSha": commit(index), "License": self.license,
            "Remotes": self.remotes, "_published": self.published().0, "_dependencies": dependencies,
            "_jobs": jobs, "_buildurl": "https://example.org/b",
        })
    }

    fn ledger_row(&self, index: usize) -> Option<Value> {
        let row = |version: &str, highest: Value| {
            let mut row = json!({
                "package": name(index), "version_current": version, "hash_current": commit(index),
            });
            row.as_object_mut().unwrap().extend(highest.as_object().unwrap().clone());
            row
        };
        match self.ledger {
            Ledger::Missing => None,
            Ledger::SeenOnce => Some(row(VERSION, json!({}))),
            Ledger::Same => {
                Some(row(VERSION, json!({"version_highest": VERSION, "hash_highest": commit(index)})))
            }
            Ledger::Lower => Some(row(VERSION, json!({"version_highest": "2.0", "hash_highest": "x"}))),
            Ledger::OtherCommit => {
                Some(row(VERSION, json!({"version_highest": VERSION, "hash_highest": "x"})))
            }
        }
    }

    /// Issues one to seven, in upstream's order.
    fn own_issues(&self, index: usize) -> Map<String, Value> {
        let mut issues = Map::new();
        if self.advisory {
            let address = format!(
                "https://github.com/RConsortium/r-advisory-database/blob/main/vulns/{}/RSEC-1-{index}.yaml",
                name(index)
            );
            issues.insert("advisories".to_owned(), json!([address]));
        }
        if self.license == Some("file LICENSE") {
            issues.insert("license".to_owned(), json!("file LICENSE"));
        }
        if let Some((check @ ("WARNING" | "ERROR"), r @ "4.6.1")) = self.check {
            let address = "https://example.org/b/job/9";
            let found = json!([{"check": check, "config": "linux-release", "r": r, "url": address}]);
            issues.insert("r_cmd_check".to_owned(), found);
        }
        if !self.remotes.is_empty() {
            issues.insert("remotes".to_owned(), json!(self.remotes));
        }
        if self.running {
            issues.insert("synchronization".to_owned(), run_address(index).into());
        } else if self.recent {
            issues.insert("synchronization".to_owned(), "recent".into());
        }
        // Of the versions that CRAN may have here, these two are higher than 1.2.
        if let Some(cran @ ("1.2.0" | "1.10")) = self.cran {
            issues.insert("cran".to_owned(), cran.into());
        }
        let highest = match self.ledger {
            Ledger::Lower => Some("2.0"),
            Ledger::OtherCommit => Some(VERSION),
            _ => None,
        };
        if let Some(highest) = highest {
            let versions = json!({
                "version_current": VERSION, "hash_current": commit(index),
                "version_highest": highest, "hash_highest": "x",
            });
            issues.insert("versions".to_owned(), versions);
        }
        issues
    }
}
