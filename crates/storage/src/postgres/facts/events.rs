//! The stored facts: viewers' events and reviews. The views computed from them are in [`crate::postgres::speed`] and
//! [`crate::postgres::batch`].

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use domain::EventId;
use domain::events::{Event, ViewerReview};
use domain::ingest::Source;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::StorageError;

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
        "INSERT INTO viewer_events (event_id, viewer_id, movie_id, event_type, rating, occurred_at)
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

/// As [`insert`], for reviews; the new ones are queued for scoring ([`super::scoring`]).
pub(in crate::postgres) async fn insert_reviews(
    conn: &mut PgConnection,
    reviews: &[&ViewerReview],
) -> Result<HashSet<Uuid>, StorageError> {
    let id: Vec<Uuid> = reviews.iter().map(|r| r.review_id.0).collect();
    let user: Vec<Option<i64>> = reviews.iter().map(|r| r.user_id.map(|id| id.get())).collect();
    let movie: Vec<i64> = reviews.iter().map(|r| r.movie_id.get()).collect();
    let content: Vec<String> = reviews.iter().map(|r| r.content.clone()).collect();
    let rating: Vec<Option<f32>> = reviews.iter().map(|r| r.rating).collect();
    let at: Vec<DateTime<Utc>> = reviews.iter().map(|r| r.occurred_at).collect();
    let new = sqlx::query_scalar!(
        "WITH new AS (
             INSERT INTO viewer_reviews (review_id, viewer_id, movie_id, content, rating, occurred_at)
             SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::real[], $6::timestamptz[])
             ON CONFLICT (review_id) DO NOTHING
             RETURNING review_id),
         queued AS (INSERT INTO unscored_reviews (source, review_id) SELECT $7, review_id::text FROM new)
         SELECT review_id FROM new",
        &id,
        &user as &[Option<i64>],
        &movie,
        &content,
        &rating as &[Option<f32>],
        &at,
        Source::Viewers.as_str(),
    )
    .fetch_all(conn)
    .await?;
    Ok(new.into_iter().collect())
}
