//! Names that go into addresses and queries: repositories, branches, commits. Text from outside
//! becomes one of these by being checked; nothing else reaches a URL.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Text that is not the name it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct NotAName {
    text: String,
    expected: &'static str,
}

impl NotAName {
    fn new(text: &str, expected: &'static str) -> Self {
        // Long text is cut: it comes from outside and ends up in messages.
        Self { text: text.chars().take(120).collect(), expected }
    }
}

/// A repository as `owner/name`, as written. GitHub ignores case, see [`RepositoryName::is_same_as`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepositoryName {
    text: String,
    slash: usize,
}

impl RepositoryName {
    /// The account that owns it.
    pub fn owner(&self) -> &str {
        &self.text[..self.slash]
    }

    /// Its name without the owner.
    pub fn name(&self) -> &str {
        &self.text[self.slash + 1..]
    }

    /// `owner/name`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// True where both name the same repository: GitHub ignores case.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.text.eq_ignore_ascii_case(&other.text)
    }

    /// The repository that an address such as `https://github.com/owner/name` names; a trailing
    /// slash and `.git` are allowed, a query, a fragment, a port or a user is not.
    pub fn from_url(url: &str) -> Result<Self, NotAName> {
        const EXPECTED: &str = "the https address of a GitHub repository (https://github.com/owner/name)";
        let wrong = || NotAName::new(url, EXPECTED);
        let rest = url
            .strip_prefix("https://github.com/")
            .or_else(|| url.strip_prefix("https://www.github.com/"))
            .ok_or_else(wrong)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        rest.strip_suffix(".git").unwrap_or(rest).parse().map_err(|_| wrong())
    }
}

impl FromStr for RepositoryName {
    type Err = NotAName;

    /// Parses `owner/name` by GitHub's rules for characters and lengths.
    fn from_str(text: &str) -> Result<Self, NotAName> {
        let wrong = || NotAName::new(text, "a repository name (owner/name)");
        let slash = text.find('/').ok_or_else(wrong)?;
        let (owner, name) = (&text[..slash], &text[slash + 1..]);
        // Underscores occur in names of enterprise-managed users only, after the company's short code.
        let owner_is_right = (1..=39).contains(&owner.len())
            && owner.starts_with(|c: char| c.is_ascii_alphanumeric())
            && owner.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        let name_is_right = (1..=100).contains(&name.len())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
            && !matches!(name, "." | "..")
            && !name.ends_with(".git");
        if owner_is_right && name_is_right { Ok(Self { text: text.to_owned(), slash }) } else { Err(wrong()) }
    }
}

impl TryFrom<String> for RepositoryName {
    type Error = NotAName;

    fn try_from(text: String) -> Result<Self, NotAName> {
        text.parse()
    }
}

impl From<RepositoryName> for String {
    fn from(name: RepositoryName) -> Self {
        name.text
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The name of a Git object: 40 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Oid(String);

impl Oid {
    /// The name as 40 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Oid {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let is_right = text.len() == 40 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if is_right {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAName::new(text, "a commit (40 lower-case hexadecimal digits)"))
        }
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A branch without `refs/heads/`, by the rules of `git check-ref-format`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BranchName(String);

impl BranchName {
    /// The branch without `refs/heads/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The branch with `refs/heads/`.
    pub fn as_ref_name(&self) -> String {
        format!("refs/heads/{}", self.0)
    }
}

impl FromStr for BranchName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let is_right = (1..=200).contains(&text.len())
            && text.chars().all(|c| c.is_ascii_graphic() && !"~^:?*[\\".contains(c))
            && !text.starts_with('-')
            && !text.contains("..")
            && !text.contains("@{")
            && text != "@"
            && text.split('/').all(|part| {
                !part.is_empty() && !part.starts_with('.') && !part.ends_with('.') && !part.ends_with(".lock")
            });
        if is_right { Ok(Self(text.to_owned())) } else { Err(NotAName::new(text, "a branch name")) }
    }
}

impl fmt::Display for BranchName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The file of a workflow below `.github/workflows`, such as `test.yml`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkflowFile(String);

impl FromStr for WorkflowFile {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let stem = text.strip_suffix(".yml").or_else(|| text.strip_suffix(".yaml"));
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let is_right = stem.is_some_and(|stem| {
            (1..=100).contains(&stem.len()) && stem.chars().all(plain) && !stem.starts_with('.')
        });
        if is_right {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAName::new(text, "the name of a workflow's file (test.yml)"))
        }
    }
}

impl fmt::Display for WorkflowFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// True where `path` names a file inside a repository and cannot be read as anything else: no
/// absolute path, no `..`, no control characters.
pub(super) fn is_file_path(path: &str) -> bool {
    (1..=1024).contains(&path.len())
        && !path.chars().any(char::is_control)
        && !path.contains('\\')
        && path.split('/').all(|part| !matches!(part, "" | "." | ".." | ".git"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_repositories_are_read_with_and_without_their_usual_endings() {
        for url in [
            "https://github.com/r-lib/cli",
            "https://github.com/r-lib/cli/",
            "https://github.com/r-lib/cli.git",
            "https://www.github.com/r-lib/cli.git/",
        ] {
            assert_eq!(RepositoryName::from_url(url).unwrap().as_str(), "r-lib/cli", "{url}");
        }
    }

    #[test]
    fn what_is_no_repository_on_github_is_refused() {
        for url in [
            "https://gitlab.com/r-lib/cli",
            "http://github.com/r-lib/cli",
            "https://github.com.evil.example/r-lib/cli",
            "https://user@github.com/r-lib/cli",
            "https://github.com/r-lib",
            "https://github.com/r-lib/cli/tree/main",
            "https://github.com/r-lib/..",
            "https://github.com/r-lib/cli?x=1",
            "https://github.com/-r/cli",
            "https://github.com/r lib/cli",
        ] {
            assert!(RepositoryName::from_url(url).is_err(), "{url}");
        }
    }

    #[test]
    fn names_that_differ_in_case_only_are_the_same_repository() {
        let [one, two]: [RepositoryName; 2] = ["Owner/Name", "owner/name"].map(|n| n.parse().unwrap());
        assert!(one.is_same_as(&two));
    }

    #[test]
    fn branches_follow_the_rules_of_git() {
        for good in ["main", "tidegate/promote-cli", "v1.0"] {
            assert!(good.parse::<BranchName>().is_ok(), "{good}");
        }
        for bad in ["", "a..b", "a b", "-a", "a/", "/a", "a.lock", "a:b", "@", "a@{1}", ".a", "a\nb"] {
            assert!(bad.parse::<BranchName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn paths_that_leave_the_repository_are_refused() {
        assert!(is_file_path("R/DESCRIPTION"));
        for bad in ["", "/etc/passwd", "../x", "a//b", "a/../b", ".git/config", "a\nb", "a\\b"] {
            assert!(!is_file_path(bad), "{bad:?}");
        }
    }
}
