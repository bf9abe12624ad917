//! What viewers think of a movie: history and the last hours in one answer.

use std::sync::Arc;
use std::time::Instant;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use domain::artifacts::CacheFamily;
use domain::hours::{Hour, Window};
use domain::merge::{CUTOFF_HOURS, Decision, Layer, LayerSplit, layer, merge};
use domain::sentiment::{Label, Tally, velocity};
use domain::{MovieId, RunId};
use serde::{Deserialize, Serialize};
use storage::postgres::layers::{self, Layers};
use storage::postgres::speed::SpeedRow;
use utoipa::{IntoParams, ToSchema};

use super::merged::{CacheState, DataSources, Provenance, ProvenanceSpan, stale};
use super::movies::no_movie;
use super::{LayerHours, question, tidy};
use crate::State;
use crate::cache::{Live, Question, answer};
use crate::error::{ApiError, Problem};
use crate::export::Table;
use crate::extract::{Id, Params, Parsed};

#[derive(Debug, Serialize, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct SentimentParams {
    /// Hours (6 or 6h), days (7d) or all.
    #[param(value_type = String, default = "7d", example = "7d")]
    window: Parsed<Window>,
    /// Adds which hours came from which layer, and what is cached. Such an answer is always computed.
    #[serde(skip_serializing)]
    explain: bool,
}

impl Default for SentimentParams {
    fn default() -> Self {
        Self { window: Parsed(Window::Days(7)), explain: false }
    }
}

/// A movie's sentiment (seed 1, section 3.1), of the reviews written within the window.
#[derive(Debug, Serialize, ToSchema)]
pub struct SentimentBody {
    #[schema(value_type = i64, example = 550)]
    movie_id: MovieId,
    #[schema(example = "Fight Club")]
    title: String,
    #[schema(example = "7d")]
    window: String,
    sentiment: SentimentBlock,
    /// The newest first; by hour where the window is 48 hours or less, else by day.
    breakdown: Vec<SentimentSpan>,
    data_sources: DataSources,
    /// Layers that are behind, `batch` or `speed`; the other answers in its place.
    stale: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provenance: Option<Provenance>,
}

/// All reviews of the window together.
#[derive(Debug, Serialize, ToSchema)]
pub struct SentimentBlock {
    /// -1 to 1; each review counts once. Null without reviews, as is the label.
    #[schema(example = 0.75)]
    overall_score: Option<f64>,
    /// positive (above 0.3), neutral or negative (below -0.3).
    #[schema(example = "positive")]
    label: Option<&'static str>,
    positive_count: i64,
    negative_count: i64,
    neutral_count: i64,
    total_reviews: i64,
    /// Change of the score per hour, over those of the last 48 hours that are in the window.
    velocity: f64,
    /// How sure the score is, 0 to 1.
    confidence: f64,
}

/// A day, or an hour.
#[derive(Debug, Serialize, ToSchema)]
pub struct SentimentSpan {
    #[schema(example = "2026-03-10")]
    date: String,
    avg_sentiment: f64,
    review_count: i64,
}

