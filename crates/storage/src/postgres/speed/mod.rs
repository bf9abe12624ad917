//! The speed layer's views: what happened to each movie in each hour, seconds after it happened (domain/merge.rs).

pub mod active;
mod observations;
mod refresh;
mod sentiment;
mod stats;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use domain::MovieId;
use domain::artifacts::Artifact;
use domain::events::{Counts, Event};
use domain::hours::Hour;
use domain::ingest::{Quarantined, Source};
use domain::merge::{self, SpeedHour};
use domain::sentiment::Tally;
use serde::Serialize;
use sqlx::{PgConnection, PgPool};

use super::batch::{hold_watermark, watermark};
use super::catalogue::{self, quarantine};
use super::changes;
use super::facts::events::{self, ScoredReview};
use crate::StorageError;

pub use observations::{follow_catalogue, latest, record};
pub use refresh::{refreshed, save_refreshed};
pub use sentiment::hours as sentiment_hours;

/// Most rows deleted in one statement: locks are held for milliseconds, and a week's backlog still goes in a minute.
const DROP_ROWS_MAX: i64 = 10_000;

/// Most recent rows of a view that are counted for health, which must be quick: fifty thousand movies that are touched in
/// every hour of two days have millions.
const RECENT_ROWS_MAX: i64 = 100_000;

/// A movie's hours, in the order in which every writer locks them.
type ByHour<T> = BTreeMap<(MovieId, Hour), T>;

/// One row of a view, and when it last changed.
#[derive(Debug, Clone, PartialEq)]
pub struct SpeedRow<T> {
    pub hour: SpeedHour<T>,
    pub updated_at: DateTime<Utc>,
}

/// Facts to apply in one transaction.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MicroBatch {
    pub events: Vec<Event>,
    pub reviews: Vec<ScoredReview>,
}

impl MicroBatch {
    /// Facts of both kinds.
    pub fn len(&self) -> usize {
        self.events.len() + self.reviews.len()
    }

    /// Whether there is no fact.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a micro-batch did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Applied {
    /// New facts, now in tables and views.
    pub events: u64,
    pub reviews: u64,
    /// Facts that were there already.
    pub duplicates: u64,
    /// Facts about movies that the catalogue does not know.
    pub quarantined: u64,
    /// Hours of movies that a published batch run covers, reopened and recomputed.
    pub reopened: u64,
}

/// Stores facts and moves the views by those that are new, in one transaction. The caller commits them to the
/// event log afterwards; if it dies before, they are delivered again and fall away here on their ids.
pub async fn apply(pool: &PgPool, batch: &MicroBatch) -> Result<Applied, StorageError> {
    let mut applied = Applied::default();
    let mut tx = pool.begin().await?;
    apply_events(&mut tx, &batch.events, &mut applied).await?;
    apply_reviews(&mut tx, &batch.reviews, &mut applied).await?;
    tx.commit().await?;
    Ok(applied)
}

async fn apply_events(conn: &mut PgConnection, events: &[Event], applied: &mut Applied) -> Result<(), StorageError> {
    if events.is_empty() {
        return Ok(());
    }
    let watermark = hold_watermark(conn, Artifact::BatchStatsHourly).await?;
    let mut known = known_movies(conn, "events", events.iter(), |e| e.movie_id, json, applied).await?;
    known.sort_by_key(|e| e.event_id);
    known.dedup_by_key(|e| e.event_id);
    let new = events::insert(conn, &known).await?;
    let mut hours: ByHour<Counts> = BTreeMap::new();
    for event in known.iter().filter(|e| new.contains(&e.event_id)) {
        hours.entry((event.movie_id, Hour::of(event.occurred_at))).or_default().add(event);
    }
    changes::touch(conn, movies(&hours)).await?;
    let (late, own) = split(hours, watermark);
    stats::add(conn, &own).await?;
    stats::reopen(conn, &late).await?;
    applied.events += new.len() as u64;
    applied.duplicates += (events.len() - new.len()) as u64 - applied.quarantined;
    applied.reopened += late.len() as u64;
    Ok(())
}

async fn apply_reviews(
    conn: &mut PgConnection,
    reviews: &[ScoredReview],
    applied: &mut Applied,
) -> Result<(), StorageError> {
    if reviews.is_empty() {
        return Ok(());
    }
    let watermark = hold_watermark(conn, Artifact::BatchSentimentHourly).await?;
    let quarantined = applied.quarantined;
    let mut known =
        known_movies(conn, "viewers' reviews", reviews.iter(), |r| r.review.movie_id, |r| json(&r.review), applied)
            .await?;
    known.sort_by_key(|r| r.review.review_id);
    known.dedup_by_key(|r| r.review.review_id);
    let new = events::insert_reviews(conn, &known).await?;
    let mut hours: ByHour<Tally> = BTreeMap::new();
    for scored in known.iter().filter(|r| new.contains(&r.review.review_id.0)) {
        hours.entry((scored.review.movie_id, Hour::of(scored.review.occurred_at))).or_default().add(scored.score);
    }
    changes::touch(conn, movies(&hours)).await?;
    let (late, own) = split(hours, watermark);
    sentiment::add(conn, &own).await?;
    sentiment::recompute(conn, &late, true).await?;
    applied.reviews += new.len() as u64;
    applied.duplicates += (reviews.len() - new.len()) as u64 - (applied.quarantined - quarantined);
    applied.reopened += late.len() as u64;
    Ok(())
}

