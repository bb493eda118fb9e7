//! Reports: what people are told of by issues and comments. Each is a row before it is an effect, so that
//! what could not be told is told later, and what was told is not told again.

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use serde_json::Value;
use sqlx::{FromRow, Sqlite, Transaction};

use super::Store;
use super::blobs::digest_of;
use super::columns::{JsonText, MaybeMicros, Micros};
use super::events::{NewEvent, insert_event};

/// A report's number in this store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
pub struct ReportId(pub i64);

/// What GitHub has of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(rename_all = "kebab-case")]
pub enum ReportStanding {
    /// Nothing, as far as is known.
    Unopened,
    /// An open issue.
    Open,
    /// An issue that a person closed: nothing more is written there while it is closed.
    ClosedByOthers,
    /// Nothing more follows: it was closed by us, or there was never anything to close.
    Closed,
}

/// What is to be told of a subject from now on.
#[derive(Clone, Debug, PartialEq)]
pub struct Telling {
    /// The distribution.
    pub distribution: String,
    /// What it is about, such as `passed/package/q2-types`.
    pub subject: String,
    /// The repository whose issue tells it: `owner/name`.
    pub repository: String,
    /// The issue's title.
    pub title: String,
    /// The issue's text, in Markdown and without a hidden marker.
    pub body: String,
    /// Labels for a new issue.
    pub labels: Vec<String>,
    /// What the text tells, as the next decision reads it.
    pub facts: Value,
    /// What is told beside the text, each once.
    pub comments: Vec<NewReportComment>,
    /// True where this is the end: the issue is closed once it was told.
    pub is_over: bool,
}

/// Something to be told in a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewReportComment {
    /// What it tells: two comments of one report with the same key are one.
    pub key: String,
    /// Its text, in Markdown and without a hidden marker.
    pub body: String,
}

/// A report as it was kept.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub struct Report {
    /// Its number.
    pub id: ReportId,
    /// The distribution.
    pub distribution: String,
    /// What it is about.
    pub subject: String,
    /// The how-manieth report of its subject it is, counted from 1.
    pub episode: i64,
    /// `owner/name`.
    pub repository: String,
    /// The issue's title.
    pub title: String,
    /// The issue's text, without the hidden marker.
    pub body: String,
    /// Labels for a new issue: a list of texts.
    #[sqlx(try_from = "JsonText")]
    pub labels: Value,
    /// A digest of title and text.
    pub text_digest: String,
    /// What the text tells.
    #[sqlx(try_from = "JsonText")]
    pub facts: Value,
    /// True where the issue is to be closed.
    pub is_over: bool,
    /// The issue's number, once it is there.
    pub number: Option<i64>,
    /// The issue's page, once it is there.
    pub url: Option<String>,
    /// What GitHub has of it.
    pub standing: ReportStanding,
    /// The digest of the text that the issue has.
    pub told_digest: Option<String>,
    /// Why GitHub did not take it; absent where it does.
    pub refused: Option<String>,
    /// When GitHub was last asked to create something for it.
    #[sqlx(try_from = "MaybeMicros")]
    pub tried_at: Option<Timestamp>,
    /// When it began.
    #[sqlx(try_from = "Micros")]
    pub began_at: Timestamp,
}

/// A comment that is still to be written.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct ReportComment {
    /// Its number in this store.
    pub id: i64,
    /// What it tells.
    pub key: String,
    /// Its text, without the hidden marker.
    pub body: String,
}

/// A whole query from its `WHERE` on: sqlx takes no text that was put together at run time.
macro_rules! select {
    ($from_where:literal) => {
        concat!(
            "SELECT id, distribution, subject, episode, repository, title, body, labels, text_digest, facts, \
             is_over, number, url, standing, told_digest, refused, tried_at, began_at FROM report ",
            $from_where
        )
    };
}

impl Store {
    /// The present report on a subject.
    pub async fn report(&self, distribution: &str, subject: &str) -> anyhow::Result<Option<Report>> {
        sqlx::query_as(select!("WHERE distribution = ? AND subject = ? AND is_over = 0"))
            .bind(distribution)
            .bind(subject)
            .fetch_optional(&self.pool)
            .await
            .with_context(|| format!("cannot read the report on {subject}"))
    }

    /// The present reports of a distribution, by subject.
    pub async fn reports(&self, distribution: &str) -> anyhow::Result<Vec<Report>> {
        sqlx::query_as(select!("WHERE distribution = ? AND is_over = 0 ORDER BY subject"))
            .bind(distribution)
            .fetch_all(&self.pool)
            .await
            .with_context(|| format!("cannot read the reports of {distribution}"))
    }

