//! Trending movies: the nightly ranking, the ranking of the last hours, and the stream of its changes.

mod follow;
mod now;

use chrono::NaiveDate;
use domain::artifacts::{Artifact, CacheFamily};
use domain::page::Page;
use domain::rounding::nine_decimals;
use serde::Serialize;
use storage::postgres::batch::trending::{self, TrendingRow};
use utoipa::ToSchema;

pub use follow::{ChangeView, Follower, RankChangeView, RankingView, Update};
pub use now::{TrendingNow, TrendingNowItem, TrendingNowProvenance, TrendingNowView};

use crate::{ArtifactList, PagedList, QueryError, Reader};

/// Asks for the nightly ranking of movies by how they moved over the last seven days.
#[derive(Debug, Clone, Default, Serialize)]
pub struct TrendingDaily {
    /// Name of a genre; upper and lower case are equal. Movies keep their overall ranks.
    pub genre: Option<String>,
    pub as_of: Option<NaiveDate>,
    /// Former name of `as_of`, over which it takes precedence. If no run is old enough, the error names the field that
    /// was sent.
    pub date: Option<NaiveDate>,
}

/// A ranked movie (field names of seed 1, section 3.2). Velocities are per hour, over the last seven days.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrendingItem {
    #[schema(example = 1)]
    pub rank: i32,
    pub movie_id: i64,
    pub title: String,
    pub genres: Vec<String>,
    #[schema(example = 95.5)]
    pub trending_score: f64,
    /// Change of popularity per hour.
    pub velocity: f64,
    /// Change of the vote average per hour.
    pub acceleration: f64,
    pub popularity: f64,
    pub vote_average: f64,
    pub vote_count: i64,
    pub release_date: Option<NaiveDate>,
    /// New votes per hour.
    pub vote_velocity: f64,
    pub poster_path: Option<String>,
}

impl From<TrendingRow> for TrendingItem {
    fn from(row: TrendingRow) -> Self {
        Self {
            rank: row.rank,
            movie_id: row.movie_id,
            title: row.title,
            genres: row.genres,
            trending_score: nine_decimals(row.trending_score),
            velocity: nine_decimals(row.popularity_velocity),
            acceleration: nine_decimals(row.rating_velocity),
            popularity: row.popularity,
            vote_average: row.vote_average,
            vote_count: row.vote_count,
            release_date: row.release_date,
            vote_velocity: nine_decimals(row.vote_velocity),
            poster_path: row.poster_path,
        }
    }
}

impl PagedList for TrendingDaily {
    type View = ArtifactList<TrendingItem>;
    const NAME: &'static str = "trending";
    const FAMILY: CacheFamily = CacheFamily::Trending;
    const COLUMNS: &'static [&'static str] = &[
        "rank",
        "movie_id",
        "title",
        "genres",
        "trending_score",
        "velocity",
        "acceleration",
        "popularity",
        "vote_average",
        "vote_count",
        "release_date",
        "vote_velocity",
        "poster_path",
    ];

    async fn page(&self, reader: &Reader, page: Page) -> Result<Self::View, QueryError> {
        let run = match self.date {
            Some(day) => reader.run_as_of(Artifact::MovieTrendingDaily, "date", day).await?,
            None => reader.run(Artifact::MovieTrendingDaily, self.as_of).await?,
        };
        let genre = reader.genre(self.genre.as_deref()).await?;
        let found = trending::page(&reader.pool, run.run_id, genre.as_deref(), page).await?;
        Ok(ArtifactList::new(run, page, found))
    }
}
