//! Tells people, by issues and comments on GitHub, what the rows of reports say.
//!
//! A pass writes down what is to be told, in one transaction, and this carries it out: at once, and where GitHub
//! cannot be reached, in a later pass. Nothing here decides what is told, and no failure of GitHub is one of
//! the job: a repository that takes no issues becomes a state of its report, with an event, and is asked again
//! once there is something new to tell, or a week later.
//!
//! When the power fails before an effect, its row is still untold. Between an effect and its receipt: an issue is
//! found by its author and hidden marker, a comment by its marker, and both are adopted; an edit is compared with
//! what the issue says; a closed issue is closed. GitHub may show a new thing late, so what was asked for less than
//! a minute ago and cannot be seen is left to a later pass.

use std::collections::BTreeSet;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::Services;
use crate::daemon::RunContext;
use crate::failure::Failure;
use crate::github::{GitHub, IssueRefused, IssueSeen, NewIssue, RepositoryName, marker};
use crate::store::{Action, ActionState, Intention, NewEvent, Report, ReportComment, ReportStanding};

/// What the kind of action is called in the journal, and what our keys begin with.
const KIND: &str = "report";
/// How long GitHub may take until what it created can be seen in its lists.
const APPEARS_WITHIN: SignedDuration = SignedDuration::from_mins(1);
/// When a repository that refused a report is asked again although there is nothing new to tell: somebody may
/// have switched its issues on, or given the token a permission.
const ASK_AGAIN: SignedDuration = SignedDuration::from_hours(7 * 24);
/// By how much our clock may be ahead of GitHub's.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_hours(1);

/// One round of telling.
pub(super) struct Delivery<'a> {
    services: &'a Services,
    distribution: &'a str,
    /// What the subjects begin with that are told: jobs that run beside each other keep to their own.
    subjects: &'a str,
    context: &'a RunContext,
    login: OnceCell<String>,
    caps: Option<Caps<'a>>,
}

/// How many issues may be opened in repositories of others. Nobody can take back what a mistake told a hundred
/// maintainers at once.
pub(super) struct Caps<'a> {
    /// The distribution's own repository, whose issues are not counted.
    pub own: &'a str,
    /// In one pass.
    pub per_pass: u32,
    /// In any hour.
    pub per_hour: u32,
}

/// Why something was not told.
enum Undelivered {
    /// GitHub refused it, or could not be asked.
    Refused(IssueRefused),
    /// Our own rows could not be read or written.
    Store(anyhow::Error),
}

impl From<IssueRefused> for Undelivered {
    fn from(refused: IssueRefused) -> Self {
        Self::Refused(refused)
    }
}

impl From<Failure> for Undelivered {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure.into())
    }
}

impl From<anyhow::Error> for Undelivered {
    fn from(error: anyhow::Error) -> Self {
        Self::Store(error)
    }
}

/// A report with where it goes.
struct Addressed<'r> {
    report: &'r Report,
    repository: RepositoryName,
    /// What all keys of its actions begin with.
    key: String,
}

/// The issue of a report.
struct Opened {
    number: u64,
    /// True where it was opened just now, with the present text.
    is_new: bool,
}

impl<'a> Delivery<'a> {
    /// A round of all reports of a distribution.
    pub(super) fn new(services: &'a Services, distribution: &'a str, context: &'a RunContext) -> Self {
        Self { services, distribution, subjects: "", context, login: OnceCell::new(), caps: None }
    }

    /// The same round of those reports alone whose subjects begin like this.
    pub(super) fn of_subjects(self, subjects: &'a str) -> Self {
        Self { subjects, ..self }
    }

    /// The same round within these caps. What finds no room waits, the oldest first, and `status` shows it.
    pub(super) fn within(self, caps: Caps<'a>) -> Self {
        Self { caps: Some(caps), ..self }
    }

