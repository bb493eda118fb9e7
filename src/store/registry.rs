//! Packages, their revisions and artifacts: one model for conda, R-universe and Galaxy. Identities
//! are lasting and revisions immutable (triggers in the schema hold that); what happens to them
//! later, such as a yank, is an event with a reason.

use anyhow::{Context as _, bail, ensure};
use jiff::Timestamp;
use sqlx::{FromRow, Sqlite, Transaction};

use super::Store;
use super::columns::Micros;

/// The world a package belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, sqlx::Type)]
#[sqlx(rename_all = "lowercase")]
pub enum Ecosystem {
    /// conda channels; the namespace is the channel.
    Conda,
    /// Galaxy tool sheds; the namespace is the owner.
    Galaxy,
    /// Anything else that has names and versions.
    Generic,
    /// R-universes; the namespace is the universe.
    Runiverse,
}

/// What a package is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, sqlx::Type)]
#[sqlx(rename_all = "kebab-case")]
pub enum PackageKind {
    /// A metapackage: its revisions pin exact member revisions.
    Suite,
    /// A Galaxy tool.
    Tool,
    /// A Galaxy data manager.
    DataManager,
    /// A plain package.
    Package,
    /// A Galaxy visualization.
    Viz,
    /// A Galaxy interactive environment.
    Gie,
    /// A workflow.
    Workflow,
    /// An R package.
    RPackage,
}

/// A package's number in this store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
pub struct PackageId(pub i64);

/// A revision's number in this store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
pub struct RevisionId(pub i64);

/// One file of a revision.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Artifact {
    /// A conda subdir, an R platform, or `any`.
    pub platform: String,
    /// Where it lies in its repository, relative.
    pub path: String,
    /// In bytes.
    pub size: i64,
    /// SHA-256 of the file, lower-case hexadecimal.
    pub sha256: String,
}

/// Why a revision is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(rename_all = "kebab-case")]
pub enum ReplacementKind {
    /// The package lives on under another identity.
    Moved,
    /// The same content, made installable again.
    Repair,
    /// There is no successor.
    Withdrawn,
}

/// A declared successor. Successors inside one package are computed, never stored.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Replacement {
    /// What is replaced.
    #[sqlx(rename = "from_revision_id")]
    pub from: RevisionId,
    /// By what; `None` exactly where `kind` is withdrawn.
    #[sqlx(rename = "to_revision_id")]
    pub to: Option<RevisionId>,
    /// Why, as a word.
    pub kind: ReplacementKind,
    /// Why, as a sentence.
    pub reason: String,
    /// Who declared it.
    pub actor: String,
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A package as a whole, such as its deprecation.
    Package(PackageId),
    /// One revision, such as its yank.
    Revision(RevisionId),
}

/// Something that happened to a package or revision after it was recorded.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct StateEvent {
    /// `yank`, `unyank`, `deprecate`, ...
    pub event: String,
    /// Who did it.
    pub actor: String,
    /// When.
    #[sqlx(try_from = "Micros")]
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

impl Subject {
    fn columns(self) -> (&'static str, i64) {
        match self {
            Self::Package(PackageId(id)) => ("package", id),
            Self::Revision(RevisionId(id)) => ("revision", id),
        }
    }
}

impl Store {
    /// The number of a package, recorded now if it was not known. A package keeps its kind for
    /// good: another kind under the same name is refused. A new source address is taken over.
    pub async fn ensure_package(
        &self,
        ecosystem: Ecosystem,
        namespace: &str,
        name: &str,
        kind: PackageKind,
        source_url: Option<&str>,
    ) -> anyhow::Result<PackageId> {
        let mut write = self.write().await?;
        let (id, known_kind): (PackageId, PackageKind) = sqlx::query_as(
            "INSERT INTO package (ecosystem, namespace, name, kind, source_url) VALUES (?, ?, ?, ?, ?) \
             ON CONFLICT (ecosystem, namespace, name) \
             DO UPDATE SET source_url = coalesce(excluded.source_url, source_url) RETURNING id, kind",
        )
        .bind(ecosystem)
        .bind(namespace)
        .bind(name)
        .bind(kind)
        .bind(source_url)
        .fetch_one(&mut *write)
        .await
        .with_context(|| format!("cannot record the package {namespace}/{name}"))?;
        ensure!(
            known_kind == kind,
            "{namespace}/{name} is known as a {known_kind:?}, it cannot become a {kind:?}"
        );
        write.commit().await?;
        Ok(id)
    }

