//! Loads a whole source: records stream in from a blocking iterator and are written in chunks, one transaction each.

use chrono::{DateTime, Utc};
use domain::ingest::Record;
use sqlx::{AssertSqlSafe, PgPool};
use tokio::sync::mpsc;

use super::{IngestCounts, SourceLease, write_as_of};
use crate::StorageError;
use crate::postgres::changes;

/// Weight of one chunk. A movie with its text and people weighs as much as forty plain rows, so a chunk is 500 movies
/// or 20,000 ratings: a few megabytes, a few hundred milliseconds.
const CHUNK_WEIGHT: usize = 20_000;

fn weight(record: &Record) -> usize {
    match record {
        Record::Movie(_) | Record::Credits(..) => 40,
        Record::Stub(_) | Record::Keywords(..) | Record::Review(_) | Record::Quarantined(_) => 10,
        Record::Metrics(_) | Record::Rating(_) => 1,
    }
}

/// Why a source was not loaded completely. Committed chunks remain; loading again starts from the beginning and is
/// idempotent.
#[derive(Debug, thiserror::Error)]
pub enum LoadError<E> {
    /// The source failed.
    #[error("{0}")]
    Source(E),
    /// A chunk could not be written.
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

/// [`load_as_of`] for a source that does not say when its numbers were valid, such as a dump.
pub async fn load<I, E>(
    pool: &PgPool,
    lease: &SourceLease,
    records: I,
    progress: impl FnMut(u64),
) -> Result<IngestCounts, LoadError<E>>
where
    I: IntoIterator<Item = Result<Record, E>> + Send + 'static,
    E: Send + 'static,
{
    load_as_of(pool, lease, None, records, progress).await
}

/// Writes all records of a source in order and returns the counts. `observed_at`: see [`write_as_of`]. `progress` receives the number of records written so
/// far. Memory is bounded by three chunks, however long the source is.
pub async fn load_as_of<I, E>(
    pool: &PgPool,
    lease: &SourceLease,
    observed_at: Option<DateTime<Utc>>,
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
            if total >= CHUNK_WEIGHT {
                total = 0;
                if sender.blocking_send(std::mem::take(&mut batch)).is_err() {
                    return Ok(());
                }
            }
        }
        // Sending fails only after the writer has failed, and the writer returns the error.
        let _ = sender.blocking_send(batch);
        Ok(())
    });
    let (mut tally, mut done) = (IngestCounts::default(), 0);
    while let Some(batch) = receiver.recv().await {
        done += batch.len() as u64;
        let mut tx = pool.begin().await?;
        tally += write_as_of(&mut tx, lease.source(), observed_at, batch).await?;
        lease.check(&mut tx).await?;
        tx.commit().await?;
        progress(done);
    }
    reader.await?.map_err(LoadError::Source)?;
    published(pool).await?;
    Ok(tally)
}

/// Marks the catalogue as changed: cached answers become unreachable. Rankings contain titles, so their families count
/// too. The transaction contains nothing else: every run that is published waits for the rows of the generations, one
/// over events with the speed layer behind it.
pub async fn published(pool: &PgPool) -> Result<(), StorageError> {
    use domain::artifacts::CacheFamily::{Movies, Predictions, Recommendations, Search, Trending};
    let mut tx = pool.begin().await?;
    changes::bump(&mut tx, &[Movies, Predictions, Recommendations, Search, Trending]).await?;
    tx.commit().await?;
    Ok(())
}

/// Refreshes the planner's statistics, since the nightly queries follow an ingest. Each table is a statement, and so a
/// transaction, of its own; on a large catalogue it takes minutes.
pub async fn analyze(pool: &PgPool) -> Result<(), StorageError> {
    for table in ["movies", "movie_credits", "movie_metrics_daily", "movie_search"] {
        sqlx::query(AssertSqlSafe(format!("ANALYZE {table}"))).execute(pool).await?;
    }
    Ok(())
}
