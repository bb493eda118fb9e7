//! A suite taken apart: its members, those of the suites within it included, and what the files leave open.

use std::collections::{BTreeMap, BTreeSet};

use super::{Lock, Repository, Required, Shelf, Suite, SuiteProblem};
use crate::domain::{Destructured, DestructuredMember, DestructuredPackage, Holdings, leaves};

/// What precedes the name of a suite by convention.
const SUITE: &str = "suite_";

/// The members of a suite. Suites within it are taken apart where their files are on the shelf. A member that no
/// file pins has no version: neither a suite nor a lock says which revision is the newest.
pub fn destructure(shelf: &Shelf, suite: &Suite, lock: Option<&Lock>) -> Result<Destructured, SuiteProblem> {
    let held = Held::of(shelf, suite);
    let found = leaves(&suite.repository, &held.holdings)
        .map_err(|path| SuiteProblem::Cycle { path: path.iter().map(ToString::to_string).collect() })?;
    let mut members = Vec::new();
    for (repository, via) in found {
        let pin = held.pin(&repository)?;
        let locked = lock.map_or(&[][..], |lock| lock.of(&repository)).to_vec();
        let via = via.into_iter().map(|suite| suite.name).collect();
        members.push(DestructuredMember { package: package(&repository, pin), via, locked });
    }
    Ok(Destructured {
        source: suite.file.display().to_string(),
        platform: None,
        metapackage: package(&suite.repository, None),
        notes: notes(&held, &members, lock),
        members,
    })
}

/// Everything that can be reached from a suite.
struct Held {
    holdings: Holdings<Repository>,
    /// Each repository with its pins, and a suite that has each of them.
    pins: BTreeMap<Repository, BTreeMap<Required, String>>,
}

impl Held {
    fn of(shelf: &Shelf, outermost: &Suite) -> Self {
        let mut held = Self { holdings: Holdings::new(), pins: BTreeMap::new() };
        let mut open = vec![outermost];
        while let Some(suite) = open.pop() {
            let mut members = BTreeSet::new();
            for required in &suite.members {
                let within = shelf.within(&required.repository);
                // A suite is known under the name that its own file gives it.
                let known = within.map_or(&required.repository, |within| &within.repository);
                members.insert(known.clone());
                let pins = held.pins.entry(known.clone()).or_default();
                pins.entry(required.clone()).or_insert_with(|| suite.repository.to_string());
                open.extend(within.filter(|within| !held.holdings.contains_key(&within.repository)));
            }
            held.holdings.insert(suite.repository.clone(), members);
        }
        held
    }

    /// The one revision that suites pin a repository to. A suite that leaves it open agrees with any.
    fn pin(&self, repository: &Repository) -> Result<Option<&Required>, SuiteProblem> {
        let all = self.pins.get(repository).into_iter().flatten();
        let mut pinned = all.filter_map(|(required, suite)| Some((required, required.pinned()?, suite)));
        let Some((first, one, by)) = pinned.next() else { return Ok(None) };
        match pinned.next() {
            None => Ok(Some(first)),
            Some((_, other, by_other)) => Err(SuiteProblem::Twice {
                member: repository.to_string(),
                one: format!("{one} by {by}"),
                other: format!("{other} by {by_other}"),
            }),
        }
    }
}

fn package(repository: &Repository, pin: Option<&Required>) -> DestructuredPackage {
    let (version, build) = match pin {
        // Where a file has both, the changeset says which upload of that version is meant.
        Some(Required { version: Some(version), changeset, .. }) => {
            (Some(version.clone()), changeset.clone())
        }
        Some(Required { changeset, .. }) => (changeset.clone(), None),
        None => (None, None),
    };
    let (name, channel) = (repository.name.clone(), repository.namespace());
    DestructuredPackage { name, version, build, sha256: None, channel }
}

/// What the files leave open.
fn notes(held: &Held, members: &[DestructuredMember], lock: Option<&Lock>) -> Vec<String> {
    let mut notes = Vec::new();
    let open = members.iter().filter(|member| member.package.version.is_none()).count();
    if open > 0 {
        notes.push(format!(
            "{open} of {} members are pinned to no revision: a tool shed takes the latest one when the suite is uploaded",
            members.len()
        ));
    }
    for member in members.iter().filter(|member| member.package.name.starts_with(SUITE)) {
        notes.push(format!("{} is a suite by its name, and its file is not at hand", member.package.name));
    }
    for (suite, pins) in held.pins.iter().filter(|(repository, _)| held.holdings.contains_key(repository)) {
        for pin in pins.keys().filter_map(Required::pinned) {
            notes.push(format!("{suite} is held at {pin}; its file does not say which revision it is of"));
        }
    }
    if lock.is_some() {
        let missing = members.iter().filter(|member| member.locked.is_empty()).count();
        notes.push(
            "a lock file has revisions in the order of their hashes, so which is the newest cannot be told from it"
                .to_owned(),
        );
        if missing > 0 {
            notes.push(format!("{missing} of {} members are in no lock file", members.len()));
        }
    }
    notes
}
