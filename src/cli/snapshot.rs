//! `snapshot`: what was published, from the state and the published folders.

mod contents;
mod diff;
mod place;
mod publish;
mod steer;
mod verify;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::civil::Date;
use serde::Serialize;

use super::shown::{plain, rows, word};
use super::{CommandError, Context, Output, chosen, state};
use crate::config::Configuration;
use crate::jobs::snapshot::Manifest;
use crate::store::{Publication, PublicationState, Snapshot, Store};

/// Look at snapshots, withdraw from them, and go back to an earlier one
#[derive(Debug, Args)]
pub(super) struct Snapshots {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    List(List),
    Show(Show),
    Diff(diff::Diff),
    Verify(verify::Verify),
    Publish(publish::Publish),
    Withdraw(steer::Withdraw),
    Rollback(steer::Rollback),
}

/// List snapshots, oldest first
#[derive(Debug, Args)]
struct List {
    /// Only this distribution
    #[arg(long, value_name = "NAME")]
    distribution: Option<String>,
}

/// Show a snapshot: its packages, and what was left out and why
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tidegate snapshot show 2026-06-15
  tidegate --state rehearsal snapshot show 2026-06-15 --json
  tidegate snapshot show /mnt/mirror/r-multiverse/2026-06-15")]
struct Show {
    /// Its date, or the folder of a copy
    #[arg(value_name = "SNAPSHOT")]
    which: String,
    /// The distribution; may be left out where there is only one
    #[arg(long, value_name = "NAME")]
    distribution: Option<String>,
}

/// A snapshot with its manifest.
#[derive(Serialize)]
struct Shown {
    /// Its row; none for a folder.
    #[serde(flatten)]
    snapshot: Option<Snapshot>,
    /// Where it is published; none where it is not.
    folder: Option<PathBuf>,
    /// At which targets it lies, or is to lie.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    targets: Vec<Publication>,
    manifest: Option<Manifest>,
}

impl Snapshots {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        match self.what {
            What::List(list) => list.run(context),
            What::Show(show) => show.run(context),
            What::Diff(diff) => diff.run(context),
            What::Verify(verify) => verify.run(context),
            What::Publish(publish) => publish.run(context),
            What::Withdraw(withdraw) => withdraw.run(context),
            What::Rollback(rollback) => rollback.run(context),
        }
    }
}

impl List {
    fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let configuration = context.configuration_of_state()?;
        let snapshots = state::block_on(async {
            let store = context.read_state().await?;
            let mut snapshots = Vec::new();
            for name in named(&configuration, self.distribution.as_deref())? {
                snapshots.extend(store.snapshots(name).await?);
            }
            Ok(snapshots)
        })?;
        match context.output {
            Output::Json => context.print_json(&snapshots),
            Output::Text => print(context, &snapshots),
        }
    }
}

/// The distributions that are asked for.
fn named<'c>(configuration: &'c Configuration, name: Option<&str>) -> Result<Vec<&'c str>, CommandError> {
    match name {
        Some(name) => Ok(vec![&chosen::distribution(configuration, name)?.name]),
        None => Ok(configuration.distributions.keys().map(String::as_str).collect()),
    }
}

fn print(context: &mut Context<'_>, snapshots: &[Snapshot]) -> Result<(), CommandError> {
    if snapshots.is_empty() {
        writeln!(context.out, "no snapshot yet")?;
    }
    for snapshot in snapshots {
        let Snapshot { distribution, date, packages, .. } = snapshot;
        let reason = snapshot.reason.as_deref().map(plain).unwrap_or_default();
        let state = word(snapshot.state);
        let things = if *packages == 1 { "package" } else { "packages" };
        let line = format!("{date}  {distribution}  {state:<9}  {packages:>5} {things:<8}  {reason}");
        writeln!(context.out, "{}", line.trim_end())?;
    }
    Ok(())
}

impl Show {
    fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let shown = match self.which.parse::<Date>() {
            Ok(date) => Self::of_state(date, self.distribution.as_deref(), context)?,
            Err(_) => {
                let place = place::place(&self.which, None, context)?;
                let manifest = Some(place::manifest(&place)?);
                Shown { snapshot: None, folder: Some(place.folder), targets: Vec::new(), manifest }
            }
        };
        match context.output {
            Output::Json => context.print_json(&shown),
            Output::Text => Ok(context.out.write_all(text(&shown).as_bytes())?),
        }
    }

    fn of_state(
        date: Date,
        distribution: Option<&str>,
        context: &mut Context<'_>,
    ) -> Result<Shown, CommandError> {
        let configuration = context.configuration_of_state()?;
        let names = named(&configuration, distribution)?;
        let [name] = names[..] else {
            let message = "there are several distributions: name one with --distribution";
            return Err(CommandError::invalid(message));
        };
        let (snapshot, targets) = state::block_on(async {
            let store = context.read_state().await?;
            let snapshot = find(&store, name, date).await?;
            let publications = store.publications(name).await?.into_iter();
            Ok((snapshot, publications.filter(|one| one.date == date).collect()))
        })?;
        let shown = with_manifest(snapshot, published(&configuration, name, date, context))?;
        Ok(Shown { targets, ..shown })
    }
}

