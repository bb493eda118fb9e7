//! From the files of a world of conda packages to a [`CondaWorld`].

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::super::WorldProblem;
use super::super::problem::{Mistake, place_of};
use super::super::reading::{in_file, parse_toml, parse_world, read_text};
use super::super::settings::spanned;
use super::deeds::Frame;
use super::recipes;
use super::written::{BuildsFile, TimelineFile, WorldFile};
use super::{CondaWorld, Deed, DeedKind, ExternalChannel};
use crate::config::{CondaDistribution, Configuration, JobKind};
use crate::digest::hex;
use crate::ecosystem::conda::address::ChannelAddress;

pub(super) const WORLD: &str = "world.toml";
pub(super) const BUILDS: &str = "builds.toml";
pub(super) const TIMELINE: &str = "timeline.toml";
const SETTINGS: &str = "config/tidegate.toml";
/// The folders of the configuration's other files.
const FOLDERS: [&str; 2] = ["config/distributions", "jobs"];
/// More files than this are no configuration of one distribution.
const MOST_FILES: usize = 100;

/// The texts of a world's files, by their paths in its folder.
pub(super) type Texts = BTreeMap<String, String>;

impl CondaWorld {
    /// Reads the world in `folder`. Other files may lie beside its own.
    ///
    /// # Errors
    /// The first mistake, with its file and place.
    pub fn load(folder: &Path) -> Result<Self, WorldProblem> {
        let origin = folder.display().to_string();
        let mut names = vec![WORLD.to_owned(), BUILDS.to_owned(), TIMELINE.to_owned(), SETTINGS.to_owned()];
        for part in FOLDERS {
            names.extend(files_in(folder, part).map_err(|mistake| in_file(&origin, part, mistake))?);
        }
        let mut texts = Texts::new();
        for name in names {
            let text = read_text(folder, &name, &[WORLD, BUILDS, TIMELINE, SETTINGS])
                .map_err(|mistake| in_file(&origin, &name, mistake))?;
            texts.insert(name, text);
        }
        Self::from_texts(&origin, &texts)
    }

    /// Reads a world from the texts of its files; `origin` is named in problems.
    pub(super) fn from_texts(origin: &str, texts: &Texts) -> Result<Self, WorldProblem> {
        let mut sha256 = Sha256::new();
        for (name, text) in texts {
            sha256.update(format!("{name} {}\n{text}", text.len()));
        }
        let file = |name: &str| texts.get(name).map(String::as_str).unwrap_or_default();
        let at = |name: &'static str| move |mistake| in_file(origin, name, mistake);
        let mut configuration_files = texts.clone();
        configuration_files.retain(|name, _| name.starts_with("config/") || name.starts_with("jobs/"));
        let configuration =
            configuration(&configuration_files).map_err(|(name, mistake)| in_file(origin, &name, mistake))?;
        let world: WorldFile = parse_world(file(WORLD)).map_err(at(WORLD))?;
        let distribution = only_distribution(&configuration).map_err(at(SETTINGS))?;
        let channels = channels(&world, file(WORLD), distribution).map_err(at(WORLD))?;
        let (start, end) = (world.start.get_ref().0, world.end.get_ref().0);
        if end <= start {
            let message = format!("the world ends at {end}; expected a time after its start, {start}");
            return Err(in_file(origin, WORLD, spanned(file(WORLD), &world.end, message)));
        }
        let written: BuildsFile = parse_toml(file(BUILDS)).map_err(at(BUILDS))?;
        let mut builds = recipes::builds(written, file(BUILDS), start).map_err(at(BUILDS))?;
        let written: TimelineFile = parse_toml(file(TIMELINE)).map_err(at(TIMELINE))?;
        let frame = Frame {
            text: file(TIMELINE),
            time: (start, end),
            channels: &channels,
            builds: &builds,
            distribution,
        };
        let deeds = frame.deeds(&written).map_err(at(TIMELINE))?;
        dropped_into_something(&deeds, &configuration).map_err(at(TIMELINE))?;
        // A build was made when it is first heard of.
        for deed in deeds.iter().rev() {
            for name in deed.builds() {
                builds.entry(name.clone()).and_modify(|build| build.timestamp = deed.at);
            }
        }
        Ok(Self {
            name: world.name.0,
            description: world.description.0,
            start,
            end,
            channels,
            builds,
            deeds,
            configuration,
            configuration_files,
            digest: hex(&sha256.finalize()),
        })
    }
}

