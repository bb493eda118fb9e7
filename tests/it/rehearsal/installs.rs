//! What a rehearsal published, in the hands of R itself. Skipped with a message where there is no
//! `Rscript`, and a failure there when `TIDEGATE_REQUIRE_REAL=1`.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use super::invented::{Invented, Tempers};
use super::stage::{DISTRIBUTION, Played, TWICE_A_DAY, Way};

const SNAPSHOT: &str = "2026-06-15";

/// Runs R code on a repository and a library; none where R is not installed.
fn r(code: &str, repository: &Path, library: &Path) -> Option<String> {
    let mut command = Command::new("Rscript");
    let output = match command.args(["--vanilla", "-e", code]).arg(repository).arg(library).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            assert!(std::env::var_os("TIDEGATE_REQUIRE_REAL").is_none(), "Rscript is not installed");
            eprintln!("skipped: Rscript is not installed");
            return None;
        }
        output => output.unwrap(),
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn r_installs_from_a_published_snapshot_and_lists_its_binaries() {
    let world = Invented::from_seed(2, Tempers::Agreeable).world();
    let played = Played::of(world.clone(), TWICE_A_DAY, Way::SHIPPED, Some("2026-06-15T03:00:00Z"));
    let manifest = played.left.manifest(SNAPSHOT);
    let members: BTreeSet<&str> =
        manifest["packages"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    let needy: Vec<&str> =
        members.iter().copied().filter(|name| !world.dependencies_of(name).is_empty()).take(4).collect();
    assert!(needy.len() >= 2, "{members:?}");
    let repository = played.left.0.join("published").join(DISTRIBUTION).join(SNAPSHOT);
    let library = tempfile::tempdir().unwrap();
    let wanted = needy.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
    let code = format!(
        "a <- commandArgs(TRUE); .libPaths(a[2]); \
         install.packages(c({wanted}), lib = a[2], repos = paste0('file://', a[1]), type = 'source', quiet = TRUE); \
         cat({}::about())",
        needy[0]
    );
    let Some(about) = r(&code, &repository, library.path()) else { return };
    let version = manifest["packages"].as_array().unwrap().iter().find(|row| row["name"] == needy[0]);
    assert_eq!(about, format!("{} {}", needy[0], version.unwrap()["version"].as_str().unwrap()));
    for folder in
        ["bin/windows/contrib", "bin/macosx/big-sur-arm64/contrib", "bin/macosx/big-sur-x86_64/contrib"]
    {
        let code = format!(
            "p <- available.packages(contriburl = paste0('file://', commandArgs(TRUE)[1], '/{folder}/{}'), \
             filters = list()); cat(rownames(p))",
            manifest["r"].as_str().unwrap()
        );
        let listed = r(&code, &repository, library.path()).unwrap();
        assert_eq!(listed.split_whitespace().collect::<BTreeSet<_>>(), members, "{folder}");
    }
}
