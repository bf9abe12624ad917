//! The sentiment of a movie's reviews: history and the last hours in one answer.

use std::time::Instant;

use chrono::{DateTime, Utc};
use domain::artifacts::CacheFamily;
use domain::hours::{Hour, Window};
use domain::merge::{Decision, Layer, LayerSplit, layer, merge};
use domain::rounding::nine_decimals;
use domain::sentiment::Tally;
use domain::sentiment::merged::{self, Bucket, MergedHour, Overall};
use domain::{MovieId, RunId};
use serde::Serialize;
use storage::postgres::layers::{self, Layers};
use storage::postgres::speed::SpeedRow;
use utoipa::ToSchema;

use crate::provenance::stale;
use crate::{
    CacheState, DataSources, IntoRows, LayerHours, Listing, LiveFacts, Provenance, ProvenanceSpan, QueryError,
    Question, Reader,
};

/// Asks for the sentiment of a movie's reviews that were written within a window.
#[derive(Debug, Clone, Serialize)]
pub struct MovieSentiment {
    pub movie_id: MovieId,
    pub window: Window,
    /// Adds the provenance to the view.
    #[serde(skip_serializing)]
    pub explain: bool,
}

/// The sentiment of a movie's reviews that were written within a window (seed 1, section 3.1).
#[derive(Debug, Serialize, ToSchema)]
pub struct SentimentView {
    #[schema(value_type = i64, example = 550)]
    pub movie_id: MovieId,
    #[schema(example = "Fight Club")]
    pub title: String,
    #[schema(example = "7d")]
    pub window: String,
    pub sentiment: SentimentBlock,
    /// Newest first: by hour if the window is 48 hours or less, otherwise by day.
    pub breakdown: Vec<SentimentSpan>,
    pub data_sources: DataSources,
    /// Layers that are behind: `batch` or `speed`. The other one answers in its place.
    pub stale: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
}

/// All reviews of the window together.
#[derive(Debug, Serialize, ToSchema)]
pub struct SentimentBlock {
    /// Mean over reviews, -1 to 1. Score and label are null if there are no reviews.
    #[schema(example = 0.75)]
    pub overall_score: Option<f64>,
    /// `positive` (above 0.3), `neutral` or `negative` (below -0.3).
    #[schema(example = "positive")]
    pub label: Option<&'static str>,
    pub positive_count: i64,
    pub negative_count: i64,
    pub neutral_count: i64,
    pub total_reviews: i64,
    /// Change of the score per hour, over those of the last 48 hours that are within the window.
    pub velocity: f64,
    /// Confidence in the score, 0 to 1.
    pub confidence: f64,
}

impl From<Overall> for SentimentBlock {
    fn from(Overall { tally, label, velocity }: Overall) -> Self {
        Self {
            overall_score: tally.mean().map(nine_decimals),
            label: label.map(|label| label.as_str()),
            positive_count: tally.positive,
            negative_count: tally.negative,
            neutral_count: tally.neutral,
            total_reviews: tally.count(),
            velocity: nine_decimals(velocity),
            confidence: nine_decimals(tally.confidence()),
        }
    }
}

/// One day or one hour.
#[derive(Debug, Serialize, ToSchema)]
pub struct SentimentSpan {
    #[schema(example = "2026-03-10")]
    pub date: String,
    pub avg_sentiment: f64,
    pub review_count: i64,
}

impl From<Bucket> for SentimentSpan {
    fn from(Bucket { date, mean, reviews }: Bucket) -> Self {
        Self { date, avg_sentiment: nine_decimals(mean), review_count: reviews }
    }
}

impl IntoRows for SentimentView {
    type Row = SentimentSpan;

    fn into_rows(self) -> Vec<SentimentSpan> {
        self.breakdown
    }
}

impl Question for MovieSentiment {
    type View = SentimentView;
    const NAME: &'static str = "sentiment";
    const FAMILY: CacheFamily = CacheFamily::Sentiment;

    fn live(&self) -> LiveFacts {
        LiveFacts::Movie(self.movie_id)
    }

    fn explain(&self) -> bool {
        self.explain
    }

    fn note_cache(view: &mut SentimentView, cache: CacheState) {
        if let Some(provenance) = &mut view.provenance {
            provenance.cache = Some(cache);
        }
    }

    async fn read(&self, reader: &Reader) -> Result<SentimentView, QueryError> {
        let title = reader.headline("id", self.movie_id).await?.title;
        let now = Utc::now();
        let split = LayerSplit::new(now, reader.lag.is_too_much());
        let layers = layers::sentiment(&reader.pool, self.movie_id, Hour::of(self.window.since(now))).await?;
        let started = Instant::now();
        let merged = Merged::of(layers, split);
        reader.layers.note(merged.decision(), merged.counts, started.elapsed());
        Ok(SentimentView {
            movie_id: self.movie_id,
            title,
            window: self.window.to_string(),
            sentiment: merged::overall(&merged.hours, split.cutoff()).into(),
            breakdown: merged::breakdown(&merged.hours, self.window).into_iter().map(Bucket::into).collect(),
            data_sources: DataSources::new(split.boundary(merged.watermark), merged.speed_changed_at),
            stale: stale(split, merged.watermark),
            provenance: self.explain.then(|| merged.provenance()),
        })
    }
}

impl Listing for MovieSentiment {
    const TABLE: &'static str = "sentiment";
    const COLUMNS: &'static [&'static str] = &["date", "avg_sentiment", "review_count"];
}

/// The window's hours, merged from both layers.
struct Merged {
    split: LayerSplit,
    run_id: Option<RunId>,
    watermark: Option<Hour>,
    hours: Vec<MergedHour>,
    counts: LayerHours,
    speed_changed_at: Option<DateTime<Utc>>,
}

impl Merged {
    fn of(layers: Layers<Tally>, split: LayerSplit) -> Self {
        let Layers { head, batch, speed } = layers;
        let watermark = head.as_ref().and_then(|head| head.watermark);
        let boundary = split.boundary(watermark);
        let answers = |row: &&SpeedRow<Tally>| layer(row.hour.hour, boundary, row.hour.reopened) == Layer::Speed;
        let speed_changed_at = speed.iter().filter(answers).map(|row| row.updated_at).max();
        let hours = merge(batch, speed.into_iter().map(|row| row.hour), boundary);
        let of = |layer| hours.iter().filter(|hour| hour.1 == layer).count() as u64;
        let counts = LayerHours { batch: of(Layer::Batch), speed: of(Layer::Speed) };
        Self { split, run_id: head.map(|head| head.run_id), watermark, hours, counts, speed_changed_at }
    }

    fn decision(&self) -> Decision {
        let LayerHours { batch, speed } = self.counts;
        // For a window without reviews the batch layer answers, once it has a run.
        let nothing = batch == 0 && speed == 0;
        self.split.decision(batch > 0 || (nothing && self.run_id.is_some()), speed > 0 || self.run_id.is_none())
    }

    fn provenance(&self) -> Provenance {
        Provenance {
            spans: Some(ProvenanceSpan::of(&self.hours)),
            hours: self.counts,
            run_id: self.run_id,
            watermark: self.watermark.map(Hour::start),
            cutoff: self.split.cutoff().start(),
            cache: None,
        }
    }
}
