//! Calls that GitHub files under issues: comments and labels, which pull requests have too.

use serde_json::Value;

use super::super::answer::Answer;
use super::super::event::{Event, Made};
use super::super::pulls::check_body;
use super::super::refused::Refused;
use super::super::state::{Label, VIEWER};
use super::{Call, shapes};

impl Call<'_> {
    pub(super) fn get_issue(&self) -> Result<Answer, Refused> {
        let pull = self.pull("issue_number")?;
        Ok(Answer::ok(&shapes::issue(&self.request.api, self.repository()?, pull)))
    }

    pub(super) fn edit_issue(&mut self) -> Result<Answer, Refused> {
        self.only(&["title", "body", "state", "labels"])?;
        let number = self.pull("issue_number")?.number;
        let edit = self.edit_of(number);
        if edit.title.is_some() || edit.body.is_some() || edit.state.is_some() {
            self.perform(Event::PullEdited(edit))?;
        }
        if !self.request.body["labels"].is_null() {
            let labels = self.label_names();
            self.set_labels(number, labels)?;
        }
        self.get_issue()
    }

    pub(super) fn list_comments(&self) -> Result<Answer, Refused> {
        self.only_query(&["per_page", "page"])?;
        let (repository, number) = (self.repository()?, self.pull("issue_number")?.number);
        let comments: Vec<_> =
            repository.comments.iter().filter(|comment| comment.number == number).collect();
        Ok(self.page(comments, |comment| shapes::comment(&self.request.api, repository, comment)))
    }

    pub(super) fn comment(&mut self) -> Result<Answer, Refused> {
        let (body, number) = (self.text("body").unwrap_or_default(), self.pull("issue_number")?.number);
        if body.trim().is_empty() {
            return Err(Refused::invalid_field("IssueComment", "body", "missing_field"));
        }
        check_body(&body)?;
        let (repository, by, at) = (self.name.clone(), VIEWER.to_owned(), self.now);
        let Made::Number(id) = self.perform(Event::Commented { repository, number, body, by, at })? else {
            unreachable!("a comment has a number")
        };
        let repository = self.repository()?;
        let made = repository.comments.iter().find(|comment| comment.id == id);
        let made = made.ok_or_else(|| Refused::not_found("Not Found"))?;
        Ok(Answer::json(201, &shapes::comment(&self.request.api, repository, made)))
    }

    pub(super) fn list_issue_labels(&self) -> Result<Answer, Refused> {
        let (repository, pull) = (self.repository()?, self.pull("issue_number")?);
        let labels: Vec<_> =
            pull.labels.iter().filter_map(|name| repository.labels.get(&name.to_lowercase())).collect();
        Ok(self.page(labels, |label| shapes::label(&self.request.api, repository, label)))
    }

    pub(super) fn add_labels(&mut self) -> Result<Answer, Refused> {
        let pull = self.pull("issue_number")?;
        let (number, mut labels) = (pull.number, pull.labels.clone());
        labels.extend(self.label_names());
        self.set_labels(number, labels)?;
        let (repository, pull) = (self.repository()?, self.pull("issue_number")?);
        Ok(Answer::ok(&shapes::labels(&self.request.api, repository, pull)))
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
