//! The life of issues: opened, edited, closed and opened again by whoever may.
//!
//! GitHub's rules: issues and pull requests share their numbers; an author may edit and close an issue of their
//! own anywhere; labels are given by those with push access only, and silently left out for others.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::Made;
use super::pulls::{check_body, label_names};
use super::refused::Refused;
use super::state::Repository;

/// An issue that is no pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Its number, which no pull request has.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Its text.
    pub body: String,
    /// Who opened it.
    pub user: String,
    /// Names of its labels.
    pub labels: Vec<String>,
    /// When it was closed; none while it is open.
    pub closed_at: Option<Timestamp>,
    /// Why it was closed, or that it was opened again: `completed`, `not_planned`, `reopened`, ….
    pub state_reason: Option<String>,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When anything about it last changed.
    pub updated_at: Timestamp,
}

/// An issue to open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewIssue {
    /// `owner/name`.
    pub repository: String,
    /// Its title.
    pub title: String,
    /// Its text.
    pub body: String,
    /// Its labels; unknown ones are created.
    pub labels: Vec<String>,
    /// Login.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// What to change about an issue; none leaves a thing as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssueEdit {
    /// `owner/name`.
    pub repository: String,
    /// The issue.
    pub number: u64,
    /// A new title.
    pub title: Option<String>,
    /// A new text.
    pub body: Option<String>,
    /// True opens it again, false closes it.
    pub open: Option<bool>,
    /// Why it is closed or opened.
    pub state_reason: Option<String>,
    /// Login.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// The number that the next issue or pull request gets.
pub(super) fn next_number(repository: &Repository) -> u64 {
    let newest = |number: Option<&u64>| number.copied().unwrap_or(0);
    newest(repository.pulls.keys().next_back()).max(newest(repository.issues.keys().next_back())) + 1
}

/// Opens an issue.
pub(super) fn open(repository: &mut Repository, new: &NewIssue) -> Result<Made, Refused> {
    check_body(&new.body)?;
    if new.title.trim().is_empty() {
        return Err(Refused::invalid_field("Issue", "title", "missing_field"));
    }
    let number = next_number(repository);
    let labels = match repository.git {
        Some(_) => label_names(repository, &new.labels),
        None => Vec::new(),
    };
    let issue = Issue {
        number,
        title: new.title.clone(),
        body: new.body.clone(),
        user: new.by.clone(),
        labels,
        closed_at: None,
        state_reason: None,
        created_at: new.at,
        updated_at: new.at,
    };
    repository.issues.insert(number, issue);
    Ok(Made::Number(number))
}

/// Changes an issue's text or state.
pub(super) fn edit(repository: &mut Repository, edit: &IssueEdit) -> Result<Made, Refused> {
    edit.body.as_deref().map_or(Ok(()), check_body)?;
    let issue = repository.issues.get_mut(&edit.number).ok_or_else(|| absent(edit.number))?;
    match edit.open {
        Some(true) if issue.closed_at.take().is_some() => issue.state_reason = Some("reopened".into()),
        Some(false) if issue.closed_at.is_none() => {
            issue.closed_at = Some(edit.at);
            issue.state_reason = Some(edit.state_reason.clone().unwrap_or_else(|| "completed".into()));
        }
        _ => {}
    }
    issue.title = edit.title.clone().unwrap_or_else(|| issue.title.clone());
    issue.body = edit.body.clone().unwrap_or_else(|| issue.body.clone());
    issue.updated_at = edit.at;
    Ok(Made::Number(edit.number))
}

/// The refusal for a number that no issue has.
pub(super) fn absent(number: u64) -> Refused {
    Refused::not_found(format!("Could not resolve to an Issue with the number of {number}."))
}
