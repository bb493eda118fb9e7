//! What the files of a channel say anew: `status.json`, `versions.json` and `nonstandard_licenses.json`, which follow from
//! its status, and `config.json`, which ends some days after a snapshot. Here are the rule for the end and the words of
//! the commit; the bytes are those of `ecosystem/cran/files`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::ToSpan as _;
use jiff::civil::Date;

use crate::calendar::Targets;
use crate::domain::PackageName;

/// So many names stand in a line of a message; the rest is counted.
const NAMES: usize = 5;

/// True where a `config.json` that freezes CRAN at `frozen` is to go on `today`: `days` days after the snapshot of the
/// cycle, until the next one begins. A date of a later cycle than that of `targets` is not over.
pub fn config_is_over(targets: &Targets, frozen: Date, today: Date, days: u16) -> bool {
    let last = targets.snapshot.checked_add(i64::from(days).days()).unwrap_or(Date::MAX);
    frozen <= targets.dependency_freeze && today >= last
}

/// The files of a channel that change with one commit, and what they say of its packages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileNews {
    /// The channel.
    pub channel: String,
    /// Whether each package succeeds, as `status.json` says now; none where there is none that can be read.
    pub before: Option<BTreeMap<PackageName, bool>>,
    /// The same as it will say.
    pub after: BTreeMap<PackageName, bool>,
    /// The files that change, by name.
    pub files: BTreeSet<String>,
    /// Those of them that somebody else has changed since tidegate wrote them.
    pub foreign: BTreeSet<String>,
    /// The day of the snapshot after which `config.json` goes, where it goes.
    pub config_after: Option<Date>,
}

/// The headline and the text of the commit.
pub fn words(news: &FileNews) -> (String, String) {
    let compared = Compared::of(news);
    let mut lines: Vec<String> = [
        ("Now failing", &compared.failing),
        ("Recovered", &compared.recovered),
        ("New", &compared.new),
        ("Gone", &compared.gone),
    ]
    .into_iter()
    .filter(|(_, names)| !names.is_empty())
    .map(|(what, names)| format!("{what}: {}.", listed(names)))
    .collect();
    if !news.foreign.is_empty() {
        let names: Vec<&str> = news.foreign.iter().map(String::as_str).collect();
        lines.push(format!(
            "Somebody else has changed {} since. Such files follow from the checks, so they say again what these say.",
            listed(&names)
        ));
    }
    if let Some(snapshot) = news.config_after {
        lines.push(format!(
            "config.json goes, since the snapshot of {snapshot} is done: builds follow today's CRAN until the next \
             dependency freeze writes it anew."
        ));
    }
    (headline(news, &compared), lines.join("\n"))
}

fn headline(news: &FileNews, compared: &Compared<'_>) -> String {
    let (channel, has) = (&news.channel, |file: &str| news.files.contains(file));
    let status = has("status.json");
    match (&news.before, news.config_after) {
        (_, Some(snapshot)) if news.files.len() == 1 => {
            format!("Delete config.json after the snapshot of {snapshot}")
        }
        (None, _) if status => {
            let failing = news.after.values().filter(|success| !**success).count();
            format!("Write the status of {channel}: {} packages, {failing} failing", news.after.len())
        }
        (Some(_), _) if status => format!("Update the status of {channel}: {}", compared.in_numbers()),
        _ if has("versions.json") => format!("Update the versions of {channel}"),
        _ => format!("Update the licences of {channel}"),
    }
}

/// What changes between two statuses.
#[derive(Default)]
struct Compared<'n> {
    failing: Vec<&'n str>,
    recovered: Vec<&'n str>,
    new: Vec<&'n str>,
    gone: Vec<&'n str>,
}

impl<'n> Compared<'n> {
    /// Nothing where there was no status before: then all of it is new.
    fn of(news: &'n FileNews) -> Self {
        let mut compared = Self::default();
        let Some(before) = &news.before else { return compared };
        for (package, success) in &news.after {
            match (before.get(package), success) {
                (None, _) => compared.new.push(package),
                (Some(true), false) => compared.failing.push(package),
                (Some(false), true) => compared.recovered.push(package),
                (Some(_), _) => {}
            }
        }
        let gone = before.keys().filter(|package| !news.after.contains_key(*package));
        compared.gone = gone.map(String::as_str).collect();
        compared
    }

    fn in_numbers(&self) -> String {
        let counts = [
            (self.failing.len(), "now failing"),
            (self.recovered.len(), "recovered"),
            (self.new.len(), "new"),
            (self.gone.len(), "gone"),
        ];
        let said: Vec<String> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        match said.is_empty() {
            true => "details only".to_owned(),
            false => said.join(", "),
        }
    }
}

/// Some names and how many more, without regard to case.
fn listed(names: &[&str]) -> String {
    let mut names = names.to_vec();
    names.sort_by_key(|name| (name.to_lowercase(), *name));
    let shown = names.iter().take(NAMES).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
