//! Forecasts of popularity and trending rank, with their back-test errors.

use chrono::NaiveDate;
use domain::artifacts::{Artifact, CacheFamily};
use domain::page::Page;
use domain::predictions::{Horizon, skill};
use domain::rounding::{four_decimals, nine_decimals};
use domain::{MovieId, RunId};
use serde::Serialize;
use storage::postgres::artifacts::Head;
use storage::postgres::batch::predictions::{self, BacktestRow, MoviePredictionRow, RankedPredictionRow};
use utoipa::ToSchema;

use crate::{ArtifactList, IntoRows, Listing, PagedList, QueryError, Question, Reader};

/// Asks for the ranking that is forecast for a day.
#[derive(Debug, Clone, Default, Serialize)]
pub struct TrendingForecast {
    pub horizon: Horizon,
    /// Name of a genre; upper and lower case are equal. Movies keep their overall ranks.
    pub genre: Option<String>,
    pub as_of: Option<NaiveDate>,
}

/// A movie's forecast for the day. The interval contains the outcome in 80 % of cases.
#[derive(Debug, Serialize, ToSchema)]
pub struct ForecastItem {
    #[schema(example = 1)]
    pub rank: i32,
    pub movie_id: i64,
    pub title: String,
    pub release_date: Option<NaiveDate>,
    pub genres: Vec<String>,
    pub poster_path: Option<String>,
    pub popularity: f64,
    pub popularity_low: f64,
    pub popularity_high: f64,
    /// Current popularity.
    pub popularity_now: f64,
    pub trending_score: f64,
}

impl From<RankedPredictionRow> for ForecastItem {
    fn from(row: RankedPredictionRow) -> Self {
        Self {
            rank: row.rank,
            movie_id: row.movie_id,
            title: row.title,
            release_date: row.release_date,
            genres: row.genres,
            poster_path: row.poster_path,
            popularity: four_decimals(row.popularity.into()),
            popularity_low: four_decimals(row.low.into()),
            popularity_high: four_decimals(row.high.into()),
            popularity_now: row.popularity_now,
            trending_score: four_decimals(row.trending_score.into()),
        }
    }
}

/// Back-test of the forecasts with one horizon, over the last two weeks.
#[derive(Debug, Serialize, ToSchema)]
pub struct Accuracy {
    /// Horizon in days.
    pub horizon: i16,
    pub forecasts: i64,
    /// Mean absolute error of popularity.
    pub mae: f64,
    /// Mean absolute error of the naive forecast, which expects no change.
    pub naive_mae: f64,
    /// Skill score, `1 - mae / naive_mae`: 0.5 means half of the naive forecast's error. Null if nothing changed.
    pub skill: Option<f64>,
    /// Share of outcomes within the interval; the target is 0.8.
    pub coverage: f64,
}

impl From<BacktestRow> for Accuracy {
    fn from(row: BacktestRow) -> Self {
        Self {
            horizon: row.horizon,
            forecasts: row.forecasts,
            mae: nine_decimals(row.mae),
            naive_mae: nine_decimals(row.naive_mae),
            skill: skill(row.mae, row.naive_mae).map(nine_decimals),
            coverage: nine_decimals(row.coverage),
        }
    }
}

/// The ranking that is forecast for a day.
#[derive(Debug, Serialize, ToSchema)]
pub struct ForecastView {
    #[schema(value_type = u8, example = 7)]
    pub horizon: i16,
    /// Null if no movie is forecast.
    pub day: Option<NaiveDate>,
    /// Null if the history is too short for a back-test.
    pub accuracy: Option<Accuracy>,
    #[serde(flatten)]
    pub list: ArtifactList<ForecastItem>,
}

impl IntoRows for ForecastView {
    type Row = ForecastItem;

    fn into_rows(self) -> Vec<ForecastItem> {
        self.list.into_rows()
    }
}

