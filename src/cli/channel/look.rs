//! `channel list` and `channel show`: what channels hold now, held before, and hold no longer.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use crate::cli::shown::{plain, rows};
use crate::cli::{CommandError, Context, Output, chosen, state};
use crate::config::{CondaDistribution, Configuration};
use crate::ecosystem::conda::record::Record;
use crate::publish::channel::{ChannelError, ChannelFolder, Contents};
use crate::store::Withdrawal;

/// List conda channels: their generation, and how much they hold
#[derive(Debug, Args)]
pub(super) struct List {
    /// Only this distribution
    distribution: Option<String>,
}

/// Show a channel: its files, the generations that are kept, and what was withdrawn
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tidegate channel show qiime2-tiny passed
  tidegate --state rehearsal channel show qiime2-tiny passed --json")]
pub(super) struct Show {
    /// The distribution
    distribution: String,
    /// The channel
    channel: String,
}

/// A channel at a glance.
#[derive(Serialize)]
struct Listed {
    distribution: String,
    channel: String,
    folder: PathBuf,
    /// What readers see; absent where nothing was published.
    generation: Option<u64>,
    files: usize,
    withdrawn: usize,
}

/// A channel whole.
#[derive(Serialize)]
struct Shown {
    distribution: String,
    channel: String,
    folder: PathBuf,
    generation: Option<u64>,
    files: Vec<File>,
    /// The kept generations, the oldest first.
    kept: Vec<Generation>,
    withdrawals: Vec<Withdrawal>,
}

#[derive(Serialize)]
struct File {
    subdir: String,
    file_name: String,
    sha256: String,
}

#[derive(Serialize)]
struct Generation {
    generation: u64,
    files: usize,
    /// What it has and the current one has not, as `<subdir>/<file name>`.
    only_here: Vec<String>,
    /// What the current one has and it has not.
    not_here: Vec<String>,
}

impl List {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let configuration = context.configuration_of_state()?;
        let distributions: Vec<&CondaDistribution> = match &self.distribution {
            Some(name) => vec![chosen::conda(&configuration, name)?],
            None => configuration.conda.values().collect(),
        };
        let mut listed = Vec::new();
        for distribution in distributions {
            let withdrawals = withdrawals(distribution, context)?;
            for channel in &distribution.channels {
                let folder = published(&configuration, &channel.path, context);
                let reader = ChannelFolder::new(&folder).map_err(ChannelError::from)?;
                let generation = reader.current()?;
                let files = match generation {
                    Some(generation) => reader.contents(generation)?.iter().count(),
                    None => 0,
                };
                let withdrawn = in_force(&withdrawals, &channel.name).count();
                let (distribution, channel) = (distribution.name.clone(), channel.name.clone());
                listed.push(Listed { distribution, channel, folder, generation, files, withdrawn });
            }
        }
        match context.output {
            Output::Json => context.print_json(&listed),
            Output::Text => print_list(context, &listed),
        }
    }
}

fn print_list(context: &mut Context<'_>, listed: &[Listed]) -> Result<(), CommandError> {
    if listed.is_empty() {
        writeln!(context.out, "no conda distribution is configured")?;
    }
    for one in listed {
        let name = format!("{}/{}", one.distribution, one.channel);
        let state = match one.generation {
            Some(generation) => format!("generation {generation}, {} files", one.files),
            None => "not published yet".to_owned(),
        };
        let withdrawn =
            if one.withdrawn > 0 { format!(", {} withdrawn", one.withdrawn) } else { String::new() };
        writeln!(context.out, "{name:<30}  {state}{withdrawn}")?;
    }
    Ok(())
}

impl Show {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let configuration = context.configuration_of_state()?;
        let distribution = chosen::conda(&configuration, &self.distribution)?;
        let names = distribution.channels.iter().map(|channel| channel.name.as_str());
        let channel = distribution
            .channel(&self.channel)
            .ok_or_else(|| chosen::unknown("channel", &self.channel, names))?;
        let folder = published(&configuration, &channel.path, context);
        let mut withdrawals = withdrawals(distribution, context)?;
        withdrawals.retain(|withdrawal| withdrawal.files.iter().any(|file| file.channel == channel.name));
        let shown = shown(&distribution.name, &channel.name, folder, withdrawals)?;
        match context.output {
            Output::Json => context.print_json(&shown),
            Output::Text => Ok(context.out.write_all(text(&shown).as_bytes())?),
        }
    }
}

