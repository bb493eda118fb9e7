//! How long a full recheck plan takes for 80 members beside 20,000 records, and how many tests a year of
//! drift asks for beside testing everything in each pass; and in how much memory. The floor is reading
//! the indexes once. Tests are played and nothing is fetched: what is measured is solving and deciding.
//!
//! Of the year the first `DAYS` days are lived through, one pass a day, and each day is compared with what testing
//! everything would have found; 365 take some minutes: `cargo bench --bench recheck_year [-- DAYS]`. Each
//! measurement is a process of its own, so that its memory is its own.

#[path = "../tests/it/conda/drift_passes.rs"]
#[allow(dead_code, reason = "the test looks at each played test too")]
mod drift_passes;
#[path = "../tests/it/conda/drift_year.rs"]
#[allow(dead_code, reason = "the test asks what was withdrawn too")]
mod drift_year;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tidegate::decide::recheck::recheck;

use drift_passes::{Passes, compare, solve_all};
use drift_year::{DAYS, Size, Year};

/// About 20,000 records over the year, of which a member can reach some 2,000.
const FULL: Size =
    Size { members: 80, packages: 1300, named: 12, versions: 13, every: 1, arrivals: 8, faults: 60 };
/// How many days of the year are lived through.
const SHORTENED: u32 = 60;

/// Says to a child which measurement it is; cargo passes arguments of its own.
const MEASUREMENT: &str = "TIDEGATE_BENCH_MEASUREMENT";

fn main() -> anyhow::Result<()> {
    let days = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(SHORTENED);
    if let Ok(measurement) = std::env::var(MEASUREMENT) {
        return measure(&measurement, days);
    }
    println!("{} members, {} records over the year", FULL.members, Year::new(FULL).records());
    for measurement in ["floor", "full plan", "year"] {
        let mut command = Command::new(std::env::current_exe()?);
        let status = command.arg(days.to_string()).env(MEASUREMENT, measurement).status()?;
        anyhow::ensure!(status.success(), "`{measurement}` failed");
    }
    Ok(())
}

fn measure(measurement: &str, days: u32) -> anyhow::Result<()> {
    let year = Year::new(FULL);
    let told = match measurement {
        "floor" => floor(&year)?,
        "full plan" => full_plan(&year)?,
        _ => live_through(&year, days.clamp(1, DAYS))?,
    };
    println!("{measurement}: {told}; peak {}", peak_memory()?);
    Ok(())
}

/// Both indexes of the last day, read once.
fn floor(year: &Year) -> anyhow::Result<String> {
    let index = year.external_index(DAYS - 1);
    let start = Instant::now();
    let channels = year.channels(index)?;
    let took = start.elapsed();
    let records: usize = channels.iter().map(|channel| channel.builds().len()).sum();
    Ok(format!("{} to read indexes of {records} records", seconds(took)))
}

/// What a pass does on the last day for members of which no test is known.
fn full_plan(year: &Year) -> anyhow::Result<String> {
    let index = year.external_index(DAYS - 1);
    let start = Instant::now();
    let channels = year.channels(index)?;
    let members = year.members(&channels[0])?;
    let read = start.elapsed();
    let solved = solve_all(&channels, &members);
    let solve = start.elapsed() - read;
    let plan = recheck(&Passes::default().facts(DAYS - 1, &solved));
    let decide = start.elapsed() - read - solve;
    let (solves, tests) = (solved.len(), plan.tests.len());
    let environments = solved.iter().filter_map(|(_, solved)| drift_passes::environment(solved));
    let largest = environments.map(|environment| environment.builds().len()).max().unwrap_or(0);
    Ok(format!(
        "{} in all: {} to read, {} for {solves} solves of up to {largest} builds, {} to want {tests} tests",
        seconds(start.elapsed()),
        seconds(read),
        seconds(solve),
        seconds(decide)
    ))
}

/// Lives through the year, and fails where a day's decision is not what testing everything would have found.
fn live_through(year: &Year, days: u32) -> anyhow::Result<String> {
    let (mut passes, mut states) = (Passes::default(), BTreeMap::new());
    let (mut red_days, mut bitten, mut most_records) = (0, BTreeSet::new(), 0);
    for day in 0..days {
        let channels = year.channels(year.external_index(day))?;
        most_records = most_records.max(channels.iter().map(|channel| channel.builds().len()).sum());
        let solved = solve_all(&channels, &year.members(&channels[0])?);
        let plan = passes.pass(day, &solved, year.faults());
        states.extend(plan.verdicts.into_iter().map(|verdict| (verdict.case.member.name, verdict.state)));
        let truth = compare(day, &states, &solved, year.faults());
        anyhow::ensure!(truth.wrong.is_empty(), "missed or invented: {}", truth.wrong.join("; "));
        red_days += truth.red;
        bitten.extend(truth.bitten);
    }
    let everything = days * FULL.members;
    Ok(format!(
        "{days} of {DAYS} days, a pass each, over up to {most_records} records; {} faults bit, {red_days} red days of \
         members, none missed and none invented; {} tests, {everything} if everything is tested each time",
        bitten.len(),
        passes.played()
    ))
}

fn seconds(took: Duration) -> String {
    format!("{:.3} s", took.as_secs_f64())
}

/// The most memory that this process has held at once, as Linux counts it.
fn peak_memory() -> anyhow::Result<String> {
    let status =
        std::fs::read_to_string("/proc/self/status").context("only Linux says how much memory was used")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim().to_owned())
}
