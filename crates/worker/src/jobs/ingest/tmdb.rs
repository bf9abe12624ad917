//! Ingest from TMDB. The movies, 404s and cursor of each page are committed in one transaction, so that a killed ingest
//! resumes after the last committed page.

use chrono::{DateTime, NaiveDate, Utc};
use domain::MovieId;
use domain::ingest::{IngestMode, Record, Source};
use sources::tmdb::{TmdbClient, TmdbCursor, TmdbIngest};
use storage::StorageError;
use storage::postgres::catalogue::{self, IngestCounts, SourceLease};
use storage::postgres::speed;

use crate::jobs::tmdb::failed;
use crate::{JobContext, JobError, Shared};

/// Movies requested again per ingest after a first 404: bounds the requests before the ingest itself.
const RECHECKS_MAX: i64 = 500;

pub(super) async fn run(
    shared: &Shared,
    client: TmdbClient,
    context: &JobContext,
    lease: &SourceLease,
    mode: IngestMode,
) -> Result<IngestCounts, JobError> {
    let today = Utc::now().date_naive();
    let mut tally = recheck_missing(shared, &client, context, lease, today).await?;
    let stored = catalogue::cursor(context.pool(), Source::Tmdb).await?;
    let cursor = TmdbCursor::load(stored.as_ref(), mode).map_err(failed)?;
    let mut ingest = TmdbIngest::new(client, mode, cursor, today);
    loop {
        // Taken before the requests: an observation made meanwhile may be newer than this page's numbers.
        let asked_at = Utc::now();
        let Some(batch) = ingest.next_chunk().await.map_err(failed)? else { return Ok(tally) };
        let cursor = serde_json::to_value(&batch.cursor).map_err(StorageError::from)?;
        tally += commit(shared, context, lease, asked_at, batch.records, &batch.missing, Some(cursor)).await?;
        context.progress(batch.done as i64, batch.total.map(|total| total as i64), &batch.phase);
    }
}

/// Requests movies with a 404 again: a second 404 makes a tombstone, a success resets the counter.
async fn recheck_missing(
    shared: &Shared,
    client: &TmdbClient,
    context: &JobContext,
    lease: &SourceLease,
    today: NaiveDate,
) -> Result<IngestCounts, JobError> {
    let doubtful = catalogue::missing_once(context.pool(), RECHECKS_MAX).await?;
    if doubtful.is_empty() {
        return Ok(IngestCounts::default());
    }
    context.progress(0, None, "requesting movies that were missing");
    let asked_at = Utc::now();
    let movies = client.movies(&doubtful, today).await.map_err(failed)?;
    commit(shared, context, lease, asked_at, movies.records, &movies.missing, None).await
}

async fn commit(
    shared: &Shared,
    context: &JobContext,
    lease: &SourceLease,
    asked_at: DateTime<Utc>,
    records: Vec<Record>,
    missing: &[MovieId],
    cursor: Option<serde_json::Value>,
) -> Result<IngestCounts, JobError> {
    let movies: Vec<i64> =
        records.iter().filter_map(|r| if let Record::Movie(m) = r { Some(m.id.get()) } else { None }).collect();
    let mut tx = context.begin().await?;
    let mut tally = catalogue::write_as_of(&mut tx, Source::Tmdb, Some(asked_at), records).await?;
    speed::follow_catalogue(&mut tx, Some(&movies), asked_at).await?;
    let gone = catalogue::record_missing(&mut tx, missing).await?;
    tally.tombstoned = gone.len() as u64;
    if let Some(cursor) = cursor {
        catalogue::save_cursor(&mut tx, Source::Tmdb, &cursor).await?;
    }
    lease.check(&mut tx).await?;
    tx.commit_progress().await?;
    Ok(tally)
}