    /// The reports of a distribution of which something is still to be told, the oldest first. What GitHub
    /// refused after `asked_before` is not among them until there is something new to tell, nor ever what is over.
    pub async fn untold_reports(
        &self,
        distribution: &str,
        asked_before: Timestamp,
    ) -> anyhow::Result<Vec<Report>> {
        sqlx::query_as(select!(
            "WHERE distribution = ? AND standing <> 'closed' AND \
             (refused_digest IS NOT text_digest OR (is_over = 0 AND refused_at < ?)) AND (is_over = 1 OR told_digest IS NOT text_digest OR EXISTS (SELECT 1 FROM report_comment \
             WHERE report_id = report.id AND state = 'wanted')) ORDER BY id"
        ))
        .bind(distribution)
        .bind(Micros(asked_before))
        .fetch_all(&self.pool)
        .await
        .with_context(|| format!("cannot read what is still to be told of {distribution}"))
    }

    /// The comments of a report that are still to be written, in the order in which they were wanted.
    pub async fn wanted_comments(&self, report: ReportId) -> anyhow::Result<Vec<ReportComment>> {
        sqlx::query_as(
            "SELECT id, key, body FROM report_comment WHERE report_id = ? AND state = 'wanted' ORDER BY id",
        )
        .bind(report)
        .fetch_all(&self.pool)
        .await
        .with_context(|| format!("cannot read the comments of report {}", report.0))
    }

    /// The numbers of the issues in a repository that other reports than this one have.
    pub async fn issues_of_others(&self, report: &Report) -> anyhow::Result<Vec<i64>> {
        sqlx::query_scalar(
            "SELECT number FROM report WHERE repository = ? AND id <> ? AND number IS NOT NULL",
        )
        .bind(&report.repository)
        .bind(report.id)
        .fetch_all(&self.pool)
        .await
        .with_context(|| format!("cannot read which issues of {} are taken", report.repository))
    }

    /// Makes this what is to be told of a subject: its text and its comments together, or neither. Nothing
    /// that is there already changes anything. The end of what was never begun is nothing.
    pub async fn tell(&self, telling: &Telling, at: Timestamp) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        let present: Option<Report> =
            sqlx::query_as(select!("WHERE distribution = ? AND subject = ? AND is_over = 0"))
                .bind(&telling.distribution)
                .bind(&telling.subject)
                .fetch_optional(&mut *write)
                .await?;
        let report = match present {
            Some(report) => {
                change(&mut write, &report, telling, at).await?;
                report.id
            }
            None if telling.is_over => return Ok(()),
            None => begin(&mut write, telling, at).await?,
        };
        for comment in &telling.comments {
            sqlx::query(
                "INSERT INTO report_comment (report_id, key, body, made_at) VALUES (?, ?, ?, ?) \
                 ON CONFLICT (report_id, key) DO NOTHING",
            )
            .bind(report)
            .bind(&comment.key)
            .bind(&comment.body)
            .bind(Micros(at))
            .execute(&mut *write)
            .await
            .with_context(|| format!("cannot record a comment on {}", telling.subject))?;
        }
        Ok(write.commit().await?)
    }

    /// Writes down that GitHub is about to be asked to create something for a report.
    pub async fn report_tried(&self, report: ReportId, at: Timestamp) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        sqlx::query("UPDATE report SET tried_at = ? WHERE id = ?")
            .bind(Micros(at))
            .bind(report)
            .execute(&mut *write)
            .await
            .with_context(|| format!("cannot record an attempt at report {}", report.0))?;
        Ok(write.commit().await?)
    }

    /// Writes down that a report has an issue, and which text that was given. Comments up to the number
    /// `covered` are dropped: the text says what they would have said.
    pub async fn report_opened(
        &self,
        report: ReportId,
        (number, url): (u64, &str),
        told_digest: Option<&str>,
        covered: i64,
    ) -> anyhow::Result<()> {
        let number = i64::try_from(number).context("the number of an issue is too large")?;
        let mut write = self.write().await?;
        let opened = sqlx::query(
            "UPDATE report SET number = ?, url = ?, told_digest = ?, standing = 'open', refused = NULL, \
             refused_digest = NULL, refused_at = NULL WHERE id = ? AND number IS NULL",
        )
        .bind(number)
        .bind(url)
        .bind(told_digest)
        .bind(report)
        .execute(&mut *write)
        .await
        .with_context(|| format!("cannot record issue {number}"))?;
        ensure!(opened.rows_affected() == 1, "report {} has an issue already", report.0);
        sqlx::query(
            "UPDATE report_comment SET state = 'dropped' WHERE report_id = ? AND state = 'wanted' AND id <= ?",
        )
        .bind(report)
        .bind(covered)
        .execute(&mut *write)
        .await?;
        Ok(write.commit().await?)
    }

    /// Writes down that the issue has the text with this digest.
    pub async fn report_told(&self, report: ReportId, digest: &str) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        sqlx::query(
            "UPDATE report SET told_digest = ?, standing = 'open', refused = NULL, refused_digest = NULL, refused_at = NULL \
             WHERE id = ?",
        )
        .bind(digest)
        .bind(report)
        .execute(&mut *write)
        .await
        .with_context(|| format!("cannot record that report {} was told", report.0))?;
        Ok(write.commit().await?)
    }

    /// Writes down that a comment is there.
    pub async fn comment_written(&self, comment: i64, number: u64) -> anyhow::Result<()> {
        let number = i64::try_from(number).context("the number of a comment is too large")?;
        let mut write = self.write().await?;
        sqlx::query("UPDATE report_comment SET state = 'written', number = ? WHERE id = ?")
            .bind(number)
            .bind(comment)
            .execute(&mut *write)
            .await
            .with_context(|| format!("cannot record comment {number}"))?;
        Ok(write.commit().await?)
    }

    /// Writes down that the issue is closed, by us at the end or by a person. What was still to be told is
    /// told no more: its comments are dropped, and its text counts as told until it changes.
    pub async fn report_closed(&self, report: ReportId, standing: ReportStanding) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        sqlx::query(
            "UPDATE report SET standing = ?, told_digest = text_digest, refused = NULL, refused_digest = NULL, refused_at = NULL \
             WHERE id = ?",
        )
        .bind(standing)
        .bind(report)
        .execute(&mut *write)
        .await
        .with_context(|| format!("cannot record that report {} is closed", report.0))?;
        drop_comments(&mut write, report).await?;
        Ok(write.commit().await?)
    }

    /// Writes down that GitHub does not take a report, and tells of it once. It is tried again once its text
    /// changes, or later; what only its comments would have said is dropped.
    pub async fn refuse_report(&self, report: ReportId, why: &str, event: &NewEvent) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        sqlx::query(
            "UPDATE report SET refused = ?, refused_digest = text_digest, refused_at = ? WHERE id = ?",
        )
        .bind(why)
        .bind(Micros(event.at))
        .bind(report)
        .execute(&mut *write)
        .await
        .with_context(|| format!("cannot record that report {} was refused", report.0))?;
        drop_comments(&mut write, report).await?;
        insert_event(&mut write, event).await?;
        Ok(write.commit().await?)
    }
}

