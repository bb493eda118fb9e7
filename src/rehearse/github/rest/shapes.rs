//! The JSON that GitHub's REST API answers with: the properties that a typed client demands, and
//! those that a release daemon reads. `api` is the root of the API as the client sees it.

use serde_json::{Value, json};

use super::super::answer::{id, time};
use super::super::git::{Commit, Git, Oid, Signature};
use super::super::issues::Issue;
use super::super::limits::Rate;
use super::super::pulls::mergeable;
use super::super::state::{Artifact, Comment, Label, PullRequest, Release, Repository, WorkflowRun};

fn node_id(kind: &str, key: &str) -> String {
    format!("{kind}_{:x}", id(kind, key))
}

pub(super) fn user(api: &str, login: &str) -> Value {
    let own = |rest: &str| format!("{api}/users/{login}{rest}");
    json!({
        "login": login,
        "id": id("user", login),
        "node_id": node_id("U", login),
        "avatar_url": format!("https://avatars.githubusercontent.com/u/{}", id("user", login)),
        "gravatar_id": "",
        "url": own(""),
        "html_url": format!("https://github.com/{login}"),
        "followers_url": own("/followers"),
        "following_url": own("/following"),
        "gists_url": own("/gists"),
        "starred_url": own("/starred"),
        "subscriptions_url": own("/subscriptions"),
        "organizations_url": own("/orgs"),
        "repos_url": own("/repos"),
        "events_url": own("/events"),
        "received_events_url": own("/received_events"),
        "type": "User",
        "site_admin": false,
    })
}

pub(super) fn repository(api: &str, repository: &Repository) -> Value {
    let name = &repository.name;
    let push = repository.git.is_some();
    json!({
        "id": id("repository", name),
        "node_id": node_id("R", name),
        "name": repository.short_name(),
        "full_name": name,
        "owner": user(api, repository.owner()),
        "private": false,
        "html_url": format!("https://github.com/{name}"),
        "description": null,
        "fork": false,
        "url": format!("{api}/repos/{name}"),
        "archived": repository.archived,
        "disabled": false,
        "visibility": "public",
        "default_branch": repository.default_branch(),
        "permissions": {"admin": false, "maintain": false, "push": push, "triage": push, "pull": true},
    })
}

pub(super) fn release(api: &str, repository: &Repository, release: &Release) -> Value {
    let name = &repository.name;
    let id = id("release", &format!("{name} {}", release.tag));
    json!({
        "url": format!("{api}/repos/{name}/releases/{id}"),
        "html_url": format!("https://github.com/{name}/releases/tag/{}", release.tag),
        "assets_url": format!("{api}/repos/{name}/releases/{id}/assets"),
        "upload_url": format!("{api}/repos/{name}/releases/{id}/assets{{?name,label}}"),
        "tarball_url": format!("{api}/repos/{name}/tarball/{}", release.tag),
        "zipball_url": format!("{api}/repos/{name}/zipball/{}", release.tag),
        "id": id,
        "node_id": node_id("RE", &release.tag),
        "tag_name": release.tag,
        "target_commitish": repository.default_branch(),
        "name": release.name,
        "body": null,
        "draft": release.draft,
        "prerelease": release.prerelease,
        "created_at": time(release.created_at),
        "published_at": release.published_at.map(time),
        "author": user(api, repository.owner()),
        "assets": [],
    })
}

pub(super) fn tag(api: &str, repository: &Repository, release: &Release) -> Value {
    let (name, tag) = (&repository.name, &release.tag);
    json!({
        "name": tag,
        "commit": {"sha": release.commit, "url": format!("{api}/repos/{name}/commits/{}", release.commit)},
        "zipball_url": format!("{api}/repos/{name}/zipball/refs/tags/{tag}"),
        "tarball_url": format!("{api}/repos/{name}/tarball/refs/tags/{tag}"),
        "node_id": node_id("REF", tag),
    })
}

