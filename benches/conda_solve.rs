//! How long it takes to read a channel of 20,000 records, to solve its 80 members together, to solve
//! the 80 cases of a recheck, and to tell which two of the members are at fault; and in how much
//! memory.
//!
//! The channels are made, always the same: `cargo bench --bench conda_solve [-- RECORDS MEMBERS]`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::{Map, Value, json};
use tidegate::domain::Build;
use tidegate::ecosystem::conda::channel::ChannelIndex;
use tidegate::ecosystem::conda::solve::{SolveError, SolveTask, solve};
use tidegate::ecosystem::conda::spec::{Spec, exact_spec};

/// How many versions each external package has.
const VERSIONS: u64 = 13;

fn main() -> anyhow::Result<()> {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let (records, members) =
        (numbers.first().copied().unwrap_or(20_000), numbers.get(1).copied().unwrap_or(80));
    let (forge, staged) = (externals(records), plugins(members, records / VERSIONS));
    let channels =
        timed("read both indexes", || Ok([channel("staged", &staged)?, channel("forge", &forge)?]))?;
    let newest = |name: String| {
        let spec = Spec::lenient(&name)?;
        channels[0].newest(&spec, "linux-64").with_context(|| format!("there is no {name}"))
    };
    let exact: Vec<String> = (0..members)
        .map(|index| newest(format!("plugin-{index}")).map(|build: Build| exact_spec(&build)))
        .collect::<Result<_, _>>()?;
    let task = |specs: &[String]| SolveTask::new(&channels, "linux-64").wanting(specs.to_vec());

    let together = timed("solve all members together", || Ok(solve(&task(&exact))?))?;
    println!("  {} packages chosen", together.environment().builds().len());
    timed("solve each member for a recheck", || {
        for member in &exact {
            solve(&SolveTask { constraints: exact.clone(), ..task(std::slice::from_ref(member)) })?;
        }
        Ok(())
    })?;
    let quarrel = [exact, vec!["base-0 <2".to_owned()]].concat();
    timed("tell the two at fault among all members", || match solve(&task(&quarrel)) {
        Err(SolveError::Impossible { conflict: Some((one, other)), .. }) => {
            println!("  {one} and {other}");
            Ok(())
        }
        other => anyhow::bail!("{other:?}"),
    })?;
    println!("peak memory: {}", peak_memory()?);
    Ok(())
}

fn timed<T>(what: &str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let start = Instant::now();
    let result = work()?;
    let took: Duration = start.elapsed();
    println!("{what}: {:.3} s", took.as_secs_f64());
    Ok(result)
}

/// Packages in layers, as external channels have them: each version needs its neighbours of about the
/// same age, so that a wrong guess has to be taken back.
fn externals(records: u64) -> Map<String, Value> {
    let mut made = Map::new();
    let mut numbers = Numbers(7);
    for package in 0..records / VERSIONS {
        for version in 0..VERSIONS {
            let depends: Vec<String> = (0..numbers.below(4).min(package))
                .map(|_| {
                    let on = numbers.below(package);
                    match numbers.below(2) {
                        0 => format!("base-{on} >={version},<{}", version + 2),
                        _ => format!("base-{on} >={}", version.saturating_sub(3)),
                    }
                })
                .collect();
            add(&mut made, &format!("base-{package}"), version, &depends);
        }
    }
    made
}

/// Plugins that need each other and some external packages.
fn plugins(members: u64, packages: u64) -> Map<String, Value> {
    let mut made = Map::new();
    let mut numbers = Numbers(11);
    for plugin in 0..members {
        for version in 0..6 {
            let externals = (0..6).map(|_| format!("base-{} >={version}", numbers.below(packages)));
            let mut depends: Vec<String> = externals.collect();
            depends.push("base-0 >=5".to_owned());
            if plugin > 0 {
                depends.push(format!("plugin-{} >={version}", numbers.below(plugin)));
            }
            add(&mut made, &format!("plugin-{plugin}"), version, &depends);
        }
    }
    made
}

fn add(made: &mut Map<String, Value>, name: &str, version: u64, depends: &[String]) {
    let file = format!("{name}-{version}.0-h_0.conda");
    // A digest of its own for each file; nothing is fetched.
    let sha256: String =
        file.bytes().chain(std::iter::repeat(0)).take(32).map(|byte| format!("{byte:02x}")).collect();
    made.insert(
        file,
        json!({
            "name": name, "version": format!("{version}.0"), "build": "h_0", "build_number": 0,
            "depends": depends, "subdir": "noarch", "sha256": sha256, "timestamp": 1_700_000_000_000_u64,
        }),
    );
}

fn channel(name: &str, records: &Map<String, Value>) -> anyhow::Result<ChannelIndex> {
    let index = json!({ "info": { "subdir": "noarch" }, "packages.conda": records });
    let indexes = BTreeMap::from([("noarch".to_owned(), index.to_string().into_bytes())]);
    Ok(ChannelIndex::new(format!("/{name}").parse()?, &indexes)?)
}

/// Numbers that look random and are always the same (Knuth's MMIX generator).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit.max(1)
    }
}

/// The most memory that this process has held at once, as Linux counts it.
fn peak_memory() -> anyhow::Result<String> {
    let status =
        std::fs::read_to_string("/proc/self/status").context("only Linux says how much memory was used")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim().to_owned())
}