impl Telling {
    /// The digest of title and text.
    pub fn text_digest(&self) -> String {
        digest_of(format!("{}\n{}", self.title, self.body).as_bytes())
    }
}

async fn begin(
    write: &mut Transaction<'static, Sqlite>,
    telling: &Telling,
    at: Timestamp,
) -> anyhow::Result<ReportId> {
    sqlx::query_scalar(
        "INSERT INTO report (distribution, subject, episode, repository, title, body, labels, text_digest, facts, \
         began_at, changed_at) SELECT ?1, ?2, coalesce(max(episode), 0) + 1, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9 \
         FROM report WHERE distribution = ?1 AND subject = ?2 RETURNING id",
    )
    .bind(&telling.distribution)
    .bind(&telling.subject)
    .bind(&telling.repository)
    .bind(&telling.title)
    .bind(&telling.body)
    .bind(serde_json::to_string(&telling.labels)?)
    .bind(telling.text_digest())
    .bind(JsonText(telling.facts.clone()))
    .bind(Micros(at))
    .fetch_one(&mut **write)
    .await
    .with_context(|| format!("cannot record the report on {}", telling.subject))
}

/// A report whose repository was configured anew begins anew there: its issue is looked for, or opened.
async fn change(
    write: &mut Transaction<'static, Sqlite>,
    report: &Report,
    telling: &Telling,
    at: Timestamp,
) -> anyhow::Result<()> {
    if report.repository != telling.repository {
        sqlx::query(
            "UPDATE report SET repository = ?, number = NULL, url = NULL, told_digest = NULL, \
             standing = 'unopened', refused = NULL, refused_digest = NULL, refused_at = NULL WHERE id = ?",
        )
        .bind(&telling.repository)
        .bind(report.id)
        .execute(&mut **write)
        .await?;
    }
    if report.labels != serde_json::to_value(&telling.labels)? {
        // A label may have been what GitHub did not take.
        sqlx::query(
            "UPDATE report SET labels = ?, refused = NULL, refused_digest = NULL, refused_at = NULL WHERE id = ?",
        )
        .bind(serde_json::to_string(&telling.labels)?)
        .bind(report.id)
        .execute(&mut **write)
        .await?;
    }
    let digest = telling.text_digest();
    let known = (&report.text_digest, &report.facts, report.is_over);
    if known == (&digest, &telling.facts, telling.is_over) {
        return Ok(());
    }
    sqlx::query(
        "UPDATE report SET title = ?, body = ?, text_digest = ?, facts = ?, is_over = ?, changed_at = ? \
         WHERE id = ?",
    )
    .bind(&telling.title)
    .bind(&telling.body)
    .bind(digest)
    .bind(JsonText(telling.facts.clone()))
    .bind(telling.is_over)
    .bind(Micros(at))
    .bind(report.id)
    .execute(&mut **write)
    .await
    .with_context(|| format!("cannot record what is new of {}", telling.subject))?;
    Ok(())
}

async fn drop_comments(write: &mut Transaction<'static, Sqlite>, report: ReportId) -> anyhow::Result<()> {
    sqlx::query("UPDATE report_comment SET state = 'dropped' WHERE report_id = ? AND state = 'wanted'")
        .bind(report)
        .execute(&mut **write)
        .await
        .with_context(|| format!("cannot drop the comments of report {}", report.0))?;
    Ok(())
}
