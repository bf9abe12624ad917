//! Forecasts of popularity and trending rank.

use domain::RunId;
use domain::predictions::{Estimate, HORIZON_DAYS, Horizon, Score};
use sqlx::PgPool;
use storage::postgres::batch::predictions::{
    self, BacktestRow, MoviePredictionRow, Prediction, RankedPredictionRow, SnapshotRow,
};
use test_support::fixture;

use crate::support::{days_ago, page, tombstone};

fn prediction(movie: i64, horizon: i16, rank: i32) -> Prediction {
    let value = f64::from(horizon) + movie as f64;
    Prediction {
        movie_id: fixture::movie_id(movie),
        horizon,
        day: days_ago(-i64::from(horizon)),
        popularity: Estimate { value, low: value - 2.0, high: value + 3.0 },
        trending_score: value / 2.0,
        rank,
    }
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn history_is_that_of_the_movies_asked_for_up_to_the_day(pool: PgPool) {
    fixture::catalogue(&pool).await;
    let movies = [fixture::movie_id(550), fixture::movie_id(129), fixture::movie_id(999)];
    let history = predictions::history(&pool, &movies, days_ago(5)).await.unwrap();
    let row = |movie_id, back, popularity| SnapshotRow { movie_id, day: days_ago(back), popularity };
    let expected = [
        row(129, 7, 30.0),
        row(129, 6, 30.0),
        row(129, 5, 30.0),
        row(550, 7, 42.0),
        row(550, 6, 46.0),
        row(550, 5, 50.0),
    ];
    assert_eq!(history, expected);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_movies_forecast_comes_nearest_day_first(pool: PgPool) {
    let run = RunId::new();
    let rows = [prediction(550, 2, 7), prediction(550, 1, 8), prediction(603, 1, 1)];
    predictions::stage(&pool, run, &rows).await.unwrap();
    predictions::stage(&pool, RunId::new(), &rows).await.unwrap();
    let row = |horizon: i16, rank| MoviePredictionRow {
        horizon,
        day: days_ago(-i64::from(horizon)),
        popularity: 550.0 + f32::from(horizon),
        low: 548.0 + f32::from(horizon),
        high: 553.0 + f32::from(horizon),
        trending_score: (550.0 + f32::from(horizon)) / 2.0,
        rank,
    };
    assert_eq!(predictions::of_movie(&pool, run, fixture::movie_id(550)).await.unwrap(), [row(1, 8), row(2, 7)]);
    assert_eq!(predictions::of_movie(&pool, run, fixture::movie_id(129)).await.unwrap(), []);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn the_ranking_of_a_day_keeps_overall_ranks_and_leaves_tombstones_out(pool: PgPool) {
    fixture::catalogue(&pool).await;
    tombstone(&pool, 550).await;
    let run = RunId::new();
    let rows = [
        prediction(238, 7, 1),
        prediction(550, 7, 2),
        prediction(240, 7, 3),
        prediction(603, 7, 4),
        // Deeper than trending's own list goes.
        prediction(129, 7, 10_001),
        prediction(603, 1, 1),
    ];
    predictions::stage(&pool, run, &rows).await.unwrap();
    let row = |n: usize| {
        let prediction = rows[n];
        let movie = fixture::movies().into_iter().find(|movie| movie.id == prediction.movie_id).unwrap();
        RankedPredictionRow {
            rank: prediction.rank,
            movie_id: movie.id.get(),
            title: movie.title,
            release_date: movie.release_date,
            genres: movie.genres,
            poster_path: movie.poster_path,
            day: prediction.day,
            popularity: prediction.popularity.value as f32,
            low: prediction.popularity.low as f32,
            high: prediction.popularity.high as f32,
            trending_score: prediction.trending_score as f32,
            popularity_now: movie.popularity,
        }
    };
    let page_of = async |genre, limit, offset| {
        predictions::page(&pool, run, Horizon::WEEK, genre, page(limit, offset)).await.unwrap()
    };
    assert_eq!(page_of(None, 20, 0).await, (vec![row(0), row(2), row(3)], 3));
    assert_eq!(page_of(None, 1, 2).await, (vec![row(3)], 3));
    assert_eq!(page_of(Some("Drama"), 20, 0).await, (vec![row(0), row(2)], 2));
    let tomorrow = Horizon::try_from("1".to_owned()).unwrap();
    let (rows, total) = predictions::page(&pool, run, tomorrow, None, page(20, 0)).await.unwrap();
    assert_eq!((rows.len(), total), (1, 1));
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_back_test_tells_the_horizons_that_were_tried(pool: PgPool) {
    let run = RunId::new();
    let mut scores = [Score::default(); HORIZON_DAYS];
    scores[0] = Score { forecasts: 10, error: 20.0, naive_error: 40.0, within: 8 };
    scores[6] = Score { forecasts: 4, error: 2.0, naive_error: 1.0, within: 4 };
    predictions::stage_backtest(&pool, run, &scores).await.unwrap();
    let expected = [
        BacktestRow { horizon: 1, forecasts: 10, mae: 2.0, naive_mae: 4.0, coverage: 0.8 },
        BacktestRow { horizon: 7, forecasts: 4, mae: 0.5, naive_mae: 0.25, coverage: 1.0 },
    ];
    assert_eq!(predictions::backtest(&pool, run).await.unwrap(), expected);
    assert_eq!(predictions::backtest(&pool, RunId::new()).await.unwrap(), []);
}
