//! Binaries for Linux in a snapshot: tarballs with the names of sources, in a repository of their own below `bin/linux`.

use std::fs;

use tidegate::ecosystem::cran::dcf::{self, DcfLimits};
use tidegate::jobs::snapshot::{Problem, verify};
use tidegate::rehearse::universe::Platform;
use tidegate::store::RunState;

use super::real_r::r;
use super::snapshot_scene::{BEFORE, DAY, Scene, Story};

const NOBLE: &str = "bin/linux/noble-x86_64/4.5/src/contrib";

/// A snapshot of a channel whose universe has binaries for Linux too, with these lines in its job.
async fn scene(lines: &'static str) -> Scene {
    let platforms = [&Platform::USUAL[..], &[Platform::Noble]].concat();
    let mut scene = Scene::of(Story { platforms, ..Story::default() }).await;
    (scene.keep, scene.fetch) = ("keep = \"nothing\"", lines);
    scene.run("status", BEFORE).await;
    let run = scene.run("snapshot", DAY).await;
    assert_eq!(run.state, RunState::Done, "{}", Scene::told(&run));
    scene
}

fn verified(scene: &Scene) -> Vec<(Problem, String)> {
    let verified = verify(&scene.published().unwrap(), None, &Default::default()).unwrap();
    verified.findings.into_iter().map(|finding| (finding.problem, finding.path)).collect()
}

#[tokio::test]
async fn binaries_for_linux_are_taken_where_the_job_says_so() {
    for fetch in ["files", "zip", "tar"] {
        let lines = format!("binaries = [\"linux\"]\nfetch = \"{fetch}\"");
        let scene = scene(lines.leak()).await;
        let expected: Vec<String> = [NOBLE, "src/contrib"]
            .iter()
            .flat_map(|folder| ["bass", "other", "top"].map(|name| format!("{folder}/{name}_1.0.0.tar.gz")))
            .collect();
        assert_eq!(scene.archives(), expected, "{fetch}");
        assert_eq!(verified(&scene), [], "{fetch}");
    }
    let scene = scene("").await;
    assert!(scene.archives().iter().all(|path| !path.contains("linux")));
}

#[tokio::test]
async fn their_index_says_that_they_are_built_and_the_page_how_to_install_them() {
    let scene = scene("binaries = [\"linux\"]").await;
    let published = scene.published().unwrap();
    let rows = |folder: &str| {
        dcf::read(&fs::read(published.join(folder).join("PACKAGES")).unwrap(), DcfLimits::INDEX).unwrap()
    };
    let binaries = rows(NOBLE);
    assert_eq!(binaries.len(), 3);
    assert!(binaries.iter().all(|row| row.get("Built").is_some_and(|built| built.starts_with("R 4.5."))));
    assert!(rows("src/contrib").iter().all(|row| row.get("Built").is_none()));
    let page = fs::read_to_string(published.join("index.html")).unwrap();
    let repository = "https://production.example.org/2026-06-15/bin/linux/noble-x86_64/4.5";
    assert!(page.contains(repository) && page.contains("With binaries for noble-x86_64"), "{page}");

    let archive = published.join(NOBLE).join("top_1.0.0.tar.gz");
    let source = published.join("src/contrib/top_1.0.0.tar.gz");
    assert_ne!(fs::read(&archive).unwrap(), fs::read(&source).unwrap());
    fs::remove_file(&archive).unwrap();
    fs::copy(&source, &archive).unwrap();
    let found = verified(&scene);
    assert!(found.contains(&(Problem::Changed, format!("{NOBLE}/top_1.0.0.tar.gz"))), "{found:?}");
    assert!(found.contains(&(Problem::Index, format!("{NOBLE}/PACKAGES"))), "{found:?}");
}

#[tokio::test]
async fn r_takes_the_binary_of_two_equal_versions_where_its_repository_comes_first() {
    let scene = scene("binaries = [\"linux\"]").await;
    let (published, downloads) = (scene.published().unwrap(), tempfile::tempdir().unwrap());
    let code = "a <- commandArgs(TRUE); plain <- paste0('file://', a[1]); \
                linux <- file.path(plain, 'bin/linux/noble-x86_64/4.5'); \
                options(repos = c(linux, plain)); p <- available.packages(type = 'source'); \
                stopifnot(all(grepl('bin/linux', p[, 'Repository']))); \
                d <- download.packages('top', a[2], available = p, type = 'source', quiet = TRUE); \
                untar(d[1, 2], exdir = a[2]); \
                cat(rownames(p), '|', read.dcf(file.path(a[2], 'top/DESCRIPTION'), 'Built')[1, 1])";
    let Some(printed) = r(code, &[&published, downloads.path()]) else { return };
    assert!(printed.starts_with("bass other top | R 4.5."), "{printed}");
}
