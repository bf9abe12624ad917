//! Titles similar to a movie.

use chrono::NaiveDate;
use domain::MovieId;
use domain::artifacts::{Artifact, CacheFamily};
use domain::page::Page;
use serde::Serialize;
use storage::postgres::batch::similar::{self, SimilarRow};
use utoipa::ToSchema;

use crate::{ArtifactList, IntoRows, PagedList, QueryError, Reader};

/// Asks for the titles similar to a movie, most similar first.
#[derive(Debug, Clone, Serialize)]
pub struct Similar {
    pub movie_id: MovieId,
    pub as_of: Option<NaiveDate>,
}

/// One similar title.
#[derive(Debug, Serialize, ToSchema)]
pub struct SimilarItem {
    pub movie_id: i64,
    pub title: String,
    pub release_date: Option<NaiveDate>,
    pub genres: Vec<String>,
    /// Similarity of genres, keywords, cast, director and era, 0 to 1.
    #[schema(example = 0.87)]
    pub score: f32,
    pub vote_average: f64,
    pub vote_count: i64,
    pub popularity: f64,
    pub poster_path: Option<String>,
}

impl From<SimilarRow> for SimilarItem {
    fn from(row: SimilarRow) -> Self {
        Self {
            movie_id: row.movie_id,
            title: row.title,
            release_date: row.release_date,
            genres: row.genres,
            score: row.score,
            vote_average: row.vote_average,
            vote_count: row.vote_count,
            popularity: row.popularity,
            poster_path: row.poster_path,
        }
    }
}

/// A movie and the titles similar to it.
#[derive(Debug, Serialize, ToSchema)]
pub struct SimilarView {
    #[schema(value_type = i64, example = 550)]
    pub movie_id: MovieId,
    #[serde(flatten)]
    pub list: ArtifactList<SimilarItem>,
}

impl IntoRows for SimilarView {
    type Row = SimilarItem;

    fn into_rows(self) -> Vec<SimilarItem> {
        self.list.into_rows()
    }
}

impl PagedList for Similar {
    type View = SimilarView;
    const NAME: &'static str = "similar";
    const FAMILY: CacheFamily = CacheFamily::Recommendations;
    const COLUMNS: &'static [&'static str] = &[
        "movie_id",
        "title",
        "release_date",
        "genres",
        "score",
        "vote_average",
        "vote_count",
        "popularity",
        "poster_path",
    ];

    /// A movie that was added after the run has an empty list.
    async fn page(&self, reader: &Reader, page: Page) -> Result<SimilarView, QueryError> {
        let movie_id = self.movie_id;
        let run = reader.run(Artifact::SimilarMovies, self.as_of).await?;
        let found = similar::page(&reader.pool, run.run_id, movie_id, page).await?;
        let found = found.ok_or_else(|| QueryError::no_movie("id", movie_id))?;
        Ok(SimilarView { movie_id, list: ArtifactList::new(run, page, found) })
    }
}
