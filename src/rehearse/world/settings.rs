//! The parts of `world.toml`, judged: universes, people, releases of R and outages.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use toml::Spanned;

use super::problem::{Mistake, place_of};
use super::scalars::{Line, Name};
use super::semantics::Frame;
use super::written::{PeopleTable, RReleaseTable, WorldFile};
use super::{Outage, People, RRelease, Universe};
use crate::domain::PackageName;

/// A mistake at a value of `world.toml`.
pub(super) fn spanned<T>(text: &str, value: &Spanned<T>, message: String) -> Mistake {
    let (line, column) = place_of(text, value.span().start);
    Mistake::at(line, column, message)
}

/// Channels are unique, and a repository's name can stand in a path of the GitHub API.
pub(super) fn universes(file: &WorldFile, text: &str) -> Result<Vec<Universe>, Mistake> {
    let mut universes: Vec<Universe> = Vec::new();
    for table in &file.universe {
        let channel = &table.channel.get_ref().0;
        let repository = &table.repository.get_ref().0;
        if universes.iter().any(|known| known.channel == *channel) {
            let message = format!("a second universe is named `{channel}`; expected each channel once");
            return Err(spanned(text, &table.channel, message));
        }
        let plain = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        };
        if !repository.split_once('/').is_some_and(|(owner, name)| plain(owner) && plain(name)) {
            let message = format!("`{repository}` is not a GitHub repository; expected `owner/name`");
            return Err(spanned(text, &table.repository, message));
        }
        universes.push(Universe { channel: channel.clone(), repository: repository.clone() });
    }
    match universes.is_empty() {
        true => Err(Mistake::whole_file("the world has no universe; expected at least one [[universe]]")),
        false => Ok(universes),
    }
}

/// A misspelt maintainer's package would simply never act, so names have to be listed somewhere.
pub(super) fn people(table: &PeopleTable, text: &str, frame: &Frame) -> Result<People, Mistake> {
    let written = &table.merge_after.get_ref().0;
    let merge_after = written
        .parse::<SignedDuration>()
        .ok()
        .filter(|duration| {
            *duration > SignedDuration::ZERO && *duration <= SignedDuration::from_hours(24 * 366)
        })
        .ok_or_else(|| {
            let message = format!("`{written}` is not a wait; expected such as `6h`, at most a year");
            spanned(text, &table.merge_after, message)
        })?;
    let known = |names: &[Spanned<Name>]| -> Result<BTreeSet<PackageName>, Mistake> {
        names
            .iter()
            .map(|name| match frame.unlisted(&name.get_ref().0) {
                Some((message, nearest)) => Err(spanned(text, name, message).meant(nearest)),
                None => Ok(name.get_ref().0.clone()),
            })
            .collect()
    };
    Ok(People { merge_after, close: known(&table.close)?, edit: known(&table.edit)? })
}

/// Oldest first, so that the newest at a date is the last that is not later.
pub(super) fn r_releases(tables: &[RReleaseTable], text: &str) -> Result<Vec<RRelease>, Mistake> {
    let mut releases: Vec<RRelease> = Vec::new();
    for table in tables {
        let date = table.date.get_ref().0;
        if let Some(above) = releases.last().filter(|above| above.date > date) {
            let message = format!("R of {date} comes after R of {}; expected the oldest first", above.date);
            return Err(spanned(text, &table.date, message));
        }
        releases.push(RRelease { version: table.version.0.clone(), date });
    }
    match releases.is_empty() {
        true => Err(Mistake::whole_file("the world knows no R; expected at least one [[r_release]]")),
        false => Ok(releases),
    }
}

/// An outage of an unknown universe would never be noticed, so its name is held against the list.
pub(super) fn outages(file: &WorldFile, text: &str, frame: &Frame) -> Result<Vec<Outage>, Mistake> {
    let mut outages = Vec::new();
    for table in &file.outage {
        let Line(universe) = table.universe.get_ref();
        if let Some((message, nearest)) = frame.unknown_universe(universe) {
            return Err(spanned(text, &table.universe, message).meant(nearest));
        }
        let (from, to) = (table.from.get_ref().0, table.to.get_ref().0);
        if to <= from {
            let message = format!("the outage ends at {to}; expected a time after its start, {from}");
            return Err(spanned(text, &table.to, message));
        }
        if from < frame.start || to > frame.end {
            let message =
                format!("the outage is outside of the world's time, {} to {}", frame.start, frame.end);
            return Err(spanned(text, &table.from, message));
        }
        outages.push(Outage { source: table.source, universe: universe.clone(), from, to });
    }
    Ok(outages)
}
