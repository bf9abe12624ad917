//! The artifact trend_predictions: popularity and trending rank of the days ahead.

use chrono::NaiveDate;
use domain::page::Page;
use domain::predictions::{Estimate, HISTORY_DAYS, HORIZON_DAYS, Horizon, Score};
use domain::trending::RANKS_KEPT;
use domain::{MovieId, RunId};
use sqlx::PgPool;

use crate::StorageError;

/// One movie's popularity on one day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SnapshotRow {
    pub movie_id: i64,
    pub day: NaiveDate,
    pub popularity: f64,
}

/// The history of some movies up to `as_of`, movie by movie and day by day.
pub async fn history(pool: &PgPool, movies: &[MovieId], as_of: NaiveDate) -> Result<Vec<SnapshotRow>, StorageError> {
    let movies: Vec<i64> = movies.iter().map(|id| id.get()).collect();
    Ok(sqlx::query_as!(
        SnapshotRow,
        "SELECT movie_id, day, popularity FROM movie_metrics_daily
         WHERE movie_id = ANY($1) AND day > $2::date - $3::integer AND day <= $2 ORDER BY movie_id, day",
        &movies,
        as_of,
        HISTORY_DAYS as i32,
    )
    .fetch_all(pool)
    .await?)
}

/// What a run says about one movie on one day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    pub movie_id: MovieId,
    /// 1 to 14 days ahead.
    pub horizon: i16,
    pub day: NaiveDate,
    pub popularity: Estimate,
    pub trending_score: f64,
    pub rank: i32,
}

/// Stages a chunk of predictions.
pub async fn stage(pool: &PgPool, run: RunId, predictions: &[Prediction]) -> Result<(), StorageError> {
    let movie: Vec<i64> = predictions.iter().map(|p| p.movie_id.get()).collect();
    let horizon: Vec<i16> = predictions.iter().map(|p| p.horizon).collect();
    let rank: Vec<i32> = predictions.iter().map(|p| p.rank).collect();
    let day: Vec<NaiveDate> = predictions.iter().map(|p| p.day).collect();
    let real = |f: fn(&Prediction) -> f64| predictions.iter().map(|p| f(p) as f32).collect::<Vec<f32>>();
    sqlx::query!(
        "INSERT INTO trend_predictions (run_id, movie_id, horizon, rank, day, popularity, low, high, trending_score)
         SELECT $1, * FROM unnest($2::bigint[], $3::smallint[], $4::integer[], $5::date[], $6::real[], $7::real[],
             $8::real[], $9::real[])",
        run.0,
        &movie,
        &horizon,
        &rank,
        &day,
        &real(|p| p.popularity.value),
        &real(|p| p.popularity.low),
        &real(|p| p.popularity.high),
        &real(|p| p.trending_score),
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Stores how the method of a run has done, by horizon from 1; horizons that were not tried are left out.
pub async fn stage_backtest(pool: &PgPool, run: RunId, backtest: &[Score; HORIZON_DAYS]) -> Result<(), StorageError> {
    for (score, horizon) in backtest.iter().zip(1_i16..) {
        let (Some(mae), Some(naive_mae), Some(coverage)) = (score.mae(), score.naive_mae(), score.coverage()) else {
            continue;
        };
        sqlx::query!(
            "INSERT INTO prediction_backtests (run_id, horizon, forecasts, mae, naive_mae, coverage)
             VALUES ($1, $2, $3, $4, $5, $6)",
            run.0,
            horizon,
            score.forecasts,
            mae,
            naive_mae,
            coverage,
        )
        .execute(pool)
        .await?;
    }
    Ok(())
}

/// One day of a movie's forecast.
#[derive(Debug, Clone, PartialEq)]
pub struct MoviePredictionRow {
    pub horizon: i16,
    pub day: NaiveDate,
    pub popularity: f32,
    pub low: f32,
    pub high: f32,
    pub trending_score: f32,
    pub rank: i32,
}

/// A movie's forecast, nearest day first; empty for a movie that was not active, or is newer than the run.
pub async fn of_movie(pool: &PgPool, run: RunId, movie: MovieId) -> Result<Vec<MoviePredictionRow>, StorageError> {
    Ok(sqlx::query_as!(
        MoviePredictionRow,
        "SELECT horizon, day, popularity, low, high, trending_score, rank
         FROM trend_predictions WHERE run_id = $1 AND movie_id = $2 ORDER BY horizon",
        run.0,
        movie.get(),
    )
    .fetch_all(pool)
    .await?)
}

/// One place of the ranking forecast for a day.
#[derive(Debug, Clone, PartialEq)]
pub struct RankedPredictionRow {
    pub rank: i32,
    pub movie_id: i64,
    pub title: String,
    pub release_date: Option<NaiveDate>,
    pub genres: Vec<String>,
    pub poster_path: Option<String>,
    pub day: NaiveDate,
    pub popularity: f32,
    pub low: f32,
    pub high: f32,
    pub trending_score: f32,
    /// Popularity as it stands in the catalogue.
    pub popularity_now: f64,
}

/// A page of the ranking so many days ahead, and its length, as deep as trending's own; with `genre` only movies that
/// carry it, still at their overall ranks. Tombstones made since the run are left out.
pub async fn page(
    pool: &PgPool,
    run: RunId,
    horizon: Horizon,
    genre: Option<&str>,
    page: Page,
) -> Result<(Vec<RankedPredictionRow>, i64), StorageError> {
    let rows = sqlx::query_as!(
        RankedPredictionRow,
        "SELECT t.rank, t.movie_id, m.title, m.release_date, m.genres, m.poster_path, t.day, t.popularity, t.low, t.high,
                t.trending_score, m.popularity AS popularity_now
         FROM trend_predictions t JOIN movies m USING (movie_id)
         WHERE t.run_id = $1 AND t.horizon = $2 AND t.rank <= $3 AND m.tombstoned_at IS NULL
           AND ($4::text IS NULL OR m.genres @> ARRAY[$4])
         ORDER BY t.rank LIMIT $5 OFFSET $6",
        run.0,
        horizon.get(),
        RANKS_KEPT as i32,
        genre,
        page.limit.get(),
        page.offset.get(),
    )
    .fetch_all(pool)
    .await?;
    let total = sqlx::query_scalar!(
        r#"SELECT count(*) AS "n!" FROM trend_predictions t JOIN movies m USING (movie_id)
           WHERE t.run_id = $1 AND t.horizon = $2 AND t.rank <= $3 AND m.tombstoned_at IS NULL
             AND ($4::text IS NULL OR m.genres @> ARRAY[$4])"#,
        run.0,
        horizon.get(),
        RANKS_KEPT as i32,
        genre,
    )
    .fetch_one(pool)
    .await?;
    Ok((rows, total))
}

/// How the forecasts of one horizon have done in the back-test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BacktestRow {
    pub horizon: i16,
    pub forecasts: i64,
    pub mae: f64,
    /// Mean absolute error of the naive forecast, which expects no change.
    pub naive_mae: f64,
    /// Share of outcomes within the interval.
    pub coverage: f64,
}

/// A run's back-test, nearest horizon first.
pub async fn backtest(pool: &PgPool, run: RunId) -> Result<Vec<BacktestRow>, StorageError> {
    Ok(sqlx::query_as!(
        BacktestRow,
        "SELECT horizon, forecasts, mae, naive_mae, coverage FROM prediction_backtests WHERE run_id = $1 ORDER BY horizon",
        run.0,
    )
    .fetch_all(pool)
    .await?)
}