pub(super) fn reference(api: &str, repository: &Repository, name: &str, oid: Oid) -> Value {
    let repository = &repository.name;
    json!({
        "ref": name,
        "node_id": node_id("REF", name),
        "url": format!("{api}/repos/{repository}/git/{name}"),
        "object": {
            "type": "commit",
            "sha": oid,
            "url": format!("{api}/repos/{repository}/git/commits/{oid}"),
        },
    })
}

fn signature(signature: &Signature) -> Value {
    json!({"name": signature.name, "email": signature.email, "date": time(signature.at)})
}

const UNSIGNED: &str = "unsigned";

/// A commit as the git database calls have it.
pub(super) fn git_commit(api: &str, repository: &Repository, oid: Oid, commit: &Commit) -> Value {
    let name = &repository.name;
    let parent = |parent: &Oid| {
        json!({
            "sha": parent,
            "url": format!("{api}/repos/{name}/git/commits/{parent}"),
            "html_url": format!("https://github.com/{name}/commit/{parent}"),
        })
    };
    json!({
        "sha": oid,
        "node_id": node_id("C", &oid.to_string()),
        "url": format!("{api}/repos/{name}/git/commits/{oid}"),
        "html_url": format!("https://github.com/{name}/commit/{oid}"),
        "author": signature(&commit.author),
        "committer": signature(&commit.committer),
        "tree": {"sha": commit.tree, "url": format!("{api}/repos/{name}/git/trees/{}", commit.tree)},
        "message": commit.message,
        "parents": commit.parents.iter().map(parent).collect::<Value>(),
        "verification": {"verified": false, "reason": UNSIGNED, "signature": null, "payload": null},
    })
}

/// A commit as the repository's and the pull requests' calls have it.
pub(super) fn commit(api: &str, repository: &Repository, oid: Oid, commit: &Commit) -> Value {
    let name = &repository.name;
    let mut inner = git_commit(api, repository, oid, commit);
    let parents = inner["parents"].take();
    inner["comment_count"] = 0.into();
    json!({
        "url": format!("{api}/repos/{name}/commits/{oid}"),
        "sha": oid,
        "node_id": node_id("C", &oid.to_string()),
        "html_url": format!("https://github.com/{name}/commit/{oid}"),
        "comments_url": format!("{api}/repos/{name}/commits/{oid}/comments"),
        "commit": {
            "url": inner["url"],
            "author": inner["author"],
            "committer": inner["committer"],
            "message": inner["message"],
            "tree": inner["tree"],
            "comment_count": 0,
            "verification": inner["verification"],
        },
        "author": commit.author.login().map(|login| user(api, login)),
        "committer": commit.committer.login().map(|login| user(api, login)),
        "parents": parents,
    })
}

/// A pull request as a list has it: without what GitHub computes per pull request.
pub(super) fn pull(api: &str, repo: &Repository, pull: &PullRequest) -> Value {
    let (name, number) = (&repo.name, pull.number);
    let url = format!("{api}/repos/{name}/pulls/{number}");
    let issue = format!("{api}/repos/{name}/issues/{number}");
    let html = format!("https://github.com/{name}/pull/{number}");
    let side = |branch: &str, oid: Oid| {
        json!({
            "label": format!("{}:{branch}", repo.owner()),
            "ref": branch,
            "sha": oid,
            "user": user(api, repo.owner()),
            "repo": repository(api, repo),
        })
    };
    json!({
        "url": url,
        "id": id("pull", &format!("{name} {number}")),
        "node_id": node_id("PR", &format!("{name} {number}")),
        "html_url": html,
        "diff_url": format!("{html}.diff"),
        "patch_url": format!("{html}.patch"),
        "issue_url": issue,
        "commits_url": format!("{url}/commits"),
        "review_comments_url": format!("{url}/comments"),
        "review_comment_url": format!("{api}/repos/{name}/pulls/comments{{/number}}"),
        "comments_url": format!("{issue}/comments"),
        "statuses_url": format!("{api}/repos/{name}/statuses/{}", pull.head_oid),
        "number": number,
        "state": if pull.is_open() { "open" } else { "closed" },
        "locked": false,
        "title": pull.title,
        "user": user(api, &pull.user),
        "body": (!pull.body.is_empty()).then_some(&pull.body),
        "labels": labels(api, repo, &pull.labels),
        "milestone": null,
        "created_at": time(pull.created_at),
        "updated_at": time(pull.updated_at),
        "closed_at": pull.closed_at.map(time),
        "merged_at": pull.merged.as_ref().map(|merge| time(merge.at)),
        "merge_commit_sha": pull.merged.as_ref().map(|merge| merge.commit),
        "assignee": null,
        "assignees": [],
        "requested_reviewers": pull.reviewers.iter().map(|login| user(api, login)).collect::<Value>(),
        "requested_teams": [],
        "head": match &pull.fork {
            None => side(&pull.head, pull.head_oid),
            Some(fork) => {
                let (owner, short) = (user(api, &fork.owner), repo.short_name());
                let full = format!("{}/{short}", fork.owner);
                json!({
                    "label": format!("{}:{}", fork.owner, fork.branch),
                    "ref": fork.branch,
                    "sha": pull.head_oid,
                    "user": owner,
                    "repo": repository(api, &Repository { name: full, ..Repository::default() }),
                })
            }
        },
        "base": side(&pull.base, pull.base_oid),
        "author_association": "CONTRIBUTOR",
        "auto_merge": null,
        "draft": pull.draft,
    })
}

