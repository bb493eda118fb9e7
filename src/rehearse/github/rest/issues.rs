//! Calls that GitHub files under issues: issues themselves, and comments and labels, which pull requests
//! have too.

use jiff::Timestamp;
use serde_json::Value;

use super::super::answer::Answer;
use super::super::event::{Event, Made};
use super::super::issues::{Issue, IssueEdit, NewIssue};
use super::super::pulls::check_body;
use super::super::refused::Refused;
use super::super::state::{Label, PullRequest, Repository, not_simulated};
use super::{Call, shapes};

/// What an issue's number stands for.
enum Entry<'a> {
    Issue(&'a Issue),
    Pull(&'a PullRequest),
}

impl Entry<'_> {
    fn number(&self) -> u64 {
        match self {
            Self::Issue(issue) => issue.number,
            Self::Pull(pull) => pull.number,
        }
    }

    fn labels(&self) -> &[String] {
        match self {
            Self::Issue(issue) => &issue.labels,
            Self::Pull(pull) => &pull.labels,
        }
    }

    fn user(&self) -> &str {
        match self {
            Self::Issue(issue) => &issue.user,
            Self::Pull(pull) => &pull.user,
        }
    }

    fn is_open(&self) -> bool {
        match self {
            Self::Issue(issue) => issue.closed_at.is_none(),
            Self::Pull(pull) => pull.is_open(),
        }
    }

    fn times(&self) -> (Timestamp, Timestamp) {
        match self {
            Self::Issue(issue) => (issue.created_at, issue.updated_at),
            Self::Pull(pull) => (pull.created_at, pull.updated_at),
        }
    }

    fn shape(&self, api: &str, repository: &Repository) -> Value {
        match self {
            Self::Issue(issue) => shapes::issue(api, repository, issue),
            Self::Pull(pull) => shapes::pull_as_issue(api, repository, pull),
        }
    }
}

