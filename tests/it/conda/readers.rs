//! What is published here, in the hands of a reader that is not ours: py-rattler. Skipped with a message
//! where no Python has it, unless `TIDEGATE_REQUIRE_REAL` says that this must not be.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tidegate::ecosystem::conda::archive::ArchiveLimits;
use tidegate::ecosystem::conda::index::FolderIndex;
use tidegate::ecosystem::conda::layout::ArchiveFormat;
use tidegate::ecosystem::conda::patch::PatchInstructions;
use tidegate::publish::channel::{ChannelFolder, PackageFile, Patches};

use super::made::{Made, made};

/// A Python that has py-rattler; none where there is none.
fn python() -> Option<PathBuf> {
    let python = std::env::var_os("TIDEGATE_PYTHON").map_or_else(|| PathBuf::from("python3"), PathBuf::from);
    let found = Command::new(&python).args(["-c", "import rattler"]).output();
    if found.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    let told = format!("{} cannot import rattler (pip install py-rattler)", python.display());
    assert!(std::env::var_os("TIDEGATE_REQUIRE_REAL").is_none(), "{told}");
    eprintln!("skipped: {told}");
    None
}

/// What the script prints, and what it says on standard error.
fn read(python: &Path, place: &Path, channel: &str, specs: &[&str]) -> Result<String, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/conda/read_channel.py");
    let prefix = tempfile::tempdir().unwrap();
    let output = Command::new(python)
        .args([&script, place, Path::new(channel), &prefix.path().join("env")])
        .args(specs)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout).unwrap()),
        false => Err(told),
    }
}

fn suite() -> Vec<(Made, ArchiveFormat)> {
    let linux = |package: Made| package.with("subdir", json!("linux-64")).with("noarch", Value::Null);
    vec![
        (made("q2-types", "2023.7.0", "0").with("depends", json!(["biom >=2.1"])), ArchiveFormat::Conda),
        (made("q2-types", "2023.7.0", "0").with("depends", json!(["biom >=2.1"])), ArchiveFormat::TarBz2),
        (linux(made("biom", "2.1.12", "h1_0")), ArchiveFormat::TarBz2),
        (linux(made("biom", "2.1.14", "h1_0")), ArchiveFormat::Conda),
        (linux(made("biom", "2.2.0", "h1_0")), ArchiveFormat::Conda),
    ]
}

fn files(folder: &Path) -> Vec<PackageFile> {
    suite()
        .into_iter()
        .map(|(package, format)| {
            let path = package.put(folder, format);
            let bytes = std::fs::read(&path).unwrap();
            PackageFile {
                subdir: package.index["subdir"].as_str().unwrap().to_owned(),
                file_name: package.file_name(format),
                sha256: Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect(),
                size: bytes.len() as u64,
                path,
            }
        })
        .collect()
}

#[test]
fn py_rattler_solves_and_installs_from_a_published_channel() {
    let Some(python) = python() else { return };
    let place = tempfile::tempdir().unwrap();
    let channel = ChannelFolder::new(place.path().join("staged")).unwrap();
    let files = files(&place.path().join("made"));
    let revoke =
        PatchInstructions { revoke: ["biom-2.2.0-h1_0.conda".to_owned()].into(), ..Default::default() };
    channel.publish(&files, &Patches::from([("linux-64".to_owned(), revoke)])).unwrap();
    let printed = read(&python, place.path(), "staged", &["q2-types"]).unwrap();
    insta::assert_snapshot!(printed, @r#"
    biom 2.1.14 h1_0 biom-2.1.14-h1_0.conda
    q2-types 2023.7.0 0 q2-types-2023.7.0-0.conda
    biom.txt = biom 2.1.14
    q2-types.txt = q2-types 2023.7.0
    "#);
    let refused = read(&python, place.path(), "staged", &["biom ==2.2.0"]).unwrap_err();
    assert!(refused.contains("package_has_been_revoked"), "{refused}");
}

#[test]
fn py_rattler_solves_and_installs_from_an_indexed_folder() {
    let Some(python) = python() else { return };
    let place = tempfile::tempdir().unwrap();
    files(&place.path().join("channel"));
    let index = FolderIndex::of_folder(&place.path().join("channel"), &ArchiveLimits::default()).unwrap();
    index.write().unwrap();
    let printed = read(&python, place.path(), "channel", &["q2-types 2023.7.*", "biom <2.2"]).unwrap();
    insta::assert_snapshot!(printed, @r#"
    biom 2.1.14 h1_0 biom-2.1.14-h1_0.conda
    q2-types 2023.7.0 0 q2-types-2023.7.0-0.conda
    biom.txt = biom 2.1.14
    q2-types.txt = q2-types 2023.7.0
    "#);
}