/// A pull request by itself.
pub(super) fn full_pull(api: &str, repo: &Repository, git: &Git, pull: &PullRequest) -> Value {
    let mut value = self::pull(api, repo, pull);
    let mergeable = mergeable(repo, pull);
    let counts = changed_lines(git, pull);
    let computed = json!({
        "merged": pull.merged.is_some(),
        "mergeable": mergeable,
        "rebaseable": mergeable,
        "mergeable_state": match mergeable {
            Some(true) if pull.draft => "draft",
            Some(true) => "clean",
            Some(false) => "dirty",
            None => "unknown",
        },
        "merged_by": pull.merged.as_ref().map(|merge| user(api, &merge.by)),
        "comments": repo.comments.iter().filter(|comment| comment.number == pull.number).count(),
        "review_comments": 0,
        "maintainer_can_modify": false,
        "commits": git.ahead(pull.base_oid, pull.head_oid).len(),
        "additions": counts.iter().map(|file| file.additions).sum::<usize>(),
        "deletions": counts.iter().map(|file| file.deletions).sum::<usize>(),
        "changed_files": counts.len(),
    });
    if let (Some(value), Value::Object(computed)) = (value.as_object_mut(), computed) {
        value.extend(computed);
    }
    value
}

/// One file that a pull request changes.
pub(super) struct ChangedFile {
    pub(super) path: String,
    pub(super) oid: Oid,
    pub(super) status: &'static str,
    pub(super) additions: usize,
    pub(super) deletions: usize,
    pub(super) patch: String,
}

/// What a pull request changes since it left its base.
pub(super) fn changed_lines(git: &Git, pull: &PullRequest) -> Vec<ChangedFile> {
    let tree = |commit: Oid| git.commit(commit).map(|commit| commit.tree);
    let ancestor = git.merge_base(pull.base_oid, pull.head_oid).and_then(tree);
    let text = |oid: Option<Oid>| {
        let bytes = oid.and_then(|oid| git.blob(oid));
        bytes.map_or_else(String::new, |bytes| String::from_utf8_lossy(bytes).into_owned())
    };
    let differences = git.differences(ancestor, tree(pull.head_oid));
    let changed = differences.into_iter().filter_map(|(path, (before, after))| {
        let (old, new) = (before.map(|entry| entry.oid), after.map(|entry| entry.oid));
        let (old_text, new_text) = (text(old), text(new));
        let patch = diffy::create_patch(&old_text, &new_text);
        let lines = || patch.hunks().iter().flat_map(|hunk| hunk.lines());
        let status = match (old, new) {
            (None, _) => "added",
            (Some(_), None) => "removed",
            (Some(_), Some(_)) => "modified",
        };
        Some(ChangedFile {
            path,
            oid: new.or(old)?,
            status,
            additions: lines().filter(|line| matches!(line, diffy::Line::Insert(_))).count(),
            deletions: lines().filter(|line| matches!(line, diffy::Line::Delete(_))).count(),
            // GitHub leaves out the two lines that name the files.
            patch: patch.to_string().splitn(3, '\n').nth(2).unwrap_or_default().to_owned(),
        })
    });
    changed.collect()
}