    /// How many issues may still be opened in repositories of others.
    async fn room(&self) -> anyhow::Result<usize> {
        let Some(caps) = &self.caps else { return Ok(usize::MAX) };
        let hour_ago = self.now().checked_sub(SignedDuration::from_hours(1)).unwrap_or(Timestamp::MIN);
        let lately = self.services.store.issues_opened_since(hour_ago, caps.own).await?;
        Ok((caps.per_hour as usize).saturating_sub(lately).min(caps.per_pass as usize))
    }

    /// True where telling a report takes room: it would open an issue of somebody else's.
    fn takes_room(&self, report: &Report) -> bool {
        let own = self.caps.as_ref().map_or("", |caps| caps.own);
        report.number.is_none() && !report.is_over && !report.repository.eq_ignore_ascii_case(own)
    }

    /// Tells whatever is still to be told of its subjects. Fails where the store does, and only then.
    pub(super) async fn deliver(&self) -> anyhow::Result<()> {
        let asked_before = self.now().checked_sub(ASK_AGAIN).unwrap_or(Timestamp::MIN);
        let mut untold = self.services.store.untold_reports(self.distribution, asked_before).await?;
        untold.retain(|report| report.subject.starts_with(self.subjects));
        if untold.is_empty() {
            return Ok(());
        }
        let github = match self.services.github() {
            Ok(github) => github,
            Err(failure) => {
                tracing::warn!("{} reports are not told: {failure}", untold.len());
                return Ok(());
            }
        };
        let mut room = self.room().await?;
        // The report before has to be told first: it may have the issue that this one would adopt.
        let mut waiting = BTreeSet::new();
        for report in &untold {
            if self.context.cancel.is_cancelled() {
                break;
            }
            if waiting.contains(&report.subject) {
                continue;
            }
            if self.takes_room(report) {
                let Some(left) = room.checked_sub(1) else {
                    waiting.insert(&report.subject);
                    continue;
                };
                room = left;
            }
            let refused = match self.deliver_one(github, report).await {
                Ok(()) => continue,
                Err(Undelivered::Store(error)) => return Err(error),
                Err(Undelivered::Refused(refused)) => refused,
            };
            waiting.insert(&report.subject);
            match refused {
                IssueRefused::Failed(
                    failure @ (Failure::Transient { .. } | Failure::Configuration { .. }),
                ) => {
                    tracing::warn!(subject = report.subject, "a report is told later: {failure}");
                    if matches!(failure, Failure::Transient { retry_at: Some(_), .. }) {
                        break;
                    }
                }
                refused => self.refuse(report, &refused.to_string()).await?,
            }
        }
        Ok(())
    }

    async fn deliver_one(&self, github: &GitHub, report: &Report) -> Result<(), Undelivered> {
        let to = Addressed::new(report)?;
        let Opened { number, is_new } = match report.number {
            Some(number) => {
                let number = u64::try_from(number).context("an issue has a number above 0")?;
                Opened { number, is_new: false }
            }
            None => match self.open(github, &to).await? {
                Some(opened) => opened,
                None => return Ok(()),
            },
        };
        let comments = self.services.store.wanted_comments(report.id).await?;
        if is_new && comments.is_empty() && !report.is_over {
            return Ok(());
        }
        let seen = github.issue(&to.repository, number).await?;
        if !seen.is_open {
            return Ok(self.found_closed(&to).await?);
        }
        if !is_new {
            self.bring_text(github, &to, &seen).await?;
        }
        for comment in &comments {
            self.comment(github, &to, number, comment).await?;
        }
        if report.is_over {
            self.close(github, &to, number).await?;
        }
        Ok(self.abandon_rest(&to, "it is told otherwise by now").await?)
    }

