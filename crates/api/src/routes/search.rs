//! Search for films.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use chrono::NaiveDate;
use domain::artifacts::CacheFamily;
use domain::page::{Limit, Offset, Page};
use domain::search::{Engine, SearchHit, SearchQuery, SortBy};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{List, question};
use crate::State;
use crate::cache::{Question, answer};
use crate::error::ApiError;
use crate::extract::{GenreName, Params, QueryText, Rating, Year};

#[derive(Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct SearchParams {
    /// What to look for, typing errors and accents forgiven. Empty finds every film, the most popular first.
    #[param(value_type = String, max_length = 200, example = "godfahter")]
    q: QueryText,
    /// Only films with at least this vote average.
    #[param(value_type = Option<f64>, minimum = 0, maximum = 10)]
    min_rating: Option<Rating>,
    /// Only films released in this year.
    #[param(value_type = Option<u16>, minimum = 1870, maximum = 2200)]
    year: Option<Year>,
    /// Only films of this genre, in any case.
    #[param(value_type = Option<String>, max_length = 60)]
    genre: Option<GenreName>,
    #[param(value_type = u16, minimum = 1, maximum = 100, default = 20)]
    limit: Limit,
    #[param(value_type = u32, maximum = 100_000, default = 0)]
    offset: Offset,
}

impl From<&SearchParams> for SearchQuery {
    fn from(params: &SearchParams) -> Self {
        let text = params.q.as_str().to_owned();
        let year = params.year.map(Year::get);
        Self {
            // Without words there is nothing to be relevant to.
            sort_by: if text.is_empty() { SortBy::Popularity } else { SortBy::Relevance },
            text,
            genre: params.genre.as_ref().map(|genre| genre.as_str().to_owned()),
            rating_min: params.min_rating.map(Rating::get),
            rating_max: None,
            year_from: year,
            year_to: year,
            page: Page { limit: params.limit, offset: params.offset },
        }
    }
}

/// One film found.
#[derive(Debug, Serialize, ToSchema)]
pub struct SearchItem {
    movie_id: i64,
    title: String,
    release_date: Option<NaiveDate>,
    genres: Vec<String>,
    vote_average: f64,
    vote_count: i64,
    popularity: f64,
    overview: Option<String>,
    poster_path: Option<String>,
}

impl From<SearchHit> for SearchItem {
    fn from(hit: SearchHit) -> Self {
        Self {
            movie_id: hit.movie_id.get(),
            title: hit.title,
            release_date: hit.release_date,
            genres: hit.genres,
            vote_average: hit.vote_average,
            vote_count: hit.vote_count,
            popularity: hit.popularity,
            overview: hit.overview,
            poster_path: hit.poster_path,
        }
    }
}

/// A page of films found; `total` stops counting at 1,000.
#[derive(Debug, Serialize, ToSchema)]
pub struct SearchBody {
    #[serde(flatten)]
    list: List<SearchItem>,
    /// The text that was looked for.
    query: String,
    /// Which engine answered: PostgreSQL steps in where Meilisearch is absent or away.
    #[schema(value_type = String, example = "postgres")]
    engine: Engine,
}

/// Search films by title, people, keywords and plot.
#[utoipa::path(
    get, path = "/api/v1/search", operation_id = "search_movies", tag = "search", params(SearchParams),
    responses((status = 200, body = SearchBody)),
)]
pub async fn search(
    state: Data<State>,
    request: HttpRequest,
    Params(params): Params<SearchParams>,
) -> Result<HttpResponse, ApiError> {
    answer(&state, &request, params).await
}

impl Question for SearchParams {
    type Body = SearchBody;
    const FAMILY: CacheFamily = CacheFamily::Search;

    fn key(&self) -> Result<String, ApiError> {
        question("/search", self)
    }

    async fn read(&self, state: &State) -> Result<Self::Body, ApiError> {
        let found = state.search.search(&SearchQuery::from(self)).await?;
        let items = found.hits.into_iter().map(SearchItem::from).collect();
        let list = List { items, total: found.total, limit: self.limit, offset: self.offset };
        Ok(SearchBody { list, query: self.q.as_str().to_owned(), engine: found.engine })
    }
}
