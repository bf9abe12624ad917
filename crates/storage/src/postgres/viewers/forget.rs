//! Forgetting a viewer: the person goes, what happened still counts.

use domain::ViewerId;
use domain::viewers::ViewerName;
use serde::Serialize;
use sqlx::{PgConnection, PgPool};

use super::{find, viewer_id};
use crate::StorageError;
use crate::postgres::changes;

/// Rows that were deleted, or from which the viewer was removed, by table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Forgotten {
    /// Events that are anonymous now.
    pub events: u64,
    /// Reviews that are anonymous now; their texts stay.
    pub reviews: u64,
    /// Ratings of a source's viewer, deleted.
    pub ratings: u64,
    /// Profiles and marks of stale ones, deleted.
    pub profiles: u64,
    /// Hidden movies, deleted.
    pub hidden: u64,
    /// Nightly lists, deleted.
    pub lists: u64,
    /// Served lists that are anonymous now.
    pub served: u64,
    /// Facts that waited for their movie, deleted.
    pub waiting: u64,
    /// Entries of the event log that could not be applied, deleted.
    pub dead_letters: u64,
}

/// Forgets a viewer in one transaction, with an audit row that has a hash of the name. `None` where nobody of this name
/// is known.
///
/// Facts of the viewer that are still in the event log are applied afterwards; they make a new viewer of the name, who
/// has nothing in common with the old one but the name. Forget once more when the log has drained.
pub async fn forget(pool: &PgPool, name: &ViewerName) -> Result<Option<Forgotten>, StorageError> {
    // A source's viewer gets a row here, if there was none.
    let Some(viewer) = find(pool, name).await? else { return Ok(None) };
    let mut tx = pool.begin().await?;
    // Waits for micro-batches that have resolved the name; later ones create a new viewer.
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtext('viewers'))").execute(&mut *tx).await?;
    // While the name is there: caches drop the viewer's answers when this commits.
    changes::touch_viewers(&mut tx, &[viewer]).await?;
    let row =
        sqlx::query!("DELETE FROM viewers WHERE name = $1 RETURNING viewer_id, source, source_user_id", name.as_str())
            .fetch_optional(&mut *tx)
            .await?;
    let Some(row) = row else { return Ok(None) };
    let mut forgotten = of_viewer(&mut tx, viewer_id(row.viewer_id)?).await?;
    if let (Some(source), Some(number)) = (row.source, row.source_user_id) {
        let done = sqlx::query!("DELETE FROM ratings WHERE source = $1 AND user_id = $2", source, number);
        forgotten.ratings = done.execute(&mut *tx).await?.rows_affected();
    }
    (forgotten.waiting, forgotten.dead_letters) = unapplied(&mut tx, name).await?;
    sqlx::query!(
        "INSERT INTO forgotten_viewers (name_sha256, deleted) VALUES (sha256(convert_to($1, 'UTF8')), $2)",
        name.as_str(),
        serde_json::to_value(forgotten)?,
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(Some(forgotten))
}

async fn of_viewer(conn: &mut PgConnection, viewer: ViewerId) -> Result<Forgotten, StorageError> {
    let id = viewer.get();
    let events = sqlx::query!("UPDATE viewer_events SET viewer_id = NULL WHERE viewer_id = $1", id);
    let events = events.execute(&mut *conn).await?.rows_affected();
    let reviews = sqlx::query!("UPDATE viewer_reviews SET viewer_id = NULL WHERE viewer_id = $1", id);
    let reviews = reviews.execute(&mut *conn).await?.rows_affected();
    let stale = sqlx::query!("DELETE FROM stale_profiles WHERE viewer_id = $1", id);
    let stale = stale.execute(&mut *conn).await?.rows_affected();
    let profiles = sqlx::query!("DELETE FROM viewer_profiles WHERE viewer_id = $1", id);
    let profiles = stale + profiles.execute(&mut *conn).await?.rows_affected();
    let hidden = sqlx::query!("DELETE FROM hidden_movies WHERE viewer_id = $1", id);
    let hidden = hidden.execute(&mut *conn).await?.rows_affected();
    let lists = sqlx::query!("DELETE FROM batch_recommendations WHERE viewer_id = $1", id);
    let lists = lists.execute(&mut *conn).await?.rows_affected();
    let served = sqlx::query!("UPDATE served_lists SET viewer_id = NULL WHERE viewer_id = $1", id);
    let served = served.execute(&mut *conn).await?.rows_affected();
    Ok(Forgotten { events, reviews, profiles, hidden, lists, served, ..Forgotten::default() })
}

/// Deletes facts of the viewer that were not applied; returns the numbers of waiting facts and of dead letters.
async fn unapplied(conn: &mut PgConnection, name: &ViewerName) -> Result<(u64, u64), StorageError> {
    // Searched for as text: entries that could not be applied may not be JSON, and JSON may hold \u0000, which
    // PostgreSQL refuses. This is how entries are written, without blanks, now and in earlier releases. In a review's
    // text the quotes would have backslashes.
    let text = format!("\"user_id\":{}", serde_json::to_string(name)?);
    let number = name.as_str().bytes().all(|byte| byte.is_ascii_digit()).then(|| format!("\"user_id\":{name},"));
    let waiting = sqlx::query!(
        "DELETE FROM waiting_facts WHERE strpos(payload, $1) > 0 OR strpos(payload, $2) > 0",
        text,
        number,
    );
    let waiting = waiting.execute(&mut *conn).await?.rows_affected();
    let letters = sqlx::query!(
        "DELETE FROM dead_letters WHERE strpos(payload, $1) > 0 OR strpos(payload, $2) > 0",
        text,
        number,
    );
    Ok((waiting, letters.execute(&mut *conn).await?.rows_affected()))
}
