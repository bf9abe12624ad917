//! Short ways to say what the tests say often.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use domain::artifacts::{Artifact, PublishDecision};
use domain::ingest::{Quarantined, Record, Source};
use domain::page::Page;
use domain::{JobId, RunId};
use sqlx::PgPool;
use storage::postgres::artifacts;
use storage::postgres::catalogue::{self, IngestCounts};
use test_support::fixture;

pub fn page(limit: u16, offset: u32) -> Page {
    Page { limit: limit.to_string().try_into().unwrap(), offset: offset.to_string().try_into().unwrap() }
}

/// So many days before the last day of the fixture.
pub fn days_ago(days: i64) -> NaiveDate {
    fixture::today() - TimeDelta::days(days)
}

/// A moment of the fixture's last day.
pub fn at(hour: u32, minute: u32) -> DateTime<Utc> {
    fixture::today().and_hms_opt(hour, minute, 0).unwrap().and_utc()
}

pub async fn begin(pool: &PgPool, artifact: Artifact) -> RunId {
    artifacts::begin(pool, artifact, JobId::new(), fixture::today()).await.unwrap()
}

pub async fn publish(pool: &PgPool, artifact: Artifact, run: RunId, rows: u64) {
    assert_eq!(artifacts::publish(pool, artifact, run, rows, false).await.unwrap(), PublishDecision::Publish);
}

/// Writes records as one batch.
pub async fn write(pool: &PgPool, source: Source, records: Vec<Record>) -> IngestCounts {
    let mut tx = pool.begin().await.unwrap();
    let counts = catalogue::write(&mut tx, source, records).await.unwrap();
    tx.commit().await.unwrap();
    counts
}

/// What is in quarantine: location, field, reason, record, times seen.
pub async fn quarantine(pool: &PgPool) -> Vec<(Quarantined, i32)> {
    let rows: Vec<(String, Option<String>, String, String, i32)> = sqlx::query_as(
        "SELECT location, field, reason, record, times_seen FROM quarantine ORDER BY source, location, reason",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    rows.into_iter()
        .map(|(location, field, reason, record, seen)| {
            (Quarantined { location, field, reason, record, movie_id: None }, seen)
        })
        .collect()
}

/// Takes a movie out of what is shown.
pub async fn tombstone(pool: &PgPool, movie: i64) {
    sqlx::query("UPDATE movies SET tombstoned_at = now() WHERE movie_id = $1").bind(movie).execute(pool).await.unwrap();
}

pub async fn count(pool: &PgPool, table: &str) -> i64 {
    sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"))).fetch_one(pool).await.unwrap()
}
