//! Mistakes about targets that no file has alone: two of one name, one that nobody set up, and one that nothing
//! ever sends to.

use std::collections::BTreeSet;

use super::cross::unknown;
use super::document::{Document, Role};

/// The lists of targets in `tidegate.toml`.
const LISTS: [&str; 3] = ["publish.oci", "publish.object-storage", "publish.netlify"];

/// The names of the targets that are set up; nothing where nobody can tell.
pub(super) fn known(settings: Option<&Document<'_>>) -> Option<Vec<String>> {
    let settings = settings.filter(|settings| settings.parsed)?;
    let names: BTreeSet<String> = named(settings).into_iter().map(|(_, name)| name).collect();
    Some(names.into_iter().collect())
}

/// Every target with the path of its name.
fn named(settings: &Document<'_>) -> Vec<(String, String)> {
    let paths = LISTS
        .iter()
        .flat_map(|list| (0..settings.length(list)).map(move |index| format!("{list}.{index}.name")));
    paths.filter_map(|path| Some((path.clone(), settings.text_at(&path)?.to_owned()))).collect()
}

/// Every target has a name of its own, and a registry is asked by one right.
pub(super) fn targets(document: &mut Document<'_>) {
    let mut seen = BTreeSet::new();
    for (path, name) in named(document) {
        if !seen.insert(name.clone()) {
            let message = format!("two targets have the name `{name}`");
            document.report(&path, message, "the second of them", "rename one of them");
        }
    }
    for index in 0..document.length("publish.oci") {
        let at = |key: &str| format!("publish.oci.{index}.{key}");
        let has = |key: &str| document.has(&at(key));
        let (user, password, token) = (has("user"), has("password"), has("token"));
        if user != password {
            let (given, missing) = if user { ("user", "password") } else { ("password", "user") };
            let message = format!("`{given}` is given without `{missing}`");
            document.report(&at(given), message, "useless alone", "give both, or neither");
        } else if user && token {
            let message = "a registry is asked as a user or with a token, not with both";
            document.report(&at("token"), message, "one too many", "delete one of them");
        }
    }
}

/// Every target that a job names is set up, and something sends what a snapshot is to have sent.
pub(super) fn job(document: &mut Document<'_>, known: Option<&[String]>, sending: &[String]) {
    let count = document.length("snapshot.targets");
    for index in 0..count {
        let path = format!("snapshot.targets.{index}");
        let Some(name) = document.text_at(&path).map(str::to_owned) else { continue };
        if known.is_some_and(|known| !known.contains(&name)) {
            let names = known.into_iter().flatten().map(String::as_str);
            unknown(document, &path, ("target", &name), names);
        }
    }
    let distribution = document.text_at("distribution").unwrap_or_default().to_owned();
    if count > 0 && document.flag_at("enabled") != Some(false) && !sending.contains(&distribution) {
        let hint = format!(
            "add a job with `kind = \"publish\"`, `distribution = \"{distribution}\"` and a `schedule`, such as every \
             ten minutes"
        );
        let message = "no job sends snapshots of this distribution to targets";
        document.report("snapshot.targets", message, "nothing is ever sent there", &hint);
    }
}

/// The distributions for which a job that is switched on sends snapshots to targets.
pub(super) fn sending(documents: &[Document<'_>]) -> Vec<String> {
    let jobs = documents.iter().filter(|document| matches!(document.role, Role::Job(_)));
    let publishing =
        jobs.filter(|job| job.text_at("kind") == Some("publish") && job.flag_at("enabled") != Some(false));
    publishing.filter_map(|job| job.text_at("distribution").map(str::to_owned)).collect()
}
