//! Loading a whole source: records stream in from a blocking iterator, batches go out as transactions.

use domain::ingest::{Record, Source};
use sqlx::PgPool;
use tokio::sync::mpsc;

use super::{IngestCounts, write};
use crate::StorageError;
use crate::postgres::changes;

/// Weight of one batch. A movie with its text and people weighs as much as forty plain rows, so a batch is 500 movies or
/// 20,000 ratings: some megabytes, some hundred milliseconds.
const BATCH_WEIGHT: usize = 20_000;

fn weight(record: &Record) -> usize {
    match record {
        Record::Movie(_) | Record::Credits(..) => 40,
        Record::Stub(_) | Record::Keywords(..) | Record::Review(_) | Record::Quarantined(_) => 10,
        Record::Metrics(_) | Record::Rating(_) => 1,
    }
}

/// Why a source was not loaded to its end. What was committed before stays; loading again goes on from the start and
/// changes nothing that is there.
#[derive(Debug, thiserror::Error)]
pub enum LoadError<E> {
    /// The source cannot go on.
    #[error("{0}")]
    Source(E),
    /// A batch could not be written.
    #[error("{0}")]
    Storage(#[from] StorageError),
    /// The thread that reads the source panicked.
    #[error("reading the source: {0}")]
    Reader(#[from] tokio::task::JoinError),
}

impl<E> From<sqlx::Error> for LoadError<E> {
    fn from(error: sqlx::Error) -> Self {
        Self::Storage(error.into())
    }
}

/// Writes all records of a source, in order, and answers what that did. `progress` hears of the records written so far.
/// Memory holds three batches, however long the source is.
pub async fn load<I, E>(
    pool: &PgPool,
    source: Source,
    records: I,
    mut progress: impl FnMut(u64),
) -> Result<IngestCounts, LoadError<E>>
where
    I: IntoIterator<Item = Result<Record, E>> + Send + 'static,
    E: Send + 'static,
{
    let (sender, mut receiver) = mpsc::channel::<Vec<Record>>(1);
    let reader = tokio::task::spawn_blocking(move || {
        let (mut batch, mut total) = (Vec::new(), 0);
        for record in records {
            let record = record?;
            total += weight(&record);
            batch.push(record);
            if total >= BATCH_WEIGHT {
                total = 0;
                if sender.blocking_send(std::mem::take(&mut batch)).is_err() {
                    return Ok(());
                }
            }
        }
        // The writer is gone only when it failed, and then says so itself.
        let _ = sender.blocking_send(batch);
        Ok(())
    });
    let (mut tally, mut done) = (IngestCounts::default(), 0);
    while let Some(batch) = receiver.recv().await {
        done += batch.len() as u64;
        let mut tx = pool.begin().await?;
        tally += write(&mut tx, source, batch).await?;
        tx.commit().await?;
        progress(done);
    }
    reader.await?.map_err(LoadError::Source)?;
    published(pool).await?;
    Ok(tally)
}

/// The catalogue changed: what was cached of it is stale. Rankings carry titles, so they count too.
pub async fn published(pool: &PgPool) -> Result<(), StorageError> {
    use domain::artifacts::CacheFamily::{Movies, Recommendations, Search, Trending};
    let mut tx = pool.begin().await?;
    changes::bump(&mut tx, &[Movies, Recommendations, Search, Trending]).await?;
    // Fresh statistics for the planner: the nightly queries come next.
    sqlx::query("ANALYZE movies, movie_credits, movie_metrics_daily, movie_search").execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(())
}
