//! trend_predictions: each active film's popularity and trending rank on the next fourteen days.

mod backtest;
mod method;

use std::ops::Range;
use std::sync::Arc;

use chrono::{NaiveDate, TimeDelta};
use domain::artifacts::Artifact;
use domain::predictions::{Estimate, FILMS_FORECAST, HORIZON_DAYS, Score, daily, ranks};
use domain::trending::{Trend, score};
use domain::{MovieId, RunId};
use rayon::prelude::*;
use serde_json::Value;
use sqlx::PgPool;
use storage::postgres::batch::predictions::{self, Prediction};
use storage::postgres::trending;

use self::backtest::{Backtest, backtest};
use self::method::Method;
use super::publish;
use super::trending::each;
use crate::{JobContext, JobError};

/// Films read, and films forecast, at a time: a second's work each.
const CHUNK: usize = 1_000;

/// Films of one INSERT, fourteen rows each.
const STAGED: usize = 200;

pub(super) async fn run(pool: &PgPool, context: &JobContext, today: NaiveDate, force: bool) -> Result<Value, JobError> {
    let Some(as_of) = trending::newest_day(pool, today).await? else {
        return Err(JobError::Permanent("there are no daily metrics to forecast from; run ingest first".into()));
    };
    publish::staged(pool, context, Artifact::TrendPredictions, as_of, force, |run| async move {
        let films = active(pool, as_of).await?;
        let series = Arc::new(histories(pool, context, &films, as_of).await?);
        context.progress(0, None, "trying the method on the past");
        let tried = series.clone();
        let (method, scores) = blocking(move || {
            let Backtest { widen, scores } = backtest(&tried, as_of);
            (Method::learn(tried.iter().map(Vec::as_slice), as_of).widened(widen), scores)
        })
        .await?;
        let forecasts = forecast(context, method, series).await?;
        stage(pool, run, as_of, &films, &forecasts, &scores).await
    })
    .await
}

/// The films that trending would rank, by id: of more than [`FILMS_FORECAST`] the most popular.
async fn active(pool: &PgPool, as_of: NaiveDate) -> Result<Vec<Trend>, JobError> {
    fn keep(films: &mut Vec<Trend>) {
        films.sort_unstable_by(|a, b| b.popularity.total_cmp(&a.popularity).then(a.movie_id.cmp(&b.movie_id)));
        films.truncate(FILMS_FORECAST);
    }
    let mut films: Vec<Trend> = Vec::new();
    each(pool, as_of, |film| {
        films.push(film);
        if films.len() >= 4 * FILMS_FORECAST {
            keep(&mut films);
        }
    })
    .await?;
    keep(&mut films);
    films.sort_unstable_by_key(|film| film.movie_id);
    Ok(films)
}

/// Each film's daily popularity: 24 MB for the most films there may be.
async fn histories(
    pool: &PgPool,
    context: &JobContext,
    films: &[Trend],
    as_of: NaiveDate,
) -> Result<Vec<Vec<f64>>, JobError> {
    let mut series = Vec::with_capacity(films.len());
    for chunk in films.chunks(CHUNK) {
        let ids: Vec<MovieId> = chunk.iter().map(|film| film.movie_id).collect();
        let rows = predictions::history(pool, &ids, as_of).await?;
        for film in rows.chunk_by(|a, b| a.movie_id == b.movie_id) {
            let snapshots: Vec<_> = film.iter().map(|row| (row.day, row.popularity)).collect();
            series.push(daily(&snapshots, as_of));
        }
        context.progress(series.len() as i64, Some(films.len() as i64), "reading histories");
    }
    if series.len() != films.len() {
        // Ingest took a film's metrics away between two reads; the next attempt sees one state.
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
        let (series, films): (_, Range<usize>) = (series.clone(), start..(start + CHUNK).min(total));
        forecasts.extend(
            blocking(move || series[films].par_iter().map(|values| method.forecast(values)).collect::<Vec<_>>())
                .await?,
        );
        context.progress(forecasts.len() as i64, Some(total as i64), "forecasting films");
    }
    Ok(forecasts)
}

/// Ranks each day as trending would: with the forecast popularity, and with rating and votes moving as they do now.
async fn stage(
    pool: &PgPool,
    run: RunId,
    as_of: NaiveDate,
    films: &[Trend],
    forecasts: &[[Estimate; HORIZON_DAYS]],
    scores: &[Score; HORIZON_DAYS],
) -> Result<u64, JobError> {
    let trending_score = |film: &Trend, popularity: Estimate| {
        score(popularity.value, film.rating_velocity, film.vote_average, film.vote_velocity)
    };
    let places: Vec<Vec<i32>> = (0..HORIZON_DAYS)
        .map(|day| {
            let scored: Vec<(MovieId, f64)> = films
                .iter()
                .zip(forecasts)
                .map(|(film, ahead)| (film.movie_id, trending_score(film, ahead[day])))
                .collect();
            ranks(&scored)
        })
        .collect();
    let prediction = |film: usize, day: usize| Prediction {
        movie_id: films[film].movie_id,
        horizon: day as i16 + 1,
        day: as_of + TimeDelta::days(day as i64 + 1),
        popularity: forecasts[film][day],
        trending_score: trending_score(&films[film], forecasts[film][day]),
        rank: places[day][film],
    };
    for start in (0..films.len()).step_by(STAGED) {
        let chunk = start..(start + STAGED).min(films.len());
        let rows: Vec<Prediction> = chunk
            .flat_map(|film| (0..HORIZON_DAYS).map(move |day| (film, day)))
            .map(|(f, d)| prediction(f, d))
            .collect();
        predictions::stage(pool, run, &rows).await?;
    }
    predictions::stage_backtest(pool, run, scores).await?;
    Ok((films.len() * HORIZON_DAYS) as u64)
}

/// Off the async threads: heartbeats go on while all cores compute.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, JobError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| JobError::Permanent(format!("forecasting: {error}")))
}
