//! Computes actor_collaboration: pairs of people in leading parts, their number of movies, and the mean rating.

use std::collections::BTreeMap;

use chrono::{NaiveDate, Utc};
use domain::RunId;
use domain::actor_collaboration::{Pair, Together, pairs};
use domain::artifacts::Artifact;
use domain::jobs;
use futures::TryStreamExt;
use serde_json::Value;
use storage::postgres::batch::actor_collaboration;

use super::{Run, publish};
use crate::{JobContext, JobError, Shared};

/// Pairs held in memory (about 50 MB) before they are added to the run's rows; a million movies have ten million pairs.
const PAIRS_HELD: usize = 500_000;

/// Rows of one INSERT.
const CHUNK: usize = 10_000;

impl Run for jobs::ActorCollaboration {
    async fn run(self, _: &Shared, context: &JobContext) -> Result<Value, JobError> {
        run(context, Utc::now().date_naive(), self.force).await
    }
}

async fn run(context: &JobContext, today: NaiveDate, force: bool) -> Result<Value, JobError> {
    publish::staged(context, Artifact::ActorCollaboration, today, force, |run| async move {
        let mut held: BTreeMap<Pair, Together> = BTreeMap::new();
        let (mut casts, mut movies) = (actor_collaboration::casts(context.pool()), 0);
        while let Some(movie) = casts.try_next().await? {
            for pair in pairs(&movie.cast) {
                held.entry(pair).or_default().add(movie.vote_average, movie.vote_count);
            }
            movies += 1;
            if held.len() >= PAIRS_HELD {
                add(context, run, std::mem::take(&mut held)).await?;
            }
            if movies % 10_000 == 0 {
                context.progress(movies, None, "reading casts");
            }
        }
        add(context, run, held).await?;
        context.progress(movies, Some(movies), "reading casts");
        Ok(actor_collaboration::count(context.pool(), run).await?)
    })
    .await
}

async fn add(context: &JobContext, run: RunId, held: BTreeMap<Pair, Together>) -> Result<(), JobError> {
    let held: Vec<(Pair, Together)> = held.into_iter().collect();
    for chunk in held.chunks(CHUNK) {
        let mut tx = context.begin().await?;
        actor_collaboration::add(&mut *tx, run, chunk).await?;
        tx.commit().await?;
    }
    Ok(())
}
