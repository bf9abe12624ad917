//! Computes temporal_trends: daily series of rating, popularity and sentiment, of all movies and of each genre.

use chrono::{NaiveDate, Utc};
use domain::artifacts::Artifact;
use domain::jobs;
use serde_json::Value;
use sqlx::PgPool;
use storage::postgres::batch::trends;

use super::{Run, publish};
use crate::{JobContext, JobError, Shared};

impl Run for jobs::Trends {
    async fn run(self, shared: &Shared, context: &JobContext) -> Result<Value, JobError> {
        run(&shared.pool, context, Utc::now().date_naive(), self.force).await
    }
}

async fn run(pool: &PgPool, context: &JobContext, today: NaiveDate, force: bool) -> Result<Value, JobError> {
    let Some(as_of) = trends::newest_day(pool, today).await? else {
        return Err(JobError::Permanent("there are no daily metrics or reviews; run ingest first".into()));
    };
    publish::staged(pool, context, Artifact::TemporalTrends, as_of, force, |run| async move {
        context.progress(0, Some(2), "ratings and popularity");
        let metrics = trends::stage_metrics(pool, run, as_of).await?;
        context.progress(1, Some(2), "sentiment");
        let sentiment = trends::stage_sentiment(pool, run, as_of).await?;
        context.progress(2, Some(2), "sentiment");
        Ok(metrics + sentiment)
    })
    .await
}
