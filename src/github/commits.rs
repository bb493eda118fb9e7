//! Commits: straight to a branch, or as the one commit of a pull request's branch. Both compare and
//! swap: neither overwrites what somebody else has put there meanwhile.

use base64::Engine as _;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::GitHub;
use super::graphql::{GraphQlAnswer, RATE_LIMIT};
use super::limits::{Call, Priority};
use super::names::{BranchName, Oid, RepositoryName, is_file_path};
use super::transport::Answer;
use super::{Absence, Lookup};
use crate::failure::Failure;

/// What GitHub calls "no commit": the branch must not exist yet.
const NO_COMMIT: &str = "0000000000000000000000000000000000000000";
/// One commit holds at most so many files; larger sets have failed on GitHub's side.
const MOST_FILES: usize = 100;

/// A file as a commit leaves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChange {
    /// Its path from the root of the repository.
    pub path: String,
    /// Its text afterwards; `None` deletes it.
    pub contents: Option<String>,
}

/// What a commit says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitMessage {
    /// The first line.
    pub headline: String,
    /// What follows after an empty line, with its trailers.
    pub body: String,
}

impl CommitMessage {
    fn text(&self) -> String {
        if self.body.is_empty() {
            self.headline.clone()
        } else {
            format!("{}\n\n{}", self.headline, self.body)
        }
    }
}

/// A commit that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Its name.
    pub oid: Oid,
}

/// Why a commit was not made.
#[derive(Debug, thiserror::Error)]
pub enum CommitRefused {
    /// The branch is not where it was expected: look again and decide again.
    #[error("the branch has moved: {message}")]
    HeadMoved {
        /// What GitHub says.
        message: String,
    },
    /// Anything else. A transient failure leaves open whether the commit was made: look for its trailer.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// Why a branch was not pushed.
#[derive(Debug, thiserror::Error)]
pub enum PushRefused {
    /// The branch is not where it was expected: somebody else was there.
    #[error("the branch {branch} has moved: it is at {}", at.as_ref().map_or("no commit", Oid::as_str))]
    BranchMoved {
        /// The branch.
        branch: BranchName,
        /// Where it is; `None` where it does not exist.
        at: Option<Oid>,
    },
    /// Anything else. A transient failure leaves open whether the branch was moved.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// The commit at the head of a branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchHead {
    /// Its name.
    pub oid: Oid,
    /// Its whole message, to look for a trailer.
    pub message: String,
}

impl GitHub {
    /// Commits `files` on `branch`, whose head has to be `expected_head`; GitHub signs the commit. One
    /// mutation, all or nothing.
    pub async fn commit_files(
        &self,
        repository: &RepositoryName,
        branch: &BranchName,
        expected_head: &Oid,
        files: &[FileChange],
        message: &CommitMessage,
    ) -> Result<Committed, CommitRefused> {
        const MUTATION: &str = "mutation Commit($input: CreateCommitOnBranchInput!) {\n  \
            createCommitOnBranch(input: $input) { commit { oid } }\n}\n";
        check_files(repository, files)?;
        let encoded = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
        let additions: Vec<_> = files
            .iter()
            .filter_map(|file| Some((file, file.contents.as_deref()?)))
            .map(|(file, text)| json!({ "path": file.path, "contents": encoded(text) }))
            .collect();
        let deletions: Vec<_> = files
            .iter()
            .filter(|file| file.contents.is_none())
            .map(|file| json!({ "path": file.path }))
            .collect();
        let input = json!({
            "branch": { "repositoryNameWithOwner": repository.as_str(), "branchName": branch.as_str() },
            "expectedHeadOid": expected_head.as_str(),
            "message": { "headline": message.headline, "body": message.body },
            "fileChanges": { "additions": additions, "deletions": deletions },
        });
        let about = format!("a commit on {branch} of {repository}");
        let answer = self.mutate(MUTATION, input).await?;
        if let Some(error) = answer.errors.first() {
            return Err(match error.kind.as_deref() {
                Some("STALE_DATA") => CommitRefused::HeadMoved { message: error.message.clone() },
                _ => CommitRefused::Failed(error.write_failure(&about)),
            });
        }
        let oid = oid_at(&answer.data["createCommitOnBranch"]["commit"]["oid"], &about)?;
        Ok(Committed { oid })
    }

