//! Pull requests and their comments. Each write is sent once; what it did is found again by branch or
//! by a hidden marker, never by trying.

use http::Method;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::Lookup;
use super::client::GitHub;
use super::commits::written;
use super::graphql::RATE_LIMIT;
use super::limits::{Call, Priority};
use super::names::{BranchName, RepositoryName};
use super::repository::{PullRequestSeen, PullRequestState};
use super::transport::Answer;
use crate::domain::MergeMethod;
use crate::failure::Failure;

/// GitHub's largest page.
const PAGE: usize = 100;
/// More pages than that of one pull request's comments are not read.
const MOST_PAGES: usize = 10;

/// A pull request to be opened, from a branch of the repository itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPullRequest {
    /// Its title.
    pub title: String,
    /// Its text.
    pub body: String,
    /// The branch it comes from.
    pub head: BranchName,
    /// The branch it goes to.
    pub base: BranchName,
    /// Whether it is opened as not ready.
    pub draft: bool,
}

/// Why a pull request was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenRefused {
    /// There is one from this branch already: find it by its head and adopt it.
    #[error("there is a pull request from this branch already")]
    AlreadyExists,
    /// The branch has nothing that its base has not.
    #[error("the branch has no commits that its base has not")]
    NoCommits,
    /// Anything else. A transient failure leaves open whether it was opened.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// A comment on a pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// GitHub's number of it.
    pub id: u64,
    /// Who wrote it; `None` for an account that is gone.
    pub author: Option<String>,
    /// Its text.
    pub body: String,
    /// When it was written.
    pub created_at: Timestamp,
}

impl GitHub {
    /// Opens a pull request; returns its number.
    pub async fn open_pull_request(
        &self,
        repository: &RepositoryName,
        new: &NewPullRequest,
    ) -> Result<u64, OpenRefused> {
        let body = json!({
            "title": new.title,
            "body": new.body,
            "head": new.head.as_str(),
            "base": new.base.as_str(),
            "draft": new.draft,
        });
        let path = format!("/repos/{repository}/pulls");
        let answer = self.write(Call::Create, Method::POST, &path, &body).await?;
        if answer.status == 422 {
            return Err(open_refused(&answer));
        }
        Ok(written::<Numbered>(&answer, &Method::POST)?.number)
    }

    /// Gives a pull request this title and text.
    pub async fn update_pull_request(
        &self,
        repository: &RepositoryName,
        number: u64,
        title: &str,
        body: &str,
    ) -> Result<(), Failure> {
        let path = format!("/repos/{repository}/pulls/{number}");
        let answer =
            self.write(Call::Write, Method::PATCH, &path, &json!({ "title": title, "body": body })).await?;
        written::<Numbered>(&answer, &Method::PATCH).map(drop)
    }

    /// Closes a pull request without merging it.
    pub async fn close(&self, repository: &RepositoryName, number: u64) -> Result<(), Failure> {
        let path = format!("/repos/{repository}/pulls/{number}");
        let answer = self.write(Call::Write, Method::PATCH, &path, &json!({ "state": "closed" })).await?;
        written::<Numbered>(&answer, &Method::PATCH).map(drop)
    }

    /// All pull requests from `branch` of the repository itself, open and closed, by number. A failed
    /// look-up is a failure, never an empty list.
    pub async fn find_pull_requests_by_head(
        &self,
        repository: &RepositoryName,
        branch: &BranchName,
    ) -> Result<Vec<PullRequestSeen>, Failure> {
        let head = format!("{}:{branch}", repository.owner());
        let path = ["repos", repository.owner(), repository.name(), "pulls"];
        let query = [("state", "all"), ("head", head.as_str())];
        let found: Vec<RestPull> = self.all_pages(&path, &query).await?;
        let seen = |pull: RestPull| pull.seen(repository);
        let mut pulls = found.into_iter().map(seen).collect::<Result<Vec<_>, _>>()?;
        // A parameter that GitHub did not heed would bring all of them.
        pulls.retain(|pull| pull.head_ref == branch.as_str());
        pulls.sort_by_key(|pull| pull.number);
        Ok(pulls)
    }

