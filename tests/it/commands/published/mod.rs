//! What people do to published snapshots, and what readers find meanwhile: the real commands on a folder of real
//! packages.

mod crashes;
mod pages;
mod r;
mod readers;
mod rollback;
mod shown;
mod withdraw;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use md5::{Digest as _, Md5};
use serde_json::Value;
use sha2::Sha256;
use tidegate::domain::WithdrawnBytes;
use tidegate::ecosystem::cran::archive::ArchiveLimits;
use tidegate::ecosystem::cran::dcf::{self, DcfLimits};
use tidegate::ecosystem::cran::index::Index;
use tidegate::ecosystem::cran::layout::{ArchiveKind, BinaryPlatform, ContribFolder, archive_name};
use tidegate::ecosystem::cran::make::{MadePackage, binary_package, source_package};
use tidegate::jobs::snapshot::{Manifest, ManifestFile, ManifestLeftOut, ManifestPackage};
use tidegate::publish::directory::Directory;
use tidegate::store::{Durability, Snapshot, SnapshotState, Store};

use super::Ran;
use super::place::Place;
use crate::rehearsal::stage::files_below;

/// A package with its version, and what it imports.
type Package = (&'static str, &'static str, &'static [&'static str]);

const LUNAR: Package = ("lunar", "0.9.1", &[]);
const TIDAL: Package = ("tidal", "1.2.0", &["lunar"]);
const BRINE: Package = ("brine", "2.0", &[]);

/// A machine that has published snapshots.
struct Shop {
    place: Place,
}

impl Shop {
    fn new() -> Self {
        let shop = Self { place: Place::apart() };
        // Only what is published matters here; nothing runs by itself.
        fs::remove_dir_all(shop.place.path("jobs")).unwrap();
        fs::create_dir(shop.place.path("jobs")).unwrap();
        shop
    }

    /// A machine that has published the same three packages in two quarters, with one more version in the second.
    fn with_two_quarters() -> Self {
        let shop = Self::new();
        shop.publish("2026-03-15", &[LUNAR, TIDAL, BRINE]);
        shop.publish("2026-06-15", &[LUNAR, ("tidal", "1.3.0", &["lunar"]), BRINE]);
        shop
    }

    fn directory(&self) -> Directory {
        Directory::new(self.place.path("published/r-multiverse"))
    }

    /// The folder or link of a name, as readers know it.
    fn at(&self, name: &str) -> PathBuf {
        self.place.path("published/r-multiverse").join(name)
    }

    /// Publishes a snapshot as the job does, but for its page.
    fn publish(&self, date: &str, packages: &[Package]) {
        let directory = self.directory();
        let prepared = directory.prepare(date).unwrap();
        let digest = fill(prepared.path(), date, packages);
        directory.commit(prepared).unwrap();
        self.write_down(date, packages.len(), digest);
    }

    /// Publishes a snapshot as it was done before there were generations: a plain folder.
    fn publish_plainly(&self, date: &str, packages: &[Package]) {
        let digest = fill(&self.at(date), date, packages);
        self.write_down(date, packages.len(), digest);
    }

    fn write_down(&self, date: &str, packages: usize, digest: String) {
        self.on_store(async |store| {
            let row = Snapshot {
                distribution: "r-multiverse".to_owned(),
                date: date.parse().unwrap(),
                state: SnapshotState::Published,
                reason: None,
                suite: None,
                manifest_digest: Some(digest),
                packages: i64::try_from(packages).unwrap(),
                published_at: Some(format!("{date}T02:00:00Z").parse().unwrap()),
                generation: 1,
            };
            store.save_snapshot(&row).await.unwrap();
        });
    }

    fn on_store<T>(&self, work: impl AsyncFnOnce(&Store) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let now = "2026-06-16T00:00:00Z".parse().unwrap();
            let store = Store::open_state(&self.place.state(), Durability::ProcessCrash, now).await.unwrap();
            let done = work(&store).await;
            store.close().await;
            done
        })
    }

    fn run(&self, line: &str) -> Ran {
        self.place.run(line.split(' ').map(|word| if word == "WHY" { "a reason" } else { word }))
    }

    fn manifest(&self, name: &str) -> Manifest {
        serde_json::from_slice(&fs::read(self.at(name).join("manifest.json")).unwrap()).unwrap()
    }

    fn page(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap()
    }

    /// What the index under a name lists, each with its file in place; see [`rows`].
    fn listed(&self, name: &str) -> Vec<String> {
        rows(&self.at(name)).into_iter().map(|(file, _)| file).collect()
    }

    #[track_caller]
    fn verifies(&self, date: &str) {
        let ran = self.run(&format!("snapshot verify {date}"));
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
    }

    /// Every file below what is published, by path; hidden ones too, links followed.
    fn everything(&self) -> BTreeMap<String, Vec<u8>> {
        files_below(&self.place.path("published"))
    }
}

