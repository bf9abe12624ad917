//! The artifact ratings_by_decade: statistics of the movies of each decade.

use domain::RunId;
use domain::ratings_by_decade::DecadeStats;
use sqlx::{PgExecutor, PgPool};

use crate::StorageError;

/// Stages the statistics of all decades.
pub async fn stage(conn: impl PgExecutor<'_>, run: RunId, stats: &[(i32, DecadeStats)]) -> Result<(), StorageError> {
    let decade: Vec<i32> = stats.iter().map(|(decade, _)| *decade).collect();
    let count = |f: fn(&DecadeStats) -> i64| stats.iter().map(|(_, s)| f(s)).collect::<Vec<i64>>();
    let mean = |f: fn(&DecadeStats) -> Option<f64>| stats.iter().map(|(_, s)| f(s)).collect::<Vec<Option<f64>>>();
    sqlx::query!(
        "INSERT INTO ratings_by_decade (run_id, decade, movie_count, rated_count, vote_count, avg_rating, weighted_rating)
         SELECT $1, * FROM unnest($2::integer[], $3::bigint[], $4::bigint[], $5::bigint[], $6::float8[], $7::float8[])",
        run.0,
        &decade,
        &count(|s| s.movie_count),
        &count(|s| s.rated_count),
        &count(|s| s.vote_count),
        &mean(DecadeStats::avg_rating) as &[Option<f64>],
        &mean(DecadeStats::weighted_rating) as &[Option<f64>],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Statistics of one decade.
#[derive(Debug, Clone, PartialEq)]
pub struct DecadeRow {
    /// First year of the decade of release.
    pub decade: i32,
    /// Number of movies that are not tombstones.
    pub movie_count: i64,
    /// Number of movies with votes.
    pub rated_count: i64,
    /// Number of votes.
    pub vote_count: i64,
    /// Mean vote average, 0 to 10, each movie counted once; `None` without votes.
    pub avg_rating: Option<f64>,
    /// Mean vote, 0 to 10, each vote counted once; `None` without votes.
    pub weighted_rating: Option<f64>,
}

/// All decades, oldest first; there are about fifteen, so no paging.
pub async fn all(pool: &PgPool, run: RunId) -> Result<Vec<DecadeRow>, StorageError> {
    Ok(sqlx::query_as!(
        DecadeRow,
        "SELECT decade, movie_count, rated_count, vote_count, avg_rating, weighted_rating
         FROM ratings_by_decade WHERE run_id = $1 ORDER BY decade",
        run.0,
    )
    .fetch_all(pool)
    .await?)
}
