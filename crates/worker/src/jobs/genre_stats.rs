//! Computes genre_stats_daily: counts, means and sums per genre.

use std::collections::BTreeMap;

use chrono::{NaiveDate, Utc};
use domain::artifacts::Artifact;
use domain::genre_stats::{GenreStats, MovieFacts};
use domain::jobs;
use futures::TryStreamExt;
use serde_json::Value;
use storage::postgres::batch::genre_stats;
use storage::postgres::catalogue::movies;

use super::{Run, publish};
use crate::{JobContext, JobError, Shared};

impl Run for jobs::GenreStats {
    async fn run(self, _: &Shared, context: &JobContext) -> Result<Value, JobError> {
        run(context, Utc::now().date_naive(), self.force).await
    }
}

async fn run(context: &JobContext, today: NaiveDate, force: bool) -> Result<Value, JobError> {
    publish::staged(context, Artifact::GenreStatsDaily, today, force, |run| async move {
        let mut stats: BTreeMap<String, GenreStats> = BTreeMap::new();
        let mut movies = movies::facts(context.pool());
        while let Some(movie) = movies.try_next().await? {
            let facts = MovieFacts {
                vote_average: movie.vote_average,
                vote_count: movie.vote_count,
                popularity: movie.popularity,
                revenue: movie.revenue,
                budget: movie.budget,
                runtime: movie.runtime,
            };
            for genre in movie.genres {
                stats.entry(genre).or_default().add(&facts);
            }
        }
        let stats: Vec<_> = stats.into_iter().collect();
        let mut tx = context.begin().await?;
        genre_stats::stage(&mut *tx, run, &stats).await?;
        tx.commit().await?;
        context.progress(stats.len() as i64, Some(stats.len() as i64), "genres");
        Ok(stats.len() as u64)
    })
    .await
}