pub(super) fn label(api: &str, repository: &Repository, label: &Label) -> Value {
    let encoded: String = url::form_urlencoded::byte_serialize(label.name.as_bytes()).collect();
    json!({
        "id": id("label", &format!("{} {}", repository.name, label.name)),
        "node_id": node_id("LA", &label.name),
        "url": format!("{api}/repos/{}/labels/{}", repository.name, encoded.replace('+', "%20")),
        "name": label.name,
        "color": label.color,
        "default": false,
        "description": label.description,
    })
}

/// The labels of these names.
pub(super) fn labels(api: &str, repository: &Repository, names: &[String]) -> Value {
    let known = names.iter().filter_map(|name| repository.labels.get(&name.to_lowercase()));
    known.map(|known| label(api, repository, known)).collect()
}

/// An issue that is no pull request.
pub(super) fn issue(api: &str, repository: &Repository, issue: &Issue) -> Value {
    let (name, number) = (&repository.name, issue.number);
    let url = format!("{api}/repos/{name}/issues/{number}");
    json!({
        "id": id("issue", &format!("{name} {number}")),
        "node_id": node_id("I", &format!("{name} {number}")),
        "url": url,
        "repository_url": format!("{api}/repos/{name}"),
        "labels_url": format!("{url}/labels{{/name}}"),
        "comments_url": format!("{url}/comments"),
        "events_url": format!("{url}/events"),
        "html_url": format!("https://github.com/{name}/issues/{number}"),
        "number": number,
        "state": if issue.closed_at.is_none() { "open" } else { "closed" },
        "state_reason": issue.state_reason,
        "title": issue.title,
        "body": (!issue.body.is_empty()).then_some(&issue.body),
        "user": user(api, &issue.user),
        "labels": labels(api, repository, &issue.labels),
        "assignee": null,
        "assignees": [],
        "milestone": null,
        "locked": false,
        "active_lock_reason": null,
        "comments": repository.comments.iter().filter(|comment| comment.number == number).count(),
        "closed_at": issue.closed_at.map(time),
        "created_at": time(issue.created_at),
        "updated_at": time(issue.updated_at),
        "author_association": "CONTRIBUTOR",
    })
}

/// A pull request as an issue, which it also is.
pub(super) fn pull_as_issue(api: &str, repository: &Repository, pull: &PullRequest) -> Value {
    let (name, number) = (&repository.name, pull.number);
    let url = format!("{api}/repos/{name}/issues/{number}");
    let html = format!("https://github.com/{name}/pull/{number}");
    json!({
        "id": id("issue", &format!("{name} {number}")),
        "node_id": node_id("PR", &format!("{name} {number}")),
        "url": url,
        "repository_url": format!("{api}/repos/{name}"),
        "labels_url": format!("{url}/labels{{/name}}"),
        "comments_url": format!("{url}/comments"),
        "events_url": format!("{url}/events"),
        "html_url": html,
        "number": number,
        "state": if pull.is_open() { "open" } else { "closed" },
        "state_reason": null,
        "title": pull.title,
        "body": (!pull.body.is_empty()).then_some(&pull.body),
        "user": user(api, &pull.user),
        "labels": labels(api, repository, &pull.labels),
        "assignee": null,
        "assignees": [],
        "milestone": null,
        "locked": false,
        "active_lock_reason": null,
        "comments": repository.comments.iter().filter(|comment| comment.number == number).count(),
        "closed_at": pull.closed_at.map(time),
        "created_at": time(pull.created_at),
        "updated_at": time(pull.updated_at),
        "author_association": "CONTRIBUTOR",
        "draft": pull.draft,
        "pull_request": {
            "url": format!("{api}/repos/{name}/pulls/{number}"),
            "href": format!("{api}/repos/{name}/pulls/{number}"),
            "html_url": html,
            "merged_at": pull.merged.as_ref().map(|merge| time(merge.at)),
        },
    })
}

