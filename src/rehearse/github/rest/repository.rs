//! Calls about a repository, its releases, its files and its history.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::answer::Answer;
use super::super::files::{File, read, resolve};
use super::super::git::Oid;
use super::super::refused::Refused;
use super::super::state::{Repository, not_simulated};
use super::{Call, shapes};

impl Call<'_> {
    pub(super) fn get_repository(&self) -> Result<Answer, Refused> {
        Ok(Answer::ok(&shapes::repository(&self.request.api, self.repository()?)))
    }

    pub(super) fn list_releases(&self) -> Result<Answer, Refused> {
        let repository = self.repository()?;
        let releases = repository.releases_at(self.now);
        Ok(self.page(releases, |release| shapes::release(&self.request.api, repository, release)))
    }

    pub(super) fn latest_release(&self) -> Result<Answer, Refused> {
        let repository = self.repository()?;
        let release = repository.latest_release(self.now).ok_or_else(|| Refused::not_found("Not Found"))?;
        Ok(Answer::ok(&shapes::release(&self.request.api, repository, release)))
    }

    pub(super) fn release_by_tag(&self) -> Result<Answer, Refused> {
        let repository = self.repository()?;
        let wanted = self.parameter("tag");
        let mut published = repository.releases_at(self.now).into_iter().filter(|release| !release.draft);
        let release = published.find(|release| release.tag == wanted);
        let release = release.ok_or_else(|| Refused::not_found("Not Found"))?;
        Ok(Answer::ok(&shapes::release(&self.request.api, repository, release)))
    }

    /// The tags of a repository. A world knows those that have a release.
    pub(super) fn list_tags(&self) -> Result<Answer, Refused> {
        let repository = self.repository()?;
        let mut tags = repository.releases_at(self.now);
        tags.retain(|release| !release.draft);
        tags.sort_by(|a, b| b.tag.cmp(&a.tag));
        Ok(self.page(tags, |release| shapes::tag(&self.request.api, repository, release)))
    }

    pub(super) fn get_contents(&self) -> Result<Answer, Refused> {
        let repository = self.repository()?;
        let path = self.parameter("path");
        let revision = self.query("ref").unwrap_or(repository.default_branch());
        let content = match read(repository, revision, path)? {
            Some(File::Content(content)) => content,
            Some(File::Folder) => return Err(not_simulated("folders in GET contents")),
            None => return Err(Refused::not_found("Not Found")),
        };
        if self.request.wants_raw {
            return Ok(Answer::raw(content));
        }
        Ok(Answer::ok(&self.file(repository, (revision, path), &content)))
    }

    fn file(&self, repository: &Repository, place: (&str, &str), content: &[u8]) -> Value {
        let ((revision, path), name) = (place, &repository.name);
        let (api, oid) = (&self.request.api, Oid::of_blob(content));
        let url = format!("{api}/repos/{name}/contents/{path}?ref={revision}");
        let html = format!("https://github.com/{name}/blob/{revision}/{path}");
        let git = format!("{api}/repos/{name}/git/blobs/{oid}");
        // GitHub breaks Base64 into lines of 60 characters.
        let encoded = STANDARD.encode(content);
        let lines = encoded.as_bytes().chunks(60).map(String::from_utf8_lossy);
        let wrapped: String = lines.flat_map(|line| [line.into_owned(), "\n".into()]).collect();
        json!({
            "type": "file",
            "name": path.rsplit('/').next(),
            "path": path,
            "sha": oid,
            "size": content.len(),
            "encoding": "base64",
            "content": wrapped,
            "url": url,
            "html_url": html,
            "git_url": git,
            "download_url": format!("https://raw.githubusercontent.com/{name}/{revision}/{path}"),
            "_links": {"self": url, "git": git, "html": html},
        })
    }

    pub(super) fn get_branch(&self) -> Result<Answer, Refused> {
        let repository = self.repository()?;
        let (git, name) = (repository.git()?, self.parameter("branch"));
        let oid = git.branch(name).ok_or_else(|| Refused::not_found("Not Found"))?;
        let commit = git.commit(oid).ok_or_else(|| Refused::not_found("Not Found"))?;
        Ok(Answer::ok(&json!({
            "name": name,
            "commit": shapes::commit(&self.request.api, repository, oid, commit),
            "protected": false,
        })))
    }

    /// The history of a branch, newest first, along first parents and all others.
    pub(super) fn list_commits(&self) -> Result<Answer, Refused> {
        self.only_query(&["sha", "per_page", "page"])?;
        let repository = self.repository()?;
        let git = repository.git()?;
        let tip = resolve(git, self.query("sha").unwrap_or(repository.default_branch()));
        let tip = tip.ok_or_else(|| Refused::not_found("Not Found"))?;
        let mut history = git.history(tip);
        history.reverse();
        Ok(self.page(history, |oid| match git.commit(oid) {
            Some(commit) => shapes::commit(&self.request.api, repository, oid, commit),
            None => Value::Null,
        }))
    }

    pub(super) fn get_commit(&self) -> Result<Answer, Refused> {
        let repository = self.repository()?;
        let git = repository.git()?;
        let unknown =
            || Refused::unprocessable(format!("No commit found for SHA: {}", self.parameter("ref")));
        let oid = resolve(git, self.parameter("ref")).ok_or_else(unknown)?;
        let commit = git.commit(oid).ok_or_else(unknown)?;
        Ok(Answer::ok(&shapes::commit(&self.request.api, repository, oid, commit)))
    }
}
