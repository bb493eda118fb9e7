//! The REST API: which call is answered where. One file per group of calls.

mod actions;
mod git;
mod issues;
mod pulls;
mod repository;
mod shapes;

use jiff::Timestamp;
use serde_json::Value;

use super::answer::Answer;
use super::event::{Event, Made};
use super::refused::Refused;
use super::request::Request;
use super::simulation::Inner;
use super::state::{Found, PullRequest, Repository, not_simulated};

/// A call under way.
struct Call<'a> {
    inner: &'a mut Inner,
    request: &'a Request,
    /// The login that asks.
    viewer: &'a str,
    now: Timestamp,
    /// The canonical `owner/name` of the call's repository.
    name: String,
}

/// Answers a request that is in order.
pub(super) fn answer(
    inner: &mut Inner,
    request: &Request,
    viewer: &str,
    now: Timestamp,
) -> Result<Answer, Refused> {
    if request.template == "/rate_limit" {
        return Ok(actions::rate_limit(inner, now));
    }
    let (Some(owner), Some(repo)) = (request.parameters.get("owner"), request.parameters.get("repo")) else {
        return Err(not_simulated(&format!("the call {} {}", request.method, request.template)));
    };
    let asked = format!("{owner}/{repo}");
    let name = match inner.state.ask(&asked) {
        Found::Here(repository) => repository.name.clone(),
        Found::Nothing => return Err(Refused::not_found("Not Found")),
        Found::Withheld => {
            return Err(Refused::status(451, "DMCA", "Repository access blocked"));
        }
        Found::Unreachable => return Err(Refused::status(502, "SERVER_ERROR", "Server Error")),
        Found::Moved(repository) => {
            // GitHub redirects to `/repositories/<id>/…`; the name says the same and can be read.
            let rest =
                request.path_and_query.splitn(5, '/').nth(4).map_or(String::new(), |rest| format!("/{rest}"));
            let location = format!("{}/repos/{}{rest}", request.api, repository.name);
            let body = serde_json::json!({"message": "Moved Permanently", "url": location});
            let status = if request.method == "GET" { 301 } else { 307 };
            return Ok(Answer::json(status, &body).with("location", location));
        }
    };
    Call { inner, request, viewer, now, name }.route()
}

