//! Published batch views for tests, over whatever is in the database: the jobs' steps without a worker.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use domain::artifacts::Artifact;
use domain::collaboration::{Pair, Together, pairs};
use domain::genre_analytics::{GenreSums, month_of};
use domain::hours::Hour;
use domain::jobs::JobKind;
use domain::predictions::{Estimate, HORIZON_DAYS, Score, ranks};
use domain::sentiment::{Lexicon, Tally};
use domain::{JobId, MovieId, RunId, trending};
use futures::TryStreamExt;
use sqlx::PgPool;
use storage::postgres::artifacts;
use storage::postgres::batch::genre_analytics::Month;
use storage::postgres::batch::predictions::Prediction;
use storage::postgres::batch::sentiment::Said;
use storage::postgres::batch::{self, EventRun, Snapshot};
use storage::postgres::jobs::{self, NewJob};

use crate::world::{films, today};

async fn job(pool: &PgPool) -> JobId {
    let mut conn = pool.acquire().await.unwrap();
    let (job, _) = jobs::enqueue(&mut conn, NewJob::of(JobKind::ComputeAll, "test")).await.unwrap();
    // Its runs are made here; no worker is to take it up.
    sqlx::query("DELETE FROM jobs WHERE job_id = $1").bind(job.id.0).execute(pool).await.unwrap();
    job.id
}

async fn begin(pool: &PgPool, artifact: Artifact) -> RunId {
    artifacts::begin(pool, artifact, job(pool).await, today()).await.unwrap()
}

async fn publish(pool: &PgPool, artifact: Artifact, run: RunId, rows: u64) -> RunId {
    artifacts::publish(pool, artifact, run, rows, true).await.unwrap();
    run
}

/// Publishes the runs over events as they would have been made at `now`: what viewers did and what reviews say. One
/// that has no rows is held back, as ever.
pub async fn events(pool: &PgPool, now: DateTime<Utc>) {
    let watermark = Hour::of(now);
    let run = async |artifact, rows: u64, run_id, snapshot: Snapshot| {
        let run = EventRun { run_id, watermark, snapshot };
        batch::publish(pool, artifact, &run, rows, true).await.unwrap();
    };
    let begin = |artifact, job| artifacts::begin(pool, artifact, job, EventRun::as_of(watermark));

    let stats = begin(Artifact::BatchStatsHourly, job(pool).await).await.unwrap();
    let (mut tx, snapshot) = batch::snapshot(pool).await.unwrap();
    let rows = batch::event_stats::stage(&mut tx, stats, watermark).await.unwrap();
    tx.commit().await.unwrap();
    run(Artifact::BatchStatsHourly, rows, stats, snapshot).await;

    let sentiment = begin(Artifact::BatchSentimentHourly, job(pool).await).await.unwrap();
    let (mut tx, snapshot) = batch::snapshot(pool).await.unwrap();
    let opinions: Vec<_> = batch::sentiment::opinions(&mut tx, watermark).try_collect().await.unwrap();
    tx.commit().await.unwrap();
    let mut hours: BTreeMap<(MovieId, Hour), Tally> = BTreeMap::new();
    for opinion in opinions {
        hours.entry((opinion.movie_id, opinion.hour)).or_default().add(match opinion.said {
            Said::Scored(score) => score,
            Said::Written(text) => Lexicon::new().score(&text),
        });
    }
    let hours: Vec<_> = hours.into_iter().map(|((movie, hour), tally)| (movie, hour, tally)).collect();
    batch::sentiment::stage(pool, sentiment, &hours).await.unwrap();
    run(Artifact::BatchSentimentHourly, hours.len() as u64, sentiment, snapshot).await;
}

/// Publishes the batch views of the catalogue: trends, genre analytics, collaboration, predictions. After [`events`],
/// if sentiment is to be in them.
pub async fn views(pool: &PgPool) {
    trends(pool).await;
    genre_analytics(pool).await;
    collaboration(pool).await;
    predictions(pool).await;
}

pub async fn trends(pool: &PgPool) -> RunId {
    let run = begin(pool, Artifact::TemporalTrends).await;
    let metrics = batch::trends::stage_metrics(pool, run, today()).await.unwrap();
    let sentiment = batch::trends::stage_sentiment(pool, run, today()).await.unwrap();
    publish(pool, Artifact::TemporalTrends, run, metrics + sentiment).await
}

pub async fn genre_analytics(pool: &PgPool) -> RunId {
    let run = begin(pool, Artifact::GenreAnalytics).await;
    let mut sums: BTreeMap<(String, i32, i32), GenreSums> = BTreeMap::new();
    let films: Vec<_> = batch::genre_analytics::films(pool).try_collect().await.unwrap();
    for film in films {
        let (year, month) = month_of(film.release_date);
        film.genres.into_iter().for_each(|genre| {
            sums.entry((genre, year, month)).or_default().add(&film.facts, film.sentiment);
        });
    }
    let months: Vec<_> =
        sums.into_iter().map(|((genre, year, month), sums)| Month { genre, year, month, sums }).collect();
    batch::genre_analytics::stage(pool, run, &months).await.unwrap();
    publish(pool, Artifact::GenreAnalytics, run, months.len() as u64).await
}

pub async fn collaboration(pool: &PgPool) -> RunId {
    let run = begin(pool, Artifact::ActorCollaboration).await;
    let mut found: BTreeMap<Pair, Together> = BTreeMap::new();
    let casts: Vec<_> = batch::collaboration::casts(pool).try_collect().await.unwrap();
    for film in casts {
        for pair in pairs(&film.cast) {
            found.entry(pair).or_default().add(film.vote_average, film.vote_count);
        }
    }
    let found: Vec<_> = found.into_iter().collect();
    batch::collaboration::add(pool, run, &found).await.unwrap();
    publish(pool, Artifact::ActorCollaboration, run, found.len() as u64).await
}

/// The films of [`crate::world`], each growing by one a day, ±5; a back-test whose forecasts were twice as good as "then
/// as today", and in which four intervals of five held.
pub async fn predictions(pool: &PgPool) -> RunId {
    let run = begin(pool, Artifact::TrendPredictions).await;
    let films = films();
    for ahead in 1..=HORIZON_DAYS as i16 {
        let value = |popularity| popularity + f64::from(ahead);
        let score = |film: &domain::movies::Movie| trending::score(value(film.popularity), 0.0, film.vote_average, 0.0);
        let ranks = ranks(&films.iter().map(|film| (film.id, score(film))).collect::<Vec<_>>());
        let rows: Vec<Prediction> = films
            .iter()
            .zip(ranks)
            .map(|(film, rank)| Prediction {
                movie_id: film.id,
                horizon: ahead,
                day: today() + TimeDelta::days(i64::from(ahead)),
                popularity: Estimate {
                    value: value(film.popularity),
                    low: value(film.popularity) - 5.0,
                    high: value(film.popularity) + 5.0,
                },
                trending_score: score(film),
                rank,
            })
            .collect();
        batch::predictions::stage(pool, run, &rows).await.unwrap();
    }
    let score = Score { forecasts: 100, error: 100.0, naive_error: 200.0, within: 80 };
    batch::predictions::stage_backtest(pool, run, &[score; HORIZON_DAYS]).await.unwrap();
    publish(pool, Artifact::TrendPredictions, run, (films.len() * HORIZON_DAYS) as u64).await
}
