//! The nightly ranking.

use domain::RunId;
use domain::movies::DailyMetrics;
use domain::trending::{self, Trend, WINDOW_DAYS};
use futures::TryStreamExt;
use sqlx::PgPool;
use storage::postgres::batch::trending as batch;
use storage::postgres::batch::trending::TrendingRow;
use test_support::fixture;

use crate::support::{days_ago, page, tombstone};

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn the_window_holds_the_last_days_of_every_shown_movie_in_order(pool: PgPool) {
    assert_eq!(batch::newest_day(&pool, fixture::today()).await.unwrap(), None);
    fixture::catalogue(&pool).await;
    tombstone(&pool, 603).await;
    assert_eq!(batch::newest_day(&pool, fixture::today()).await.unwrap(), Some(fixture::today()));
    assert_eq!(batch::newest_day(&pool, days_ago(3)).await.unwrap(), Some(days_ago(3)), "not after the day asked for");

    let window: Vec<DailyMetrics> = batch::window(&pool, days_ago(1)).try_collect().await.unwrap();
    let mut expected = fixture::metrics();
    let first = days_ago(1) - chrono::TimeDelta::days(WINDOW_DAYS - 1);
    expected.retain(|m| m.movie_id.get() != 603 && (first..=days_ago(1)).contains(&m.day));
    expected.sort_by_key(|m| (m.movie_id, m.day));
    assert_eq!(window.len(), 49);
    assert_eq!(window, expected);
}

fn trend(movie: i64, score: f64) -> Trend {
    Trend {
        movie_id: fixture::movie_id(movie),
        score,
        popularity_velocity: 0.1,
        rating_velocity: -0.2,
        vote_velocity: 0.3,
        popularity: 40.0,
        vote_average: 7.5,
        vote_count: 12,
    }
}

fn row(rank: i32, trend: Trend) -> TrendingRow {
    let movie = fixture::movies().into_iter().find(|movie| movie.id == trend.movie_id).unwrap();
    TrendingRow {
        rank,
        movie_id: movie.id.get(),
        title: movie.title,
        release_date: movie.release_date,
        genres: movie.genres,
        poster_path: movie.poster_path,
        trending_score: trend.score,
        popularity_velocity: trend.popularity_velocity,
        rating_velocity: trend.rating_velocity,
        vote_velocity: trend.vote_velocity,
        popularity: trend.popularity,
        vote_average: trend.vote_average,
        vote_count: trend.vote_count,
    }
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn places_keep_their_overall_rank_in_a_genre_and_leave_tombstones_out(pool: PgPool) {
    fixture::catalogue(&pool).await;
    let mut trends = vec![trend(238, 90.0), trend(603, 80.0), trend(550, 70.0), trend(240, 60.0)];
    trending::rank(&mut trends);
    let run = RunId::new();
    batch::stage(&pool, run, 1, &trends[..2]).await.unwrap();
    batch::stage(&pool, run, 3, &trends[2..]).await.unwrap();
    batch::stage(&pool, RunId::new(), 1, &[trend(129, 1.0)]).await.unwrap();
    tombstone(&pool, 550).await;
    let page_of = async |genre, limit, offset| batch::page(&pool, run, genre, page(limit, offset)).await.unwrap();
    let all = vec![row(1, trends[0]), row(2, trends[1]), row(4, trends[3])];
    assert_eq!(page_of(None, 20, 0).await, (all.clone(), 3));
    assert_eq!(page_of(None, 1, 1).await, (all[1..2].to_vec(), 3));
    assert_eq!(page_of(Some("Crime"), 20, 0).await, (vec![all[0].clone(), all[2].clone()], 2));
    assert_eq!(page_of(Some("Western"), 20, 0).await, (vec![], 0));
}
