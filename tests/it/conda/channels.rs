//! Publishing channels: what readers see, whatever happens meanwhile.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tidegate::ecosystem::conda::archive::ArchiveLimits;
use tidegate::ecosystem::conda::index::FolderIndex;
use tidegate::ecosystem::conda::layout::ArchiveFormat::{Conda, TarBz2};
use tidegate::ecosystem::conda::patch::PatchInstructions;
use tidegate::publish::channel::{
    ChannelError, ChannelFolder, KEPT_GENERATIONS, Outcome, PackageFile, Patches, PublishedChannel,
};

use super::made::{Made, made};

/// A place with a channel and a folder beside it that packages come from.
struct Place {
    folder: tempfile::TempDir,
    channel: ChannelFolder,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let channel = ChannelFolder::new(folder.path().join("staged")).unwrap();
        Self { folder, channel }
    }

    /// The file of a package, kept somewhere under its digest.
    fn file(&self, package: &Made) -> PackageFile {
        let bytes = package.bytes(Conda);
        let sha256 = sum(&bytes);
        let path = self.folder.path().join("kept").join(&sha256);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &bytes).unwrap();
        let subdir = package.index["subdir"].as_str().unwrap().to_owned();
        PackageFile { subdir, file_name: package.file_name(Conda), sha256, size: bytes.len() as u64, path }
    }

    fn publish(&self, files: &[PackageFile]) -> Result<PublishedChannel, ChannelError> {
        self.channel.publish(files, &Patches::new())
    }

    /// What is said when nothing is published, with the place taken out of it.
    fn refusal(&self, files: &[PackageFile]) -> String {
        let said = self.publish(files).unwrap_err().to_string();
        said.replace(&self.folder.path().display().to_string(), "<place>")
    }

    fn listed(&self) -> Vec<String> {
        let root = std::fs::canonicalize(self.channel.root()).unwrap();
        assert_whole(&root).into_iter().collect()
    }
}

pub(super) fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn tidal(version: &str) -> Made {
    made("tidal", version, "0")
}

/// Checks that every record of the channel in `root` has its file, and gives their names.
pub(super) fn assert_whole(root: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for subdir in ["noarch", "linux-64"] {
        let folder = root.join(subdir);
        if subdir != "noarch" && !folder.exists() {
            continue;
        }
        let json = std::fs::read(folder.join("repodata.json")).unwrap();
        let zst = std::fs::read(folder.join("repodata.json.zst")).unwrap();
        assert!(zstd::decode_all(zst.as_slice()).unwrap() == json, "{subdir}: the indexes differ");
        let repodata: Value = serde_json::from_slice(&json).unwrap();
        for section in ["packages", "packages.conda"] {
            for (file, record) in repodata[section].as_object().unwrap() {
                let bytes = std::fs::read(folder.join(file)).unwrap();
                assert_eq!(record["sha256"], sum(&bytes), "{subdir}/{file}");
                assert_eq!(record["size"], bytes.len(), "{subdir}/{file}");
                names.push(format!("{subdir}/{file}"));
            }
        }
    }
    names
}

#[test]
fn a_channel_is_a_relative_link_to_a_whole_folder() {
    let place = Place::new();
    assert_eq!(place.channel.current().unwrap(), None);
    let linux = made("lunar", "1.0", "h1_0").with("subdir", json!("linux-64")).with("noarch", Value::Null);
    let files = [place.file(&tidal("1.0")), place.file(&linux)];
    let published = place.publish(&files).unwrap();
    assert_eq!(published, PublishedChannel { generation: 1, outcome: Outcome::New });
    assert_eq!(place.listed(), ["noarch/tidal-1.0-0.conda", "linux-64/lunar-1.0-h1_0.conda"]);
    let target = std::fs::read_link(place.channel.root()).unwrap();
    assert_eq!(target, PathBuf::from(".staged-generations/1"));
    // The whole place may move.
    let moved = place.folder.path().join("moved");
    std::fs::create_dir(&moved).unwrap();
    for name in ["staged", ".staged-generations"] {
        std::fs::rename(place.folder.path().join(name), moved.join(name)).unwrap();
    }
    assert_eq!(assert_whole(&moved.join("staged")).len(), 2);
}

