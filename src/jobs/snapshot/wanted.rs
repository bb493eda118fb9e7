//! Which files a snapshot takes of its members: what their universe offers, and else what was kept of the very
//! commit when it was staged or published before.

use std::collections::BTreeMap;

use super::Snapshot;
use crate::calendar::Targets;
use crate::config::Binaries;
use crate::daemon::RunError;
use crate::decide::snapshot::Member;
use crate::domain::{PackageName, RVersion};
use crate::ecosystem::cran::fetch::Promise;
use crate::ecosystem::cran::layout::{BinaryPlatform, ContribFolder, RepositoryPath};
use crate::jobs::check_status::{SeenBinary, SeenUniverse};
use crate::jobs::r_archives::PromisedArchive;
use crate::publish::content::ContentStore;
use crate::store::{ChannelOf, KeptFile};

/// A file that a snapshot takes.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) package: PackageName,
    pub(super) version: String,
    pub(super) path: RepositoryPath,
    pub(super) folder: ContribFolder,
    /// What it has to be.
    pub(super) promise: Promise,
    /// Another file of the same commit that is kept, for when this one is not to be had.
    pub(super) fallback: Option<Promise>,
}

impl Wanted {
    /// What tells its bytes from others: where two agree in it, one will do.
    pub(super) fn bytes(&self) -> (&str, Option<&str>) {
        (&self.promise.sha256, self.fallback.as_ref().map(|fallback| fallback.sha256.as_str()))
    }

    /// The archive with the bytes of `promise`.
    pub(super) fn promised<'a>(&'a self, promise: &'a Promise) -> PromisedArchive<'a> {
        PromisedArchive {
            package: &self.package,
            version: &self.version,
            path: &self.path,
            kind: self.folder.kind(),
            promise,
        }
    }
}

/// The folders of a repository in which a binary lies, where it is one for the series of R.
pub(in crate::jobs) fn folders_of(
    binary: &SeenBinary,
    series: &str,
) -> anyhow::Result<Vec<(Binaries, ContribFolder)>> {
    if !RVersion::parse(&binary.r).is_ok_and(|r| r.minor_series() == series) {
        return Ok(Vec::new());
    }
    if binary.os == "linux" {
        let (Some(distro), Some(arch)) = (&binary.distro, &binary.arch) else { return Ok(Vec::new()) };
        return Ok(vec![(Binaries::Linux, ContribFolder::linux(distro, arch, series)?)]);
    }
    let mut folders = Vec::new();
    for platform in BinaryPlatform::of_universe(&binary.os, binary.arch.as_deref()) {
        let system = match platform {
            BinaryPlatform::WindowsX64 => Binaries::Windows,
            BinaryPlatform::MacX64 | BinaryPlatform::MacArm64 => Binaries::Macos,
            // Windows on ARM is left to its own sources, as upstream's snapshots do.
            BinaryPlatform::WindowsArm64 => continue,
        };
        folders.push((system, ContribFolder::binary(*platform, series)?));
    }
    Ok(folders)
}

/// What is in the store of one member at its commit, by path.
type Kept = BTreeMap<String, Promise>;

/// What the store has of one member at its commit.
struct Known {
    /// Its source as an earlier snapshot published it.
    published_source: Option<Promise>,
    /// Everything.
    files: Kept,
}

impl Snapshot {
    /// Everything that the members need, in the order of paths.
    pub(super) async fn wanted(
        &self,
        members: &[Member],
        universe: &SeenUniverse,
        targets: &Targets,
    ) -> Result<Vec<Wanted>, RunError> {
        let (store, content) = (&self.services.store, self.services.content());
        let of = ChannelOf { distribution: &self.distribution.name, channel: &self.settings.from };
        let kept = store.kept_files(of).await?;
        let mut wanted = Vec::new();
        for member in members {
            let revision = (member.version.as_str(), member.commit.as_str());
            let published = store.published_files(of.channel, &member.package, revision).await?;
            let published =
                published.into_iter().map(|file| (file.path, file.sha256, file.size.unsigned_abs()));
            let mut known = Known { published_source: None, files: kept_here(&content, published)? };
            let source = ContribFolder::source().archive(&member.package, &member.version);
            let source = source.map_err(anyhow::Error::from)?;
            known.published_source = known.files.get(source.as_str()).cloned();
            let of_commit = kept.iter().filter(|file| is_of(file, member));
            let of_commit = of_commit.map(|file| (file.path.clone(), file.sha256.clone(), file.size));
            known.files.extend(kept_here(&content, of_commit)?);
            wanted.extend(self.files_of(member, universe, targets, &known)?);
        }
        wanted.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(wanted)
    }

