//! The jobs: one file each, named as the job is. A job is a plain function of explicit arguments that may run twice.

mod actor_collaboration;
mod collect_runs;
mod compute_all;
mod event_stats;
mod genre_analytics;
mod genre_stats;
pub mod ingest;
mod predictions;
mod probe;
mod publish;
mod ratings_by_decade;
mod refresh_popular;
mod search_index;
mod sentiment;
mod similar;
mod tmdb;
mod trending;
mod trends;

use chrono::Utc;
use domain::jobs::JobKind;
use serde_json::Value;
use storage::postgres::jobs::Job;

use crate::{JobContext, JobError, Shared};

/// Runs a job and answers its result.
pub(crate) async fn run(shared: &Shared, job: &Job, context: &JobContext) -> Result<Value, JobError> {
    let payload = &job.payload;
    match job.kind {
        JobKind::Ingest => ingest::run(shared, context, payload.mode.unwrap_or_default()).await,
        JobKind::RefreshPopular => refresh_popular::run(shared, context).await,
        JobKind::ComputeAll => compute_all::run(shared, context, payload.force).await,
        JobKind::CollectRuns => collect_runs::run(shared, context).await,
        JobKind::Probe => probe::run(context, payload.hold_ms.unwrap_or(0)).await,
        kind => step(shared, kind, context, payload.force).await,
    }
}

/// Runs a job that can also be a step of compute-all.
async fn step(shared: &Shared, kind: JobKind, context: &JobContext, force: bool) -> Result<Value, JobError> {
    let (pool, now) = (&shared.pool, Utc::now());
    let today = now.date_naive();
    match kind {
        JobKind::Trending => trending::run(pool, context, today, force).await,
        JobKind::GenreStats => genre_stats::run(pool, context, today, force).await,
        JobKind::RatingsByDecade => ratings_by_decade::run(pool, context, today, force).await,
        JobKind::Similar => similar::run(pool, context, today, force).await,
        JobKind::EventStats => event_stats::run(pool, context, now, force).await,
        JobKind::Sentiment => sentiment::run(pool, context, now, force).await,
        JobKind::Trends => trends::run(pool, context, today, force).await,
        JobKind::GenreAnalytics => genre_analytics::run(pool, context, today, force).await,
        JobKind::ActorCollaboration => actor_collaboration::run(pool, context, today, force).await,
        JobKind::Predictions => predictions::run(pool, context, today, force).await,
        JobKind::SearchIndex => search_index::run(pool, &shared.search, context).await,
        JobKind::Ingest | JobKind::RefreshPopular | JobKind::ComputeAll | JobKind::CollectRuns | JobKind::Probe => {
            Err(JobError::Permanent(format!("{kind} is not a step")))
        }
    }
}
