//! Mistakes of a job that its own file does not show: what it names leads nowhere or cannot do what it wants, and
//! what another job does already.

use std::collections::BTreeMap;

use super::cross::{Known, unknown};
use super::distribution::Ecosystem;
use super::document::{Document, Role};
use super::jobs::{Need, kind_names, kind_of};
use super::nearest::{listed, nearest};
use super::template;

pub(super) fn job(document: &mut Document<'_>, known: &BTreeMap<String, Known>) {
    timing(document);
    let Some(name) = document.text_at("distribution").map(str::to_owned) else { return };
    let Some(distribution) = known.get(&name) else {
        unknown(document, "distribution", ("distribution", &name), known.keys().map(String::as_str));
        return;
    };
    if !distribution.parsed {
        return;
    }
    if let Some(milestone) = document.text_at("on").map(str::to_owned)
        && !distribution.milestones.contains(&milestone)
    {
        unknown(
            document,
            "on",
            ("milestone", &milestone),
            distribution.milestones.iter().map(String::as_str),
        );
    }
    let kind = document.text_at("kind").and_then(|name| kind_of(name, Some(distribution.ecosystem)));
    if let Some(kind) = kind {
        if kind.ecosystem != distribution.ecosystem {
            let message = format!("a job of the kind `{}` cannot work for `{name}`", kind.name);
            let hint = match kind.ecosystem {
                Ecosystem::RUniverse => "this kind is for distributions with `ecosystem = \"r-universe\"`",
                Ecosystem::Conda => "this kind is for distributions with `ecosystem = \"conda\"`",
            };
            document.report("distribution", message, "of another ecosystem", hint);
            return;
        }
        for (key, need) in kind.channels {
            channel(document, &format!("{}.{key}", kind.name), *need, distribution);
        }
        order(document, kind.name, distribution);
        if TELLING.contains(&kind.name) && !distribution.has_reports {
            let hint = format!("add `[reports]` with a `repository` to distributions/{name}.toml");
            document.report(
                "kind",
                "nothing says where this job tells what it finds",
                "needs [reports]",
                &hint,
            );
        }
        if kind.schema_name == "r-recheck" {
            checked_source(document);
            handed_over(document);
        }
    }
}

/// The kinds of jobs of R packages that do nothing but tell people.
const TELLING: [&str; 2] = ["forecast", "report"];

/// A command that checks a package has to be given its archive.
fn checked_source(document: &mut Document<'_>) {
    let path = "recheck.command";
    let word = |index| document.text_at(&format!("{path}.{index}")).unwrap_or_default();
    // A field that is misspelt is reported as such.
    let meant = |text: &str| template::fields_in(text).any(|(_, field)| nearest(field, ["source"]).is_some());
    if document.has(path) && !(0..document.length(path)).any(|index| meant(word(index))) {
        let hint = "put `{source}` where the command takes the name of the source archive";
        document.report(path, "this command is not given the package", "`{source}` is missing", hint);
    }
}

/// A check needs the archive that was fetched and compared, and runs of a workflow are handed no files.
fn handed_over(document: &mut Document<'_>) {
    let path = "recheck.engine";
    if document.text_at(path) == Some("github-actions") {
        let message = "runs of GitHub Actions cannot be handed the archive that is checked";
        document.report(path, message, "not for R packages", "name `local` or `slurm`");
    }
}

/// What may be done for a channel by one job only: the key that names the channel, and what the job does.
const ALONE: [(&str, &str); 4] = [
    ("recheck.channel", "rechecks"),
    ("forecast.to", "forecasts"),
    ("report.channel", "reports on"),
    ("publish.channel", "publishes"),
];

/// What one job says of a channel's own checks, or of its future, another one would take back.
pub(super) fn done_twice(document: &mut Document<'_>, done: &mut BTreeMap<(&str, String, String), String>) {
    let Role::Job(name) = document.role.clone() else { return };
    if document.flag_at("enabled") == Some(false) {
        return;
    }
    for (key, does) in ALONE {
        let (Some(distribution), Some(channel)) = (document.text_at("distribution"), document.text_at(key))
        else {
            continue;
        };
        let place = (key, distribution.to_owned(), channel.to_owned());
        if let Some(other) = done.get(&place) {
            let message = format!("the job `{other}` {does} this channel already");
            let hint = "switch one of them off with `enabled = false`, or make them one job";
            document.report(key, message, "a second time", hint);
            continue;
        }
        done.insert(place, name.clone());
    }
}