    /// Writes a comment; returns its number.
    pub async fn comment(
        &self,
        repository: &RepositoryName,
        number: u64,
        body: &str,
    ) -> Result<u64, Failure> {
        #[derive(Deserialize)]
        struct Created {
            id: u64,
        }
        let path = format!("/repos/{repository}/issues/{number}/comments");
        let answer = self.write(Call::Create, Method::POST, &path, &json!({ "body": body })).await?;
        Ok(written::<Created>(&answer, &Method::POST)?.id)
    }

    /// All comments of a pull request, oldest first. More than a thousand are a permanent failure.
    pub async fn comments(&self, repository: &RepositoryName, number: u64) -> Result<Vec<Comment>, Failure> {
        let number = number.to_string();
        let path = ["repos", repository.owner(), repository.name(), "issues", &number, "comments"];
        let found: Vec<RestComment> = self.all_pages(&path, &[]).await?;
        let comments = found.into_iter().map(|comment| Comment {
            id: comment.id,
            author: comment.user.map(|user| user.login),
            body: comment.body.unwrap_or_default(),
            created_at: comment.created_at,
        });
        Ok(comments.collect())
    }

    /// Adds labels, beside those that are there. A label that the repository lacks is created.
    pub async fn add_labels(
        &self,
        repository: &RepositoryName,
        number: u64,
        labels: &[&str],
    ) -> Result<(), Failure> {
        if labels.is_empty() {
            return Ok(());
        }
        let path = format!("/repos/{repository}/issues/{number}/labels");
        let answer = self.write(Call::Create, Method::POST, &path, &json!({ "labels": labels })).await?;
        written::<serde_json::Value>(&answer, &Method::POST).map(drop)
    }

    /// Asks these people, and these teams of the organisation, for a review. Asking again changes nothing.
    pub async fn request_reviewers(
        &self,
        repository: &RepositoryName,
        number: u64,
        reviewers: &[&str],
        teams: &[&str],
    ) -> Result<(), Failure> {
        let path = format!("/repos/{repository}/pulls/{number}/requested_reviewers");
        let body = json!({ "reviewers": reviewers, "team_reviewers": teams });
        let answer = self.write(Call::Write, Method::POST, &path, &body).await?;
        written::<serde_json::Value>(&answer, &Method::POST).map(drop)
    }

    /// Has GitHub merge a pull request by itself once all that its base requires is there. A repository that
    /// does not allow that, and a pull request that lacks nothing, are refused.
    pub async fn enable_auto_merge(
        &self,
        repository: &RepositoryName,
        number: u64,
        method: MergeMethod,
    ) -> Result<(), Failure> {
        const MUTATION: &str = "mutation AutoMerge($input: EnablePullRequestAutoMergeInput!) {\n  \
            enablePullRequestAutoMerge(input: $input) { clientMutationId }\n}\n";
        let query = format!(
            "query PullId($owner: String!, $name: String!, $number: Int!) {{\n  {RATE_LIMIT}\n  \
             repository(owner: $owner, name: $name) {{ pullRequest(number: $number) {{ id }} }}\n}}\n"
        );
        let variables = json!({ "owner": repository.owner(), "name": repository.name(), "number": number });
        let about = format!("auto-merge of pull request {number} of {repository}");
        let answer = self.graphql(&query, variables, Priority::Action).await?;
        if let Some(error) = answer.errors.first() {
            return Err(error.failure(&about));
        }
        let id = answer.data["repository"]["pullRequest"]["id"].as_str();
        let id = id.ok_or_else(|| Failure::permanent(format!("{about}: the pull request is not there")))?;
        let method = match method {
            MergeMethod::Merge => "MERGE",
            MergeMethod::Squash => "SQUASH",
            MergeMethod::Rebase => "REBASE",
        };
        let input = json!({ "pullRequestId": id, "mergeMethod": method });
        let answer = self.mutate(MUTATION, input).await?;
        answer.errors.first().map_or(Ok(()), |error| Err(error.write_failure(&about)))
    }

