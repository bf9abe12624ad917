//! Runs search-index: fills the search engines. PostgreSQL's rows are rewritten in place; Meilisearch's index is built
//! beside the live one and swapped in.

use std::time::Duration;

use domain::MovieId;
use domain::artifacts::CacheFamily;
use domain::jobs;
use serde_json::{Value, json};
use sqlx::PgPool;
use storage::postgres::catalogue::movies;
use storage::postgres::catalogue::search;
use storage::postgres::changes;
use storage::postgres::search_outbox as outbox;
use storage::search_index::{Meilisearch, SearchIndex};
use tokio::time::Instant;
use uuid::Uuid;

use super::Run;
use crate::{JobContext, JobError, Shared};

/// Documents per Meilisearch task: about 5 MB.
const CHUNK: i64 = 5_000;

/// Movies that changed during a build and are brought up to date before the swap; the outbox brings any others after it.
const CATCH_UP: i64 = 5_000;

/// Interval at which a job that waits for another build looks again.
const WAIT: Duration = Duration::from_secs(1);

impl Run for jobs::SearchIndex {
    async fn run(self, shared: &Shared, context: &JobContext) -> Result<Value, JobError> {
        run(&shared.search, context).await
    }
}

async fn run(index: &SearchIndex, context: &JobContext) -> Result<Value, JobError> {
    let pool = context.pool();
    let total = movies::count(pool).await?;
    let engines = if index.meilisearch().is_some() { 2 } else { 1 };
    let postgres =
        search::rebuild(pool, |done| context.progress(done, Some(total * engines), "PostgreSQL rows")).await?;
    let meilisearch = match index.meilisearch() {
        None => None,
        Some(meilisearch) => Some(build_alone(pool, meilisearch, context, total).await?),
    };
    let mut tx = pool.begin().await.map_err(storage::StorageError::from)?;
    changes::bump(&mut tx, &[CacheFamily::Search]).await?;
    tx.commit().await.map_err(storage::StorageError::from)?;
    Ok(json!({ "documents": { "postgres": postgres, "meilisearch": meilisearch } }))
}

/// Builds under the lease of the one build; waits while another one is under way.
async fn build_alone(
    pool: &PgPool,
    meilisearch: &Meilisearch,
    context: &JobContext,
    total: i64,
) -> Result<i64, JobError> {
    let (index, token) = (meilisearch.index(), Uuid::new_v4());
    outbox::keep(pool, index).await?;
    while !outbox::take_build(pool, index, token).await? {
        context.progress(total, Some(2 * total), "waiting for another build of the search index");
        tokio::time::sleep(WAIT).await;
    }
    let built = tokio::select! {
        built = build(pool, meilisearch, token, context, total) => built,
        lost = keep_lease(pool, index, token) => Err(lost),
    };
    outbox::end_build(pool, index, token, built.is_ok()).await?;
    built
}

/// Renews the lease; returns when it is lost, or could not be renewed in time.
async fn keep_lease(pool: &PgPool, index: &str, token: Uuid) -> JobError {
    let mut renewed = Instant::now();
    loop {
        tokio::time::sleep(outbox::LEASE_RENEWAL).await;
        match outbox::renew_build(pool, index, token).await {
            Ok(true) => renewed = Instant::now(),
            Ok(false) => return lost(),
            Err(error) if renewed.elapsed() < outbox::BUILD_LEASE / 2 => {
                tracing::debug!(%error, "the lease of the search index's build was not renewed; retrying");
            }
            Err(_) => return lost(),
        }
    }
}

fn lost() -> JobError {
    JobError::Transient("the lease of the search index's build was lost".to_owned())
}

async fn build(
    pool: &PgPool,
    meilisearch: &Meilisearch,
    token: Uuid,
    context: &JobContext,
    total: i64,
) -> Result<i64, JobError> {
    meilisearch.sweep(&meilisearch.indexes().await?, Some(token)).await?;
    let building = meilisearch.begin(token).await?;
    let (mut after, mut done) = (0, 0);
    loop {
        let documents = search::documents(pool, after, CHUNK).await?;
        let Some(last) = documents.last() else { break };
        after = last.hit.movie_id.get();
        building.add(&documents).await?;
        done += documents.len() as i64;
        context.progress(total + done, Some(2 * total), "Meilisearch documents");
    }
    building.verify(done as usize).await?;
    let changed = outbox::movies(pool, meilisearch.index(), CATCH_UP).await?;
    let documents = search::documents_of(pool, &changed).await?;
    let shown = |id: &MovieId| documents.binary_search_by_key(id, |document| document.hit.movie_id).is_ok();
    let gone: Vec<MovieId> =
        changed.into_iter().filter_map(|id| MovieId::new(id).ok()).filter(|id| !shown(id)).collect();
    building.add(&documents).await?;
    building.remove(&gone).await?;
    // Asked last: whoever lost the lease must not swap.
    if !outbox::renew_build(pool, meilisearch.index(), token).await? {
        return Err(lost());
    }
    building.swap().await?;
    Ok(done)
}
