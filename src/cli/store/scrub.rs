//! `store scrub`: reads every file of the store again.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;

use clap::Args;
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use serde::Serialize;

use super::super::shown::plain;
use super::super::{CommandError, Context, Output, state};
use crate::domain::HeldFile;
use crate::publish::content::scrub::Scrubbed;

/// Read every file of the store again, and name what is damaged or missing, and who holds it
#[derive(Debug, Args)]
#[command(
    after_help = "A damaged file is set aside in .quarantine below the store, so that it is fetched again when it is needed. A
published folder on the same file system shares its bytes: verify the snapshots that are named.
Exits with 1 where anything is damaged or missing.

Examples:
  tidegate store scrub"
)]
pub(super) struct Scrub {}

/// A file that is not as it should be, and who holds it.
#[derive(Serialize)]
struct Bad {
    sha256: String,
    problem: String,
    holders: Vec<String>,
}

#[derive(Serialize)]
struct Told<'s> {
    files: usize,
    bytes: u64,
    bad: Vec<Bad>,
    strange: &'s [std::path::PathBuf],
}

impl Scrub {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let configuration = context.configuration_of_state()?;
        let content = super::store_of(context)?;
        let held = state::block_on(super::held(&configuration, context))?;
        let needed =
            held.iter().filter(|(_, files)| files.iter().any(|file| super::is_needed_here(&file.holder)));
        let needed = needed.map(|(sha256, files)| (sha256.clone(), files.iter().find_map(|file| file.size)));
        let bar = bar();
        let scrubbed = content.scrub(&needed.collect(), &|bytes| bar.inc(bytes));
        bar.finish_and_clear();
        let scrubbed = scrubbed.map_err(|error| CommandError::failed(error.to_string()))?;
        let told = Told {
            files: scrubbed.files,
            bytes: scrubbed.bytes,
            bad: bad(&scrubbed, &held),
            strange: &scrubbed.strange,
        };
        match context.output {
            Output::Json => context.print_json(&told)?,
            Output::Text => context.out.write_all(text(&told).as_bytes())?,
        }
        match scrubbed.is_sound() {
            true => Ok(()),
            false => Err(CommandError::failed("the store is not as it was kept")
                .hint("`tidegate snapshot verify DATE` tells whether what is published is damaged too")),
        }
    }
}

fn bad(scrubbed: &Scrubbed, held: &BTreeMap<String, Vec<HeldFile>>) -> Vec<Bad> {
    let holders = |sha256: &str| {
        let files = held.get(sha256).map(Vec::as_slice).unwrap_or_default();
        files.iter().map(|file| format!("{} ({})", file.holder, file.path)).collect()
    };
    let damaged = scrubbed.damaged.iter().map(|damaged| Bad {
        sha256: damaged.sha256.clone(),
        problem: format!("{}; set aside as {}", damaged.problem, damaged.aside.display()),
        holders: holders(&damaged.sha256),
    });
    let missing = scrubbed.missing.iter().map(|sha256| Bad {
        sha256: sha256.clone(),
        problem: "it is not here".to_owned(),
        holders: holders(sha256),
    });
    damaged.chain(missing).collect()
}

fn text(told: &Told<'_>) -> String {
    let mut text = String::new();
    for Bad { sha256, problem, holders } in &told.bad {
        text += &plain(&format!("{sha256}  {problem}"));
        text += "\n";
        for holder in holders {
            text += &format!("  held by {}\n", plain(holder));
        }
        if holders.is_empty() {
            text += "  held by nobody\n";
        }
    }
    for path in told.strange {
        text += &plain(&format!("{}  is no file of the store; it was left alone", path.display()));
        text += "\n";
    }
    text + &format!("{} files with {} read, {} bad\n", told.files, HumanBytes(told.bytes), told.bad.len())
}

fn bar() -> ProgressBar {
    let bar =
        if std::io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{bytes} read, {bytes_per_sec}, {elapsed}") {
        bar.set_style(style);
    }
    bar
}