/// An engine that lies elsewhere, with what is said where tidegate.toml does not set it up.
pub(super) const ENGINES_ELSEWHERE: [(&str, &str, &str); 2] = [
    ("slurm", "no cluster is set up", "add `[engine.slurm]` with `folder` and `program` to tidegate.toml"),
    (
        "github-actions",
        "no workflow of GitHub Actions is set up",
        "add `[engine.github-actions]` with `repository` to tidegate.toml",
    ),
];

/// A job that wants an engine elsewhere needs one of the `missing` ones set up.
pub(super) fn engine(document: &mut Document<'_>, missing: &[(&str, &str, &str)]) {
    for kind in kind_names() {
        let path = format!("{kind}.engine");
        let wanted = document.text_at(&path).map(str::to_owned);
        for (name, message, hint) in missing {
            if wanted.as_deref() == Some(name) {
                let label = format!("needs [engine.{name}] in tidegate.toml");
                document.report(&path, *message, &label, hint);
            }
        }
    }
}

/// A job has a `schedule`, or `on` with `at`.
fn timing(document: &mut Document<'_>) {
    match (document.has("schedule"), document.has("on"), document.has("at")) {
        (true, true, _) => {
            document.report(
                "on",
                "a job has either `schedule` or `on`",
                "one too many",
                "remove one of them",
            );
        }
        (true, false, true) => {
            document.report(
                "at",
                "`at` belongs to `on`",
                "without effect",
                "remove it: `schedule` has its own time",
            );
        }
        (false, true, false) => {
            document.report("on", "`on` needs a time of day", "at what time?", "add `at = \"02:00\"`");
        }
        // A misspelt `schedule` was reported as an unknown key.
        (false, false, _) if document.keys().any(|key| nearest(key, ["schedule"]).is_some()) => {}
        (false, false, _) => {
            let hint = "add `schedule = \"17 * * * *\"`, or `on = \"<milestone>\"` with `at = \"02:00\"`";
            document.report(
                "schedule",
                "nothing says when this job is due",
                "`schedule` or `on` is missing",
                hint,
            );
        }
        _ => {}
    }
    if document.has("catch_up_window") && document.text_at("catch_up") == Some("none") {
        let hint = "remove it, or set `catch_up` to `latest` or `all`";
        document.report("catch_up_window", "nothing is made up for", "without effect", hint);
    }
}

fn channel(document: &mut Document<'_>, path: &str, need: Need, distribution: &Known) {
    let Some(name) = document.text_at(path).map(str::to_owned) else { return };
    let Some((_, keys)) = distribution.channels.iter().find(|(known, _)| *known == name) else {
        let names = distribution.channels.iter().map(|(name, _)| name.as_str());
        unknown(document, path, ("channel", &name), names);
        return;
    };
    let missing = match need {
        Need::Repository if !keys.contains("repository") => "repository",
        Need::Universe if !keys.contains("universe") => "universe",
        Need::Publish if !keys.contains("publish") => "publish",
        Need::Path if !keys.contains("path") => "path",
        _ => return,
    };
    let message = format!("channel `{name}` has no `{missing}`, which this job needs");
    let hint = format!("name another channel, or give this one a `{missing}` in its distribution");
    document.report(path, message, format!("has no `{missing}`"), &hint);
}

/// Revisions move forward only: `from` comes before `to`.
fn order(document: &mut Document<'_>, kind: &str, distribution: &Known) {
    let place = |key: &str| {
        let name = document.text_at(&format!("{kind}.{key}"))?;
        distribution.channels.iter().position(|(known, _)| known == name)
    };
    if let (Some(from), Some(to)) = (place("from"), place("to"))
        && from >= to
    {
        let names = listed(distribution.channels.iter().map(|(name, _)| name.as_str()));
        let hint = format!("packages pass through the channels in this order: {names}");
        document.report(
            &format!("{kind}.to"),
            "`to` must be a later channel than `from`",
            "not later",
            &hint,
        );
    }
}
