//! Calls of the git database: refs, blobs, trees and commits.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::answer::Answer;
use super::super::event::{Event, Expect, Made, NewObject, RefChange, TreeItem};
use super::super::files::resolve;
use super::super::git::{Commit, Content, Entry, Git, Oid, Signature};
use super::super::refused::Refused;
use super::super::state::not_simulated;
use super::{Call, shapes};

impl Call<'_> {
    pub(super) fn get_ref(&self) -> Result<Answer, Refused> {
        self.show_ref(200, &format!("refs/{}", self.parameter("ref")))
    }

    fn show_ref(&self, status: u16, name: &str) -> Result<Answer, Refused> {
        let repository = self.repository()?;
        let oid = repository.git()?.refs.get(name).ok_or_else(|| Refused::not_found("Not Found"))?;
        Ok(Answer::json(status, &shapes::reference(&self.request.api, repository, name, *oid)))
    }

    pub(super) fn create_ref(&mut self) -> Result<Answer, Refused> {
        let name = self.text("ref").unwrap_or_default();
        if !name.starts_with("refs/") || name.matches('/').count() < 2 {
            return Err(Refused::unprocessable(
                "Reference name must start with 'refs/' and have two slashes",
            ));
        }
        let after = Some(self.oid("sha")?);
        self.change_ref(RefChange { name: name.clone(), expect: Expect::Absent, after, force: false })?;
        self.show_ref(201, &name)
    }

    pub(super) fn update_ref(&mut self) -> Result<Answer, Refused> {
        let name = format!("refs/{}", self.parameter("ref"));
        let after = Some(self.oid("sha")?);
        let force = self.request.body["force"] == true;
        self.change_ref(RefChange { name: name.clone(), expect: Expect::Present, after, force })?;
        self.show_ref(200, &name)
    }

    pub(super) fn delete_ref(&mut self) -> Result<Answer, Refused> {
        let name = format!("refs/{}", self.parameter("ref"));
        self.change_ref(RefChange { name, expect: Expect::Present, after: None, force: true })?;
        Ok(Answer::no_content())
    }

    fn change_ref(&mut self, change: RefChange) -> Result<(), Refused> {
        let repository = self.name.clone();
        let (changes, by, at) = (vec![change], self.viewer.to_owned(), self.now);
        self.perform(Event::RefsChanged { repository, changes, by, at })?;
        Ok(())
    }

    pub(super) fn create_blob(&mut self) -> Result<Answer, Refused> {
        let content = self.text("content").unwrap_or_default();
        let content = match self.text("encoding").as_deref() {
            None | Some("utf-8") => Content::Text(content),
            Some("base64") => Content::Base64(content),
            Some(other) => return Err(Refused::unprocessable(format!("unknown encoding {other}"))),
        };
        let oid = self.store(NewObject::Blob(content))?;
        let url = format!("{}/repos/{}/git/blobs/{oid}", self.request.api, self.name);
        Ok(Answer::json(201, &json!({"sha": oid, "url": url})))
    }

    pub(super) fn get_blob(&self) -> Result<Answer, Refused> {
        let oid: Oid = self.parameter("file_sha").parse().map_err(Refused::unprocessable)?;
        let content = self.repository()?.git()?.blob(oid).ok_or_else(|| Refused::not_found("Not Found"))?;
        Ok(Answer::ok(&json!({
            "sha": oid,
            "node_id": format!("B_{oid}"),
            "size": content.len(),
            "url": format!("{}/repos/{}/git/blobs/{oid}", self.request.api, self.name),
            "content": STANDARD.encode(content),
            "encoding": "base64",
        })))
    }

    pub(super) fn create_tree(&mut self) -> Result<Answer, Refused> {
        let base =
            self.text("base_tree").map(|base| base.parse().map_err(Refused::unprocessable)).transpose()?;
        let items = self.request.body["tree"].as_array().into_iter().flatten();
        let entries = items.map(tree_item).collect::<Result<_, _>>()?;
        let base = match base {
            Some(base) => Some(tree_of(self.repository()?.git()?, base)),
            None => None,
        };
        let oid = self.store(NewObject::Tree { base, entries })?;
        Ok(Answer::json(201, &self.show_tree(oid)?))
    }

    pub(super) fn get_tree(&self) -> Result<Answer, Refused> {
        self.only_query(&[])?;
        let git = self.repository()?.git()?;
        let revision = self.parameter("tree_sha");
        let oid = resolve(git, revision).or_else(|| revision.parse().ok());
        let oid = oid.ok_or_else(|| Refused::not_found("Not Found"))?;
        Ok(Answer::ok(&self.show_tree(tree_of(git, oid))?))
    }

    fn show_tree(&self, oid: Oid) -> Result<Value, Refused> {
        let git = self.repository()?.git()?;
        let tree = git.tree(oid).ok_or_else(|| Refused::not_found("Not Found"))?;
        let root = format!("{}/repos/{}/git", self.request.api, self.name);
        let entry = |(path, entry): (&String, &Entry)| {
            let kind = if entry.is_tree() { "tree" } else { "blob" };
            let mut value = json!({
                "path": path,
                "mode": format!("{:0>6}", entry.mode),
                "type": kind,
                "sha": entry.oid,
                "url": format!("{root}/{kind}s/{}", entry.oid),
            });
            if let Some(content) = git.blob(entry.oid) {
                value["size"] = content.len().into();
            }
            value
        };
        let entries: Value = tree.iter().map(entry).collect();
        Ok(json!({"sha": oid, "url": format!("{root}/trees/{oid}"), "truncated": false, "tree": entries}))
    }

    pub(super) fn create_commit(&mut self) -> Result<Answer, Refused> {
        if !self.request.body["signature"].is_null() {
            return Err(not_simulated("signatures of commits"));
        }
        let author = self.signature("author")?.unwrap_or_else(|| Signature::of(self.viewer, self.now));
        let parents = self.request.body["parents"].as_array().into_iter().flatten();
        let parents = parents
            .map(|parent| parent.as_str().unwrap_or_default().parse().map_err(Refused::unprocessable))
            .collect::<Result<_, _>>()?;
        let commit = Commit {
            tree: self.oid("tree")?,
            parents,
            committer: self.signature("committer")?.unwrap_or_else(|| author.clone()),
            author,
            message: self.text("message").unwrap_or_default(),
        };
        let oid = self.store(NewObject::Commit(commit))?;
        self.show_commit(201, oid)
    }

    pub(super) fn get_git_commit(&self) -> Result<Answer, Refused> {
        self.show_commit(200, self.parameter("commit_sha").parse().map_err(Refused::unprocessable)?)
    }

    fn show_commit(&self, status: u16, oid: Oid) -> Result<Answer, Refused> {
        let repository = self.repository()?;
        let commit = repository.git()?.commit(oid).ok_or_else(|| Refused::not_found("Not Found"))?;
        Ok(Answer::json(status, &shapes::git_commit(&self.request.api, repository, oid, commit)))
    }

    fn signature(&self, name: &str) -> Result<Option<Signature>, Refused> {
        let value = &self.request.body[name];
        if value.is_null() {
            return Ok(None);
        }
        let text = |field: &str| value[field].as_str().unwrap_or_default().to_owned();
        let at = match value["date"].as_str() {
            Some(date) => {
                date.parse().map_err(|error| Refused::unprocessable(format!("{name}.date: {error}")))?
            }
            None => self.now,
        };
        Ok(Some(Signature { name: text("name"), email: text("email"), at }))
    }

    fn oid(&self, name: &str) -> Result<Oid, Refused> {
        self.text(name).unwrap_or_default().parse().map_err(Refused::unprocessable)
    }

    fn store(&mut self, object: NewObject) -> Result<Oid, Refused> {
        let repository = self.name.clone();
        match self.perform(Event::ObjectStored { repository, object })? {
            Made::Object(oid) => Ok(oid),
            Made::Nothing | Made::Number(_) => unreachable!("storing an object makes one"),
        }
    }
}

