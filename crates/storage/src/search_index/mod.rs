//! Search: Meilisearch where there is one, PostgreSQL without it and while it is down.

mod meilisearch;

use domain::MovieId;
use domain::search::{SearchDocument, SearchQuery, SearchResults};
use secrecy::SecretString;
use sqlx::PgPool;

pub use meilisearch::{IndexBuild, Meilisearch};

use crate::StorageError;
use crate::postgres;

/// PostgreSQL, and Meilisearch where there is one.
#[derive(Clone)]
pub struct SearchIndex {
    pool: PgPool,
    meilisearch: Option<Meilisearch>,
}

impl SearchIndex {
    /// `meilisearch` is URL, key and index name. Nothing is sent yet.
    ///
    /// # Errors
    /// A malformed Meilisearch URL or key ([`StorageError::Configuration`]).
    pub fn new(pool: PgPool, meilisearch: Option<(&str, Option<&SecretString>, &str)>) -> Result<Self, StorageError> {
        let meilisearch = meilisearch.map(|(url, key, index)| Meilisearch::new(url, key, index)).transpose()?;
        Ok(Self { pool, meilisearch })
    }

    /// The Meilisearch half, for the job that fills it.
    pub fn meilisearch(&self) -> Option<&Meilisearch> {
        self.meilisearch.as_ref()
    }

    /// Answers from Meilisearch; where that fails for whatever reason, from PostgreSQL, and says so in the log and in
    /// the results' `engine`.
    pub async fn search(&self, query: &SearchQuery) -> Result<SearchResults, StorageError> {
        if let Some(meilisearch) = &self.meilisearch {
            match meilisearch.search(query).await {
                Ok(results) => return Ok(results),
                Err(error) => {
                    metrics::counter!("search_fallbacks_total").increment(1);
                    tracing::warn!(%error, "Meilisearch did not answer; PostgreSQL does");
                }
            }
        }
        postgres::catalogue::search::search(&self.pool, query).await
    }

    /// Removes movies from the live Meilisearch index; PostgreSQL's rows are deleted with the tombstone.
    pub async fn remove(&self, ids: &[MovieId]) -> Result<(), StorageError> {
        match &self.meilisearch {
            Some(meilisearch) if !ids.is_empty() => meilisearch.remove(ids).await,
            _ => Ok(()),
        }
    }

    /// Adds or replaces movies in the live Meilisearch index between rebuilds, as ingest changes them.
    pub async fn put(&self, documents: &[SearchDocument]) -> Result<(), StorageError> {
        match &self.meilisearch {
            Some(meilisearch) if !documents.is_empty() => meilisearch.put(documents).await,
            _ => Ok(()),
        }
    }
}