    /// Opens the issue of a report, or finds the one that an earlier attempt has opened. Nothing where none is
    /// needed any more.
    async fn open(&self, github: &GitHub, to: &Addressed<'_>) -> Result<Option<Opened>, Undelivered> {
        let (store, report) = (&self.services.store, to.report);
        let key = format!("{}/open", to.key);
        let before = store.action(&key).await?;
        if let Some(Action { state: ActionState::Done, receipt: Some(receipt), .. }) = &before {
            let number = self.opened(report, receipt).await?;
            return Ok(Some(Opened { number, is_new: false }));
        }
        if before.is_none() && report.is_over {
            // What could not be told before it was over is no news any more.
            store.report_closed(report.id, ReportStanding::Closed).await?;
            return Ok(None);
        }
        let covered = store.wanted_comments(report.id).await?.last().map_or(0, |comment| comment.id);
        if let Some(found) = self.find(github, to, before.as_ref()).await? {
            let covered = before.map_or(0, |action| action.intent["covers"].as_i64().unwrap_or(0));
            self.intend(&key, json!({ "covers": covered })).await?;
            let receipt = json!({ "number": found.number, "url": found.url, "covers": covered });
            store.finish(&key, &receipt, self.now()).await?;
            let number = self.opened(report, &receipt).await?;
            return Ok(Some(Opened { number, is_new: false }));
        }
        if before.is_some() {
            self.check_patience(report)?;
        }
        if report.is_over {
            self.abandon_rest(to, "it was over before anybody was told").await?;
            store.report_closed(report.id, ReportStanding::Closed).await?;
            return Ok(None);
        }
        self.intend(&key, json!({ "title": report.title, "covers": covered })).await?;
        store.report_tried(report.id, self.now()).await?;
        let labels: Vec<String> = serde_json::from_value(report.labels.clone()).unwrap_or_default();
        let new = NewIssue { title: report.title.clone(), body: to.body(), labels };
        let made = github.open_issue(&to.repository, &new).await?;
        let receipt = json!({
            "number": made.number, "url": made.url, "covers": covered, "digest": report.text_digest,
        });
        store.finish(&key, &receipt, self.now()).await?;
        Ok(Some(Opened { number: self.opened(report, &receipt).await?, is_new: true }))
    }

    /// Takes over what the receipt of an opened issue says.
    async fn opened(&self, report: &Report, receipt: &Value) -> anyhow::Result<u64> {
        let number = receipt["number"].as_u64().context("the receipt of an issue has its number")?;
        let url = receipt["url"].as_str().unwrap_or_default();
        let covered = receipt["covers"].as_i64().unwrap_or(0);
        let digest = receipt["digest"].as_str();
        self.services.store.report_opened(report.id, (number, url), digest, covered).await?;
        Ok(number)
    }

    /// The issue that an earlier attempt has opened, or another tidegate before this state was lost: by
    /// its author and its marker. Nobody else's issue is taken for ours, whatever it says.
    async fn find(
        &self,
        github: &GitHub,
        to: &Addressed<'_>,
        before: Option<&Action>,
    ) -> Result<Option<IssueSeen>, Undelivered> {
        let login = self.login(github).await?;
        let others = self.services.store.issues_of_others(to.report).await?;
        let ours = |issue: &IssueSeen| {
            let is_taken = i64::try_from(issue.number).is_ok_and(|number| others.contains(&number));
            !is_taken && issue.author.as_ref().is_some_and(|author| author.eq_ignore_ascii_case(login))
        };
        let open = github.open_issues_by(&to.repository, login).await?;
        let same_subject = |issue: &IssueSeen| ours(issue) && to.is_about(&issue.body);
        if let Some(found) = open.into_iter().find(same_subject) {
            return Ok(Some(found));
        }
        let Some(before) = before else { return Ok(None) };
        let recent = github.issues_since(&to.repository, some_time_before(before.intended_at)).await?;
        let marked = to.marker();
        Ok(recent
            .into_iter()
            .find(|issue| ours(issue) && marker::parse(&issue.body).as_ref() == Some(&marked)))
    }

