//! Tags, and heads of branches: what stands for the releases of packages that make none.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::batch::{Question, alias, ask_in_batches};
use super::client::GitHub;
use super::graphql::RATE_LIMIT;
use super::names::{BranchName, Oid, RepositoryName};
use super::releases::Window;
use super::{Absence, Lookup};
use crate::failure::Failure;

/// How many of the newest tags are looked at.
const NEWEST: usize = 10;
/// A query about tags walks through ten commits for each repository: smaller batches are answered in time.
const AT_ONCE: usize = 50;

/// What is sought in a repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sought {
    /// Its newest tags.
    Tags,
    /// The head of its default branch.
    DefaultBranch,
    /// The branch of this name or, where there is none, the tag.
    Named(BranchName),
}

/// A commit under the name by which it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevisionSeen {
    /// The branch or tag, without `refs/`.
    pub name: String,
    /// The commit.
    pub commit: Oid,
    /// When it was committed.
    pub committed_at: Timestamp,
}

/// What was found in a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferencesSeen {
    /// The repository's name today.
    pub name_with_owner: RepositoryName,
    /// Whether it is read-only.
    pub archived: bool,
    /// The newest tags, newest first; or the one branch or tag. A tag that points at no commit is none.
    pub revisions: Vec<RevisionSeen>,
    /// How much of all these are.
    pub window: Window,
}

impl GitHub {
    /// Looks for tags or branches in repositories, many in one query. Each gets its own answer. Fails as a
    /// whole only on a wrong token or address.
    pub async fn references(
        &self,
        wanted: &[(RepositoryName, Sought)],
    ) -> Result<BTreeMap<(RepositoryName, Sought), Lookup<ReferencesSeen>>, Failure> {
        ask_in_batches(self, &References, wanted.iter().cloned().collect(), AT_ONCE).await
    }
}

struct References;

impl Question for References {
    type Key = (RepositoryName, Sought);
    type Found = ReferencesSeen;

    fn query(&self, keys: &[Self::Key]) -> (String, Map<String, Value>) {
        let (mut declared, mut fields, mut variables) = (Vec::new(), String::new(), Map::new());
        for (index, (repository, sought)) in keys.iter().enumerate() {
            declared.push(format!("$o{index}: String!, $n{index}: String!"));
            let what = match sought {
                Sought::Tags => format!(
                    "refs(refPrefix: \"refs/tags/\", first: {NEWEST}, orderBy: {{field: TAG_COMMIT_DATE, \
                     direction: DESC}}) {{ nodes {{ ...Revision }} }}"
                ),
                Sought::DefaultBranch => "defaultBranchRef { ...Revision }".to_owned(),
                Sought::Named(name) => {
                    declared.push(format!("$b{index}: String!, $t{index}: String!"));
                    variables.insert(format!("b{index}"), format!("refs/heads/{name}").into());
                    variables.insert(format!("t{index}"), format!("refs/tags/{name}").into());
                    format!(
                        "branch: ref(qualifiedName: $b{index}) {{ ...Revision }} \
                         tag: ref(qualifiedName: $t{index}) {{ ...Revision }}"
                    )
                }
            };
            fields.push_str(&format!(
                "  {}: repository(owner: $o{index}, name: $n{index}) {{ nameWithOwner isArchived {what} }}\n",
                alias(index)
            ));
            variables.insert(format!("o{index}"), repository.owner().into());
            variables.insert(format!("n{index}"), repository.name().into());
        }
        // An annotated tag points at an object that points at the commit.
        let query = format!(
            "query References({}) {{\n  {RATE_LIMIT}\n{fields}}}\n\
             fragment Revision on Ref {{\n  name target {{ ...At ... on Tag {{ target {{ ...At }} }} }}\n}}\n\
             fragment At on Commit {{ oid committedDate }}\n",
            declared.join(", ")
        );
        (query, variables)
    }

    fn about(&self, (repository, sought): &Self::Key) -> String {
        match sought {
            Sought::Tags => format!("the tags of {repository}"),
            Sought::DefaultBranch => format!("the default branch of {repository}"),
            Sought::Named(name) => format!("{name} of {repository}"),
        }
    }

    fn read(&self, key: &Self::Key, node: Value) -> Lookup<ReferencesSeen> {
        match read_references(&key.1, node) {
            Ok(seen) => Lookup::Found(seen),
            Err(error) => {
                Lookup::Failed(Failure::permanent(format!("{}: malformed: {error:#}", self.about(key))))
            }
        }
    }

    /// REST tells at least whether the repository is there.
    async fn alone(
        &self,
        github: &GitHub,
        (repository, _): &Self::Key,
        failure: Failure,
    ) -> Lookup<ReferencesSeen> {
        match github.repository_today(repository).await {
            Lookup::Absent { reason: reason @ (Absence::NotFound | Absence::Gone | Absence::Withheld) } => {
                Lookup::Absent { reason }
            }
            _ => Lookup::Failed(failure),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RepositoryNode {
    name_with_owner: String,
    is_archived: bool,
    refs: Option<Nodes>,
    default_branch_ref: Option<RefNode>,
    branch: Option<RefNode>,
    tag: Option<RefNode>,
}

#[derive(Deserialize)]
struct Nodes {
    nodes: Vec<RefNode>,
}

#[derive(Deserialize)]
struct RefNode {
    name: String,
    target: Option<Target>,
}

/// A commit, a tag that points at one, or something else.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    oid: Option<String>,
    committed_date: Option<Timestamp>,
    target: Option<Box<Target>>,
}

impl Target {
    fn commit(self) -> Option<(String, Timestamp)> {
        match (self.oid.zip(self.committed_date), self.target) {
            (Some(commit), _) => Some(commit),
            (None, Some(behind)) => behind.commit(),
            (None, None) => None,
        }
    }
}

fn read_references(sought: &Sought, node: Value) -> anyhow::Result<ReferencesSeen> {
    let node: RepositoryNode = serde_json::from_value(node)?;
    let refs: Vec<RefNode> = match sought {
        Sought::Tags => node.refs.map(|refs| refs.nodes).unwrap_or_default(),
        Sought::DefaultBranch => node.default_branch_ref.into_iter().collect(),
        Sought::Named(_) => node.branch.or(node.tag).into_iter().collect(),
    };
    let full = refs.len() >= NEWEST;
    let mut revisions = Vec::new();
    for RefNode { name, target } in refs {
        if let Some((oid, committed_at)) = target.and_then(Target::commit) {
            revisions.push(RevisionSeen { name, commit: oid.parse()?, committed_at });
        }
    }
    let oldest = revisions.iter().map(|revision| revision.committed_at).min();
    let window = oldest.filter(|_| full).map_or(Window::Whole, Window::Since);
    let name_with_owner = node.name_with_owner.parse()?;
    Ok(ReferencesSeen { name_with_owner, archived: node.is_archived, revisions, window })
}
