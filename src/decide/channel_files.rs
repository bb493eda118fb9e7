//! What the files of a channel say anew: `status.json`, `versions.json` and `nonstandard_licenses.json`, which follow from
//! its status, and `config.json`, which ends some days after a snapshot. Here are what each is to say, the rule for the
//! end and the words of the commit; the bytes are those of `ecosystem/cran/files`, which is as pure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::ToSpan as _;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::calendar::Targets;
use crate::digest::sha256_hex;
use crate::domain::{ChannelStatus, Evidence, Fact, Issue, Ledger, PackageName};
use crate::ecosystem::cran::files::{
    ByName, ConfigFile, LedgerFile, NonstandardLicense, StatusEntry, StatusFile, write_nonstandard_licenses,
};

const STATUS: &str = "status.json";
const VERSIONS: &str = "versions.json";
const LICENSES: &str = "nonstandard_licenses.json";
const CONFIG: &str = "config.json";

/// The files that are looked at.
pub const FILES: [&str; 4] = [STATUS, VERSIONS, LICENSES, CONFIG];

/// So many names stand in a line of a message; the rest is counted.
const NAMES: usize = 5;

/// True where a `config.json` that freezes CRAN at `frozen` is to go on `today`: `days` days after the snapshot of the
/// cycle, until the next one begins. A date of a later cycle than that of `targets` is not over.
pub fn config_is_over(targets: &Targets, frozen: Date, today: Date, days: u16) -> bool {
    let last = targets.snapshot.checked_add(i64::from(days).days()).unwrap_or(Date::MAX);
    frozen <= targets.dependency_freeze && today >= last
}

/// What other jobs came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// The channel's status.
    pub status: ChannelStatus,
    /// Its version history.
    pub ledger: Ledger,
}

/// Everything that the files of a channel follow from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelFilesFacts {
    /// The channel.
    pub channel: String,
    /// What other jobs came to, or why nobody can tell.
    pub judged: Fact<Judged>,
    /// What the cycle targets.
    pub targets: Targets,
    /// The day.
    pub today: Date,
    /// So many days after a snapshot `config.json` goes.
    pub config_json_days: u16,
    /// The files as they are, by name; nothing for one that is not there.
    pub texts: BTreeMap<String, Option<String>>,
    /// SHA-256 of each file as tidegate wrote it, or found it right, last.
    pub written: BTreeMap<String, String>,
}

/// What is to change, and in whose words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesPlan {
    /// The files that change, by name: their new text, or nothing for one that goes.
    pub files: BTreeMap<String, Option<String>>,
    /// SHA-256 of each file that follows from the status, as it is to be.
    pub digests: BTreeMap<String, String>,
    /// The first line of the commit's message.
    pub headline: String,
    /// The rest of it.
    pub body: String,
}

impl FilesPlan {
    /// The SHA-256 of the changed files, by name: nothing for one that goes.
    pub fn changed(&self) -> BTreeMap<String, Option<String>> {
        let digest = |text: &Option<String>| text.as_ref().map(|text| sha256_hex(text.as_bytes()));
        self.files.iter().map(|(file, text)| (file.clone(), digest(text))).collect()
    }
}

impl ChannelFilesFacts {
    fn text(&self, file: &str) -> Option<&str> {
        self.texts.get(file).and_then(Option::as_deref)
    }

    /// Somebody else has changed it, or taken it away, since.
    fn is_foreign(&self, file: &str) -> bool {
        let now = self.text(file).map(|text| sha256_hex(text.as_bytes()));
        self.written.get(file).is_some_and(|ours| now.as_ref() != Some(ours))
    }
}

/// Which files do not say yet what they are to say. Where nobody can tell, only `config.json` may go.
pub fn decide(facts: &ChannelFilesFacts) -> FilesPlan {
    let mut news = FileNews { channel: facts.channel.clone(), ..FileNews::default() };
    let mut wanted: Vec<(&str, String)> = Vec::new();
    if let Fact::Known(Judged { status, ledger }) = &facts.judged {
        let before = facts.text(STATUS).and_then(|text| StatusFile::read(STATUS, text.as_bytes()).ok());
        let after = status_file(status, before.as_ref());
        wanted = vec![
            (STATUS, after.write()),
            (VERSIONS, LedgerFile::of(ledger, status.packages.keys()).write()),
            (LICENSES, write_nonstandard_licenses(&licenses(&after))),
        ];
        news.before = before.as_ref().map(successes);
        news.after = successes(&after);
    }
    let digest = |(file, text): &(&str, String)| ((*file).to_owned(), sha256_hex(text.as_bytes()));
    let digests = wanted.iter().map(digest).collect();
    let changed = wanted.into_iter().filter(|(file, text)| facts.text(file) != Some(text));
    let mut files: BTreeMap<String, Option<String>> =
        changed.map(|(file, text)| (file.to_owned(), Some(text))).collect();
    news.foreign = files.keys().filter(|file| facts.is_foreign(file)).cloned().collect();
    // One that says anything else is a person's, and stays.
    let frozen = facts.text(CONFIG).and_then(|text| ConfigFile::read(CONFIG, text.as_bytes()).ok());
    if let Some(config) = frozen
        && config_is_over(&facts.targets, config.cran_version, facts.today, facts.config_json_days)
    {
        files.insert(CONFIG.to_owned(), None);
        news.config_after = Some(facts.targets.snapshot);
    }
    if files.is_empty() {
        return FilesPlan { digests, ..FilesPlan::default() };
    }
    news.files = files.keys().cloned().collect();
    let (headline, body) = words(&news);
    FilesPlan { files, digests, headline, body }
}

/// The status as upstream writes it, which knows two states only. A package that nobody can judge now keeps the row it
/// has; one that nobody ever could has none.
fn status_file(status: &ChannelStatus, before: Option<&StatusFile>) -> StatusFile {
    let whole = StatusFile::of(status);
    let row = |(package, entry): (&PackageName, &StatusEntry)| {
        let judged = status.packages.get(package).map(|assessment| assessment.evidence);
        let entry = match judged {
            Some(Evidence::Pending | Evidence::Unknown) => before?.0.get(package)?,
            Some(Evidence::Passing | Evidence::Failing) | None => entry,
        };
        Some((package.clone(), entry.clone()))
    };
    StatusFile(whole.0.iter().filter_map(row).collect::<ByName<_>>())
}

fn licenses(status: &StatusFile) -> Vec<NonstandardLicense> {
    let row = |(package, entry): (&PackageName, &StatusEntry)| {
        entry.issues.iter().find_map(|issue| match issue {
            Issue::License(license) => {
                Some(NonstandardLicense { package: package.clone(), license: license.clone() })
            }
            _ => None,
        })
    };
    status.0.iter().filter_map(row).collect()
}

fn successes(status: &StatusFile) -> BTreeMap<PackageName, bool> {
    status.0.iter().map(|(package, entry)| (package.clone(), entry.success)).collect()
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
