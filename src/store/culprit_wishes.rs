//! What people asked of rechecks: which change broke a member. The row comes before the search, and gets its
//! answer once a pass knows one.

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use serde::Serialize;
use sqlx::FromRow;

use super::Store;
use super::columns::{MaybeMicros, Micros};
use super::events::{NewEvent, insert_event};
use crate::domain::CulpritWish;

/// A wish's number in this store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, sqlx::Type)]
#[sqlx(transparent)]
#[serde(transparent)]
pub struct CulpritWishId(pub i64);

/// A wish as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeptCulpritWish {
    /// Its number.
    pub id: CulpritWishId,
    /// What was asked for.
    pub wish: CulpritWish,
    /// When.
    pub at: Timestamp,
    /// When it was answered, and how; absent while it is open.
    pub answer: Option<(Timestamp, String)>,
}

#[derive(FromRow)]
struct Row {
    id: CulpritWishId,
    distribution: String,
    job: String,
    member: String,
    platform: Option<String>,
    most_tests: u32,
    #[sqlx(try_from = "Micros")]
    at: Timestamp,
    by: String,
    reason: String,
    #[sqlx(try_from = "MaybeMicros")]
    answered_at: Option<Timestamp>,
    answer: Option<String>,
}

/// A whole query from its `WHERE` on: sqlx takes no text that was put together at run time.
macro_rules! select {
    ($from_where:literal) => {
        concat!(
            "SELECT id, distribution, job, member, platform, most_tests, at, by, reason, answered_at, answer \
             FROM culprit_wish ",
            $from_where
        )
    };
}

impl Store {
    /// Writes down what a person asks, and tells of it. Where the same is asked for already and not answered
    /// yet, that one is returned, and nothing is written.
    pub async fn ask_for_culprit(
        &self,
        wish: &CulpritWish,
        at: Timestamp,
    ) -> anyhow::Result<Option<KeptCulpritWish>> {
        let mut write = self.write().await?;
        let known: Option<Row> =
            sqlx::query_as(select!("WHERE job = ? AND member = ? AND platform IS ? AND answered_at IS NULL"))
                .bind(&wish.job)
                .bind(&wish.member)
                .bind(&wish.platform)
                .fetch_optional(&mut *write)
                .await
                .context("cannot read what was asked of rechecks")?;
        if let Some(known) = known {
            return Ok(Some(known.read()));
        }
        let (id,): (CulpritWishId,) = sqlx::query_as(
            "INSERT INTO culprit_wish (distribution, job, member, platform, most_tests, at, by, reason) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        )
        .bind(&wish.distribution)
        .bind(&wish.job)
        .bind(&wish.member)
        .bind(&wish.platform)
        .bind(wish.most_tests)
        .bind(Micros(at))
        .bind(&wish.by)
        .bind(&wish.reason)
        .fetch_one(&mut *write)
        .await
        .with_context(|| format!("cannot record what is asked about {}", wish.member))?;
        insert_event(&mut write, &event(id, wish, ("asked", &wish.reason), at)).await?;
        write.commit().await?;
        Ok(None)
    }

    /// Writes down how a wish was answered, and tells of it.
    pub async fn answer_culprit_wish(
        &self,
        kept: &KeptCulpritWish,
        answer: &str,
        at: Timestamp,
    ) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        let changed = sqlx::query("UPDATE culprit_wish SET answered_at = ?, answer = ? WHERE id = ?")
            .bind(Micros(at))
            .bind(answer)
            .bind(kept.id)
            .execute(&mut *write)
            .await
            .with_context(|| format!("cannot answer what {} asked", kept.wish.by))?;
        ensure!(changed.rows_affected() == 1, "there is no wish {}", kept.id.0);
        insert_event(&mut write, &event(kept.id, &kept.wish, ("answered", answer), at)).await?;
        Ok(write.commit().await?)
    }

    /// What was asked of a job and is not answered yet, oldest first.
    pub async fn open_culprit_wishes(&self, job: &str) -> anyhow::Result<Vec<KeptCulpritWish>> {
        let rows: Vec<Row> = sqlx::query_as(select!("WHERE job = ? AND answered_at IS NULL ORDER BY id"))
            .bind(job)
            .fetch_all(&self.pool)
            .await
            .with_context(|| format!("cannot read what was asked of {job}"))?;
        Ok(rows.into_iter().map(Row::read).collect())
    }

    /// Everything that was asked about a member, oldest first.
    pub async fn culprit_wishes_about(&self, member: &str) -> anyhow::Result<Vec<KeptCulpritWish>> {
        let rows: Vec<Row> = sqlx::query_as(select!("WHERE member = ? ORDER BY at, id"))
            .bind(member)
            .fetch_all(&self.pool)
            .await
            .with_context(|| format!("cannot read what was asked about {member}"))?;
        Ok(rows.into_iter().map(Row::read).collect())
    }
}

impl Row {
    fn read(self) -> KeptCulpritWish {
        let Self { id, distribution, job, member, platform, most_tests, at, by, reason, .. } = self;
        let wish = CulpritWish { distribution, job, member, platform, most_tests, by, reason };
        KeptCulpritWish { id, wish, at, answer: self.answered_at.zip(self.answer) }
    }
}

fn event(id: CulpritWishId, wish: &CulpritWish, (action, said): (&str, &str), at: Timestamp) -> NewEvent {
    NewEvent {
        at,
        kind: "culprit-wish".to_owned(),
        job: wish.job.clone(),
        package: Some(wish.member.clone()),
        body: serde_json::json!({
            "action": action, "distribution": wish.distribution, "platform": wish.platform, "by": wish.by,
            "said": said,
        }),
        dedup_key: format!("culprit-wish/{}/{action}", id.0),
    }
}
