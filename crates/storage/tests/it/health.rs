//! What the database says of itself.

use chrono::Utc;
use domain::artifacts::Artifact;
use sqlx::PgPool;
use storage::postgres::health;
use test_support::fixture;

use crate::support::{begin, publish};

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_database_that_answers_tells_its_version_and_the_pools_size(pool: PgPool) {
    let health = health::check(&pool).await.unwrap();
    let version: u32 = health.version.split('.').next().unwrap().parse().unwrap();
    assert!(version >= 15 && health.pool_size >= 1 && !health.latency.is_zero(), "{health:?}");
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn freshness_is_that_of_the_published_runs_alone(pool: PgPool) {
    let empty = health::batch(&pool).await.unwrap();
    assert_eq!((empty.last_update, empty.document_count, empty.newest_metrics), (None, 0, None));

    fixture::catalogue(&pool).await;
    let before = Utc::now();
    let run = begin(&pool, Artifact::RatingsByDecade).await;
    publish(&pool, Artifact::RatingsByDecade, run, 5).await;
    let run = begin(&pool, Artifact::GenreStatsDaily).await;
    publish(&pool, Artifact::GenreStatsDaily, run, 7).await;
    // Staged only: readers do not see it, so it is not counted.
    begin(&pool, Artifact::MovieTrendingDaily).await;
    sqlx::query("ANALYZE movies").execute(&pool).await.unwrap();
    let fresh = health::batch(&pool).await.unwrap();
    assert!(fresh.last_update.unwrap() >= before - chrono::TimeDelta::seconds(1));
    assert_eq!((fresh.document_count, fresh.newest_metrics, fresh.movie_count), (12, Some(fixture::today()), 8));
}

#[sqlx::test(migrations = false)]
async fn pending_migrations_are_counted_before_between_and_after(pool: PgPool) {
    let all = storage::MIGRATOR.iter().count();
    assert_eq!(health::migrations_pending(&pool).await.unwrap(), all, "an empty database");
    storage::MIGRATOR.run(&pool).await.unwrap();
    assert_eq!(health::migrations_pending(&pool).await.unwrap(), 0);
    sqlx::query("DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(health::migrations_pending(&pool).await.unwrap(), 1);
}
