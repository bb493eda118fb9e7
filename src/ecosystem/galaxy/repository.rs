//! Names of repositories in a tool shed, and what a suite says of one that it holds.

use std::fmt;

/// The longest name, owner or address that is taken. Tool sheds allow 80 and 255 letters for the first two.
const LONGEST: usize = 255;

/// A repository of a tool shed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Repository {
    /// Its name.
    pub name: String,
    /// Its owner; absent where a suite's own file does not say.
    pub owner: Option<String>,
    /// The host of the tool shed, such as `toolshed.g2.bx.psu.edu`; absent where the file leaves it to whoever
    /// reads it.
    pub shed: Option<String>,
}

/// A repository that a suite holds, with what the file says of its revision. Changesets are text: some of them
/// look like numbers (`0407236012e5`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Required {
    /// The repository.
    pub repository: Repository,
    /// The version that is wanted, an addition of hexylena's shed to the format.
    pub version: Option<String>,
    /// The changeset that is wanted.
    pub changeset: Option<String>,
}

impl Repository {
    /// The repository of that name. A name that no tool shed could have is refused with the reason.
    pub fn new(name: &str, owner: Option<&str>, shed: Option<&str>) -> Result<Self, String> {
        let shed = shed.map(|shed| {
            let host = shed.trim().trim_end_matches('/');
            host.split_once("://").map_or(host, |(_, host)| host).to_owned()
        });
        let has_slash = name.contains('/') || owner.is_some_and(|owner| owner.contains('/'));
        for text in [Some(name), owner, shed.as_deref()].into_iter().flatten() {
            let is_odd = |c: char| c.is_control() || c.is_whitespace();
            if text.is_empty() || text.len() > LONGEST || text.chars().any(is_odd) || has_slash {
                let shown: String = text.chars().filter(|c| !c.is_control()).take(60).collect();
                return Err(format!("`{shown}` can be no name of a repository, owner or tool shed"));
            }
        }
        Ok(Self { name: name.to_owned(), owner: owner.map(str::to_owned), shed })
    }

    /// Where it lies: the owner, behind the tool shed where that is known.
    pub fn namespace(&self) -> Option<String> {
        let owner = self.owner.as_ref()?;
        Some(self.shed.as_ref().map_or_else(|| owner.clone(), |shed| format!("{shed}/repos/{owner}")))
    }
}

impl fmt::Display for Repository {
    /// `iuc/samtools_sort`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(namespace) = self.namespace() {
            write!(formatter, "{namespace}/")?;
        }
        formatter.write_str(&self.name)
    }
}

impl Required {
    /// The revision as a person would write it; none where the file leaves it open.
    pub fn pinned(&self) -> Option<String> {
        match (&self.version, &self.changeset) {
            (Some(version), Some(changeset)) => Some(format!("{version} ({changeset})")),
            (Some(one), None) | (None, Some(one)) => Some(one.clone()),
            (None, None) => None,
        }
    }
}
