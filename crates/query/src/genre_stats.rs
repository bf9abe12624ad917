//! Genres and their number of movies.

use chrono::NaiveDate;
use domain::artifacts::{Artifact, CacheFamily};
use domain::page::Page;
use domain::rounding::nine_decimals;
use serde::Serialize;
use storage::postgres::batch::genre_stats::{self, GenreStatsRow};
use utoipa::ToSchema;

use crate::{ArtifactList, PagedList, QueryError, Reader};

/// Asks for the genres, the one with the most movies first.
#[derive(Debug, Clone, Default, Serialize)]
pub struct TopGenres {
    pub as_of: Option<NaiveDate>,
}

/// Statistics of one genre. A mean is null if no movie has the value.
#[derive(Debug, Serialize, ToSchema)]
pub struct GenreItem {
    #[schema(example = "Drama")]
    pub genre: String,
    pub movie_count: i64,
    pub vote_count: i64,
    /// Mean over movies with votes, 0 to 10.
    pub avg_rating: Option<f64>,
    pub avg_popularity: Option<f64>,
    /// Mean in US dollars.
    pub avg_budget: Option<f64>,
    /// Mean in minutes.
    pub avg_runtime: Option<f64>,
    /// Sum in US dollars.
    pub total_revenue: i64,
}

impl From<GenreStatsRow> for GenreItem {
    fn from(row: GenreStatsRow) -> Self {
        Self {
            genre: row.genre,
            movie_count: row.movie_count,
            vote_count: row.vote_count,
            avg_rating: row.avg_rating.map(nine_decimals),
            avg_popularity: row.avg_popularity.map(nine_decimals),
            avg_budget: row.avg_budget.map(nine_decimals),
            avg_runtime: row.avg_runtime.map(nine_decimals),
            total_revenue: row.total_revenue,
        }
    }
}

impl PagedList for TopGenres {
    type View = ArtifactList<GenreItem>;
    const NAME: &'static str = "top-genres";
    const FAMILY: CacheFamily = CacheFamily::Analytics;
    const COLUMNS: &'static [&'static str] = &[
        "genre",
        "movie_count",
        "vote_count",
        "avg_rating",
        "avg_popularity",
        "avg_budget",
        "avg_runtime",
        "total_revenue",
    ];

    async fn page(&self, reader: &Reader, page: Page) -> Result<Self::View, QueryError> {
        let run = reader.run(Artifact::GenreStatsDaily, self.as_of).await?;
        let found = genre_stats::top(&reader.pool, run.run_id, page).await?;
        Ok(ArtifactList::new(run, page, found))
    }
}