    /// The source of a member and its binaries for the targeted R. A member of which neither the universe nor
    /// the store has a source at its own commit stops the snapshot: what is published is what was decided.
    fn files_of(
        &self,
        member: &Member,
        universe: &SeenUniverse,
        targets: &Targets,
        known: &Known,
    ) -> Result<Vec<Wanted>, RunError> {
        let seen = universe.get(&member.package);
        let built = seen.filter(|seen| seen.facts.commit.as_deref() == Some(&member.commit));
        let mut files: BTreeMap<RepositoryPath, Wanted> = BTreeMap::new();
        let mut take = |folder: ContribFolder, offered: Option<Promise>| -> anyhow::Result<()> {
            let path = folder.archive(&member.package, &member.version)?;
            let fallback = known.files.get(path.as_str()).cloned();
            let (promise, fallback) = match (offered, fallback) {
                (Some(offered), fallback) => (offered, fallback),
                (None, Some(kept)) => (kept, None),
                (None, None) => return Ok(()),
            };
            let (package, version) = (member.package.clone(), member.version.clone());
            let file = Wanted { package, version, path: path.clone(), folder, promise, fallback };
            files.entry(path).or_insert(file);
            Ok(())
        };
        let source = built.and_then(|seen| seen.source.as_ref());
        let source = source.map(|source| Promise { sha256: source.sha256.clone(), size: source.size });
        // A universe packs the same commit anew every month. What was published of it stays what it is, so that
        // a quarter costs what changed; unless a check was made with exactly the archive of now.
        let published = known.published_source.clone().filter(|_| member.let_in_by.is_none());
        take(ContribFolder::source(), published.or(source))?;
        let binaries = built.map(|seen| &seen.binaries[..]).unwrap_or_default();
        for binary in binaries.iter().filter(|binary| is_right(binary, &member.version, &member.commit)) {
            for (_, folder) in self.taken(folders_of(binary, &targets.r)?) {
                take(folder, Some(Promise { sha256: binary.sha256.clone(), size: None }))?;
            }
        }
        for folder in self.kept_folders(member, &known.files, &targets.r)? {
            take(folder, None)?;
        }
        let source = ContribFolder::source().archive(&member.package, &member.version);
        if !files.contains_key(&source.map_err(anyhow::Error::from)?) {
            return Err(RunError::Permanent(anyhow::anyhow!(
                "neither the universe nor the store has a source of {} {} at commit {}",
                member.package,
                member.version,
                member.commit
            )));
        }
        Ok(files.into_values().collect())
    }

    /// The folders of binaries for the targeted R of which something is kept. Binaries for Linux have folders
    /// that only their universe can name.
    fn kept_folders(&self, member: &Member, kept: &Kept, series: &str) -> anyhow::Result<Vec<ContribFolder>> {
        let mut folders = Vec::new();
        for (system, platform) in [
            (Binaries::Windows, BinaryPlatform::WindowsX64),
            (Binaries::Macos, BinaryPlatform::MacX64),
            (Binaries::Macos, BinaryPlatform::MacArm64),
        ] {
            folders.push((system, ContribFolder::binary(platform, series)?));
        }
        for path in kept.keys().filter_map(|path| path.strip_prefix("bin/linux/")) {
            let place = path.split_once('/').and_then(|(place, _)| place.rsplit_once('-'));
            if let Some((distro, arch)) = place {
                folders.push((Binaries::Linux, ContribFolder::linux(distro, arch, series)?));
            }
        }
        let there = |folder: &ContribFolder| {
            let path = folder.archive(&member.package, &member.version);
            path.is_ok_and(|path| kept.contains_key(path.as_str()))
        };
        let taken = self.taken(folders).map(|(_, folder)| folder);
        Ok(taken.filter(there).collect())
    }

