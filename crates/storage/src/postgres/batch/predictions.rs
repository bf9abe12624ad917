//! The artifact trend_predictions: forecasts of popularity and trending rank.

use chrono::NaiveDate;
use domain::page::Page;
use domain::predictions::{Estimate, HISTORY_DAYS, HORIZON_DAYS, Horizon, Score};
use domain::trending::RANKS_KEPT;
use domain::{MovieId, RunId};
use sqlx::{PgExecutor, PgPool};

use crate::StorageError;

/// One movie's popularity on one day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SnapshotRow {
    /// The movie.
    pub movie_id: i64,
    /// The day in UTC.
    pub day: NaiveDate,
    /// TMDB's popularity: no unit, no upper bound.
    pub popularity: f64,
}

/// The popularity history of some movies up to `as_of`, ordered by movie and day.
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

/// A run's forecast for one movie and one day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// The movie.
    pub movie_id: MovieId,
    /// 1 to 14 days ahead.
    pub horizon: i16,
    /// The day in UTC.
    pub day: NaiveDate,
    /// The forecast popularity and its interval.
    pub popularity: Estimate,
    /// The trending score with the forecast popularity.
    pub trending_score: f64,
    /// Rank among all forecast movies of that day, from 1.
    pub rank: i32,
}

/// Stages a chunk of predictions.
pub async fn stage(conn: impl PgExecutor<'_>, run: RunId, predictions: &[Prediction]) -> Result<(), StorageError> {
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
    .execute(conn)
    .await?;
    Ok(())
}

/// Stages the back-test of a run's method, one [`Score`] per horizon from 1; horizons without forecasts are left out.
pub async fn stage_backtest(
    conn: impl PgExecutor<'_>,
    run: RunId,
    backtest: &[Score; HORIZON_DAYS],
) -> Result<(), StorageError> {
    let mut horizons: Vec<i16> = Vec::new();
    let mut forecasts: Vec<i64> = Vec::new();
    let (mut mae, mut naive_mae, mut coverage): (Vec<f64>, Vec<f64>, Vec<f64>) = Default::default();
    for (score, horizon) in backtest.iter().zip(1_i16..) {
        let (Some(error), Some(naive), Some(within)) = (score.mae(), score.naive_mae(), score.coverage()) else {
            continue;
        };
        horizons.push(horizon);
        forecasts.push(score.forecasts);
        mae.push(error);
        naive_mae.push(naive);
        coverage.push(within);
    }
    sqlx::query!(
        "INSERT INTO prediction_backtests (run_id, horizon, forecasts, mae, naive_mae, coverage)
         SELECT $1, * FROM unnest($2::smallint[], $3::bigint[], $4::float8[], $5::float8[], $6::float8[])",
        run.0,
        &horizons,
        &forecasts,
        &mae,
        &naive_mae,
        &coverage,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// One day of a movie's forecast.
#[derive(Debug, Clone, PartialEq)]
pub struct MoviePredictionRow {
    /// Days ahead, 1 to 14.
    pub horizon: i16,
    /// The day in UTC.
    pub day: NaiveDate,
    /// Forecast popularity.
    pub popularity: f32,
    /// Lower end of the interval.
    pub low: f32,
    /// Upper end of the interval.
    pub high: f32,
    /// The trending score with the forecast popularity.
    pub trending_score: f32,
    /// Rank among all forecast movies of that day, from 1.
    pub rank: i32,
}

/// A movie's forecast, nearest day first; empty for a movie that was not active or was added after the run.
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
    /// Rank among all forecast movies of that day, from 1.
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
    /// The day in UTC.
    pub day: NaiveDate,
    /// Forecast popularity.
    pub popularity: f32,
    /// Lower end of the interval.
    pub low: f32,
    /// Upper end of the interval.
    pub high: f32,
    /// The trending score with the forecast popularity.
    pub trending_score: f32,
    /// The popularity as last observed.
    pub popularity_now: f64,
}

/// A page of the forecast ranking of a horizon, and the ranking's length, cut to the same depth as trending. With
/// `genre` only movies that have it, at their overall ranks. Tombstones made since the run are left out.
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

/// Accuracy of the forecasts of one horizon in the back-test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BacktestRow {
    /// Days ahead, 1 to 14.
    pub horizon: i16,
    /// Number of forecasts that were compared with outcomes.
    pub forecasts: i64,
    /// Mean absolute error of popularity.
    pub mae: f64,
    /// Mean absolute error of the naive no-change forecast, the baseline.
    pub naive_mae: f64,
    /// Share of outcomes within the interval, 0 to 1.
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
