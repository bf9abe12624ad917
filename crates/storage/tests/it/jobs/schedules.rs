//! Which ticks of the schedule are settled.

use chrono::TimeDelta;
use sqlx::PgPool;
use storage::postgres::jobs::schedules;
use test_support::fixture;

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_line_is_settled_until_it_was_first_seen_and_then_until_its_newest_tick(pool: PgPool) {
    let first = fixture::now();
    for hours in 0..3 {
        let now = first + TimeDelta::hours(hours);
        assert_eq!(schedules::settled_until(&pool, "trending", now).await.unwrap(), first);
    }
    let later = first + TimeDelta::days(1);
    assert_eq!(schedules::settled_until(&pool, "genre-stats", later).await.unwrap(), later);
    let mut conn = pool.acquire().await.unwrap();
    assert!(!schedules::settle(&mut conn, "trending", first - TimeDelta::hours(1)).await.unwrap(), "not missed");
    assert!(schedules::settle(&mut conn, "trending", later).await.unwrap());
    assert!(!schedules::settle(&mut conn, "trending", later).await.unwrap(), "one scheduler enqueues it");
    assert_eq!(schedules::settled_until(&pool, "trending", later + TimeDelta::hours(1)).await.unwrap(), later);
}