pub(super) fn comment(api: &str, repository: &Repository, comment: &Comment) -> Value {
    let name = &repository.name;
    let kind = if repository.issues.contains_key(&comment.number) { "issues" } else { "pull" };
    let html = format!("https://github.com/{name}/{kind}/{}#issuecomment-{}", comment.number, comment.id);
    json!({
        "id": comment.id,
        "node_id": node_id("IC", &format!("{name} {}", comment.id)),
        "url": format!("{api}/repos/{name}/issues/comments/{}", comment.id),
        "html_url": html,
        "issue_url": format!("{api}/repos/{name}/issues/{}", comment.number),
        "body": comment.body,
        "user": user(api, &comment.user),
        "created_at": time(comment.created_at),
        "updated_at": time(comment.created_at),
        "author_association": "CONTRIBUTOR",
    })
}

/// An artifact of a run.
pub(super) fn artifact(api: &str, repo: &Repository, artifact: &Artifact) -> Value {
    let (name, id) = (&repo.name, artifact.id);
    let url = format!("{api}/repos/{name}/actions/artifacts/{id}");
    json!({
        "id": id,
        "node_id": node_id("A", &id.to_string()),
        "name": artifact.name,
        "size_in_bytes": artifact.content.len(),
        "url": url,
        "archive_download_url": format!("{url}/zip"),
        "expired": artifact.expired,
        "created_at": time(artifact.created_at),
        "updated_at": time(artifact.created_at),
        "workflow_run": { "id": artifact.run_id },
    })
}

/// A run of a workflow. Its commit is the tip of the default branch where there are git objects,
/// and zeros elsewhere: a world does not record it.
pub(super) fn run(api: &str, repo: &Repository, run: &WorkflowRun) -> Value {
    let (name, id) = (&repo.name, run.id);
    let url = format!("{api}/repos/{name}/actions/runs/{id}");
    let tip = repo.git.as_ref().and_then(|git| git.branch(repo.default_branch()));
    let head = tip.map_or_else(|| "0".repeat(40), |oid| oid.to_string());
    let workflow = self::id("workflow", &run.workflow);
    let nobody = json!({"name": "GitHub", "email": "noreply@github.com"});
    json!({
        "id": id,
        "workflow_id": workflow,
        "node_id": node_id("WFR", &id.to_string()),
        "name": run.name,
        "path": format!(".github/workflows/{}", run.workflow),
        "display_title": run.display_title,
        "head_branch": repo.default_branch(),
        "head_sha": head,
        "run_number": id,
        "run_attempt": 1,
        "event": "workflow_dispatch",
        "status": run.status,
        "conclusion": run.conclusion,
        "created_at": time(run.created_at),
        "updated_at": time(run.run_started_at),
        "run_started_at": time(run.run_started_at),
        "url": url,
        "html_url": run.html_url,
        "jobs_url": format!("{url}/jobs"),
        "logs_url": format!("{url}/logs"),
        "check_suite_url": format!("{api}/repos/{name}/check-suites/{id}"),
        "artifacts_url": format!("{url}/artifacts"),
        "cancel_url": format!("{url}/cancel"),
        "rerun_url": format!("{url}/rerun"),
        "workflow_url": format!("{api}/repos/{name}/actions/workflows/{workflow}"),
        "head_commit": {
            "id": head,
            "tree_id": head,
            "message": run.display_title,
            "timestamp": time(run.created_at),
            "author": nobody,
            "committer": nobody,
        },
        "repository": repository(api, repo),
        "head_repository": repository(api, repo),
        "pull_requests": [],
    })
}

pub(super) fn rate(rate: Rate) -> Value {
    json!({"limit": rate.limit, "used": rate.used, "remaining": rate.remaining, "reset": rate.reset})
}
