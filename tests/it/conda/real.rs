//! Programs of others that read what tidegate writes, where they are installed.

use std::path::PathBuf;
use std::process::Command;

/// A Python that can import `module`: the one that `TIDEGATE_PYTHON` names, or `python3`. Without one the
/// test says so and is skipped; where `TIDEGATE_REQUIRE_REAL` is set, it fails.
pub fn python(module: &str) -> Option<PathBuf> {
    let python = std::env::var_os("TIDEGATE_PYTHON").map_or_else(|| PathBuf::from("python3"), PathBuf::from);
    let found = Command::new(&python).args(["-c", &format!("import {module}")]).output();
    if found.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    assert!(std::env::var_os("TIDEGATE_REQUIRE_REAL").is_none(), "{python:?} cannot import {module}");
    println!("skipped: {python:?} cannot import {module}");
    None
}

/// Whether tests can be run in bubblewrap here. Where they cannot, the test says so and is skipped; where
/// `TIDEGATE_REQUIRE_REAL` is set, it fails.
pub fn bubblewrap() -> bool {
    let found = Command::new("bwrap").args(["--ro-bind", "/", "/", "--unshare-all", "true"]).output();
    if found.is_ok_and(|output| output.status.success()) {
        return true;
    }
    assert!(std::env::var_os("TIDEGATE_REQUIRE_REAL").is_none(), "bwrap cannot make namespaces here");
    println!("skipped: bwrap cannot make namespaces here");
    false
}