/// The configuration in the world, or the first mistake in it with its file.
fn configuration(texts: &Texts) -> Result<Configuration, (String, Mistake)> {
    let files = texts.iter().map(|(name, text)| (PathBuf::from(name), text.clone()));
    Configuration::from_texts(files.collect()).map_err(|mistakes| {
        let Some(first) = mistakes.first() else {
            return (SETTINGS.to_owned(), Mistake::whole_file("the configuration is malformed"));
        };
        let file = first.file.display().to_string();
        let text = texts.get(&file).map(String::as_str).unwrap_or_default();
        let message = [first.message.as_str(), first.label.as_str()];
        let message = message.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(": ");
        let mistake = match &first.span {
            Some(span) => {
                let (line, column) = place_of(text, span.start);
                Mistake::at(line, column, message)
            }
            None => Mistake::whole_file(message),
        };
        (file, mistake.hint(first.hint.clone()))
    })
}

fn only_distribution(configuration: &Configuration) -> Result<&CondaDistribution, Mistake> {
    let mut conda = configuration.conda.values();
    match (conda.next(), conda.next(), configuration.distributions.is_empty()) {
        (Some(one), None, true) => Ok(one),
        _ => {
            let found = configuration.conda.len() + configuration.distributions.len();
            let message = format!("the configuration has {found} distributions; expected one of conda");
            let hint = "leave one file with `ecosystem = \"conda\"` in config/distributions".to_owned();
            Err(Mistake::whole_file(message).hint(Some(hint)))
        }
    }
}

/// The channels of others: exactly those that the distribution builds on.
fn channels(
    world: &WorldFile,
    text: &str,
    distribution: &CondaDistribution,
) -> Result<Vec<ExternalChannel>, Mistake> {
    let mut channels: Vec<ExternalChannel> = Vec::new();
    for table in &world.channel {
        let (name, address) = (&table.name.get_ref().0, &table.address.get_ref().0);
        if channels.iter().any(|known| known.name == *name || known.address == *address) {
            let message = format!("a second channel is `{name}` or `{address}`; expected each once");
            return Err(spanned(text, &table.name, message));
        }
        if !address.parse().is_ok_and(|read: ChannelAddress| read.folder().is_none()) {
            let message = format!("`{address}` is no address; expected such as `https://forge.example/main`");
            return Err(spanned(text, &table.address, message));
        }
        if !distribution.external.contains(address) {
            let message =
                format!("`{}` does not build on `{address}`, so nothing would be seen", distribution.name);
            let hint = format!("name it in `external` of config/distributions/{}.toml", distribution.name);
            return Err(spanned(text, &table.address, message).hint(Some(hint)));
        }
        channels.push(ExternalChannel { name: name.clone(), address: address.clone() });
    }
    let unknown = |address: &&String| !channels.iter().any(|channel| channel.address == **address);
    match distribution.external.iter().find(unknown) {
        Some(address) => {
            let message = format!("`{}` builds on `{address}`, which this world lacks", distribution.name);
            Err(Mistake::whole_file(message).hint(Some("add a [[channel]] with this address".to_owned())))
        }
        None => Ok(channels),
    }
}

fn dropped_into_something(deeds: &[Deed], configuration: &Configuration) -> Result<(), Mistake> {
    let drops = deeds.iter().any(|deed| matches!(deed.what, DeedKind::Drop { .. }));
    let mut jobs = configuration.jobs.values().filter(|job| job.enabled);
    let looks = jobs.any(|job| matches!(&job.kind, JobKind::Intake(intake) if intake.drop.is_some()));
    match drops && !looks {
        true => Err(Mistake::whole_file("archives are dropped, and no job looks into a drop folder")
            .hint(Some("give the job of kind `intake` a folder in `drop`; any path will do".to_owned()))),
        false => Ok(()),
    }
}

/// The TOML files in one folder of the configuration, by their paths in the world.
fn files_in(folder: &Path, part: &str) -> Result<Vec<String>, Mistake> {
    let entries = match fs::read_dir(folder.join(part)) {
        Ok(entries) => entries,
        // Whatever belongs there is missed by whoever reads the configuration.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Mistake::whole_file(format!("cannot be listed: {error}"))),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| Mistake::whole_file(format!("cannot be listed: {error}")))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".toml") {
            names.push(format!("{part}/{name}"));
        }
    }
    if names.len() > MOST_FILES {
        return Err(Mistake::whole_file(format!("{} files; expected at most {MOST_FILES}", names.len())));
    }
    Ok(names)
}
