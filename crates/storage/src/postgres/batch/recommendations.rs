//! The artifact batch_recommendations: every viewer's list by the active model, one partition a run.

use domain::artifacts::Artifact;
use domain::{MovieId, RunId, ViewerId};
use serde_json::Value;
use sqlx::{PgConnection, PgExecutor};

use crate::StorageError;
use crate::postgres::artifacts;

/// A viewer's list, best first.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewerList {
    pub viewer: ViewerId,
    /// Movies with their scores, as the model gives them.
    pub movies: Vec<(MovieId, f32)>,
}

/// Creates the partition of a run.
pub async fn open(conn: &mut PgConnection, run: RunId) -> Result<(), StorageError> {
    artifacts::create_partition(conn, Artifact::BatchRecommendations.spec().tables[0], run).await
}

/// Stages a chunk of lists. Viewers that were forgotten meanwhile are left out. `unnest` flattens arrays of arrays, so
/// rows are sent as JSON.
pub async fn stage(conn: impl PgExecutor<'_>, run: RunId, lists: &[ViewerList]) -> Result<u64, StorageError> {
    let rows: Value = lists
        .iter()
        .map(|list| {
            serde_json::json!({
                "viewer_id": list.viewer,
                "movies": list.movies.iter().map(|movie| movie.0).collect::<Vec<_>>(),
                "scores": list.movies.iter().map(|movie| movie.1).collect::<Vec<_>>(),
            })
        })
        .collect();
    let done = sqlx::query!(
        "INSERT INTO batch_recommendations (run_id, viewer_id, movies, scores)
         SELECT $1, r.viewer_id, r.movies, r.scores
         FROM jsonb_to_recordset($2) AS r(viewer_id bigint, movies bigint[], scores real[])
              JOIN viewers v ON v.viewer_id = r.viewer_id",
        run.0,
        rows,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Deletes the lists of viewers that were forgotten while the run was staged, and returns the number of lists left.
/// Whoever is forgotten later is deleted from the staged run as well: its partition is attached.
pub async fn without_forgotten(conn: &mut PgConnection, run: RunId) -> Result<u64, StorageError> {
    sqlx::query!(
        "DELETE FROM batch_recommendations AS b
         WHERE b.run_id = $1 AND NOT EXISTS (SELECT 1 FROM viewers v WHERE v.viewer_id = b.viewer_id)",
        run.0,
    )
    .execute(&mut *conn)
    .await?;
    let left = sqlx::query_scalar!(r#"SELECT count(*) AS "n!" FROM batch_recommendations WHERE run_id = $1"#, run.0)
        .fetch_one(conn)
        .await?;
    Ok(left.unsigned_abs())
}