impl Call<'_> {
    fn route(mut self) -> Result<Answer, Refused> {
        let call = self.request.template.trim_start_matches("/repos/{owner}/{repo}");
        match (self.request.method.as_str(), call) {
            ("GET", "") => self.get_repository(),
            ("GET", "/releases") => self.list_releases(),
            ("GET", "/releases/latest") => self.latest_release(),
            ("GET", "/releases/tags/{tag}") => self.release_by_tag(),
            ("GET", "/tags") => self.list_tags(),
            ("GET", "/contents/{path}") => self.get_contents(),
            ("GET", "/branches/{branch}") => self.get_branch(),
            ("GET", "/commits") => self.list_commits(),
            ("GET", "/commits/{ref}") => self.get_commit(),
            ("GET", "/git/ref/{ref}") => self.get_ref(),
            ("POST", "/git/refs") => self.create_ref(),
            ("PATCH", "/git/refs/{ref}") => self.update_ref(),
            ("DELETE", "/git/refs/{ref}") => self.delete_ref(),
            ("POST", "/git/blobs") => self.create_blob(),
            ("GET", "/git/blobs/{file_sha}") => self.get_blob(),
            ("POST", "/git/trees") => self.create_tree(),
            ("GET", "/git/trees/{tree_sha}") => self.get_tree(),
            ("POST", "/git/commits") => self.create_commit(),
            ("GET", "/git/commits/{commit_sha}") => self.get_git_commit(),
            ("GET", "/pulls") => self.list_pulls(),
            ("POST", "/pulls") => self.open_pull(),
            ("GET", "/pulls/{pull_number}") => self.get_pull(),
            ("PATCH", "/pulls/{pull_number}") => self.edit_pull(),
            ("PUT", "/pulls/{pull_number}/merge") => self.merge_pull(),
            ("GET", "/pulls/{pull_number}/merge") => self.is_merged(),
            ("GET", "/pulls/{pull_number}/commits") => self.pull_commits(),
            ("GET", "/pulls/{pull_number}/files") => self.pull_files(),
            ("POST", "/pulls/{pull_number}/requested_reviewers") => self.request_reviewers(),
            ("GET", "/issues") => self.list_issues(),
            ("POST", "/issues") => self.open_issue(),
            ("GET", "/issues/{issue_number}") => self.get_issue(),
            ("PATCH", "/issues/{issue_number}") => self.edit_issue(),
            ("GET", "/issues/{issue_number}/comments") => self.list_comments(),
            ("POST", "/issues/{issue_number}/comments") => self.comment(),
            ("GET", "/issues/{issue_number}/labels") => self.list_issue_labels(),
            ("POST", "/issues/{issue_number}/labels") => self.add_labels(),
            ("GET", "/labels") => self.list_labels(),
            ("POST", "/labels") => self.create_label(),
            ("GET", "/labels/{name}") => self.get_label(),
            ("GET", "/actions/workflows/{workflow_id}/runs") => self.list_runs(),
            ("GET", "/actions/runs/{run_id}") => self.get_run(),
            ("POST", "/actions/runs/{run_id}/cancel") => self.cancel_run(),
            ("GET", "/actions/runs/{run_id}/artifacts") => self.list_artifacts(),
            ("GET", "/actions/artifacts/{artifact_id}/{archive_format}") => self.download_artifact(),
            ("POST", "/actions/workflows/{workflow_id}/dispatches") => self.dispatch(),
            (method, _) => Err(not_simulated(&format!("the call {method} {}", self.request.template))),
        }
    }

    fn repository(&self) -> Result<&Repository, Refused> {
        self.inner.state.repository(&self.name).ok_or_else(|| Refused::not_found("Not Found"))
    }

    /// A parameter of the path, which the description has found to be there.
    fn parameter(&self, name: &str) -> &str {
        self.request.parameters.get(name).map_or("", String::as_str)
    }

    fn number(&self, name: &str) -> Result<u64, Refused> {
        self.parameter(name).parse().map_err(|_| Refused::not_found("Not Found"))
    }

    fn pull(&self, parameter: &str) -> Result<&PullRequest, Refused> {
        let number = self.number(parameter)?;
        self.repository()?.pulls.get(&number).ok_or_else(|| Refused::not_found("Not Found"))
    }

    fn query(&self, name: &str) -> Option<&str> {
        self.request.query.get(name).map(String::as_str)
    }

    /// A text of the body.
    fn text(&self, name: &str) -> Option<String> {
        self.request.body[name].as_str().map(str::to_owned)
    }

    /// Refuses properties of the body that the description has and the simulation would ignore.
    fn only(&self, known: &[&str]) -> Result<(), Refused> {
        let mut names = self.request.body.as_object().into_iter().flat_map(|body| body.keys());
        match names.find(|name| !known.contains(&name.as_str())) {
            Some(name) => {
                Err(not_simulated(&format!("`{name}` in {} {}", self.request.method, self.request.template)))
            }
            None => Ok(()),
        }
    }

    /// Refuses parameters of the query that the description has and the simulation would ignore.
    fn only_query(&self, known: &[&str]) -> Result<(), Refused> {
        match self.request.query.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(not_simulated(&format!("`?{name}=` of {}", self.request.template))),
            None => Ok(()),
        }
    }

    fn perform(&mut self, event: Event) -> Result<Made, Refused> {
        self.inner.perform(event)
    }

    /// One page of a list, with the links to the others that GitHub sends.
    fn page<T>(&self, all: Vec<T>, shape: impl FnMut(T) -> Value) -> Answer {
        let (entries, link) = self.cut(all);
        let body: Value = entries.into_iter().map(shape).collect();
        let answer = Answer::ok(&body);
        if link.is_empty() { answer } else { answer.with("link", link) }
    }

    fn cut<T>(&self, all: Vec<T>) -> (Vec<T>, String) {
        let number = |name: &str, otherwise: usize| {
            self.query(name).and_then(|value| value.parse().ok()).unwrap_or(otherwise).max(1)
        };
        let (size, page) = (number("per_page", 30), number("page", 1));
        let last = all.len().div_ceil(size).max(1);
        let url = |page: usize| {
            let path = self.request.path_and_query.split('?').next().unwrap_or_default();
            let others = self.request.query.iter().filter(|(name, _)| *name != "page");
            let query = url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs(others)
                .append_pair("page", &page.to_string())
                .finish();
            format!("<{}{path}?{query}>", self.request.api)
        };
        let mut links = Vec::new();
        if page > 1 {
            links.push(format!("{}; rel=\"prev\"", url(page - 1)));
            links.push(format!("{}; rel=\"first\"", url(1)));
        }
        if page < last {
            links.push(format!("{}; rel=\"next\"", url(page + 1)));
            links.push(format!("{}; rel=\"last\"", url(last)));
        }
        let entries = all.into_iter().skip(size.saturating_mul(page - 1)).take(size).collect();
        (entries, links.join(", "))
    }
}