#[test]
fn the_same_set_makes_no_new_generation_and_another_one_does() {
    let place = Place::new();
    let files = [place.file(&tidal("1.0")), place.file(&tidal("1.1"))];
    place.publish(&files).unwrap();
    let reversed = [files[1].clone(), files[0].clone()];
    let again = place.publish(&reversed).unwrap();
    assert_eq!(again, PublishedChannel { generation: 1, outcome: Outcome::Adopted });
    assert_eq!(place.publish(&files[1..]).unwrap().generation, 2);
    assert_eq!(place.listed(), ["noarch/tidal-1.1-0.conda"]);
    // Somebody who still has the old index finds the file it names.
    assert!(place.channel.root().join("noarch/tidal-1.0-0.conda").exists());
    assert_eq!(place.publish(&[]).unwrap().generation, 3);
    assert_eq!(place.listed(), [] as [&str; 0]);
}

#[test]
fn a_sub_directory_stays_when_its_last_package_goes() {
    let place = Place::new();
    let linux = made("lunar", "1.0", "h1_0").with("subdir", json!("linux-64")).with("noarch", Value::Null);
    place.publish(&[place.file(&linux)]).unwrap();
    for version in ["1.0", "1.1", "1.2", "1.3"] {
        place.publish(&[place.file(&tidal(version))]).unwrap();
        assert_eq!(place.listed().len(), 1);
    }
    let folder = place.channel.root().join("linux-64");
    assert!(folder.join("repodata.json").exists() && !folder.join("lunar-1.0-h1_0.conda").exists());
}

#[test]
fn a_channel_grows_from_what_it_holds() {
    let place = Place::new();
    place.publish(&[place.file(&tidal("1.0"))]).unwrap();
    let mut files = place.channel.files(place.channel.current().unwrap().unwrap()).unwrap();
    assert_eq!(place.publish(&files).unwrap().outcome, Outcome::Adopted);
    files.push(place.file(&tidal("1.1")));
    place.publish(&files).unwrap();
    assert_eq!(place.listed(), ["noarch/tidal-1.0-0.conda", "noarch/tidal-1.1-0.conda"]);
}

#[test]
fn patches_are_part_of_what_is_published() {
    let place = Place::new();
    let files = [place.file(&tidal("1.0")), place.file(&tidal("1.1"))];
    place.publish(&files).unwrap();
    let remove = PatchInstructions { remove: [files[0].file_name.clone()].into(), ..Default::default() };
    let patches = Patches::from([("noarch".to_owned(), remove)]);
    assert_eq!(place.channel.publish(&files, &patches).unwrap().generation, 2);
    assert_eq!(place.listed(), ["noarch/tidal-1.1-0.conda"]);
    assert_eq!(place.channel.publish(&files, &patches).unwrap().outcome, Outcome::Adopted);
    assert_eq!(place.channel.contents(2).unwrap().patches, patches);
    let empty = Patches::from([("noarch".to_owned(), PatchInstructions::default())]);
    assert_eq!(place.channel.publish(&files, &empty).unwrap().generation, 3);
    assert_eq!(place.listed().len(), 2);
}

#[test]
fn who_copies_a_channel_can_make_its_index_again() {
    let place = Place::new();
    let files = [place.file(&tidal("1.0")), place.file(&tidal("1.1"))];
    let revoke = PatchInstructions { revoke: [files[0].file_name.clone()].into(), ..Default::default() };
    place.channel.publish(&files, &Patches::from([("noarch".to_owned(), revoke)])).unwrap();
    let copy = place.folder.path().join("copy/noarch");
    std::fs::create_dir_all(&copy).unwrap();
    for file in std::fs::read_dir(place.channel.root().join("noarch")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.join(file.file_name())).unwrap();
    }
    let index = FolderIndex::of_folder(copy.parent().unwrap(), &ArchiveLimits::default()).unwrap();
    assert!(index.write().unwrap().iter().all(|subdir| !subdir.changed));
}

#[test]
fn files_of_the_generation_before_are_not_asked_for_again() {
    let place = Place::new();
    let first = place.file(&tidal("1.0"));
    place.publish(std::slice::from_ref(&first)).unwrap();
    std::fs::remove_file(&first.path).unwrap();
    place.publish(&[first, place.file(&tidal("1.1"))]).unwrap();
    assert_eq!(place.listed().len(), 2);
}

