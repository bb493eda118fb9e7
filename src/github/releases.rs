//! What repositories have released: thousands of look-ups in few queries.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::batch::{Question, alias, ask_in_batches};
use super::client::GitHub;
use super::graphql::RATE_LIMIT;
use super::limits::Priority;
use super::names::{Oid, RepositoryName};
use super::{Absence, Lookup};
use crate::failure::Failure;

/// How many of the newest releases are looked at: a higher version may have been followed by some backports.
const NEWEST: usize = 10;

/// One release as GitHub shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseSeen {
    /// The tag it belongs to.
    pub tag: String,
    /// When it was published; a draft has not been.
    pub published_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// Not published yet.
    pub draft: bool,
    /// Marked as not ready for production.
    pub prerelease: bool,
    /// The commit that the tag points at; `None` where the tag is gone.
    pub commit: Option<Oid>,
}

/// What was seen of one repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleasesSeen {
    /// The repository's name today.
    pub name_with_owner: RepositoryName,
    /// Its name today, where it is no longer the one asked for: renamed or transferred.
    pub moved_to: Option<RepositoryName>,
    /// Whether it is read-only; `None` where that could not be learnt.
    pub archived: Option<bool>,
    /// The newest releases and the one that GitHub calls the latest, newest first.
    pub releases: Vec<ReleaseSeen>,
    /// How much of all releases these are.
    pub window: Window,
}

/// A repository as REST shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryToday {
    /// Its name today.
    pub name: RepositoryName,
    /// Whether it is read-only.
    pub archived: bool,
}

/// How much of what a repository has was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// All of it.
    Whole,
    /// What was created at this time or later, and perhaps more.
    Since(Timestamp),
    /// One alone.
    One,
}

impl ReleasesSeen {
    /// The full releases, newest first: no drafts and no prereleases.
    pub fn full(&self) -> impl Iterator<Item = &ReleaseSeen> {
        self.releases.iter().filter(|release| !release.draft && !release.prerelease)
    }
}

fn by_age(one: &ReleaseSeen, two: &ReleaseSeen) -> Ordering {
    let age =
        |release: &ReleaseSeen| (release.published_at.unwrap_or(release.created_at), release.created_at);
    age(one).cmp(&age(two)).then_with(|| one.tag.cmp(&two.tag))
}

impl GitHub {
    /// Looks at the newest releases of `repositories`, up to `batch` (at most 100) in one query. Every
    /// repository gets its own answer. Fails as a whole only on a wrong token or address.
    pub async fn poll_releases(
        &self,
        repositories: &[RepositoryName],
        batch: usize,
    ) -> Result<BTreeMap<RepositoryName, Lookup<ReleasesSeen>>, Failure> {
        ask_in_batches(self, &NewestReleases, repositories.iter().cloned().collect(), batch).await
    }

    /// The newest release by REST, for a repository that GraphQL cannot answer about.
    async fn latest_by_rest(&self, asked: &RepositoryName) -> Lookup<ReleasesSeen> {
        let [owner, name] = [asked.owner(), asked.name()];
        let path = ["repos", owner, name, "releases", "latest"];
        let fetched = match self.get(&path, &[], Priority::Poll).await {
            Lookup::Found(fetched) => fetched,
            // 404 says either that there is no release or that there is no repository.
            Lookup::Absent { reason: Absence::NotFound } => return self.without_latest(asked).await,
            Lookup::Absent { reason } => return Lookup::Absent { reason },
            Lookup::Failed(failure) => return Lookup::Failed(failure),
        };
        let release: RestRelease = match fetched.json(&format!("the latest release of {asked}")) {
            Ok(release) => release,
            Err(failure) => return Lookup::Failed(failure),
        };
        let today = release.repository().unwrap_or_else(|| asked.clone());
        let commit = match self.commit_of_tag(&today, &release.tag_name).await {
            Lookup::Found(commit) => Some(commit),
            Lookup::Absent { .. } => None,
            Lookup::Failed(failure) => return Lookup::Failed(failure),
        };
        Lookup::Found(seen(asked, today, None, (vec![release.seen(commit)], Window::One)))
    }

    async fn without_latest(&self, asked: &RepositoryName) -> Lookup<ReleasesSeen> {
        let today = self.repository_today(asked).await;
        today.map(|today| seen(asked, today.name, Some(today.archived), (Vec::new(), Window::Whole)))
    }

    /// The repository by REST, which tells one that is withheld for legal reasons from one that is not there.
    pub async fn repository_today(&self, asked: &RepositoryName) -> Lookup<RepositoryToday> {
        let path = ["repos", asked.owner(), asked.name()];
        let fetched = match self.get(&path, &[], Priority::Poll).await {
            Lookup::Found(fetched) => fetched,
            Lookup::Absent { reason } => return Lookup::Absent { reason },
            Lookup::Failed(failure) => return Lookup::Failed(failure),
        };
        let read =
            fetched.json::<RestRepository>(&format!("the repository {asked}")).and_then(|repository| {
                let name = repository.full_name.parse();
                let name = name.map_err(|error| Failure::permanent(format!("{asked}: {error}")))?;
                Ok(RepositoryToday { name, archived: repository.archived })
            });
        read.map_or_else(Lookup::Failed, Lookup::Found)
    }

