//! The views of the speed layer: counts of each movie and hour, updated seconds after the event (domain/merge.rs).

pub mod active;
pub mod loading;
mod observations;
mod refresh;
mod sentiment;
mod stats;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use domain::artifacts::Artifact;
use domain::events::{Counts, Event, Fact, ViewerReview};
use domain::hours::Hour;
use domain::merge::{self, SpeedHour};
use domain::sentiment::Tally;
use domain::viewers::ViewerName;
use domain::{MovieId, ViewerId};
use sqlx::{PgConnection, PgPool};

use super::batch::{hold_watermark, watermark};
use super::catalogue;
use super::changes;
use super::facts::{events, waiting};
use super::viewers;
use crate::StorageError;

pub use observations::{follow_catalogue, latest, record};
pub use refresh::{refreshed, save_refreshed};
pub use sentiment::hours as sentiment_hours;

/// Most rows deleted in one statement: locks are held for milliseconds, and a week's backlog is still deleted within a
/// minute.
const DROP_ROWS_MAX: i64 = 10_000;

/// Most recent rows of a view that the health endpoint counts, which must be quick: fifty thousand movies that are
/// touched in every hour of two days have millions of rows.
const RECENT_ROWS_MAX: i64 = 100_000;

/// Values by movie and hour, in the order in which every writer locks the rows.
pub(super) type ByHour<T> = BTreeMap<(MovieId, Hour), T>;

/// One row of a view, and the time of its last change.
#[derive(Debug, Clone, PartialEq)]
pub struct SpeedRow<T> {
    pub hour: SpeedHour<T>,
    pub updated_at: DateTime<Utc>,
}

/// A micro-batch: facts that are applied in one transaction.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MicroBatch {
    pub events: Vec<Event>,
    pub reviews: Vec<ViewerReview>,
}

impl MicroBatch {
    /// Number of facts of both kinds.
    pub fn len(&self) -> usize {
        self.events.len() + self.reviews.len()
    }

    /// The viewers of the facts, with duplicates.
    fn viewers(&self) -> Vec<&ViewerName> {
        let reviewers = self.reviews.iter().filter_map(|review| review.user_id.as_ref());
        self.events.iter().map(|event| &event.user_id).chain(reviewers).collect()
    }

    /// Whether there are no facts.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Counts of an applied micro-batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Applied {
    /// New events, now stored and counted in the views.
    pub events: u64,
    /// New reviews, now stored and queued for scoring; the views count them once they are scored.
    pub reviews: u64,
    /// Facts that were already stored.
    pub duplicates: u64,
    /// New facts about movies that the catalogue does not know, now stored in the waiting room.
    pub waiting: u64,
    /// Hours of movies that a published batch run covers and that late facts reopened.
    pub reopened: u64,
}

/// Stores facts and updates the views by the new ones, in one transaction. The caller commits the delivery to the event
/// log afterwards; if it dies before that, the facts are delivered again and are dropped here as duplicates by id.
pub async fn apply(pool: &PgPool, batch: &MicroBatch) -> Result<Applied, StorageError> {
    let mut applied = Applied::default();
    let mut tx = pool.begin().await?;
    // First, so that all micro-batches lock new viewers before anything else.
    let viewers = viewers::resolve(&mut tx, &batch.viewers()).await?;
    let mut stale = BTreeSet::new();
    apply_events(&mut tx, &batch.events, &viewers, &mut stale, &mut applied).await?;
    apply_reviews(&mut tx, &batch.reviews, &viewers, &mut stale, &mut applied).await?;
    viewers::mark_stale(&mut tx, &stale).await?;
    tx.commit().await?;
    Ok(applied)
}

/// `stale` gets the viewers whose preferences the new facts change.
async fn apply_events(
    conn: &mut PgConnection,
    events: &[Event],
    viewers: &HashMap<ViewerName, ViewerId>,
    stale: &mut BTreeSet<ViewerId>,
    applied: &mut Applied,
) -> Result<(), StorageError> {
    if events.is_empty() {
        return Ok(());
    }
    let watermark = hold_watermark(conn, Artifact::BatchStatsHourly).await?;
    let waiting = applied.waiting;
    let mut known = known_movies(conn, events.iter(), |e| e.movie_id, |e| Fact::Event(e.clone()), applied).await?;
    known.sort_by_key(|e| e.event_id);
    known.dedup_by_key(|e| e.event_id);
    let new = events::insert(conn, &known, viewers).await?;
    let mut hours: ByHour<Counts> = BTreeMap::new();
    for event in known.iter().filter(|e| new.contains(&e.event_id)) {
        hours.entry((event.movie_id, Hour::of(event.occurred_at))).or_default().add(event);
        if event.event_type.tells_taste() {
            stale.extend(viewers.get(&event.user_id));
        }
    }
    changes::touch(conn, movies(&hours)).await?;
    let late = covered(&hours, watermark);
    stats::reopen(conn, &late).await?;
    stats::add(conn, &hours).await?;
    applied.events += new.len() as u64;
    applied.duplicates += (events.len() - new.len()) as u64 - (applied.waiting - waiting);
    applied.reopened += late.len() as u64;
    Ok(())
}

