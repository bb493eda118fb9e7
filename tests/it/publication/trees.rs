//! Published trees to send: small files that look like packages, with an index and a manifest.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Mutex;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tidegate::failure::Failure;
use tidegate::publish::catalogue::{Catalogue, CatalogueGround, CatalogueReceipt};
use tidegate::publish::folder_sums::FolderSums;
use tidegate::publish::target::{Ground, Journal, Other, Receipt, Target, Tree};

/// How many bytes a package has.
pub const PACKAGE: usize = 20_000;

/// A published tree in a folder of its own.
pub struct Published {
    pub tree: Tree,
    _folder: tempfile::TempDir,
}

/// A snapshot of `count` packages, of which the first `changed` are of a later version.
pub fn snapshot(date: &str, count: usize, changed: usize) -> Published {
    made(date, (count, changed), "")
}

/// A snapshot of `count` packages whose bytes no other snapshot has.
pub fn unlike_any_other(date: &str, count: usize) -> Published {
    made(date, (count, 0), date)
}

fn made(date: &str, (count, changed): (usize, usize), seed: &str) -> Published {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("src/contrib")).unwrap();
    let mut index = String::new();
    for number in 0..count {
        let version = if number < changed { "1.1" } else { "1.0" };
        let name = format!("src/contrib/p{number:03}_{version}.tar.gz");
        fs::write(folder.path().join(&name), content(&format!("{seed}{name}"))).unwrap();
        index += &format!("Package: p{number:03}\nVersion: {version}\n\n");
    }
    fs::write(folder.path().join("src/contrib/PACKAGES"), index).unwrap();
    fs::write(folder.path().join("snapshot.json"), record(date)).unwrap();
    published(folder, date)
}

/// A `snapshot.json`.
fn record(date: &str) -> String {
    let record = json!({
        "dependency_freeze": date, "candidate_freeze": date, "snapshot": date, "r": "4.5",
        "cran": "https://cran.example", "r_multiverse": format!("https://production.example/{date}"),
    });
    format!("{}\n", json!([record]))
}

/// The tree that lies in a folder, with a manifest of what is in it now.
pub fn published(folder: tempfile::TempDir, date: &str) -> Published {
    let place = folder.path().join("manifest.json");
    let _ = fs::remove_file(&place);
    let files = FolderSums::of_folder(folder.path()).unwrap();
    let files: Vec<Value> = files
        .files()
        .map(|(path, sum)| json!({ "path": path, "sha256": sum.sha256, "size": sum.size }))
        .collect();
    let manifest = json!({
        "format": 1, "distribution": "demo", "date": date, "r": "4.5", "cran": "https://cran.example",
        "cran_date": date, "production": format!("https://production.example/{date}"), "packages": [], "left_out": [],
        "files": files,
    });
    fs::write(&place, manifest.to_string()).unwrap();
    let tree = Tree {
        distribution: "demo".to_owned(),
        date: date.parse().unwrap(),
        generation: 1,
        folder: folder.path().to_owned(),
        files: FolderSums::of_folder(folder.path()).unwrap(),
        is_latest: true,
    };
    Published { tree, _folder: folder }
}

/// Bytes that depend on `seed` alone, and that nothing can make smaller.
pub fn content(seed: &str) -> Vec<u8> {
    let blocks = 0..(PACKAGE / 32);
    blocks.flat_map(|block| Sha256::digest(format!("{seed}/{block}"))).collect()
}

impl Published {
    /// The same as a later generation of its date.
    pub fn generation(mut self, generation: u32) -> Self {
        self.tree.generation = generation;
        self
    }

    /// The files by path, with their checksums.
    pub fn sums(&self) -> BTreeMap<String, String> {
        self.tree.files.files().map(|(path, sum)| (path.to_owned(), sum.sha256.clone())).collect()
    }

    /// The bytes of the files whose content `before` does not have; each content once.
    pub fn new_bytes(&self, before: &Self) -> u64 {
        let known: BTreeSet<String> = before.sums().into_values().collect();
        let mut seen = BTreeSet::new();
        let new = self.tree.files.files().filter(|(_, sum)| !known.contains(&sum.sha256));
        new.filter(|(_, sum)| seen.insert(&sum.sha256)).map(|(_, sum)| sum.size).sum()
    }

    /// All bytes of it.
    pub fn bytes(&self) -> u64 {
        self.tree.files.files().map(|(_, sum)| sum.size).sum()
    }

    pub fn folder(&self) -> &Path {
        &self.tree.folder
    }
}

/// A journal in memory, which outlives the attempts that write it.
#[derive(Default)]
pub struct Notes {
    pub kept: Mutex<Option<Value>>,
}

impl Journal for Notes {
    fn keep(&self, progress: Value) -> BoxFuture<'_, Result<(), Failure>> {
        *self.kept.lock().unwrap() = Some(progress);
        Box::pin(async { Ok(()) })
    }
}

/// One attempt, with what earlier attempts noted and what other publications are known.
pub async fn attempt(
    target: &dyn Target,
    published: &Published,
    notes: &Notes,
    others: &[Other],
) -> Result<Receipt, Failure> {
    let progress = notes.kept.lock().unwrap().clone();
    let ground = Ground { others, progress, journal: notes };
    target.publish(&published.tree, &ground).await
}

/// What stands above snapshots, of an edition: three small files, the list of snapshots the same in every one.
pub fn catalogue(edition: u32) -> Catalogue {
    let files = [
        ("feed.xml", format!("<feed>{edition}</feed>\n")),
        ("index.html", format!("<h1>Snapshots, edition {edition}</h1>\n")),
        ("snapshots.json", "[]\n".to_owned()),
    ];
    let files = files.into_iter().map(|(name, text)| (name.to_owned(), text.into_bytes())).collect();
    Catalogue { distribution: "demo".to_owned(), edition, files }
}

/// The bytes of all files of a catalogue.
pub fn size_of(catalogue: &Catalogue) -> u64 {
    catalogue.files.values().map(|bytes| bytes.len() as u64).sum()
}

/// One attempt to show a catalogue, with what earlier attempts noted; what it keeps is noted.
pub async fn shown_above(
    target: &dyn Target,
    catalogue: &Catalogue,
    notes: &Notes,
) -> Result<CatalogueReceipt, Failure> {
    let kept = notes.kept.lock().unwrap().clone();
    let ground = CatalogueGround { kept, journal: notes };
    let receipt = target.catalogues().expect("it has a place for one").show(catalogue, &ground).await?;
    *notes.kept.lock().unwrap() = Some(receipt.kept.clone());
    Ok(receipt)
}

/// What a publication that is done is for the ones after it.
pub fn done(published: &Published, receipt: &Receipt) -> Other {
    Other {
        date: published.tree.date,
        generation: published.tree.generation,
        receipt: Some(receipt.clone()),
        progress: None,
    }
}
