//! The page of one movie: the catalogue's facts, the numbers that a source observed last, and viewers' events.

use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, NaiveDate, Utc};
use domain::MovieId;
use domain::artifacts::CacheFamily;
use domain::events::{Counts, EventType};
use domain::hours::Hour;
use domain::merge::Layer;
use domain::movies::Votes;
use domain::rounding::four_decimals;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use storage::postgres::layers::MergedMovie;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::PersonView;
use crate::provenance::stale;
use crate::{CacheState, DataSources, LayerHours, LiveFacts, Provenance, QueryError, Question, Reader};

/// Asks for a movie's page: history from the batch layer, the last 48 hours from the speed layer, each hour from
/// exactly one of them.
#[derive(Debug, Clone, Serialize)]
pub struct MoviePage {
    pub movie_id: MovieId,
    /// Adds the provenance to the view.
    #[serde(skip_serializing)]
    pub explain: bool,
}

impl Question for MoviePage {
    type View = MovieAnswer;
    const NAME: &'static str = "movie";
    const FAMILY: CacheFamily = CacheFamily::Movies;

    fn live(&self) -> LiveFacts {
        LiveFacts::Movie(self.movie_id)
    }

    fn explain(&self) -> bool {
        self.explain
    }

    fn note_cache(view: &mut MovieAnswer, cache: CacheState) {
        if let Some(provenance) = &mut view.provenance {
            provenance.cache = Some(cache);
        }
    }

    async fn read(&self, reader: &Reader) -> Result<MovieAnswer, QueryError> {
        let page = reader.movies.load(self.movie_id).await?;
        let page = page.ok_or_else(|| QueryError::no_movie("id", self.movie_id))?;
        let started = Instant::now();
        let merged = Merged::of(&page);
        let hours = LayerHours { batch: page.batch_hours.unsigned_abs(), speed: page.speed_hours.unsigned_abs() };
        // The catalogue is part of every page and counts as the batch layer's contribution.
        reader.layers.note(page.split.decision(true, page.has_speed()), hours, page.merge_time + started.elapsed());
        let provenance = self.explain.then(|| Provenance {
            spans: None,
            hours,
            run_id: page.run_id,
            watermark: page.watermark.map(Hour::start),
            cutoff: page.split.cutoff().start(),
            cache: None,
        });
        Ok(MovieAnswer { page, merged, provenance })
    }
}

/// Numbers that combine both layers.
#[derive(Debug)]
struct Merged {
    popularity: f64,
    votes: Votes,
    viewers: ViewersView,
    layer: Layer,
    updated_at: DateTime<Utc>,
}

impl Merged {
    fn of(page: &MergedMovie) -> Self {
        let Votes { average, count } = page.votes();
        let catalogue = page.movie.updated_at;
        Self {
            popularity: page.popularity(),
            votes: Votes { average: four_decimals(average), count },
            viewers: ViewersView(page.viewers),
            layer: if page.has_speed() { Layer::Speed } else { Layer::Batch },
            updated_at: page.speed_changed_at().map_or(catalogue, |speed| speed.max(catalogue)),
        }
    }
}

/// A movie's page as it was read. Requests that share a query share it; [`MovieAnswer::view`] borrows from it.
#[derive(Debug)]
pub struct MovieAnswer {
    page: Arc<MergedMovie>,
    merged: Merged,
    pub provenance: Option<Provenance>,
}

impl MovieAnswer {
    /// Returns all fields of the page.
    pub fn view(&self) -> MovieView<'_> {
        let (page, movie, merged) = (&*self.page, &self.page.movie, &self.merged);
        MovieView {
            movie_id: movie.movie_id,
            title: &movie.title,
            release_date: movie.release_date,
            genres: &movie.genres,
            vote_average: merged.votes.average,
            vote_count: merged.votes.count,
            popularity: merged.popularity,
            runtime: movie.runtime,
            budget: movie.budget,
            revenue: movie.revenue,
            overview: movie.overview.as_deref(),
            original_language: movie.original_language.as_deref(),
            data_source: merged.layer.as_str(),
            last_updated: merged.updated_at,
            original_title: movie.original_title.as_deref(),
            tagline: movie.tagline.as_deref(),
            status: movie.status.as_deref(),
            imdb_id: movie.imdb_id.as_deref(),
            poster_path: movie.poster_path.as_deref(),
            keywords: &movie.keywords,
            directors: &movie.credits.directors,
            cast: &movie.credits.cast,
            viewers: &merged.viewers,
            data_sources: DataSources::new(page.split.boundary(page.watermark), page.speed_changed_at()),
            watermark: page.watermark.map(Hour::start),
            cutoff: page.split.cutoff().start(),
            stale: stale(page.split, page.watermark),
            provenance: self.provenance.as_ref(),
        }
    }
}

