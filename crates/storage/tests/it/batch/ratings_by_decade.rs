//! Ratings by decade of release.

use domain::RunId;
use domain::ratings_by_decade::DecadeStats;
use sqlx::PgPool;
use storage::postgres::batch::ratings_by_decade::{self, DecadeRow};

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn decades_come_oldest_first_and_one_without_votes_has_no_rating(pool: PgPool) {
    let mut nineties = DecadeStats::default();
    nineties.add(9.0, 300);
    nineties.add(5.0, 100);
    nineties.add(0.0, 0);
    let mut twenties = DecadeStats::default();
    twenties.add(0.0, 0);
    let run = RunId::new();
    ratings_by_decade::stage(&pool, run, &[(1990, nineties), (1920, twenties)]).await.unwrap();
    let expected = [
        DecadeRow {
            decade: 1920,
            movie_count: 1,
            rated_count: 0,
            vote_count: 0,
            avg_rating: None,
            weighted_rating: None,
        },
        DecadeRow {
            decade: 1990,
            movie_count: 3,
            rated_count: 2,
            vote_count: 400,
            avg_rating: Some(7.0),
            weighted_rating: Some(8.0),
        },
    ];
    assert_eq!(ratings_by_decade::all(&pool, run).await.unwrap(), expected);
    assert_eq!(ratings_by_decade::all(&pool, RunId::new()).await.unwrap(), []);
}
