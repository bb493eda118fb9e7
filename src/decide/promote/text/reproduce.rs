//! How anybody checks a new version themselves, as the channel will: with the targeted R and the frozen CRAN.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::pieces::{COMMAND, link};
use crate::decide::promote::index::Index;
use crate::decide::words::counted;
use crate::domain::{Move, RVersion, is_commit, shell_words};
use crate::github::RepositoryName;
use crate::github::markdown::block;

/// So many packages of one commit have their commands; the others differ only by their folder.
const PACKAGES: usize = 5;

/// The commands, under a heading; nothing where the source has no address that a command could name.
pub fn reproduce(index: &Index<'_>, moves: &[Move]) -> String {
    let Some(commands) = commands(index, moves) else { return String::new() };
    let targets = &index.facts.targets;
    let more = match moves.len().saturating_sub(PACKAGES) {
        0 => String::new(),
        more => format!("\nThe same goes for {}.\n", counted(more, "more package")),
    };
    format!(
        "\n### To check it yourself\n\nWith R {} and CRAN as of {}, as {} does:\n\n{}{more}",
        targets.r,
        targets.dependency_freeze,
        index.facts.to,
        block(&commands),
    )
}

fn commands(index: &Index<'_>, moves: &[Move]) -> Option<String> {
    let first = moves.first().filter(|moved| is_commit(&moved.to_commit))?;
    if !moves.iter().all(can_be_named) {
        return None;
    }
    let address = match RepositoryName::from_url(&first.url) {
        Ok(repository) => format!("https://github.com/{repository}"),
        // An address that is fit for a link is fit for git.
        Err(_) => link("", &first.url).map(|_| first.url.clone())?,
    };
    let clone = ["git", "clone", &address, "source"];
    let checkout = ["git", "-C", "source", "checkout", &first.to_commit];
    let mut commands = format!("{} && {}\n", command(&clone), command(&checkout));
    let folders: Vec<String> = moves.iter().take(PACKAGES).map(|moved| folder(index, moved)).collect();
    let (repositories, install) = (in_r_repositories(index), in_r_install(&folders));
    let remotes = "install.packages(\"remotes\")";
    let _ =
        writeln!(commands, "{}", command(&["Rscript", "-e", &repositories, "-e", remotes, "-e", &install]));
    for (moved, folder) in moves.iter().zip(&folders) {
        let archive = format!("{}_{}.tar.gz", moved.package, moved.to_version);
        let check = command(&["R", "CMD", "check", "--no-manual", &archive]);
        let _ = writeln!(commands, "{} && {check}", command(&["R", "CMD", "build", folder]));
    }
    // Half a command is worse than none.
    (commands.len() <= COMMAND).then_some(commands)
}

fn command(words: &[&str]) -> String {
    shell_words(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
}

/// True where name and version are what R calls so: they become part of a file's name.
fn can_be_named(moved: &Move) -> bool {
    let harmless = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'.';
    let name = moved.package.as_bytes();
    name.first().is_some_and(u8::is_ascii_alphabetic)
        && name.iter().all(harmless)
        && RVersion::parse(&moved.to_version).is_ok_and(|version| version.as_str() == moved.to_version)
}

/// Where the clone has a package.
fn folder(index: &Index<'_>, moved: &Move) -> String {
    match index.source(&moved.package).and_then(|listing| listing.subdir.as_deref()) {
        Some(folder) => format!("source/{}", folder.trim_matches('/')),
        None => "source".to_owned(),
    }
}

/// What it depends on comes from the channel's own universe, and else from the frozen CRAN.
fn in_r_repositories(index: &Index<'_>) -> String {
    let addresses = index.facts.universe.iter().chain([&index.facts.targets.cran]);
    let addresses: Vec<String> = addresses.map(|address| format!("{address:?}")).collect();
    format!("options(repos = c({}))", addresses.join(", "))
}

fn in_r_install(folders: &[String]) -> String {
    let different: BTreeSet<&String> = folders.iter().collect();
    let named: Vec<String> = different.iter().map(|folder| format!("{folder:?}")).collect();
    match named.as_slice() {
        [one] => format!("remotes::install_deps({one}, dependencies = TRUE)"),
        all => {
            format!(
                "for (folder in c({})) remotes::install_deps(folder, dependencies = TRUE)",
                all.join(", ")
            )
        }
    }
}