impl Serialize for MovieAnswer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.view().serialize(serializer)
    }
}

/// A movie's page (seed 1, section 3.1), with more fields than the seed has.
#[derive(Debug, Serialize, ToSchema)]
pub struct MovieView<'a> {
    #[schema(example = 550)]
    pub movie_id: i64,
    #[schema(example = "Fight Club")]
    pub title: &'a str,
    pub release_date: Option<NaiveDate>,
    #[schema(example = json!(["Drama"]))]
    pub genres: &'a [String],
    /// Mean of the votes, 0 to 10. A viewer's rating counts as one more vote, here and in `vote_count`.
    #[schema(example = 8.4)]
    pub vote_average: f64,
    pub vote_count: i64,
    pub popularity: f64,
    /// Running time in minutes; null if unknown, as in budget and revenue.
    pub runtime: Option<i32>,
    /// Budget in US dollars.
    pub budget: Option<i64>,
    /// Revenue in US dollars.
    pub revenue: Option<i64>,
    pub overview: Option<&'a str>,
    #[schema(example = "en")]
    pub original_language: Option<&'a str>,
    /// `speed` if the speed layer contributed to the answer, otherwise `batch`.
    #[schema(example = "speed")]
    pub data_source: &'static str,
    /// Time of the last change of what is shown.
    pub last_updated: DateTime<Utc>,
    pub original_title: Option<&'a str>,
    pub tagline: Option<&'a str>,
    pub status: Option<&'a str>,
    pub imdb_id: Option<&'a str>,
    pub poster_path: Option<&'a str>,
    pub keywords: &'a [String],
    /// Stored JSON that is passed through: an array of [`PersonView`].
    #[schema(value_type = Vec<PersonView>)]
    pub directors: &'a RawValue,
    /// In billing order. Stored JSON that is passed through: an array of [`CastView`].
    #[schema(value_type = Vec<CastView>)]
    pub cast: &'a RawValue,
    #[schema(value_type = ViewersView)]
    pub viewers: &'a ViewersView,
    pub data_sources: DataSources,
    /// The batch layer covers all viewers' events before this hour; null before its first run.
    pub watermark: Option<DateTime<Utc>>,
    /// The first hour that the speed layer answers for, unless it lags.
    pub cutoff: DateTime<Utc>,
    /// Layers that are behind: `batch` or `speed`. The other one answers in its place.
    pub stale: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provenance: Option<&'a Provenance>,
}

/// Viewers' events, over all hours of both layers: the number of events of each type, and the mean of the ratings.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewersView(Counts);

impl ViewersView {
    /// Returns the number of events of one type.
    pub fn of(&self, kind: EventType) -> i64 {
        self.0.of(kind)
    }
}

impl Serialize for ViewersView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut view = serializer.serialize_map(Some(EventType::COUNT + 1))?;
        for kind in EventType::ALL {
            view.serialize_entry(kind.plural(), &self.0.of(kind))?;
        }
        view.serialize_entry("avg_rating", &self.0.rating_mean().map(four_decimals))?;
        view.end()
    }
}

impl PartialSchema for ViewersView {
    fn schema() -> RefOr<Schema> {
        let int64 = || SchemaFormat::KnownFormat(KnownFormat::Int64);
        let number = || ObjectBuilder::new().schema_type(Type::Integer).format(Some(int64()));
        let mean = ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::Number, Type::Null]))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Double)))
            .description(Some("Mean of their ratings, 0.5 to 10; null without any."));
        let counts = EventType::ALL
            .into_iter()
            .fold(ObjectBuilder::new(), |view, kind| view.property(kind.plural(), number()).required(kind.plural()));
        counts.description(Some("What viewers did, in all hours of both layers.")).property("avg_rating", mean).into()
    }
}

impl ToSchema for ViewersView {}

/// One person of the cast; describes the elements of [`MovieView::cast`].
#[derive(Debug, Serialize, ToSchema)]
pub struct CastView {
    pub person_id: i64,
    pub name: String,
    pub character: Option<String>,
}
