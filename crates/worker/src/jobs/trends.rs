//! Computes temporal_trends: daily series of rating, popularity and sentiment, of all movies and of each genre.

use chrono::{NaiveDate, Utc};
use domain::artifacts::Artifact;
use domain::jobs;
use serde_json::Value;
use storage::postgres::batch::trends;

use super::{Run, publish};
use crate::{JobContext, JobError, Shared};

impl Run for jobs::Trends {
    async fn run(self, _: &Shared, context: &JobContext) -> Result<Value, JobError> {
        run(context, Utc::now().date_naive(), self.force).await
    }
}

async fn run(context: &JobContext, today: NaiveDate, force: bool) -> Result<Value, JobError> {
    let Some(as_of) = trends::newest_day(context.pool(), today).await? else {
        return Err(JobError::Permanent("there are no daily metrics or reviews; run ingest first".into()));
    };
    publish::staged(context, Artifact::TemporalTrends, as_of, force, |run| async move {
        context.progress(0, Some(2), "ratings and popularity");
        let mut tx = context.begin().await?;
        let metrics = trends::stage_metrics(&mut *tx, run, as_of).await?;
        tx.commit().await?;
        context.progress(1, Some(2), "sentiment");
        let mut tx = context.begin().await?;
        let sentiment = trends::stage_sentiment(&mut *tx, run, as_of).await?;
        tx.commit().await?;
        context.progress(2, Some(2), "sentiment");
        Ok(metrics + sentiment)
    })
    .await
}
