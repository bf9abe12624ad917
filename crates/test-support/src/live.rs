//! What viewers do, for tests: facts about movies of [`crate::fixture`], and the log they go through.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::clock;
use domain::events::{Event, EventType, Fact, ViewerReview};
use domain::sentiment::Lexicon;
use domain::viewers::ViewerName;
use domain::{EventId, ReviewId};
use secrecy::SecretString;
use sqlx::PgPool;
use storage::StorageError;
use storage::event_log::{self, EventLog, EventLogConfig, Fetch, LogEntry};
use storage::postgres::facts::scoring;
use storage::postgres::speed::{self, Applied, MicroBatch};

use crate::fixture::movie_id;

/// The event log of one test.
pub fn log(prefix: &str, capacity: usize) -> Arc<dyn EventLog> {
    log_at(crate::redis_url(), prefix, capacity)
}

/// An event log anywhere.
pub fn log_at(url: SecretString, prefix: &str, capacity: usize) -> Arc<dyn EventLog> {
    event_log::open(&EventLogConfig { url, prefix: prefix.to_owned(), capacity }).unwrap()
}

/// Everything that a log has, taken by a reader that dies at once.
pub async fn logged(log: &dyn EventLog) -> Vec<LogEntry> {
    let fetch = Fetch { max: 10_000, wait: Duration::from_millis(50), linger: Duration::ZERO };
    log.reader("test", Duration::from_secs(60)).unwrap().next(fetch).await.unwrap().entries
}

/// An event of viewer 7; a rating is 7.3.
pub fn event(movie: i64, event_type: EventType, occurred_at: DateTime<Utc>) -> Event {
    Event {
        event_id: EventId::new(),
        user_id: ViewerName::numbered(7),
        movie_id: movie_id(movie),
        event_type,
        rating: (event_type == EventType::Rating).then_some(7.3),
        list_id: None,
        occurred_at: clock::storable(occurred_at),
    }
}

/// A review without a viewer and a rating.
pub fn review(movie: i64, content: &str, occurred_at: DateTime<Utc>) -> ViewerReview {
    ViewerReview {
        review_id: ReviewId::new(),
        user_id: None,
        movie_id: movie_id(movie),
        content: content.to_owned(),
        rating: None,
        occurred_at: clock::storable(occurred_at),
    }
}

/// Applies a micro-batch and scores its reviews, as the speed layer does.
pub async fn apply(pool: &PgPool, batch: &MicroBatch) -> Result<Applied, StorageError> {
    let applied = speed::apply(pool, batch).await?;
    score(pool).await;
    Ok(applied)
}

/// Scores every review that waits, also those that another scorer holds: of two scorers, the second finds nothing to
/// write.
pub async fn score(pool: &PgPool) {
    let lexicon = Lexicon::new();
    loop {
        sqlx::query("UPDATE unscored_reviews SET claimed_until = NULL, attempts = 0 WHERE claimed_until IS NOT NULL")
            .execute(pool)
            .await
            .unwrap();
        let claimed = scoring::claim(pool, 1_000, Duration::from_secs(60)).await.unwrap();
        if claimed.is_empty() && scoring::waiting(pool).await.unwrap() == 0 {
            return;
        }
        let scored: Vec<_> = claimed.into_iter().map(|review| review.score(&lexicon)).collect();
        scoring::finish(pool, &scored).await.unwrap();
    }
}

/// Facts of every kind about all movies of the small world, spread over the hours before `now`.
pub fn facts(count: usize, hours: i64, now: DateTime<Utc>) -> Vec<Fact> {
    let movies: Vec<i64> = crate::fixture::movies().iter().map(|movie| movie.id.get()).collect();
    let texts = ["A wonderful film, I loved it.", "Terrible. I hated it.", "It runs for two hours."];
    (0..count)
        .map(|n| {
            // Strides without common factors, so that movies, types and hours meet in every combination.
            let at = now - TimeDelta::seconds((n as i64 * 7_919) % (hours * 3_600));
            let movie = movies[n % movies.len()];
            match n % 10 {
                9 => Fact::Review(review(movie, texts[n / 10 % texts.len()], at)),
                k => Fact::Event(event(movie, EventType::ALL[(n / 10 + k) % EventType::ALL.len()], at)),
            }
        })
        .collect()
}
