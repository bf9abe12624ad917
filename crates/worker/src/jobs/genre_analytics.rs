//! Computes genre_analytics: the seed's statistics of each genre, by year and month of release.

use std::collections::BTreeMap;

use chrono::{NaiveDate, Utc};
use domain::artifacts::Artifact;
use domain::genre_analytics::{GenreSums, month_of};
use domain::jobs;
use futures::TryStreamExt;
use serde_json::Value;
use storage::postgres::batch::genre_analytics::{self, Month};

use super::{Run, publish};
use crate::{JobContext, JobError, Shared};

/// Rows of one INSERT.
const CHUNK: usize = 2_000;

impl Run for jobs::GenreAnalytics {
    async fn run(self, _: &Shared, context: &JobContext) -> Result<Value, JobError> {
        run(context, Utc::now().date_naive(), self.force).await
    }
}

async fn run(context: &JobContext, today: NaiveDate, force: bool) -> Result<Value, JobError> {
    publish::staged(context, Artifact::GenreAnalytics, today, force, |run| async move {
        // Twenty genres, a hundred and fifty years, twelve months: at most 36,000 entries, however many movies.
        let mut sums: BTreeMap<(String, i32, i32), GenreSums> = BTreeMap::new();
        let (mut movies, mut read) = (genre_analytics::movies(context.pool()), 0);
        while let Some(movie) = movies.try_next().await? {
            let (year, month) = month_of(movie.release_date);
            for genre in movie.genres {
                sums.entry((genre, year, month)).or_default().add(&movie.facts, movie.sentiment);
            }
            read += 1;
            if read % 10_000 == 0 {
                context.progress(read, None, "reading movies");
            }
        }
        let months: Vec<Month> =
            sums.into_iter().map(|((genre, year, month), sums)| Month { genre, year, month, sums }).collect();
        for chunk in months.chunks(CHUNK) {
            let mut tx = context.begin().await?;
            genre_analytics::stage(&mut *tx, run, chunk).await?;
            tx.commit().await?;
        }
        context.progress(read, Some(read), "reading movies");
        Ok(months.len() as u64)
    })
    .await
}
