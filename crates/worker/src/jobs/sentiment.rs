//! batch_sentiment_hourly: what reviews say, by movie and hour: viewers' and those of the catalogue's sources.

use chrono::{DateTime, Utc};
use domain::artifacts::Artifact;
use domain::hours::Hour;
use domain::jobs;
use domain::sentiment::{Lexicon, Tally};
use domain::{MovieId, RunId};
use futures::TryStreamExt;
use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use storage::StorageError;
use storage::postgres::batch::sentiment::{self, MovieHour, Opinion, Said};
use storage::postgres::batch::snapshot;

use super::{Run, publish};
use crate::{JobContext, JobError, Shared, Stop, Stopped};

/// Reviews scored at a time: some megabytes of text, and a second of work.
const CHUNK: usize = 5_000;

impl Run for jobs::Sentiment {
    async fn run(self, shared: &Shared, context: &JobContext) -> Result<Value, JobError> {
        run(&shared.pool, context, Utc::now(), self.force).await
    }
}

async fn run(pool: &PgPool, context: &JobContext, now: DateTime<Utc>, force: bool) -> Result<Value, JobError> {
    publish::staged_events(pool, context, Artifact::BatchSentimentHourly, now, force, |run, watermark| async move {
        let (mut tx, snapshot) = snapshot(pool).await?;
        let rows = stage(pool, &mut tx, context, run, watermark).await?;
        tx.commit().await.map_err(StorageError::from)?;
        Ok((rows, snapshot))
    })
    .await
}

/// Reads the reviews on `snapshot`'s connection and stages the hours on others, a chunk at a time: memory holds one.
async fn stage(
    pool: &PgPool,
    snapshot: &mut PgConnection,
    context: &JobContext,
    run: RunId,
    watermark: Hour,
) -> Result<u64, JobError> {
    let mut opinions = sentiment::opinions(snapshot, watermark).try_chunks(CHUNK);
    let (mut open, mut reviews, mut rows): (Option<MovieHour>, i64, u64) = (None, 0, 0);
    // An error behind a chunk's first reviews is the stream's: nothing of a broken run is used.
    while let Some(chunk) = opinions.try_next().await.map_err(|broken| broken.1)? {
        reviews += chunk.len() as i64;
        // A thousand words take a millisecond.
        let hours = context.blocking(move |stop| fold(open, chunk, stop)).await?;
        // The last hour may go on in the next chunk.
        open = hours.last().copied();
        let done = hours.len().saturating_sub(1);
        sentiment::stage(pool, run, &hours[..done]).await?;
        rows += done as u64;
        context.progress(reviews, None, "scoring reviews");
    }
    sentiment::stage(pool, run, open.as_slice()).await?;
    context.progress(reviews, Some(reviews), "scoring reviews");
    Ok(rows + open.iter().len() as u64)
}

/// Adds reviews, which come movie by movie and hour by hour, to the hour that is open.
fn fold(open: Option<MovieHour>, opinions: Vec<Opinion>, stop: &Stop) -> Result<Vec<MovieHour>, Stopped> {
    let lexicon = Lexicon::new();
    let mut hours: Vec<MovieHour> = Vec::from_iter(open);
    for Opinion { movie_id, hour, said } in opinions {
        stop.check()?;
        let score = match said {
            Said::Scored(score) => score,
            Said::Written(text) => lexicon.score(&text),
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