    /// The number of a revision, recorded now if it was not known. `build` is empty and `commit`
    /// absent where the ecosystem has none.
    pub async fn ensure_revision(
        &self,
        package: PackageId,
        version: &str,
        build: &str,
        commit: Option<&str>,
        at: Timestamp,
    ) -> anyhow::Result<RevisionId> {
        let mut write = self.write().await?;
        sqlx::query(
            "INSERT INTO revision (package_id, version, build, commit_sha, created_at) VALUES (?, ?, ?, ?, ?) \
             ON CONFLICT (package_id, version, build, commit_sha) DO NOTHING",
        )
        .bind(package)
        .bind(version)
        .bind(build)
        .bind(commit.unwrap_or_default())
        .bind(Micros(at))
        .execute(&mut *write)
        .await
        .with_context(|| format!("cannot record version {version} of package {}", package.0))?;
        let id = sqlx::query_scalar(
            "SELECT id FROM revision WHERE package_id = ? AND version = ? AND build = ? AND commit_sha = ?",
        )
        .bind(package)
        .bind(version)
        .bind(build)
        .bind(commit.unwrap_or_default())
        .fetch_one(&mut *write)
        .await?;
        write.commit().await?;
        Ok(id)
    }

    /// Adds a file to a revision. Adding the same again changes nothing; other bytes under the same
    /// platform and path are refused.
    pub async fn add_artifact(
        &self,
        revision: RevisionId,
        artifact: &Artifact,
        at: Timestamp,
    ) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        let known: Option<Artifact> = sqlx::query_as(
            "SELECT platform, path, size, sha256 FROM artifact \
             WHERE revision_id = ? AND platform = ? AND path = ?",
        )
        .bind(revision)
        .bind(&artifact.platform)
        .bind(&artifact.path)
        .fetch_optional(&mut *write)
        .await?;
        if let Some(known) = known.filter(|known| known != artifact) {
            bail!(
                "{} is recorded with SHA-256 {}, and now has {}: a published file never changes",
                artifact.path,
                known.sha256,
                artifact.sha256,
            );
        }
        insert_artifact(&mut write, revision, artifact, at).await?;
        Ok(write.commit().await?)
    }

    /// Adds a file to a revision whose universe builds the same commit again from time to time: other bytes
    /// under the same platform and path are one file more, and the earlier one stays.
    pub async fn add_rebuilt_artifact(
        &self,
        revision: RevisionId,
        artifact: &Artifact,
        at: Timestamp,
    ) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        insert_artifact(&mut write, revision, artifact, at).await?;
        Ok(write.commit().await?)
    }

    /// The files of a revision, by platform and path.
    pub async fn artifacts(&self, revision: RevisionId) -> anyhow::Result<Vec<Artifact>> {
        Ok(sqlx::query_as(
            "SELECT platform, path, size, sha256 FROM artifact WHERE revision_id = ? ORDER BY platform, path, id",
        )
        .bind(revision)
        .fetch_all(&self.pool)
        .await?)
    }

    /// Records that a revision needs `name`, with the constraint as it was written.
    pub async fn add_dependency(
        &self,
        revision: RevisionId,
        ecosystem: Ecosystem,
        name: &str,
        constraint: &str,
    ) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        sqlx::query(
            "INSERT INTO dependency (revision_id, ecosystem, name, constraint_text) VALUES (?, ?, ?, ?) \
             ON CONFLICT DO NOTHING",
        )
        .bind(revision)
        .bind(ecosystem)
        .bind(name)
        .bind(constraint)
        .execute(&mut *write)
        .await?;
        Ok(write.commit().await?)
    }

    /// What a revision needs: name and constraint, by name.
    pub async fn dependencies(&self, revision: RevisionId) -> anyhow::Result<Vec<(String, String)>> {
        Ok(sqlx::query_as(
            "SELECT name, constraint_text FROM dependency WHERE revision_id = ? ORDER BY name, ecosystem",
        )
        .bind(revision)
        .fetch_all(&self.pool)
        .await?)
    }

    /// Declares a successor. A chain that would come back to where it began is refused.
    pub async fn add_replacement(&self, replacement: &Replacement, at: Timestamp) -> anyhow::Result<()> {
        let mut write = self.write().await?;
        let circular: bool = sqlx::query_scalar(
            "WITH RECURSIVE chain (id) AS (SELECT ?1 UNION \
                 SELECT to_revision_id FROM replacement JOIN chain ON from_revision_id = chain.id \
                 WHERE to_revision_id IS NOT NULL) \
             SELECT EXISTS (SELECT 1 FROM chain WHERE id = ?2)",
        )
        .bind(replacement.to)
        .bind(replacement.from)
        .fetch_one(&mut *write)
        .await?;
        if circular {
            bail!("revision {} cannot replace what replaces it in the end", replacement.from.0);
        }
        sqlx::query(
            "INSERT INTO replacement (from_revision_id, to_revision_id, kind, reason, actor, at) \
             VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(replacement.from)
        .bind(replacement.to)
        .bind(replacement.kind)
        .bind(&replacement.reason)
        .bind(&replacement.actor)
        .bind(Micros(at))
        .execute(&mut *write)
        .await
        .with_context(|| format!("cannot record a replacement of revision {}", replacement.from.0))?;
        Ok(write.commit().await?)
    }

    /// The newest declared successor of a revision.
    pub async fn replacement_of(&self, revision: RevisionId) -> anyhow::Result<Option<Replacement>> {
        Ok(sqlx::query_as(
            "SELECT from_revision_id, to_revision_id, kind, reason, actor FROM replacement \
             WHERE from_revision_id = ? ORDER BY id DESC LIMIT 1",
        )
        .bind(revision)
        .fetch_optional(&self.pool)
        .await?)
    }

    /// Records that something happened to `subject`. Events are only ever added.
    pub async fn record_event(
        &self,
        subject: Subject,
        event: &str,
        actor: &str,
        at: Timestamp,
        reason: &str,
    ) -> anyhow::Result<()> {
        let (kind, id) = subject.columns();
        let mut write = self.write().await?;
        sqlx::query(
            "INSERT INTO state_event (subject_kind, subject_id, event, actor, at, reason) \
             VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(kind)
        .bind(id)
        .bind(event)
        .bind(actor)
        .bind(Micros(at))
        .bind(reason)
        .execute(&mut *write)
        .await
        .with_context(|| format!("cannot record {event} of {kind} {id}"))?;
        Ok(write.commit().await?)
    }

    /// What happened to `subject`, oldest first.
    pub async fn state_events(&self, subject: Subject) -> anyhow::Result<Vec<StateEvent>> {
        let (kind, id) = subject.columns();
        Ok(sqlx::query_as(
            "SELECT event, actor, at, reason FROM state_event \
             WHERE subject_kind = ? AND subject_id = ? ORDER BY id",
        )
        .bind(kind)
        .bind(id)
        .fetch_all(&self.pool)
        .await?)
    }
}

async fn insert_artifact(
    write: &mut Transaction<'_, Sqlite>,
    revision: RevisionId,
    artifact: &Artifact,
    at: Timestamp,
) -> anyhow::Result<()> {
    sqlx::query(
        "INSERT INTO artifact (revision_id, platform, path, size, sha256, added_at) \
         VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (revision_id, platform, path, sha256) DO NOTHING",
    )
    .bind(revision)
    .bind(&artifact.platform)
    .bind(&artifact.path)
    .bind(artifact.size)
    .bind(&artifact.sha256)
    .bind(Micros(at))
    .execute(&mut **write)
    .await
    .map(drop)
    .with_context(|| format!("cannot record the artifact {}", artifact.path))
}