/// A source wrote or changed reviews of these movies' hours: recomputes what the views say of them. In the transaction
/// that writes the reviews.
pub async fn reviews_changed(conn: &mut PgConnection, mut hours: Vec<(MovieId, Hour)>) -> Result<(), StorageError> {
    if hours.is_empty() {
        return Ok(());
    }
    hours.sort_unstable();
    hours.dedup();
    let hours: ByHour<()> = hours.into_iter().map(|key| (key, ())).collect();
    changes::touch(conn, movies(&hours)).await?;
    let watermark = hold_watermark(conn, Artifact::BatchSentimentHourly).await?;
    let (late, own) = split(hours, watermark);
    sentiment::recompute(conn, &own.into_keys().collect::<Vec<_>>(), false).await?;
    sentiment::recompute(conn, &late, true).await
}

/// The movies of these hours, each once.
fn movies<T>(hours: &ByHour<T>) -> BTreeSet<i64> {
    hours.keys().map(|(movie, _)| movie.get()).collect()
}

/// Splits hours into those that a published batch run covers and the speed layer's own. The former are recomputed: their
/// rows may have been dropped, and a delta alone would then stand for the whole hour.
fn split<T>(hours: ByHour<T>, watermark: Option<Hour>) -> (Vec<(MovieId, Hour)>, ByHour<T>) {
    let (late, own): (ByHour<T>, ByHour<T>) =
        hours.into_iter().partition(|((_, hour), _)| watermark.is_some_and(|watermark| *hour < watermark));
    (late.into_keys().collect(), own)
}

/// Puts facts about movies that the catalogue does not know into quarantine, one row a movie; answers the others.
async fn known_movies<'a, T: 'a>(
    conn: &mut PgConnection,
    what: &str,
    facts: impl Iterator<Item = &'a T>,
    movie: impl Fn(&T) -> MovieId,
    record: impl Fn(&T) -> String,
    applied: &mut Applied,
) -> Result<Vec<&'a T>, StorageError> {
    let facts: Vec<&T> = facts.collect();
    let mut ids: Vec<i64> = facts.iter().map(|fact| movie(fact).get()).collect();
    ids.sort_unstable();
    ids.dedup();
    let known = catalogue::known(conn, &ids).await?;
    let (facts, strangers): (Vec<&T>, Vec<&T>) = facts.into_iter().partition(|f| known.contains(&movie(f).get()));
    let bad: Vec<Quarantined> = strangers
        .iter()
        .map(|fact| {
            let location = format!("{what} of movie {}", movie(fact));
            Quarantined::new(location, Some("movie_id"), "unknown movie", &record(fact))
        })
        .collect();
    quarantine::add(conn, Source::Viewers, &bad).await?;
    applied.quarantined += bad.len() as u64;
    Ok(facts)
}

fn json(fact: &impl Serialize) -> String {
    serde_json::to_string(fact).unwrap_or_default()
}

/// Deletes the rows that a published batch run answers for now; answers their number.
pub async fn drop_covered(pool: &PgPool, now: DateTime<Utc>) -> Result<u64, StorageError> {
    // Everything before these hours is droppable unless reopened; see `merge::droppable`.
    let stats = merge::keep_from(now, watermark(pool, Artifact::BatchStatsHourly).await?);
    let reviews = merge::keep_from(now, watermark(pool, Artifact::BatchSentimentHourly).await?);
    let cutoff = merge::cutoff(now - merge::CLOCK_MARGIN);
    let mut dropped = 0;
    loop {
        let rows = [
            stats::drop_before(pool, stats, DROP_ROWS_MAX).await?,
            sentiment::drop_before(pool, reviews, DROP_ROWS_MAX).await?,
            observations::drop_before(pool, cutoff, DROP_ROWS_MAX).await?,
        ];
        dropped += rows.iter().sum::<u64>();
        if rows.iter().all(|rows| *rows < DROP_ROWS_MAX as u64) {
            return Ok(dropped);
        }
    }
}

/// The state of the speed layer's views, for health.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Freshness {
    /// The newest hour that has a row.
    pub newest_hour: Option<DateTime<Utc>>,
    /// Rows of all views, as the database's statistics have them.
    pub rows: i64,
    /// Rows of hours since the cutoff, of each view no more than [`RECENT_ROWS_MAX`].
    pub recent: i64,
}

/// Reads [`Freshness`]; hours from `cutoff` on are recent.
pub async fn freshness(pool: &PgPool, cutoff: Hour) -> Result<Freshness, StorageError> {
    Ok(sqlx::query_as!(
        Freshness,
        r#"SELECT greatest((SELECT max(hour) FROM speed_stats), (SELECT max(hour) FROM speed_sentiment)) AS newest_hour,
                  (SELECT greatest(sum(reltuples), 0)::bigint FROM pg_class
                   WHERE oid IN ('speed_stats'::regclass, 'speed_sentiment'::regclass)) AS "rows!",
                  (SELECT count(*) FROM (SELECT FROM speed_stats WHERE hour >= $1 LIMIT $2) AS counted)
                      + (SELECT count(*) FROM (SELECT FROM speed_sentiment WHERE hour >= $1 LIMIT $2) AS counted)
                      AS "recent!""#,
        cutoff.start(),
        RECENT_ROWS_MAX,
    )
    .fetch_one(pool)
    .await?)
}
