//! Everything that viewers did or said about movies, for training: ratings of sources, events, reviews.

use chrono::{DateTime, Utc};
use domain::events::EventType;
use domain::preferences::{Signal, SignalKind};
use domain::{MovieId, ViewerId};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use sqlx::PgPool;

use crate::StorageError;

/// One fact of a viewer about a movie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fact {
    pub viewer: ViewerId,
    pub movie: MovieId,
    pub signal: Signal,
}

/// Every fact of every viewer about movies that are shown, ordered by viewer, movie and time. Streamed: the server
/// sorts, on disk where it must. Facts of forgotten viewers are left out, and so are impressions, which say nothing.
pub fn all(pool: &PgPool) -> BoxStream<'_, Result<Fact, StorageError>> {
    sqlx::query!(
        r#"SELECT f.viewer_id AS "viewer_id!", f.movie_id AS "movie_id!", f.kind AS "kind!", f.rating, f.at AS "at!"
           FROM (
               SELECT v.viewer_id, r.movie_id, 'source' AS kind, r.rating, r.rated_at AS at
               FROM ratings r JOIN viewers v ON v.source = r.source AND v.source_user_id = r.user_id
               UNION ALL
               SELECT viewer_id, movie_id, event_type, rating, occurred_at FROM viewer_events
               WHERE viewer_id IS NOT NULL AND event_type <> 'impression'
               UNION ALL
               SELECT viewer_id, movie_id, 'review', rating, occurred_at FROM viewer_reviews WHERE viewer_id IS NOT NULL
           ) AS f JOIN movies m ON m.movie_id = f.movie_id AND m.tombstoned_at IS NULL
           ORDER BY f.viewer_id, f.movie_id, f.at, f.kind, f.rating"#
    )
    .fetch(pool)
    .map_err(StorageError::from)
    .map(|row| {
        let row = row?;
        fact(row.viewer_id, row.movie_id, &row.kind, row.rating, row.at)
    })
    .boxed()
}

fn fact(viewer: i64, movie: i64, kind: &str, rating: Option<f32>, at: DateTime<Utc>) -> Result<Fact, StorageError> {
    let corrupt = || StorageError::Corrupt(format!("a fact of viewer {viewer} about movie {movie} has kind {kind}"));
    let kind = match (kind, rating) {
        ("source", Some(rating)) => SignalKind::Rating(rating),
        ("review", rating) => SignalKind::Review(rating),
        (event, rating) => SignalKind::Event(EventType::named(event).ok_or_else(corrupt)?, rating),
    };
    let viewer = ViewerId::new(viewer).map_err(|_| corrupt())?;
    let movie = MovieId::new(movie).map_err(|_| corrupt())?;
    Ok(Fact { viewer, movie, signal: Signal { kind, at } })
}
