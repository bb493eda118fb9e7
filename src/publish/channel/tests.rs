//! What a crash leaves, at every step.

use sha2::{Digest as _, Sha256};

use super::*;

const STEPS: [Step; 7] = [
    Step::Placed,
    Step::Indexed,
    Step::Synced,
    Step::ContentsWritten,
    Step::Renamed,
    Step::LinkMade,
    Step::LinkRenamed,
];

fn crash_at(step: Step) -> impl Fn(Step) -> io::Result<()> {
    move |now| if now == step { Err(io::Error::other("the power failed")) } else { Ok(()) }
}

/// Packages of the recorded channel.
fn files(names: &[&str]) -> Vec<PackageFile> {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/conda/recheck-channel/channel/noarch");
    let file = |name: &&str| {
        let path = folder.join(name);
        let bytes = fs::read(&path).unwrap();
        let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let (subdir, file_name) = ("noarch".to_owned(), (*name).to_owned());
        PackageFile { subdir, file_name, sha256, size: bytes.len() as u64, path }
    };
    names.iter().map(file).collect()
}

/// The names that the index lists, each with its file in place.
fn listed(channel: &ChannelFolder) -> Vec<String> {
    let folder = channel.root().join("noarch");
    let text = fs::read_to_string(folder.join("repodata.json")).unwrap();
    let repodata: serde_json::Value = serde_json::from_str(&text).unwrap();
    let packages = repodata["packages"].as_object().unwrap();
    for (file, record) in packages {
        let sum: String = Sha256::digest(fs::read(folder.join(file)).unwrap())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(record["sha256"], sum);
    }
    packages.keys().cloned().collect()
}

/// Everything in the folder of generations, by name.
fn lies_there(channel: &ChannelFolder) -> Vec<String> {
    let entries = fs::read_dir(channel.generations()).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

const OLD: [&str; 2] = ["extdep-1.0-0.tar.bz2", "helper-0.1-0.tar.bz2"];
const NEW: [&str; 2] = ["extdep-2.0-0.tar.bz2", "helper-0.1-0.tar.bz2"];

#[test]
fn a_crash_at_any_step_leaves_the_old_or_the_new_and_the_next_try_ends_well() {
    for step in STEPS {
        let place = tempfile::tempdir().unwrap();
        let channel = ChannelFolder::new(place.path().join("staged")).unwrap();
        channel.publish(&files(&OLD), &Patches::new()).unwrap();
        channel.publish_in_steps(&files(&NEW), &Patches::new(), &crash_at(step)).unwrap_err();

        let switched = step == Step::LinkRenamed;
        assert_eq!(listed(&channel), if switched { NEW } else { OLD }, "{step:?}");
        let again = channel.publish(&files(&NEW), &Patches::new()).unwrap();
        let outcome = if switched { Outcome::Adopted } else { Outcome::New };
        assert_eq!(again, PublishedChannel { generation: 2, outcome }, "{step:?}");
        assert_eq!(listed(&channel), NEW, "{step:?}");
        assert_eq!(lies_there(&channel), ["1", "1.json", "2", "2.json"], "{step:?}");
        channel.publish(&channel.files(1).unwrap(), &Patches::new()).unwrap();
        assert_eq!(listed(&channel), OLD, "{step:?}");
    }
}

#[test]
fn what_a_crash_prepared_is_gone_when_something_else_is_published() {
    for step in STEPS.into_iter().filter(|step| *step != Step::LinkRenamed) {
        let place = tempfile::tempdir().unwrap();
        let channel = ChannelFolder::new(place.path().join("staged")).unwrap();
        channel.publish(&files(&OLD), &Patches::new()).unwrap();
        channel.publish_in_steps(&files(&NEW), &Patches::new(), &crash_at(step)).unwrap_err();
        let same = channel.publish(&files(&OLD), &Patches::new()).unwrap();
        assert_eq!(same, PublishedChannel { generation: 1, outcome: Outcome::Adopted }, "{step:?}");
        assert_eq!(lies_there(&channel), ["1", "1.json"], "{step:?}");
    }
}

#[test]
fn the_first_publication_may_crash_too() {
    for step in STEPS {
        let place = tempfile::tempdir().unwrap();
        let channel = ChannelFolder::new(place.path().join("staged")).unwrap();
        channel.publish_in_steps(&files(&NEW), &Patches::new(), &crash_at(step)).unwrap_err();
        assert_eq!(channel.current().unwrap().is_some(), step == Step::LinkRenamed, "{step:?}");
        channel.publish(&files(&NEW), &Patches::new()).unwrap();
        assert_eq!(listed(&channel), NEW, "{step:?}");
        assert!(!place.path().join(".staged-switching").is_symlink(), "{step:?}");
        assert!(!lies_there(&channel).contains(&".preparing".to_owned()), "{step:?}");
    }
}
