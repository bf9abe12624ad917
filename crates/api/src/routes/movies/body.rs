//! What movies look like from outside.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use domain::PersonId;
use domain::events::{Counts, EventType};
use domain::hours::Hour;
use domain::merge::Layer;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use storage::postgres::catalogue::movies::MovieSummary;
use storage::postgres::layers::MergedMovie;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::routes::merged::{DataSources, Provenance, stale};

/// A movie's page (seed 1, section 3.1), with more fields than the seed has. Borrowed: it is written out at once.
#[derive(Debug, Serialize, ToSchema)]
pub struct MovieBody<'a> {
    #[schema(example = 550)]
    movie_id: i64,
    #[schema(example = "Fight Club")]
    title: &'a str,
    release_date: Option<NaiveDate>,
    #[schema(example = json!(["Drama"]))]
    genres: &'a [String],
    /// 0 to 10. A viewer's rating counts as one more vote, here and in `vote_count`.
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
    /// `speed` where the speed layer had a part in the answer, else `batch`.
    #[schema(example = "speed")]
    data_source: &'static str,
    /// When what is shown last changed.
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
    viewers: ViewersBody,
    data_sources: DataSources,
    /// The batch layer holds everything that viewers did before; null before its first run.
    watermark: Option<DateTime<Utc>>,
    /// From this hour on the speed layer answers, unless it lags.
    cutoff: DateTime<Utc>,
    /// Layers that are behind, `batch` or `speed`; the other answers in its place.
    stale: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provenance: Option<&'a Provenance>,
}

/// What viewers did, in all hours of both layers: the number of events of each type, and the mean of their ratings.
#[derive(Debug)]
pub struct ViewersBody(Counts);

impl Serialize for ViewersBody {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut body = serializer.serialize_map(Some(EventType::COUNT + 1))?;
        for kind in EventType::ALL {
            body.serialize_entry(kind.plural(), &self.0.of(kind))?;
        }
        body.serialize_entry("avg_rating", &self.0.rating_mean().map(rounded))?;
        body.end()
    }
}

impl PartialSchema for ViewersBody {
    fn schema() -> RefOr<Schema> {
        let number = || {
            ObjectBuilder::new().schema_type(Type::Integer).format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        };
        let mean = ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::Number, Type::Null]))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Double)))
            .description(Some("Of their ratings, 0.5 to 10; null without any."));
        let counts = EventType::ALL
            .into_iter()
            .fold(ObjectBuilder::new(), |body, kind| body.property(kind.plural(), number()).required(kind.plural()));
        counts.description(Some("What viewers did, in all hours of both layers.")).property("avg_rating", mean).into()
    }
}

impl ToSchema for ViewersBody {}

/// Viewers' ratings are stored in single precision: without the digits that widening makes up.
fn rounded(rating: f64) -> f64 {
    (rating * 1e4).round() / 1e4
}

impl<'a> MovieBody<'a> {
    pub fn of(page: &'a MergedMovie, provenance: Option<&'a Provenance>) -> Self {
        let movie = &page.movie;
        let votes = page.votes();
        let boundary = page.split.boundary(page.watermark);
        Self {
            movie_id: movie.movie_id,
            title: &movie.title,
            release_date: movie.release_date,
            genres: &movie.genres,
            vote_average: rounded(votes.average),
            vote_count: votes.count,
            popularity: page.popularity(),
            runtime: movie.runtime,
            budget: movie.budget,
            revenue: movie.revenue,
            overview: movie.overview.as_deref(),
            original_language: movie.original_language.as_deref(),
            data_source: if page.has_speed() { Layer::Speed } else { Layer::Batch }.as_str(),
            last_updated: page.speed_changed_at().max(Some(movie.updated_at)).unwrap_or(movie.updated_at),
            original_title: movie.original_title.as_deref(),
            tagline: movie.tagline.as_deref(),
            status: movie.status.as_deref(),
            imdb_id: movie.imdb_id.as_deref(),
            poster_path: movie.poster_path.as_deref(),
            keywords: &movie.keywords,
            directors: &movie.credits.directors,
            cast: &movie.credits.cast,
            viewers: ViewersBody(page.viewers),
            data_sources: DataSources::new(boundary, page.speed_changed_at()),
            watermark: page.watermark.map(Hour::start),
            cutoff: page.split.cutoff().start(),
            stale: stale(page.split, page.watermark),
            provenance,
        }
    }
}

/// [`MovieBody`], with what it borrows from.
pub struct MoviePage {
    pub page: Arc<MergedMovie>,
    pub provenance: Option<Provenance>,
}

impl Serialize for MoviePage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        MovieBody::of(&self.page, self.provenance.as_ref()).serialize(serializer)
    }
}

/// A person; also describes what [`MovieBody::directors`] passes through.
#[derive(Debug, Serialize, ToSchema)]
pub struct PersonBody {
    person_id: i64,
    name: String,
}

impl PersonBody {
    pub fn new(id: PersonId, name: String) -> Self {
        Self { person_id: id.get(), name }
    }
}

/// A line of the billing; describes what [`MovieBody::cast`] passes through.
#[derive(Debug, Serialize, ToSchema)]
pub struct CastBody {
    person_id: i64,
    name: String,
    character: Option<String>,
}

/// A movie in a list.
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
    fn from(movie: MovieSummary) -> Self {
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
        } = movie;
        Self { movie_id, title, release_date, genres, runtime, popularity, vote_average, vote_count, poster_path }
    }
}