    async fn login(&self, github: &GitHub) -> Result<&str, Failure> {
        self.login.get_or_try_init(|| github.login()).await.map(String::as_str)
    }

    /// Has the issue say what it is to say.
    async fn bring_text(
        &self,
        github: &GitHub,
        to: &Addressed<'_>,
        seen: &IssueSeen,
    ) -> Result<(), Undelivered> {
        let (store, report, body) = (&self.services.store, to.report, to.body());
        if report.told_digest.as_deref() == Some(&report.text_digest) {
            return Ok(());
        }
        if (&seen.title, &seen.body) != (&report.title, &body) {
            let key = format!("{}/text/{}", to.key, &report.text_digest[..16]);
            let key = store.fresh_action_key(key).await?;
            self.intend(&key, json!({ "title": report.title })).await?;
            github.edit_issue(&to.repository, seen.number, &report.title, &body).await?;
            store.finish(&key, &json!({ "number": seen.number }), self.now()).await?;
        }
        Ok(store.report_told(report.id, &report.text_digest).await?)
    }

    async fn comment(
        &self,
        github: &GitHub,
        to: &Addressed<'_>,
        issue: u64,
        comment: &ReportComment,
    ) -> Result<(), Undelivered> {
        let store = &self.services.store;
        let key = format!("{}/comment/{}", to.key, comment.key);
        let marked = json!({ "comment": key });
        let number = match self.intend(&key, json!({ "issue": issue })).await? {
            Intention::Done(receipt) => {
                let number =
                    receipt["comment"].as_u64().context("the receipt of a comment has its number")?;
                return Ok(store.comment_written(comment.id, number).await?);
            }
            Intention::New => None,
            Intention::Again => {
                let found = self.find_comment(github, to, issue, (&key, &marked)).await?;
                if found.is_none() {
                    self.check_patience(to.report)?;
                }
                found
            }
        };
        let number = match number {
            Some(number) => number,
            None => {
                store.report_tried(to.report.id, self.now()).await?;
                let body = format!("{}\n{}\n", comment.body, marker::render(&marked));
                github.comment_on_issue(&to.repository, issue, &body).await?
            }
        };
        store.finish(&key, &json!({ "issue": issue, "comment": number }), self.now()).await?;
        Ok(store.comment_written(comment.id, number).await?)
    }

    async fn find_comment(
        &self,
        github: &GitHub,
        to: &Addressed<'_>,
        issue: u64,
        (key, marked): (&str, &Value),
    ) -> Result<Option<u64>, Undelivered> {
        let Some(before) = self.services.store.action(key).await? else { return Ok(None) };
        let login = self.login(github).await?;
        let since = some_time_before(before.intended_at);
        let comments = github.issue_comments_since(&to.repository, issue, since).await?;
        let ours = |author: &Option<String>| author.as_ref().is_some_and(|a| a.eq_ignore_ascii_case(login));
        let found = comments
            .iter()
            .find(|comment| ours(&comment.author) && marker::parse(&comment.body).as_ref() == Some(marked));
        Ok(found.map(|comment| comment.id))
    }

    async fn close(&self, github: &GitHub, to: &Addressed<'_>, number: u64) -> Result<(), Undelivered> {
        let store = &self.services.store;
        let key = format!("{}/close", to.key);
        if !matches!(self.intend(&key, json!({ "issue": number })).await?, Intention::Done(_)) {
            github.close_issue(&to.repository, number).await?;
            store.finish(&key, &json!({ "issue": number }), self.now()).await?;
        }
        Ok(store.report_closed(to.report.id, ReportStanding::Closed).await?)
    }

