//! Notifications to other processes, sent in the transaction that makes the change: new generations, changed movies,
//! job progress. [`crate::changes`] receives them.

use domain::artifacts::CacheFamily;
use domain::viewers::ViewerName;
use domain::{JobId, ViewerId};
use sqlx::postgres::PgListener;
use sqlx::{PgConnection, PgExecutor, PgPool};
use uuid::Uuid;

use crate::StorageError;

/// Increases the generation of these families, so that everything cached of them becomes unreachable when the caller's
/// transaction commits.
pub async fn bump(conn: &mut PgConnection, families: &[CacheFamily]) -> Result<(), StorageError> {
    // Sorted, so that two transactions that bump several families cannot deadlock.
    let mut names: Vec<String> = families.iter().map(|f| f.as_str().to_owned()).collect();
    names.sort_unstable();
    for name in names {
        sqlx::query!("UPDATE cache_generations SET generation = generation + 1 WHERE family = $1", name)
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

/// The generation of every family, which is part of every cache key.
pub async fn generations(conn: impl PgExecutor<'_>) -> Result<Vec<(CacheFamily, i64)>, StorageError> {
    let rows = sqlx::query!("SELECT family, generation FROM cache_generations").fetch_all(conn).await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| Some((CacheFamily::ALL.into_iter().find(|f| f.as_str() == row.family)?, row.generation)))
        .collect())
}

/// Increases the generation of these families and makes every API process drop their entries, including stale ones.
pub async fn purge(pool: &PgPool, families: &[CacheFamily]) -> Result<(), StorageError> {
    let mut tx = pool.begin().await?;
    bump(&mut tx, families).await?;
    for family in families {
        sqlx::query!("SELECT pg_notify($1, $2)", PURGED, family.as_str()).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Notifies every API process, when the caller's transaction commits, that the live facts of these movies have changed.
pub async fn touch(conn: &mut PgConnection, movies: impl IntoIterator<Item = i64>) -> Result<(), StorageError> {
    let mut messages: Vec<String> = Vec::new();
    for id in movies {
        let id = id.to_string();
        match messages.last_mut() {
            Some(message) if message.len() + id.len() < TOUCHED_BYTES_MAX => {
                message.push(',');
                message.push_str(&id);
            }
            _ => messages.push(id),
        }
    }
    if !messages.is_empty() {
        sqlx::query!("SELECT pg_notify($1, message) FROM unnest($2::text[]) AS message", TOUCHED, &messages)
            .execute(conn)
            .await?;
    }
    Ok(())
}

/// Notifies every API process, when the caller's transaction commits, that what these viewers' lists are made of has
/// changed. Names are sent: answers are cached by them, and a reader need not know the id.
pub async fn touch_viewers(conn: &mut PgConnection, viewers: &[ViewerId]) -> Result<(), StorageError> {
    let ids: Vec<i64> = viewers.iter().map(|viewer| viewer.get()).collect();
    // A name has at most 512 bytes and no blanks, so that ten of them fit a message.
    sqlx::query!(
        r#"WITH names AS (SELECT name, (row_number() OVER () - 1) / 10 AS message FROM viewers WHERE viewer_id = ANY($2)),
                messages AS (SELECT string_agg(name, ' ') AS message FROM names GROUP BY message)
           SELECT pg_notify($1, message) FROM messages"#,
        VIEWERS,
        &ids,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// One notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notification {
    /// A family has a new generation.
    Generation(CacheFamily, i64),
    /// An operator purged a family.
    Purged(CacheFamily),
    /// The live facts of these movies have changed.
    Touched(Vec<i64>),
    /// What these viewers' lists are made of has changed.
    Viewers(Vec<ViewerName>),
    /// A job's status or progress has changed; a trigger of the table `jobs` sends it.
    Job(JobId),
    /// This version of the recommender has become the active one; a trigger of the table `models` sends it.
    Model(String),
}

const GENERATION: &str = "cache_generation";
const PURGED: &str = "cache_purged";
const TOUCHED: &str = "movies_touched";
const VIEWERS: &str = "viewers_touched";
const JOB: &str = "job_changed";
const MODEL: &str = "model_activated";

/// Size limit in bytes of a notification's payload; PostgreSQL accepts less than 8,000.
const TOUCHED_BYTES_MAX: usize = 7_900;

/// A connection that listens to all channels; notifications arrive in commit order.
pub struct Listener(PgListener);

/// Starts listening on a connection of the pool.
pub async fn listen(pool: &PgPool) -> Result<Listener, StorageError> {
    let mut listener = PgListener::connect_with(pool).await?;
    // A lost connection must be reported before it is replaced: a caller that waits with a time limit could miss it
    // otherwise.
    listener.eager_reconnect(false);
    listener.listen_all([GENERATION, PURGED, TOUCHED, VIEWERS, JOB, MODEL]).await?;
    Ok(Listener(listener))
}

impl Listener {
    /// Reads every family's generation on the listening connection, which also checks that the connection is alive.
    pub async fn generations(&mut self) -> Result<Vec<(CacheFamily, i64)>, StorageError> {
        generations(&mut self.0).await
    }

    /// The next notification; `None` where the connection was lost, so that notifications may be missed until the next
    /// connection.
    pub async fn next(&mut self) -> Result<Option<Notification>, StorageError> {
        while let Some(message) = self.0.try_recv().await? {
            if let Some(notification) = parse(message.channel(), message.payload()) {
                return Ok(Some(notification));
            }
            tracing::warn!(channel = message.channel(), "a notification could not be parsed");
        }
        Ok(None)
    }
}

fn parse(channel: &str, message: &str) -> Option<Notification> {
    let family = |name: &str| CacheFamily::ALL.into_iter().find(|family| family.as_str() == name);
    match channel {
        GENERATION => {
            let (name, generation) = message.split_once(':')?;
            Some(Notification::Generation(family(name)?, generation.parse().ok()?))
        }
        PURGED => Some(Notification::Purged(family(message)?)),
        TOUCHED => Some(Notification::Touched(message.split(',').map(|id| id.parse().ok()).collect::<Option<_>>()?)),
        VIEWERS => {
            Some(Notification::Viewers(message.split(' ').map(|name| name.parse().ok()).collect::<Option<_>>()?))
        }
        JOB => Some(Notification::Job(JobId(Uuid::parse_str(message).ok()?))),
        MODEL => Some(Notification::Model(message.to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_and_nonsense_is_not() {
        assert_eq!(parse(GENERATION, "search:5"), Some(Notification::Generation(CacheFamily::Search, 5)));
        assert_eq!(parse(PURGED, "movies"), Some(Notification::Purged(CacheFamily::Movies)));
        assert_eq!(parse(TOUCHED, "550,603"), Some(Notification::Touched(vec![550, 603])));
        let names = ["user_123", "7"].map(|name| name.parse().unwrap());
        assert_eq!(parse(VIEWERS, "user_123 7"), Some(Notification::Viewers(names.into())));
        assert_eq!(parse(JOB, &Uuid::nil().to_string()), Some(Notification::Job(JobId(Uuid::nil()))));
        for (channel, message) in [
            (GENERATION, "search:x"),
            (GENERATION, "search"),
            (PURGED, "x"),
            (TOUCHED, ""),
            (TOUCHED, "1,,2"),
            (VIEWERS, ""),
            (VIEWERS, "a  b"),
            (JOB, "7"),
            ("", "1"),
        ] {
            assert_eq!(parse(channel, message), None, "{channel} {message}");
        }
    }
}