    async fn all_pages<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Vec<T>, Failure> {
        let about = path.join("/");
        let mut all = Vec::new();
        for page in 1..=MOST_PAGES {
            let (page, size) = (page.to_string(), PAGE.to_string());
            let mut query = query.to_vec();
            query.extend([("per_page", size.as_str()), ("page", page.as_str())]);
            let fetched = match self.get(path, &query, Priority::Action).await {
                Lookup::Found(fetched) => fetched,
                Lookup::Absent { reason } => {
                    return Err(Failure::permanent(format!("{about}: {reason}")));
                }
                Lookup::Failed(failure) => return Err(failure),
            };
            let items: Vec<T> = fetched.json(&about)?;
            let is_last = items.len() < PAGE;
            all.extend(items);
            if is_last {
                return Ok(all);
            }
        }
        Err(Failure::permanent(format!("{about}: more than {} entries", PAGE * MOST_PAGES)))
    }
}

fn open_refused(answer: &Answer) -> OpenRefused {
    // The reason is in `errors[].message`; the words are GitHub's and have been the same for years.
    let text = String::from_utf8_lossy(&answer.body);
    if text.contains("A pull request already exists") {
        OpenRefused::AlreadyExists
    } else if text.contains("No commits between") {
        OpenRefused::NoCommits
    } else {
        let said: String = text.chars().filter(|c| !c.is_control()).take(300).collect();
        OpenRefused::Failed(Failure::permanent(format!("POST {}: GitHub answered 422: {said}", answer.url)))
    }
}

#[derive(Deserialize)]
struct Numbered {
    number: u64,
}

#[derive(Deserialize)]
struct Login {
    login: String,
}

#[derive(Deserialize)]
struct RestComment {
    id: u64,
    user: Option<Login>,
    body: Option<String>,
    created_at: Timestamp,
}

#[derive(Deserialize)]
struct RestPull {
    number: u64,
    title: String,
    body: Option<String>,
    state: String,
    #[serde(default)]
    draft: bool,
    head: RestHead,
    base: RestBase,
    merged_at: Option<Timestamp>,
    closed_at: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Timestamp,
    user: Option<Login>,
    #[serde(default)]
    labels: Vec<RestLabel>,
}

#[derive(Deserialize)]
struct RestHead {
    #[serde(rename = "ref")]
    name: String,
    sha: String,
    repo: Option<RestRepository>,
}

#[derive(Deserialize)]
struct RestRepository {
    owner: Login,
}

#[derive(Deserialize)]
struct RestBase {
    #[serde(rename = "ref")]
    name: String,
}

#[derive(Deserialize)]
struct RestLabel {
    name: String,
}

impl RestPull {
    fn seen(self, repository: &RepositoryName) -> Result<PullRequestSeen, Failure> {
        let number = self.number;
        let malformed =
            |what: String| Failure::permanent(format!("pull request {number}: malformed: {what}"));
        let state = match (self.state.as_str(), self.merged_at) {
            ("open", _) => PullRequestState::Open,
            ("closed", Some(_)) => PullRequestState::Merged,
            ("closed", None) => PullRequestState::Closed,
            (other, _) => return Err(malformed(format!("state {other:?}"))),
        };
        Ok(PullRequestSeen {
            number,
            title: self.title,
            body: self.body.unwrap_or_default(),
            state,
            draft: self.draft,
            head_ref: self.head.name,
            head_oid: self.head.sha.parse().map_err(|error| malformed(format!("{error}")))?,
            base_ref: self.base.name,
            merged_at: self.merged_at,
            closed_at: self.closed_at,
            created_at: self.created_at,
            updated_at: self.updated_at,
            // The list does not say; a single pull request does, once GitHub has worked it out.
            mergeable: None,
            author: self.user.map(|user| user.login),
            // Nobody owns two forks of one repository.
            from_fork: self
                .head
                .repo
                .is_none_or(|repo| !repo.owner.login.eq_ignore_ascii_case(repository.owner())),
            labels: self.labels.into_iter().map(|label| label.name).collect(),
        })
    }
}
