//! Puts a snapshot's folder together, publishes it in one step, and writes down what was published.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use jiff::Timestamp;
use jiff::civil::Date;

use super::Snapshot;
use super::attached::{attach, is_attached};
use super::fetch::FetchedFile;
use super::manifest::{self, Manifest, ManifestFile};
use super::pages::{PAGE, page};
use super::place::place;
use super::provenance::Made;
use super::shelf::manifest_before;
use crate::calendar::Targets;
use crate::daemon::{RunContext, RunError};
use crate::decide::snapshot::{Member, SnapshotPlan};
use crate::digest::sha256_hex;
use crate::ecosystem::cran::files::{SnapshotRecord, write_snapshot};
use crate::failure::Failure;
use crate::publish::content::ContentStore;
use crate::publish::directory::{Directory, Prepared};
use crate::publish::folder_sums::FolderSums;
use crate::publish::signing::Signer;
use crate::store::{Artifact, Ecosystem, PackageKind, RevisionId, SnapshotState, SuiteMember, failing_suite};

/// What was published.
pub(super) struct Published {
    /// The revision of the distribution as a suite, once it is written down.
    pub suite: Option<RevisionId>,
    /// The SHA-256 of the manifest.
    pub manifest_sha256: String,
    /// How many packages are in.
    pub packages: i64,
}

/// By whom a manifest is made, and what signs it.
pub(super) struct Seal {
    pub made: Made,
    pub signer: Signer,
}

impl Snapshot {
    /// Prepares the folder beside the published ones, and switches it in.
    pub(super) async fn publish(
        &self,
        plan: &SnapshotPlan,
        targets: &Targets,
        (files, needed): (&[FetchedFile], &[FetchedFile]),
        made: Made,
    ) -> Result<Published, RunError> {
        let directory = Directory::new(self.services.publish.join(&self.distribution.name));
        let manifest = Manifest::of(plan, &self.distribution.name, targets);
        let (files, needed) = (files.to_vec(), needed.to_vec());
        let (date, title) = (targets.snapshot, self.distribution.title.clone());
        let (name, content) = (date.to_string(), self.services.content());
        let seal = Seal { made, signer: self.services.signer.clone() };
        let record = write_snapshot(&SnapshotRecord::from(targets));
        let packages = i64::try_from(plan.members.len()).map_err(anyhow::Error::from)?;
        let written = tokio::task::spawn_blocking(move || -> anyhow::Result<String> {
            let lock = directory.lock()?;
            let before = manifest_before(&directory, date)?;
            let prepared = directory.prepare(&name)?;
            let root = prepared.path();
            fs::write(root.join("snapshot.json"), record).context("cannot write snapshot.json")?;
            let mut archives = place(root, &files, &content)?;
            archives.extend(place_apart(root, &needed, &content)?);
            let digest = dress(root, manifest, &archives, (&title, before.as_ref()), &seal)?;
            match is_published(&directory, &prepared, &name)? {
                true => fs::remove_dir_all(root).context("cannot remove what was prepared")?,
                false => drop(directory.commit(prepared)?),
            }
            drop(lock);
            Ok(digest)
        });
        let manifest_sha256 = written.await.map_err(anyhow::Error::from)?.map_err(Failure::of_disk)?;
        Ok(Published { suite: None, manifest_sha256, packages })
    }

    /// Writes the snapshot down as a suite: its members pinned, their artifacts by digest. What is published apart is
    /// a suite of its own, written first: once the snapshot's row names its suite, all files have their holder.
    pub(super) async fn record(
        &self,
        plan: &SnapshotPlan,
        (files, needed): (&[FetchedFile], &[FetchedFile]),
        published: &Published,
        date: Date,
        context: &RunContext,
        now: Timestamp,
    ) -> Result<(), RunError> {
        let distribution = &self.distribution.name;
        if !plan.needed.is_empty() {
            let apart: Vec<&Member> = plan.needed.iter().map(|needed| &needed.package).collect();
            self.write_suite(&failing_suite(distribution), date, (&apart, needed), now).await?;
        }
        let members: Vec<&Member> = plan.members.iter().collect();
        let suite = self.write_suite(distribution, date, (&members, files), now).await?;
        let published = Published {
            suite: Some(suite),
            manifest_sha256: published.manifest_sha256.clone(),
            packages: published.packages,
        };
        self.store_row(date, SnapshotState::Published, None, Some(&published), now).await?;
        self.announce(plan, date, context, now).await?;
        self.want_at_targets(date, context, now).await?;
        Ok(())
    }

