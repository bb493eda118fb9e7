//! Issues and their comments. Each write is sent once; what it did is found again by a hidden marker.
//!
//! GitHub's search lags behind, so nothing is searched for: issues are listed, by who wrote them or by when
//! they changed. That a repository takes no issues is an answer, [`IssueRefused`], and no failure.

use http::Method;
use jiff::{Timestamp, Unit};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::access::Passes;
use super::client::GitHub;
use super::commits::written;
use super::graphql::RATE_LIMIT;
use super::limits::{Call, Priority};
use super::names::RepositoryName;
use super::pulls::Comment;
use super::transport::{Answer, message_of};
use super::{Absence, Lookup};
use crate::failure::Failure;

/// GitHub's largest page.
const PAGE: usize = 100;
/// More pages than that of one list are not read.
const MOST_PAGES: usize = 10;

/// An issue to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewIssue {
    /// Its title.
    pub title: String,
    /// Its text.
    pub body: String,
    /// Its labels. GitHub leaves them out, without a word, where the token may not push.
    pub labels: Vec<String>,
}

/// An issue as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssueSeen {
    /// Its number.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Its text.
    pub body: String,
    /// True while it is open.
    pub is_open: bool,
    /// Who opened it; `None` for an account that is gone.
    pub author: Option<String>,
    /// Its page.
    pub url: String,
}

/// Why something about an issue was not done or not read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum IssueRefused {
    /// Status 410: the repository has issues switched off, or the issue was deleted.
    #[error("the repository has issues switched off, or the issue was deleted")]
    Gone,
    /// Status 403 without a limit: the token may not, or the repository is archived. What GitHub said.
    #[error("GitHub does not let the token do that ({0})")]
    Forbidden(String),
    /// Status 404 or 451: deleted, private, or never there.
    #[error("the repository is gone, private or renamed away")]
    NotThere,
    /// A redirect: the repository has another name now.
    #[error("the repository has moved; write its new name where it is configured")]
    Moved,
    /// Status 422 and the like: GitHub does not take the text. What it said.
    #[error("GitHub does not take it ({0})")]
    Invalid(String),
    /// Nothing is known: no answer, a limit, a token that is wrong.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl GitHub {
    /// The login that the token belongs to, or `<slug>[bot]` of an App: the author of what tidegate writes, as REST
    /// names authors. (GraphQL leaves the `[bot]` out.)
    pub async fn login(&self) -> Result<String, Failure> {
        if let Passes::OfApp(installation) = self.transport().passes() {
            return installation.login().await;
        }
        let query = format!("query Viewer {{ viewer {{ login }} {RATE_LIMIT} }}");
        let answer = self.graphql(&query, json!({}), Priority::Action).await?;
        let login = answer.data["viewer"]["login"].as_str().map(str::to_owned);
        login.ok_or_else(|| Failure::permanent("GitHub does not say whose the token is"))
    }

    /// Opens an issue.
    pub async fn open_issue(
        &self,
        repository: &RepositoryName,
        new: &NewIssue,
    ) -> Result<IssueSeen, IssueRefused> {
        let body = json!({ "title": new.title, "body": new.body, "labels": new.labels });
        let path = format!("/repos/{repository}/issues");
        let answer = self.write(Call::Create, Method::POST, &path, &body).await?;
        Ok(taken::<RestIssue>(&answer, &Method::POST)?.seen())
    }

    /// The issue of that number.
    pub async fn issue(&self, repository: &RepositoryName, number: u64) -> Result<IssueSeen, IssueRefused> {
        let number = number.to_string();
        let path = ["repos", repository.owner(), repository.name(), "issues", &number];
        Ok(self.read_issues::<RestIssue>(&path, &[]).await?.seen())
    }

    /// Gives an issue this title and text.
    pub async fn edit_issue(
        &self,
        repository: &RepositoryName,
        number: u64,
        title: &str,
        body: &str,
    ) -> Result<(), IssueRefused> {
        self.patch_issue(repository, number, &json!({ "title": title, "body": body })).await
    }

    /// Closes an issue as completed.
    pub async fn close_issue(&self, repository: &RepositoryName, number: u64) -> Result<(), IssueRefused> {
        let closed = json!({ "state": "closed", "state_reason": "completed" });
        self.patch_issue(repository, number, &closed).await
    }

    async fn patch_issue(
        &self,
        repository: &RepositoryName,
        number: u64,
        change: &Value,
    ) -> Result<(), IssueRefused> {
        let path = format!("/repos/{repository}/issues/{number}");
        let answer = self.write(Call::Write, Method::PATCH, &path, change).await?;
        taken::<RestIssue>(&answer, &Method::PATCH).map(drop)
    }

    /// Writes a comment on an issue; returns its number.
    pub async fn comment_on_issue(
        &self,
        repository: &RepositoryName,
        number: u64,
        body: &str,
    ) -> Result<u64, IssueRefused> {
        let path = format!("/repos/{repository}/issues/{number}/comments");
        let answer = self.write(Call::Create, Method::POST, &path, &json!({ "body": body })).await?;
        Ok(taken::<RestComment>(&answer, &Method::POST)?.id)
    }

    /// The open issues of a repository that `author` opened. More than a thousand are a failure.
    pub async fn open_issues_by(
        &self,
        repository: &RepositoryName,
        author: &str,
    ) -> Result<Vec<IssueSeen>, IssueRefused> {
        let path = ["repos", repository.owner(), repository.name(), "issues"];
        let query = [("state", "open"), ("creator", author)];
        Ok(issues(self.issue_pages(&path, &query, |_: &RestIssue| false).await?))
    }

    /// The issues of a repository, open and closed, that were opened since a time, the newest first. More than
    /// a thousand are a failure.
    pub async fn issues_since(
        &self,
        repository: &RepositoryName,
        since: Timestamp,
    ) -> Result<Vec<IssueSeen>, IssueRefused> {
        // GitHub's own `since` is about the last change, which is never before the opening.
        let since_text = seconds(since);
        let query = [("state", "all"), ("sort", "created"), ("direction", "desc"), ("since", &*since_text)];
        let path = ["repos", repository.owner(), repository.name(), "issues"];
        let older = |issue: &RestIssue| issue.created_at < since;
        let found = self.issue_pages(&path, &query, older).await?;
        Ok(issues(found))
    }

    /// The comments on an issue since a time, oldest first. More than a thousand are a failure.
    pub async fn issue_comments_since(
        &self,
        repository: &RepositoryName,
        number: u64,
        since: Timestamp,
    ) -> Result<Vec<Comment>, IssueRefused> {
        let number = number.to_string();
        let path = ["repos", repository.owner(), repository.name(), "issues", &number, "comments"];
        let query = [("since", &*seconds(since))];
        let found: Vec<RestComment> = self.issue_pages(&path, &query, |_| false).await?;
        let comments = found.into_iter().map(|comment| Comment {
            id: comment.id,
            author: comment.user.map(|user| user.login),
            body: comment.body.unwrap_or_default(),
            created_at: comment.created_at,
        });
        Ok(comments.collect())
    }

    /// All entries of a list, up to the page whose last one is the first that is `beyond` what is wanted.
    async fn issue_pages<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        beyond: impl Fn(&T) -> bool,
    ) -> Result<Vec<T>, IssueRefused> {
        let (mut all, size) = (Vec::new(), PAGE.to_string());
        for page in 1..=MOST_PAGES {
            let page = page.to_string();
            let paged: Vec<_> =
                query.iter().copied().chain([("per_page", &*size), ("page", &*page)]).collect();
            let entries: Vec<T> = self.read_issues(path, &paged).await?;
            let is_last = entries.len() < PAGE || entries.last().is_some_and(&beyond);
            all.extend(entries);
            if is_last {
                return Ok(all);
            }
        }
        let message = format!("{}: more than {} entries", path.join("/"), PAGE * MOST_PAGES);
        Err(Failure::permanent(message).into())
    }

    async fn read_issues<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, IssueRefused> {
        match self.get(path, query, Priority::Action).await {
            Lookup::Found(fetched) => Ok(fetched.json(&path.join("/"))?),
            Lookup::Absent { reason: Absence::Gone } => Err(IssueRefused::Gone),
            Lookup::Absent { .. } => Err(IssueRefused::NotThere),
            Lookup::Failed(failure) => Err(failure.into()),
        }
    }
}

