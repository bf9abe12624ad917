//! Ratings by decade of release.

use chrono::NaiveDate;
use domain::artifacts::{Artifact, CacheFamily};
use domain::page::Page;
use domain::rounding::nine_decimals;
use serde::Serialize;
use storage::postgres::batch::ratings_by_decade::{self, DecadeRow};
use utoipa::ToSchema;

use crate::{ArtifactList, PagedList, QueryError, Reader};

/// Decades, the oldest first.
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
    /// Movies with votes: those that the averages are of.
    pub rated_count: i64,
    pub vote_count: i64,
    /// 0 to 10; each movie counts once.
    pub avg_rating: Option<f64>,
    /// 0 to 10; each vote counts once.
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
        // A dozen rows in all, so every page is cut from the whole.
        let rows = ratings_by_decade::all(&reader.pool, run.run_id).await?;
        let total = rows.len() as i64;
        Ok(ArtifactList::new(run, page, (page.of(rows), total)))
    }
}
