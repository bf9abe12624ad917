//! A viewer as a list needs it, in one statement, and the movies that the viewer hides.

use domain::artifacts::Artifact;
use domain::viewers::ViewerName;
use domain::{MovieId, ViewerId};
use sqlx::PgPool;

use crate::StorageError;
use crate::postgres::catalogue::movie_id;
use crate::postgres::viewers::viewer_id;
use crate::postgres::{changes, viewers};

/// A viewer who has a row: what the two layers know, and what must not be shown.
#[derive(Debug, Clone)]
pub struct ViewerRow {
    pub viewer_id: ViewerId,
    /// The list of the published batch run, best first; empty if there is none.
    pub batch: Vec<(MovieId, f32)>,
    /// The profile, if one is computed, and the model whose space it lies in.
    pub profile: Option<(String, Vec<f32>)>,
    /// Facts have arrived that the profile does not contain.
    pub profile_is_stale: bool,
    /// The movies that the viewer has hidden.
    pub hidden: Vec<i64>,
}

/// Reads a viewer; `None` if the name is not known.
pub async fn find(pool: &PgPool, name: &ViewerName) -> Result<Option<ViewerRow>, StorageError> {
    match row_of(pool, name).await? {
        Some(row) => Ok(Some(row)),
        // A source's viewer of whom nobody has asked before gets a row now.
        None if viewers::adopt_rater(pool, name).await?.is_some() => row_of(pool, name).await,
        None => Ok(None),
    }
}

async fn row_of(pool: &PgPool, name: &ViewerName) -> Result<Option<ViewerRow>, StorageError> {
    let row = sqlx::query!(
        r#"SELECT v.viewer_id, b.movies AS "movies?", b.scores AS "scores?", p.version AS "version?",
                  p.vector AS "vector?",
                  EXISTS (SELECT 1 FROM stale_profiles s WHERE s.viewer_id = v.viewer_id) AS "stale!",
                  ARRAY(SELECT movie_id FROM hidden_movies h WHERE h.viewer_id = v.viewer_id) AS "hidden!"
           FROM viewers v
           LEFT JOIN artifact_heads head ON head.artifact = $2
           LEFT JOIN batch_recommendations b ON b.run_id = head.run_id AND b.viewer_id = v.viewer_id
           LEFT JOIN viewer_profiles p ON p.viewer_id = v.viewer_id
           WHERE v.name = $1"#,
        name.as_str(),
        Artifact::BatchRecommendations.as_str(),
    )
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let scored = row.movies.unwrap_or_default().into_iter().zip(row.scores.unwrap_or_default());
    Ok(Some(ViewerRow {
        viewer_id: viewer_id(row.viewer_id)?,
        batch: scored.map(|(id, score)| Ok((movie_id(id)?, score))).collect::<Result<_, StorageError>>()?,
        profile: row.version.zip(row.vector),
        profile_is_stale: row.stale,
        hidden: row.hidden,
    }))
}

/// Hides a movie from a viewer, who gets a row if there is none. Hiding twice is the same as once.
pub async fn hide(pool: &PgPool, name: &ViewerName, movie: MovieId) -> Result<(), StorageError> {
    let mut tx = pool.begin().await?;
    let Some(viewer) = viewers::resolve(&mut tx, &[name]).await?.remove(name) else {
        return Err(StorageError::Corrupt(format!("no id for the viewer {name}")));
    };
    sqlx::query!(
        "INSERT INTO hidden_movies (viewer_id, movie_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        viewer.get(),
        movie.get(),
    )
    .execute(&mut *tx)
    .await?;
    changes::touch_viewers(&mut tx, &[viewer]).await?;
    tx.commit().await?;
    Ok(())
}

/// Shows a hidden movie again; nothing happens if it is not hidden.
pub async fn unhide(pool: &PgPool, name: &ViewerName, movie: MovieId) -> Result<(), StorageError> {
    let mut tx = pool.begin().await?;
    let viewer = sqlx::query_scalar!(
        "DELETE FROM hidden_movies h USING viewers v
         WHERE v.name = $1 AND h.viewer_id = v.viewer_id AND h.movie_id = $2 RETURNING v.viewer_id",
        name.as_str(),
        movie.get(),
    )
    .fetch_optional(&mut *tx)
    .await?;
    if let Some(viewer) = viewer {
        changes::touch_viewers(&mut tx, &[viewer_id(viewer)?]).await?;
    }
    tx.commit().await?;
    Ok(())
}
