//! genre_stats_daily: counts, means and sums per genre.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use domain::artifacts::Artifact;
use domain::genres::{FilmFacts, GenreStats};
use futures::TryStreamExt;
use serde_json::Value;
use sqlx::PgPool;
use storage::postgres::{genres, movies};

use super::publish;
use crate::{JobContext, JobError};

pub(super) async fn run(pool: &PgPool, context: &JobContext, today: NaiveDate, force: bool) -> Result<Value, JobError> {
    publish::staged(pool, context, Artifact::GenreStatsDaily, today, force, |run| async move {
        let mut stats: BTreeMap<String, GenreStats> = BTreeMap::new();
        let mut films = movies::facts(pool);
        while let Some(film) = films.try_next().await? {
            let facts = FilmFacts {
                vote_average: film.vote_average,
                vote_count: film.vote_count,
                popularity: film.popularity,
                revenue: film.revenue,
                budget: film.budget,
                runtime: film.runtime,
            };
            for genre in film.genres {
                stats.entry(genre).or_default().add(&facts);
            }
        }
        let stats: Vec<_> = stats.into_iter().collect();
        genres::stage(pool, run, &stats).await?;
        context.progress(stats.len() as i64, Some(stats.len() as i64), "genres");
        Ok(stats.len() as u64)
    })
    .await
}
