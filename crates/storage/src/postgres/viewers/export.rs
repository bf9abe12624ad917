//! What is known of a viewer, in pages: a viewer may have many facts.

use chrono::{DateTime, Utc};
use domain::ViewerId;
use serde::Serialize;
use sqlx::PgPool;
use uuid::Uuid;

use crate::StorageError;

/// An event of the viewer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExportedEvent {
    pub event_id: Uuid,
    pub movie_id: i64,
    pub event_type: String,
    pub rating: Option<f32>,
    pub list_id: Option<Uuid>,
    pub occurred_at: DateTime<Utc>,
}

/// A review of the viewer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExportedReview {
    pub review_id: Uuid,
    pub movie_id: i64,
    pub content: String,
    pub rating: Option<f32>,
    pub occurred_at: DateTime<Utc>,
}

/// A rating that a source brought.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExportedRating {
    pub movie_id: i64,
    pub rating: f32,
    pub rated_at: DateTime<Utc>,
}

/// A movie that the viewer does not want to see again.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExportedHidden {
    pub movie_id: i64,
    pub hidden_at: DateTime<Utc>,
}

/// Up to `limit` events in the order of their ids, from the one behind `after`.
pub async fn events_page(
    pool: &PgPool,
    viewer: ViewerId,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<ExportedEvent>, StorageError> {
    Ok(sqlx::query_as!(
        ExportedEvent,
        "SELECT event_id, movie_id, event_type, rating, list_id, occurred_at FROM viewer_events
         WHERE viewer_id = $1 AND ($2::uuid IS NULL OR event_id > $2) ORDER BY event_id LIMIT $3",
        viewer.get(),
        after,
        limit,
    )
    .fetch_all(pool)
    .await?)
}

/// As [`events_page`], for reviews.
pub async fn reviews_page(
    pool: &PgPool,
    viewer: ViewerId,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<ExportedReview>, StorageError> {
    Ok(sqlx::query_as!(
        ExportedReview,
        "SELECT review_id, movie_id, content, rating, occurred_at FROM viewer_reviews
         WHERE viewer_id = $1 AND ($2::uuid IS NULL OR review_id > $2) ORDER BY review_id LIMIT $3",
        viewer.get(),
        after,
        limit,
    )
    .fetch_all(pool)
    .await?)
}

/// Up to `limit` ratings of the source's viewer, by movie, from the movie behind `after`.
pub async fn ratings_page(
    pool: &PgPool,
    viewer: ViewerId,
    after: i64,
    limit: i64,
) -> Result<Vec<ExportedRating>, StorageError> {
    Ok(sqlx::query_as!(
        ExportedRating,
        "SELECT r.movie_id, r.rating, r.rated_at
         FROM viewers v JOIN ratings r ON r.source = v.source AND r.user_id = v.source_user_id
         WHERE v.viewer_id = $1 AND r.movie_id > $2 ORDER BY r.movie_id LIMIT $3",
        viewer.get(),
        after,
        limit,
    )
    .fetch_all(pool)
    .await?)
}

/// Up to `limit` hidden movies, from the movie behind `after`.
pub async fn hidden_page(
    pool: &PgPool,
    viewer: ViewerId,
    after: i64,
    limit: i64,
) -> Result<Vec<ExportedHidden>, StorageError> {
    Ok(sqlx::query_as!(
        ExportedHidden,
        "SELECT movie_id, hidden_at FROM hidden_movies WHERE viewer_id = $1 AND movie_id > $2 ORDER BY movie_id LIMIT $3",
        viewer.get(),
        after,
        limit,
    )
    .fetch_all(pool)
    .await?)
}
