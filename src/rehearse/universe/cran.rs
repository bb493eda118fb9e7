//! The CRAN index of a frozen date, as a package manager serves it.

use std::collections::BTreeMap;

use jiff::civil::Date;

use crate::rehearse::world::World;

/// First and second halves of the names of made-up packages. A world knows only the packages that
/// its distribution has in common with CRAN; an index of these alone would look like a broken one.
const HALVES: ([&str; 5], [&str; 10]) = (
    ["amber", "basalt", "cedar", "dune", "ember"],
    ["Frame", "Grid", "Lens", "Mill", "Path", "Quill", "Reef", "Sort", "Tide", "Wave"],
);

/// The text of `src/contrib/PACKAGES` at a date; none where the world knows no index so early.
pub(super) fn index(world: &World, date: Date) -> Option<String> {
    let recorded = world.cran_index(date)?;
    let (first, second) = HALVES;
    let names = first.iter().flat_map(|first| second.iter().map(move |second| format!("{first}{second}")));
    let mut packages: BTreeMap<String, String> = names.map(|name| (name, "1.0.0".to_owned())).collect();
    // A made-up package must not answer for one of the distribution's.
    packages.retain(|name, _| !world.dependencies.contains_key(name));
    packages.extend(recorded.iter().map(|(name, version)| (name.clone(), version.to_string())));
    let records: Vec<String> = packages
        .iter()
        .map(|(name, version)| {
            format!("Package: {name}\nVersion: {version}\nDepends: R (>= 4.0)\nLicense: GPL (>= 3)\nNeedsCompilation: no\n")
        })
        .collect();
    Some(records.join("\n"))
}
