//! Forecasts: better than the naive no-change forecast on series that move, honest on those that are too short.

use chrono::TimeDelta;
use domain::artifacts::Artifact;
use domain::jobs::{JobKind, JobStatus};
use domain::page::Page;
use domain::predictions::{HORIZON_DAYS, Horizon, INTERVAL_SHARE};
use sqlx::PgPool;
use storage::postgres::batch::predictions::{self, BacktestRow};
use test_support::fixture;

use crate::batch::head;
use crate::support::Stack;

/// Movies of sixty days that drift up or down, with a rhythm of the week and noise of ±2 %, the same each time.
async fn moving_movies(pool: &PgPool, movies: i32) {
    sqlx::query(
        "INSERT INTO movies (movie_id, title, genres, popularity, vote_average, vote_count, source)
         SELECT 1000 + n, 'Movie ' || n, ARRAY['Drama'], 100, 7, 100, 'demo' FROM generate_series(1, $1) n",
    )
    .bind(movies)
    .execute(pool)
    .await
    .unwrap();
    sqlx::query(
        "INSERT INTO movie_metrics_daily (movie_id, day, popularity, vote_average, vote_count)
         SELECT 1000 + n, $2::date - 59 + d,
                (100 + n) * (1 + 0.008 * d * (n % 5 - 2) / 2.0)
                    * CASE WHEN extract(isodow FROM $2::date - 59 + d) >= 5 THEN 1.1 ELSE 1 END
                    * (1 + 0.04 * ((abs(sin(n * 12.9898 + d * 78.233)) * 43758.5453)::numeric % 1 - 0.5)::float8),
                7, 100
         FROM generate_series(1, $1) n, generate_series(0, 59) d",
    )
    .bind(movies)
    .bind(fixture::today())
    .execute(pool)
    .await
    .unwrap();
}

async fn published_backtest(pool: &PgPool) -> Vec<BacktestRow> {
    predictions::backtest(pool, head(pool, Artifact::TrendPredictions).await.run_id).await.unwrap()
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn forecasts_of_moving_movies_beat_tomorrow_as_today_at_every_horizon(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    moving_movies(&stack.pool, 30).await;
    let worker = stack.worker().await;
    let job = stack.run(JobKind::Predictions).await;
    assert_eq!(job.status, JobStatus::Succeeded, "{job:?}");
    worker.stop().await;

    let backtest = published_backtest(&stack.pool).await;
    assert_eq!(backtest.len(), HORIZON_DAYS);
    for horizon in &backtest {
        assert!(horizon.mae <= horizon.naive_mae, "{horizon:?}");
        // Learnt from hundreds of forecasts; of the far horizons there are fewer here.
        let slack = if horizon.forecasts >= 200 { 0.02 } else { 0.15 };
        assert!((horizon.coverage - INTERVAL_SHARE).abs() <= slack, "{horizon:?}");
    }
    assert!(backtest[0].mae < 0.8 * backtest[0].naive_mae, "the week's rhythm alone is worth that: {:?}", backtest[0]);
    assert_eq!((backtest[0].forecasts, backtest[13].forecasts), (30 * 14, 30));

    let run = head(&stack.pool, Artifact::TrendPredictions).await.run_id;
    let movie = predictions::of_movie(&stack.pool, run, fixture::movie_id(1_004)).await.unwrap();
    assert_eq!(movie.iter().map(|day| day.horizon).collect::<Vec<_>>(), (1..=14).collect::<Vec<i16>>());
    assert!(movie.iter().all(|day| day.low <= day.popularity && day.popularity <= day.high), "{movie:?}");
    assert_eq!(movie[13].day, fixture::today() + TimeDelta::days(14));

    let (ranking, total) =
        predictions::page(&stack.pool, run, Horizon::default(), Some("Drama"), Page::default()).await.unwrap();
    assert_eq!((ranking.len(), total), (20, 30));
    assert_eq!(ranking.iter().map(|movie| movie.rank).collect::<Vec<_>>(), (1..=20).collect::<Vec<i32>>());
    assert!(ranking.windows(2).all(|pair| pair[0].trending_score >= pair[1].trending_score));
    let none = predictions::page(&stack.pool, run, Horizon::default(), Some("Western"), Page::default()).await.unwrap();
    assert_eq!(none.1, 0);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_week_of_history_is_forecast_as_it_stands(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    fixture::catalogue(&stack.pool).await;
    let worker = stack.worker().await;
    assert_eq!(stack.run(JobKind::Predictions).await.status, JobStatus::Succeeded);
    worker.stop().await;
    let head = head(&stack.pool, Artifact::TrendPredictions).await;
    assert_eq!((head.as_of, head.row_count), (fixture::today(), 8 * 14));
    let movie = predictions::of_movie(&stack.pool, head.run_id, fixture::movie_id(238)).await.unwrap();
    assert!(movie.iter().all(|day| (day.popularity - 90.0).abs() < 0.001 && day.rank == 1), "{movie:?}");
    // Standing still, or too short to tell: as good as the naive forecast, and not better.
    for horizon in published_backtest(&stack.pool).await {
        assert!((horizon.mae - horizon.naive_mae).abs() < 1e-9, "{horizon:?}");
    }
    assert_eq!(predictions::of_movie(&stack.pool, head.run_id, fixture::movie_id(999)).await.unwrap(), []);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_forecast_survives_the_death_of_its_worker(pool: PgPool) {
    let stack = Stack::new(&pool).await;
    moving_movies(&stack.pool, 400).await;
    let id = stack.enqueue(JobKind::Predictions).await;
    let worker = stack.process();
    stack
        .until_where(id, "tried its method", |job| job.phase.as_deref().is_some_and(|p| p.contains("back-testing")))
        .await;
    worker.kill();
    stack.expire_lease(id).await;
    let worker = stack.process();
    let job = stack.until(id, JobStatus::Succeeded).await;
    worker.kill();
    assert_eq!(job.crashes, 1);
    let runs: Vec<(String, i64)> =
        sqlx::query_as("SELECT status, row_count FROM artifact_runs ORDER BY 1").fetch_all(&stack.pool).await.unwrap();
    assert_eq!(runs, [("published".to_owned(), 400 * 14), ("staged".to_owned(), 0)], "the dead attempt stays unseen");
    assert_eq!(published_backtest(&stack.pool).await.len(), HORIZON_DAYS);
}