    /// Those of systems whose binaries the job takes.
    fn taken<T>(&self, folders: Vec<(Binaries, T)>) -> impl Iterator<Item = (Binaries, T)> {
        folders.into_iter().filter(|(system, _)| self.settings.binaries.contains(system))
    }
}

/// The files that are really in the store.
fn kept_here(
    content: &ContentStore,
    known: impl Iterator<Item = (String, String, u64)>,
) -> Result<Kept, RunError> {
    let mut kept = Kept::new();
    for (path, sha256, size) in known {
        let size = Some(size);
        if content.find(&sha256, size).map_err(crate::failure::Failure::from)?.is_some() {
            kept.insert(path, Promise { sha256, size });
        }
    }
    Ok(kept)
}

fn is_of(file: &KeptFile, member: &Member) -> bool {
    file.package == member.package && file.version == member.version && file.commit == member.commit
}

/// A binary of this very version and commit that came to a good end.
fn is_right(binary: &SeenBinary, version: &str, commit: &str) -> bool {
    let same = binary.commit.as_deref().is_none_or(|built| built == commit);
    binary.is_good() && binary.version == version && same
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(os: &str, arch: Option<&str>, distro: Option<&str>, r: &str) -> SeenBinary {
        SeenBinary {
            os: os.to_owned(),
            arch: arch.map(str::to_owned),
            distro: distro.map(str::to_owned),
            r: r.to_owned(),
            version: "1.0.0".to_owned(),
            commit: None,
            sha256: "0".repeat(64),
            status: None,
        }
    }

    #[test]
    fn a_binary_lies_where_r_looks_for_it() {
        let folders = |binary: &SeenBinary| -> Vec<String> {
            let folders = folders_of(binary, "4.6").unwrap();
            folders.iter().map(|(system, folder)| format!("{system:?} {}", folder.as_str())).collect()
        };
        assert_eq!(folders(&binary("win", None, None, "4.6.1")), ["Windows bin/windows/contrib/4.6"]);
        assert_eq!(
            folders(&binary("mac", None, None, "4.6.0")),
            ["Macos bin/macosx/big-sur-x86_64/contrib/4.6", "Macos bin/macosx/sonoma-arm64/contrib/4.6"]
        );
        assert_eq!(
            folders(&binary("linux", Some("x86_64"), Some("noble"), "4.6.1")),
            ["Linux bin/linux/noble-x86_64/4.6/src/contrib"]
        );
        for other in [
            binary("win", Some("aarch64"), None, "4.6.1"),
            binary("win", None, None, "4.5.3"),
            binary("wasm", None, None, "4.6.1"),
            binary("linux", Some("x86_64"), None, "4.6.1"),
        ] {
            assert_eq!(folders(&other), Vec::<String>::new(), "{other:?}");
        }
        assert!(folders_of(&binary("linux", Some("../x"), Some("noble"), "4.6.1"), "4.6").is_err());
    }

    #[test]
    fn a_binary_whose_check_failed_is_not_taken() {
        let good = binary("win", None, None, "4.6.1");
        let failed = SeenBinary { status: Some("failure".to_owned()), ..good.clone() };
        let passed = SeenBinary { status: Some("success".to_owned()), ..good.clone() };
        let of_another = SeenBinary { commit: Some("d".repeat(40)), ..good.clone() };
        let right =
            [&good, &passed, &failed, &of_another].map(|binary| is_right(binary, "1.0.0", &"c".repeat(40)));
        assert_eq!(right, [true, true, false, false]);
    }
}
