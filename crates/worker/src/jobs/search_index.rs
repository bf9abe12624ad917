//! Runs search-index: fills the search engines. PostgreSQL's rows are rewritten in place; Meilisearch's index is built
//! beside the live one and swapped in.

use chrono::Utc;
use domain::artifacts::CacheFamily;
use domain::jobs;
use domain::search::SearchDocument;
use serde_json::{Value, json};
use sqlx::PgPool;
use storage::postgres::catalogue::movies;
use storage::postgres::catalogue::search;
use storage::postgres::changes;
use storage::search_index::{Meilisearch, SearchIndex};

use super::Run;
use crate::{JobContext, JobError, Shared};

/// Documents per Meilisearch task: about 5 MB.
const CHUNK: i64 = 5_000;

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
        Some(meilisearch) => Some(build(pool, index, meilisearch, context, total).await?),
    };
    let mut tx = pool.begin().await.map_err(storage::StorageError::from)?;
    changes::bump(&mut tx, &[CacheFamily::Search]).await?;
    tx.commit().await.map_err(storage::StorageError::from)?;
    Ok(json!({ "documents": { "postgres": postgres, "meilisearch": meilisearch } }))
}

async fn build(
    pool: &PgPool,
    index: &SearchIndex,
    meilisearch: &Meilisearch,
    context: &JobContext,
    total: i64,
) -> Result<i64, JobError> {
    let started = Utc::now();
    let build_id = context.job_id.to_string();
    meilisearch.sweep().await?;
    let building = meilisearch.begin(&build_id).await?;
    let (mut after, mut done) = (0, 0);
    loop {
        let documents: Vec<SearchDocument> = search::documents(pool, after, CHUNK).await?;
        let Some(last) = documents.last() else { break };
        after = last.hit.movie_id.get();
        building.add(&documents).await?;
        done += documents.len() as i64;
        context.progress(total + done, Some(2 * total), "Meilisearch documents");
    }
    building.swap().await?;
    // Ingest wrote its changes meanwhile to the old index, so they are written to the new one now.
    index.put(&search::documents_since(pool, started).await?).await?;
    index.remove(&search::tombstones_since(pool, started).await?).await?;
    Ok(done)
}
