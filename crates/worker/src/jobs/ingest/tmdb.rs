//! Ingest from TMDB. The movies, 404s and cursor of each page are committed in one transaction, so that a killed ingest
//! resumes after the last committed page.

use chrono::{DateTime, NaiveDate, Utc};
use domain::MovieId;
use domain::ingest::{IngestMode, Quarantined, Record, Source};
use sources::tmdb::{TmdbClient, TmdbCursor, TmdbIngest};
use storage::StorageError;
use storage::postgres::catalogue::{self, IngestCounts, SourceLease, quarantine};
use storage::postgres::speed;

use crate::jobs::tmdb::failed;
use crate::{JobContext, JobError};

/// Movies requested again per ingest after a first 404, and after a defect that quarantined them: bounds the requests
/// before the ingest itself.
const RECHECKS_MAX: i64 = 500;

/// Ids of the export that are looked up in the catalogue at a time.
const LOOKUP: usize = 10_000;

/// Movies fetched and committed at a time from the export; as many as fit into a page's time.
const UNLISTED_PAGE: usize = 100;

/// What the job's progress says meanwhile.
const UNLISTED_PHASE: &str = "full: movies without a release date";

pub(super) async fn run(
    client: TmdbClient,
    context: &JobContext,
    lease: &SourceLease,
    mode: IngestMode,
) -> Result<IngestCounts, JobError> {
    let today = Utc::now().date_naive();
    let mut tally = ask_again(&client, context, lease, today).await?;
    let stored = catalogue::cursor(context.pool(), Source::Tmdb).await?;
    let mut cursor = TmdbCursor::load(stored.as_ref(), mode).map_err(failed)?;
    let mut ingest = TmdbIngest::new(client.clone(), mode, cursor.clone(), today);
    loop {
        // Taken before the requests: an observation made meanwhile may be newer than this page's numbers.
        let asked_at = Utc::now();
        let Some(batch) = ingest.next_chunk().await.map_err(failed)? else { break };
        cursor = batch.cursor;
        tally += commit(context, lease, asked_at, batch.records, &batch.missing, Some(&cursor)).await?;
        context.progress(batch.done as i64, batch.total.map(|total| total as i64), &batch.phase);
    }
    tally += fetch_unlisted(&client, context, lease, cursor, today).await?;
    Ok(tally)
}

/// Requests again the movies that a defect has quarantined, and those with a 404: a second 404 makes a tombstone, a
/// success resets the counter.
async fn ask_again(
    client: &TmdbClient,
    context: &JobContext,
    lease: &SourceLease,
    today: NaiveDate,
) -> Result<IngestCounts, JobError> {
    let mut movies = catalogue::missing_once(context.pool(), RECHECKS_MAX).await?;
    let due = quarantine::due(context.pool(), Source::Tmdb, RECHECKS_MAX).await?;
    let new: Vec<MovieId> = due.into_iter().filter(|id| !movies.contains(id)).collect();
    movies.extend(new);
    if movies.is_empty() {
        return Ok(IngestCounts::default());
    }
    context.progress(0, None, "requesting movies again that were missing or malformed");
    let asked_at = Utc::now();
    let answer = client.movies(&movies, today).await.map_err(failed)?;
    commit(context, lease, asked_at, answer.records, &answer.missing, None).await
}

/// Fetches the movies that TMDB's export of ids lists and the catalogue lacks, after a full ingest: those without a
/// release date, which are in no window. The cursor goes on from there after a kill. Where the export cannot be had,
/// that is put into quarantine as a gap of the listing, and the next ingest tries again.
async fn fetch_unlisted(
    client: &TmdbClient,
    context: &JobContext,
    lease: &SourceLease,
    mut cursor: TmdbCursor,
    today: NaiveDate,
) -> Result<IngestCounts, JobError> {
    let mut tally = IngestCounts::default();
    let Some(after) = cursor.unlisted_after else { return Ok(tally) };
    context.progress(0, None, UNLISTED_PHASE);
    let ids = match client.exported_ids(today).await {
        Ok(ids) => ids,
        Err(error) => {
            tracing::warn!(%error, "movies without a release date cannot be found; the next ingest tries again");
            let gap = Record::Quarantined(Quarantined::new("export movie_ids", None, error.to_string(), ""));
            return commit(context, lease, Utc::now(), vec![gap], &[], None).await;
        }
    };
    let ids = &ids[ids.partition_point(|id| id.get() <= after)..];
    let mut done = 0;
    for some in ids.chunks(LOOKUP) {
        for page in catalogue::unlisted(context.pool(), Source::Tmdb, some).await?.chunks(UNLISTED_PAGE) {
            let asked_at = Utc::now();
            let movies = client.movies(page, today).await.map_err(failed)?;
            cursor.unlisted_after = page.last().map(|id| id.get());
            tally += commit(context, lease, asked_at, movies.records, &movies.missing, Some(&cursor)).await?;
            context.progress(done + page.len() as i64, Some(ids.len() as i64), UNLISTED_PHASE);
        }
        done += some.len() as i64;
        context.progress(done, Some(ids.len() as i64), UNLISTED_PHASE);
    }
    cursor.unlisted_after = None;
    tally += commit(context, lease, Utc::now(), Vec::new(), &[], Some(&cursor)).await?;
    Ok(tally)
}

async fn commit(
    context: &JobContext,
    lease: &SourceLease,
    asked_at: DateTime<Utc>,
    records: Vec<Record>,
    missing: &[MovieId],
    cursor: Option<&TmdbCursor>,
) -> Result<IngestCounts, JobError> {
    let movies: Vec<i64> =
        records.iter().filter_map(|r| if let Record::Movie(m) = r { Some(m.id.get()) } else { None }).collect();
    let mut tx = context.begin().await?;
    let mut tally = catalogue::write_as_of(&mut tx, Source::Tmdb, Some(asked_at), records).await?;
    speed::follow_catalogue(&mut tx, Some(&movies), asked_at).await?;
    let gone = catalogue::record_missing(&mut tx, missing).await?;
    tally.tombstoned = gone.len() as u64;
    quarantine::failed(&mut tx, Source::Tmdb, missing).await?;
    if let Some(cursor) = cursor {
        let cursor = serde_json::to_value(cursor).map_err(StorageError::from)?;
        catalogue::save_cursor(&mut tx, Source::Tmdb, &cursor).await?;
    }
    lease.check(&mut tx).await?;
    tx.commit_progress().await?;
    Ok(tally)
}
