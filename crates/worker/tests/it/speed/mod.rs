//! The speed layer against real PostgreSQL and Redis: what it counts, and what it survives.

mod faults;
mod late;
mod redis_restart;
mod views;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use domain::MovieId;
use domain::artifacts::Artifact;
use domain::events::{Counts, Fact};
use domain::hours::Hour;
use domain::merge::{self, SpeedHour};
use domain::sentiment::Tally;
use sqlx::PgPool;
use storage::event_log::EventLog;
use storage::postgres::batch;
use storage::postgres::speed::{self, MicroBatch};
use test_support::live;

use crate::support::TestWorld;

/// Counts by movie and hour.
type Stats = BTreeMap<(MovieId, Hour), Counts>;
type Sentiment = BTreeMap<(MovieId, Hour), Tally>;

/// What facts say, added up the plain way.
fn truth(facts: &[Fact]) -> (Stats, Sentiment) {
    let (mut stats, mut sentiment) = (Stats::new(), Sentiment::new());
    for fact in facts {
        match fact {
            Fact::Event(e) => stats.entry((e.movie_id, Hour::of(e.occurred_at))).or_default().add(e),
            Fact::Review(r) => {
                let score = live::scored(r.clone()).score;
                sentiment.entry((r.movie_id, Hour::of(r.occurred_at))).or_default().add(score);
            }
        }
    }
    (stats, sentiment)
}

/// What readers see, for every movie of the small world: both layers merged.
async fn merged(pool: &PgPool, now: DateTime<Utc>) -> (Stats, Sentiment) {
    let (mut stats, mut sentiment) = (Stats::new(), Sentiment::new());
    let all = Hour::of(DateTime::<Utc>::MIN_UTC);
    for movie in test_support::fixture::movies() {
        let rows = speed::stats_hours(pool, movie.id, all).await.unwrap();
        let watermark = batch::watermark(pool, Artifact::BatchStatsHourly).await.unwrap();
        let old = match storage::postgres::artifacts::head(pool, Artifact::BatchStatsHourly).await.unwrap() {
            Some(head) => batch::event_stats::hours(pool, head.run_id, movie.id, all).await.unwrap(),
            None => Vec::new(),
        };
        let speed: Vec<SpeedHour<Counts>> = rows.into_iter().map(|row| row.hour).collect();
        for (hour, _, counts) in merge::merge(old, speed, merge::LayerSplit::new(now, false).boundary(watermark)) {
            stats.insert((movie.id, hour), counts);
        }
        let rows = speed::sentiment_hours(pool, movie.id, all).await.unwrap();
        let watermark = batch::watermark(pool, Artifact::BatchSentimentHourly).await.unwrap();
        let old = match storage::postgres::artifacts::head(pool, Artifact::BatchSentimentHourly).await.unwrap() {
            Some(head) => batch::sentiment::hours(pool, head.run_id, movie.id, all).await.unwrap(),
            None => Vec::new(),
        };
        let speed: Vec<SpeedHour<Tally>> = rows.into_iter().map(|row| row.hour).collect();
        for (hour, _, tally) in merge::merge(old, speed, merge::LayerSplit::new(now, false).boundary(watermark)) {
            sentiment.insert((movie.id, hour), tally);
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
            Fact::Review(review) => batch.reviews.push(live::scored(review.clone())),
        }
    }
    batch
}

/// A world with the small catalogue and a log; only the speed layer runs, and it takes over after a second.
async fn world(pool: &PgPool) -> (TestWorld, Arc<dyn EventLog>) {
    let world = TestWorld::new(pool).await.with("WORKER_ROLES", "speed").with("SPEED_CLAIM_SECONDS", "1");
    test_support::fixture::catalogue(&world.pool).await;
    let log = live::log(&world.prefix, 1_000_000);
    (world, log)
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
