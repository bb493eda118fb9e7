//! Arrivals: the archives of conda builds that came in, by notice or by hand. Their bytes lie in the folder
//! of artifacts before their rows are written.

use anyhow::Context as _;
use jiff::Timestamp;
use sqlx::{FromRow, Sqlite, Transaction};

use super::Store;
use super::columns::Micros;
use super::events::{NewEvent, insert_event};
use super::notices::NoticeId;

/// An arrival's number in this store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
pub struct ArrivalId(pub i64);

/// An archive that came in and was found to be in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewArrival {
    /// Its sub-directory, such as `linux-64`.
    pub subdir: String,
    /// Its file name.
    pub file_name: String,
    /// The package's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its build string.
    pub build: String,
    /// Its build number.
    pub build_number: u64,
    /// SHA-256 of its bytes, lower-case hexadecimal.
    pub sha256: String,
    /// Its size in bytes.
    pub size: u64,
}

/// An archive as it was kept.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Arrival {
    /// Its number.
    pub id: ArrivalId,
    /// Its sub-directory.
    pub subdir: String,
    /// Its file name.
    pub file_name: String,
    /// The package's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its build string.
    pub build: String,
    /// Its build number.
    #[sqlx(try_from = "i64")]
    pub build_number: u64,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// Its size in bytes.
    #[sqlx(try_from = "i64")]
    pub size: u64,
    /// When it came in.
    #[sqlx(try_from = "Micros")]
    pub arrived_at: Timestamp,
}

/// An archive that cannot be kept, since another one has its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clash {
    /// `<subdir>/<file name>`.
    pub file: String,
    /// SHA-256 of the one that came before.
    pub known: String,
}

impl Store {
    /// Writes down the archives of one notice, or of none: all of them or, where one has the name of other
    /// bytes, none. The notice is fetched then; one whose builds are all published already is admitted.
    pub async fn add_arrivals(
        &self,
        distribution: &str,
        notice: Option<NoticeId>,
        arrivals: &[NewArrival],
        at: Timestamp,
    ) -> anyhow::Result<Result<(), Clash>> {
        let mut write = self.write().await?;
        let mut ids = Vec::new();
        for arrival in arrivals {
            match add(&mut write, distribution, arrival, at).await? {
                Ok(id) => ids.push(id),
                Err(clash) => return Ok(Err(clash)),
            }
        }
        if let Some(notice) = notice {
            for id in ids {
                sqlx::query("INSERT INTO notice_arrival (notice_id, arrival_id) VALUES (?, ?)")
                    .bind(notice)
                    .bind(id)
                    .execute(&mut *write)
                    .await
                    .with_context(|| format!("cannot record what notice {} brought", notice.0))?;
            }
            sqlx::query("UPDATE notice SET state = 'fetched', changed_at = ? WHERE id = ?")
                .bind(Micros(at))
                .bind(notice)
                .execute(&mut *write)
                .await
                .with_context(|| format!("cannot record that notice {} was fetched", notice.0))?;
            admit_notices(&mut write, distribution, at).await?;
        }
        write.commit().await?;
        Ok(Ok(()))
    }

    /// The archives of a distribution that wait, by sub-directory and file name.
    pub async fn waiting_arrivals(&self, distribution: &str) -> anyhow::Result<Vec<Arrival>> {
        sqlx::query_as(
            "SELECT id, subdir, file_name, name, version, build, build_number, sha256, size, arrived_at \
             FROM arrival WHERE distribution = ? AND state = 'waiting' ORDER BY subdir, file_name",
        )
        .bind(distribution)
        .fetch_all(&self.pool)
        .await
        .with_context(|| format!("cannot read the builds that came in for {distribution}"))
    }

