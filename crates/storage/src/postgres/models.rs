//! The model registry: versions with their files, metrics and states, and the movies' vectors of each version.
//!
//! States: `trained` -> `active` -> `retired`, or `trained` -> `refused` by the gate. One version is active. Vectors lie
//! in a partition a version with an HNSW index of its own, since versions differ in their number of factors.

use chrono::{DateTime, Utc};
use domain::artifacts::CacheFamily;
use domain::{JobId, MovieId};
use serde::Serialize;
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, PgConnection, PgExecutor, PgPool};

use super::catalogue::movie_id;
use super::changes;
use crate::StorageError;
use crate::objects::ObjectFile;

/// Vectors sent per statement: about 1 MB with 128 factors.
pub const VECTORS_CHUNK: usize = 2_000;

/// A version of the registry.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelRow {
    /// `als_YYYYMMDD_HHMM`.
    pub version: String,
    /// What computes the lists: als, ease, knn, popularity or blend.
    pub algorithm: String,
    /// trained, active, retired or refused.
    pub state: String,
    /// The job that trained it.
    pub job_id: Option<uuid::Uuid>,
    /// Settings of the training.
    pub parameters: Value,
    /// SHA-256 of the interactions that it was trained on.
    pub fingerprint: String,
    /// Viewers that it was trained on.
    pub viewers: i64,
    /// Movies with a vector.
    pub movies: i64,
    /// Pairs of viewer and movie that it was trained on.
    pub interactions: i64,
    /// Numbers a vector.
    pub factors: i32,
    /// As the job `evaluate-model` writes them; `None`: not evaluated.
    pub metrics: Option<Value>,
    /// Its files below [`directory`] in the object store.
    pub files: Json<Vec<ObjectFile>>,
    /// Reason of the state.
    pub reason: Option<String>,
    pub created_at: DateTime<Utc>,
    pub activated_at: Option<DateTime<Utc>>,
    pub retired_at: Option<DateTime<Utc>>,
}

/// What training knows of a version.
#[derive(Debug, Clone)]
pub struct NewModel {
    pub version: String,
    pub algorithm: &'static str,
    pub job_id: JobId,
    pub parameters: Value,
    pub fingerprint: String,
    pub viewers: i64,
    pub movies: i64,
    pub interactions: i64,
    pub factors: i32,
    pub files: Vec<ObjectFile>,
}

/// A movie's vector.
#[derive(Debug, Clone, PartialEq)]
pub struct MovieVector<'a> {
    pub movie_id: MovieId,
    pub vector: &'a [f32],
    /// Derived from the movie's content.
    pub cold: bool,
}

/// The version's directory in the object store.
pub fn directory(version: &str) -> String {
    format!("models/{version}")
}

/// A version's name, for a model that was trained at this time: unused so far.
pub async fn free_version(pool: &PgPool, now: DateTime<Utc>) -> Result<String, StorageError> {
    let base = now.format("als_%Y%m%d_%H%M").to_string();
    let taken =
        sqlx::query_scalar!("SELECT version FROM models WHERE version LIKE $1 || '%'", base).fetch_all(pool).await?;
    if !taken.contains(&base) {
        return Ok(base);
    }
    // Several runs within a minute: an operator's, or a test's.
    let next = (2..).map(|n| format!("{base}_{n}")).find(|name| !taken.contains(name));
    next.ok_or_else(|| StorageError::Misuse("every version's name is taken".into()))
}

/// Registers a trained version, with a partition for its vectors. The vectors follow by [`write_vectors`], and
/// [`index_vectors`] ends the work, all in the caller's transaction.
pub async fn register(conn: &mut PgConnection, new: &NewModel) -> Result<(), StorageError> {
    sqlx::query!(
        "INSERT INTO models (version, algorithm, job_id, parameters, fingerprint, viewers, movies, interactions, factors, files)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        new.version,
        new.algorithm,
        new.job_id.0,
        new.parameters,
        new.fingerprint,
        new.viewers,
        new.movies,
        new.interactions,
        new.factors,
        Json(&new.files) as _,
    )
    .execute(&mut *conn)
    .await?;
    // Attaching takes a weaker lock than `PARTITION OF`: readers of other versions do not wait.
    let partition = partition(&new.version)?;
    run(conn, format!("CREATE TABLE {partition} (LIKE movie_vectors INCLUDING ALL)")).await?;
    run(conn, format!("ALTER TABLE movie_vectors ATTACH PARTITION {partition} FOR VALUES IN ('{}')", new.version)).await
}

