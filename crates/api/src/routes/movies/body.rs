//! What films look like from outside.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use storage::postgres::movies::{MovieDetail, MovieSummary};
use utoipa::ToSchema;

/// A film's page (seed 1, section 3.1), with more fields than the seed has. Borrowed: it is written out at once.
#[derive(Debug, Serialize, ToSchema)]
pub struct MovieBody<'a> {
    #[schema(example = 550)]
    movie_id: i64,
    #[schema(example = "Fight Club")]
    title: &'a str,
    release_date: Option<NaiveDate>,
    #[schema(example = json!(["Drama"]))]
    genres: &'a [String],
    /// 0 to 10.
    #[schema(example = 8.4)]
    vote_average: f64,
    vote_count: i64,
    popularity: f64,
    /// Minutes; null is unknown, as in budget and revenue.
    runtime: Option<i32>,
    /// US dollars.
    budget: Option<i64>,
    /// US dollars.
    revenue: Option<i64>,
    overview: Option<&'a str>,
    #[schema(example = "en")]
    original_language: Option<&'a str>,
    /// The layer that answered.
    #[schema(example = "batch")]
    data_source: &'static str,
    last_updated: DateTime<Utc>,
    original_title: Option<&'a str>,
    tagline: Option<&'a str>,
    status: Option<&'a str>,
    imdb_id: Option<&'a str>,
    poster_path: Option<&'a str>,
    keywords: &'a [String],
    #[schema(value_type = Vec<PersonBody>)]
    directors: &'a RawValue,
    /// In billing order.
    #[schema(value_type = Vec<CastBody>)]
    cast: &'a RawValue,
}

impl<'a> From<&'a MovieDetail> for MovieBody<'a> {
    fn from(film: &'a MovieDetail) -> Self {
        Self {
            movie_id: film.movie_id,
            title: &film.title,
            release_date: film.release_date,
            genres: &film.genres,
            vote_average: film.vote_average,
            vote_count: film.vote_count,
            popularity: film.popularity,
            runtime: film.runtime,
            budget: film.budget,
            revenue: film.revenue,
            overview: film.overview.as_deref(),
            original_language: film.original_language.as_deref(),
            data_source: "batch",
            last_updated: film.updated_at,
            original_title: film.original_title.as_deref(),
            tagline: film.tagline.as_deref(),
            status: film.status.as_deref(),
            imdb_id: film.imdb_id.as_deref(),
            poster_path: film.poster_path.as_deref(),
            keywords: &film.keywords,
            directors: &film.credits.directors,
            cast: &film.credits.cast,
        }
    }
}

/// [`MovieBody`], with the film that it borrows from.
pub struct MoviePage(pub Arc<MovieDetail>);

impl Serialize for MoviePage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        MovieBody::from(&*self.0).serialize(serializer)
    }
}

/// A person; describes what [`MovieBody::directors`] passes through.
#[derive(Debug, Serialize, ToSchema)]
pub struct PersonBody {
    person_id: i64,
    name: String,
}

/// A line of the billing; describes what [`MovieBody::cast`] passes through.
#[derive(Debug, Serialize, ToSchema)]
pub struct CastBody {
    person_id: i64,
    name: String,
    character: Option<String>,
}

/// A film in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct MovieItem {
    movie_id: i64,
    title: String,
    release_date: Option<NaiveDate>,
    genres: Vec<String>,
    /// Minutes.
    runtime: Option<i32>,
    popularity: f64,
    /// 0 to 10.
    vote_average: f64,
    vote_count: i64,
    poster_path: Option<String>,
}

impl From<MovieSummary> for MovieItem {
    fn from(film: MovieSummary) -> Self {
        let MovieSummary {
            movie_id,
            title,
            release_date,
            genres,
            runtime,
            popularity,
            vote_average,
            vote_count,
            poster_path,
        } = film;
        Self { movie_id, title, release_date, genres, runtime, popularity, vote_average, vote_count, poster_path }
    }
}
