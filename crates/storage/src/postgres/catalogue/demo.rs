//! The parameters of the demo world, stored so that the nightly ingest extends the demo world that was loaded.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool};

use crate::StorageError;

/// Parameters of a demo world, as passed to `moviemetric demo`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DemoWorld {
    /// Number of movies, including the embedded ones.
    pub movies: u64,
    /// Number of viewers.
    pub users: u64,
    /// Days of history.
    pub days: u32,
    /// Number of ratings within these days.
    pub ratings: u64,
    /// Seed of the pseudo-random generator.
    pub seed: u64,
}

/// The parameters of the demo world loaded last; `None` where none was ever loaded.
pub async fn load(pool: &PgPool) -> Result<Option<DemoWorld>, StorageError> {
    let row =
        sqlx::query_scalar!("SELECT cursor FROM source_cursors WHERE source = 'demo'").fetch_optional(pool).await?;
    Ok(row.map(serde_json::from_value).transpose()?)
}

/// The subset of these movies that the demo world described last.
pub async fn own(pool: &PgPool, movies: &[i64]) -> Result<HashSet<i64>, StorageError> {
    let own = sqlx::query_scalar!("SELECT movie_id FROM movies WHERE movie_id = ANY($1) AND source = 'demo'", movies)
        .fetch_all(pool)
        .await?;
    Ok(own.into_iter().collect())
}

/// Whether the catalogue contains movies of another source.
pub async fn has_others(pool: &PgPool) -> Result<bool, StorageError> {
    Ok(sqlx::query_scalar!(r#"SELECT EXISTS (SELECT 1 FROM movies WHERE source <> 'demo') AS "others!""#)
        .fetch_one(pool)
        .await?)
}

/// Stores the parameters of the demo world that was loaded.
pub async fn save(conn: &mut PgConnection, world: &DemoWorld) -> Result<(), StorageError> {
    super::save_cursor(conn, domain::ingest::Source::Demo, &serde_json::to_value(world)?).await
}