impl Call<'_> {
    fn entry(&self) -> Result<Entry<'_>, Refused> {
        let number = self.number("issue_number")?;
        match self.repository()?.issues.get(&number) {
            Some(issue) => Ok(Entry::Issue(issue)),
            None => self.pull("issue_number").map(Entry::Pull),
        }
    }

    /// The time from which on entries are listed, by their last change.
    fn since(&self) -> Result<Timestamp, Refused> {
        let text = self.query("since");
        text.map_or(Ok(Timestamp::MIN), |text| {
            text.parse().map_err(|_| Refused::invalid_field("Issue", "since", "invalid"))
        })
    }

    /// GitHub lists pull requests among the issues.
    pub(super) fn list_issues(&self) -> Result<Answer, Refused> {
        self.only_query(&["state", "labels", "creator", "sort", "direction", "since", "per_page", "page"])?;
        let (repository, since) = (self.repository()?, self.since()?);
        let state = self.query("state").unwrap_or("open");
        let labels: Vec<&str> = self.query("labels").map(|all| all.split(',').collect()).unwrap_or_default();
        let wanted = |entry: &Entry<'_>| {
            (state == "all" || entry.is_open() == (state == "open"))
                && entry.times().1 >= since
                && labels.iter().all(|label| entry.labels().iter().any(|one| one.eq_ignore_ascii_case(label)))
                && self.query("creator").is_none_or(|creator| entry.user().eq_ignore_ascii_case(creator))
        };
        let issues = repository.issues.values().map(Entry::Issue);
        let mut entries: Vec<_> =
            issues.chain(repository.pulls.values().map(Entry::Pull)).filter(wanted).collect();
        match self.query("sort").unwrap_or("created") {
            "created" => entries.sort_by_key(|entry| (entry.times().0, entry.number())),
            "updated" => entries.sort_by_key(|entry| (entry.times().1, entry.number())),
            other => return Err(not_simulated(&format!("issues sorted by {other}"))),
        }
        if self.query("direction") != Some("asc") {
            entries.reverse();
        }
        Ok(self.page(entries, |entry| entry.shape(&self.request.api, repository)))
    }

    pub(super) fn open_issue(&mut self) -> Result<Answer, Refused> {
        self.only(&["title", "body", "labels"])?;
        let new = NewIssue {
            repository: self.name.clone(),
            title: self.text("title").unwrap_or_default(),
            body: self.text("body").unwrap_or_default(),
            labels: self.label_names(),
            by: self.viewer.to_owned(),
            at: self.now,
        };
        let Made::Number(number) = self.perform(Event::IssueOpened(new))? else {
            unreachable!("an issue has a number")
        };
        let repository = self.repository()?;
        let made = repository.issues.get(&number).ok_or_else(|| Refused::not_found("Not Found"))?;
        Ok(Answer::json(201, &shapes::issue(&self.request.api, repository, made)))
    }

    pub(super) fn get_issue(&self) -> Result<Answer, Refused> {
        Ok(Answer::ok(&self.entry()?.shape(&self.request.api, self.repository()?)))
    }

    pub(super) fn edit_issue(&mut self) -> Result<Answer, Refused> {
        self.only(&["title", "body", "state", "state_reason", "labels"])?;
        let number = self.number("issue_number")?;
        match self.entry()? {
            Entry::Issue(issue) if issue.user != self.viewer && self.repository()?.git.is_none() => {
                let message = "Must have admin rights to Repository.";
                return Err(Refused::status(403, "FORBIDDEN", message));
            }
            Entry::Issue(_) => self.perform(Event::IssueEdited(self.issue_edit(number)))?,
            Entry::Pull(_) => {
                let edit = self.edit_of(number);
                match edit.title.is_some() || edit.body.is_some() || edit.state.is_some() {
                    true => self.perform(Event::PullEdited(edit))?,
                    false => Made::Nothing,
                }
            }
        };
        if !self.request.body["labels"].is_null() {
            let labels = self.label_names();
            self.set_labels(number, labels)?;
        }
        self.get_issue()
    }

    fn issue_edit(&self, number: u64) -> IssueEdit {
        IssueEdit {
            repository: self.name.clone(),
            number,
            title: self.text("title"),
            body: self.text("body"),
            open: self.text("state").map(|state| state == "open"),
            state_reason: self.text("state_reason"),
            by: self.viewer.to_owned(),
            at: self.now,
        }
    }

    pub(super) fn list_comments(&self) -> Result<Answer, Refused> {
        self.only_query(&["since", "per_page", "page"])?;
        let (repository, number, since) = (self.repository()?, self.entry()?.number(), self.since()?);
        let comments = repository.comments.iter().filter(|comment| comment.number == number);
        let comments: Vec<_> = comments.filter(|comment| comment.created_at >= since).collect();
        Ok(self.page(comments, |comment| shapes::comment(&self.request.api, repository, comment)))
    }

    pub(super) fn comment(&mut self) -> Result<Answer, Refused> {
        let (body, number) = (self.text("body").unwrap_or_default(), self.entry()?.number());
        if body.trim().is_empty() {
            return Err(Refused::invalid_field("IssueComment", "body", "missing_field"));
        }
        check_body(&body)?;
        let (repository, by, at) = (self.name.clone(), self.viewer.to_owned(), self.now);
        let Made::Number(id) = self.perform(Event::Commented { repository, number, body, by, at })? else {
            unreachable!("a comment has a number")
        };
        let repository = self.repository()?;
        let made = repository.comments.iter().find(|comment| comment.id == id);
        let made = made.ok_or_else(|| Refused::not_found("Not Found"))?;
        Ok(Answer::json(201, &shapes::comment(&self.request.api, repository, made)))
    }

    pub(super) fn list_issue_labels(&self) -> Result<Answer, Refused> {
        let (repository, entry) = (self.repository()?, self.entry()?);
        let labels: Vec<_> =
            entry.labels().iter().filter_map(|name| repository.labels.get(&name.to_lowercase())).collect();
        Ok(self.page(labels, |label| shapes::label(&self.request.api, repository, label)))
    }

    pub(super) fn add_labels(&mut self) -> Result<Answer, Refused> {
        let entry = self.entry()?;
        let (number, mut labels) = (entry.number(), entry.labels().to_vec());
        labels.extend(self.label_names());
        self.set_labels(number, labels)?;
        Ok(Answer::ok(&shapes::labels(&self.request.api, self.repository()?, self.entry()?.labels())))
    }

    fn set_labels(&mut self, number: u64, labels: Vec<String>) -> Result<(), Refused> {
        let repository = self.name.clone();
        self.perform(Event::LabelsSet { repository, number, labels, at: self.now })?;
        Ok(())
    }

    /// Labels in a body are names or objects with a name.
    fn label_names(&self) -> Vec<String> {
        let labels = self.request.body["labels"].as_array().into_iter().flatten();
        let name = |label: &Value| label.as_str().or_else(|| label["name"].as_str()).map(str::to_owned);
        labels.filter_map(name).collect()
    }

    pub(super) fn list_labels(&self) -> Result<Answer, Refused> {
        let repository = self.repository()?;
        let labels: Vec<_> = repository.labels.values().collect();
        Ok(self.page(labels, |label| shapes::label(&self.request.api, repository, label)))
    }

    pub(super) fn get_label(&self) -> Result<Answer, Refused> {
        self.show_label(200, self.parameter("name"))
    }

    pub(super) fn create_label(&mut self) -> Result<Answer, Refused> {
        let name = self.text("name").unwrap_or_default();
        let color = self.text("color").unwrap_or_else(|| "ededed".into());
        if color.len() != 6 || !color.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(Refused::invalid_field("Label", "color", "invalid"));
        }
        let label = Label { name: name.clone(), color, description: self.text("description") };
        let repository = self.name.clone();
        self.perform(Event::LabelCreated { repository, label })?;
        self.show_label(201, &name)
    }

    fn show_label(&self, status: u16, name: &str) -> Result<Answer, Refused> {
        let repository = self.repository()?;
        let label = repository.labels.get(&name.to_lowercase());
        let label = label.ok_or_else(|| Refused::not_found("Not Found"))?;
        Ok(Answer::json(status, &shapes::label(&self.request.api, repository, label)))
    }
}
