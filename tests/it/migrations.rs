//! Migrations meet data: after each step come sample rows of that time, then the next step.

use std::path::PathBuf;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, Row as _};

static SCHEMA: Migrator = sqlx::migrate!("src/store/migrations");

fn sample(version: i64) -> PathBuf {
    PathBuf::from(format!("{}/tests/data/migrations/{version:04}.sql", env!("CARGO_MANIFEST_DIR")))
}

async fn empty_database(folder: &tempfile::TempDir) -> SqlitePool {
    let options = SqliteConnectOptions::new()
        .filename(folder.path().join("tidegate.db"))
        .create_if_missing(true)
        .foreign_keys(true);
    SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap()
}

/// Every table of tidegate, with the number of its rows.
async fn row_counts(pool: &SqlitePool) -> Vec<(String, i64)> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM pragma_table_list WHERE type = 'table' AND schema = 'main' \
         AND name NOT LIKE 'sqlite_%' AND name <> '_sqlx_migrations' ORDER BY name",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut counts = Vec::new();
    for table in tables {
        let count = sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {table}")))
            .fetch_one(pool)
            .await
            .unwrap();
        counts.push((table, count));
    }
    counts
}

#[tokio::test]
async fn every_step_keeps_the_rows_that_earlier_versions_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let pool = empty_database(&folder).await;
    let mut before: Vec<(String, i64)> = Vec::new();
    for step in SCHEMA.iter() {
        SCHEMA.run_to(step.version, &pool).await.unwrap();
        let after = row_counts(&pool).await;
        for (table, count) in &before {
            assert!(after.contains(&(table.clone(), *count)), "step {} lost rows of {table}", step.version);
        }
        if let Ok(rows) = std::fs::read_to_string(sample(step.version)) {
            sqlx::raw_sql(AssertSqlSafe(rows)).execute(&pool).await.unwrap();
        }
        before = row_counts(&pool).await;
    }
    for (table, count) in &before {
        assert!(*count > 0, "the table {table} has no sample row: add one to tests/data/migrations");
    }
    let broken = sqlx::query("PRAGMA foreign_key_check").fetch_all(&pool).await.unwrap();
    assert!(broken.is_empty(), "{} rows refer to nothing", broken.len());
}

#[tokio::test]
async fn every_table_is_strict() {
    let folder = tempfile::tempdir().unwrap();
    let pool = empty_database(&folder).await;
    SCHEMA.run(&pool).await.unwrap();
    for (table, _) in row_counts(&pool).await {
        let strict: bool = sqlx::query("SELECT strict FROM pragma_table_list WHERE name = ?")
            .bind(&table)
            .fetch_one(&pool)
            .await
            .unwrap()
            .get(0);
        assert!(strict, "the table {table} is not STRICT");
    }
}

/// The statements that add a column which old rows could not fill.
fn columns_without_default(sql: &str) -> Vec<String> {
    let without_comments: Vec<&str> =
        sql.lines().map(|line| line.split("--").next().unwrap_or_default()).collect();
    without_comments
        .join(" ")
        .to_uppercase()
        .split(';')
        .filter(|statement| statement.contains("ADD COLUMN"))
        .filter(|statement| statement.contains("NOT NULL") && !statement.contains("DEFAULT"))
        .map(|statement| statement.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

#[test]
fn a_new_column_that_cannot_be_null_has_a_default() {
    for step in SCHEMA.iter() {
        let found = columns_without_default(step.sql.as_str());
        assert!(found.is_empty(), "step {}: {found:?}", step.version);
    }
}

#[test]
fn the_check_for_defaults_finds_what_it_looks_for() {
    let bad = "ALTER TABLE job\n  ADD COLUMN mood TEXT NOT NULL; -- DEFAULT would be better";
    assert_eq!(columns_without_default(bad), ["ALTER TABLE JOB ADD COLUMN MOOD TEXT NOT NULL"]);
    assert!(columns_without_default("alter table job add column mood text not null default ''").is_empty());
}
