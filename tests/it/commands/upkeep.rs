//! `backup`, `restore`, `snapshot`, `index`, `completions`, `man`, and the reference of all commands.

use std::path::Path;

use serde_json::json;
use sha2::{Digest as _, Sha256};
use tidegate::ecosystem::cran::make::MadePackage;
use tidegate::store::{Snapshot, SnapshotState};

use super::place::names_in;
use super::sample_state::SampleState;
use super::{run, text};

#[test]
fn a_backup_can_be_put_back_and_nothing_is_lost() {
    let state = SampleState::new();
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.db");
    let before = state.run("runs").printed();
    assert!(state.run(&format!("backup {}", copy.display())).printed().contains("bytes"));
    state.change(async |store| {
        store
            .request_run(
                "later",
                "2026-09-15T04:00:00Z".parse().unwrap(),
                "x",
                "2026-09-15T04:00:00Z".parse().unwrap(),
            )
            .await
            .unwrap();
    });
    let said = state.run(&format!("restore {}", copy.display())).printed();
    assert!(said.contains("what was there before is STATE/tidegate.db.before-restore"), "{said}");
    assert_eq!(state.run("runs").printed(), before);
    assert_eq!(state.run("runs later").code, 2, "what came after the backup is gone");
}

#[test]
fn what_is_no_backup_is_not_put_in_place() {
    let state = SampleState::new();
    let other = state.path().join("notes.txt");
    std::fs::write(&other, "not a database").unwrap();
    let ran = state.run(&format!("restore {}", other.display()));
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("STATE/notes.txt"), "{}", ran.err);
    assert_eq!(state.run("runs").code, 0);
}

/// A published snapshot beside the state, with its row.
fn published(state: &SampleState) {
    let manifest = json!({
        "format": 1, "distribution": "r-multiverse", "date": "2026-06-15", "r": "4.6",
        "cran": "https://packagemanager.posit.co/cran/2026-04-15", "cran_date": "2026-04-15",
        "production": "https://production.r-multiverse.org/2026-06-15",
        "packages": [{"name": "apart", "version": "1.0", "commit": "1234", "url": "https://example.org", "evidence": "passing"}],
        "left_out": [{"name": "base", "version": "1.0", "reason": "R CMD check: ERROR on linux."}],
        "files": [],
    });
    let manifest = manifest.to_string();
    let folder = state.path().join("published/r-multiverse/2026-06-15");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("manifest.json"), &manifest).unwrap();
    let digest: String = Sha256::digest(&manifest).iter().map(|byte| format!("{byte:02x}")).collect();
    let row = Snapshot {
        distribution: "r-multiverse".into(),
        date: "2026-06-15".parse().unwrap(),
        state: SnapshotState::Published,
        reason: None,
        suite: None,
        manifest_digest: Some(digest),
        packages: 1,
        published_at: Some("2026-06-15T02:03:00Z".parse().unwrap()),
        generation: 1,
    };
    state.change(async |store| store.save_snapshot(&row).await.unwrap());
}

#[test]
fn a_snapshot_is_listed_and_shown_with_what_it_left_out() {
    let state = SampleState::new();
    assert_eq!(state.run("snapshot list").printed(), "no snapshot yet\n");
    published(&state);
    insta::assert_snapshot!(state.run("snapshot list").printed(), @"2026-06-15  r-multiverse  published      1 package");
    insta::assert_snapshot!(state.run("snapshot show 2026-06-15").printed(), @r#"
    snapshot 2026-06-15 of r-multiverse
      state        published
      packages     1
      published    2026-06-15T02:03:00Z
      manifest     sha256 DIGEST
      folder       STATE/published/r-multiverse/2026-06-15
      R            4.6
      CRAN         https://packagemanager.posit.co/cran/2026-04-15
      files        0
      outside      not written down
      signed       no
    
    packages
      apart 1.0 at 1234
    
    left out
      base 1.0  R CMD check: ERROR on linux.
    "#);
    let json = state.run("snapshot show 2026-06-15 --json").json();
    assert_eq!(json["manifest"]["packages"][0]["name"], "apart");
    let ran = state.run("snapshot show 2026-06-16");
    insta::assert_snapshot!(ran.err, @r"
    error: r-multiverse has no snapshot 2026-06-16
    hint: there are 2026-06-15
    ");
    assert_eq!(ran.code, 2);
}

#[test]
fn a_manifest_that_somebody_changed_is_noticed() {
    let state = SampleState::new();
    published(&state);
    let file = state.path().join("published/r-multiverse/2026-06-15/manifest.json");
    std::fs::write(&file, text(&file).replace("\"passing\"", "\"failing\"")).unwrap();
    let ran = state.run("snapshot show 2026-06-15");
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.err.contains("manifest.json is not what was published"), "{}", ran.err);
}

fn index(folder: &Path) -> super::Ran {
    run(["index", "cran", folder.to_str().unwrap()])
}

#[test]
fn a_folder_of_sources_gets_its_index() {
    let folder = tempfile::tempdir().unwrap();
    for package in ["beta", "Alpha"] {
        let made = MadePackage { package: package.into(), version: "1.0".into(), ..MadePackage::default() };
        let bytes = tidegate::ecosystem::cran::make::source_package(&made).unwrap();
        std::fs::write(folder.path().join(format!("{package}_1.0.tar.gz")), bytes).unwrap();
    }
    assert!(index(folder.path()).printed().ends_with(": 2 packages\n"));
    assert_eq!(
        names_in(folder.path()),
        ["Alpha_1.0.tar.gz", "PACKAGES", "PACKAGES.gz", "PACKAGES.rds", "beta_1.0.tar.gz"]
    );
    let listed = text(&folder.path().join("PACKAGES"));
    assert!(listed.find("Package: Alpha").unwrap() < listed.find("Package: beta").unwrap());
}

#[test]
fn a_folder_without_packages_or_with_several_kinds_has_no_index() {
    let folder = tempfile::tempdir().unwrap();
    let ran = index(folder.path());
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("holds no package"), "{}", ran.err);
    for name in ["a_1.0.zip", "a_1.0.tgz"] {
        std::fs::write(folder.path().join(name), "").unwrap();
    }
    let ran = index(folder.path());
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("several kinds: .tgz, .zip"), "{}", ran.err);
}

#[test]
fn completions_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let script = run(["completions", shell]).printed();
        for command in ["explain", "skip-next", "rehearse"] {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
    assert_eq!(run(["completions", "cmd.exe"]).code, 2);
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let into = folder.path().join("man1");
    assert_eq!(run(["man", into.to_str().unwrap()]).printed(), "");
    let pages = names_in(&into);
    for page in ["tidegate.1", "tidegate-explain.1", "tidegate-decide-status.1", "tidegate-exception-add.1"] {
        assert!(pages.iter().any(|name| name == page), "{page} is not among {pages:?}");
    }
    assert!(run(["man"]).printed().contains(".TH tidegate 1"));
}

#[test]
fn the_reference_of_commands_is_what_the_program_says_of_itself() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md");
    let made = tidegate::cli::reference();
    if std::env::var_os("TIDEGATE_UPDATE").is_some() {
        std::fs::write(&file, &made).unwrap();
    }
    assert!(text(&file) == made, "docs/cli.md is stale: run `TIDEGATE_UPDATE=1 cargo test the_reference`");
}
