//! Computes movie_trending_daily: every active movie's score over the last week of daily metrics.

use chrono::{NaiveDate, Utc};
use domain::artifacts::Artifact;
use domain::jobs;
use domain::movies::DailyMetrics;
use domain::trending::{RANKS_KEPT, Trend, rank, trend};
use futures::TryStreamExt;
use serde_json::Value;
use sqlx::PgPool;
use storage::postgres::batch::trending;

use super::{Run, publish};
use crate::{JobContext, JobError, Shared};

/// Rows of one INSERT.
const CHUNK: usize = 2_000;

impl Run for jobs::Trending {
    async fn run(self, _: &Shared, context: &JobContext) -> Result<Value, JobError> {
        run(context, Utc::now().date_naive(), self.force).await
    }
}

async fn run(context: &JobContext, today: NaiveDate, force: bool) -> Result<Value, JobError> {
    let Some(as_of) = trending::newest_day(context.pool(), today).await? else {
        return Err(JobError::Permanent("there are no daily metrics to rank; run ingest first".into()));
    };
    publish::staged(context, Artifact::MovieTrendingDaily, as_of, force, |run| async move {
        let trends = ranked(context, as_of).await?;
        for (chunk, first) in trends.chunks(CHUNK).zip((1..).step_by(CHUNK)) {
            let mut tx = context.begin().await?;
            trending::stage(&mut *tx, run, first, chunk).await?;
            tx.commit().await?;
        }
        Ok(trends.len() as u64)
    })
    .await
}

/// The best [`RANKS_KEPT`] trends. At most four times as many are in memory, so memory does not grow with the
/// catalogue.
async fn ranked(context: &JobContext, as_of: NaiveDate) -> Result<Vec<Trend>, JobError> {
    let (mut trends, mut movies): (Vec<Trend>, i64) = (Vec::new(), 0);
    each(context.pool(), as_of, |trend| {
        trends.push(trend);
        movies += 1;
        if trends.len() >= 4 * RANKS_KEPT {
            rank(&mut trends);
            context.progress(movies, None, "scoring movies");
        }
    })
    .await?;
    rank(&mut trends);
    context.progress(movies, Some(movies), "scoring movies");
    Ok(trends)
}

/// Passes each active movie's trend to `take`, in id order. Snapshots are ordered by movie and day, so only the first
/// and the latest of one movie are in memory.
pub(super) async fn each(pool: &PgPool, as_of: NaiveDate, mut take: impl FnMut(Trend)) -> Result<(), JobError> {
    let mut movie: Option<(DailyMetrics, DailyMetrics)> = None;
    let mut snapshots = trending::window(pool, as_of);
    while let Some(snapshot) = snapshots.try_next().await? {
        match &mut movie {
            Some((_, latest)) if latest.movie_id == snapshot.movie_id => *latest = snapshot,
            _ => {
                if let Some((first, last)) = movie.replace((snapshot, snapshot)) {
                    take(trend(&first, &last));
                }
            }
        }
    }
    if let Some((first, last)) = movie {
        take(trend(&first, &last));
    }
    Ok(())
}
