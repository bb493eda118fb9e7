//! One repository at one moment: its head, some of its files, its pull requests. One query.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::client::GitHub;
use super::files::read_blob;
use super::graphql::{GraphQlAnswer, RATE_LIMIT};
use super::limits::Priority;
use super::names::{Oid, RepositoryName, is_file_path};
use crate::failure::Failure;

/// The fields of a pull request, for every query that asks for one.
const PULL_FIELDS: &str = "fragment Pull on PullRequest {
  number title body state isDraft headRefName headRefOid baseRefName mergedAt closedAt createdAt updatedAt
  mergeable author { login } isCrossRepository labels(first: 20) { nodes { name } }
}
";

/// A repository as one query saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryView {
    /// Its name today: differs from the one asked for where it was renamed or transferred.
    pub name_with_owner: RepositoryName,
    /// The login that the token belongs to.
    pub viewer: String,
    /// The branch that pull requests go to.
    pub default_branch: String,
    /// The commit at the head of that branch.
    pub head: Oid,
    /// The texts of the files asked for, at that head; `None` where there is no such file.
    pub files: BTreeMap<String, Option<String>>,
    /// The hundred pull requests that changed last, and the known ones, by number.
    pub pulls: Vec<PullRequestSeen>,
    /// Known pull requests that GitHub says do not exist.
    pub missing_pulls: Vec<u64>,
}

/// What became of a pull request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullRequestState {
    /// It waits.
    Open,
    /// It was merged.
    Merged,
    /// It was closed without being merged.
    Closed,
}

/// A pull request as GitHub shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullRequestSeen {
    /// Its number in its repository.
    pub number: u64,
    /// Its title, as written.
    pub title: String,
    /// Its text, as written.
    pub body: String,
    /// What became of it.
    pub state: PullRequestState,
    /// Marked as not ready.
    pub draft: bool,
    /// The branch it comes from, without `refs/heads/`.
    pub head_ref: String,
    /// The commit at the head of that branch.
    pub head_oid: Oid,
    /// The branch it goes to.
    pub base_ref: String,
    /// When it was merged.
    pub merged_at: Option<Timestamp>,
    /// When it was closed, merged or not.
    pub closed_at: Option<Timestamp>,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When anything about it changed last.
    pub updated_at: Timestamp,
    /// Whether it merges without conflicts; `None` until GitHub has worked that out.
    pub mergeable: Option<bool>,
    /// Who opened it; `None` for an account that is gone.
    pub author: Option<String>,
    /// True where its head lives in another repository, or that one is gone.
    pub from_fork: bool,
    /// Its labels, up to twenty.
    pub labels: Vec<String>,
}

impl RepositoryView {
    /// True for a pull request that the token's own login opened from a branch of the repository itself.
    /// What others open says nothing of tidegate, whatever they write into it.
    pub fn is_ours(&self, pull: &PullRequestSeen) -> bool {
        // The same app is called `name[bot]` in some answers and `name` in others.
        let plain = |login: &str| login.strip_suffix("[bot]").unwrap_or(login).to_lowercase();
        !pull.from_fork && pull.author.as_deref().map(plain) == Some(plain(&self.viewer))
    }
}

impl GitHub {
    /// Looks at `repository`: its head, the texts of `files` there (each up to 256 KiB), the hundred
    /// pull requests that changed last, and those numbered `known_pulls` wherever they are. One query, and
    /// one more for each hundred known pull requests that are not among the first hundred.
    /// A repository that is not there, or empty, and a file that is not text are permanent failures.
    pub async fn view(
        &self,
        repository: &RepositoryName,
        files: &[&str],
        known_pulls: &[u64],
    ) -> Result<RepositoryView, Failure> {
        if let Some(bad) = files.iter().find(|path| !is_file_path(path)) {
            return Err(Failure::permanent(format!("{bad:?} is no path of a file in {repository}")));
        }
        let (query, variables) = view_query(repository, files);
        let answer = self.graphql(&query, Value::Object(variables), Priority::Action).await?;
        let mut view = read_view(repository, files, answer)?;
        let seen: BTreeSet<u64> = view.pulls.iter().map(|pull| pull.number).collect();
        let wanted: BTreeSet<u64> = known_pulls.iter().copied().filter(|n| !seen.contains(n)).collect();
        let wanted: Vec<u64> = wanted.into_iter().collect();
        for numbers in wanted.chunks(100) {
            self.add_pulls(repository, numbers, &mut view).await?;
        }
        view.pulls.sort_by_key(|pull| pull.number);
        Ok(view)
    }