    /// Writes down these packages with their files as the revision of `date` of a suite.
    async fn write_suite(
        &self,
        name: &str,
        date: Date,
        (packages, files): (&[&Member], &[FetchedFile]),
        now: Timestamp,
    ) -> Result<RevisionId, RunError> {
        let store = &self.services.store;
        let namespace = &self.settings.from;
        let mut members = Vec::new();
        for member in packages {
            let package = store
                .ensure_package(
                    Ecosystem::Runiverse,
                    namespace,
                    &member.package,
                    PackageKind::RPackage,
                    Some(&member.url),
                )
                .await?;
            let revision =
                store.ensure_revision(package, &member.version, "", Some(&member.commit), now).await?;
            for file in files.iter().filter(|file| file.package == member.package) {
                let artifact = Artifact {
                    platform: file.folder.as_str().to_owned(),
                    path: file.path.as_str().to_owned(),
                    size: i64::try_from(file.size).map_err(anyhow::Error::from)?,
                    sha256: file.sha256.clone(),
                };
                store.add_rebuilt_artifact(revision, &artifact, now).await?;
            }
            members.push(SuiteMember { revision, constraint: String::new() });
        }
        let package =
            store.ensure_package(Ecosystem::Runiverse, namespace, name, PackageKind::Suite, None).await?;
        let suite = store.ensure_revision(package, &date.to_string(), "", None, now).await?;
        store.publish_suite(suite, &members, now).await?;
        Ok(suite)
    }
}

/// True where the same snapshot is published already, though another key signed it or another input led to it:
/// what was published before the power failed stands.
fn is_published(directory: &Directory, prepared: &Prepared, name: &str) -> anyhow::Result<bool> {
    let Some((_, there)) = directory.generation(name)? else { return Ok(false) };
    let sums = |folder: &Path| {
        let sums = FolderSums::of_folder(folder);
        sums.with_context(|| format!("cannot read {}", folder.display()))
    };
    Ok(sums(&there)?.without(is_attached) == sums(prepared.path())?.without(is_attached))
}

/// Places what is published apart, in a repository of its own.
fn place_apart(
    root: &Path,
    needed: &[FetchedFile],
    content: &ContentStore,
) -> anyhow::Result<Vec<ManifestFile>> {
    let mut placed = place(&root.join(manifest::FAILING), needed, content)?;
    for file in &mut placed {
        file.path = format!("{}/{}", manifest::FAILING, file.path);
    }
    Ok(placed)
}

/// Gives a tree whose packages and indexes are in place the rest: its page, and last its manifest, which lists
/// everything else, with what is signed over it. The sums of files that are `known` are not computed again. Gives back the manifest's SHA-256.
pub(super) fn dress(
    root: &Path,
    manifest: Manifest,
    known: &[ManifestFile],
    (title, before): (&str, Option<&Manifest>),
    seal: &Seal,
) -> anyhow::Result<String> {
    // The page tells from the archives which systems there are binaries for.
    let manifest = Manifest { files: known.to_vec(), ..manifest };
    let path = root.join(PAGE);
    fs::write(&path, page(title, &manifest, before)?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    let manifest = Manifest { files: listed(root, known)?, ..manifest };
    let bytes = manifest.to_bytes()?;
    fs::write(root.join(manifest::FILE), &bytes).context("cannot write the manifest")?;
    attach(root, &manifest, &bytes, &seal.made, &seal.signer)?;
    Ok(sha256_hex(&bytes))
}

/// Every file below `root`, by path.
fn listed(root: &Path, known: &[ManifestFile]) -> anyhow::Result<Vec<ManifestFile>> {
    let known: BTreeMap<&str, &ManifestFile> = known.iter().map(|file| (file.path.as_str(), file)).collect();
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let below = path.strip_prefix(root)?.to_string_lossy().into_owned();
            if let Some(file) = known.get(below.as_str()) {
                files.push((*file).clone());
                continue;
            }
            let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            files.push(ManifestFile { path: below, sha256: sha256_hex(&bytes), size: bytes.len() as u64 });
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(files)
}
