//! The processes below this one: how much memory they hold, and their end.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// How often the end of processes that start others is tried.
const ROUNDS: usize = 20;

/// Makes this process the parent of what its children leave behind, so that nothing a test puts into the
/// background gets out of sight.
pub(super) fn adopt_orphans() {
    // Where the kernel refuses, bubblewrap's own namespace of processes still holds them.
    if let Err(error) = nix::sys::prctl::set_child_subreaper(true) {
        tracing::warn!("cannot become the parent of orphans: {error}");
    }
}

/// Ends every process below this one. Those that start others meanwhile are found in the next round.
pub(super) fn end_descendants() {
    for _ in 0..ROUNDS {
        let alive = descendants();
        if alive.is_empty() {
            return;
        }
        for process in alive {
            // It may have ended by itself since it was seen.
            let _ = kill(Pid::from_raw(process), Signal::SIGKILL);
        }
        while let Ok(status) = nix::sys::wait::waitpid(None, Some(nix::sys::wait::WaitPidFlag::WNOHANG))
            && status != nix::sys::wait::WaitStatus::StillAlive
        {}
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Returns when the processes below this one hold more than `limit` bytes together; `peak` follows the
/// most that was seen.
pub(super) async fn over_memory(limit: u64, peak: &mut Option<u64>) {
    let mut look = tokio::time::interval(LOOK);
    loop {
        look.tick().await;
        let processes = descendants();
        let resident: u64 = processes.iter().filter_map(|process| field(*process, "status", "VmRSS:")).sum();
        if resident <= peak.unwrap_or(0) {
            continue;
        }
        // Pages that processes share are counted for each of them in the cheap number, so one that would
        // count is checked with the dear one.
        let shares = |process: &i32| {
            field(*process, "smaps_rollup", "Pss:").or_else(|| field(*process, "status", "VmRSS:"))
        };
        let held: u64 = processes.iter().filter_map(shares).sum();
        *peak = Some(peak.unwrap_or(0).max(held));
        if held > limit {
            return;
        }
    }
}

/// A line of a file of `/proc` that counts in kB, as bytes.
fn field(process: i32, file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/{file}")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(number * 1024)
}

/// The processes below this one that have not ended, children first.
fn descendants() -> Vec<i32> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(process) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        if let Some(parent) = living_parent(process) {
            children.entry(parent).or_default().push(process);
        }
    }
    let mut found = Vec::new();
    let mut next = vec![i32::try_from(std::process::id()).unwrap_or(i32::MAX)];
    while let Some(parent) = next.pop() {
        let below = children.remove(&parent).unwrap_or_default();
        found.extend(&below);
        next.extend(below);
    }
    found
}

/// The parent of a process that is no zombie. `stat` reads `number (name) state parent ...`, and the name
/// may hold anything, so it is read from its last parenthesis on.
fn living_parent(process: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    match fields.next()? {
        "Z" | "X" => None,
        _ => fields.next()?.parse().ok(),
    }
}