async fn find(store: &Store, distribution: &str, date: Date) -> Result<Snapshot, CommandError> {
    if let Some(snapshot) = store.snapshot(distribution, date).await? {
        return Ok(snapshot);
    }
    let known: Vec<String> =
        store.snapshots(distribution).await?.iter().map(|snapshot| snapshot.date.to_string()).collect();
    let hint = match known.is_empty() {
        true => "there is none yet".to_owned(),
        false => format!("there are {}", known.join(", ")),
    };
    Err(CommandError::invalid(format!("{distribution} has no snapshot {date}")).hint(hint))
}

/// The folder that a snapshot is published in: beside the state where that is a rehearsal's.
fn published(
    configuration: &Configuration,
    distribution: &str,
    date: Date,
    context: &Context<'_>,
) -> Option<PathBuf> {
    let beside = context.state.as_ref().map(|state| state.join("published"));
    let written = configuration.settings.publish.as_ref().map(|publish| publish.directory.clone());
    let roots = beside.into_iter().chain(written);
    roots.map(|root| root.join(distribution).join(date.to_string())).find(|folder| folder.is_dir())
}

/// The snapshot with its manifest, where it is published.
fn with_manifest(snapshot: Snapshot, folder: Option<PathBuf>) -> Result<Shown, CommandError> {
    let (Some(folder), Some(_)) = (folder, &snapshot.manifest_digest) else {
        return Ok(Shown { snapshot: Some(snapshot), folder: None, targets: Vec::new(), manifest: None });
    };
    let place = place::Place { folder, manifest_sha256: snapshot.manifest_digest.clone() };
    let manifest = Some(place::manifest(&place)?);
    Ok(Shown { snapshot: Some(snapshot), folder: Some(place.folder), targets: Vec::new(), manifest })
}

fn text(shown: &Shown) -> String {
    let Shown { snapshot, folder, targets, manifest } = shown;
    let mut lines = Vec::new();
    if let Some(snapshot) = snapshot {
        lines.extend([("state", word(snapshot.state)), ("packages", snapshot.packages.to_string())]);
        lines.extend(snapshot.reason.as_ref().map(|reason| ("reason", plain(reason))));
        lines.extend(snapshot.published_at.map(|at| ("published", at.to_string())));
        let digest = snapshot.manifest_digest.as_ref();
        lines.extend(digest.map(|digest| ("manifest", format!("sha256 {digest}"))));
    }
    lines.extend(folder.as_ref().map(|folder| ("folder", folder.display().to_string())));
    let named = match (snapshot, manifest) {
        (Some(snapshot), _) => format!("snapshot {} of {}", snapshot.date, snapshot.distribution),
        (None, Some(manifest)) => format!("snapshot {} of {}", manifest.date, plain(&manifest.distribution)),
        (None, None) => "snapshot".to_owned(),
    };
    let mut text = format!("{named}\n{}", rows(lines));
    if !targets.is_empty() {
        text += "\ntargets\n";
    }
    for publication in targets {
        text += &format!("  {}\n", plain(&standing(publication)));
    }
    if let (Some(manifest), Some(folder)) = (manifest, folder) {
        text += &contents::contents(manifest, folder);
    }
    text
}

/// How a snapshot stands at a target, as one line.
pub(super) fn standing(publication: &Publication) -> String {
    let Publication { target, generation, state, changed_at, attempts, .. } = publication;
    let generation = if *generation > 1 { format!(", generation {generation}") } else { String::new() };
    let what = match state {
        PublicationState::Done => format!("there since {changed_at}"),
        PublicationState::Wanted | PublicationState::InProgress => {
            let next = publication.next_try_at.map(|at| format!(", tried again at {at}")).unwrap_or_default();
            let tried = if *attempts == 1 { "once".to_owned() } else { format!("{attempts} times") };
            format!("to be sent, tried {tried}{next}")
        }
        PublicationState::Failed => "refused, and given up".to_owned(),
        PublicationState::Superseded => "superseded by a later generation".to_owned(),
    };
    let error = publication.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    format!("{target}{generation}  {what}{error}")
}