/// GitHub takes the name of a commit where it wants a tree.
fn tree_of(git: &Git, oid: Oid) -> Oid {
    git.commit(oid).map_or(oid, |commit| commit.tree)
}

/// An entry of a new tree: with `sha` (null to remove it) or with `content`, not with both.
fn tree_item(item: &Value) -> Result<(String, Option<TreeItem>), Refused> {
    let text = |name: &str| item[name].as_str().map(str::to_owned);
    let path = text("path").ok_or_else(|| Refused::unprocessable("tree.path is missing"))?;
    let mode = || text("mode").ok_or_else(|| Refused::unprocessable("tree.mode is missing"));
    let item = match (item.get("sha"), text("content")) {
        (Some(Value::Null), None) => None,
        (Some(sha), None) => {
            let oid = sha.as_str().unwrap_or_default().parse().map_err(Refused::unprocessable)?;
            // git writes the mode of a folder without the zero in front.
            let mode = mode()?.trim_start_matches('0').to_owned();
            Some(TreeItem::Existing(Entry { mode, oid }))
        }
        (None, Some(text)) => Some(TreeItem::New { mode: mode()?, text }),
        (None, None) | (Some(_), Some(_)) => {
            return Err(Refused::unprocessable("Must supply either tree.sha or tree.content"));
        }
    };
    Ok((path, item))
}
