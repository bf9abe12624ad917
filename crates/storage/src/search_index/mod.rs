//! Search: Meilisearch where it is configured and reachable, otherwise PostgreSQL.

mod meilisearch;

use domain::MovieId;
use domain::search::{SearchDocument, SearchQuery, SearchResults};
use secrecy::SecretString;
use sqlx::PgPool;

pub use meilisearch::{IndexBuild, Meilisearch};

use crate::StorageError;
use crate::postgres;

/// PostgreSQL, and Meilisearch where it is configured.
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

    /// The Meilisearch part, for the job that fills it.
    pub fn meilisearch(&self) -> Option<&Meilisearch> {
        self.meilisearch.as_ref()
    }

    /// Searches in Meilisearch; if that fails for any reason, in PostgreSQL, with a warning in the log. The results'
    /// `engine` names the engine that answered.
    pub async fn search(&self, query: &SearchQuery) -> Result<SearchResults, StorageError> {
        if let Some(meilisearch) = &self.meilisearch {
            match meilisearch.search(query).await {
                Ok(results) => return Ok(results),
                Err(error) => {
                    metrics::counter!("search_fallbacks_total").increment(1);
                    tracing::warn!(%error, "Meilisearch did not answer; PostgreSQL answered instead");
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

    /// Adds or replaces movies in the live Meilisearch index; ingest uses it between rebuilds.
    pub async fn put(&self, documents: &[SearchDocument]) -> Result<(), StorageError> {
        match &self.meilisearch {
            Some(meilisearch) if !documents.is_empty() => meilisearch.put(documents).await,
            _ => Ok(()),
        }
    }
}
