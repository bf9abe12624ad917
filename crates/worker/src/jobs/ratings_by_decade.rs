//! Computes ratings_by_decade: ratings of the movies of each decade.

use std::collections::BTreeMap;

use chrono::{NaiveDate, Utc};
use domain::artifacts::Artifact;
use domain::jobs;
use domain::ratings_by_decade::{DecadeStats, decade};
use futures::TryStreamExt;
use serde_json::Value;
use storage::postgres::batch::ratings_by_decade;
use storage::postgres::catalogue::movies;

use super::{Run, publish};
use crate::{JobContext, JobError, Shared};

impl Run for jobs::RatingsByDecade {
    async fn run(self, _: &Shared, context: &JobContext) -> Result<Value, JobError> {
        run(context, Utc::now().date_naive(), self.force).await
    }
}

async fn run(context: &JobContext, today: NaiveDate, force: bool) -> Result<Value, JobError> {
    publish::staged(context, Artifact::RatingsByDecade, today, force, |run| async move {
        let mut stats: BTreeMap<i32, DecadeStats> = BTreeMap::new();
        let mut movies = movies::facts(context.pool());
        while let Some(movie) = movies.try_next().await? {
            if let Some(date) = movie.release_date {
                stats.entry(decade(date)).or_default().add(movie.vote_average, movie.vote_count);
            }
        }
        let stats: Vec<_> = stats.into_iter().collect();
        let mut tx = context.begin().await?;
        ratings_by_decade::stage(&mut *tx, run, &stats).await?;
        tx.commit().await?;
        context.progress(stats.len() as i64, Some(stats.len() as i64), "decades");
        Ok(stats.len() as u64)
    })
    .await
}
