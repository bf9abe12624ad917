//! Search: Meilisearch where it is configured and reachable, otherwise PostgreSQL.

mod breaker;
mod meilisearch;

use std::sync::Arc;

use domain::page::{Limit, Page};
use domain::search::{SearchQuery, SearchResults};
use secrecy::SecretString;
use sqlx::PgPool;

pub use meilisearch::{IndexBuild, Meilisearch};
pub use meilisearch_sdk::errors::Error as SdkError;

use crate::StorageError;
use crate::postgres;
use breaker::{Breaker, Route};

/// PostgreSQL, and Meilisearch where it is configured.
#[derive(Clone)]
pub struct SearchIndex {
    pool: PgPool,
    meilisearch: Option<Guarded>,
}

/// Meilisearch behind a circuit breaker, which all clones share.
#[derive(Clone)]
struct Guarded {
    server: Meilisearch,
    breaker: Arc<Breaker>,
}

impl Guarded {
    /// The results, or `None` where PostgreSQL is to answer.
    async fn search(&self, query: &SearchQuery) -> Option<SearchResults> {
        match self.breaker.route() {
            Route::Ask => {}
            Route::Skip => return None,
            Route::SkipAndProbe => {
                tokio::spawn(self.clone().probe());
                return None;
            }
        }
        let answer = tokio::select! {
            answer = self.server.search(query) => answer,
            // Others found out that the server is away.
            () = self.breaker.opened() => return None,
        };
        self.note(&answer);
        match answer {
            Ok(results) => Some(results),
            Err(error) => {
                tracing::warn!(%error, "Meilisearch did not answer; PostgreSQL answered instead");
                None
            }
        }
    }

    /// Asks as searches do, and tells the breaker.
    async fn probe(self) {
        let query = SearchQuery { page: Page::first(Limit::ONE), ..SearchQuery::default() };
        self.note(&self.server.search(&query).await);
    }

    fn note(&self, answer: &Result<SearchResults, StorageError>) {
        match answer {
            Ok(_) => self.breaker.succeeded(),
            // The server is well and refused this one query.
            Err(StorageError::Meilisearch(error)) if meilisearch::refused(error) => {}
            Err(_) => self.breaker.failed(),
        }
    }
}

impl SearchIndex {
    /// `meilisearch` is URL, key and index name. Nothing is sent yet.
    ///
    /// # Errors
    /// A malformed Meilisearch URL or key ([`StorageError::Configuration`]).
    pub fn new(pool: PgPool, meilisearch: Option<(&str, Option<&SecretString>, &str)>) -> Result<Self, StorageError> {
        let server = meilisearch.map(|(url, key, index)| Meilisearch::new(url, key, index)).transpose()?;
        Ok(Self { pool, meilisearch: server.map(|server| Guarded { server, breaker: Arc::new(Breaker::new()) }) })
    }

    /// The Meilisearch part, for those who fill it.
    pub fn meilisearch(&self) -> Option<&Meilisearch> {
        self.meilisearch.as_ref().map(|guarded| &guarded.server)
    }

    /// Searches in Meilisearch; if that fails for any reason, in PostgreSQL, with a warning in the log. While Meilisearch
    /// fails again and again, PostgreSQL answers at once. The results' `engine` names the engine that answered.
    pub async fn search(&self, query: &SearchQuery) -> Result<SearchResults, StorageError> {
        if let Some(meilisearch) = &self.meilisearch {
            if let Some(results) = meilisearch.search(query).await {
                return Ok(results);
            }
            metrics::counter!("search_fallbacks_total").increment(1);
        }
        postgres::catalogue::search::search(&self.pool, query).await
    }
}
