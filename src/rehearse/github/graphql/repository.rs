//! Fields of repositories, their releases, refs, commits and files.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::super::answer::time;
use super::super::files::{self, File};
use super::super::git::Oid;
use super::super::pulls::absent;
use super::super::refused::Refused;
use super::super::state::{Release, Repository, not_simulated};
use super::connection::Connection;
use super::node::{Arguments, Kind, Resolved};
use super::{Scope, pull_request};

/// The node id of a repository: the name inside it lets a mutation find it again.
pub(super) fn repository_id(name: &str) -> String {
    format!("R_{}", URL_SAFE_NO_PAD.encode(name))
}

/// The name inside a repository's node id.
pub(super) fn repository_of(id: &str) -> Option<String> {
    let name = URL_SAFE_NO_PAD.decode(id.strip_prefix("R_")?).ok()?;
    String::from_utf8(name).ok()
}

pub(super) fn field(
    scope: &Scope<'_>,
    repository: &Repository,
    name: &str,
    arguments: &Arguments,
) -> Result<Resolved, Refused> {
    let key = || repository.name.clone();
    let release = |release: &Release| Kind::Release { repository: key(), tag: release.tag.clone() };
    Ok(match name {
        "id" => Resolved::Leaf(repository_id(&repository.name).into()),
        "name" => Resolved::Leaf(repository.short_name().into()),
        "nameWithOwner" => Resolved::Leaf(repository.name.as_str().into()),
        "url" => Resolved::Leaf(format!("https://github.com/{}", repository.name).into()),
        "isArchived" => Resolved::Leaf(repository.archived.into()),
        "isPrivate" => Resolved::Leaf(false.into()),
        "defaultBranchRef" => {
            let full = format!("refs/heads/{}", repository.default_branch());
            find_ref(repository, &full)?
        }
        "refs" => refs(repository, arguments)?,
        "ref" => find_ref(repository, arguments.text("qualifiedName").unwrap_or_default())?,
        "object" => object(repository, arguments)?,
        "releases" => releases(scope, repository, arguments)?,
        "latestRelease" => Resolved::object(repository.latest_release(scope.now).map(release)),
        "release" => {
            let tag = arguments.text("tagName").unwrap_or_default();
            let found = repository.releases_at(scope.now).into_iter().find(|release| release.tag == tag);
            Resolved::object(found.map(release))
        }
        "pullRequest" => {
            let number =
                arguments.number("number").and_then(|number| u64::try_from(number).ok()).unwrap_or(0);
            if !repository.pulls.contains_key(&number) {
                return Err(absent(number));
            }
            Resolved::Object(Kind::Pull { repository: key(), number })
        }
        "pullRequests" => pull_request::list(repository, arguments)?,
        _ => return Err(not_simulated(&format!("the field Repository.{name}"))),
    })
}

/// A ref by its full name, or a branch or tag by its short one.
fn find_ref(repository: &Repository, name: &str) -> Result<Resolved, Refused> {
    let git = repository.git()?;
    let names = [name.to_owned(), format!("refs/heads/{name}"), format!("refs/tags/{name}")];
    let found = names.into_iter().find(|name| git.refs.contains_key(name));
    Ok(Resolved::object(found.map(|name| Kind::Ref { repository: repository.name.clone(), name })))
}

/// The tags or branches of a repository that has git objects, by name or by the date of what they point at.
fn refs(repository: &Repository, arguments: &Arguments) -> Result<Resolved, Refused> {
    arguments.only(&["refPrefix", "first", "last", "after", "orderBy"])?;
    let git = repository.git()?;
    let prefix = arguments.text("refPrefix").unwrap_or_default();
    let dated = |oid: &Oid| git.commit(*oid).map(|commit| commit.committer.at);
    let mut refs: Vec<(&String, &Oid)> =
        git.refs.iter().filter(|(name, _)| name.starts_with(prefix)).collect();
    let order = &arguments.0["orderBy"];
    if order["field"] == "TAG_COMMIT_DATE" {
        refs.sort_by_key(|(name, oid)| (dated(oid), *name));
    }
    if order["direction"] == "DESC" {
        refs.reverse();
    }
    let node = |name: &str| Kind::Ref { repository: repository.name.clone(), name: name.to_owned() };
    let items = refs.into_iter().map(|(name, _)| (name.clone(), node(name))).collect();
    Connection::cut("RefConnection", items, arguments).map(Resolved::Object)
}

/// `object(expression:)` is a revision, or `<revision>:<path>`.
fn object(repository: &Repository, arguments: &Arguments) -> Result<Resolved, Refused> {
    let commit = |oid: Oid| Kind::Commit { repository: repository.name.clone(), oid: oid.to_string() };
    let Some(expression) = arguments.text("expression") else {
        let git = repository.git()?;
        let wanted = arguments.text("oid").unwrap_or_default();
        let oid: Oid = wanted.parse().map_err(Refused::unprocessable)?;
        let kind = match git.blob(oid) {
            Some(content) => Some(Kind::Blob(Arc::clone(content))),
            None => git.tree(oid).map(|_| Kind::Tree(oid)).or_else(|| git.commit(oid).map(|_| commit(oid))),
        };
        return Ok(Resolved::object(kind));
    };
    let Some((revision, path)) = expression.split_once(':') else {
        return Ok(Resolved::object(files::resolve(repository.git()?, expression).map(commit)));
    };
    match files::read(repository, revision, path)? {
        Some(File::Content(content)) => Ok(Resolved::Object(Kind::Blob(content.into()))),
        Some(File::Folder) => Err(not_simulated("folders in `object(expression:)`")),
        None => Ok(Resolved::Nothing),
    }
}

