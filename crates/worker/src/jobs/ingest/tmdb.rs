//! TMDB: page by page, each page's films, 404s and cursor in one transaction, so that a killed ingest resumes behind
//! the last committed page.

use chrono::{NaiveDate, Utc};
use domain::MovieId;
use domain::ingest::{IngestMode, Record, Source};
use secrecy::ExposeSecret;
use settings::TmdbSettings;
use sources::SourceError;
use sources::tmdb::{TmdbClient, TmdbCursor, TmdbIngest};
use storage::StorageError;
use storage::postgres::catalogue::{self, Tally};
use storage::postgres::search;

use crate::{JobContext, JobError, Shared};

/// Films looked at a second time per ingest: those that answered 404 once.
const SECOND_LOOKS: i64 = 500;

pub(super) async fn run(
    shared: &Shared,
    settings: &TmdbSettings,
    context: &JobContext,
    mode: IngestMode,
) -> Result<Tally, JobError> {
    let today = Utc::now().date_naive();
    let client = client(settings)?;
    let mut tally = second_look(shared, &client, context, today).await?;
    let stored = catalogue::cursor(&shared.pool, Source::Tmdb).await?;
    let cursor = TmdbCursor::load(stored.as_ref(), mode).map_err(failed)?;
    let mut ingest = TmdbIngest::new(client, mode, cursor, today);
    while let Some(batch) = ingest.next_batch().await.map_err(failed)? {
        let cursor = serde_json::to_value(&batch.cursor).map_err(StorageError::from)?;
        tally += commit(shared, batch.records, &batch.missing, Some(cursor)).await?;
        context.progress(batch.done as i64, batch.total.map(|total| total as i64), &batch.phase);
    }
    Ok(tally)
}

fn client(settings: &TmdbSettings) -> Result<TmdbClient, JobError> {
    let credential = settings
        .key
        .expose_secret()
        .parse()
        .map_err(|error| JobError::Permanent(format!("setting TMDB_API_KEY is malformed: {error}")))?;
    let defaults = sources::tmdb::TmdbSettings::new(settings.base_url.clone(), credential);
    TmdbClient::new(sources::tmdb::TmdbSettings { requests_per_second: settings.requests_per_second, ..defaults })
        .map_err(failed)
}

/// A film that answers 404 again is gone, one that answers is back.
async fn second_look(
    shared: &Shared,
    client: &TmdbClient,
    context: &JobContext,
    today: NaiveDate,
) -> Result<Tally, JobError> {
    let doubtful = catalogue::missing_once(&shared.pool, SECOND_LOOKS).await?;
    if doubtful.is_empty() {
        return Ok(Tally::default());
    }
    context.progress(0, None, "looking again for films that were missing");
    let films = client.films(&doubtful, today).await.map_err(failed)?;
    commit(shared, films.records, &films.missing, None).await
}

async fn commit(
    shared: &Shared,
    records: Vec<Record>,
    missing: &[MovieId],
    cursor: Option<serde_json::Value>,
) -> Result<Tally, JobError> {
    let films: Vec<i64> =
        records.iter().filter_map(|r| if let Record::Movie(m) = r { Some(m.id.get()) } else { None }).collect();
    let mut tx = shared.pool.begin().await.map_err(StorageError::from)?;
    let mut tally = catalogue::write(&mut tx, Source::Tmdb, records).await?;
    let gone = catalogue::record_missing(&mut tx, missing).await?;
    tally.tombstoned = gone.len() as u64;
    if let Some(cursor) = cursor {
        catalogue::save_cursor(&mut tx, Source::Tmdb, &cursor).await?;
    }
    tx.commit().await.map_err(StorageError::from)?;
    follow_in_search(shared, &films, &gone).await;
    Ok(tally)
}

/// Keeps the live index current. Its failure does not fail the ingest: the rows are committed, PostgreSQL search has
/// them, and the next rebuild heals Meilisearch.
async fn follow_in_search(shared: &Shared, films: &[i64], gone: &[MovieId]) {
    if shared.search.meilisearch().is_none() {
        return;
    }
    let follow = async {
        shared.search.put(&search::documents_of(&shared.pool, films).await?).await?;
        shared.search.remove(gone).await
    };
    if let Err(error) = follow.await {
        tracing::warn!(%error, "Meilisearch did not follow; the next rebuild of the search index heals it");
    }
}

fn failed(error: SourceError) -> JobError {
    if error.is_permanent() { JobError::Permanent(error.to_string()) } else { JobError::Transient(error.to_string()) }
}
