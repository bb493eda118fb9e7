//! How a stranger sees a red test with their own eyes: the exact environment, and the command that failed.

use std::fmt::Write as _;

use super::pieces::name;
use super::{ChannelPlace, Frame, TroubledCase};
use crate::domain::{Build, Environment, FailedStep, RecheckMode, TestVerdict};
use crate::github::markdown::block;

/// The longest list of an environment that a text holds, in bytes: some 150 packages.
const LIST: usize = 20_000;

/// An environment as a list that conda, mamba and micromamba install without solving: one address per line
/// with the file's SHA-256, which conda reads from 24.9 on (its pull request 14048). Addresses of `places` are
/// those that everybody can read, where there are such.
pub fn explicit_list(environment: &Environment, platform: &str, places: &[ChannelPlace]) -> String {
    let mut list = format!("# platform: {platform}\n@EXPLICIT\n");
    for build in environment.builds() {
        let Build { subdir, file_name, sha256, .. } = build;
        let _ = writeln!(list, "{}/{subdir}/{file_name}#sha256:{sha256}", address(&build.channel, places));
    }
    list
}

fn address<'a>(channel: &'a str, places: &'a [ChannelPlace]) -> &'a str {
    let place = places.iter().find(|place| place.address == channel);
    place.and_then(|place| place.public.as_deref()).unwrap_or(channel)
}

/// The part of a report on how to see it oneself. `with_list` asks for the list of the environment, where
/// it is not too long.
pub(super) fn reproduce(frame: &Frame, case: &TroubledCase, with_list: ListWanted) -> String {
    match (&case.verdict.result, &case.environment) {
        (Some(TestVerdict::Fail { step: FailedStep::Solve, .. }), _) => solving(frame, case),
        (_, Some(environment)) => installing(frame, case, environment, with_list),
        (_, None) => String::new(),
    }
}

/// Whether the list of an environment is part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListWanted {
    /// It is.
    Here,
    /// There is no room for it.
    Elsewhere,
}

fn solving(frame: &Frame, case: &TroubledCase) -> String {
    let member = &case.verdict.case.member;
    let channels: String = frame
        .channels
        .iter()
        .map(|place| format!(" \\\n  --channel {}", quoted(address(&place.address, &frame.channels))))
        .collect();
    let spec = quoted(&format!("{}={}={}", member.name, member.version, member.build));
    let commands =
        format!("conda create --dry-run --name recheck --override-channels{channels} \\\n  {spec}");
    let held = match case.verdict.case.mode {
        RecheckMode::Latest => "every other member",
        RecheckMode::Pinned => "every other member, and everything else within its lines,",
    };
    let metapackage = format!("{} {}", frame.metapackage.name, frame.metapackage.version);
    format!(
        "{}\nThe recheck also held {held} at what {} holds.{}\n",
        block(&commands),
        name(&metapackage),
        local_note(frame.channels.iter().map(|place| address(&place.address, &frame.channels)), frame)
    )
}

fn installing(
    frame: &Frame,
    case: &TroubledCase,
    environment: &Environment,
    with_list: ListWanted,
) -> String {
    let member = &case.verdict.case.member;
    let list = explicit_list(environment, &case.verdict.case.platform, &frame.channels);
    let is_here = with_list == ListWanted::Here && list.len() <= LIST;
    let mut text = match (is_here, case.run) {
        (true, _) => {
            "Save the list of the exact files below as `recheck.txt`, then, with conda 24.9 or newer:\n\n"
                .to_owned()
        }
        (false, Some(run)) => format!(
            "Those who run the distribution can print the list of the exact files with \
             `tidegate show {run} --environment {}`. With it in `recheck.txt`, and conda 24.9 or newer:\n\n",
            // The name of a package has no letter that a shell reads.
            member.name.chars().filter(|c| is_plain(*c)).collect::<String>()
        ),
        (false, None) => return String::new(),
    };
    text += &block(&format!(
        "conda create --name recheck --file recheck.txt\nconda activate recheck\n{}",
        test_commands(case)
    ));
    let addresses = environment.builds().map(|build| address(&build.channel, &frame.channels));
    text += &local_note(addresses, frame);
    if is_here {
        let _ = write!(text, "\nThe {} files:\n\n{}", environment.builds().len(), block(&list));
    }
    text
}

/// What has to be said of files that only the machine of the distribution has.
fn local_note<'a>(addresses: impl Iterator<Item = &'a str>, frame: &Frame) -> String {
    let local: std::collections::BTreeSet<&str> =
        addresses.filter(|address| address.starts_with("file:")).collect();
    if local.is_empty() {
        return String::new();
    }
    let told: Vec<String> = local.iter().take(5).map(|address| name(address)).collect();
    format!(
        "\nWhat comes from {} lies in folders of the machine that {} is made on: nobody said where else it can \
         be read. Put the address that you read it from in its place.\n",
        told.join(" and "),
        name(&frame.distribution)
    )
}

/// The commands that do what failed, after the environment is there.
fn test_commands(case: &TroubledCase) -> String {
    let member = &case.verdict.case.member;
    let folder = member.file_name.trim_end_matches(".tar.bz2").trim_end_matches(".conda");
    let enter = match folder.chars().all(is_plain) {
        true => format!("cd \"$(conda info --base)/pkgs/{folder}/info/test\"\n"),
        false => String::new(),
    };
    match &case.verdict.result {
        Some(TestVerdict::Fail { step: FailedStep::Import(module), .. }) => {
            format!("python -s -c {}", quoted(&format!("import {module}")))
        }
        Some(TestVerdict::Fail { step: FailedStep::Command { command, .. }, .. }) => {
            let is_script = command.rsplit(' ').next().is_some_and(|last| last.starts_with("run_test."));
            format!("{}{command}", if is_script { &enter } else { "" })
        }
        Some(TestVerdict::Fail { step: FailedStep::Install | FailedStep::Solve, .. }) => String::new(),
        _ => format!("{enter}# then run each run_test.* that lies here"),
    }
}

/// A word as a shell takes it literally.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._+-!".contains(c)
}
