//! Computes batch_sentiment_hourly: sentiment by movie and hour, of the reviews of viewers and of sources.

use chrono::{DateTime, Utc};
use domain::artifacts::Artifact;
use domain::hours::Hour;
use domain::jobs;
use domain::sentiment::{Lexicon, Tally};
use domain::{MovieId, RunId};
use futures::TryStreamExt;
use serde_json::Value;
use sqlx::PgConnection;
use storage::StorageError;
use storage::postgres::batch::sentiment::{self, MovieHour, ReviewContent, StoredReview};
use storage::postgres::batch::snapshot;

use super::{Run, publish};
use crate::{JobContext, JobError, Shared, Stop, Stopped};

/// Reviews scored per chunk: a few megabytes of text, about a second of work.
const CHUNK: usize = 5_000;

impl Run for jobs::Sentiment {
    async fn run(self, _: &Shared, context: &JobContext) -> Result<Value, JobError> {
        run(context, Utc::now(), self.force).await
    }
}

async fn run(context: &JobContext, now: DateTime<Utc>, force: bool) -> Result<Value, JobError> {
    publish::staged_events(context, Artifact::BatchSentimentHourly, now, force, |run, watermark| async move {
        let (mut tx, snapshot) = snapshot(context.pool()).await?;
        let rows = stage(&mut tx, context, run, watermark).await?;
        tx.commit().await.map_err(StorageError::from)?;
        Ok((rows, snapshot))
    })
    .await
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
        // Off the async threads: a thousand words take a millisecond.
        let hours = context.blocking(move |stop| fold(open, chunk, stop)).await?;
        // The last hour may continue in the next chunk.
        open = hours.last().copied();
        let done = hours.len().saturating_sub(1);
        write(context, run, &hours[..done]).await?;
        rows += done as u64;
        context.progress(reviews, None, "scoring reviews");
    }
    write(context, run, open.as_slice()).await?;
    context.progress(reviews, Some(reviews), "scoring reviews");
    Ok(rows + open.iter().len() as u64)
}

async fn write(context: &JobContext, run: RunId, hours: &[MovieHour]) -> Result<(), JobError> {
    let mut tx = context.begin().await?;
    sentiment::stage(&mut *tx, run, hours).await?;
    Ok(tx.commit().await?)
}

/// Folds reviews, ordered by movie and hour, into tallies; `open` is the last hour of the previous chunk.
fn fold(open: Option<MovieHour>, reviews: Vec<StoredReview>, stop: &Stop) -> Result<Vec<MovieHour>, Stopped> {
    let lexicon = Lexicon::new();
    let mut hours: Vec<MovieHour> = Vec::from_iter(open);
    for StoredReview { movie_id, hour, content } in reviews {
        stop.check()?;
        let score = match content {
            ReviewContent::Scored(score) => score,
            ReviewContent::Text(text) => lexicon.score(&text),
        };
        let at: (MovieId, Hour) = (movie_id, hour);
        if hours.last().is_none_or(|(movie, hour, _)| (*movie, *hour) != at) {
            hours.push((movie_id, hour, Tally::default()));
        }
        if let Some((.., tally)) = hours.last_mut() {
            tally.add(score);
        }
    }
    Ok(hours)
}
