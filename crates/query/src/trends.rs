//! Ratings, sentiment and popularity, day by day.

use chrono::NaiveDate;
use domain::artifacts::{Artifact, CacheFamily};
use domain::hours::Window;
use domain::rounding::nine_decimals;
use domain::trends::{Metric, Point, Scope, Summary, first_day, summary};
use domain::{MovieId, RunId};
use serde::Serialize;
use storage::postgres::batch;
use utoipa::ToSchema;

use crate::{IntoRows, Listing, QueryError, Question, Reader};

/// Asks for a metric day by day: of a movie, of a genre, or of all movies.
#[derive(Debug, Clone, Serialize)]
pub struct Trends {
    pub metric: Metric,
    pub window: Window,
    pub movie_id: Option<MovieId>,
    /// Name of a genre; upper and lower case are equal.
    pub genre: Option<String>,
    pub as_of: Option<NaiveDate>,
}

/// A daily series (seed 1, section 3.3). It ends with `as_of`, the last day of the run.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrendsView {
    #[schema(example = "sentiment")]
    pub metric: &'static str,
    #[schema(example = "30d")]
    pub window: String,
    #[schema(value_type = Option<i64>)]
    pub movie_id: Option<MovieId>,
    pub genre: Option<String>,
    /// Oldest first, at most 1,000; days without data are omitted.
    pub data_points: Vec<DataPoint>,
    pub summary: TrendSummary,
    pub as_of: NaiveDate,
    #[schema(value_type = Uuid)]
    pub run_id: RunId,
}

/// One day.
#[derive(Debug, Serialize, ToSchema)]
pub struct DataPoint {
    pub date: NaiveDate,
    pub value: f64,
    /// Number of values in the mean: reviews for sentiment, otherwise movies.
    pub count: i64,
}

impl From<Point> for DataPoint {
    fn from(point: Point) -> Self {
        Self { date: point.day, value: nine_decimals(point.value), count: point.count }
    }
}

/// Summary of the series; null if it has no points.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrendSummary {
    pub avg: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    /// `increasing`, `stable` or `decreasing`: the last third compared with the first.
    #[schema(example = "increasing")]
    pub trend: &'static str,
    /// Change per day.
    pub change_rate: f64,
}

impl From<Summary> for TrendSummary {
    fn from(summary: Summary) -> Self {
        Self {
            avg: summary.avg.map(nine_decimals),
            min: summary.min.map(nine_decimals),
            max: summary.max.map(nine_decimals),
            trend: summary.trend.as_str(),
            change_rate: nine_decimals(summary.change_rate),
        }
    }
}

impl IntoRows for TrendsView {
    type Row = DataPoint;

    fn into_rows(self) -> Vec<DataPoint> {
        self.data_points
    }
}

impl Question for Trends {
    type View = TrendsView;
    const NAME: &'static str = "trends";
    const FAMILY: CacheFamily = CacheFamily::Trends;

    async fn read(&self, reader: &Reader) -> Result<TrendsView, QueryError> {
        if let Some(id) = self.movie_id {
            reader.headline("movie_id", id).await?;
        }
        let run = reader.run(Artifact::TemporalTrends, self.as_of).await?;
        let genre = reader.genre(self.genre.as_deref()).await?;
        let scope = match (self.movie_id, &genre) {
            (Some(id), _) => Scope::Movie(id),
            (None, Some(genre)) => Scope::Genre(genre.clone()),
            (None, None) => Scope::All,
        };
        let since = first_day(self.window, run.as_of);
        let points = batch::trends::points(&reader.pool, run.run_id, run.as_of, &scope, self.metric, since).await?;
        Ok(TrendsView {
            metric: self.metric.as_str(),
            window: self.window.to_string(),
            movie_id: self.movie_id,
            genre,
            summary: summary(&points).into(),
            data_points: points.into_iter().map(Point::into).collect(),
            as_of: run.as_of,
            run_id: run.run_id,
        })
    }
}

impl Listing for Trends {
    const TABLE: &'static str = "trends";
    const COLUMNS: &'static [&'static str] = &["date", "value", "count"];
}
