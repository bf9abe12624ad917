//! Computes batch_sentiment_hourly: sentiment by movie and hour, of the reviews of viewers and of sources.

use chrono::{DateTime, Utc};
use domain::artifacts::Artifact;
use domain::hours::Hour;
use domain::jobs;
use domain::sentiment::Tally;
use domain::{MovieId, RunId};
use futures::TryStreamExt;
use serde_json::Value;
use sqlx::PgConnection;
use storage::StorageError;
use storage::postgres::batch::sentiment::{self, MovieHour, StoredReview};
use storage::postgres::batch::snapshot;
use storage::postgres::facts::scoring;

use super::{Run, publish};
use crate::scoring::{POLL_INTERVAL, score_batch};
use crate::{JobContext, JobError, Shared};

/// Reviews per chunk: some hundred kilobytes.
const CHUNK: usize = 5_000;

impl Run for jobs::Sentiment {
    async fn run(self, _: &Shared, context: &JobContext) -> Result<Value, JobError> {
        run(context, Utc::now(), self.force).await
    }
}

async fn run(context: &JobContext, now: DateTime<Utc>, force: bool) -> Result<Value, JobError> {
    score_waiting(context).await?;
    publish::staged_events(context, Artifact::BatchSentimentHourly, now, force, |run, watermark| async move {
        let (mut tx, snapshot) = snapshot(context.pool()).await?;
        let rows = stage(&mut tx, context, run, watermark).await?;
        tx.commit().await.map_err(StorageError::from)?;
        Ok((rows, snapshot))
    })
    .await
}

/// Waits until every review is scored that is stored by now, and helps with it: what an ingest has just written is to be
/// in this run, also where no speed layer runs.
async fn score_waiting(context: &JobContext) -> Result<(), JobError> {
    let pool = context.pool();
    let Some(until) = scoring::newest(pool).await? else { return Ok(()) };
    let mut scored: i64 = 0;
    while scoring::is_waiting(pool, until).await? {
        let count = score_batch(pool).await?;
        scored += count as i64;
        context.progress(scored, None, "scoring reviews");
        if count == 0 {
            // Others are scoring the rest.
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
    Ok(())
}

/// Reads the reviews on `snapshot`'s connection and stages the hours on the attempt's second one, chunk by chunk, so that memory holds
/// one chunk.
async fn stage(
    snapshot: &mut PgConnection,
    context: &JobContext,
    run: RunId,
    watermark: Hour,
) -> Result<u64, JobError> {
    let mut stream = sentiment::reviews(snapshot, watermark).try_chunks(CHUNK);
    let (mut open, mut reviews, mut rows): (Option<MovieHour>, i64, u64) = (None, 0, 0);
    // `try_chunks` returns an error together with the reviews read before it, which are discarded with the run.
    while let Some(chunk) = stream.try_next().await.map_err(|broken| broken.1)? {
        reviews += chunk.len() as i64;
        let hours = fold(open, chunk);
        // The last hour may continue in the next chunk.
        open = hours.last().copied();
        let done = hours.len().saturating_sub(1);
        write(context, run, &hours[..done]).await?;
        rows += done as u64;
        context.progress(reviews, None, "adding up reviews");
    }
    write(context, run, open.as_slice()).await?;
    context.progress(reviews, Some(reviews), "adding up reviews");
    Ok(rows + open.iter().len() as u64)
}

async fn write(context: &JobContext, run: RunId, hours: &[MovieHour]) -> Result<(), JobError> {
    let mut tx = context.begin().await?;
    sentiment::stage(&mut *tx, run, hours).await?;
    Ok(tx.commit().await?)
}

/// Folds reviews, ordered by movie and hour, into tallies; `open` is the last hour of the previous chunk.
fn fold(open: Option<MovieHour>, reviews: Vec<StoredReview>) -> Vec<MovieHour> {
    let mut hours: Vec<MovieHour> = Vec::from_iter(open);
    for StoredReview { movie_id, hour, score } in reviews {
        let at: (MovieId, Hour) = (movie_id, hour);
        if hours.last().is_none_or(|(movie, hour, _)| (*movie, *hour) != at) {
            hours.push((movie_id, hour, Tally::default()));
        }
        if let Some((.., tally)) = hours.last_mut() {
            tally.add(score);
        }
    }
    hours
}
