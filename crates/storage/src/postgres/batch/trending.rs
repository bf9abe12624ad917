//! The artifact movie_trending_daily: the nightly trending ranking.

use chrono::NaiveDate;
use domain::RunId;
use domain::movies::DailyMetrics;
use domain::page::Page;
use domain::trending::{Trend, WINDOW_DAYS};
use futures::StreamExt;
use futures::stream::BoxStream;
use sqlx::{PgExecutor, PgPool};

use crate::StorageError;
use crate::postgres::catalogue::movie_id;

/// The newest day that has metrics and is not after `today`.
pub async fn newest_day(pool: &PgPool, today: NaiveDate) -> Result<Option<NaiveDate>, StorageError> {
    Ok(sqlx::query_scalar!("SELECT max(day) FROM movie_metrics_daily WHERE day <= $1", today).fetch_one(pool).await?)
}

/// Streams the snapshots of the window that ends with `as_of`, ordered by movie and day.
pub fn window(pool: &PgPool, as_of: NaiveDate) -> BoxStream<'_, Result<DailyMetrics, StorageError>> {
    sqlx::query!(
        "SELECT d.movie_id, d.day, d.popularity, d.vote_average, d.vote_count
         FROM movie_metrics_daily d JOIN movies m USING (movie_id)
         WHERE d.day > $1::date - $2::integer AND d.day <= $1 AND m.tombstoned_at IS NULL
         ORDER BY d.movie_id, d.day",
        as_of,
        WINDOW_DAYS as i32,
    )
    .fetch(pool)
    .map(|row| {
        let row = row?;
        Ok(DailyMetrics {
            movie_id: movie_id(row.movie_id)?,
            day: row.day,
            popularity: row.popularity,
            vote_average: row.vote_average,
            vote_count: row.vote_count,
        })
    })
    .boxed()
}

/// Stages a chunk of ranked trends; `first_rank` is the rank of the first.
pub async fn stage(
    conn: impl PgExecutor<'_>,
    run: RunId,
    first_rank: i32,
    trends: &[Trend],
) -> Result<(), StorageError> {
    let rank: Vec<i32> = (first_rank..).take(trends.len()).collect();
    let movie: Vec<i64> = trends.iter().map(|t| t.movie_id.get()).collect();
    let column = |f: fn(&Trend) -> f64| trends.iter().map(f).collect::<Vec<f64>>();
    let votes: Vec<i64> = trends.iter().map(|t| t.vote_count).collect();
    sqlx::query!(
        "INSERT INTO movie_trending_daily (run_id, rank, movie_id, trending_score, popularity_velocity, rating_velocity,
             vote_velocity, popularity, vote_average, vote_count)
         SELECT $1, * FROM unnest($2::integer[], $3::bigint[], $4::float8[], $5::float8[], $6::float8[], $7::float8[],
             $8::float8[], $9::float8[], $10::bigint[])",
        run.0,
        &rank,
        &movie,
        &column(|t| t.score),
        &column(|t| t.popularity_velocity),
        &column(|t| t.rating_velocity),
        &column(|t| t.vote_velocity),
        &column(|t| t.popularity),
        &column(|t| t.vote_average),
        &votes,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// One place of the ranking.
#[derive(Debug, Clone, PartialEq)]
pub struct TrendingRow {
    /// Rank, from 1.
    pub rank: i32,
    /// The movie.
    pub movie_id: i64,
    /// The title in the catalogue.
    pub title: String,
    /// First release anywhere; `None`: unknown.
    pub release_date: Option<NaiveDate>,
    /// TMDB's genre names.
    pub genres: Vec<String>,
    /// Path under TMDB's image server.
    pub poster_path: Option<String>,
    /// The trending score, see [`domain::trending::score`].
    pub trending_score: f64,
    /// Change of popularity per hour over the window.
    pub popularity_velocity: f64,
    /// Change of the vote average per hour over the window.
    pub rating_velocity: f64,
    /// New votes per hour over the window.
    pub vote_velocity: f64,
    /// TMDB's popularity: no unit, no upper bound.
    pub popularity: f64,
    /// Mean of the votes, 0 to 10; 0 without votes.
    pub vote_average: f64,
    /// Number of votes.
    pub vote_count: i64,
}

/// A page of a run by rank, and the number of ranks. With `genre` only movies that have it, at their overall ranks.
/// Tombstones made since the run are left out.
pub async fn page(
    pool: &PgPool,
    run: RunId,
    genre: Option<&str>,
    page: Page,
) -> Result<(Vec<TrendingRow>, i64), StorageError> {
    let rows = sqlx::query_as!(
        TrendingRow,
        "SELECT t.rank, t.movie_id, m.title, m.release_date, m.genres, m.poster_path, t.trending_score,
                t.popularity_velocity, t.rating_velocity, t.vote_velocity, t.popularity, t.vote_average, t.vote_count
         FROM movie_trending_daily t JOIN movies m USING (movie_id)
         WHERE t.run_id = $1 AND m.tombstoned_at IS NULL AND ($2::text IS NULL OR m.genres @> ARRAY[$2])
         ORDER BY t.rank LIMIT $3 OFFSET $4",
        run.0,
        genre,
        page.limit.get(),
        page.offset.get(),
    )
    .fetch_all(pool)
    .await?;
    let total = sqlx::query_scalar!(
        r#"SELECT count(*) AS "n!" FROM movie_trending_daily t JOIN movies m USING (movie_id)
           WHERE t.run_id = $1 AND m.tombstoned_at IS NULL AND ($2::text IS NULL OR m.genres @> ARRAY[$2])"#,
        run.0,
        genre,
    )
    .fetch_one(pool)
    .await?;
    Ok((rows, total))
}