/// Show what viewers think of a movie.
///
/// History comes from the batch layer, the last 48 hours from the speed layer; each hour from one of them.
#[utoipa::path(
    get, path = "/api/v1/movies/{id}/sentiment", operation_id = "get_movie_sentiment", tag = "movies",
    params(("id" = i64, Path, minimum = 1, description = "The movie's TMDB id", example = 550), SentimentParams),
    responses(
        (status = 200, body = SentimentBody),
        (status = 404, description = "No such movie", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn of_movie(
    state: Data<State>,
    request: HttpRequest,
    Id(movie_id): Id<MovieId>,
    Params(params): Params<SentimentParams>,
) -> Result<HttpResponse, ApiError> {
    answer(&state, &request, MovieSentiment { movie_id, params }).await
}

struct MovieSentiment {
    movie_id: MovieId,
    params: SentimentParams,
}

const COLUMNS: &[&str] = &["date", "avg_sentiment", "review_count"];

impl Question for MovieSentiment {
    type Body = SentimentBody;
    const FAMILY: CacheFamily = CacheFamily::Sentiment;

    fn key(&self) -> Result<String, ApiError> {
        question(&format!("/movies/{}/sentiment", self.movie_id), &self.params)
    }

    fn live(&self) -> Live {
        Live::Movie(self.movie_id)
    }

    fn cached(&self) -> bool {
        !self.params.explain
    }

    async fn read(&self, state: &State) -> Result<Self::Body, ApiError> {
        let (movie_id, window) = (self.movie_id, self.params.window.0);
        let page = state.movies.load(movie_id).await?.ok_or_else(|| no_movie(movie_id))?;
        let now = Utc::now();
        let routing = LayerSplit::new(now, state.lag.is_too_much());
        let layers = layers::sentiment(&state.pool, movie_id, Hour::of(window.since(now))).await?;
        let started = Instant::now();
        let merged = Merged::of(layers, routing);
        state.routing.note(merged.decision(), merged.counts, started);
        let provenance = if self.params.explain {
            let cache = CacheState::of(state, self).await?;
            Some(merged.provenance(cache))
        } else {
            None
        };
        Ok(merged.body(movie_id, page.movie.title.clone(), window, provenance))
    }

    const IS_LIST: bool = true;

    async fn table(self, state: Arc<State>, _whole: bool) -> Result<Table, ApiError> {
        Table::of("sentiment", COLUMNS, self.read(&state).await?.breakdown)
    }
}

/// What both layers hold of the window, merged.
struct Merged {
    routing: LayerSplit,
    run_id: Option<RunId>,
    watermark: Option<Hour>,
    hours: Vec<(Hour, Layer, Tally)>,
    counts: LayerHours,
    /// When the speed layer's part last changed.
    speed: Option<DateTime<Utc>>,
}

impl Merged {
    fn of(layers: Layers<Tally>, routing: LayerSplit) -> Self {
        let Layers { head, batch, speed } = layers;
        let watermark = head.as_ref().and_then(|head| head.watermark);
        let boundary = routing.boundary(watermark);
        let answers = |row: &&SpeedRow<Tally>| layer(row.hour.hour, boundary, row.hour.reopened) == Layer::Speed;
        let changed = speed.iter().filter(answers).map(|row| row.updated_at).max();
        let hours = merge(batch, speed.into_iter().map(|row| row.hour), boundary);
        let of = |layer| hours.iter().filter(|hour| hour.1 == layer).count() as u64;
        let counts = LayerHours { batch: of(Layer::Batch), speed: of(Layer::Speed) };
        Self { routing, run_id: head.map(|head| head.run_id), watermark, hours, counts, speed: changed }
    }

    fn decision(&self) -> Decision {
        let LayerHours { batch, speed } = self.counts;
        // Where nobody wrote anything, it is the batch layer that knows, once it is there.
        let nothing = batch == 0 && speed == 0;
        self.routing.decision(batch > 0 || (nothing && self.run_id.is_some()), speed > 0 || self.run_id.is_none())
    }

    fn provenance(&self, cache: CacheState) -> Provenance {
        Provenance {
            spans: Some(spans(&self.hours)),
            hours: self.counts,
            run_id: self.run_id,
            watermark: self.watermark.map(Hour::start),
            cutoff: self.routing.cutoff().start(),
            cache,
        }
    }

    fn body(&self, movie_id: MovieId, title: String, window: Window, provenance: Option<Provenance>) -> SentimentBody {
        SentimentBody {
            movie_id,
            title,
            window: window.to_string(),
            sentiment: block(&self.hours, self.routing.cutoff()),
            breakdown: breakdown(&self.hours, window),
            data_sources: DataSources::new(self.routing.boundary(self.watermark), self.speed),
            stale: stale(self.routing, self.watermark),
            provenance,
        }
    }
}

type Hours = [(Hour, Layer, Tally)];

fn block(hours: &Hours, cutoff: Hour) -> SentimentBlock {
    let mut all = Tally::default();
    hours.iter().for_each(|(.., tally)| all += *tally);
    let recent: Vec<(Hour, Tally)> =
        hours.iter().filter(|(hour, ..)| *hour >= cutoff).map(|(hour, _, tally)| (*hour, *tally)).collect();
    SentimentBlock {
        overall_score: all.mean().map(tidy),
        label: all.mean().map(|mean| Label::of(mean).as_str()),
        positive_count: all.positive,
        negative_count: all.negative,
        neutral_count: all.neutral,
        total_reviews: all.count(),
        velocity: tidy(velocity(&recent)),
        confidence: tidy(all.confidence()),
    }
}

fn breakdown(hours: &Hours, window: Window) -> Vec<SentimentSpan> {
    let by_hour = window.hours().is_some_and(|hours| i64::from(hours) <= CUTOFF_HOURS);
    let mut spans: Vec<(String, Tally)> = Vec::new();
    for (hour, _, tally) in hours.iter().rev() {
        let date = if by_hour { hour.to_string() } else { hour.start().date_naive().to_string() };
        match spans.last_mut() {
            Some((last, sum)) if *last == date => *sum += *tally,
            _ => spans.push((date, *tally)),
        }
    }
    // A reopened hour may turn out to be empty.
    let span = |(date, tally): (String, Tally)| {
        let avg_sentiment = tidy(tally.mean()?);
        Some(SentimentSpan { date, avg_sentiment, review_count: tally.count() })
    };
    spans.into_iter().filter_map(span).collect()
}

fn spans(hours: &Hours) -> Vec<ProvenanceSpan> {
    let mut spans: Vec<ProvenanceSpan> = Vec::new();
    for (hour, layer, _) in hours {
        let layer = layer.as_str();
        match spans.last_mut() {
            Some(span) if span.layer == layer => {
                span.last_hour = hour.start();
                span.hours += 1;
            }
            _ => spans.push(ProvenanceSpan { layer, first_hour: hour.start(), last_hour: hour.start(), hours: 1 }),
        }
    }
    spans
}
