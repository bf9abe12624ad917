//! What viewers did with which movies.

use std::collections::HashMap;

use domain::events::EventType;
use domain::preferences::{Signal, SignalKind, seen_events, telling_events};
use domain::recommendations::HISTORY_MOVIES_MAX;
use domain::{MovieId, ViewerId};
use sqlx::{PgExecutor, PgPool};

use crate::StorageError;
use crate::postgres::catalogue::movie_id;
use crate::postgres::viewers::viewer_id;

/// Latest facts of each kind that are read of one viewer. One who sends 50,000 events costs no more than that, and the
/// facts behind it could add little: what has no opinion is capped a movie.
const FACTS_MAX: i64 = 2_000;

/// The facts of a viewer by movie.
pub type History = Vec<(MovieId, Vec<Signal>)>;

/// The facts of these viewers about their latest [`HISTORY_MOVIES_MAX`] movies, ratings of sources included. Viewers
/// without any are absent. Movies ascend.
pub async fn of(conn: impl PgExecutor<'_>, viewers: &[ViewerId]) -> Result<HashMap<ViewerId, History>, StorageError> {
    let ids: Vec<i64> = viewers.iter().map(|viewer| viewer.get()).collect();
    let rows = sqlx::query!(
        r#"SELECT v.viewer_id, f.movie_id AS "movie_id!", f.kind AS "kind!", f.rating AS "rating?", f.at AS "at!"
           FROM viewers v CROSS JOIN LATERAL (
               SELECT facts.*, dense_rank() OVER (ORDER BY facts.newest DESC, facts.movie_id) AS place
               FROM (SELECT latest.*, max(latest.at) OVER (PARTITION BY latest.movie_id) AS newest FROM (
                   (SELECT e.movie_id, e.event_type AS kind, e.rating, e.occurred_at AS at FROM viewer_events e
                    WHERE e.viewer_id = v.viewer_id AND e.event_type = ANY($4)
                    ORDER BY e.occurred_at DESC LIMIT $2)
                   UNION ALL
                   (SELECT r.movie_id, 'review', r.rating, r.occurred_at FROM viewer_reviews r
                    WHERE r.viewer_id = v.viewer_id ORDER BY r.occurred_at DESC LIMIT $2)
                   UNION ALL
                   (SELECT r.movie_id, 'source', r.rating, r.rated_at FROM ratings r
                    WHERE r.source = v.source AND r.user_id = v.source_user_id ORDER BY r.rated_at DESC LIMIT $2)
               ) AS latest) AS facts
           ) AS f
           WHERE v.viewer_id = ANY($1) AND f.place <= $3
           ORDER BY v.viewer_id, f.movie_id"#,
        &ids,
        FACTS_MAX,
        HISTORY_MOVIES_MAX as i64,
        &telling_events(),
    )
    .fetch_all(conn)
    .await?;
    let mut histories: HashMap<ViewerId, History> = HashMap::new();
    for row in rows {
        let kind = match row.kind.as_str() {
            "review" => SignalKind::Review(row.rating),
            "source" => SignalKind::Rating(row.rating.unwrap_or_default()),
            word => {
                let known =
                    EventType::named(word).ok_or_else(|| StorageError::Corrupt(format!("event type {word}")))?;
                SignalKind::Event(known, row.rating)
            }
        };
        let (movie, signal) = (movie_id(row.movie_id)?, Signal { kind, at: row.at });
        let history = histories.entry(viewer_id(row.viewer_id)?).or_default();
        match history.last_mut() {
            Some((last, signals)) if *last == movie => signals.push(signal),
            _ => history.push((movie, vec![signal])),
        }
    }
    Ok(histories)
}

/// Every movie that the viewer has seen ([`SignalKind::marks_seen`]), of all times.
pub async fn seen(pool: &PgPool, viewer: ViewerId) -> Result<Vec<i64>, StorageError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT movie_id AS "movie_id!" FROM viewer_events
           WHERE viewer_id = $1 AND event_type = ANY($2)
           UNION SELECT movie_id FROM viewer_reviews WHERE viewer_id = $1
           UNION SELECT r.movie_id FROM viewers v JOIN ratings r ON r.source = v.source AND r.user_id = v.source_user_id
                 WHERE v.viewer_id = $1"#,
        viewer.get(),
        &seen_events(),
    )
    .fetch_all(pool)
    .await?)
}
