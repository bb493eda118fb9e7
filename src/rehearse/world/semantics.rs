//! What takes more than one value of a world to judge: the order and bounds of times, names that
//! another file has to define, and things that are said twice. Turns the parsed files into a [`World`].

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;

use super::problem::{Mistake, nearest, place_of};
use super::reading::{Numbered, Parsed};
use super::scalars::{Branch, Folder, Name, RepositoryUrl, UniqueKeys, Version};
use super::settings;
use super::written::{
    CranFile, DependenciesFile, EvidenceObject, InitialFile, InitialObject, RegistryRow, ReleaseRow,
};
use super::{
    EvidenceRow, Initial, LedgerEntry, RecordedCheck, RegistryChange, Release, Seen, Universe, World,
};
use crate::domain::{Listing, PackageName, RVersion};

/// A mistake and the file it is in.
type Located = (&'static str, Mistake);

/// What the rows of the other files are held against.
pub(super) struct Frame {
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    universes: Vec<Universe>,
    listed: BTreeSet<PackageName>,
}

/// Judges the parsed files together.
pub(super) fn assemble(parsed: Parsed, digest: String) -> Result<World, Located> {
    let (file, text) = parsed.world;
    let in_world = |mistake| ("world.toml", mistake);
    let universes = settings::universes(&file, &text).map_err(in_world)?;
    let (start, end) = (file.start.get_ref().0, file.end.get_ref().0);
    if end <= start {
        let message = format!("the world ends at {end}; expected a time after its start, {start}");
        return Err(in_world(settings::spanned(&text, &file.end, message)));
    }
    let initial = initial(parsed.initial, &universes).map_err(|mistake| ("initial.json", mistake))?;
    let mut frame = Frame { start, end, universes, listed: BTreeSet::new() };
    let registry =
        registry(parsed.registry, &frame, &initial).map_err(|mistake| ("registry.jsonl", mistake))?;
    frame.listed = initial
        .values()
        .flat_map(|initial| initial.packages.iter().map(|listing| listing.package.clone()))
        .chain(registry.iter().flat_map(|change| change.set.keys().cloned()))
        .collect();
    Ok(World {
        name: file.name.0.clone(),
        ecosystem: file.ecosystem.as_str().to_owned(),
        people: settings::people(&file.people, &text, &frame).map_err(in_world)?,
        r_releases: settings::r_releases(&file.r_release, &text).map_err(in_world)?,
        outages: settings::outages(&file, &text, &frame).map_err(in_world)?,
        initial,
        registry,
        releases: releases(parsed.releases, &frame).map_err(|mistake| ("releases.jsonl", mistake))?,
        evidence: evidence(parsed.evidence, &frame).map_err(|mistake| ("evidence.jsonl", mistake))?,
        cran: cran(parsed.cran),
        dependencies: dependencies(parsed.dependencies, &frame)
            .map_err(|mistake| ("dependencies.json", mistake))?,
        start,
        end,
        universes: frame.universes,
        digest,
    })
}

/// The place of a JSON object's key, for mistakes that are known only once the file is parsed.
fn place_of_key(text: &str, key: &str) -> (usize, usize) {
    let quoted = format!("\"{key}\"");
    let offset = text
        .match_indices(&quoted)
        .find(|(start, _)| text[start + quoted.len()..].trim_start().starts_with(':'))
        .map_or(0, |(start, _)| start);
    place_of(text, offset)
}

impl Frame {
    fn channels(&self) -> impl Iterator<Item = &str> {
        self.universes.iter().map(|universe| universe.channel.as_str())
    }

    /// What is wrong with a universe's name, and what may have been meant.
    pub(super) fn unknown_universe(&self, name: &str) -> Option<(String, Option<String>)> {
        if self.channels().any(|channel| channel == name) {
            return None;
        }
        let known: Vec<&str> = self.channels().collect();
        let message = format!("unknown universe `{name}`; expected one of {}", known.join(", "));
        Some((message, nearest(name, self.channels())))
    }

    /// What is wrong with a package's name, and what may have been meant.
    pub(super) fn unlisted(&self, package: &str) -> Option<(String, Option<String>)> {
        if self.listed.contains(package) {
            return None;
        }
        let message = format!("no packages.json of this world ever lists `{package}`");
        Some((message, nearest(package, self.listed.iter().map(String::as_str))))
    }

    /// Judges a row's time: not before `earliest`, not after the end, not before the row above.
    fn in_order(
        &self,
        line: usize,
        at: Timestamp,
        above: &mut Option<Timestamp>,
        earliest: Option<Timestamp>,
    ) -> Result<(), Mistake> {
        if at > self.end || earliest.is_some_and(|earliest| at < earliest) {
            let message = format!("{at} is outside of the world's time, {} to {}", self.start, self.end);
            return Err(Mistake::at(line, 1, message));
        }
        match above.replace(at) {
            Some(above) if above > at => Err(Mistake::at(
                line,
                1,
                format!("the row is out of order: {at} comes after {above}; expected rows ordered by `at`"),
            )),
            _ => Ok(()),
        }
    }
}

fn at_line((message, nearest): (String, Option<String>), line: usize) -> Mistake {
    Mistake::at(line, 1, message).meant(nearest)
}

/// Exactly the universes of `world.toml` have an initial list.
fn initial(
    (file, text): (InitialFile, String),
    universes: &[Universe],
) -> Result<BTreeMap<String, Initial>, Mistake> {
    let mut initial = BTreeMap::new();
    for (channel, object) in file.0 {
        if !universes.iter().any(|universe| universe.channel == channel.0) {
            let (line, column) = place_of_key(&text, &channel.0);
            let message = format!("unknown universe `{}`; expected those of world.toml", channel.0);
            let nearest = nearest(&channel.0, universes.iter().map(|universe| universe.channel.as_str()));
            return Err(Mistake::at(line, column, message).meant(nearest));
        }
        initial.insert(channel.0, initial_channel(object));
    }
    match universes.iter().find(|universe| !initial.contains_key(&universe.channel)) {
        Some(universe) => Err(Mistake::whole_file(format!(
            "the universe `{}` is missing; expected one object for each [[universe]]",
            universe.channel
        ))),
        None => Ok(initial),
    }
}

fn initial_channel(object: InitialObject) -> Initial {
    let mut packages: Vec<Listing> = object
        .packages
        .0
        .into_iter()
        .map(|row| listing(row.package.0, row.url, row.branch, row.subdir))
        .collect();
    crate::domain::sort_as_upstream(&mut packages);
    let versions = object.versions.0.into_iter().map(|row| LedgerEntry {
        package: row.package.0,
        version_current: row.version_current.0,
        hash_current: row.hash_current.0,
        highest: row.version_highest.zip(row.hash_highest).map(|(version, hash)| (version.0, hash.0)),
    });
    Initial { packages, versions: versions.collect() }
}

/// A row of `packages.json` from its checked parts.
fn listing(
    package: PackageName,
    url: RepositoryUrl,
    branch: Option<Branch>,
    subdir: Option<Folder>,
) -> Listing {
    Listing {
        package,
        url: url.0,
        branch: branch.map(|branch| branch.0),
        subdir: subdir.map(|subdir| subdir.0),
    }
}

/// Replays the changes while it reads them: only that shows whether a removed package was there.
fn registry(
    rows: Vec<Numbered<RegistryRow>>,
    frame: &Frame,
    initial: &BTreeMap<String, Initial>,
) -> Result<Vec<RegistryChange>, Mistake> {
    let mut above = None;
    let mut listed: BTreeSet<PackageName> = frame
        .universes
        .first()
        .and_then(|universe| initial.get(&universe.channel))
        .map(|initial| initial.packages.iter().map(|listing| listing.package.clone()).collect())
        .unwrap_or_default();
    let mut changes = Vec::new();
    for (line, row) in rows {
        frame.in_order(line, row.at.0, &mut above, Some(frame.start))?;
        let mut remove = BTreeSet::new();
        for Name(package) in row.remove {
            if !listed.remove(&package) {
                let message = format!("`{package}` is removed, but is not listed at that time");
                let nearest = nearest(&package, listed.iter().map(String::as_str));
                return Err(Mistake::at(line, 1, message).meant(nearest));
            }
            remove.insert(package);
        }
        let mut set = BTreeMap::new();
        for (Name(package), object) in row.set.0 {
            if remove.contains(&package) {
                let message = format!("`{package}` is both set and removed; expected one of them");
                return Err(Mistake::at(line, 1, message));
            }
            listed.insert(package.clone());
            set.insert(package.clone(), listing(package, object.url, object.branch, object.subdir));
        }
        changes.push(RegistryChange { at: row.at.0, set, remove });
    }
    Ok(changes)
}

/// Every carried package is one that is listed at some time.
fn releases(rows: Vec<Numbered<ReleaseRow>>, frame: &Frame) -> Result<Vec<Release>, Mistake> {
    let mut above = None;
    let mut releases = Vec::new();
    for (line, row) in rows {
        // What was there when the world began has an earlier time.
        frame.in_order(line, row.at.0, &mut above, None)?;
        if row.packages.0.is_empty() {
            let message = "the release carries no package; expected at least one under `packages`";
            return Err(Mistake::at(line, 1, message));
        }
        let mut packages = BTreeMap::new();
        for (Name(package), version) in row.packages.0 {
            if let Some(unlisted) = frame.unlisted(&package) {
                return Err(at_line(unlisted, line));
            }
            packages.insert(package, version.0);
        }
        releases.push(Release {
            at: row.at.0,
            repository: row.repository.0,
            tag: row.tag.0,
            commit: row.commit.0,
            packages,
        });
    }
    Ok(releases)
}

/// One row per universe, package and time, or it would be unclear which one is the newest.
fn evidence(rows: Vec<Numbered<EvidenceObject>>, frame: &Frame) -> Result<Vec<EvidenceRow>, Mistake> {
    let mut above = None;
    let mut said = BTreeSet::new();
    let mut evidence = Vec::new();
    for (line, row) in rows {
        frame.in_order(line, row.at.0, &mut above, Some(frame.start))?;
        if let Some(unknown) = frame.unknown_universe(&row.universe.0) {
            return Err(at_line(unknown, line));
        }
        if let Some(unlisted) = frame.unlisted(&row.package.0) {
            return Err(at_line(unlisted, line));
        }
        if !said.insert((row.universe.0.clone(), row.package.0.clone(), row.at.0)) {
            let message = format!(
                "a second row says what {} has of `{}` at {}; expected one",
                row.universe.0, row.package.0, row.at.0
            );
            return Err(Mistake::at(line, 1, message));
        }
        let (at, universe, package) = (row.at.0, row.universe.0.clone(), row.package.0.clone());
        evidence.push(EvidenceRow { at, universe, package, seen: seen(row, line)? });
    }
    Ok(evidence)
}

/// What a row says of a commit; none for one that says `gone`, which must then say nothing else.
fn seen(row: EvidenceObject, line: usize) -> Result<Option<Seen>, Mistake> {
    let says_more = row.commit.is_some()
        || row.version.is_some()
        || row.created.is_some()
        || row.published.is_some()
        || row.building.is_some()
        || row.license.is_some()
        || !(row.checks.is_empty() && row.remotes.is_empty() && row.advisories.is_empty());
    let is_recent = row.building.as_ref().is_some_and(|building| building.0 == "recent");
    match (row.gone, row.commit, row.version) {
        (Some(true), ..) if says_more => Err(Mistake::at(
            line,
            1,
            "a row with `gone` says nothing else; expected `at`, `universe`, `package` and `gone` alone",
        )),
        (Some(true), ..) => Ok(None),
        (Some(false), ..) => Err(Mistake::at(line, 1, "`gone` is false; expected true, or no such key")),
        (None, Some(_), Some(_)) if is_recent && row.published.is_none() => Err(Mistake::at(
            line,
            1,
            "the build is `recent`, but nothing is `published`; expected the time of publishing",
        )),
        (None, Some(commit), Some(version)) => Ok(Some(Seen {
            commit: commit.0,
            version: version.0,
            created: row.created.map(|created| created.0),
            published: row.published.map(|published| published.0),
            checks: row
                .checks
                .into_iter()
                .map(|check| RecordedCheck {
                    config: check.config.0,
                    r: check.r.0,
                    check: check.check,
                    url: check.url.0,
                })
                .collect(),
            remotes: row.remotes.into_iter().map(|remote| remote.0).collect(),
            license: row.license.map(|license| license.0),
            advisories: row.advisories.into_iter().map(|advisory| advisory.0).collect(),
            building: row.building.map(|building| building.0),
        })),
        (None, ..) => {
            Err(Mistake::at(line, 1, "the row has no commit or no version; expected both, or `gone` alone"))
        }
    }
}

/// Dependencies outside of the distribution never matter, so a stranger is a misspelling.
fn dependencies(
    (file, text): (DependenciesFile, String),
    frame: &Frame,
) -> Result<BTreeMap<PackageName, Vec<PackageName>>, Mistake> {
    let mut dependencies = BTreeMap::new();
    for (Name(package), needed) in file.dependencies.0 {
        let needed: Vec<PackageName> = needed.into_iter().map(|name| name.0).collect();
        if let Some((message, nearest)) = needed.iter().find_map(|name| frame.unlisted(name)) {
            let (line, column) = place_of_key(&text, &package);
            let message = format!("`{package}` depends on a stranger: {message}");
            return Err(Mistake::at(line, column, message).meant(nearest));
        }
        dependencies.insert(package, needed);
    }
    Ok(dependencies)
}

fn cran(file: CranFile) -> BTreeMap<Date, BTreeMap<PackageName, RVersion>> {
    let index = |index: UniqueKeys<Name, Version>| {
        index.0.into_iter().map(|(name, version)| (name.0, version.0)).collect()
    };
    file.0.into_iter().map(|(day, packages)| (day.0, index(packages))).collect()
}
