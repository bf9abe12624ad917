//! Statistics and movies of one genre.

use std::sync::Arc;

use chrono::NaiveDate;
use domain::RunId;
use domain::artifacts::{Artifact, CacheFamily};
use domain::genre_analytics::{Selection, Statistics};
use domain::hours::Window;
use domain::page::Limit;
use domain::rounding::nine_decimals;
use domain::trends::{Metric, Scope, first_day, summary};
use futures::TryStreamExt;
use futures::future::BoxFuture;
use serde::Serialize;
use storage::postgres::artifacts::{self, Head};
use storage::postgres::batch;
use storage::postgres::batch::genre_analytics::{self, MovieRow};
use storage::postgres::catalogue::movies;
use utoipa::ToSchema;

use crate::list::RowOf;
use crate::{IntoRows, Listing, QueryError, Question, Reader, Rows};

/// Window of the genre's trends: the default of the trends question, so that both answers agree.
const TRENDS_WINDOW: Window = Window::Days(30);

/// Asks for a genre's statistics and movies, for all time or for a year or month of release.
#[derive(Debug, Clone, Serialize)]
pub struct GenreAnalytics {
    /// Name of a genre; upper and lower case are equal.
    pub genre: String,
    pub year: Option<i32>,
    /// 1 to 12; without a year, this month of every year.
    pub month: Option<i32>,
    /// Day of statistics and trends; the list of movies is always current.
    pub as_of: Option<NaiveDate>,
}

/// A genre's statistics and all its movies (seed 1, section 3.3).
#[derive(Debug, Serialize, ToSchema)]
pub struct GenreView {
    #[schema(example = "Drama")]
    pub genre: String,
    pub year: Option<i32>,
    pub month: Option<i32>,
    pub statistics: GenreStatistics,
    /// All movies of the selection in the current catalogue, best rated first.
    pub top_movies: Vec<GenreMovie>,
    pub trends: GenreTrends,
    #[schema(example = "batch")]
    pub data_source: &'static str,
    /// The last day whose facts the run contains.
    pub as_of: NaiveDate,
    #[schema(value_type = Uuid)]
    pub run_id: RunId,
}

/// Statistics of the selected movies; null if no movie has the value.
#[derive(Debug, Serialize, ToSchema)]
pub struct GenreStatistics {
    pub total_movies: i64,
    /// Mean over movies with votes, 0 to 10.
    pub avg_rating: Option<f64>,
    /// Mean over reviews, -1 to 1.
    pub avg_sentiment: Option<f64>,
    pub avg_popularity: Option<f64>,
    /// Sum in US dollars.
    pub total_revenue: i64,
    /// Mean in US dollars.
    pub avg_budget: Option<f64>,
    /// Mean in minutes.
    pub avg_runtime: Option<f64>,
}

impl From<Statistics> for GenreStatistics {
    fn from(statistics: Statistics) -> Self {
        Self {
            total_movies: statistics.total_movies,
            avg_rating: statistics.avg_rating.map(nine_decimals),
            avg_sentiment: statistics.avg_sentiment.map(nine_decimals),
            avg_popularity: statistics.avg_popularity.map(nine_decimals),
            total_revenue: statistics.total_revenue,
            avg_budget: statistics.avg_budget.map(nine_decimals),
            avg_runtime: statistics.avg_runtime.map(nine_decimals),
        }
    }
}

/// A movie of the selection.
#[derive(Debug, Serialize, ToSchema)]
pub struct GenreMovie {
    pub movie_id: i64,
    pub title: String,
    pub vote_average: f64,
    pub popularity: f64,
    pub vote_count: i64,
    pub release_date: Option<NaiveDate>,
}

impl From<MovieRow> for GenreMovie {
    fn from(row: MovieRow) -> Self {
        let MovieRow { movie_id, title, vote_average, popularity, vote_count, release_date } = row;
        Self { movie_id, title, vote_average, popularity, vote_count, release_date }
    }
}

/// Trends of the whole genre over the last 30 days; null until trends have been computed.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct GenreTrends {
    #[schema(example = "increasing")]
    pub rating_trend: Option<&'static str>,
    pub sentiment_trend: Option<&'static str>,
    pub popularity_trend: Option<&'static str>,
}

