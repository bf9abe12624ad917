//! The stores that questions are answered from.

use std::sync::Arc;

use domain::MovieId;
use sqlx::PgPool;
use storage::StorageError;
use storage::postgres::catalogue::movies::{self, Headline};
use storage::search_index::SearchIndex;

use crate::active::{ActiveMovies, Watched};
use crate::lag::Lag;
use crate::movies::MovieLoader;
use crate::{LayerStats, QueryError};

/// The stores, and what the process itself keeps of them.
pub struct Reader {
    pub pool: PgPool,
    pub search: SearchIndex,
    /// Movies' pages, many requests in one query.
    pub movies: MovieLoader,
    /// How far the speed layer is behind the event log.
    pub lag: Arc<Lag>,
    /// Counts of the layers that answered.
    pub layers: LayerStats,
    /// The movies that live trending ranks.
    pub active: Arc<ActiveMovies>,
    /// The rankings that somebody follows.
    pub watched: Arc<Watched>,
}

impl Reader {
    /// Connects to nothing yet. Live trending answers once [`crate::active::follow`] runs.
    pub fn new(pool: PgPool, search: SearchIndex, lag: Arc<Lag>) -> Self {
        Self {
            movies: MovieLoader::new(&pool, lag.clone()),
            search,
            lag,
            layers: LayerStats::default(),
            active: ActiveMovies::new(),
            watched: Arc::default(),
            pool,
        }
    }

    /// Closes the reader's own connections; those of `pool` are the caller's.
    pub async fn close(&self) {
        self.movies.close().await;
    }

    /// The name under which movies carry a genre. A genre that no statistics know may be newer than they are, so it is
    /// taken as it was sent.
    pub(crate) async fn genre(&self, sent: Option<&str>) -> Result<Option<String>, StorageError> {
        let Some(sent) = sent else { return Ok(None) };
        let known = movies::genre_name(&self.pool, sent).await?;
        Ok(Some(known.unwrap_or_else(|| sent.to_owned())))
    }

    /// Title and popularity of the movie that the question's `field` names: for answers that need no more of it.
    pub(crate) async fn headline(&self, field: &'static str, id: MovieId) -> Result<Headline, QueryError> {
        movies::headline(&self.pool, id).await?.ok_or_else(|| QueryError::no_movie(field, id))
    }
}
