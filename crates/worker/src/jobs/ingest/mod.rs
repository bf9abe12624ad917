//! Runs ingest: updates the catalogue from TMDB where there is a key, from the demo world otherwise.

pub(super) mod demo;
mod tmdb;

use domain::ingest::{IngestMode, Source};
use domain::jobs::JobKind;
use serde_json::{Value, json};
use storage::postgres::catalogue::{self, IngestCounts, SourceLease, Taken};
use storage::postgres::jobs::{NewJob, enqueue};

use super::Run;
use crate::{JobContext, JobError, Shared};

impl Run for domain::jobs::Ingest {
    async fn run(self, shared: &Shared, context: &JobContext) -> Result<Value, JobError> {
        run(shared, context, self.mode.unwrap_or_default()).await
    }
}

async fn run(shared: &Shared, context: &JobContext, mode: IngestMode) -> Result<Value, JobError> {
    let client = shared.tmdb()?;
    let source = if client.is_some() { Source::Tmdb } else { Source::Demo };
    // Renewed on the worker's connections: the job's only one may be in a transaction.
    let lease = match SourceLease::take(&shared.pool, source, &format!("job {}", context.job_id)).await? {
        Taken::Lease(lease) => lease,
        Taken::HeldBy(holder) => {
            let reason = format!("another ingest of {} is running ({holder})", source.as_str());
            return Err(JobError::Waiting(reason));
        }
    };
    let outcome = lease
        .renewed_during(async {
            match client {
                Some(client) => tmdb::run(client, context, &lease, mode).await.map(Some),
                None => demo::run(shared, context, &lease).await,
            }
        })
        .await;
    lease.release().await;
    if let Ok(None) = outcome {
        let note =
            "the catalogue holds movies of other sources, so the demo world was not loaded; TMDB_API_KEY is not set";
        return Ok(json!({ "source": source.as_str(), "catalogue": IngestCounts::default(), "note": note }));
    }
    // Also after an error: pages are committed one by one, so cached answers are stale.
    let published = catalogue::published(context.pool()).await;
    let tally = outcome?.unwrap_or_default();
    published?;
    catalogue::analyze(context.pool()).await?;
    let mut result = json!({ "source": source.as_str(), "catalogue": tally });
    if many_new(&tally) {
        result["search_index_job"] = json!(rebuild_search(context).await?);
    }
    Ok(result)
}

/// Number of added and changed movies of an ingest above which the search index is rebuilt, which is then cheaper than
/// updating documents. Below it, ingest has already updated the live index page by page.
const REBUILD_ABOVE: u64 = 5_000;

fn many_new(tally: &IngestCounts) -> bool {
    tally.movies_added + tally.movies_changed > REBUILD_ABOVE
}

/// Enqueues a rebuild with an idempotency key of this job, so that a resumed ingest enqueues only one.
async fn rebuild_search(context: &JobContext) -> Result<Value, JobError> {
    let by = format!("ingest:{}", context.job_id);
    let job = NewJob { idempotency_key: Some(format!("{by}:search-index")), ..NewJob::of(JobKind::SearchIndex, by) };
    let mut conn = context.pool().acquire().await.map_err(storage::StorageError::from)?;
    let (job, _) = enqueue(&mut conn, job).await?;
    Ok(json!(job.id))
}
