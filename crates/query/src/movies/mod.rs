//! Movies: the list, and the page of one movie.

mod loader;
mod page;

use std::sync::Arc;

use chrono::NaiveDate;
use domain::PersonId;
use domain::artifacts::CacheFamily;
use domain::page::{Limit, Offset, Page};
use domain::trending::active::Numbers;
use futures::future::BoxFuture;
use serde::Serialize;
use storage::postgres::catalogue::movies::{self, MovieSummary};
use utoipa::ToSchema;

pub use loader::MovieLoader;
pub use page::{CastView, MovieAnswer, MoviePage, MovieView, ViewersView};

use crate::numbers::{self, Numbered};
use crate::{List, LiveFacts, PagedList, QueryError, Reader, Rows};

/// Asks for the movies, most popular first.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Movies {
    /// Only movies of this genre; upper and lower case are equal.
    pub genre: Option<String>,
}

/// A movie in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct MovieItem {
    pub movie_id: i64,
    pub title: String,
    pub release_date: Option<NaiveDate>,
    pub genres: Vec<String>,
    /// Running time in minutes.
    pub runtime: Option<i32>,
    pub popularity: f64,
    /// Mean of the votes, 0 to 10; viewers' ratings count as votes.
    pub vote_average: f64,
    pub vote_count: i64,
    pub poster_path: Option<String>,
}

impl From<MovieSummary> for MovieItem {
    fn from(movie: MovieSummary) -> Self {
        Self {
            movie_id: movie.movie_id,
            title: movie.title,
            release_date: movie.release_date,
            genres: movie.genres,
            runtime: movie.runtime,
            popularity: movie.popularity,
            vote_average: movie.vote_average,
            vote_count: movie.vote_count,
            poster_path: movie.poster_path,
        }
    }
}

impl Numbered for MovieItem {
    fn movie_id(&self) -> i64 {
        self.movie_id
    }

    fn set(&mut self, numbers: Numbers) {
        (self.popularity, self.vote_average, self.vote_count) =
            (numbers.popularity, numbers.vote_average, numbers.vote_count);
    }
}

impl PagedList for Movies {
    type View = List<MovieItem>;
    const NAME: &'static str = "movies";
    const FAMILY: CacheFamily = CacheFamily::Movies;
    // A viewer's rating counts as a vote here as on the movie's page.
    const LIVE: LiveFacts = LiveFacts::AllMovies;
    const COLUMNS: &'static [&'static str] = &[
        "movie_id",
        "title",
        "release_date",
        "genres",
        "runtime",
        "popularity",
        "vote_average",
        "vote_count",
        "poster_path",
    ];

    async fn page(&self, reader: &Reader, page: Page) -> Result<Self::View, QueryError> {
        let genre = reader.genre(self.genre.as_deref()).await?;
        let (rows, total) = movies::list(&reader.pool, genre.as_deref(), page).await?;
        let mut list: List<MovieItem> = List::new(page, rows, total);
        numbers::refresh(&reader.pool, &mut list.items).await?;
        Ok(list)
    }

    /// Reads all movies in the order of their ids, so that none is missed or repeated while popularity changes.
    async fn whole(self, reader: Arc<Reader>, _offset: Offset) -> Result<Rows<MovieItem>, QueryError> {
        let genre = reader.genre(self.genre.as_deref()).await?;
        let read = move |after| -> BoxFuture<'static, _> {
            let (reader, genre) = (reader.clone(), genre.clone());
            Box::pin(async move {
                let rows = movies::after(&reader.pool, genre.as_deref(), after, Limit::STEP).await?;
                let next = rows.last().map(|row| row.movie_id);
                let mut items: Vec<_> = rows.into_iter().map(MovieItem::from).collect();
                numbers::refresh(&reader.pool, &mut items).await?;
                Ok((items, next))
            })
        };
        Rows::in_steps(0, read).await
    }
}

/// A person who worked on a movie.
#[derive(Debug, Serialize, ToSchema)]
pub struct PersonView {
    pub person_id: i64,
    pub name: String,
}

impl PersonView {
    pub(crate) fn new(id: PersonId, name: String) -> Self {
        Self { person_id: id.get(), name }
    }
}
