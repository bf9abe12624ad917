//! The speed layer against real PostgreSQL and Redis: what it counts, and what it survives.

mod faults;
mod late;
mod redis_restart;
mod scoring;
mod views;
mod waiting;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use domain::MovieId;
use domain::events::{Counts, Fact};
use domain::hours::Hour;
use domain::merge::{self, LayerSplit};
use domain::sentiment::{Lexicon, Tally};
use sqlx::PgPool;
use storage::event_log::EventLog;
use storage::postgres::layers::{self, MovieLayers};
use storage::postgres::speed::MicroBatch;
use test_support::live;

use crate::support::Stack;

/// What viewers did with each movie in all hours: what its page shows.
type Stats = BTreeMap<MovieId, Counts>;
type Sentiment = BTreeMap<(MovieId, Hour), Tally>;

/// What facts say, added up the plain way.
fn truth(facts: &[Fact]) -> (Stats, Sentiment) {
    let (mut stats, mut sentiment) = (Stats::new(), Sentiment::new());
    for fact in facts {
        match fact {
            Fact::Event(e) => stats.entry(e.movie_id).or_default().add(e),
            Fact::Review(r) => {
                let score = Lexicon::new().score(&r.content);
                sentiment.entry((r.movie_id, Hour::of(r.occurred_at))).or_default().add(score);
            }
        }
    }
    (stats, sentiment)
}

/// What the API reads of every movie of the small world, the way it reads it: both layers merged, once every review is
/// scored.
async fn merged(pool: &PgPool, now: DateTime<Utc>) -> (Stats, Sentiment) {
    live::score(pool).await;
    let (mut stats, mut sentiment) = (Stats::new(), Sentiment::new());
    let split = LayerSplit::new(now, false);
    let movies: Vec<MovieId> = test_support::fixture::movies().iter().map(|movie| movie.id).collect();
    let ids: Vec<i64> = movies.iter().map(|id| id.get()).collect();
    for page in layers::pages(pool, &ids, split).await.unwrap().into_iter().map(MovieLayers::merge) {
        if page.viewers.total() > 0 {
            stats.insert(test_support::fixture::movie_id(page.movie.movie_id), page.viewers);
        }
    }
    for movie in movies {
        let layers = layers::sentiment(pool, movie, Hour::of(DateTime::<Utc>::MIN_UTC)).await.unwrap();
        let boundary = split.boundary(layers.head.and_then(|head| head.watermark));
        for (hour, _, tally) in merge::merge(layers.batch, layers.speed.into_iter().map(|row| row.hour), boundary) {
            sentiment.insert((movie, hour), tally);
        }
    }
    (stats, sentiment)
}

/// Facts as one micro-batch.
fn batch_of(facts: &[Fact]) -> MicroBatch {
    let mut batch = MicroBatch::default();
    for fact in facts {
        match fact {
            Fact::Event(event) => batch.events.push(event.clone()),
            Fact::Review(review) => batch.reviews.push(review.clone()),
        }
    }
    batch
}

/// A stack with the small catalogue and a log; only the speed layer runs, and it takes over after a second.
async fn stack(pool: &PgPool) -> (Stack, Arc<dyn EventLog>) {
    let stack = Stack::new(pool).await.with("WORKER_ROLES", "speed").with("SPEED_CLAIM_SECONDS", "1");
    test_support::fixture::catalogue(&stack.pool).await;
    let log = live::log(&stack.prefix, 1_000_000);
    (stack, log)
}

async fn append(log: &Arc<dyn EventLog>, facts: &[Fact]) {
    for chunk in facts.chunks(1_000) {
        log.append(chunk).await.unwrap();
    }
}

/// Waits until nothing is left in the log; ends the test after a minute.
async fn drained(log: &Arc<dyn EventLog>) {
    let start = Instant::now();
    loop {
        let backlog = log.backlog().await.unwrap();
        if backlog.waiting == 0 {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "the log was never drained: {backlog:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn stored_events(pool: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT (SELECT count(*) FROM viewer_events) + (SELECT count(*) FROM viewer_reviews)")
        .fetch_one(pool)
        .await
        .unwrap()
}
