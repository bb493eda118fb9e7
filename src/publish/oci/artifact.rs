//! A snapshot as an OCI artifact: which layers it has, and the bytes of its config and its manifest. The same tree
//! gives the same bytes everywhere, so that what a registry has already is known by its digest.
//!
//! Each file is a layer with its path as title, which is what common tools write to disk again. Where that were
//! more layers than registries like, the archives of each package become one tar archive; so a new version of a
//! package is still the only thing that is sent. The config has the type of an image's, which makes
//! the artifact readable for tools that know nothing but images.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use jiff::civil::Date;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::digest::{hex, sha256_hex};
use crate::failure::Failure;
use crate::publish::target::{Tree, TreeFile, Turn};

/// With more files than this, packages are bundled.
pub(super) const MOST_FILES: usize = 2000;

/// The largest manifest that registries have to take.
const LARGEST_MANIFEST: usize = 4 << 20;

/// The types of a manifest, of its config, and of its layers.
pub(super) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const FILE_TYPE: &str = "application/vnd.tidegate.snapshot.file";
const BUNDLE_TYPE: &str = "application/vnd.oci.image.layer.v1.tar";

/// The annotation by which tools know under which name to write a layer.
const TITLE: &str = "org.opencontainers.image.title";

/// An artifact, ready to be sent.
pub(super) struct Artifact {
    /// The layers in the order of the manifest.
    pub layers: Vec<Layer>,
    /// The bytes of the config.
    pub config: Vec<u8>,
    /// The bytes of the manifest.
    pub manifest: Vec<u8>,
}

/// A layer: a file, or a bundle of files.
pub(super) struct Layer {
    /// Under which name tools write it.
    pub title: String,
    /// With its algorithm.
    pub digest: String,
    /// In bytes.
    pub size: u64,
    /// The files in it.
    pub contents: Contents,
}

/// What a layer is made of.
pub(super) enum Contents {
    /// The bytes of the file at this path of the tree.
    File(String),
    /// A tar archive of the files at these paths.
    Bundle(Vec<String>),
}

impl Artifact {
    /// The artifact of a tree, which is bundled where it has more files than `most`. Bundles are read from the
    /// disk: call it where blocking is allowed.
    pub fn of(tree: &Tree, most: usize) -> Result<Self, Failure> {
        let files = tree.in_turns();
        let layers = match files.len() > most {
            false => files.iter().map(single).collect(),
            true => bundled(tree, &files)?,
        };
        let revision = tree.manifest_sha256()?;
        let about = json!({
            "org.opencontainers.image.created": created(tree.date),
            "org.opencontainers.image.revision": revision,
            TITLE: tree.distribution,
            "org.opencontainers.image.version": tree.date.to_string(),
        });
        let diff_ids: Vec<&str> = layers.iter().map(|layer| layer.digest.as_str()).collect();
        let config = bytes(&json!({
            "created": created(tree.date),
            "architecture": "amd64",
            "os": "linux",
            "config": { "Labels": about.clone() },
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        }))?;
        let manifest = bytes(&json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": {
                "mediaType": CONFIG_TYPE, "digest": digest_of(&config), "size": config.len(),
            },
            "layers": layers.iter().map(Layer::descriptor).collect::<Vec<_>>(),
            "annotations": about,
        }))?;
        if manifest.len() > LARGEST_MANIFEST {
            return Err(Failure::permanent(format!(
                "the snapshot {} of {} has {} layers, and its manifest would be larger than the 4 MiB that registries \
                 take",
                tree.date,
                tree.distribution,
                layers.len()
            )));
        }
        Ok(Self { layers, config, manifest })
    }

    /// The digest by which a registry knows it.
    pub fn digest(&self) -> String {
        digest_of(&self.manifest)
    }
}

impl Layer {
    fn descriptor(&self) -> Value {
        let media_type = match self.contents {
            Contents::File(_) => FILE_TYPE,
            Contents::Bundle(_) => BUNDLE_TYPE,
        };
        json!({
            "mediaType": media_type,
            "digest": self.digest,
            "size": self.size,
            "annotations": { TITLE: self.title },
        })
    }
}

/// A digest as registries write it.
pub(super) fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{}", sha256_hex(bytes))
}

/// The nominal time: the same artifact on every machine.
fn created(date: Date) -> String {
    format!("{date}T00:00:00Z")
}

fn bytes(value: &Value) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(value).map_err(|error| Failure::permanent(format!("an artifact is no JSON: {error}")))
}

fn single(file: &TreeFile<'_>) -> Layer {
    Layer {
        title: file.path.to_owned(),
        digest: format!("sha256:{}", file.sum.sha256),
        size: file.sum.size,
        contents: Contents::File(file.path.to_owned()),
    }
}