    /// Makes `branch` point at one new commit on top of `base` with `files` changed, in one step that
    /// never shows `base` itself (GitHub closes a pull request whose head is its base). The branch has to
    /// be at `expected`, or not exist where that is `None`.
    pub async fn push_branch(
        &self,
        repository: &RepositoryName,
        branch: &BranchName,
        base: &Oid,
        expected: Option<&Oid>,
        files: &[FileChange],
        message: &CommitMessage,
    ) -> Result<Oid, PushRefused> {
        check_files(repository, files)?;
        let found = self.base_tree(repository, base).await?;
        let tree = self.create_tree(repository, &found.tree, files).await?;
        let body = json!({ "message": message.text(), "tree": tree.as_str(), "parents": [base.as_str()] });
        let commit = self.create_object(repository, "commits", &body).await?;
        const MUTATION: &str = "mutation Move($input: UpdateRefsInput!) {\n  updateRefs(input: $input) { clientMutationId }\n}\n";
        let input = json!({
            "repositoryId": found.repository_id,
            "refUpdates": [{
                "name": branch.as_ref_name(),
                "beforeOid": expected.map_or(NO_COMMIT, Oid::as_str),
                "afterOid": commit.as_str(),
                "force": true,
            }],
        });
        let answer = self.mutate(MUTATION, input).await?;
        match answer.errors.first() {
            None => Ok(commit),
            Some(error) => {
                let failure = error.write_failure(&format!("moving {branch} of {repository}"));
                self.why_not_moved(repository, branch, expected, commit, failure).await
            }
        }
    }

    /// GitHub's words for a branch that has moved are not documented: the branch itself tells.
    async fn why_not_moved(
        &self,
        repository: &RepositoryName,
        branch: &BranchName,
        expected: Option<&Oid>,
        commit: Oid,
        failure: Failure,
    ) -> Result<Oid, PushRefused> {
        let at = match self.branch_head(repository, branch).await {
            Lookup::Found(head) => Some(head.oid),
            Lookup::Absent { reason: Absence::NoSuchBranch } => None,
            Lookup::Absent { .. } | Lookup::Failed(_) => return Err(failure.into()),
        };
        if at.as_ref() == Some(&commit) {
            return Ok(commit);
        }
        if at.as_ref() == expected {
            return Err(failure.into());
        }
        Err(PushRefused::BranchMoved { branch: branch.clone(), at })
    }

    /// The commit at the head of `branch`, to adopt a push whose answer was lost.
    pub async fn branch_head(&self, repository: &RepositoryName, branch: &BranchName) -> Lookup<BranchHead> {
        let query = format!(
            "query Head($owner: String!, $name: String!, $ref: String!) {{\n  {RATE_LIMIT}\n  \
             repository(owner: $owner, name: $name) {{ ref(qualifiedName: $ref) {{ target {{ oid ... on Commit {{ message }} }} }} }}\n}}\n"
        );
        let variables = json!({
            "owner": repository.owner(), "name": repository.name(), "ref": branch.as_ref_name(),
        });
        let about = format!("the branch {branch} of {repository}");
        match self.graphql(&query, variables, Priority::Action).await {
            Ok(answer) => read_head(&answer, &about),
            Err(failure) => Lookup::Failed(failure),
        }
    }

    async fn base_tree(&self, repository: &RepositoryName, base: &Oid) -> Result<Base, Failure> {
        let query = format!(
            "query Base($owner: String!, $name: String!, $base: GitObjectID!) {{\n  {RATE_LIMIT}\n  \
             repository(owner: $owner, name: $name) {{ id object(oid: $base) {{ ... on Commit {{ tree {{ oid }} }} }} }}\n}}\n"
        );
        let variables =
            json!({ "owner": repository.owner(), "name": repository.name(), "base": base.as_str() });
        let about = format!("the commit {base} of {repository}");
        let answer = self.graphql(&query, variables, Priority::Action).await?;
        if let Some(error) = answer.errors.first() {
            return Err(error.failure(&about));
        }
        let node = &answer.data["repository"];
        let id = node["id"].as_str().ok_or_else(|| Failure::permanent(format!("{about}: no repository")))?;
        let tree = oid_at(&node["object"]["tree"]["oid"], &about)?;
        Ok(Base { repository_id: id.to_owned(), tree })
    }

