//! What `tidegate rehearse` refuses, how it says so, and how it exits.

use std::path::Path;
use std::process::Command;

use super::invented::{Invented, Tempers};

/// A folder with a world in it.
fn world_in(folder: &Path, name: &str, seed: u64) {
    std::fs::create_dir(folder.join(name)).unwrap();
    Invented::from_seed(seed, Tempers::Agreeable).write_to(&folder.join(name));
}

/// Runs the command in `folder`: the exit code and what it wrote to standard error.
fn rehearse(folder: &Path, arguments: &str) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .args(["--json", "rehearse"])
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// A minute of the world is enough to take a folder.
const A_MINUTE: &str = "--to 2026-04-15T00:01:00Z --out out";

#[test]
fn a_folder_belongs_to_one_rehearsal() {
    let folder = tempfile::tempdir().unwrap();
    world_in(folder.path(), "world", 1);
    world_in(folder.path(), "other", 2);
    assert_eq!(rehearse(folder.path(), &format!("world {A_MINUTE}")), (0, String::new()));
    assert_eq!(rehearse(folder.path(), &format!("world {A_MINUTE}")), (0, String::new()));
    let (code, said) = rehearse(folder.path(), &format!("other {A_MINUTE}"));
    insta::assert_snapshot!(said, @"error: out belongs to another rehearsal (its world has the same name and other contents); choose another folder with --out, or remove this one");
    assert_eq!(code, 1);
    let (code, said) = rehearse(folder.path(), &format!("world {A_MINUTE} --staging follow"));
    insta::assert_snapshot!(said, @"error: out belongs to another rehearsal (its --staging, --via or --policy differ); choose another folder with --out, or remove this one");
    assert_eq!(code, 1);
}

#[test]
fn a_folder_with_something_else_in_it_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    world_in(folder.path(), "world", 1);
    std::fs::create_dir(folder.path().join("out")).unwrap();
    std::fs::write(folder.path().join("out/thesis.txt"), "years of work").unwrap();
    let (code, said) = rehearse(folder.path(), &format!("world {A_MINUTE}"));
    insta::assert_snapshot!(said, @"error: out is not empty and holds no rehearsal; choose another folder with --out");
    assert_eq!(code, 1);
    assert_eq!(std::fs::read_dir(folder.path().join("out")).unwrap().count(), 1);
}

#[test]
fn a_malformed_world_is_refused_with_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    world_in(folder.path(), "world", 1);
    let releases = folder.path().join("world/releases.jsonl");
    let mut lines: Vec<String> =
        std::fs::read_to_string(&releases).unwrap().lines().map(str::to_owned).collect();
    lines[2] = lines[2].replace("\"commit\"", "\"comit\"");
    std::fs::write(&releases, lines.join("\n") + "\n").unwrap();
    let (code, said) = rehearse(folder.path(), &format!("world {A_MINUTE}"));
    insta::assert_snapshot!(said, @r"
    error: world/releases.jsonl:3:96: unknown key `comit`, expected one of `at`, `repository`, `tag`, `commit`, `packages`
      hint: did you mean `commit`?
    ");
    assert_eq!(code, 2);
    assert!(!folder.path().join("out").exists());
}

#[test]
fn a_rehearsal_cannot_end_before_its_world_begins() {
    let folder = tempfile::tempdir().unwrap();
    world_in(folder.path(), "world", 1);
    let (code, said) = rehearse(folder.path(), "world --to 2026-04-14 --out out");
    insta::assert_snapshot!(said, @"error: --to 2026-04-14T00:00:00Z lies before the world begins, at 2026-04-15T00:00:00Z; give a later time");
    assert_eq!(code, 2);
    assert!(!folder.path().join("out").exists());
}
