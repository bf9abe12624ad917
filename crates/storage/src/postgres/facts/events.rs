//! The stored facts: viewers' events and reviews. The views computed from them are in [`crate::postgres::speed`] and
//! [`crate::postgres::batch`].

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use domain::EventId;
use domain::events::{Event, ViewerReview};
use domain::sentiment::Score;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::StorageError;

/// A review and its score by the lexicon. Both are stored, since another version of the lexicon may give another score,
/// and the views must agree with the facts.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredReview {
    pub review: ViewerReview,
    pub score: Score,
}

/// Writes events; returns the ids of those that are new. The slice must be sorted by id and free of duplicates: two
/// writers that insert the same events in different orders would deadlock.
pub(in crate::postgres) async fn insert(
    conn: &mut PgConnection,
    events: &[&Event],
) -> Result<HashSet<EventId>, StorageError> {
    let id: Vec<Uuid> = events.iter().map(|e| e.event_id.0).collect();
    let user: Vec<i64> = events.iter().map(|e| e.user_id.get()).collect();
    let movie: Vec<i64> = events.iter().map(|e| e.movie_id.get()).collect();
    let kind: Vec<String> = events.iter().map(|e| e.event_type.as_str().to_owned()).collect();
    let rating: Vec<Option<f32>> = events.iter().map(|e| e.rating).collect();
    let at: Vec<DateTime<Utc>> = events.iter().map(|e| e.occurred_at).collect();
    let new = sqlx::query_scalar!(
        "INSERT INTO viewer_events (event_id, user_id, movie_id, event_type, rating, occurred_at)
         SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::real[], $6::timestamptz[])
         ON CONFLICT (event_id) DO NOTHING
         RETURNING event_id",
        &id,
        &user,
        &movie,
        &kind,
        &rating as &[Option<f32>],
        &at,
    )
    .fetch_all(conn)
    .await?;
    Ok(new.into_iter().map(EventId).collect())
}

/// As [`insert`], for reviews.
pub(in crate::postgres) async fn insert_reviews(
    conn: &mut PgConnection,
    reviews: &[&ScoredReview],
) -> Result<HashSet<Uuid>, StorageError> {
    let id: Vec<Uuid> = reviews.iter().map(|r| r.review.review_id.0).collect();
    let user: Vec<Option<i64>> = reviews.iter().map(|r| r.review.user_id.map(|id| id.get())).collect();
    let movie: Vec<i64> = reviews.iter().map(|r| r.review.movie_id.get()).collect();
    let content: Vec<String> = reviews.iter().map(|r| r.review.content.clone()).collect();
    let rating: Vec<Option<f32>> = reviews.iter().map(|r| r.review.rating).collect();
    let score: Vec<f32> = reviews.iter().map(|r| r.score.real()).collect();
    let label: Vec<String> = reviews.iter().map(|r| r.score.label().as_str().to_owned()).collect();
    let at: Vec<DateTime<Utc>> = reviews.iter().map(|r| r.review.occurred_at).collect();
    let new = sqlx::query_scalar!(
        "INSERT INTO viewer_reviews (review_id, user_id, movie_id, content, rating, sentiment, label, occurred_at)
         SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::real[], $6::real[], $7::text[],
             $8::timestamptz[])
         ON CONFLICT (review_id) DO NOTHING
         RETURNING review_id",
        &id,
        &user as &[Option<i64>],
        &movie,
        &content,
        &rating as &[Option<f32>],
        &score,
        &label,
        &at,
    )
    .fetch_all(conn)
    .await?;
    Ok(new.into_iter().collect())
}
