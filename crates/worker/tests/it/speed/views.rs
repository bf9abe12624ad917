//! What the views say.

use chrono::{DateTime, TimeDelta, Utc};
use domain::events::{EventType, Fact, Observation};
use domain::hours::Hour;
use sqlx::PgPool;
use storage::postgres::speed;
use test_support::fixture::movie_id;
use test_support::live;

use super::{append, batch_of, drained, merged, stack, stored_events, truth};

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn what_viewers_do_is_in_the_views_a_moment_later(pool: PgPool) {
    let (stack, log) = stack(&pool).await;
    let worker = stack.worker().await;
    let now = Utc::now();
    let facts = live::facts(2_500, 60, now);
    append(&log, &facts).await;
    drained(&log).await;
    assert_eq!(merged(&stack.pool, now).await, truth(&facts));
    worker.stop().await;
    assert_eq!(stored_events(&stack.pool).await, 2_500);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn an_event_on_the_hours_edge_belongs_to_the_hour_that_begins(pool: PgPool) {
    let (stack, _) = stack(&pool).await;
    let edge = Hour::of(Utc::now()).start();
    let view = |at| Fact::Event(live::event(550, EventType::View, at));
    let facts = [view(edge - TimeDelta::microseconds(1)), view(edge), view(edge + TimeDelta::microseconds(1))];
    speed::apply(&stack.pool, &batch_of(&facts)).await.unwrap();
    let views: Vec<(DateTime<Utc>, i64)> =
        sqlx::query_as("SELECT hour, counts[1] FROM speed_stats WHERE movie_id = 550 ORDER BY hour")
            .fetch_all(&stack.pool)
            .await
            .unwrap();
    assert_eq!(views, [(edge - TimeDelta::hours(1), 1), (edge, 2)]);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn an_event_in_a_leap_second_is_in_one_hour_for_both_layers(pool: PgPool) {
    let (stack, _) = stack(&pool).await;
    let leap: DateTime<Utc> = "2026-03-10T23:59:60.25Z".parse().unwrap();
    let facts = [Fact::Event(live::event(550, EventType::View, leap))];
    speed::apply(&stack.pool, &batch_of(&facts)).await.unwrap();
    let agree: Vec<bool> = sqlx::query_scalar(
        "SELECT hour = date_trunc('hour', occurred_at) FROM speed_stats JOIN viewer_events USING (movie_id)",
    )
    .fetch_all(&stack.pool)
    .await
    .unwrap();
    assert_eq!(agree, [true]);
    test_support::batch::events(&stack.pool, Utc::now()).await;
    assert_eq!(merged(&stack.pool, Utc::now()).await, truth(&facts));
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn an_observation_from_the_future_does_not_win_for_ever(pool: PgPool) {
    let (stack, _) = stack(&pool).await;
    let seen = |at, popularity| Observation {
        movie_id: movie_id(550),
        observed_at: at,
        popularity,
        vote_average: 8.0,
        vote_count: 100,
    };
    let mut conn = stack.pool.acquire().await.unwrap();
    let mut latest = async |o| {
        speed::record(&mut conn, &[o]).await.unwrap();
        let latest = speed::latest(&stack.pool, &[movie_id(550)]).await.unwrap();
        assert!(latest[0].observed_at <= Utc::now());
        latest[0].popularity
    };
    assert_eq!(latest(seen(Utc::now() + TimeDelta::days(365), 1.0)).await, 1.0);
    assert_eq!(latest(seen(Utc::now(), 2.0)).await, 2.0);
    // Nor does one that is stored already.
    sqlx::query("UPDATE speed_latest SET observed_at = now() + interval '1 year'").execute(&stack.pool).await.unwrap();
    assert_eq!(latest(seen(Utc::now(), 3.0)).await, 3.0);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn an_unknown_movies_facts_wait_and_hold_nothing_up(pool: PgPool) {
    let (stack, _) = stack(&pool).await;
    let now = Utc::now();
    let mut facts = live::facts(10, 1, now);
    facts.push(Fact::Event(live::event(999_999, EventType::View, now)));
    facts.push(Fact::Event(live::event(999_999, EventType::Like, now)));
    facts.push(Fact::Review(live::review(999_999, "What movie?", now)));
    let applied = speed::apply(&stack.pool, &batch_of(&facts)).await.unwrap();
    assert_eq!((applied.events + applied.reviews, applied.waiting, applied.duplicates), (10, 3, 0));
    let kinds: Vec<(String, i64)> =
        sqlx::query_as("SELECT kind, count(*) FROM waiting_facts WHERE movie_id = 999999 GROUP BY 1 ORDER BY 1")
            .fetch_all(&stack.pool)
            .await
            .unwrap();
    assert_eq!(kinds, [("event".to_owned(), 2), ("review".to_owned(), 1)]);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn the_newest_observation_wins_whatever_order_they_come_in(pool: PgPool) {
    let (stack, _) = stack(&pool).await;
    // Of the hour before, since nothing is observed in the future.
    let at = |minutes| Hour::of(Utc::now()).plus(-1).start() + TimeDelta::minutes(minutes);
    let seen = |minutes, popularity| Observation {
        movie_id: movie_id(550),
        observed_at: at(minutes),
        popularity,
        vote_average: 8.0,
        vote_count: 100,
    };
    let mut conn = stack.pool.acquire().await.unwrap();
    speed::record(&mut conn, &[seen(-70, 1.0), seen(20, 3.0), seen(10, 2.0)]).await.unwrap();
    speed::record(&mut conn, &[seen(15, 2.5), Observation { movie_id: movie_id(999_999), ..seen(30, 9.0) }])
        .await
        .unwrap();
    let latest = speed::latest(&stack.pool, &[movie_id(550), movie_id(999_999)]).await.unwrap();
    assert_eq!(latest.iter().map(|o| o.popularity).collect::<Vec<_>>(), [3.0]);
    let hourly: Vec<f64> = sqlx::query_scalar("SELECT popularity FROM speed_observations ORDER BY hour")
        .fetch_all(&stack.pool)
        .await
        .unwrap();
    assert_eq!(hourly, [1.0, 3.0]);
}
