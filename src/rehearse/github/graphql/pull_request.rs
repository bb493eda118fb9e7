//! Fields of pull requests.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::super::answer::time;
use super::super::pulls::{absent, mergeable};
use super::super::refused::Refused;
use super::super::state::{PullRequest, Repository, not_simulated};
use super::connection::Connection;
use super::node::{Arguments, Kind, Resolved};

fn state(pull: &PullRequest) -> &'static str {
    match (&pull.merged, pull.is_open()) {
        (Some(_), _) => "MERGED",
        (None, true) => "OPEN",
        (None, false) => "CLOSED",
    }
}

/// The node id of a pull request: what is inside it lets a mutation find it again.
fn pull_id(repository: &str, number: u64) -> String {
    format!("PR_{}", URL_SAFE_NO_PAD.encode(format!("{repository}#{number}")))
}

/// The repository and number inside a pull request's node id.
pub(super) fn pull_of(id: &str) -> Option<(String, u64)> {
    let inside = String::from_utf8(URL_SAFE_NO_PAD.decode(id.strip_prefix("PR_")?).ok()?).ok()?;
    let (repository, number) = inside.rsplit_once('#')?;
    Some((repository.to_owned(), number.parse().ok()?))
}

/// The pull requests of a repository.
pub(super) fn list(repository: &Repository, arguments: &Arguments) -> Result<Resolved, Refused> {
    arguments.only(&["first", "last", "after", "states", "headRefName", "baseRefName", "orderBy"])?;
    let states = arguments.0["states"].as_array();
    let wanted = |pull: &&PullRequest| {
        states.is_none_or(|states| states.iter().any(|wanted| wanted == state(pull)))
            && arguments.text("headRefName").is_none_or(|head| pull.head == head)
            && arguments.text("baseRefName").is_none_or(|base| pull.base == base)
    };
    let mut pulls: Vec<_> = repository.pulls.values().filter(wanted).collect();
    let order = &arguments.0["orderBy"];
    if order["field"] == "UPDATED_AT" {
        pulls.sort_by_key(|pull| (pull.updated_at, pull.number));
    }
    if order["direction"] == "DESC" {
        pulls.reverse();
    }
    let node = |number: u64| Kind::Pull { repository: repository.name.clone(), number };
    let items = pulls.into_iter().map(|pull| (pull.number.to_string(), node(pull.number))).collect();
    Connection::cut("PullRequestConnection", items, arguments).map(Resolved::Object)
}

pub(super) fn field(
    repository: &Repository,
    number: u64,
    name: &str,
    arguments: &Arguments,
) -> Result<Resolved, Refused> {
    let pull = repository.pulls.get(&number).ok_or_else(|| absent(number))?;
    let leaf: Value = match name {
        "id" => pull_id(&repository.name, number).into(),
        "number" => number.into(),
        "isCrossRepository" => pull.fork.is_some().into(),
        "title" => pull.title.as_str().into(),
        "body" => pull.body.as_str().into(),
        "url" => format!("https://github.com/{}/pull/{number}", repository.name).into(),
        "state" => state(pull).into(),
        "isDraft" => pull.draft.into(),
        "merged" => pull.merged.is_some().into(),
        "closed" => (!pull.is_open()).into(),
        "mergedAt" => json!(pull.merged.as_ref().map(|merge| time(merge.at))),
        "closedAt" => json!(pull.closed_at.map(time)),
        "createdAt" => time(pull.created_at).into(),
        "updatedAt" => time(pull.updated_at).into(),
        "mergeable" => match mergeable(repository, pull) {
            Some(true) => "MERGEABLE",
            Some(false) => "CONFLICTING",
            None => "UNKNOWN",
        }
        .into(),
        "headRefName" => pull.head_name().into(),
        "headRefOid" => json!(pull.head_oid),
        "baseRefName" => pull.base.as_str().into(),
        "baseRefOid" => json!(pull.base_oid),
        _ => return linked(repository, pull, name, arguments),
    };
    Ok(Resolved::Leaf(leaf))
}

/// The fields that lead to other objects.
fn linked(
    repository: &Repository,
    pull: &PullRequest,
    name: &str,
    arguments: &Arguments,
) -> Result<Resolved, Refused> {
    let key = || repository.name.clone();
    match name {
        "author" => Ok(Resolved::Object(Kind::User(pull.user.clone()))),
        "headRepositoryOwner" => {
            let owner = pull.fork.as_ref().map_or(repository.owner(), |fork| &fork.owner);
            Ok(Resolved::Object(Kind::User(owner.to_owned())))
        }
        "mergedBy" => Ok(Resolved::object(pull.merged.as_ref().map(|merge| Kind::User(merge.by.clone())))),
        "mergeCommit" => Ok(Resolved::object(
            pull.merged
                .as_ref()
                .map(|merge| Kind::Commit { repository: key(), oid: merge.commit.to_string() }),
        )),
        "labels" => {
            arguments.only(&["first", "last", "after", "orderBy"])?;
            // The schema's default; a label's place on a pull request stands for its time.
            if arguments.0["orderBy"] != json!({"field": "CREATED_AT", "direction": "ASC"}) {
                return Err(not_simulated("another order of labels"));
            }
            let label = |name: &String| (name.clone(), Kind::Label { repository: key(), name: name.clone() });
            let items = pull.labels.iter().map(label).collect();
            Connection::cut("LabelConnection", items, arguments).map(Resolved::Object)
        }
        "commits" => {
            let commits = repository.git()?.ahead(pull.base_oid, pull.head_oid);
            let node = |oid| Kind::PullCommit { repository: key(), oid };
            let items = commits.into_iter().map(|oid| (oid.to_string(), node(oid))).collect();
            Connection::cut("PullRequestCommitConnection", items, arguments).map(Resolved::Object)
        }
        _ => Err(not_simulated(&format!("the field PullRequest.{name}"))),
    }
}

pub(super) fn label_field(repository: &Repository, label: &str, name: &str) -> Result<Resolved, Refused> {
    let known = repository.labels.get(&label.to_lowercase());
    let known = known.ok_or_else(|| Refused::not_found(format!("there is no label {label}")))?;
    let leaf: Value = match name {
        "name" => known.name.as_str().into(),
        "color" => known.color.as_str().into(),
        "description" => json!(known.description),
        _ => return Err(not_simulated(&format!("the field Label.{name}"))),
    };
    Ok(Resolved::Leaf(leaf))
}
