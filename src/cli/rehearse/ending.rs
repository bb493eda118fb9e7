//! The lines that a rehearsal ends with, for a person.

use std::collections::BTreeMap;
use std::io::Write;

use super::super::{CommandError, Context};
use crate::rehearse::conda::{CondaSummary, Tests};
use crate::rehearse::output::Summary;
use crate::rehearse::rehearsal::RehearsalSettings;

/// Of a rehearsal of R packages.
pub(super) fn of_r(
    context: &mut Context<'_>,
    settings: &RehearsalSettings,
    summary: &Summary,
) -> Result<(), CommandError> {
    let out = &mut *context.out;
    writeln!(out)?;
    for snapshot in &summary.snapshots {
        let withdrawn = snapshot.withdrawn.as_ref().map(|reason| format!("; withdrawn: {reason}"));
        writeln!(
            out,
            "Snapshot {}: {} packages, {} left out{}",
            snapshot.date,
            snapshot.packages.len(),
            snapshot.left_out.len(),
            withdrawn.unwrap_or_default()
        )?;
    }
    for held in &summary.held_snapshots {
        writeln!(out, "Snapshot {}: held. {}", held.date, held.reason)?;
    }
    let count = |state: &str| summary.pull_requests.get(state).copied().unwrap_or_default();
    writeln!(
        out,
        "Pull requests: {} merged, {} closed, {} open",
        count("merged"),
        count("closed"),
        count("open")
    )?;
    print_rest(out, settings, &summary.occurrences)
}

/// Of a rehearsal of conda packages.
pub(super) fn of_conda(
    context: &mut Context<'_>,
    settings: &RehearsalSettings,
    summary: &CondaSummary,
) -> Result<(), CommandError> {
    let out = &mut *context.out;
    writeln!(out)?;
    for metapackage in &summary.metapackages {
        let passed = match metapackage.passed {
            Some(passed) => format!("passed on {}", passed.strftime("%Y-%m-%d %H:%M")),
            None => "not passed".to_owned(),
        };
        let members = metapackage.members.len();
        writeln!(out, "Metapackage {}: {members} members, {passed}", metapackage.version)?;
    }
    for change in summary.changes.iter().filter(|change| !change.culprit.is_empty()) {
        let at = change.at.strftime("%Y-%m-%d %H:%M");
        writeln!(
            out,
            "{} {} at {at}, at fault: {}",
            change.member,
            change.to,
            change.culprit.join(" with ")
        )?;
    }
    let Tests { run, green, red, reused } = summary.tests;
    writeln!(out, "Tests: {run} run ({green} green, {red} red), {reused} results known from before")?;
    print_rest(out, settings, &summary.occurrences)
}

/// What every rehearsal ends with.
fn print_rest(
    out: &mut dyn Write,
    settings: &RehearsalSettings,
    occurrences: &BTreeMap<String, u64>,
) -> Result<(), CommandError> {
    let told: Vec<String> =
        occurrences.iter().map(|(outcome, number)| format!("{number} {outcome}")).collect();
    writeln!(out, "Occurrences: {}", told.join(", "))?;
    writeln!(out, "Report: {}", settings.out.join("report.html").display())?;
    Ok(())
}
