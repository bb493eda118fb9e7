//! The advisory database as GitHub packs a repository: what the world says of the versions that it has.

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};

use jiff::Timestamp;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::rehearse::world::World;

/// A database without any advisory would look like a broken one, and most worlds know of none: this one is
/// against a package that nobody has.
const FILLER: (&str, &str) = ("amberFrame", "RSEC-2023-1");
const IN_MEMORY: &str = "writing to memory cannot fail";

/// The zip file at a time. Its bytes depend on what it says alone.
pub(super) fn archive(world: &World, at: Timestamp) -> Vec<u8> {
    let mut files = BTreeMap::new();
    add(&mut files, FILLER.0, FILLER.1, "0.0.1");
    for row in world.evidence.iter().filter(|row| row.at <= at) {
        let Some(seen) = &row.seen else { continue };
        for address in &seen.advisories {
            add(&mut files, &row.package, &id_of(address), seen.version.as_str());
        }
    }
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    // The default time of an entry is the first that the format knows, 1980.
    let options = SimpleFileOptions::default().last_modified_time(zip::DateTime::default());
    let readme = ("README.md".to_owned(), "A database of advisories.\n".to_owned());
    let workflow = (".github/workflows/check.yml".to_owned(), "on: push\n".to_owned());
    let advisories = files.into_iter().map(|((package, id), versions)| {
        (format!("vulns/{package}/{id}.yaml"), advisory(&package, &id, &versions))
    });
    for (path, text) in [readme, workflow].into_iter().chain(advisories) {
        archive.start_file(format!("r-advisory-database-main/{path}"), options).expect(IN_MEMORY);
        archive.write_all(text.as_bytes()).expect(IN_MEMORY);
    }
    archive.finish().expect(IN_MEMORY).into_inner()
}

/// The identifier at the end of an advisory's address; an address of another form becomes one.
fn id_of(address: &str) -> String {
    let name = address.rsplit('/').next().unwrap_or_default().trim_end_matches(".yaml");
    name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).collect()
}

fn add(files: &mut BTreeMap<(String, String), Vec<String>>, package: &str, id: &str, version: &str) {
    let versions = files.entry((package.to_owned(), id.to_owned())).or_default();
    if !versions.iter().any(|known| known == version) {
        versions.push(version.to_owned());
    }
}

fn advisory(package: &str, id: &str, versions: &[String]) -> String {
    let versions: String = versions.iter().map(|version| format!("      - \"{version}\"\n")).collect();
    format!(
        "id: {id}\ndetails: Made up.\naffected:\n  - package:\n      name: {package}\n      ecosystem: CRAN\n    versions:\n{versions}"
    )
}