impl PagedList for TrendingForecast {
    type View = ForecastView;
    const NAME: &'static str = "predictions";
    const FAMILY: CacheFamily = CacheFamily::Predictions;
    const COLUMNS: &'static [&'static str] = &[
        "rank",
        "movie_id",
        "title",
        "release_date",
        "genres",
        "popularity",
        "popularity_low",
        "popularity_high",
        "popularity_now",
        "trending_score",
        "poster_path",
    ];

    async fn page(&self, reader: &Reader, page: Page) -> Result<ForecastView, QueryError> {
        let run = reader.run(Artifact::TrendPredictions, self.as_of).await?;
        let genre = reader.genre(self.genre.as_deref()).await?;
        let found = predictions::page(&reader.pool, run.run_id, self.horizon, genre.as_deref(), page).await?;
        let horizon = self.horizon.get();
        let accuracy = accuracy(reader, &run).await?.into_iter().find(|accuracy| accuracy.horizon == horizon);
        let day = found.0.first().map(|row| row.day);
        Ok(ForecastView { horizon, day, accuracy, list: ArtifactList::new(run, page, found) })
    }
}

/// Asks for a movie's forecast for the next one to fourteen days.
#[derive(Debug, Clone, Serialize)]
pub struct MovieForecast {
    pub movie_id: MovieId,
    pub as_of: Option<NaiveDate>,
}

/// One day of a movie's forecast.
#[derive(Debug, Serialize, ToSchema)]
pub struct ForecastDay {
    pub horizon: i16,
    pub day: NaiveDate,
    pub popularity: f64,
    pub popularity_low: f64,
    pub popularity_high: f64,
    pub trending_score: f64,
    pub rank: i32,
}

impl From<MoviePredictionRow> for ForecastDay {
    fn from(row: MoviePredictionRow) -> Self {
        Self {
            horizon: row.horizon,
            day: row.day,
            popularity: four_decimals(row.popularity.into()),
            popularity_low: four_decimals(row.low.into()),
            popularity_high: four_decimals(row.high.into()),
            trending_score: four_decimals(row.trending_score.into()),
            rank: row.rank,
        }
    }
}

/// A movie's forecast.
#[derive(Debug, Serialize, ToSchema)]
pub struct MovieForecastView {
    #[schema(value_type = i64, example = 550)]
    pub movie_id: MovieId,
    pub title: String,
    pub popularity_now: f64,
    /// Nearest day first; empty for a movie that is not active, or newer than the run.
    pub predictions: Vec<ForecastDay>,
    /// One back-test per horizon.
    pub accuracy: Vec<Accuracy>,
    pub as_of: NaiveDate,
    #[schema(value_type = Uuid)]
    pub run_id: RunId,
}

impl IntoRows for MovieForecastView {
    type Row = ForecastDay;

    fn into_rows(self) -> Vec<ForecastDay> {
        self.predictions
    }
}

impl Question for MovieForecast {
    type View = MovieForecastView;
    const NAME: &'static str = "forecast";
    const FAMILY: CacheFamily = CacheFamily::Predictions;

    async fn read(&self, reader: &Reader) -> Result<MovieForecastView, QueryError> {
        let movie_id = self.movie_id;
        let movie = reader.headline("id", movie_id).await?;
        let run = reader.run(Artifact::TrendPredictions, self.as_of).await?;
        let rows = predictions::of_movie(&reader.pool, run.run_id, movie_id).await?;
        Ok(MovieForecastView {
            movie_id,
            title: movie.title,
            popularity_now: movie.popularity,
            predictions: rows.into_iter().map(ForecastDay::from).collect(),
            accuracy: accuracy(reader, &run).await?,
            as_of: run.as_of,
            run_id: run.run_id,
        })
    }
}

impl Listing for MovieForecast {
    const TABLE: &'static str = "forecast";
    const COLUMNS: &'static [&'static str] =
        &["horizon", "day", "popularity", "popularity_low", "popularity_high", "trending_score", "rank"];
}

async fn accuracy(reader: &Reader, run: &Head) -> Result<Vec<Accuracy>, QueryError> {
    let rows = predictions::backtest(&reader.pool, run.run_id).await?;
    Ok(rows.into_iter().map(Accuracy::from).collect())
}