fn shown(
    distribution: &str,
    channel: &str,
    folder: PathBuf,
    withdrawals: Vec<Withdrawal>,
) -> Result<Shown, ChannelError> {
    let reader = ChannelFolder::new(&folder)?;
    let generation = reader.current()?;
    let (mut files, mut kept) = (Vec::new(), Vec::new());
    if let Some(current) = generation {
        let now = reader.contents(current)?;
        let file = |(subdir, file_name, record): (&str, &str, &Record)| File {
            subdir: subdir.to_owned(),
            file_name: file_name.to_owned(),
            sha256: record.sha256().to_owned(),
        };
        files.extend(now.iter().map(file));
        for generation in reader.kept()? {
            let then = reader.contents(generation)?;
            let missing = |one: &Contents, other: &Contents| {
                let gone = one.iter().filter(|(subdir, file, _)| other.record(subdir, file).is_none());
                gone.map(|(subdir, file, _)| format!("{subdir}/{file}")).collect()
            };
            kept.push(Generation {
                generation,
                files: then.iter().count(),
                only_here: missing(&then, &now),
                not_here: missing(&now, &then),
            });
        }
    }
    let (distribution, channel) = (distribution.to_owned(), channel.to_owned());
    Ok(Shown { distribution, channel, folder, generation, files, kept, withdrawals })
}

fn text(shown: &Shown) -> String {
    let state = match shown.generation {
        Some(generation) => format!("generation {generation}, {} files", shown.files.len()),
        None => "not published yet".to_owned(),
    };
    let mut text = format!("{}/{}\n", shown.distribution, shown.channel);
    text += &rows([("now", state), ("folder", shown.folder.display().to_string())]);
    if !shown.files.is_empty() {
        text += "\nfiles\n";
    }
    for file in &shown.files {
        text += &format!("  {}/{}\n", file.subdir, plain(&file.file_name));
    }
    let older: Vec<&Generation> =
        shown.kept.iter().filter(|kept| Some(kept.generation) != shown.generation).collect();
    if !older.is_empty() {
        text += "\nkept generations\n";
    }
    for kept in older {
        text += &format!("  {}: {} files\n", kept.generation, kept.files);
        text +=
            &kept.not_here.iter().map(|file| format!("    without {}\n", plain(file))).collect::<String>();
        text += &kept.only_here.iter().map(|file| format!("    with {}\n", plain(file))).collect::<String>();
    }
    if !shown.withdrawals.is_empty() {
        text += "\nwithdrawn\n";
    }
    for withdrawal in &shown.withdrawals {
        text += &withdrawn(withdrawal, &shown.channel);
    }
    text
}

fn withdrawn(withdrawal: &Withdrawal, channel: &str) -> String {
    let lifted = withdrawal.lifted_at.map(|at: Timestamp| format!("; put back {at}")).unwrap_or_default();
    let mut text =
        format!("  {} by {}: {}{lifted}\n", withdrawal.at, plain(&withdrawal.by), plain(&withdrawal.reason));
    for file in withdrawal.files.iter().filter(|file| file.channel == channel) {
        text += &format!("    {}/{}\n", file.subdir, plain(&file.file_name));
    }
    text
}

/// The files that are withdrawn from a channel now.
fn in_force<'w>(withdrawals: &'w [Withdrawal], channel: &'w str) -> impl Iterator<Item = &'w str> {
    let in_force = withdrawals.iter().filter(|withdrawal| withdrawal.lifted_at.is_none());
    let files = in_force.flat_map(|withdrawal| &withdrawal.files);
    files.filter(move |file| file.channel == channel).map(|file| file.file_name.as_str())
}

fn withdrawals(
    distribution: &CondaDistribution,
    context: &Context<'_>,
) -> Result<Vec<Withdrawal>, CommandError> {
    state::block_on(async {
        let store = context.read_state().await?;
        Ok(store.withdrawals(&distribution.name).await?)
    })
}

/// The folder of a channel: beside the state where that is a rehearsal's.
fn published(configuration: &Configuration, path: &str, context: &Context<'_>) -> PathBuf {
    let beside = context.state.as_ref().map(|state| state.join("published").join(path));
    let settings = &configuration.settings;
    let written = match &settings.publish {
        Some(publish) => publish.directory.join(path),
        None => settings.state.join("published").join(path),
    };
    beside.filter(|folder| folder.exists()).unwrap_or(written)
}
