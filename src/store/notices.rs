//! Notices: what pipelines tell us of, kept before they are told that we heard it.

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use serde_json::Value;
use sqlx::{FromRow, Sqlite, Transaction};

use super::Store;
use super::columns::{JsonText, Micros};
use super::events::{NewEvent, insert_event};

/// A notice's number in this store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
pub struct NoticeId(pub i64);

/// What a notice tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, sqlx::Type)]
#[sqlx(rename_all = "kebab-case")]
pub enum NoticeKind {
    /// A build of a package was made.
    Integrate,
    /// A metapackage was built.
    Stage,
    /// A metapackage and its members were tested.
    Pass,
}

/// How far a notice has come. All but the first two are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(rename_all = "kebab-case")]
pub enum NoticeState {
    /// Its artifact is not here yet.
    Waiting,
    /// Its builds are here, and wait for other platforms or for being published.
    Fetched,
    /// All its builds are published.
    Admitted,
    /// Its builds cannot be taken in.
    Refused,
    /// Its builds waited too long for other platforms.
    Expired,
    /// It was told on in the timeline; nothing else follows from it.
    Noted,
}

/// A notice that came in.
#[derive(Clone, Debug, PartialEq)]
pub struct NewNotice {
    /// What it tells.
    pub kind: NoticeKind,
    /// The distribution that it is about.
    pub distribution: String,
    /// `owner/name` of the repository whose run it is about, in lower case; empty where it names none.
    pub repository: String,
    /// GitHub's number of the run; not 0.
    pub run_id: u64,
    /// The artifact's name.
    pub artifact: String,
    /// All its fields but the token.
    pub payload: Value,
}

/// A notice as it was kept.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub struct Notice {
    /// Its number.
    pub id: NoticeId,
    /// What it tells.
    pub kind: NoticeKind,
    /// The distribution that it is about.
    pub distribution: String,
    /// `owner/name` in lower case; empty where it names none.
    pub repository: String,
    /// GitHub's number of the run.
    #[sqlx(try_from = "i64")]
    pub run_id: u64,
    /// The artifact's name.
    pub artifact: String,
    /// All its fields but the token.
    #[sqlx(try_from = "JsonText")]
    pub payload: Value,
    /// How far it has come.
    pub state: NoticeState,
    /// Why it was refused or has expired.
    pub why: Option<String>,
    /// How often its artifact was looked for in vain.
    pub attempts: u32,
    /// When its artifact is looked for next.
    #[sqlx(try_from = "Micros")]
    pub not_before: Timestamp,
    /// When it came in.
    #[sqlx(try_from = "Micros")]
    pub received_at: Timestamp,
}

/// What came of keeping a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is new.
    New,
    /// It was here before, just the same.
    Known,
    /// It was here before and was refused, or has expired: why. A run that is repeated has the same number, so
    /// this may be about a new artifact, which is not taken.
    Settled(String),
    /// One about the same artifact was here before, and says something else. Nothing was kept.
    Conflicting,
}

/// A whole query from its `WHERE` on: sqlx takes no text that was put together at run time.
macro_rules! select {
    ($from_where:literal) => {
        concat!(
            "SELECT id, kind, distribution, repository, run_id, artifact, payload, state, why, attempts, \
             not_before, received_at FROM notice ",
            $from_where
        )
    };
}

impl Store {
    /// Keeps the rows of one notice, one for each distribution that it concerns: all of them or none.
    pub async fn take_notice(&self, rows: &[NewNotice], at: Timestamp) -> anyhow::Result<Taken> {
        let mut taken = Taken::Known;
        let mut write = self.write().await?;
        for row in rows {
            match (take(&mut write, row, at).await?, &taken) {
                (Taken::Conflicting, _) => return Ok(Taken::Conflicting),
                (Taken::New, _) => taken = Taken::New,
                (Taken::Settled(why), Taken::Known) => taken = Taken::Settled(why),
                (Taken::Settled(_) | Taken::Known, _) => {}
            }
        }
        write.commit().await?;
        Ok(taken)
    }