/// GitHub lists pull requests among the issues.
fn issues(found: Vec<RestIssue>) -> Vec<IssueSeen> {
    found.into_iter().filter(|issue| issue.pull_request.is_none()).map(RestIssue::seen).collect()
}

/// The body of a write that was carried out, or why it was not.
fn taken<T: DeserializeOwned>(answer: &Answer, method: &Method) -> Result<T, IssueRefused> {
    let said = || message_of(&answer.body).unwrap_or_else(|| format!("status {}", answer.status));
    match answer.status {
        _ if answer.limited_until.is_some() => Err(answer.failure(method).into()),
        301 | 302 | 307 | 308 => Err(IssueRefused::Moved),
        403 => Err(IssueRefused::Forbidden(said())),
        404 | 451 => Err(IssueRefused::NotThere),
        410 => Err(IssueRefused::Gone),
        400 | 422 => Err(IssueRefused::Invalid(said())),
        _ => Ok(written(answer, method)?),
    }
}

/// A time as GitHub takes it: whole seconds.
fn seconds(time: Timestamp) -> String {
    let whole = time.round(jiff::TimestampRound::new().smallest(Unit::Second).mode(jiff::RoundMode::Floor));
    whole.unwrap_or(time).to_string()
}

#[derive(Deserialize)]
struct Login {
    login: String,
}

#[derive(Deserialize)]
struct RestIssue {
    number: u64,
    title: String,
    body: Option<String>,
    state: String,
    html_url: String,
    user: Option<Login>,
    created_at: Timestamp,
    pull_request: Option<Value>,
}

#[derive(Deserialize)]
struct RestComment {
    id: u64,
    user: Option<Login>,
    body: Option<String>,
    created_at: Timestamp,
}

impl RestIssue {
    fn seen(self) -> IssueSeen {
        IssueSeen {
            number: self.number,
            title: self.title,
            body: self.body.unwrap_or_default(),
            is_open: self.state == "open",
            author: self.user.map(|user| user.login),
            url: self.html_url,
        }
    }
}