    /// The issue is closed: by our own last attempt, or by a person, whose decision it is.
    async fn found_closed(&self, to: &Addressed<'_>) -> anyhow::Result<()> {
        let store = &self.services.store;
        let key = format!("{}/close", to.key);
        if let Some(Action { state: ActionState::Intended, .. }) = store.action(&key).await? {
            store.finish(&key, &json!({ "issue": to.report.number }), self.now()).await?;
        }
        self.abandon_rest(to, "the issue is closed").await?;
        let standing = match to.report.is_over {
            true => ReportStanding::Closed,
            false => ReportStanding::ClosedByOthers,
        };
        store.report_closed(to.report.id, standing).await
    }

    /// Ends what is still open in the journal of a report.
    async fn abandon_rest(&self, to: &Addressed<'_>, why: &str) -> anyhow::Result<()> {
        let store = &self.services.store;
        let prefix = format!("{}/", to.key);
        for action in store.open_actions().await?.iter().filter(|action| action.key.starts_with(&prefix)) {
            store.abandon(&action.key, why, self.now()).await?;
        }
        Ok(())
    }

    /// Keeps that GitHub does not take a report, and why.
    async fn refuse(&self, report: &Report, why: &str) -> anyhow::Result<()> {
        let store = &self.services.store;
        let prefix = format!("{}/", key_of(report));
        for action in store.open_actions().await?.iter().filter(|action| action.key.starts_with(&prefix)) {
            store.fail(&action.key, why, self.now()).await?;
        }
        let event = NewEvent {
            at: self.now(),
            kind: KIND.to_owned(),
            job: self.context.job.clone(),
            package: package_of(&report.subject).map(str::to_owned),
            body: json!({
                "distribution": report.distribution, "subject": report.subject,
                "repository": report.repository, "refused": why,
            }),
            dedup_key: format!("{prefix}refused/{why}"),
        };
        tracing::warn!(subject = report.subject, repository = report.repository, "not told: {why}");
        store.refuse_report(report.id, why, &event).await
    }

    /// Whether what was asked for last would be seen by now.
    fn check_patience(&self, report: &Report) -> Result<(), Failure> {
        match report.tried_at {
            Some(tried) if self.now().duration_since(tried) < APPEARS_WITHIN => Err(Failure::transient(
                "what an earlier attempt created may not be visible yet; it is looked for again later",
            )),
            _ => Ok(()),
        }
    }

    async fn intend(&self, key: &str, intent: Value) -> anyhow::Result<Intention> {
        self.services.store.intend(key, KIND, &intent, self.context.run_id, self.now()).await
    }

    fn now(&self) -> Timestamp {
        self.services.clock.now()
    }
}

impl<'r> Addressed<'r> {
    fn new(report: &'r Report) -> Result<Self, Undelivered> {
        let repository = report.repository.parse().map_err(|error| {
            Undelivered::Refused(IssueRefused::Failed(Failure::permanent(format!("{error}"))))
        })?;
        Ok(Self { report, repository, key: key_of(report) })
    }

    /// What the hidden marker of the issue says.
    fn marker(&self) -> Value {
        let Report { distribution, subject, episode, .. } = self.report;
        json!({ "report": distribution, "subject": subject, "episode": episode })
    }

    /// Whether a text is about the same subject, whichever of its reports it is.
    fn is_about(&self, body: &str) -> bool {
        let (ours, theirs) = (self.marker(), marker::parse(body).unwrap_or_default());
        ["report", "subject"].iter().all(|part| ours[part] == theirs[part])
    }

    /// The text of the issue with its marker.
    fn body(&self) -> String {
        format!("{}\n{}\n", self.report.body, marker::render(&self.marker()))
    }
}

fn key_of(report: &Report) -> String {
    let Report { repository, distribution, subject, episode, .. } = report;
    format!("{KIND}/{repository}/{distribution}/{subject}/{episode}")
}

/// The package that a subject is about, where it is about one: its last part, after `package/`.
fn package_of(subject: &str) -> Option<&str> {
    subject.split_once("package/").map(|(_, name)| name)
}

fn some_time_before(time: Timestamp) -> Timestamp {
    time.checked_sub(CLOCKS_DIFFER).unwrap_or(time)
}
