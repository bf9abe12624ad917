//! The stores that questions are answered from.

use std::sync::Arc;

use domain::MovieId;
use sqlx::PgPool;
use storage::StorageError;
use storage::postgres::catalogue::movies::{self, Headline};
use storage::search_index::SearchIndex;

use crate::active::{ActiveMovies, Watched};
use crate::lag::Lag;
use crate::list_log::ListLog;
use crate::model::ActiveModel;
use crate::movies::MovieLoader;
use crate::recommendations::Rules;
use crate::{LayerStats, QueryError};

/// The stores, and the process's own state: caches, statistics and the lag.
pub struct Reader {
    pub pool: PgPool,
    pub search: SearchIndex,
    /// Loads movies' pages, many requests per query.
    pub movies: MovieLoader,
    /// The lag of the speed layer behind the event log.
    pub lag: Arc<Lag>,
    /// Statistics of the layers that answered.
    pub layers: LayerStats,
    /// The movies that live trending ranks.
    pub active: Arc<ActiveMovies>,
    /// The followed rankings.
    pub watched: Arc<Watched>,
    /// The active recommender.
    pub model: Arc<ActiveModel>,
    /// How the layers of a viewer's list are mixed.
    pub rules: Rules,
    /// Stores which lists were recommended to whom.
    pub list_log: Arc<ListLog>,
}

impl Reader {
    /// Creates a reader; no store has to be reachable. A client follows at most `streams_per_client` rankings. Live trending answers once [`crate::active::follow`] runs.
    pub fn new(pool: PgPool, search: SearchIndex, lag: Arc<Lag>, streams_per_client: usize) -> Self {
        Self {
            movies: MovieLoader::new(&pool, lag.clone()),
            search,
            lag,
            layers: LayerStats::default(),
            active: ActiveMovies::new(),
            watched: Arc::new(Watched::new(streams_per_client)),
            model: Arc::default(),
            rules: Rules::default(),
            list_log: Arc::new(ListLog::new(0.0)),
            pool,
        }
    }

    /// Closes the reader's own connections; the caller closes `pool`.
    pub async fn close(&self) {
        self.movies.close().await;
    }

    /// Returns the spelling of a genre that movies use. A genre without statistics may be newer than they are, so it is
    /// returned unchanged.
    pub(crate) async fn genre(&self, sent: Option<&str>) -> Result<Option<String>, StorageError> {
        let Some(sent) = sent else { return Ok(None) };
        let known = movies::genre_name(&self.pool, sent).await?;
        Ok(Some(known.unwrap_or_else(|| sent.to_owned())))
    }

    /// Returns a genre that live rankings know, in lower case: one of an active movie, or one with statistics.
    ///
    /// # Errors
    /// [`QueryError::NotFound`]: rankings of made-up genres would take the place of real ones.
    pub(crate) async fn known_genre(&self, sent: Option<&str>) -> Result<Option<String>, QueryError> {
        let Some(sent) = sent else { return Ok(None) };
        self.active.started().await?;
        if !self.active.has_genre(sent) && movies::genre_name(&self.pool, sent).await?.is_none() {
            let what = format!("movie of the genre {sent:?}; the list of top genres names those that there are");
            return Err(QueryError::NotFound { field: "genre", what });
        }
        Ok(Some(sent.to_lowercase()))
    }

    /// Returns title and popularity of the movie that the question's `field` names, for answers that need nothing else
    /// of it.
    pub(crate) async fn headline(&self, field: &'static str, id: MovieId) -> Result<Headline, QueryError> {
        movies::headline(&self.pool, id).await?.ok_or_else(|| QueryError::no_movie(field, id))
    }
}
