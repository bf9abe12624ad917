//! Which generation of each family is current, known in the process and kept so.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use domain::artifacts::CacheFamily;
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use storage::StorageError;
use storage::postgres::generations;

/// Without a notification for this long, all generations are read again: it heals whatever a listener can miss.
const REREAD: Duration = Duration::from_secs(2);

/// Waits between attempts to reach the database, doubled from the first to the last.
const BACKOFF_FIRST: Duration = Duration::from_millis(200);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// Zero is "not known yet"; the database counts from one.
#[derive(Debug, Default)]
pub struct Generations([AtomicI64; CacheFamily::ALL.len()]);

impl Generations {
    /// The family's generation; `None` until it was read once. Until then nothing is cached: an answer under a guessed
    /// generation could be found again by a process that starts within its lifetime.
    pub fn get(&self, family: CacheFamily) -> Option<i64> {
        Some(self.0[family as usize].load(Ordering::Acquire)).filter(|generation| *generation > 0)
    }

    /// Reads them all.
    pub async fn read(&self, pool: &PgPool) -> Result<(), StorageError> {
        for (family, generation) in generations::all(pool).await? {
            // Stored as it is, not the greater of both: a restored database may count from lower.
            self.0[family as usize].store(generation, Ordering::Release);
        }
        Ok(())
    }

    /// Takes a notification. It may be older than what was read since, hence the greater of both.
    pub(super) fn hear(&self, message: &str) {
        if let Some((family, generation)) = generations::parse(message) {
            self.0[family as usize].fetch_max(generation, Ordering::AcqRel);
        }
    }
}

/// Keeps the generations current, for as long as the process runs.
pub async fn follow(generations: Arc<Generations>, pool: PgPool) {
    let mut wait = BACKOFF_FIRST;
    loop {
        // A log line when the link breaks, none for each attempt to mend it.
        match listen(&generations, &pool, &mut wait).await {
            Err(error) if wait == BACKOFF_FIRST => {
                tracing::warn!(%error, "cannot hear of published runs; cached answers may be up to their time to live old");
            }
            Err(error) => tracing::debug!(%error, "still cannot hear of published runs"),
            Ok(never) => match never {},
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(BACKOFF_MAX);
    }
}

async fn listen(
    generations: &Generations,
    pool: &PgPool,
    wait: &mut Duration,
) -> Result<std::convert::Infallible, StorageError> {
    let mut listener: PgListener = generations::listen(pool).await?;
    generations.read(pool).await?;
    if *wait != BACKOFF_FIRST {
        tracing::info!("hearing of published runs again");
        *wait = BACKOFF_FIRST;
    }
    loop {
        match tokio::time::timeout(REREAD, listener.try_recv()).await {
            Ok(notification) => match notification? {
                Some(notification) => generations.hear(notification.payload()),
                // The connection was lost and is back; what was said meanwhile is not.
                None => generations.read(pool).await?,
            },
            Err(_quiet) => generations.read(pool).await?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_never_turns_a_generation_back() {
        let generations = Generations::default();
        assert_eq!(generations.get(CacheFamily::Search), None);
        for message in ["search:5", "search:4", "nonsense", "search:x"] {
            generations.hear(message);
        }
        assert_eq!(generations.get(CacheFamily::Search), Some(5));
        assert_eq!(generations.get(CacheFamily::Movies), None);
    }
}
