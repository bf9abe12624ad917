//! The demo world's size, stored so that the nightly ingest extends the demo world that was loaded and not another one.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool};

use crate::StorageError;

/// Size and seed of a demo world, as `moviemetric demo` was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DemoWorld {
    /// Movies, the embedded ones included.
    pub movies: u64,
    /// Viewers.
    pub users: u64,
    /// Days of history.
    pub days: u32,
    /// Ratings within these days.
    pub ratings: u64,
    /// The seed that everything is computed from.
    pub seed: u64,
}

/// The demo world last loaded; `None` where none ever was.
pub async fn load(pool: &PgPool) -> Result<Option<DemoWorld>, StorageError> {
    let row =
        sqlx::query_scalar!("SELECT cursor FROM source_cursors WHERE source = 'demo'").fetch_optional(pool).await?;
    Ok(row.map(serde_json::from_value).transpose()?)
}

/// Those of these movies whose last description came from the demo world.
pub async fn own(pool: &PgPool, movies: &[i64]) -> Result<HashSet<i64>, StorageError> {
    let own = sqlx::query_scalar!("SELECT movie_id FROM movies WHERE movie_id = ANY($1) AND source = 'demo'", movies)
        .fetch_all(pool)
        .await?;
    Ok(own.into_iter().collect())
}

/// Whether the catalogue holds movies of another source.
pub async fn has_others(pool: &PgPool) -> Result<bool, StorageError> {
    Ok(sqlx::query_scalar!(r#"SELECT EXISTS (SELECT 1 FROM movies WHERE source <> 'demo') AS "others!""#)
        .fetch_one(pool)
        .await?)
}

/// Stores the size of the demo world that was loaded.
pub async fn save(conn: &mut PgConnection, world: &DemoWorld) -> Result<(), StorageError> {
    super::save_cursor(conn, domain::ingest::Source::Demo, &serde_json::to_value(world)?).await
}
