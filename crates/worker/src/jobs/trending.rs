//! movie_trending_daily: every active film's score over the last week of daily metrics.

use chrono::NaiveDate;
use domain::artifacts::Artifact;
use domain::movies::DailyMetrics;
use domain::trending::{RANKS_KEPT, Trend, rank, trend};
use futures::TryStreamExt;
use serde_json::Value;
use sqlx::PgPool;
use storage::postgres::trending;

use super::publish;
use crate::{JobContext, JobError};

/// Rows of one INSERT.
const CHUNK: usize = 2_000;

pub(super) async fn run(pool: &PgPool, context: &JobContext, today: NaiveDate, force: bool) -> Result<Value, JobError> {
    let Some(as_of) = trending::newest_day(pool, today).await? else {
        return Err(JobError::Permanent("there are no daily metrics to rank; run ingest first".into()));
    };
    publish::staged(pool, context, Artifact::MovieTrendingDaily, as_of, force, |run| async move {
        let trends = ranked(pool, context, as_of).await?;
        for (chunk, first) in trends.chunks(CHUNK).zip((1..).step_by(CHUNK)) {
            trending::stage(pool, run, first, chunk).await?;
        }
        Ok(trends.len() as u64)
    })
    .await
}

/// Folds each film's snapshots into its trend. They come film by film and day by day, so two of them are kept; and
/// only the best [`RANKS_KEPT`] trends, so memory does not grow with the catalogue.
async fn ranked(pool: &PgPool, context: &JobContext, as_of: NaiveDate) -> Result<Vec<Trend>, JobError> {
    let mut trends: Vec<Trend> = Vec::new();
    let mut film: Option<(DailyMetrics, DailyMetrics)> = None;
    let mut films = 0;
    let mut snapshots = trending::window(pool, as_of);
    while let Some(snapshot) = snapshots.try_next().await? {
        match &mut film {
            Some((_, latest)) if latest.movie_id == snapshot.movie_id => *latest = snapshot,
            _ => {
                trends.extend(film.replace((snapshot, snapshot)).map(|(first, last)| trend(&first, &last)));
                films += 1;
                if trends.len() >= 4 * RANKS_KEPT {
                    rank(&mut trends);
                    context.progress(films, None, "scoring films");
                }
            }
        }
    }
    trends.extend(film.map(|(first, last)| trend(&first, &last)));
    rank(&mut trends);
    context.progress(films, Some(films), "scoring films");
    Ok(trends)
}
