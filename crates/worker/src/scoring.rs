//! Scores reviews in bounded batches: the scorer of the speed layer does so all the time, and the sentiment job before it
//! reads the scores.

use std::time::Duration;

use domain::sentiment::Lexicon;
use sqlx::PgPool;
use storage::StorageError;
use storage::postgres::facts::scoring;
use tokio_util::sync::CancellationToken;

/// Reviews per batch: one or two seconds of work even if each takes the longest, which bounds how long the next ones
/// wait.
const BATCH: i64 = 100;

/// After this time another scorer takes over the batch of one that died.
const LEASE: Duration = Duration::from_secs(30);

/// Interval at which an idle scorer looks for reviews: a review is in its movie's sentiment within about a second.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Longest wait after failures, about the time in which a server restarts.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// Scores one batch on a blocking thread, outside any transaction; returns the number of reviews claimed, 0 where none
/// waits unclaimed.
pub(crate) async fn score_batch(pool: &PgPool) -> Result<usize, StorageError> {
    let claimed = scoring::claim(pool, BATCH, LEASE).await?;
    let count = claimed.len();
    if count == 0 {
        return Ok(0);
    }
    let scored = tokio::task::spawn_blocking(move || {
        let lexicon = Lexicon::new();
        claimed.into_iter().map(|review| review.score(&lexicon)).collect::<Vec<_>>()
    });
    match scored.await {
        Ok(scored) => {
            let written = scoring::finish(pool, &scored).await?;
            metrics::counter!("reviews_scored_total").increment(written);
        }
        // The claim runs out, and the attempts count.
        Err(error) => tracing::error!(%error, "scoring a batch of reviews broke off; it will be scored again"),
    }
    Ok(count)
}

/// Scores reviews until `stop`, one batch at a time.
pub(crate) async fn run(pool: PgPool, stop: CancellationToken) {
    let mut failures = 0;
    while !stop.is_cancelled() {
        let pause = match score_batch(&pool).await {
            Ok(0) => POLL_INTERVAL,
            Ok(_) => Duration::ZERO,
            Err(error) => {
                tracing::warn!(%error, "reviews were not scored; retrying");
                failures += 1;
                POLL_INTERVAL.saturating_mul(1 << failures.min(5)).min(BACKOFF_MAX)
            }
        };
        if pause <= POLL_INTERVAL {
            failures = 0;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
    }
}
