//! What a run gave back: a zip file that strangers' machines made. It is read within limits, and nothing in it
//! is believed that does not fit the assignment.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};

use zip::ZipArchive;

use crate::domain::{FailedStep, TestVerdict};
use crate::engine::folder::{LOG, RESULT};
use crate::engine::{Assignment, Limits, Report};

/// More files than this were never put there by our workflow.
const ENTRIES: usize = 16;
/// The most bytes of a report: its longest part is the end of a log.
const LARGEST_REPORT: u64 = 256 << 10;
/// The most characters of what a step is called.
const LONGEST_STEP: usize = 16 << 10;
/// What a worker notes in the log beside the output.
const NOTES: u64 = 1 << 20;

/// What came back of an assignment.
#[derive(Debug)]
pub(super) struct Returned {
    pub report: Report,
    pub log: Vec<u8>,
}

/// The most bytes that the zip file of an assignment may have.
pub(super) fn largest(limits: &Limits) -> u64 {
    limits.output.saturating_add(NOTES).saturating_add(LARGEST_REPORT).saturating_add(NOTES)
}

/// Reads the zip file of a run. The error says, for people, why it is no answer to the assignment.
pub(super) fn read(zip: &[u8], assignment: &Assignment) -> Result<Returned, String> {
    let log = assignment.limits.output.saturating_add(NOTES);
    let mut files = files(zip, &[(RESULT, LARGEST_REPORT), (LOG, log)])?;
    let text = files.remove(RESULT).ok_or_else(|| format!("it holds no {RESULT}"))?;
    let report = report(&text, assignment).map_err(|why| format!("its {RESULT} is refused: {why}"))?;
    Ok(Returned { report, log: files.remove(LOG).unwrap_or_default() })
}

/// The wanted files of a zip file, each within its limit. Nothing else is unpacked.
fn files(zip: &[u8], wanted: &[(&'static str, u64)]) -> Result<BTreeMap<&'static str, Vec<u8>>, String> {
    let damaged = |error: zip::result::ZipError| format!("it is no zip file that can be read: {error}");
    let mut archive = ZipArchive::new(Cursor::new(zip)).map_err(damaged)?;
    if archive.len() > ENTRIES {
        return Err(format!("it has more than {ENTRIES} files"));
    }
    let mut found = BTreeMap::new();
    for position in 0..archive.len() {
        let entry = archive.by_index(position).map_err(damaged)?;
        let named = wanted.iter().find(|(name, _)| entry.name_raw() == name.as_bytes());
        let Some((name, limit)) = named.filter(|_| entry.is_file()) else { continue };
        let mut content = Vec::new();
        let read = entry.take(limit + 1).read_to_end(&mut content);
        read.map_err(|error| format!("{name} in it is damaged: {error}"))?;
        if content.len() as u64 > *limit {
            return Err(format!("{name} in it has more than {limit} bytes"));
        }
        if found.insert(*name, content).is_some() {
            return Err(format!("it has two files {name}"));
        }
    }
    Ok(found)
}

/// A report that is about this assignment and says nothing that could not be.
fn report(text: &[u8], assignment: &Assignment) -> Result<Report, String> {
    let value: serde_json::Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let report = Report::deserialize_strictly(&value)?;
    let Limits { time, .. } = assignment.limits;
    match &report.key {
        Some(key) if *key == assignment.key => {}
        Some(_) => return Err("it is about another assignment".to_owned()),
        None => return Err("the worker could not read its assignment".to_owned()),
    }
    if report.log != LOG || report.finished_at < report.started_at {
        return Err("no worker writes such a report".to_owned());
    }
    match &report.verdict {
        TestVerdict::TimedOut { after } if *after != time => Err(format!("its limit was not {time} s")),
        TestVerdict::Fail {
            step: FailedStep::Command { command: words, .. } | FailedStep::Import(words),
            ..
        } if words.len() > LONGEST_STEP => Err("the name of its step is too long".to_owned()),
        _ => Ok(report),
    }
}

impl Report {
    /// Reads a report of another machine. What it says beyond what is known here is an error: the worker
    /// there may be of another version, and mean something else.
    fn deserialize_strictly(value: &serde_json::Value) -> Result<Self, String> {
        let report: Self = serde_json::from_value(value.clone()).map_err(|error| error.to_string())?;
        let known = serde_json::to_value(&report).map_err(|error| error.to_string())?;
        if known == *value {
            Ok(report)
        } else {
            Err("it says what this version of tidegate does not know".to_owned())
        }
    }
}
