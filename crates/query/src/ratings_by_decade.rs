//! Ratings by decade of release.

use chrono::NaiveDate;
use domain::artifacts::{Artifact, CacheFamily};
use domain::page::Page;
use domain::rounding::nine_decimals;
use serde::Serialize;
use storage::postgres::batch::ratings_by_decade::{self, DecadeRow};
use utoipa::ToSchema;

use crate::{ArtifactList, PagedList, QueryError, Reader};

/// Asks for the decades, oldest first.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RatingsByDecade {
    pub as_of: Option<NaiveDate>,
}

/// One decade of release.
#[derive(Debug, Serialize, ToSchema)]
pub struct DecadeItem {
    #[schema(example = 1990)]
    pub decade: i32,
    pub movie_count: i64,
    /// Number of movies with votes, which the means are computed over.
    pub rated_count: i64,
    pub vote_count: i64,
    /// Mean in which each movie counts once, 0 to 10.
    pub avg_rating: Option<f64>,
    /// Mean in which each vote counts once, 0 to 10.
    pub weighted_rating: Option<f64>,
}

impl From<DecadeRow> for DecadeItem {
    fn from(row: DecadeRow) -> Self {
        Self {
            decade: row.decade,
            movie_count: row.movie_count,
            rated_count: row.rated_count,
            vote_count: row.vote_count,
            avg_rating: row.avg_rating.map(nine_decimals),
            weighted_rating: row.weighted_rating.map(nine_decimals),
        }
    }
}

impl PagedList for RatingsByDecade {
    type View = ArtifactList<DecadeItem>;
    const NAME: &'static str = "ratings-by-decade";
    const FAMILY: CacheFamily = CacheFamily::Analytics;
    const COLUMNS: &'static [&'static str] =
        &["decade", "movie_count", "rated_count", "vote_count", "avg_rating", "weighted_rating"];

    async fn page(&self, reader: &Reader, page: Page) -> Result<Self::View, QueryError> {
        let run = reader.run(Artifact::RatingsByDecade, self.as_of).await?;
        // There are about a dozen rows, so each page is cut from the whole list.
        let rows = ratings_by_decade::all(&reader.pool, run.run_id).await?;
        let total = rows.len() as i64;
        Ok(ArtifactList::new(run, page, (page.of(rows), total)))
    }
}
