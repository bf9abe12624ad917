//! Everything that viewers did or said about movies, for training: ratings of sources, events, reviews.

use chrono::{DateTime, Utc};
use domain::events::EventType;
use domain::preferences::{Signal, SignalKind, telling_events};
use domain::{MovieId, ViewerId};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use sqlx::PgPool;

use crate::StorageError;
use crate::postgres::catalogue::movie_id;
use crate::postgres::viewers::viewer_id;

/// One fact of a viewer about a movie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fact {
    pub viewer: ViewerId,
    pub movie: MovieId,
    pub signal: Signal,
}

/// Every fact of every viewer about movies that are shown, ordered by viewer, movie and time. Streamed: the server
/// sorts, on disk where it must. Facts of forgotten viewers are left out, and so are
/// events that say nothing of the taste.
pub fn all(pool: &PgPool) -> BoxStream<'_, Result<Fact, StorageError>> {
    sqlx::query!(
        r#"SELECT f.viewer_id AS "viewer_id!", f.movie_id AS "movie_id!", f.kind AS "kind!", f.rating, f.at AS "at!"
           FROM (
               SELECT v.viewer_id, r.movie_id, 'source' AS kind, r.rating, r.rated_at AS at
               FROM ratings r JOIN viewers v ON v.source = r.source AND v.source_user_id = r.user_id
               UNION ALL
               SELECT viewer_id, movie_id, event_type, rating, occurred_at FROM viewer_events
               WHERE viewer_id IS NOT NULL AND event_type = ANY($1)
               UNION ALL
               SELECT viewer_id, movie_id, 'review', rating, occurred_at FROM viewer_reviews WHERE viewer_id IS NOT NULL
           ) AS f JOIN movies m ON m.movie_id = f.movie_id AND m.tombstoned_at IS NULL
           ORDER BY f.viewer_id, f.movie_id, f.at, f.kind, f.rating"#,
        &telling_events(),
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
    Ok(Fact { viewer: viewer_id(viewer)?, movie: movie_id(movie)?, signal: Signal { kind, at } })
}
