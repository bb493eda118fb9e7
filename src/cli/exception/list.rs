//! `exception list`: every exception with how it stands.

use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;

use super::super::shown::{plain, word};
use super::super::{CommandError, Context, Output, chosen, state};
use crate::config::{Configuration, Distribution};
use crate::decide::exceptions::{self, ExceptionState};
use crate::jobs::poll_releases::SeenReleases;
use crate::jobs::sources::names;
use crate::store::Store;

/// Show every exception with how it stands
#[derive(Debug, Args)]
#[command(after_help = "An exception is in force, void because a newer version is there, or expired.

Examples:
  tidegate exception list
  tidegate exception list --distribution r-multiverse --json")]
pub(super) struct List {
    /// Only those of this distribution
    #[arg(long, value_name = "D")]
    distribution: Option<String>,
}

/// One exception.
#[derive(Serialize)]
struct Row {
    distribution: String,
    package: String,
    version: String,
    state: ExceptionState,
    by: String,
    reason: String,
    until: Date,
}

impl List {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let configuration = context.configuration_of_state()?;
        let wanted = match &self.distribution {
            Some(name) => Some(chosen::distribution(&configuration, name)?.name.clone()),
            None => None,
        };
        let now = context.clock.now();
        let rows = state::block_on(async {
            let store = context.read_state().await?;
            rows(&store, &configuration, wanted.as_deref(), now).await.map_err(CommandError::from)
        })?;
        match context.output {
            Output::Json => context.print_json(&rows),
            Output::Text => Ok(context.out.write_all(text(&rows).as_bytes())?),
        }
    }
}

async fn rows(
    store: &Store,
    configuration: &Configuration,
    wanted: Option<&str>,
    now: Timestamp,
) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (name, distribution) in &configuration.distributions {
        if wanted.is_some_and(|wanted| wanted != name) {
            continue;
        }
        let today = now.to_zoned(distribution.calendar.timezone().clone()).date();
        let known = versions(store, distribution, now).await?;
        for exception in &distribution.exceptions {
            let known = known.iter().filter(|(package, _)| *package == exception.package);
            let known = known.map(|(_, version)| version.as_str());
            rows.push(Row {
                distribution: name.clone(),
                package: exception.package.clone(),
                version: exception.version.clone(),
                state: exceptions::state(&exception.version, exception.until, today, known),
                by: exception.by.clone(),
                reason: exception.reason.clone(),
                until: exception.until,
            });
        }
    }
    rows.sort_by(|a, b| {
        (&a.distribution, &a.package, &a.version, a.until).cmp(&(
            &b.distribution,
            &b.package,
            &b.version,
            b.until,
        ))
    });
    Ok(rows)
}

/// The versions of packages that are there: the newest releases, and what channels hold.
async fn versions(
    store: &Store,
    distribution: &Distribution,
    now: Timestamp,
) -> anyhow::Result<Vec<(String, String)>> {
    let mut versions = Vec::new();
    if let Some(seen) = store.latest_seen(&names::releases(&distribution.name)).await? {
        let releases: SeenReleases = serde_json::from_slice(&seen.bytes)?;
        let newest =
            releases.into_iter().filter_map(|(package, seen)| Some((package, seen.release?.version)));
        versions.extend(newest);
    }
    for channel in &distribution.channels {
        let held = store.channel_at(&distribution.name, &channel.name, now).await?;
        versions.extend(held.into_iter().filter_map(|(package, (entry, _))| Some((package, entry.version?))));
    }
    Ok(versions)
}

fn text(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "there is no exception\n".to_owned();
    }
    let line = |row: &Row| {
        let Row { distribution, package, version, by, reason, until, .. } = row;
        let state = match row.state {
            ExceptionState::Void => "void, since a newer version is there".to_owned(),
            state => word(state),
        };
        let words = format!("{package} {version}: {state}; by {by} until {until} ({reason})");
        format!("{distribution}  {}\n", plain(&words))
    };
    rows.iter().map(line).collect()
}