async fn apply_reviews(
    conn: &mut PgConnection,
    reviews: &[ViewerReview],
    viewers: &HashMap<ViewerName, ViewerId>,
    stale: &mut BTreeSet<ViewerId>,
    applied: &mut Applied,
) -> Result<(), StorageError> {
    if reviews.is_empty() {
        return Ok(());
    }
    let waiting = applied.waiting;
    let mut known = known_movies(conn, reviews.iter(), |r| r.movie_id, |r| Fact::Review(r.clone()), applied).await?;
    known.sort_by_key(|r| r.review_id);
    known.dedup_by_key(|r| r.review_id);
    let new = events::insert_reviews(conn, &known, viewers).await?;
    let new_ones = known.iter().filter(|review| new.contains(&review.review_id.0));
    stale.extend(new_ones.filter_map(|review| viewers.get(review.user_id.as_ref()?)));
    applied.reviews += new.len() as u64;
    applied.duplicates += (reviews.len() - new.len()) as u64 - (applied.waiting - waiting);
    Ok(())
}

/// Folds scores into the view of sentiment. Call it in the transaction that writes the scores, with the watermark that
/// the transaction holds.
pub(super) async fn reviews_scored(
    conn: &mut PgConnection,
    hours: ByHour<Tally>,
    watermark: Option<Hour>,
) -> Result<(), StorageError> {
    changes::touch(conn, movies(&hours)).await?;
    let (late, mut own): (ByHour<Tally>, ByHour<Tally>) =
        hours.into_iter().partition(|((_, hour), _)| watermark.is_some_and(|watermark| *hour < watermark));
    let recomputed = sentiment::reopen(conn, &late).await?;
    own.extend(late.into_iter().filter(|(hour, _)| !recomputed.contains(hour)));
    sentiment::add(conn, &own).await
}

/// The movies of these hours, without duplicates.
fn movies<T>(hours: &ByHour<T>) -> BTreeSet<i64> {
    hours.keys().map(|(movie, _)| movie.get()).collect()
}

/// The hours that a published batch run covers.
fn covered<T>(hours: &ByHour<T>, watermark: Option<Hour>) -> Vec<(MovieId, Hour)> {
    hours.keys().filter(|(_, hour)| watermark.is_some_and(|watermark| *hour < watermark)).copied().collect()
}

/// Stores facts about movies that the catalogue does not know in the waiting room; returns the other facts. A tombstone
/// is known: its history goes on, and is shown again when the movie comes back.
async fn known_movies<'a, T: 'a>(
    conn: &mut PgConnection,
    facts: impl Iterator<Item = &'a T>,
    movie: impl Fn(&T) -> MovieId,
    fact: impl Fn(&T) -> Fact,
    applied: &mut Applied,
) -> Result<Vec<&'a T>, StorageError> {
    let facts: Vec<&T> = facts.collect();
    let mut ids: Vec<i64> = facts.iter().map(|fact| movie(fact).get()).collect();
    ids.sort_unstable();
    ids.dedup();
    let known = catalogue::known(conn, &ids).await?;
    let (facts, strangers): (Vec<&T>, Vec<&T>) = facts.into_iter().partition(|f| known.contains(&movie(f).get()));
    applied.waiting += waiting::add(conn, strangers.into_iter().map(fact).collect()).await?;
    Ok(facts)
}

/// Deletes the rows that a published batch run covers; returns their number.
pub async fn drop_covered(pool: &PgPool, now: DateTime<Utc>) -> Result<u64, StorageError> {
    // Everything before these hours may be dropped unless reopened; see `merge::droppable`.
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
    /// Number of rows of all views, estimated from the database's statistics.
    pub rows: i64,
    /// Number of rows of hours since the cutoff, at most [`RECENT_ROWS_MAX`] per view.
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