impl IntoRows for GenreView {
    type Row = GenreMovie;

    fn into_rows(self) -> Vec<GenreMovie> {
        self.top_movies
    }
}

impl Question for GenreAnalytics {
    type View = GenreView;
    const NAME: &'static str = "genre";
    const FAMILY: CacheFamily = CacheFamily::Analytics;

    async fn read(&self, reader: &Reader) -> Result<GenreView, QueryError> {
        let (run, selection, statistics) = self.select(reader).await?;
        let movies: Vec<MovieRow> = genre_analytics::list(&reader.pool, &selection).try_collect().await?;
        Ok(GenreView {
            trends: trends(reader, &selection.genre, self.as_of).await?,
            genre: selection.genre,
            year: selection.year,
            month: selection.month,
            statistics: statistics.into(),
            top_movies: movies.into_iter().map(GenreMovie::from).collect(),
            data_source: "batch",
            as_of: run.as_of,
            run_id: run.run_id,
        })
    }
}

impl Listing for GenreAnalytics {
    const TABLE: &'static str = "genre";
    const COLUMNS: &'static [&'static str] =
        &["movie_id", "title", "vote_average", "popularity", "vote_count", "release_date"];

    /// Ordered by id, because the rows are read in steps.
    async fn export(self, reader: Arc<Reader>, _whole: bool) -> Result<Rows<RowOf<Self>>, QueryError> {
        let (_, selection, _) = self.select(&reader).await?;
        let read = move |after| -> BoxFuture<'static, _> {
            let (reader, selection) = (reader.clone(), selection.clone());
            Box::pin(async move {
                let rows = genre_analytics::after(&reader.pool, &selection, after, Limit::STEP).await?;
                let next = rows.last().map(|row| row.movie_id);
                Ok((rows.into_iter().map(GenreMovie::from).collect(), next))
            })
        };
        Rows::in_steps(0, read).await
    }
}

impl GenreAnalytics {
    /// Returns the run, the selection within it, and the selection's statistics.
    async fn select(&self, reader: &Reader) -> Result<(Head, Selection, Statistics), QueryError> {
        let run = reader.run(Artifact::GenreAnalytics, self.as_of).await?;
        let known = movies::genre_name(&reader.pool, &self.genre).await?;
        let unknown = known.is_none();
        let genre = known.unwrap_or_else(|| self.genre.clone());
        let selection = Selection { genre, year: self.year, month: self.month };
        let sums = genre_analytics::sums(&reader.pool, run.run_id, &selection).await?;
        // A genre without statistics may be newer than the run, so its movies decide whether it exists.
        if unknown && sums.total_movies == 0 {
            return Err(QueryError::NotFound { field: "genre", what: format!("genre {}", selection.genre) });
        }
        Ok((run, selection, sums.statistics()))
    }
}

async fn trends(reader: &Reader, genre: &str, as_of: Option<NaiveDate>) -> Result<GenreTrends, QueryError> {
    let run = match as_of {
        Some(day) => artifacts::as_of(&reader.pool, Artifact::TemporalTrends, day).await?,
        None => artifacts::head(&reader.pool, Artifact::TemporalTrends).await?,
    };
    let Some(run) = run else { return Ok(GenreTrends::default()) };
    Ok(GenreTrends {
        rating_trend: Some(trend(reader, &run, genre, Metric::Rating).await?),
        sentiment_trend: Some(trend(reader, &run, genre, Metric::Sentiment).await?),
        popularity_trend: Some(trend(reader, &run, genre, Metric::Popularity).await?),
    })
}

async fn trend(reader: &Reader, run: &Head, genre: &str, metric: Metric) -> Result<&'static str, QueryError> {
    let (scope, since) = (Scope::Genre(genre.to_owned()), first_day(TRENDS_WINDOW, run.as_of));
    let points = batch::trends::points(&reader.pool, run.run_id, run.as_of, &scope, metric, since).await?;
    Ok(summary(&points).trend.as_str())
}
