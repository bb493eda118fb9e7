//! `versions.json`: the version ledger, which remembers the highest version a package ever had.

use serde::{Deserialize, Serialize};

use super::ByName;
use super::json::{self, MalformedFile};
use crate::domain::{self, Ledger, PackageName};

/// One row of the ledger. A field that upstream does not know is absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerRow {
    /// The package.
    pub package: PackageName,
    /// The version that the universe has now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_current: Option<String>,
    /// The commit of the current version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash_current: Option<String>,
    /// The highest version ever seen; absent when the package was written for the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_highest: Option<String>,
    /// The commit of the highest version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash_highest: Option<String>,
}

/// A `versions.json`, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerFile(pub Vec<LedgerRow>);

impl LedgerFile {
    /// Reads a file; `file` names it in messages.
    pub fn read(file: &str, bytes: &[u8]) -> Result<Self, MalformedFile> {
        json::read(file, bytes, "an array of records with `package` and its versions").map(Self)
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