    /// At most `limit` notices of a distribution that wait and are due, the oldest first.
    pub async fn due_notices(
        &self,
        distribution: &str,
        at: Timestamp,
        limit: u32,
    ) -> anyhow::Result<Vec<Notice>> {
        sqlx::query_as(select!(
            "WHERE distribution = ? AND state = 'waiting' AND not_before <= ? ORDER BY id LIMIT ?"
        ))
        .bind(distribution)
        .bind(Micros(at))
        .bind(limit)
        .fetch_all(&self.pool)
        .await
        .with_context(|| format!("cannot read the notices for {distribution}"))
    }

    /// All notices of a distribution, the oldest first; at most `limit`.
    pub async fn notices(&self, distribution: &str, limit: u32) -> anyhow::Result<Vec<Notice>> {
        sqlx::query_as(select!("WHERE distribution = ? ORDER BY id LIMIT ?"))
            .bind(distribution)
            .bind(limit)
            .fetch_all(&self.pool)
            .await
            .with_context(|| format!("cannot read the notices for {distribution}"))
    }

    /// Puts a notice off that waits: `attempts` looks were in vain, the next is not before `not_before`.
    pub async fn postpone_notice(
        &self,
        notice: NoticeId,
        attempts: u32,
        not_before: Timestamp,
    ) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        let put_off =
            sqlx::query("UPDATE notice SET attempts = ?, not_before = ? WHERE id = ? AND state = 'waiting'")
                .bind(attempts)
                .bind(Micros(not_before))
                .bind(notice)
                .execute(&mut *write)
                .await
                .with_context(|| format!("cannot put notice {} off", notice.0))?;
        ensure!(put_off.rows_affected() == 1, "notice {} does not wait", notice.0);
        Ok(write.commit().await?)
    }

    /// Refuses a notice for good, and tells of it.
    pub async fn refuse_notice(&self, notice: NoticeId, why: &str, event: &NewEvent) -> anyhow::Result<()> {
        self.settle_notice(notice, NoticeState::Refused, Some(why), event).await
    }

    /// Settles a notice from which nothing follows but its place in the timeline.
    pub async fn note_notice(&self, notice: NoticeId, event: &NewEvent) -> anyhow::Result<()> {
        self.settle_notice(notice, NoticeState::Noted, None, event).await
    }

    async fn settle_notice(
        &self,
        notice: NoticeId,
        state: NoticeState,
        why: Option<&str>,
        event: &NewEvent,
    ) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        sqlx::query("UPDATE notice SET state = ?, why = ?, changed_at = ? WHERE id = ?")
            .bind(state)
            .bind(why)
            .bind(Micros(event.at))
            .bind(notice)
            .execute(&mut *write)
            .await
            .with_context(|| format!("cannot settle notice {}", notice.0))?;
        insert_event(&mut write, event).await?;
        Ok(write.commit().await?)
    }
}

async fn take(
    write: &mut Transaction<'static, Sqlite>,
    row: &NewNotice,
    at: Timestamp,
) -> anyhow::Result<Taken> {
    let run_id = i64::try_from(row.run_id).context("the number of the run is too large")?;
    let added = sqlx::query(
        "INSERT INTO notice (kind, distribution, repository, run_id, artifact, payload, not_before, \
         received_at, changed_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?7) ON CONFLICT DO NOTHING",
    )
    .bind(row.kind)
    .bind(&row.distribution)
    .bind(&row.repository)
    .bind(run_id)
    .bind(&row.artifact)
    .bind(JsonText(row.payload.clone()))
    .bind(Micros(at))
    .execute(&mut **write)
    .await
    .context("cannot keep the notice")?;
    if added.rows_affected() == 1 {
        return Ok(Taken::New);
    }
    let (kept, why): (String, Option<String>) = sqlx::query_as(
        "SELECT payload, why FROM notice WHERE distribution = ? AND kind = ? AND repository = ? AND run_id = ? \
         AND artifact = ?",
    )
    .bind(&row.distribution)
    .bind(row.kind)
    .bind(&row.repository)
    .bind(run_id)
    .bind(&row.artifact)
    .fetch_one(&mut **write)
    .await
    .context("cannot read the notice that was kept")?;
    let kept: Value = serde_json::from_str(&kept).context("a kept notice is damaged")?;
    Ok(match why {
        _ if kept != row.payload => Taken::Conflicting,
        Some(why) => Taken::Settled(why),
        None => Taken::Known,
    })
}
