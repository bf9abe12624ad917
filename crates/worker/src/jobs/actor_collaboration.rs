//! Computes actor_collaboration: pairs of people in leading parts, their number of movies, and the mean rating.

use std::collections::BTreeMap;

use chrono::{NaiveDate, Utc};
use domain::RunId;
use domain::actor_collaboration::{Pair, Together, pairs};
use domain::artifacts::Artifact;
use domain::jobs;
use futures::TryStreamExt;
use serde_json::Value;
use sqlx::PgPool;
use storage::postgres::batch::actor_collaboration;

use super::{Run, publish};
use crate::{JobContext, JobError, Shared};

/// Pairs held in memory (about 50 MB) before they are added to the run's rows; a million movies have ten million pairs.
const PAIRS_HELD: usize = 500_000;

/// Rows of one INSERT.
const CHUNK: usize = 10_000;

impl Run for jobs::ActorCollaboration {
    async fn run(self, shared: &Shared, context: &JobContext) -> Result<Value, JobError> {
        run(&shared.pool, context, Utc::now().date_naive(), self.force).await
    }
}

async fn run(pool: &PgPool, context: &JobContext, today: NaiveDate, force: bool) -> Result<Value, JobError> {
    publish::staged(pool, context, Artifact::ActorCollaboration, today, force, |run| async move {
        let mut held: BTreeMap<Pair, Together> = BTreeMap::new();
        let (mut casts, mut movies) = (actor_collaboration::casts(pool), 0);
        while let Some(movie) = casts.try_next().await? {
            for pair in pairs(&movie.cast) {
                held.entry(pair).or_default().add(movie.vote_average, movie.vote_count);
            }
            movies += 1;
            if held.len() >= PAIRS_HELD {
                add(pool, run, std::mem::take(&mut held)).await?;
            }
            if movies % 10_000 == 0 {
                context.progress(movies, None, "reading casts");
            }
        }
        add(pool, run, held).await?;
        context.progress(movies, Some(movies), "reading casts");
        Ok(actor_collaboration::count(pool, run).await?)
    })
    .await
}

async fn add(pool: &PgPool, run: RunId, held: BTreeMap<Pair, Together>) -> Result<(), JobError> {
    let held: Vec<(Pair, Together)> = held.into_iter().collect();
    for chunk in held.chunks(CHUNK) {
        actor_collaboration::add(pool, run, chunk).await?;
    }
    Ok(())
}
