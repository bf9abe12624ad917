//! The stored facts: viewers' events and reviews. The views computed from them are in [`crate::postgres::speed`] and
//! [`crate::postgres::batch`].

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use domain::events::{Event, ViewerReview};
use domain::ingest::Source;
use domain::viewers::ViewerName;
use domain::{EventId, ViewerId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::StorageError;

/// Writes events; returns the ids of those that are new. The slice must be sorted by id and free of duplicates: two
/// writers that insert the same events in different orders would deadlock. `viewers` has the ids of their viewers
/// ([`crate::postgres::viewers::resolve`]).
pub(in crate::postgres) async fn insert(
    conn: &mut PgConnection,
    events: &[&Event],
    viewers: &HashMap<ViewerName, ViewerId>,
) -> Result<HashSet<EventId>, StorageError> {
    let id: Vec<Uuid> = events.iter().map(|e| e.event_id.0).collect();
    let viewer: Vec<Option<i64>> = events.iter().map(|e| viewers.get(&e.user_id).map(|id| id.get())).collect();
    let list: Vec<Option<Uuid>> = events.iter().map(|e| e.list_id).collect();
    let movie: Vec<i64> = events.iter().map(|e| e.movie_id.get()).collect();
    let kind: Vec<String> = events.iter().map(|e| e.event_type.as_str().to_owned()).collect();
    let rating: Vec<Option<f32>> = events.iter().map(|e| e.rating).collect();
    let at: Vec<DateTime<Utc>> = events.iter().map(|e| e.occurred_at).collect();
    let new = sqlx::query_scalar!(
        "INSERT INTO viewer_events (event_id, viewer_id, movie_id, event_type, rating, occurred_at, list_id)
         SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::real[], $6::timestamptz[],
                              $7::uuid[])
         ON CONFLICT (event_id) DO NOTHING
         RETURNING event_id",
        &id,
        &viewer as &[Option<i64>],
        &movie,
        &kind,
        &rating as &[Option<f32>],
        &at,
        &list as &[Option<Uuid>],
    )
    .fetch_all(conn)
    .await?;
    Ok(new.into_iter().map(EventId).collect())
}

/// As [`insert`], for reviews; the new ones are queued for scoring ([`super::scoring`]).
pub(in crate::postgres) async fn insert_reviews(
    conn: &mut PgConnection,
    reviews: &[&ViewerReview],
    viewers: &HashMap<ViewerName, ViewerId>,
) -> Result<HashSet<Uuid>, StorageError> {
    let id: Vec<Uuid> = reviews.iter().map(|r| r.review_id.0).collect();
    let id_of = |name: &ViewerName| viewers.get(name).map(|id| id.get());
    let viewer: Vec<Option<i64>> = reviews.iter().map(|r| r.user_id.as_ref().and_then(id_of)).collect();
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
        &viewer as &[Option<i64>],
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