fn releases(scope: &Scope<'_>, repository: &Repository, arguments: &Arguments) -> Result<Resolved, Refused> {
    arguments.only(&["first", "last", "after", "orderBy"])?;
    let order = &arguments.0["orderBy"];
    if order.is_null() {
        // GitHub does not document the order without it, so nothing may rest on it.
        return Err(not_simulated("the order of `releases` without `orderBy`"));
    }
    let mut releases = repository.releases_at(scope.now);
    match order["field"].as_str() {
        Some("NAME") => releases.sort_by_key(|release| (&release.name, &release.tag)),
        // Despite its name it is the date of the tagged commit.
        _ => releases.sort_by_key(|release| (release.created_at, &release.tag)),
    }
    if order["direction"] == "DESC" {
        releases.reverse();
    }
    let node =
        |release: &Release| Kind::Release { repository: repository.name.clone(), tag: release.tag.clone() };
    let items = releases.into_iter().map(|release| (release.tag.clone(), node(release))).collect();
    Connection::cut("ReleaseConnection", items, arguments).map(Resolved::Object)
}

pub(super) fn release_field(
    scope: &Scope<'_>,
    repository: &Repository,
    tag: &str,
    name: &str,
) -> Result<Resolved, Refused> {
    let found = repository.releases_at(scope.now).into_iter().find(|release| release.tag == tag);
    let release = found.ok_or_else(|| Refused::not_found(format!("there is no release {tag}")))?;
    let leaf: Value = match name {
        "tagName" => release.tag.as_str().into(),
        "name" => json!(release.name),
        "isDraft" => release.draft.into(),
        "isPrerelease" => release.prerelease.into(),
        "isLatest" => repository.latest_release(scope.now).is_some_and(|latest| latest.tag == tag).into(),
        "createdAt" => time(release.created_at).into(),
        "publishedAt" => json!(release.published_at.map(time)),
        "url" => format!("https://github.com/{}/releases/tag/{tag}", repository.name).into(),
        "tagCommit" => {
            let (repository, oid) = (repository.name.clone(), release.commit.clone());
            return Ok(Resolved::Object(Kind::Commit { repository, oid }));
        }
        _ => return Err(not_simulated(&format!("the field Release.{name}"))),
    };
    Ok(Resolved::Leaf(leaf))
}

pub(super) fn ref_field(repository: &Repository, full: &str, name: &str) -> Result<Resolved, Refused> {
    match name {
        "name" => {
            let short = full.strip_prefix("refs/heads/").or_else(|| full.strip_prefix("refs/tags/"));
            Ok(Resolved::Leaf(short.unwrap_or(full).into()))
        }
        "target" => {
            let oid = repository.git()?.refs.get(full).map(ToString::to_string);
            let commit = oid.map(|oid| Kind::Commit { repository: repository.name.clone(), oid });
            Ok(Resolved::object(commit))
        }
        _ => Err(not_simulated(&format!("the field Ref.{name}"))),
    }
}

/// The commit that a release's tag points to need not be among the git objects: then only its name is known.
pub(super) fn commit_field(repository: &Repository, oid: &str, name: &str) -> Result<Resolved, Refused> {
    if name == "oid" {
        return Ok(Resolved::Leaf(oid.into()));
    }
    let stored = oid.parse().ok().zip(repository.git.as_ref()).and_then(|(oid, git)| git.commit(oid));
    let commit = stored.ok_or_else(|| not_simulated(&format!("the commit {oid} of {}", repository.name)))?;
    Ok(match name {
        "message" => Resolved::Leaf(commit.message.as_str().into()),
        "messageHeadline" => Resolved::Leaf(commit.message.lines().next().unwrap_or_default().into()),
        "committedDate" => Resolved::Leaf(time(commit.committer.at).into()),
        "authoredDate" => Resolved::Leaf(time(commit.author.at).into()),
        "author" => Resolved::Object(Kind::GitActor(commit.author.clone())),
        "committer" => Resolved::Object(Kind::GitActor(commit.committer.clone())),
        "tree" => Resolved::Object(Kind::Tree(commit.tree)),
        "url" => Resolved::Leaf(format!("https://github.com/{}/commit/{oid}", repository.name).into()),
        _ => return Err(not_simulated(&format!("the field Commit.{name}"))),
    })
}

pub(super) fn blob_field(content: &[u8], name: &str) -> Result<Resolved, Refused> {
    let text = std::str::from_utf8(content).ok();
    let leaf: Value = match name {
        "text" => json!(text),
        "byteSize" => content.len().into(),
        "isBinary" => text.is_none().into(),
        "isTruncated" => false.into(),
        "oid" => json!(Oid::of_blob(content)),
        _ => return Err(not_simulated(&format!("the field Blob.{name}"))),
    };
    Ok(Resolved::Leaf(leaf))
}