/// Layers with the archives of each package as one, and everything else as it is.
fn bundled(tree: &Tree, files: &[TreeFile<'_>]) -> Result<Vec<Layer>, Failure> {
    let mut packages: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut others = Vec::new();
    for file in files {
        match package_of(file) {
            Some(package) => packages.entry(package).or_default().push(file.path.to_owned()),
            None => others.push(single(file)),
        }
    }
    let mut layers = Vec::new();
    for (package, paths) in packages {
        let mut sum = Summing::default();
        write_bundle(tree, &paths, &mut sum)
            .map_err(|error| Failure::permanent(format!("cannot bundle the files of {package}: {error}")))?;
        layers.push(Layer {
            title: format!("bundles/{package}.tar"),
            digest: format!("sha256:{}", hex(&sum.hasher.finalize())),
            size: sum.size,
            contents: Contents::Bundle(paths),
        });
    }
    layers.extend(others);
    Ok(layers)
}

/// The package that a file is an archive of.
fn package_of<'f>(file: &TreeFile<'f>) -> Option<&'f str> {
    let name = file.path.rsplit_once('/').filter(|_| file.turn == Turn::Content)?.1;
    name.split_once('_').map(|(package, _)| package).filter(|package| !package.is_empty())
}

/// Writes files of a tree as a tar archive that depends on nothing but their paths and bytes.
pub(super) fn write_bundle(tree: &Tree, paths: &[String], to: impl Write) -> io::Result<()> {
    let mut archive = tar::Builder::new(to);
    for path in paths {
        let file = File::open(tree.place(path))?;
        let mut header = tar::Header::new_gnu();
        header.set_size(file.metadata()?.len());
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_entry_type(tar::EntryType::Regular);
        archive.append_data(&mut header, Path::new(path), file)?;
    }
    archive.into_inner()?.flush()
}

/// Takes the checksum and the size of what is written, and keeps nothing.
#[derive(Default)]
struct Summing {
    hasher: Sha256,
    size: u64,
}

impl Write for Summing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;
    use crate::publish::folder_sums::FolderSums;

    fn tree(folder: &Path, packages: &[(&str, &str)]) -> Tree {
        fs::create_dir_all(folder.join("src/contrib")).unwrap();
        fs::create_dir_all(folder.join("bin/windows/contrib/4.6")).unwrap();
        for (package, version) in packages {
            fs::write(folder.join(format!("src/contrib/{package}_{version}.tar.gz")), version).unwrap();
            fs::write(folder.join(format!("bin/windows/contrib/4.6/{package}_{version}.zip")), version)
                .unwrap();
        }
        fs::write(folder.join("src/contrib/PACKAGES"), format!("{packages:?}")).unwrap();
        fs::write(folder.join("manifest.json"), format!("{packages:?}")).unwrap();
        Tree {
            distribution: "d".to_owned(),
            date: "2026-06-15".parse().unwrap(),
            generation: 1,
            folder: folder.to_owned(),
            files: FolderSums::of_folder(folder).unwrap(),
            is_latest: true,
        }
    }

    #[test]
    fn the_same_tree_gives_the_same_bytes_with_the_manifest_as_the_last_layer() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let packages = [("alpha", "1.0"), ("beta", "2.0")];
        let artifact = Artifact::of(&tree(one.path(), &packages), 100).unwrap();
        let again = Artifact::of(&tree(other.path(), &packages), 100).unwrap();
        assert_eq!(artifact.manifest, again.manifest);
        let titles: Vec<&str> = artifact.layers.iter().map(|layer| layer.title.as_str()).collect();
        insta::assert_snapshot!(titles.join("\n"), @r"
        bin/windows/contrib/4.6/alpha_1.0.zip
        bin/windows/contrib/4.6/beta_2.0.zip
        src/contrib/alpha_1.0.tar.gz
        src/contrib/beta_2.0.tar.gz
        src/contrib/PACKAGES
        manifest.json
        ");
    }

    #[test]
    fn where_there_are_too_many_files_the_archives_of_a_package_are_one_layer_that_changes_alone() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let before = Artifact::of(&tree(one.path(), &[("alpha", "1.0"), ("beta", "2.0")]), 3).unwrap();
        let after = Artifact::of(&tree(other.path(), &[("alpha", "1.1"), ("beta", "2.0")]), 3).unwrap();
        let digests = |artifact: &Artifact| -> BTreeSet<(String, String)> {
            artifact.layers.iter().map(|layer| (layer.title.clone(), layer.digest.clone())).collect()
        };
        let new: Vec<String> =
            digests(&after).difference(&digests(&before)).map(|(title, _)| title.clone()).collect();
        assert_eq!(new, ["bundles/alpha.tar", "manifest.json", "src/contrib/PACKAGES"]);
        let bundle = after.layers.iter().find(|layer| layer.title == "bundles/beta.tar").unwrap();
        let Contents::Bundle(paths) = &bundle.contents else { panic!("a bundle") };
        assert_eq!(paths, &["bin/windows/contrib/4.6/beta_2.0.zip", "src/contrib/beta_2.0.tar.gz"]);
    }
}