/// Writes up to [`VECTORS_CHUNK`] vectors of a version.
pub async fn write_vectors(
    conn: &mut PgConnection,
    version: &str,
    vectors: &[MovieVector<'_>],
) -> Result<(), StorageError> {
    let Some(first) = vectors.first() else { return Ok(()) };
    let factors = first.vector.len() as i32;
    let movies: Vec<i64> = vectors.iter().map(|v| v.movie_id.get()).collect();
    let cold: Vec<bool> = vectors.iter().map(|v| v.cold).collect();
    let values: Vec<f32> = vectors.iter().flat_map(|v| v.vector.iter().copied()).collect();
    sqlx::query!(
        "INSERT INTO movie_vectors (version, movie_id, vector, cold)
         SELECT $1, v.movie_id, ($4::real[])[(v.place - 1) * $5 + 1 : v.place * $5]::vector, v.cold
         FROM unnest($2::bigint[], $3::boolean[]) WITH ORDINALITY AS v(movie_id, cold, place)",
        version,
        &movies,
        &cold,
        &values,
        i64::from(factors),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Builds the HNSW index of a version's vectors.
pub async fn index_vectors(conn: &mut PgConnection, version: &str, factors: i32) -> Result<(), StorageError> {
    let partition = partition(version)?;
    run(conn, format!("CREATE INDEX ON {partition} USING hnsw ((vector::vector({factors})) vector_ip_ops)")).await?;
    run(conn, format!("ANALYZE {partition}")).await
}

/// The partition's name. A version that is no name of a version never reaches a statement.
fn partition(version: &str) -> Result<String, StorageError> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if version.is_empty() || version.len() > 40 || !version.bytes().all(fits) {
        return Err(StorageError::Misuse("a version's name has lower-case letters, digits and _ only".into()));
    }
    Ok(format!("movie_vectors_{version}"))
}

/// Executes a statement that cannot be checked at compile time: names of partitions differ.
async fn run(conn: &mut PgConnection, sql: String) -> Result<(), StorageError> {
    sqlx::query(AssertSqlSafe(sql)).execute(conn).await?;
    Ok(())
}

/// Versions, newest first.
pub async fn list(conn: impl PgExecutor<'_>, limit: i64, offset: i64) -> Result<Vec<ModelRow>, StorageError> {
    Ok(sqlx::query_as!(
        ModelRow,
        r#"SELECT version, algorithm, state, job_id, parameters, fingerprint, viewers, movies, interactions, factors,
                  metrics, files AS "files: Json<Vec<ObjectFile>>", reason, created_at, activated_at, retired_at
           FROM models ORDER BY created_at DESC, version DESC LIMIT $1 OFFSET $2"#,
        limit,
        offset,
    )
    .fetch_all(conn)
    .await?)
}

/// Number of versions.
pub async fn count(conn: impl PgExecutor<'_>) -> Result<i64, StorageError> {
    Ok(sqlx::query_scalar!(r#"SELECT count(*) AS "n!" FROM models"#).fetch_one(conn).await?)
}

/// A version; `None`: there is none of this name.
pub async fn get(conn: impl PgExecutor<'_>, version: &str) -> Result<Option<ModelRow>, StorageError> {
    Ok(sqlx::query_as!(
        ModelRow,
        r#"SELECT version, algorithm, state, job_id, parameters, fingerprint, viewers, movies, interactions, factors,
                  metrics, files AS "files: Json<Vec<ObjectFile>>", reason, created_at, activated_at, retired_at
           FROM models WHERE version = $1"#,
        version,
    )
    .fetch_optional(conn)
    .await?)
}

/// The version that this job trained. A job that resumes after registering it finds it, and does not train again.
pub async fn trained_by(conn: impl PgExecutor<'_>, job: JobId) -> Result<Option<String>, StorageError> {
    Ok(sqlx::query_scalar!("SELECT version FROM models WHERE job_id = $1 ORDER BY created_at DESC LIMIT 1", job.0)
        .fetch_optional(conn)
        .await?)
}

/// The newest version.
pub async fn newest(conn: impl PgExecutor<'_>) -> Result<Option<String>, StorageError> {
    Ok(sqlx::query_scalar!("SELECT version FROM models ORDER BY created_at DESC, version DESC LIMIT 1")
        .fetch_optional(conn)
        .await?)
}

/// The active version; `None`: no model was promoted yet.
pub async fn active(conn: impl PgExecutor<'_>) -> Result<Option<String>, StorageError> {
    Ok(sqlx::query_scalar!("SELECT version FROM models WHERE state = 'active'").fetch_optional(conn).await?)
}

/// The version that was active before: where a rollback goes.
pub async fn before_active(conn: impl PgExecutor<'_>) -> Result<Option<String>, StorageError> {
    Ok(sqlx::query_scalar!(
        "SELECT version FROM models WHERE state = 'retired' ORDER BY retired_at DESC, version DESC LIMIT 1"
    )
    .fetch_optional(conn)
    .await?)
}

/// Stores the metrics of an evaluation.
pub async fn set_metrics(conn: impl PgExecutor<'_>, version: &str, metrics: &Value) -> Result<(), StorageError> {
    sqlx::query!("UPDATE models SET metrics = $2 WHERE version = $1", version, metrics).execute(conn).await?;
    Ok(())
}

/// Refuses a version that the gate found worse. An active version stays what it is.
pub async fn refuse(conn: impl PgExecutor<'_>, version: &str, reason: &str) -> Result<(), StorageError> {
    sqlx::query!(
        "UPDATE models SET state = 'refused', reason = $2 WHERE version = $1 AND state <> 'active'",
        version,
        reason,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What [`activate`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// The version is active now.
    Activated,
    /// It was active already.
    AlreadyActive,
    /// There is no version of this name.
    Unknown,
}

/// Makes a version the active one and retires the one before, in the caller's transaction; on commit every process
/// loads it, and cached lists become unreachable.
pub async fn activate(conn: &mut PgConnection, version: &str, reason: &str) -> Result<Activation, StorageError> {
    // One at a time: two promotions would retire each other's model.
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtext('moviemetric models'))").execute(&mut *conn).await?;
    let state = sqlx::query_scalar!("SELECT state FROM models WHERE version = $1 FOR UPDATE", version)
        .fetch_optional(&mut *conn)
        .await?;
    match state.as_deref() {
        None => return Ok(Activation::Unknown),
        Some("active") => return Ok(Activation::AlreadyActive),
        Some(_) => {}
    }
    sqlx::query!(
        "UPDATE models SET state = 'retired', retired_at = clock_timestamp(), reason = 'replaced by ' || $1
         WHERE state = 'active'",
        version,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "UPDATE models SET state = 'active', activated_at = clock_timestamp(), retired_at = NULL, reason = $2
         WHERE version = $1",
        version,
        reason,
    )
    .execute(&mut *conn)
    .await?;
    changes::bump(conn, &[CacheFamily::Recommendations]).await?;
    Ok(Activation::Activated)
}

/// Versions that may be deleted: those beyond the newest `kept`, never the active one nor the one before it.
pub async fn collectable(conn: impl PgExecutor<'_>, kept: i64) -> Result<Vec<String>, StorageError> {
    Ok(sqlx::query_scalar!(
        "SELECT version FROM models
         WHERE state <> 'active'
           AND version NOT IN (SELECT version FROM models ORDER BY created_at DESC, version DESC LIMIT $1)
           AND version IS DISTINCT FROM (SELECT version FROM models WHERE state = 'retired'
                                         ORDER BY retired_at DESC, version DESC LIMIT 1)
         ORDER BY created_at",
        kept,
    )
    .fetch_all(conn)
    .await?)
}

/// Deletes a version with its vectors; its files are the caller's. An active version is not deleted.
pub async fn delete(conn: &mut PgConnection, version: &str) -> Result<bool, StorageError> {
    let partition = partition(version)?;
    let deleted = sqlx::query!("DELETE FROM models WHERE version = $1 AND state <> 'active'", version)
        .execute(&mut *conn)
        .await?
        .rows_affected()
        == 1;
    if deleted {
        run(conn, format!("DROP TABLE IF EXISTS {partition}")).await?;
    }
    Ok(deleted)
}

/// The most popular movies that are shown, at most `limit`, in id order: what a model covers.
pub async fn catalogue(pool: &PgPool, limit: i64) -> Result<Vec<MovieId>, StorageError> {
    let ids = sqlx::query_scalar!(
        "SELECT movie_id FROM (SELECT movie_id FROM movies WHERE tombstoned_at IS NULL
                               ORDER BY popularity DESC, movie_id LIMIT $1) AS most_popular
         ORDER BY movie_id",
        limit,
    )
    .fetch_all(pool)
    .await?;
    ids.into_iter().map(movie_id).collect()
}

/// Those of the movies that are tombstones, or gone.
pub async fn not_shown(pool: &PgPool, movies: &[MovieId]) -> Result<Vec<i64>, StorageError> {
    let ids: Vec<i64> = movies.iter().map(|movie| movie.get()).collect();
    Ok(sqlx::query_scalar!(
        r#"SELECT asked.movie_id AS "movie_id!" FROM unnest($1::bigint[]) AS asked(movie_id)
           WHERE NOT EXISTS (SELECT 1 FROM movies m WHERE m.movie_id = asked.movie_id AND m.tombstoned_at IS NULL)"#,
        &ids,
    )
    .fetch_all(pool)
    .await?)
}

/// Number of viewers.
pub async fn viewers(conn: impl PgExecutor<'_>) -> Result<i64, StorageError> {
    Ok(sqlx::query_scalar!(r#"SELECT count(*) AS "n!" FROM viewers"#).fetch_one(conn).await?)
}