    /// Records that archives are published, tells of it, and settles the notices that brought them.
    pub async fn admit_arrivals(
        &self,
        distribution: &str,
        arrivals: &[ArrivalId],
        events: &[NewEvent],
        at: Timestamp,
    ) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        settle(&mut write, arrivals, "admitted", at).await?;
        admit_notices(&mut write, distribution, at).await?;
        for event in events {
            insert_event(&mut write, event).await?;
        }
        Ok(write.commit().await?)
    }

    /// Records that archives waited too long, tells of it, and settles the notices that brought them.
    pub async fn expire_arrivals(
        &self,
        arrivals: &[ArrivalId],
        why: &str,
        event: &NewEvent,
    ) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        settle(&mut write, arrivals, "expired", event.at).await?;
        sqlx::query(
            "UPDATE notice SET state = 'expired', why = ?, changed_at = ? WHERE state = 'fetched' AND id IN \
             (SELECT notice_id FROM notice_arrival JOIN arrival ON arrival.id = arrival_id \
              WHERE arrival.state = 'expired')",
        )
        .bind(why)
        .bind(Micros(event.at))
        .execute(&mut *write)
        .await
        .context("cannot record that notices have expired")?;
        insert_event(&mut write, event).await?;
        Ok(write.commit().await?)
    }
}

/// The row of an archive, made where it is new.
async fn add(
    write: &mut Transaction<'static, Sqlite>,
    distribution: &str,
    arrival: &NewArrival,
    at: Timestamp,
) -> anyhow::Result<Result<ArrivalId, Clash>> {
    let known: Option<(ArrivalId, String)> = sqlx::query_as(
        "SELECT id, sha256 FROM arrival WHERE distribution = ? AND subdir = ? AND file_name = ? \
         AND state <> 'expired'",
    )
    .bind(distribution)
    .bind(&arrival.subdir)
    .bind(&arrival.file_name)
    .fetch_optional(&mut **write)
    .await
    .with_context(|| format!("cannot look for {}/{}", arrival.subdir, arrival.file_name))?;
    if let Some((id, sha256)) = known {
        let file = format!("{}/{}", arrival.subdir, arrival.file_name);
        return Ok(if sha256 == arrival.sha256 { Ok(id) } else { Err(Clash { file, known: sha256 }) });
    }
    let (id,): (ArrivalId,) = sqlx::query_as(
        "INSERT INTO arrival (distribution, subdir, file_name, name, version, build, build_number, sha256, \
         size, arrived_at, changed_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10) RETURNING id",
    )
    .bind(distribution)
    .bind(&arrival.subdir)
    .bind(&arrival.file_name)
    .bind(&arrival.name)
    .bind(&arrival.version)
    .bind(&arrival.build)
    .bind(i64::try_from(arrival.build_number).context("the build number is too large")?)
    .bind(&arrival.sha256)
    .bind(i64::try_from(arrival.size).context("the archive is too large")?)
    .bind(Micros(at))
    .fetch_one(&mut **write)
    .await
    .with_context(|| format!("cannot record {}/{}", arrival.subdir, arrival.file_name))?;
    Ok(Ok(id))
}

async fn settle(
    write: &mut Transaction<'static, Sqlite>,
    arrivals: &[ArrivalId],
    state: &str,
    at: Timestamp,
) -> anyhow::Result<()> {
    for arrival in arrivals {
        sqlx::query("UPDATE arrival SET state = ?, changed_at = max(?, arrived_at) WHERE id = ?")
            .bind(state)
            .bind(Micros(at))
            .bind(arrival)
            .execute(&mut **write)
            .await
            .with_context(|| format!("cannot record that build {} is {state}", arrival.0))?;
    }
    Ok(())
}

/// Settles the fetched notices of a distribution whose builds are all published.
async fn admit_notices(
    write: &mut Transaction<'static, Sqlite>,
    distribution: &str,
    at: Timestamp,
) -> anyhow::Result<()> {
    sqlx::query(
        "UPDATE notice SET state = 'admitted', changed_at = ? WHERE distribution = ? AND state = 'fetched' \
         AND NOT EXISTS (SELECT 1 FROM notice_arrival JOIN arrival ON arrival.id = arrival_id \
                         WHERE notice_id = notice.id AND arrival.state <> 'admitted')",
    )
    .bind(Micros(at))
    .bind(distribution)
    .execute(&mut **write)
    .await
    .context("cannot record that notices are settled")?;
    Ok(())
}
