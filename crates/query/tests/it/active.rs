use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::Utc;
use domain::events::EventType;
use query::trending::TrendingNow;
use query::{Question, active};
use sqlx::PgPool;
use storage::changes::{Change, ChangeFeed};
use storage::postgres::speed::MicroBatch;

use test_support::{eventually, fixture, live};

use crate::reader;

/// Longest that taking in a change may take; it takes some 0.1 s.
const LIMIT: Duration = Duration::from_secs(10);

async fn liked(pool: &PgPool, movie: i64) {
    let events = vec![live::event(movie, EventType::Like, Utc::now())];
    live::apply(pool, &MicroBatch { events, reviews: Vec::new() }).await.unwrap();
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn the_ranking_follows_the_feed_and_says_when_it_has_caught_up(pool: PgPool) {
    fixture::catalogue(&pool).await;
    liked(&pool, 550).await;
    let (reader, feed, times) = (reader(&pool).await, ChangeFeed::default(), Arc::new(AtomicUsize::new(0)));
    let counted = times.clone();
    let follow =
        tokio::spawn(active::follow(reader.active.clone(), reader.pool.clone(), feed.subscribe(), move || {
            counted.fetch_add(1, Ordering::SeqCst);
        }));
    let caught_up = async |n| {
        let reached = async || (times.load(Ordering::SeqCst) >= n).then_some(());
        eventually("the movies have caught up", LIMIT, reached).await;
    };
    let ranked = async || {
        let view = TrendingNow::default().read(&reader).await.unwrap();
        let mut ids: Vec<i64> = view.trending_movies.iter().map(|movie| movie.movie_id).collect();
        ids.sort_unstable();
        ids
    };

    feed.announce(Change::Everything);
    caught_up(1).await;
    assert_eq!(ranked().await, [550]);

    liked(&pool, 603).await;
    feed.announce(Change::Movies([603].into()));
    caught_up(2).await;
    assert_eq!(ranked().await, [550, 603]);

    drop(feed);
    follow.await.expect("it ends with the feed");
}