/// Fills a folder with packages, as source and as binary for Windows. Gives back the SHA-256 of its manifest.
fn fill(folder: &Path, date: &str, packages: &[Package]) -> String {
    let sources = ContribFolder::source();
    let binaries = ContribFolder::binary(BinaryPlatform::WindowsX64, "4.5").unwrap();
    for (package, version, imports) in packages {
        let made = MadePackage {
            package: (*package).to_owned(),
            version: (*version).to_owned(),
            imports: imports.iter().map(|name| (*name).to_owned()).collect(),
            ..MadePackage::default()
        };
        let r = tidegate::domain::RVersion::parse("4.5.3").unwrap();
        let built = "2026-06-01T00:00:00Z".parse().unwrap();
        let binary = binary_package(&made, BinaryPlatform::WindowsX64, &r, built).unwrap();
        for (contrib, bytes) in [(&sources, source_package(&made).unwrap()), (&binaries, binary)] {
            let into = folder.join(contrib.as_str());
            fs::create_dir_all(&into).unwrap();
            fs::write(into.join(archive_name(package, version, contrib.kind()).unwrap()), bytes).unwrap();
        }
    }
    for contrib in [&sources, &binaries] {
        let into = folder.join(contrib.as_str());
        fs::create_dir_all(&into).unwrap();
        Index::of_folder(&into, contrib.kind(), &ArchiveLimits::default()).unwrap().write_to(&into).unwrap();
    }
    let mut manifest = manifest(date, packages);
    manifest.files = files_below(folder)
        .into_iter()
        .map(|(path, bytes)| ManifestFile { path, sha256: sha256(&bytes), size: bytes.len() as u64 })
        .collect();
    let bytes = manifest.to_bytes().unwrap();
    fs::write(folder.join("manifest.json"), &bytes).unwrap();
    sha256(&bytes)
}

fn manifest(date: &str, packages: &[Package]) -> Manifest {
    let package = |(name, version, _): &Package| ManifestPackage {
        name: (*name).to_owned(),
        version: (*version).to_owned(),
        commit: sha256(format!("{name} {version}").as_bytes())[..40].to_owned(),
        url: format!("https://github.com/someone/{name}"),
        evidence: "passing".to_owned(),
        checks: Vec::new(),
        exception: None,
        caveat: None,
        let_in_by: None,
        overridden: None,
        dependencies_from_elsewhere: Vec::new(),
    };
    let mut packages: Vec<ManifestPackage> = packages.iter().map(package).collect();
    packages.sort_by(|one, other| one.name.cmp(&other.name));
    Manifest {
        format: 1,
        distribution: "r-multiverse".to_owned(),
        date: date.parse().unwrap(),
        r: "4.5".to_owned(),
        cran: "https://packagemanager.posit.co/cran/2026-04-15".to_owned(),
        cran_date: "2026-04-15".parse().unwrap(),
        production: format!("https://production.r-multiverse.org/{date}"),
        released: None,
        outside: Vec::new(),
        packages,
        left_out: vec![ManifestLeftOut {
            name: "swell".to_owned(),
            version: Some("0.1.0".to_owned()),
            reason: "It depends on kelp, which fails.".to_owned(),
            since: None,
            root_causes: vec!["kelp".to_owned()],
            evidence: None,
            held_until: Default::default(),
        }],
        failing: None,
        generation: 1,
        withdrawn: Vec::new(),
        files: Vec::new(),
    }
}

/// What a reader finds who follows every link anew for each file: the rows of the index of sources, each with the
/// bytes of its file where that is there. A file that is there has to be the one that the row is about.
fn rows(root: &Path) -> Vec<(String, Option<Vec<u8>>)> {
    let index = fs::read(root.join("src/contrib/PACKAGES")).unwrap();
    let mut found = Vec::new();
    for row in dcf::read(&index, DcfLimits::INDEX).unwrap() {
        let (package, version) = (row.get("Package").unwrap(), row.get("Version").unwrap());
        let file = archive_name(package, version, ArchiveKind::Source).unwrap();
        let bytes = fs::read(root.join("src/contrib").join(&file)).ok();
        if let Some(bytes) = &bytes {
            let sum: String = Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(row.get("MD5sum"), Some(sum.as_str()), "{file} is another one");
        }
        found.push((file, bytes));
    }
    found
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The names that a manifest lists.
fn names(manifest: &Manifest) -> BTreeSet<&str> {
    manifest.packages.iter().map(|package| package.name.as_str()).collect()
}

/// The events of one kind, in words.
fn told(shop: &Shop, kind: &str) -> Vec<String> {
    let events = shop.run("events --json").json();
    let events = events.as_array().cloned().unwrap_or_default().into_iter();
    let wanted: Vec<Value> = events.filter(|event| event["kind"] == kind).collect();
    wanted.iter().map(|event| event["told"].as_str().unwrap_or_default().to_owned()).collect()
}

/// What becomes of bytes where the command does not say.
const SHIPPED: WithdrawnBytes = WithdrawnBytes::Keep;
