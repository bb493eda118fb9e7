//! `versions.json`: the version ledger, which remembers the highest version a package ever had.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::ByName;
use super::json::{self, MalformedFile, Unboxed};
use crate::domain::{self, Ledger, PackageName};

/// One row of the ledger. A field that upstream does not know is absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ReadRow")]
pub struct LedgerRow {
    /// The package.
    pub package: PackageName,
    /// The version that the universe has now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_current: Option<String>,
    /// The commit of the current version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_current: Option<String>,
    /// The highest version ever seen; absent when the package was written for the first time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_highest: Option<String>,
    /// The commit of the highest version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_highest: Option<String>,
}

/// A row as somebody wrote it: plain as upstream does, or boxed as its other files are.
#[derive(Deserialize)]
#[serde(expecting = "a record with `package` and its versions")]
struct ReadRow {
    #[serde(default)]
    package: Unboxed<String>,
    #[serde(default)]
    version_current: Unboxed<String>,
    #[serde(default)]
    hash_current: Unboxed<String>,
    #[serde(default)]
    version_highest: Unboxed<String>,
    #[serde(default)]
    hash_highest: Unboxed<String>,
}

impl TryFrom<ReadRow> for LedgerRow {
    type Error = String;

    /// Names that R would not allow are taken: upstream's history has some, and nothing is made of them.
    fn try_from(read: ReadRow) -> Result<Self, Self::Error> {
        let package = read.package.0.filter(|name| !name.is_empty()).ok_or("missing field `package`")?;
        Ok(Self {
            package: plain(package)?,
            version_current: read.version_current.0.map(plain).transpose()?,
            hash_current: read.hash_current.0.map(plain).transpose()?,
            version_highest: read.version_highest.0.map(plain).transpose()?,
            hash_highest: read.hash_highest.0.map(plain).transpose()?,
        })
    }
}

/// Names, versions and commits are far shorter.
const MAX_TEXT: usize = 200;

/// A text that may be printed anywhere.
fn plain(text: String) -> Result<String, String> {
    if text.len() <= MAX_TEXT && !text.chars().any(char::is_control) {
        return Ok(text);
    }
    let shown: String = text.escape_debug().take(MAX_TEXT).collect();
    Err(format!("`{shown}` has control characters, or more than {MAX_TEXT} bytes"))
}

/// A `versions.json`, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerFile(pub Vec<LedgerRow>);

impl LedgerFile {
    /// Reads a file; `file` names it in messages. Two rows of one package are an error: nobody can tell which
    /// of them is its history.
    pub fn read(file: &str, bytes: &[u8]) -> Result<Self, MalformedFile> {
        let rows: Vec<LedgerRow> =
            json::read(file, bytes, "an array of records with `package` and its versions")?;
        let mut seen = BTreeSet::new();
        if let Some(twice) = rows.iter().find(|row| !seen.insert(row.package.as_str())) {
            let problem = format!("the package `{}` has two rows; remove one of them", twice.package);
            return Err(MalformedFile { file: file.to_owned(), line: 0, column: 0, problem });
        }
        Ok(Self(rows))
    }

    /// The rows of these packages, in upstream's order: it forgets those that have left the universe.
    pub fn of<'p>(ledger: &Ledger, packages: impl Iterator<Item = &'p PackageName>) -> Self {
        let row = |package: &'p PackageName| {
            let row = ledger.get(package)?.clone();
            let domain::LedgerRow { version_current, hash_current, version_highest, hash_highest } = row;
            let row = LedgerRow {
                package: package.clone(),
                version_current,
                hash_current,
                version_highest,
                hash_highest,
            };
            Some((package.clone(), row))
        };
        let rows: ByName<LedgerRow> = packages.filter_map(row).collect();
        Self(rows.iter().map(|(_, row)| row.clone()).collect())
    }

    /// The row of `package`.
    pub fn get(&self, package: &str) -> Option<&LedgerRow> {
        self.0.iter().find(|row| row.package == package)
    }

    /// The same as the history that the rules work with.
    pub fn into_ledger(self) -> Ledger {
        let rows = self.0.into_iter().map(|row| {
            let LedgerRow { package, version_current, hash_current, version_highest, hash_highest } = row;
            (package, domain::LedgerRow { version_current, hash_current, version_highest, hash_highest })
        });
        rows.collect()
    }

    /// The file's text as upstream would write it.
    pub fn write(&self) -> String {
        json::write(&serde_json::to_value(&self.0).expect("rows of strings always serialize"))
    }
}
