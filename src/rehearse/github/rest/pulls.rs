//! Calls about pull requests.

use serde_json::{Value, json};

use super::super::answer::Answer;
use super::super::event::{Event, Made};
use super::super::pulls::{MergeMethod, NewPullRequest, PullEdit, PullGift, PullMerge, PullState};
use super::super::refused::Refused;
use super::super::state::{PullRequest, not_simulated};
use super::{Call, shapes};

impl Call<'_> {
    pub(super) fn list_pulls(&self) -> Result<Answer, Refused> {
        let repository = self.repository()?;
        let state = self.query("state").unwrap_or("open");
        let head = match self.query("head").map(|head| head.split_once(':')) {
            Some(None) => return Err(not_simulated("`?head=` without an owner, which GitHub ignores")),
            Some(whole) => whole,
            None => None,
        };
        let wanted = |pull: &&PullRequest| {
            (state == "all" || pull.is_open() == (state == "open"))
                && self.query("base").is_none_or(|base| pull.base == base)
                && head.is_none_or(|(owner, branch)| {
                    let whose = pull.fork.as_ref().map_or(repository.owner(), |fork| &fork.owner);
                    owner.eq_ignore_ascii_case(whose) && pull.head_name() == branch
                })
        };
        let mut pulls: Vec<_> = repository.pulls.values().filter(wanted).collect();
        let sort = self.query("sort").unwrap_or("created");
        match sort {
            "created" => pulls.sort_by_key(|pull| (pull.created_at, pull.number)),
            "updated" => pulls.sort_by_key(|pull| (pull.updated_at, pull.number)),
            other => return Err(not_simulated(&format!("pull requests sorted by {other}"))),
        }
        // GitHub's default is descending by creation, and ascending by anything else.
        let descending = match self.query("direction") {
            Some(direction) => direction == "desc",
            None => sort == "created",
        };
        if descending {
            pulls.reverse();
        }
        Ok(self.page(pulls, |pull| shapes::pull(&self.request.api, repository, pull)))
    }

    pub(super) fn open_pull(&mut self) -> Result<Answer, Refused> {
        self.only(&["title", "body", "head", "base", "draft", "maintainer_can_modify"])?;
        let head = self.text("head").unwrap_or_default();
        let head = match head.split_once(':') {
            Some((owner, branch)) if owner.eq_ignore_ascii_case(self.repository()?.owner()) => {
                branch.to_owned()
            }
            Some(_) => return Err(Refused::invalid_field("PullRequest", "head", "invalid")),
            None => head,
        };
        let title = self.text("title").filter(|title| !title.trim().is_empty());
        let new = NewPullRequest {
            repository: self.name.clone(),
            title: title.ok_or_else(|| Refused::invalid_field("PullRequest", "title", "missing_field"))?,
            body: self.text("body").unwrap_or_default(),
            head,
            fork: None,
            base: self.text("base").unwrap_or_default(),
            draft: self.request.body["draft"] == true,
            by: self.viewer.into(),
            at: self.now,
        };
        let made = self.perform(Event::PullOpened(new))?;
        self.show_pull(201, made)
    }

    fn show_pull(&self, status: u16, made: Made) -> Result<Answer, Refused> {
        let Made::Number(number) = made else { unreachable!("opening or editing names a pull request") };
        let repository = self.repository()?;
        let pull = repository.pulls.get(&number).ok_or_else(|| Refused::not_found("Not Found"))?;
        let body = shapes::full_pull(&self.request.api, repository, repository.git()?, pull);
        // GitHub answers 304 though a pull request has come into conflict with its base, so
        // whether it is mergeable has no part in the ETag.
        let basis = shapes::pull(&self.request.api, repository, pull);
        Ok(Answer::json(status, &body).identified_by(&basis))
    }

    pub(super) fn request_reviewers(&mut self) -> Result<Answer, Refused> {
        self.only(&["reviewers", "team_reviewers"])?;
        let number = self.pull("pull_number")?.number;
        let list = |name: &str| self.request.body[name].as_array().into_iter().flatten();
        let asked = list("reviewers").chain(list("team_reviewers"));
        let asked = asked.filter_map(Value::as_str).map(str::to_owned).collect();
        let (repository, gift, at) = (self.name.clone(), PullGift::Reviewers(asked), self.now);
        let made = self.perform(Event::PullGiven { repository, number, gift, at })?;
        self.show_pull(201, made)
    }

    pub(super) fn get_pull(&self) -> Result<Answer, Refused> {
        self.show_pull(200, Made::Number(self.number("pull_number")?))
    }

    pub(super) fn edit_pull(&mut self) -> Result<Answer, Refused> {
        self.only(&["title", "body", "state", "base", "maintainer_can_modify"])?;
        let edit = PullEdit { base: self.text("base"), ..self.edit_of(self.number("pull_number")?) };
        let made = self.perform(Event::PullEdited(edit))?;
        self.show_pull(200, made)
    }

    /// The changes of text and state that the body asks for.
    pub(super) fn edit_of(&self, number: u64) -> PullEdit {
        let state = self.request.body["state"].as_str();
        PullEdit {
            repository: self.name.clone(),
            number,
            title: self.text("title"),
            body: self.text("body"),
            state: state.map(|state| if state == "open" { PullState::Open } else { PullState::Closed }),
            base: None,
            by: self.viewer.into(),
            at: self.now,
        }
    }

    pub(super) fn merge_pull(&mut self) -> Result<Answer, Refused> {
        let pull = self.pull("pull_number")?;
        if self.text("sha").is_some_and(|sha| sha != pull.head_oid.to_string()) {
            let message = "Head branch was modified. Review and try the merge again.";
            return Err(Refused::status(409, "STALE_DATA", message));
        }
        let method = match self.text("merge_method").as_deref() {
            None | Some("merge") => MergeMethod::Merge,
            Some("squash") => MergeMethod::Squash,
            Some(other) => return Err(not_simulated(&format!("merging by {other}"))),
        };
        let message = match (self.text("commit_title"), self.text("commit_message")) {
            (Some(title), Some(text)) => Some(format!("{title}\n\n{text}")),
            (Some(title), None) => Some(title),
            (None, Some(_)) => return Err(not_simulated("`commit_message` without `commit_title`")),
            (None, None) => None,
        };
        let (repository, number, at) = (self.name.clone(), pull.number, self.now);
        let merge = PullMerge { repository, number, method, message, by: self.viewer.into(), at };
        let Made::Object(sha) = self.perform(Event::PullMerged(merge))? else {
            unreachable!("a merge makes a commit")
        };
        Ok(Answer::ok(&json!({"sha": sha, "merged": true, "message": "Pull Request successfully merged"})))
    }

    pub(super) fn is_merged(&self) -> Result<Answer, Refused> {
        let merged = self.pull("pull_number")?.merged.is_some();
        if merged { Ok(Answer::no_content()) } else { Err(Refused::not_found("Not Found")) }
    }

    pub(super) fn pull_commits(&self) -> Result<Answer, Refused> {
        let (repository, pull) = (self.repository()?, self.pull("pull_number")?);
        let git = repository.git()?;
        let commits = git.ahead(pull.base_oid, pull.head_oid);
        Ok(self.page(commits, |oid| match git.commit(oid) {
            Some(commit) => shapes::commit(&self.request.api, repository, oid, commit),
            None => Value::Null,
        }))
    }

    pub(super) fn pull_files(&self) -> Result<Answer, Refused> {
        let (repository, pull) = (self.repository()?, self.pull("pull_number")?);
        let (name, head) = (&repository.name, pull.head_oid);
        let files = shapes::changed_lines(repository.git()?, pull);
        Ok(self.page(files, |file| {
            json!({
                "sha": file.oid,
                "filename": file.path,
                "status": file.status,
                "additions": file.additions,
                "deletions": file.deletions,
                "changes": file.additions + file.deletions,
                "blob_url": format!("https://github.com/{name}/blob/{head}/{}", file.path),
                "raw_url": format!("https://github.com/{name}/raw/{head}/{}", file.path),
                "contents_url": format!("{}/repos/{name}/contents/{}?ref={head}", self.request.api, file.path),
                "patch": file.patch,
            })
        }))
    }
}
