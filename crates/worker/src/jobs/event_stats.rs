//! Computes batch_stats_hourly: counts of viewers' events by movie and hour, recounted from the stored events.

use chrono::{DateTime, Utc};
use domain::artifacts::Artifact;
use domain::jobs;
use serde_json::Value;
use storage::StorageError;
use storage::postgres::batch::{event_stats, snapshot};

use super::{Run, publish};
use crate::{JobContext, JobError, Shared};

impl Run for jobs::EventStats {
    async fn run(self, _: &Shared, context: &JobContext) -> Result<Value, JobError> {
        run(context, Utc::now(), self.force).await
    }
}

async fn run(context: &JobContext, now: DateTime<Utc>, force: bool) -> Result<Value, JobError> {
    publish::staged_events(context, Artifact::BatchStatsHourly, now, force, |run, watermark| async move {
        let (mut tx, snapshot) = snapshot(context.pool()).await?;
        context.progress(0, None, "counting events");
        let rows = event_stats::stage(&mut tx, run, watermark).await?;
        tx.commit().await.map_err(StorageError::from)?;
        context.progress(rows as i64, Some(rows as i64), "counting events");
        Ok((rows, snapshot))
    })
    .await
}
