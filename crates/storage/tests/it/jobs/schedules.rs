//! Which lines of the schedule have been seen.

use chrono::TimeDelta;
use sqlx::PgPool;
use storage::postgres::jobs::schedules;
use test_support::fixture;

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_line_keeps_the_moment_at_which_it_was_first_seen(pool: PgPool) {
    let first = fixture::now();
    for hours in 0..3 {
        let now = first + TimeDelta::hours(hours);
        assert_eq!(schedules::first_seen(&pool, "trending", now).await.unwrap(), first);
    }
    let later = first + TimeDelta::days(1);
    assert_eq!(schedules::first_seen(&pool, "genre-stats", later).await.unwrap(), later);
}