    async fn add_pulls(
        &self,
        repository: &RepositoryName,
        numbers: &[u64],
        view: &mut RepositoryView,
    ) -> Result<(), Failure> {
        let mut variables = named(repository);
        let (mut declared, mut fields) = (String::new(), String::new());
        for (index, number) in numbers.iter().enumerate() {
            declared.push_str(&format!(", $p{index}: Int!"));
            fields.push_str(&format!("    p{index}: pullRequest(number: $p{index}) {{ ...Pull }}\n"));
            variables.insert(format!("p{index}"), (*number).into());
        }
        let query = format!(
            "query Pulls($owner: String!, $name: String!{declared}) {{\n  {RATE_LIMIT}\n  \
             repository(owner: $owner, name: $name) {{\n{fields}  }}\n}}\n{PULL_FIELDS}"
        );
        let answer = self.graphql(&query, Value::Object(variables), Priority::Action).await?;
        for (index, number) in numbers.iter().enumerate() {
            let field = format!("p{index}");
            let about = format!("pull request {number} of {repository}");
            let error = answer.errors.iter().find(|error| error.path.get(1) == Some(&field));
            match (error, &answer.data["repository"][&field]) {
                (Some(error), _) if error.is_not_found() => view.missing_pulls.push(*number),
                (Some(error), _) => return Err(error.failure(&about)),
                (None, Value::Null) => return Err(unanswered(&about, &answer)),
                (None, node) => view.pulls.push(read_pull(node, &about)?),
            }
        }
        Ok(())
    }
}

fn named(repository: &RepositoryName) -> Map<String, Value> {
    let mut variables = Map::new();
    variables.insert("owner".to_owned(), repository.owner().into());
    variables.insert("name".to_owned(), repository.name().into());
    variables
}

fn view_query(repository: &RepositoryName, files: &[&str]) -> (String, Map<String, Value>) {
    let mut variables = named(repository);
    let (mut declared, mut fields) = (String::new(), String::new());
    for (index, path) in files.iter().enumerate() {
        declared.push_str(&format!(", $f{index}: String!"));
        fields.push_str(&format!("    f{index}: object(expression: $f{index}) {{ ...Text }}\n"));
        variables.insert(format!("f{index}"), format!("HEAD:{path}").into());
    }
    // A fragment that nothing uses is an error.
    let text =
        if files.is_empty() { "" } else { "fragment Text on Blob { text isTruncated isBinary byteSize }\n" };
    let query = format!(
        "query View($owner: String!, $name: String!{declared}) {{\n  {RATE_LIMIT}\n  viewer {{ login }}\n  \
         repository(owner: $owner, name: $name) {{\n    nameWithOwner defaultBranchRef {{ name target {{ oid }} }}\n\
         {fields}    pullRequests(first: 100, orderBy: {{field: UPDATED_AT, direction: DESC}}) {{ nodes {{ ...Pull }} }}\n  }}\n}}\n\
         {text}{PULL_FIELDS}"
    );
    (query, variables)
}