    async fn commit_of_tag(&self, repository: &RepositoryName, tag: &str) -> Lookup<Oid> {
        let path = ["repos", repository.owner(), repository.name(), "commits", tag];
        let fetched = match self.get(&path, &[("per_page", "1")], Priority::Poll).await {
            Lookup::Found(fetched) => fetched,
            Lookup::Absent { reason } => return Lookup::Absent { reason },
            Lookup::Failed(failure) => return Lookup::Failed(failure),
        };
        let about = format!("the commit of {tag} in {repository}");
        let commit = fetched.json::<RestCommit>(&about).and_then(|commit| {
            commit.sha.parse().map_err(|error| Failure::permanent(format!("{about}: {error}")))
        });
        commit.map_or_else(Lookup::Failed, Lookup::Found)
    }
}

fn seen(
    asked: &RepositoryName,
    today: RepositoryName,
    archived: Option<bool>,
    (mut releases, window): (Vec<ReleaseSeen>, Window),
) -> ReleasesSeen {
    releases.sort_by(|one, two| by_age(two, one));
    releases.dedup_by(|one, two| one.tag == two.tag);
    let moved_to = (!today.is_same_as(asked)).then(|| today.clone());
    ReleasesSeen { name_with_owner: today, moved_to, archived, releases, window }
}

#[derive(Deserialize)]
struct RestRelease {
    tag_name: String,
    html_url: String,
    published_at: Option<Timestamp>,
    created_at: Timestamp,
    draft: bool,
    prerelease: bool,
}

impl RestRelease {
    /// The repository that the release's page belongs to today.
    fn repository(&self) -> Option<RepositoryName> {
        let (repository, _) = self.html_url.split_once("/releases/")?;
        RepositoryName::from_url(repository).ok()
    }

    fn seen(self, commit: Option<Oid>) -> ReleaseSeen {
        ReleaseSeen {
            tag: self.tag_name,
            published_at: self.published_at,
            created_at: self.created_at,
            draft: self.draft,
            prerelease: self.prerelease,
            commit,
        }
    }
}

#[derive(Deserialize)]
struct RestRepository {
    full_name: String,
    archived: bool,
}

#[derive(Deserialize)]
struct RestCommit {
    sha: String,
}

/// The newest releases of repositories, many at a time.
struct NewestReleases;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RepositoryNode {
    name_with_owner: String,
    is_archived: bool,
    latest_release: Option<ReleaseNode>,
    releases: Nodes,
}

#[derive(Deserialize)]
struct Nodes {
    nodes: Vec<ReleaseNode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReleaseNode {
    tag_name: String,
    published_at: Option<Timestamp>,
    created_at: Timestamp,
    is_draft: bool,
    is_prerelease: bool,
    tag_commit: Option<CommitNode>,
}

#[derive(Deserialize)]
struct CommitNode {
    oid: String,
}

impl Question for NewestReleases {
    type Key = RepositoryName;
    type Found = ReleasesSeen;

    fn query(&self, keys: &[RepositoryName]) -> (String, Map<String, Value>) {
        let (mut declared, mut fields, mut variables) = (Vec::new(), String::new(), Map::new());
        for (index, key) in keys.iter().enumerate() {
            declared.push(format!("$o{index}: String!, $n{index}: String!"));
            let alias = alias(index);
            fields.push_str(&format!(
                "  {alias}: repository(owner: $o{index}, name: $n{index}) {{ ...Seen }}\n"
            ));
            variables.insert(format!("o{index}"), key.owner().into());
            variables.insert(format!("n{index}"), key.name().into());
        }
        let query = format!(
            "query Releases({}) {{\n  {RATE_LIMIT}\n{fields}}}\n\
             fragment Seen on Repository {{\n  nameWithOwner isArchived\n  latestRelease {{ ...Release }}\n  \
             releases(first: {NEWEST}, orderBy: {{field: CREATED_AT, direction: DESC}}) {{ nodes {{ ...Release }} }}\n}}\n\
             fragment Release on Release {{\n  tagName publishedAt createdAt isDraft isPrerelease tagCommit {{ oid }}\n}}\n",
            declared.join(", ")
        );
        (query, variables)
    }

    fn about(&self, key: &RepositoryName) -> String {
        format!("the releases of {key}")
    }

    fn read(&self, key: &RepositoryName, node: Value) -> Lookup<ReleasesSeen> {
        match read_repository(key, node) {
            Ok(seen) => Lookup::Found(seen),
            Err(error) => {
                Lookup::Failed(Failure::permanent(format!("{}: malformed: {error:#}", self.about(key))))
            }
        }
    }

    async fn alone(&self, github: &GitHub, key: &RepositoryName, _: Failure) -> Lookup<ReleasesSeen> {
        github.latest_by_rest(key).await
    }
}

fn read_repository(asked: &RepositoryName, node: Value) -> anyhow::Result<ReleasesSeen> {
    let node: RepositoryNode = serde_json::from_value(node)?;
    let newest = &node.releases.nodes;
    let window = match newest.iter().map(|release| release.created_at).min() {
        Some(oldest) if newest.len() >= NEWEST => Window::Since(oldest),
        _ => Window::Whole,
    };
    let mut releases = Vec::new();
    for release in node.latest_release.into_iter().chain(node.releases.nodes) {
        releases.push(ReleaseSeen {
            tag: release.tag_name,
            published_at: release.published_at,
            created_at: release.created_at,
            draft: release.is_draft,
            prerelease: release.is_prerelease,
            commit: release.tag_commit.map(|commit| commit.oid.parse()).transpose()?,
        });
    }
    Ok(seen(asked, node.name_with_owner.parse()?, Some(node.is_archived), (releases, window)))
}
