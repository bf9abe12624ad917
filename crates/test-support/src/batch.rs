//! Published batch views for tests, computed from what is in the database: the jobs' steps without a worker.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use domain::actor_collaboration::{Pair, Together, pairs};
use domain::artifacts::Artifact;
use domain::genre_analytics::{GenreSums, month_of};
use domain::hours::Hour;
use domain::jobs::JobKind;
use domain::predictions::{Estimate, HORIZON_DAYS, Score, ranks};
use domain::sentiment::Tally;
use domain::{JobId, MovieId, RunId, ViewerId, trending};
use futures::TryStreamExt;
use sqlx::PgPool;
use storage::postgres::artifacts;
use storage::postgres::batch::genre_analytics::Month;
use storage::postgres::batch::predictions::Prediction;
use storage::postgres::batch::recommendations::ViewerList;
use storage::postgres::batch::{self, EventRun, Snapshot};
use storage::postgres::jobs::{self, NewJob};

use crate::fixture::{movies, today};

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

/// Publishes the runs over events (event statistics and sentiment) as jobs at `now` would.
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

    crate::live::score(pool).await;
    let sentiment = begin(Artifact::BatchSentimentHourly, job(pool).await).await.unwrap();
    let (mut tx, snapshot) = batch::snapshot(pool).await.unwrap();
    let reviews: Vec<_> = batch::sentiment::reviews(&mut tx, watermark).try_collect().await.unwrap();
    tx.commit().await.unwrap();
    let mut hours: BTreeMap<(MovieId, Hour), Tally> = BTreeMap::new();
    for review in reviews {
        hours.entry((review.movie_id, review.hour)).or_default().add(review.score);
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
    actor_collaboration(pool).await;
    predictions(pool).await;
    recommendations(pool).await;
}

/// Publishes a list of one viewer.
pub async fn recommendations(pool: &PgPool) -> RunId {
    let run = begin(pool, Artifact::BatchRecommendations).await;
    let viewer = sqlx::query_scalar(
        "INSERT INTO viewers (name) VALUES ('listed') ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING viewer_id",
    );
    let viewer = ViewerId::new(viewer.fetch_one(pool).await.unwrap()).unwrap();
    let mut tx = pool.begin().await.unwrap();
    batch::recommendations::open(&mut tx, run).await.unwrap();
    let lists = [ViewerList { viewer, movies: vec![(MovieId::new(550).unwrap(), 0.5)] }];
    batch::recommendations::stage(&mut *tx, run, &lists).await.unwrap();
    tx.commit().await.unwrap();
    publish(pool, Artifact::BatchRecommendations, run, 1).await
}

/// Publishes temporal_trends as of [`today`].
pub async fn trends(pool: &PgPool) -> RunId {
    let run = begin(pool, Artifact::TemporalTrends).await;
    let metrics = batch::trends::stage_metrics(pool, run, today()).await.unwrap();
    let sentiment = batch::trends::stage_sentiment(pool, run, today()).await.unwrap();
    publish(pool, Artifact::TemporalTrends, run, metrics + sentiment).await
}

/// Publishes genre_analytics.
pub async fn genre_analytics(pool: &PgPool) -> RunId {
    let run = begin(pool, Artifact::GenreAnalytics).await;
    let mut sums: BTreeMap<(String, i32, i32), GenreSums> = BTreeMap::new();
    let movies: Vec<_> = batch::genre_analytics::movies(pool).try_collect().await.unwrap();
    for movie in movies {
        let (year, month) = month_of(movie.release_date);
        movie.genres.into_iter().for_each(|genre| {
            sums.entry((genre, year, month)).or_default().add(&movie.facts, movie.sentiment);
        });
    }
    let months: Vec<_> =
        sums.into_iter().map(|((genre, year, month), sums)| Month { genre, year, month, sums }).collect();
    batch::genre_analytics::stage(pool, run, &months).await.unwrap();
    publish(pool, Artifact::GenreAnalytics, run, months.len() as u64).await
}

/// Publishes actor_collaboration.
pub async fn actor_collaboration(pool: &PgPool) -> RunId {
    let run = begin(pool, Artifact::ActorCollaboration).await;
    let mut found: BTreeMap<Pair, Together> = BTreeMap::new();
    let casts: Vec<_> = batch::actor_collaboration::casts(pool).try_collect().await.unwrap();
    for movie in casts {
        for pair in pairs(&movie.cast) {
            found.entry(pair).or_default().add(movie.vote_average, movie.vote_count);
        }
    }
    let found: Vec<_> = found.into_iter().collect();
    batch::actor_collaboration::add(pool, run, &found).await.unwrap();
    publish(pool, Artifact::ActorCollaboration, run, found.len() as u64).await
}

/// The movies of [`crate::fixture`], each growing by one a day, ±5; a back-test with half the error of the naive
/// no-change forecast and a coverage of 0.8.
pub async fn predictions(pool: &PgPool) -> RunId {
    let run = begin(pool, Artifact::TrendPredictions).await;
    let movies = movies();
    for ahead in 1..=HORIZON_DAYS as i16 {
        let value = |popularity| popularity + f64::from(ahead);
        let score =
            |movie: &domain::movies::Movie| trending::score(value(movie.popularity), 0.0, movie.vote_average, 0.0);
        let ranks = ranks(&movies.iter().map(|movie| (movie.id, score(movie))).collect::<Vec<_>>());
        let rows: Vec<Prediction> = movies
            .iter()
            .zip(ranks)
            .map(|(movie, rank)| Prediction {
                movie_id: movie.id,
                horizon: ahead,
                day: today() + TimeDelta::days(i64::from(ahead)),
                popularity: Estimate {
                    value: value(movie.popularity),
                    low: value(movie.popularity) - 5.0,
                    high: value(movie.popularity) + 5.0,
                },
                trending_score: score(movie),
                rank,
            })
            .collect();
        batch::predictions::stage(pool, run, &rows).await.unwrap();
    }
    let score = Score { forecasts: 100, error: 100.0, naive_error: 200.0, within: 80 };
    batch::predictions::stage_backtest(pool, run, &[score; HORIZON_DAYS]).await.unwrap();
    publish(pool, Artifact::TrendPredictions, run, (movies.len() * HORIZON_DAYS) as u64).await
}
