//! Profiles of viewers, and the queue of those that have to be computed again.

use chrono::{DateTime, Utc};
use domain::ViewerId;
use sqlx::{PgConnection, PgExecutor, PgPool};

use crate::StorageError;
use crate::postgres::changes;
use crate::postgres::viewers::viewer_id;

/// A viewer whose profile is stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stale {
    pub viewer_id: ViewerId,
    /// When the first fact came that the profile lacks.
    pub since: DateTime<Utc>,
    version: i64,
}

/// A computed profile.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    pub viewer_id: ViewerId,
    pub vector: Vec<f32>,
    /// Number of movies that were folded in.
    pub interactions: i32,
    /// Time of the newest fact that was folded in.
    pub newest_at: DateTime<Utc>,
}

/// Up to `limit` stale viewers, oldest first. Nothing is locked, since the speed layer marks viewers all the time; two
/// workers may compute the same profile, and [`finish`] takes only what is still current.
pub async fn claim(conn: impl PgExecutor<'_>, limit: i64) -> Result<Vec<Stale>, StorageError> {
    let rows = sqlx::query!("SELECT viewer_id, since, version FROM stale_profiles ORDER BY since LIMIT $1", limit)
        .fetch_all(conn)
        .await?;
    rows.into_iter()
        .map(|row| Ok(Stale { viewer_id: viewer_id(row.viewer_id)?, since: row.since, version: row.version }))
        .collect()
}

/// Writes the profiles of claimed viewers in the space of the model `version` and takes them off the queue, except
/// where a fact has come or another worker was faster meanwhile; tells every API process about all of them. A claimed
/// viewer without a profile here loses an old one.
pub async fn finish(
    conn: &mut PgConnection,
    version: &str,
    claimed: &[Stale],
    profiles: &[Profile],
) -> Result<(), StorageError> {
    let current = take_off(conn, claimed).await?;
    let profiles: Vec<&Profile> =
        profiles.iter().filter(|profile| current.binary_search(&profile.viewer_id.get()).is_ok()).collect();
    let viewers: Vec<i64> = profiles.iter().map(|profile| profile.viewer_id.get()).collect();
    sqlx::query!(
        "DELETE FROM viewer_profiles WHERE viewer_id = ANY($1) AND NOT viewer_id = ANY($2)",
        &current,
        &viewers
    )
    .execute(&mut *conn)
    .await?;
    write(conn, version, &viewers, &profiles).await?;
    changes::touch_viewers(conn, &claimed.iter().map(|stale| stale.viewer_id).collect::<Vec<_>>()).await
}

/// Removes the rows that are as they were when they were claimed; returns their viewers, ascending.
async fn take_off(conn: &mut PgConnection, claimed: &[Stale]) -> Result<Vec<i64>, StorageError> {
    let ids: Vec<i64> = claimed.iter().map(|stale| stale.viewer_id.get()).collect();
    let versions: Vec<i64> = claimed.iter().map(|stale| stale.version).collect();
    let since: Vec<DateTime<Utc>> = claimed.iter().map(|stale| stale.since).collect();
    let mut current = sqlx::query_scalar!(
        // Locked in the order in which the speed layer marks viewers, against deadlocks.
        "WITH current AS (
             SELECT s.viewer_id FROM stale_profiles s
             JOIN unnest($1::bigint[], $2::bigint[], $3::timestamptz[]) AS c(viewer_id, version, since)
                  ON (s.viewer_id, s.version, s.since) = (c.viewer_id, c.version, c.since)
             ORDER BY s.viewer_id FOR UPDATE OF s)
         DELETE FROM stale_profiles s USING current WHERE s.viewer_id = current.viewer_id RETURNING s.viewer_id",
        &ids,
        &versions,
        &since,
    )
    .fetch_all(conn)
    .await?;
    current.sort_unstable();
    Ok(current)
}

async fn write(
    conn: &mut PgConnection,
    version: &str,
    viewers: &[i64],
    profiles: &[&Profile],
) -> Result<(), StorageError> {
    let interactions: Vec<i32> = profiles.iter().map(|profile| profile.interactions).collect();
    let newest: Vec<DateTime<Utc>> = profiles.iter().map(|profile| profile.newest_at).collect();
    // `unnest` flattens arrays of arrays, so the vectors come as one and are cut by their length.
    let vectors: Vec<f32> = profiles.iter().flat_map(|profile| profile.vector.iter().copied()).collect();
    let factors = profiles.first().map_or(0, |profile| profile.vector.len()) as i64;
    sqlx::query!(
        "INSERT INTO viewer_profiles AS p (viewer_id, version, vector, interactions, newest_at)
         SELECT i.viewer_id, $1, ($5::real[])[(i.place - 1) * $6::bigint + 1 : i.place * $6::bigint], i.interactions,
                i.newest_at
         FROM unnest($2::bigint[], $3::int[], $4::timestamptz[])
              WITH ORDINALITY AS i(viewer_id, interactions, newest_at, place)
         -- A viewer who is forgotten meanwhile does not come back.
         JOIN viewers v ON v.viewer_id = i.viewer_id
         ON CONFLICT (viewer_id) DO UPDATE SET version = excluded.version, vector = excluded.vector,
             interactions = excluded.interactions, newest_at = excluded.newest_at, updated_at = now()",
        version,
        viewers,
        &interactions,
        &newest,
        &vectors,
        factors,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Number of stale viewers.
pub async fn waiting(pool: &PgPool) -> Result<i64, StorageError> {
    Ok(sqlx::query_scalar!(r#"SELECT count(*) AS "n!" FROM stale_profiles"#).fetch_one(pool).await?)
}
