//! Computes trend_predictions: each active movie's popularity and trending rank on the next fourteen days.

mod backtest;
mod method;

use std::ops::Range;
use std::sync::Arc;

use chrono::{NaiveDate, TimeDelta, Utc};
use domain::artifacts::Artifact;
use domain::jobs;
use domain::predictions::{Estimate, HORIZON_DAYS, MOVIES_FORECAST, Score, daily, ranks};
use domain::trending::{Trend, score};
use domain::{MovieId, RunId};
use rayon::prelude::*;
use serde_json::Value;
use sqlx::PgPool;
use storage::postgres::batch::predictions::{self, Prediction};
use storage::postgres::batch::trending;

use self::backtest::{Backtest, backtest};
use self::method::Method;
use super::trending::each;
use super::{Run, publish};
use crate::{JobContext, JobError, Shared, Stop, Stopped};

/// Movies read and forecast per chunk: about a second of work each.
const CHUNK: usize = 1_000;

/// Movies per INSERT, fourteen rows each.
const STAGED: usize = 200;

impl Run for jobs::Predictions {
    async fn run(self, _: &Shared, context: &JobContext) -> Result<Value, JobError> {
        run(context, Utc::now().date_naive(), self.force).await
    }
}

async fn run(context: &JobContext, today: NaiveDate, force: bool) -> Result<Value, JobError> {
    let Some(as_of) = trending::newest_day(context.pool(), today).await? else {
        return Err(JobError::Permanent("there are no daily metrics to forecast from; run ingest first".into()));
    };
    publish::staged(context, Artifact::TrendPredictions, as_of, force, |run| async move {
        let movies = active(context.pool(), as_of).await?;
        let series = Arc::new(histories(context, &movies, as_of).await?);
        context.progress(0, None, "back-testing the method");
        let tried = series.clone();
        let (method, scores) = context
            .blocking(move |stop| {
                let Backtest { widen, scores } = backtest(&tried, as_of, stop)?;
                Ok((Method::learn(tried.iter().map(Vec::as_slice), as_of).widened(widen), scores))
            })
            .await?;
        let forecasts = forecast(context, method, series).await?;
        stage(context, run, as_of, &movies, &forecasts, &scores).await
    })
    .await
}

/// The movies that trending would rank, in id order; the [`MOVIES_FORECAST`] most popular if there are more.
async fn active(pool: &PgPool, as_of: NaiveDate) -> Result<Vec<Trend>, JobError> {
    fn keep(movies: &mut Vec<Trend>) {
        movies.sort_unstable_by(|a, b| b.popularity.total_cmp(&a.popularity).then(a.movie_id.cmp(&b.movie_id)));
        movies.truncate(MOVIES_FORECAST);
    }
    let mut movies: Vec<Trend> = Vec::new();
    each(pool, as_of, |movie| {
        movies.push(movie);
        if movies.len() >= 4 * MOVIES_FORECAST {
            keep(&mut movies);
        }
    })
    .await?;
    keep(&mut movies);
    movies.sort_unstable_by_key(|movie| movie.movie_id);
    Ok(movies)
}

/// Each movie's daily popularity; at most 24 MB.
async fn histories(context: &JobContext, movies: &[Trend], as_of: NaiveDate) -> Result<Vec<Vec<f64>>, JobError> {
    let mut series = Vec::with_capacity(movies.len());
    for chunk in movies.chunks(CHUNK) {
        let ids: Vec<MovieId> = chunk.iter().map(|movie| movie.movie_id).collect();
        let rows = predictions::history(context.pool(), &ids, as_of).await?;
        for movie in rows.chunk_by(|a, b| a.movie_id == b.movie_id) {
            let snapshots: Vec<_> = movie.iter().map(|row| (row.day, row.popularity)).collect();
            series.push(daily(&snapshots, as_of));
        }
        context.progress(series.len() as i64, Some(movies.len() as i64), "reading histories");
    }
    if series.len() != movies.len() {
        // Ingest removed a movie's metrics between two reads; the next attempt reads a consistent state.
        return Err(JobError::Transient("the daily metrics changed while they were read".into()));
    }
    Ok(series)
}

async fn forecast(
    context: &JobContext,
    method: Method,
    series: Arc<Vec<Vec<f64>>>,
) -> Result<Vec<[Estimate; HORIZON_DAYS]>, JobError> {
    let total = series.len();
    let mut forecasts = Vec::with_capacity(total);
    for start in (0..total).step_by(CHUNK) {
        let (series, movies): (_, Range<usize>) = (series.clone(), start..(start + CHUNK).min(total));
        let forecast = move |stop: &Stop| {
            let forecast = |values: &Vec<f64>| stop.check().map(|()| method.forecast(values));
            series[movies].par_iter().map(forecast).collect::<Result<Vec<_>, Stopped>>()
        };
        forecasts.extend(context.blocking(forecast).await?);
        context.progress(forecasts.len() as i64, Some(total as i64), "forecasting movies");
    }
    Ok(forecasts)
}

/// Ranks each day as trending does: with the forecast popularity, and with the present velocities of rating and votes.
async fn stage(
    context: &JobContext,
    run: RunId,
    as_of: NaiveDate,
    movies: &[Trend],
    forecasts: &[[Estimate; HORIZON_DAYS]],
    scores: &[Score; HORIZON_DAYS],
) -> Result<u64, JobError> {
    let trending_score = |movie: &Trend, popularity: Estimate| {
        score(popularity.value, movie.rating_velocity, movie.vote_average, movie.vote_velocity)
    };
    let places: Vec<Vec<i32>> = (0..HORIZON_DAYS)
        .map(|day| {
            let scored: Vec<(MovieId, f64)> = movies
                .iter()
                .zip(forecasts)
                .map(|(movie, ahead)| (movie.movie_id, trending_score(movie, ahead[day])))
                .collect();
            ranks(&scored)
        })
        .collect();
    let prediction = |movie: usize, day: usize| Prediction {
        movie_id: movies[movie].movie_id,
        horizon: day as i16 + 1,
        day: as_of + TimeDelta::days(day as i64 + 1),
        popularity: forecasts[movie][day],
        trending_score: trending_score(&movies[movie], forecasts[movie][day]),
        rank: places[day][movie],
    };
    for start in (0..movies.len()).step_by(STAGED) {
        let chunk = start..(start + STAGED).min(movies.len());
        let rows: Vec<Prediction> = chunk
            .flat_map(|movie| (0..HORIZON_DAYS).map(move |day| (movie, day)))
            .map(|(f, d)| prediction(f, d))
            .collect();
        let mut tx = context.begin().await?;
        predictions::stage(&mut *tx, run, &rows).await?;
        tx.commit().await?;
    }
    let mut tx = context.begin().await?;
    predictions::stage_backtest(&mut *tx, run, scores).await?;
    tx.commit().await?;
    Ok((movies.len() * HORIZON_DAYS) as u64)
}
