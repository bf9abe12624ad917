//! Changes of movies on their way to a Meilisearch index, and the leases of those who write to it.
//!
//! A trigger on `movies` writes the outbox in the transaction that changes a movie; a worker sends it to the index. Rows
//! are coalesced by movie, so the table is never longer than the catalogue.
//!
//! A build of a new index and the outbox lose nothing of each other: while a build is under way, rows that were sent to
//! the live index are kept, and are sent again after the swap. What the build has read for certain (its snapshot sees the
//! change) is not sent again.

use std::time::Duration;

use domain::MovieId;
use sqlx::PgPool;
use uuid::Uuid;

use super::catalogue::movie_id;
use crate::StorageError;

/// Duration of a build's lease. Its holder renews it every [`LEASE_RENEWAL`].
pub const BUILD_LEASE: Duration = Duration::from_secs(60);
/// Duration of the lease of the one worker that sends changes: twice its longest step.
pub const WRITER_LEASE: Duration = Duration::from_secs(90);
/// Interval of renewals: several may fail before a lease ends.
pub const LEASE_RENEWAL: Duration = Duration::from_secs(10);

/// Registers an index, or tells that a worker still keeps it. Returns whether changes may have been missed before: the
/// index is new, or no worker has kept it for so long that the trigger stopped filling the outbox.
pub async fn keep(pool: &PgPool, index: &str) -> Result<bool, StorageError> {
    let mut tx = pool.begin().await?;
    let before = sqlx::query_scalar!(
        r#"SELECT seen_at > now() - interval '23 hours' AS "kept!" FROM search_indexes WHERE index_uid = $1"#,
        index,
    )
    .fetch_optional(&mut *tx)
    .await?;
    sqlx::query!(
        "INSERT INTO search_indexes (index_uid) VALUES ($1) ON CONFLICT (index_uid) DO UPDATE SET seen_at = now()",
        index,
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(before != Some(true))
}

/// Forgets indexes that no worker has kept for a day, with their outbox. Returns their number.
pub async fn forget_unkept(pool: &PgPool) -> Result<u64, StorageError> {
    let done =
        sqlx::query!("DELETE FROM search_indexes WHERE seen_at < now() - interval '1 day'").execute(pool).await?;
    Ok(done.rows_affected())
}

/// Takes or renews the lease of the one writer of changes. `false`: another worker has it.
pub async fn take_writer(pool: &PgPool, index: &str, token: Uuid) -> Result<bool, StorageError> {
    let done = sqlx::query!(
        "UPDATE search_indexes SET writer_token = $2, writer_until = now() + make_interval(secs => $3)
         WHERE index_uid = $1 AND (writer_token = $2 OR writer_until < now())",
        index,
        token,
        WRITER_LEASE.as_secs_f64(),
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes the lease of the one build. `false`: another build is under way.
pub async fn take_build(pool: &PgPool, index: &str, token: Uuid) -> Result<bool, StorageError> {
    let done = sqlx::query!(
        "UPDATE search_indexes SET build_token = $2, build_until = now() + make_interval(secs => $3),
             build_sees = pg_current_snapshot()
         WHERE index_uid = $1 AND build_until < now()",
        index,
        token,
        BUILD_LEASE.as_secs_f64(),
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Renews the lease of a build. `false`: it is lost, and the build must not touch the live index any more.
pub async fn renew_build(pool: &PgPool, index: &str, token: Uuid) -> Result<bool, StorageError> {
    let done = sqlx::query!(
        "UPDATE search_indexes SET build_until = now() + make_interval(secs => $3)
         WHERE index_uid = $1 AND build_token = $2 AND build_until > now()",
        index,
        token,
        BUILD_LEASE.as_secs_f64(),
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends a build's lease. After a swap (`live`), changes that the build has read are settled; all others that were sent
/// meanwhile are to be sent again.
pub async fn end_build(pool: &PgPool, index: &str, token: Uuid, live: bool) -> Result<(), StorageError> {
    let mut tx = pool.begin().await?;
    let held = sqlx::query_scalar!(
        r#"SELECT true AS "held!" FROM search_indexes WHERE index_uid = $1 AND build_token = $2 FOR UPDATE"#,
        index,
        token,
    )
    .fetch_optional(&mut *tx)
    .await?;
    if held.is_none() {
        return Ok(());
    }
    if live {
        sqlx::query!(
            "DELETE FROM search_outbox USING search_indexes i
             WHERE search_outbox.index_uid = $1 AND i.index_uid = $1
               AND pg_visible_in_snapshot(search_outbox.changed_in, i.build_sees)",
            index,
        )
        .execute(&mut *tx)
        .await?;
    }
    sqlx::query!("UPDATE search_outbox SET sent = false WHERE index_uid = $1 AND sent", index)
        .execute(&mut *tx)
        .await?;
    sqlx::query!(
        "UPDATE search_indexes SET build_token = NULL, build_until = '-infinity', build_sees = NULL WHERE index_uid = $1",
        index,
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}

/// The token of the build under way.
pub async fn building(pool: &PgPool, index: &str) -> Result<Option<Uuid>, StorageError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT build_token AS "token!" FROM search_indexes
           WHERE index_uid = $1 AND build_token IS NOT NULL AND build_until > now()"#,
        index,
    )
    .fetch_optional(pool)
    .await?)
}

/// A movie whose document changed, as of one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The movie.
    pub movie_id: MovieId,
    changed_in: String,
}

/// Changes that are not in the live index yet, at most `limit`.
pub async fn pending(pool: &PgPool, index: &str, limit: i64) -> Result<Vec<Change>, StorageError> {
    // A build that died cannot have them sent again.
    sqlx::query!(
        "UPDATE search_outbox SET sent = false WHERE index_uid = $1 AND sent
           AND NOT EXISTS (SELECT FROM search_indexes WHERE index_uid = $1 AND build_until > now())",
        index,
    )
    .execute(pool)
    .await?;
    let rows = sqlx::query!(
        r#"SELECT movie_id, changed_in::text AS "changed_in!" FROM search_outbox
           WHERE index_uid = $1 AND NOT sent ORDER BY movie_id LIMIT $2"#,
        index,
        limit,
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(|row| Ok(Change { movie_id: movie_id(row.movie_id)?, changed_in: row.changed_in })).collect()
}

/// Records that these changes are in the live index. A movie that changed again meanwhile stays pending. `false`: the
/// writer's lease is lost, and nothing is recorded.
pub async fn settle(pool: &PgPool, index: &str, writer: Uuid, changes: &[Change]) -> Result<bool, StorageError> {
    let movie: Vec<i64> = changes.iter().map(|change| change.movie_id.get()).collect();
    let changed_in: Vec<String> = changes.iter().map(|change| change.changed_in.clone()).collect();
    let mut tx = pool.begin().await?;
    // Locked, so that no build begins in between.
    let lease = sqlx::query!(
        r#"SELECT writer_token = $2 AS "held!", build_until > now() AS "building!"
           FROM search_indexes WHERE index_uid = $1 FOR SHARE"#,
        index,
        writer,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(lease) = lease.filter(|lease| lease.held) else { return Ok(false) };
    if lease.building {
        sqlx::query!(
            "UPDATE search_outbox o SET sent = true
             FROM unnest($2::bigint[], $3::text[]) AS s(movie_id, changed_in)
             WHERE o.index_uid = $1 AND o.movie_id = s.movie_id AND o.changed_in = s.changed_in::xid8",
            index,
            &movie,
            &changed_in,
        )
        .execute(&mut *tx)
        .await?;
    } else {
        sqlx::query!(
            "DELETE FROM search_outbox o USING unnest($2::bigint[], $3::text[]) AS s(movie_id, changed_in)
             WHERE o.index_uid = $1 AND o.movie_id = s.movie_id AND o.changed_in = s.changed_in::xid8",
            index,
            &movie,
            &changed_in,
        )
        .execute(&mut *tx)
        .await?;
    }
    tx.commit().await?;
    Ok(true)
}

/// Puts movies into the outbox again.
pub async fn add(pool: &PgPool, index: &str, movies: &[i64]) -> Result<(), StorageError> {
    sqlx::query!(
        "INSERT INTO search_outbox (index_uid, movie_id)
         SELECT $1, id FROM unnest($2::bigint[]) AS id ORDER BY id
         ON CONFLICT (index_uid, movie_id) DO UPDATE SET changed_in = excluded.changed_in, sent = false",
        index,
        movies,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// All movies in the outbox, sent ones too, at most `limit`.
pub async fn movies(pool: &PgPool, index: &str, limit: i64) -> Result<Vec<i64>, StorageError> {
    Ok(sqlx::query_scalar!(
        "SELECT movie_id FROM search_outbox WHERE index_uid = $1 ORDER BY movie_id LIMIT $2",
        index,
        limit,
    )
    .fetch_all(pool)
    .await?)
}
