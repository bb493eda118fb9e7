//! What the files are to say, and which of them do not say it yet.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use crate::calendar::Targets;
use crate::decide::channel_files::{self, FileNews};
use crate::digest::sha256_hex;
use crate::domain::{ChannelStatus, Evidence, Issue, Ledger, PackageName};
use crate::ecosystem::cran::files::{
    ByName, ConfigFile, LedgerFile, NonstandardLicense, StatusEntry, StatusFile, write_nonstandard_licenses,
};
use crate::github::{FileChange, RepositoryView};

const STATUS: &str = "status.json";
const VERSIONS: &str = "versions.json";
const LICENSES: &str = "nonstandard_licenses.json";
const CONFIG: &str = "config.json";

/// The files that are looked at.
pub const FILES: [&str; 4] = [STATUS, VERSIONS, LICENSES, CONFIG];

/// What other jobs came to.
pub enum Judged {
    Known {
        status: ChannelStatus,
        ledger: Ledger,
    },
    /// Nobody can tell, and why.
    Open {
        why: String,
    },
}

/// The repository as it is, and what tidegate left there.
pub struct Look<'v> {
    pub view: &'v RepositoryView,
    /// SHA-256 of each file as tidegate wrote it, or found it right, last.
    pub written: BTreeMap<String, String>,
}

impl Look<'_> {
    fn text(&self, file: &str) -> Option<&str> {
        self.view.files.get(file).and_then(Option::as_deref)
    }

    /// Somebody else has changed it, or taken it away, since.
    fn is_foreign(&self, file: &str) -> bool {
        let now = self.text(file).map(|text| sha256_hex(text.as_bytes()));
        self.written.get(file).is_some_and(|ours| now.as_ref() != Some(ours))
    }
}

/// What is to change, and in whose words.
pub struct Wanted {
    pub files: Vec<FileChange>,
    /// SHA-256 of each file that follows from the status, as it is to be.
    pub digests: BTreeMap<String, String>,
    news: FileNews,
}

impl Wanted {
    /// `config_until` is what the rule for `config.json` looks at: the cycle, today, and the days after its snapshot.
    pub fn of(
        channel: &str,
        look: &Look<'_>,
        judged: &Judged,
        (targets, today, days): (&Targets, Date, u16),
    ) -> Self {
        let mut news = FileNews { channel: channel.to_owned(), ..FileNews::default() };
        let mut wanted: Vec<(&str, String)> = Vec::new();
        if let Judged::Known { status, ledger } = judged {
            let before = look.text(STATUS).and_then(|text| StatusFile::read(STATUS, text.as_bytes()).ok());
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
        let changed = wanted.into_iter().filter(|(file, text)| look.text(file) != Some(text));
        let mut files: Vec<FileChange> =
            changed.map(|(file, text)| FileChange { path: file.to_owned(), contents: Some(text) }).collect();
        news.foreign =
            files.iter().map(|file| file.path.clone()).filter(|file| look.is_foreign(file)).collect();
        // One that says anything else is a person's, and stays.
        let frozen = look.text(CONFIG).and_then(|text| ConfigFile::read(CONFIG, text.as_bytes()).ok());
        if let Some(config) = frozen
            && channel_files::config_is_over(targets, config.cran_version, today, days)
        {
            files.push(FileChange { path: CONFIG.to_owned(), contents: None });
            news.config_after = Some(targets.snapshot);
        }
        news.files = files.iter().map(|file| file.path.clone()).collect::<BTreeSet<_>>();
        Self { files, digests, news }
    }

    /// The headline and the text of the commit.
    pub fn words(&self) -> (String, String) {
        channel_files::words(&self.news)
    }

    /// What the changed files will be, by name: nothing for one that goes.
    pub fn changed(&self) -> BTreeMap<String, Option<String>> {
        let digest = |file: &FileChange| file.contents.as_ref().map(|text| sha256_hex(text.as_bytes()));
        self.files.iter().map(|file| (file.path.clone(), digest(file))).collect()
    }
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