    async fn create_tree(
        &self,
        repository: &RepositoryName,
        base: &Oid,
        files: &[FileChange],
    ) -> Result<Oid, Failure> {
        let entries: Vec<_> = files
            .iter()
            .map(|file| match &file.contents {
                Some(text) => {
                    json!({ "path": file.path, "mode": "100644", "type": "blob", "content": text })
                }
                // A name that is null takes the file away.
                None => json!({ "path": file.path, "mode": "100644", "type": "blob", "sha": null }),
            })
            .collect();
        self.create_object(repository, "trees", &json!({ "base_tree": base.as_str(), "tree": entries })).await
    }

    /// Creates a Git object. Nobody sees it until a branch points at it, so it is no content.
    async fn create_object(
        &self,
        repository: &RepositoryName,
        kind: &str,
        body: &Value,
    ) -> Result<Oid, Failure> {
        #[derive(Deserialize)]
        struct Created {
            sha: String,
        }
        let path = format!("/repos/{repository}/git/{kind}");
        let answer = self.write(Call::Write, Method::POST, &path, body).await?;
        let created: Created = written(&answer, &Method::POST)?;
        created.sha.parse().map_err(|error| Failure::transient(format!("POST {path}: {error}")))
    }
}

struct Base {
    repository_id: String,
    tree: Oid,
}

fn check_files(repository: &RepositoryName, files: &[FileChange]) -> Result<(), Failure> {
    if files.is_empty() || files.len() > MOST_FILES {
        let count = files.len();
        let message = format!("a commit to {repository} with {count} files: 1 to {MOST_FILES} are possible");
        return Err(Failure::permanent(message));
    }
    match files.iter().find(|file| !is_file_path(&file.path)) {
        Some(file) => {
            Err(Failure::permanent(format!("{:?} is no path of a file in {repository}", file.path)))
        }
        None => Ok(()),
    }
}

fn read_head(answer: &GraphQlAnswer, about: &str) -> Lookup<BranchHead> {
    if let Some(error) = answer.errors.first() {
        return match error.is_not_found() {
            true => Lookup::Absent { reason: Absence::NotFound },
            false => Lookup::Failed(error.failure(about)),
        };
    }
    let repository = &answer.data["repository"];
    if repository.is_null() {
        return Lookup::Failed(Failure::transient(format!("{about}: no answer")));
    }
    if repository["ref"].is_null() {
        return Lookup::Absent { reason: Absence::NoSuchBranch };
    }
    let target = &repository["ref"]["target"];
    match oid_at(&target["oid"], about) {
        Ok(oid) => {
            let message = target["message"].as_str().unwrap_or_default().to_owned();
            Lookup::Found(BranchHead { oid, message })
        }
        Err(failure) => Lookup::Failed(failure),
    }
}

fn oid_at(value: &Value, about: &str) -> Result<Oid, Failure> {
    let text = value.as_str().ok_or_else(|| Failure::permanent(format!("{about}: it is not there")))?;
    text.parse().map_err(|error| Failure::permanent(format!("{about}: {error}")))
}

/// Reads the answer to a write. A malformed one is transient: the write has happened, and whoever looks
/// again will find it.
pub(super) fn written<T: serde::de::DeserializeOwned>(
    answer: &Answer,
    method: &Method,
) -> Result<T, Failure> {
    if !(200..300).contains(&answer.status) {
        return Err(answer.failure(method));
    }
    let url = &answer.url;
    serde_json::from_slice(&answer.body).map_err(|error| {
        Failure::transient(format!("{method} {url}: done, but the answer is malformed: {error}"))
    })
}
