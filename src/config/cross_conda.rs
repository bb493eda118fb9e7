//! Mistakes of a conda distribution that a schema cannot see: names that are there twice, or lead nowhere.

use std::collections::BTreeSet;

use super::cross::unknown;
use super::document::Document;

/// Every conda channel has a name and a folder of its own, and no folder lies in another's.
pub(super) fn channels(document: &mut Document<'_>) {
    let mut names = BTreeSet::new();
    let mut paths: Vec<String> = Vec::new();
    for index in 0..document.length("channel") {
        let read = |key: &str| document.text_at(&format!("channel.{index}.{key}")).unwrap_or("?").to_owned();
        let (name, path) = (read("name"), read("path"));
        if !names.insert(name.clone()) {
            let message = format!("two channels have the name `{name}`");
            let at = format!("channel.{index}.name");
            document.report(&at, message, "the second of them", "rename one of them");
        }
        let within = |a: &str, b: &str| a == b || a.strip_prefix(b).is_some_and(|rest| rest.starts_with('/'));
        if let Some(other) = paths.iter().find(|other| within(&path, other) || within(other, &path)) {
            let message = format!("`{path}` and `{other}` are one folder, or one lies in the other");
            let hint = "a channel is switched as a whole, so it needs a folder to itself";
            document.report(&format!("channel.{index}.path"), message, "the second of them", hint);
        }
        paths.push(path);
    }
}

/// No member is named twice, and every list of exceptions names members.
pub(super) fn members(document: &mut Document<'_>) {
    let names = |document: &Document<'_>, list: &str| -> Vec<String> {
        let at = |index| document.text_at(&format!("{list}.{index}")).unwrap_or_default().to_owned();
        (0..document.length(list)).map(at).collect()
    };
    let members: BTreeSet<String> = names(document, "members").into_iter().collect();
    for list in ["members", "ignore", "without_tests", "platforms", "external"] {
        let mut seen = BTreeSet::new();
        for (index, name) in names(document, list).into_iter().enumerate() {
            if !seen.insert(name.clone()) {
                let message = format!("`{name}` is listed twice in `{list}`");
                document.report(&format!("{list}.{index}"), message, "the second of them", "remove one");
            }
        }
    }
    for list in ["ignore", "without_tests"] {
        for (index, name) in names(document, list).into_iter().enumerate() {
            if !members.contains(&name) {
                let path = format!("{list}.{index}");
                unknown(document, &path, ("member", &name), members.iter().map(String::as_str));
            }
        }
    }
    let mut registered = BTreeSet::new();
    for index in 0..document.length("package") {
        let path = format!("package.{index}.name");
        let Some(name) = document.text_at(&path).map(str::to_owned) else { continue };
        if !members.contains(&name) {
            unknown(document, &path, ("member", &name), members.iter().map(String::as_str));
        }
        let reports = format!("package.{index}.reports");
        if document.has(&reports) && !document.has("reports") {
            let hint = "add `[reports]` with the `repository` of the distribution's own issue, or remove it";
            document.report(&reports, "nobody is told of anything", "without effect", hint);
        }
        let message = format!("two `[[package]]` tables are about `{name}`");
        if !registered.insert(name) {
            document.report(&path, message, "the second of them", "remove one");
        }
    }
    if let Some(name) = document.text_at("metapackage").map(str::to_owned)
        && members.contains(&name)
    {
        let hint = "name the metapackage only under `metapackage`";
        let message = format!("the metapackage `{name}` cannot be a member of itself");
        document.report("metapackage", message, "listed in `members`", hint);
    }
}