fn read_view(
    asked: &RepositoryName,
    files: &[&str],
    answer: GraphQlAnswer,
) -> Result<RepositoryView, Failure> {
    let about = format!("the repository {asked}");
    // A partial answer would make a file or a pull request look as if it were not there.
    if let Some(error) = answer.errors.first() {
        return Err(error.failure(&about));
    }
    let node = &answer.data["repository"];
    if node.is_null() {
        return Err(unanswered(&about, &answer));
    }
    let malformed = |what: &str| Failure::permanent(format!("{about}: {what}"));
    let name = node["nameWithOwner"].as_str().and_then(|name| name.parse().ok());
    let branch = &node["defaultBranchRef"];
    if branch.is_null() {
        return Err(malformed("it is empty: it has no branch yet"));
    }
    let mut texts = BTreeMap::new();
    for (index, path) in files.iter().enumerate() {
        let text = read_blob(&node[format!("f{index}")], &format!("{path} of {asked}"))?;
        texts.insert((*path).to_owned(), text);
    }
    let pulls =
        node["pullRequests"]["nodes"].as_array().ok_or_else(|| malformed("no list of pull requests"))?;
    let viewer = answer.data["viewer"]["login"].as_str();
    Ok(RepositoryView {
        viewer: viewer.ok_or_else(|| malformed("GitHub does not say whose the token is"))?.to_owned(),
        name_with_owner: name.ok_or_else(|| malformed("no name"))?,
        default_branch: branch["name"].as_str().ok_or_else(|| malformed("no default branch"))?.to_owned(),
        head: branch["target"]["oid"]
            .as_str()
            .and_then(|oid| oid.parse().ok())
            .ok_or_else(|| malformed("no head"))?,
        files: texts,
        pulls: pulls
            .iter()
            .map(|node| read_pull(node, &format!("a pull request of {asked}")))
            .collect::<Result<_, _>>()?,
        missing_pulls: Vec::new(),
    })
}

fn unanswered(about: &str, answer: &GraphQlAnswer) -> Failure {
    Failure::transient(format!("{about}: no answer: {}", answer.messages()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PullNode {
    number: u64,
    title: String,
    body: String,
    state: String,
    is_draft: bool,
    head_ref_name: String,
    head_ref_oid: String,
    base_ref_name: String,
    merged_at: Option<Timestamp>,
    closed_at: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Timestamp,
    mergeable: String,
    author: Option<Login>,
    is_cross_repository: bool,
    labels: Option<Labels>,
}

#[derive(Deserialize)]
struct Login {
    login: String,
}

#[derive(Deserialize)]
struct Labels {
    nodes: Vec<Label>,
}

#[derive(Deserialize)]
struct Label {
    name: String,
}

fn read_pull(node: &Value, about: &str) -> Result<PullRequestSeen, Failure> {
    let malformed = |what: String| Failure::permanent(format!("{about}: malformed: {what}"));
    let pull = PullNode::deserialize(node).map_err(|error| malformed(error.to_string()))?;
    Ok(PullRequestSeen {
        number: pull.number,
        title: pull.title,
        body: pull.body,
        state: match pull.state.as_str() {
            "OPEN" => PullRequestState::Open,
            "MERGED" => PullRequestState::Merged,
            "CLOSED" => PullRequestState::Closed,
            other => return Err(malformed(format!("state {other:?}"))),
        },
        draft: pull.is_draft,
        head_ref: pull.head_ref_name,
        head_oid: pull.head_ref_oid.parse().map_err(|error| malformed(format!("{error}")))?,
        base_ref: pull.base_ref_name,
        merged_at: pull.merged_at,
        closed_at: pull.closed_at,
        created_at: pull.created_at,
        updated_at: pull.updated_at,
        mergeable: match pull.mergeable.as_str() {
            "MERGEABLE" => Some(true),
            "CONFLICTING" => Some(false),
            _ => None,
        },
        author: pull.author.map(|author| author.login),
        from_fork: pull.is_cross_repository,
        labels: pull.labels.into_iter().flat_map(|labels| labels.nodes).map(|label| label.name).collect(),
    })
}
