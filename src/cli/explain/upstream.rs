//! What there is to say of a package's upstream: when it was seen last, where its repository stands, which
//! release counts and which do not, and whether a person asked for its removal.

use anyhow::Context as _;
use jiff::Timestamp;
use serde::Serialize;

use super::super::shown::{plain, rows};
use super::explanation::Explained;
use crate::domain::{Absent, Missing, RepositorySeen, TaggedRelease, WithdrawnRelease};
use crate::github::markdown::{code, escape};
use crate::jobs::poll_releases::{Failing, SeenReleases};
use crate::jobs::sources::names;
use crate::store::{RemovalRow, Store};

/// The upstream of a package in one distribution, as it was seen last.
#[derive(Debug, Serialize)]
pub(super) struct ShownUpstream {
    pub distribution: String,
    /// When its repository answered last; none where it never did.
    pub answered_at: Option<Timestamp>,
    /// Since when its look-up fails, and how.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failing: Option<Failing>,
    /// Where its repository stands; absent where it is there under its listed name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<RepositorySeen>,
    /// The release that counts.
    pub release: Option<TaggedRelease>,
    /// A release that counted and was taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<WithdrawnRelease>,
    /// Removals on request, oldest first; those that were undone among them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub removals: Vec<RemovalRow>,
}

/// The upstream of a package in the distributions that decided something on it, as it was known at `at`, or
/// is now.
pub(super) async fn of(
    store: &Store,
    package: &str,
    verdicts: &[Explained],
    (distributions, at): (&[String], Option<Timestamp>),
) -> anyhow::Result<Vec<ShownUpstream>> {
    let decided = verdicts.iter().map(|verdict| verdict.distribution.as_str());
    let mut distributions: Vec<&str> = distributions.iter().map(String::as_str).chain(decided).collect();
    distributions.sort_unstable();
    distributions.dedup();
    let mut shown = Vec::new();
    for distribution in distributions {
        let source = names::releases(distribution);
        let seen = match at {
            Some(at) => store.seen_at(&source, at).await?,
            None => store.latest_seen(&source).await?,
        };
        let known_then = |row: &RemovalRow| at.is_none_or(|at| row.removal.at <= at);
        let removals = store.removals(distribution).await?.into_iter();
        let removals: Vec<RemovalRow> =
            removals.filter(|row| row.package == package && known_then(row)).collect();
        let row = match &seen {
            Some(seen) => serde_json::from_slice::<SeenReleases>(&seen.bytes)
                .with_context(|| format!("the stored observation of {source} cannot be read"))?
                .remove(package),
            None => None,
        };
        if row.is_none() && removals.is_empty() {
            continue;
        }
        let row = row.unwrap_or_default();
        let answered_at = match &row.failing {
            Some(failing) => failing.answered_at,
            None => seen.map(|seen| seen.last_at).filter(|_| row.answered || row.repository.is_some()),
        };
        shown.push(ShownUpstream {
            distribution: distribution.to_owned(),
            answered_at,
            failing: row.failing,
            repository: row.repository,
            release: row.release,
            withdrawn: row.withdrawn,
            removals,
        });
    }
    Ok(shown)
}

impl ShownUpstream {
    /// What is said, line by line: a name and a text from outside.
    fn lines(&self) -> Vec<(&'static str, String)> {
        let answered = self.answered_at.map_or_else(|| "never".to_owned(), |at| at.to_string());
        let mut lines = vec![("answered", answered)];
        if let Some(failing) = &self.failing {
            lines.push(("failing", format!("since {}: {}", failing.since, failing.why)));
        }
        lines.extend(self.repository.iter().flat_map(about_repository));
        lines.extend(self.release.iter().flat_map(about_release));
        if let Some(gone) = &self.withdrawn {
            let which = format!("{} ({}), seen at {}", gone.version, gone.tag, gone.since);
            lines.push(("withdrawn", which));
        }
        lines.extend(self.removals.iter().map(|row| ("removal", about_removal(row))));
        lines
    }
}

fn about_repository(seen: &RepositorySeen) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    if let Some(moved) = &seen.moved {
        lines.push(("repository", format!("{} is {} since {}", seen.listed, moved.to, moved.since)));
    }
    if let Some(since) = seen.archived_since {
        lines.push(("archived", format!("since {since}; releases before that count as ever")));
    }
    if let Some(missing) = &seen.missing {
        lines.push(("missing", about_missing(missing)));
    }
    lines
}

fn about_missing(missing: &Missing) -> String {
    let what = match missing.how {
        Absent::NotFound => "deleted or made private, which look the same",
        Absent::Blocked => "blocked for legal reasons",
    };
    match missing.confirmed_at {
        Some(at) => format!("{what}; not seen since {}, confirmed at {at}", missing.since),
        None => {
            let looks =
                if missing.looks == 1 { "1 look".to_owned() } else { format!("{} looks", missing.looks) };
            format!("perhaps {what}; not seen since {}, by {looks}, not confirmed yet", missing.since)
        }
    }
}

fn about_release(release: &TaggedRelease) -> Vec<(&'static str, String)> {
    let tag = if release.tag.is_empty() { "the head of its branch" } else { release.tag.as_str() };
    let mut lines = vec![("release", format!("{} ({tag}) at {}", release.version, release.commit))];
    if let Some(before) = &release.tag_moved_from {
        lines.push(("tag moved", format!("from {before}")));
    }
    if let Some(higher) = &release.passed_over {
        let why = higher.problems.join("; ");
        lines.push(("passed over", format!("{}, which is higher: {why}", higher.version)));
    }
    if let Some(later) = &release.backport {
        lines.push(("backport", format!("{} ({}), later and lower", later.version, later.tag)));
    }
    lines
}

fn about_removal(row: &RemovalRow) -> String {
    let removal = &row.removal;
    let from = match removal.channels.as_slice() {
        [] => "all channels".to_owned(),
        some => some.join(", "),
    };
    let asked = format!("from {from}, at {} by {}: {}", removal.at, removal.by, removal.reason);
    match &row.undone {
        Some(undone) => format!("{asked}; undone at {} by {}: {}", undone.at, undone.by, undone.reason),
        None => asked,
    }
}

/// For a terminal.
pub(super) fn text(package: &str, shown: &ShownUpstream) -> String {
    let lines = shown.lines().into_iter().map(|(name, text)| (name, plain(&text)));
    format!("\nupstream of {package} in {}\n{}", shown.distribution, rows(lines))
}

/// For an issue or a comment.
pub(super) fn markdown(package: &str, shown: &ShownUpstream) -> String {
    let lines: String =
        shown.lines().into_iter().map(|(name, text)| format!("- {name}: {}\n", escape(&text))).collect();
    format!("\n### Upstream of {} in {}\n\n{lines}", code(package), escape(&shown.distribution))
}