#[test]
fn a_file_that_is_not_what_was_promised_is_refused_with_all_others() {
    let place = Place::new();
    let good = place.file(&tidal("1.0"));
    let other = place.file(&tidal("1.1"));
    let files = [
        good.clone(),
        PackageFile { sha256: "0".repeat(64), ..other.clone() },
        PackageFile { size: 7, file_name: "tidal-1.2-0.conda".into(), ..place.file(&tidal("1.2")) },
        PackageFile { file_name: "tidal-1.3-0.conda".into(), ..other.clone() },
        PackageFile { subdir: "linux-64".into(), ..other.clone() },
    ];
    let said = place.refusal(&files);
    insta::with_settings!({filters => vec![("0{64}", "<promised>"), ("[0-9a-f]{64}", "<sha256>"), (r"has \d+ bytes", "has <size> bytes")]}, {
        insta::assert_snapshot!(said, @r#"
        nothing was published in <place>/staged:
          linux-64/tidal-1.1-0.conda: it lies in `linux-64`, its index.json says `noarch`; move it there, or build it again
          noarch/tidal-1.1-0.conda: its sha256 is <sha256> where <promised> was expected; fetch it again
          noarch/tidal-1.2-0.conda: it has <size> bytes where 7 were expected; fetch it again
          noarch/tidal-1.3-0.conda: the entry `pkg-tidal-1.1-0.tar.zst` is refused: it is of another build than the file's name says; rename the file, or build it again
        "#);
    });
    let odd = [
        PackageFile { subdir: "../x".into(), ..good.clone() },
        PackageFile { file_name: "../x-1-0.conda".into(), ..good.clone() },
        PackageFile { sha256: "ABC".into(), ..good.clone() },
        good.clone(),
        good,
    ];
    insta::assert_snapshot!(place.refusal(&odd), @r#"
    nothing was published in <place>/staged:
      ../x/tidal-1.0-0.conda: there is no such sub-directory
      noarch/../x-1-0.conda: `../x-1-0.conda` is not the name of a conda package: names have lower-case letters, digits, `.`, `_` and `-`, and begin with no dot
      noarch/tidal-1.0-0.conda: it is given twice
      noarch/tidal-1.0-0.conda: its sha256 is not 64 lower-case hexadecimal digits
    "#);
    assert_eq!(place.channel.current().unwrap(), None);
}

#[test]
fn a_name_stands_for_the_same_bytes_for_ever() {
    let place = Place::new();
    let first = place.file(&tidal("1.0"));
    let other = place.file(&tidal("1.0").with("license", json!("MIT")));
    place.publish(std::slice::from_ref(&first)).unwrap();
    let replaced = place.refusal(std::slice::from_ref(&other));
    insta::with_settings!({filters => vec![("[0-9a-f]{64}", "<sha256>")]}, {
        insta::assert_snapshot!(replaced, @r#"
        nothing was published in <place>/staged:
          noarch/tidal-1.0-0.conda: it was published with sha256 <sha256> and is now <sha256>; a published file never changes, so give the build another build number
        "#);
    });
    // Also long after it was dropped.
    for version in ["2.0", "2.1", "2.2", "2.3", "2.4"] {
        place.publish(&[place.file(&tidal(version))]).unwrap();
    }
    assert!(!place.channel.root().join("noarch").join(&first.file_name).exists());
    assert_eq!(place.refusal(&[other]), replaced);
    place.publish(&[first]).unwrap();
}

#[test]
fn the_last_generations_are_kept_and_can_be_gone_back_to() {
    let place = Place::new();
    for version in ["1.0", "1.1", "1.2", "1.3", "1.4"] {
        place.publish(&[place.file(&tidal(version))]).unwrap();
    }
    assert_eq!(KEPT_GENERATIONS, 3);
    assert_eq!(place.channel.kept().unwrap(), [3, 4, 5]);
    let back_to = |generation| {
        let files = place.channel.files(generation)?;
        place.channel.publish(&files, &Patches::new())
    };
    let back = back_to(3).unwrap();
    assert_eq!(back, PublishedChannel { generation: 6, outcome: Outcome::New });
    assert_eq!(place.listed(), ["noarch/tidal-1.2-0.conda"]);
    assert_eq!(back_to(6).unwrap().outcome, Outcome::Adopted);
    let gone = back_to(3).unwrap_err().to_string();
    let gone = gone.replace(&place.folder.path().display().to_string(), "<place>");
    assert_eq!(gone, "<place>/staged keeps no generation 3; kept are 4, 5, 6");
}

#[test]
fn what_somebody_else_put_there_stays() {
    let place = Place::new();
    std::fs::create_dir(place.channel.root()).unwrap();
    let files = [place.file(&tidal("1.0"))];
    assert_eq!(place.refusal(&files), "`staged` is there and is not a link; it stays as it is");
    std::fs::remove_dir(place.channel.root()).unwrap();
    std::os::unix::fs::symlink("kept", place.channel.root()).unwrap();
    insta::assert_snapshot!(place.refusal(&files), @"<place>/staged points at kept, which is no generation of this channel; put the link away to publish here");
    std::fs::remove_file(place.channel.root()).unwrap();
    place.publish(&files).unwrap();
    assert!(ChannelFolder::new("/srv/..").is_err() && ChannelFolder::new("/srv/.hidden").is_err());
}

#[test]
fn a_lost_link_loses_nothing_that_was_published() {
    let place = Place::new();
    let first = place.file(&tidal("1.0"));
    place.publish(std::slice::from_ref(&first)).unwrap();
    std::fs::remove_file(place.channel.root()).unwrap();
    let other = place.file(&tidal("1.0").with("license", json!("MIT")));
    assert!(place.refusal(&[other]).contains("a published file never changes"));
    assert_eq!(place.publish(&[first]).unwrap().generation, 2);
    assert_eq!(place.channel.kept().unwrap(), [1, 2]);
}

#[test]
fn a_file_that_others_may_not_read_is_copied() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let place = Place::new();
    let [open, closed] = ["1.0", "1.1"].map(|version| place.file(&tidal(version)));
    std::fs::set_permissions(&closed.path, std::fs::Permissions::from_mode(0o600)).unwrap();
    place.publish(&[open.clone(), closed.clone()]).unwrap();
    let inode = |path: &Path| std::fs::metadata(path).unwrap().ino();
    let folder = place.channel.root().join("noarch");
    assert_eq!(inode(&folder.join(&open.file_name)), inode(&open.path));
    let copied = folder.join(&closed.file_name);
    assert_ne!(inode(&copied), inode(&closed.path));
    assert_eq!(std::fs::metadata(copied).unwrap().permissions().mode() & 0o777, 0o644);
}

#[test]
fn readers_never_see_a_broken_channel() {
    let place = Place::new();
    let versions: Vec<PackageFile> =
        (0..12).map(|number| place.file(&tidal(&format!("1.{number}")))).collect();
    place.publish(&versions[..2]).unwrap();
    let stop = AtomicBool::new(false);
    let rounds = [AtomicUsize::new(0), AtomicUsize::new(0)];
    let read = |open: fn(&Path) -> PathBuf, rounds: &AtomicUsize| {
        let mut seen = BTreeSet::new();
        while !stop.load(Ordering::Relaxed) {
            let root = open(place.channel.root());
            let listed = std::fs::read(root.join("noarch/repodata.json")).unwrap();
            assert_records(&root, &serde_json::from_slice(&listed).unwrap());
            seen.insert(sum(&listed));
            rounds.fetch_add(1, Ordering::Relaxed);
        }
        seen.len()
    };
    std::thread::scope(|scope| {
        let stopping = Stopping(&stop);
        // One reader holds the folder it opened, the other follows the link anew for each file.
        let holding = scope.spawn(|| read(|root| std::fs::canonicalize(root).unwrap(), &rounds[0]));
        let following = scope.spawn(|| read(Path::to_owned, &rounds[1]));
        let broken = || holding.is_finished() || following.is_finished();
        for window in versions.windows(2).cycle().skip(1).take(40) {
            let before = rounds.each_ref().map(|rounds| rounds.load(Ordering::Relaxed));
            place.publish(window).unwrap();
            // Readers are only promised the generations that are kept, so none may fall behind for long.
            let behind =
                || rounds.iter().zip(before).any(|(rounds, before)| rounds.load(Ordering::Relaxed) == before);
            while behind() && !broken() {
                std::thread::yield_now();
            }
        }
        drop(stopping);
        assert!(holding.join().unwrap() > 2 && following.join().unwrap() > 2);
    });
}

/// Ends the readers, also where the publisher fails.
pub(super) struct Stopping<'a>(pub(super) &'a AtomicBool);

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn assert_records(root: &Path, repodata: &Value) {
    let records = repodata["packages.conda"].as_object().unwrap();
    assert_eq!(records.len(), 2);
    for (file, record) in records {
        let bytes = std::fs::read(root.join("noarch").join(file)).unwrap();
        assert_eq!(record["sha256"], sum(&bytes), "{file}");
    }
}

#[test]
fn both_formats_of_a_build_lie_side_by_side() {
    let place = Place::new();
    let conda = place.file(&tidal("1.0"));
    let bytes = tidal("1.0").bytes(TarBz2);
    let path = place.folder.path().join("old");
    std::fs::write(&path, &bytes).unwrap();
    let (sha256, size) = (sum(&bytes), bytes.len() as u64);
    let old = PackageFile { file_name: tidal("1.0").file_name(TarBz2), sha256, size, path, ..conda.clone() };
    place.publish(&[conda, old]).unwrap();
    assert_eq!(place.listed(), ["noarch/tidal-1.0-0.tar.bz2", "noarch/tidal-1.0-0.conda"]);
}
