//! What a test may take, and what becomes of one that takes more.

use tidegate::domain::TestVerdict;
use tidegate::engine::{Assignment, Limits};

use super::made::{Place, command, log_of, report_of, there};

const MIB: u64 = 1 << 20;

fn limited(key: &str, code: &str, limits: Limits) -> Assignment {
    Assignment { limits, ..command(key, code) }
}

fn failed_with(verdict: &TestVerdict) -> &str {
    match verdict {
        TestVerdict::Fail { detail, .. } => detail,
        verdict => panic!("{verdict:?}"),
    }
}

#[tokio::test]
async fn tests_that_do_not_end_are_ended_with_all_they_started() {
    if !there("bwrap") {
        return;
    }
    let place = Place::new();
    let limits = Limits { time: 1, ..Limits::default() };
    // A name that no other process on this machine has.
    let seconds = format!("9{}", std::process::id());
    let code = format!("setsid sleep {seconds} & sleep {seconds}");
    let report = report_of(&place, &limited("slow", &code, limits)).await;
    assert_eq!(report.verdict, TestVerdict::TimedOut { after: 1 });
    let sleeping = std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        line == format!("sleep\0{seconds}\0").as_bytes()
    });
    assert!(!sleeping, "something still sleeps");
}

#[tokio::test]
async fn output_over_its_limit_is_cut_and_does_not_fail_the_test() {
    if !there("bwrap") {
        return;
    }
    let place = Place::new();
    let limits = Limits { output: 1_000, ..Limits::default() };
    let report = report_of(&place, &limited("loud", "yes loud | head -c 5000000; echo", limits)).await;
    assert_eq!(report.verdict, TestVerdict::Pass);
    let log = log_of(&place, "loud");
    assert!(log.contains("\n[tidegate] cut here: the limit is 1000 bytes\n"), "{log}");
    assert!(log.contains("\n[tidegate] 4999001 more bytes of output were not kept\n"), "{log}");
    assert!(log.len() < 2_000);
}

#[tokio::test]
async fn a_test_over_its_memory_is_stopped_and_told_so() {
    if !there("bwrap") {
        return;
    }
    let place = Place::new();
    let limits = Limits { memory: 100 * MIB, ..Limits::default() };
    // `tail` keeps a line until it ends, and this one never does.
    let code = "{ head -c 300M /dev/zero; sleep 60; } | tail -n 1 > /dev/null";
    let report = report_of(&place, &limited("hungry", code, limits)).await;
    let detail = failed_with(&report.verdict);
    assert!(detail.starts_with("stopped: it used more than 104857600 bytes of memory"), "{detail}");
    assert!(report.peak_memory.unwrap() > 100 * MIB);
}

#[tokio::test]
async fn a_test_over_its_disk_is_stopped_and_told_so() {
    if !there("bwrap") {
        return;
    }
    let place = Place::new();
    let limits = Limits { disk: 20 * MIB, ..Limits::default() };
    let code = "for i in 1 2 3 4 5; do head -c 10M /dev/zero > /tmp/$i; done; sleep 60";
    let report = report_of(&place, &limited("many", code, limits)).await;
    let detail = failed_with(&report.verdict);
    assert!(detail.starts_with("stopped: it wrote more than 20971520 bytes to the disk"), "{detail}");

    let report = report_of(&place, &limited("large", "exec head -c 50M /dev/zero > large", limits)).await;
    let detail = failed_with(&report.verdict);
    assert!(detail.starts_with("ended by signal 25"), "{detail}");
}
