//! The artifact genre_stats_daily.

use domain::RunId;
use domain::genre_stats::GenreStats;
use domain::page::Page;
use sqlx::{PgExecutor, PgPool};

use crate::StorageError;

/// Stages the statistics of all genres, which are about twenty.
pub async fn stage(conn: impl PgExecutor<'_>, run: RunId, stats: &[(String, GenreStats)]) -> Result<(), StorageError> {
    let genre: Vec<String> = stats.iter().map(|(genre, _)| genre.clone()).collect();
    let count = |f: fn(&GenreStats) -> i64| stats.iter().map(|(_, s)| f(s)).collect::<Vec<i64>>();
    let mean = |f: fn(&GenreStats) -> Option<f64>| stats.iter().map(|(_, s)| f(s)).collect::<Vec<Option<f64>>>();
    sqlx::query!(
        "INSERT INTO genre_stats_daily (run_id, genre, movie_count, vote_count, total_revenue, avg_rating,
             avg_popularity, avg_budget, avg_runtime)
         SELECT $1, * FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::float8[], $7::float8[],
             $8::float8[], $9::float8[])",
        run.0,
        &genre,
        &count(|s| s.movie_count),
        &count(|s| s.vote_count),
        &count(|s| s.total_revenue),
        &mean(GenreStats::avg_rating) as &[Option<f64>],
        &mean(GenreStats::avg_popularity) as &[Option<f64>],
        &mean(GenreStats::avg_budget) as &[Option<f64>],
        &mean(GenreStats::avg_runtime) as &[Option<f64>],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// One genre's statistics.
#[derive(Debug, Clone, PartialEq)]
pub struct GenreStatsRow {
    /// TMDB's genre name.
    pub genre: String,
    /// Number of movies that are not tombstones.
    pub movie_count: i64,
    /// Number of votes.
    pub vote_count: i64,
    /// Mean vote average of the movies with votes, 0 to 10; `None` without any.
    pub avg_rating: Option<f64>,
    /// Mean of TMDB's popularity.
    pub avg_popularity: Option<f64>,
    /// Mean in US dollars over the movies whose budget is known.
    pub avg_budget: Option<f64>,
    /// Mean in minutes over the movies whose runtime is known.
    pub avg_runtime: Option<f64>,
    /// Sum in US dollars over the movies whose revenue is known.
    pub total_revenue: i64,
}

/// A page of genres, most movies first, and the number of genres.
pub async fn top(pool: &PgPool, run: RunId, page: Page) -> Result<(Vec<GenreStatsRow>, i64), StorageError> {
    let rows = sqlx::query_as!(
        GenreStatsRow,
        "SELECT genre, movie_count, vote_count, avg_rating, avg_popularity, avg_budget, avg_runtime, total_revenue
         FROM genre_stats_daily WHERE run_id = $1 ORDER BY movie_count DESC, genre LIMIT $2 OFFSET $3",
        run.0,
        page.limit.get(),
        page.offset.get(),
    )
    .fetch_all(pool)
    .await?;
    let total = sqlx::query_scalar!(r#"SELECT count(*) AS "n!" FROM genre_stats_daily WHERE run_id = $1"#, run.0)
        .fetch_one(pool)
        .await?;
    Ok((rows, total))
}
