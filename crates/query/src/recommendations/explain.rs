//! Why a movie is in a list.

use std::collections::HashMap;

use serde::Serialize;
use storage::postgres::recommendations::candidates::{self, Filter};
use utoipa::ToSchema;

use super::list::{Chosen, Preferences};
use crate::model::ServingModel;
use crate::{QueryError, Reader};

/// Movies of the viewer that are named as reasons.
const REASONS_MAX: usize = 3;

/// Why a movie is in a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Explanation {
    /// The layers that proposed the movie: hybrid, batch, realtime, popular or exploration.
    pub layer: &'static str,
    /// The batch layer's score, scaled to 0..1 over its candidates.
    pub batch_score: Option<f32>,
    /// The real-time layer's score, scaled to 0..1 over its candidates.
    pub realtime_score: Option<f32>,
    /// The movies of the viewer that add most to the real-time score, with their exact parts (Hu, Koren and Volinsky
    /// 2008, section 5).
    pub because: Vec<Reason>,
}

/// A movie of the viewer and its part of the score.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Reason {
    pub movie_id: i64,
    pub title: String,
    /// Part of the model's score, which is about 1 for a sure like.
    pub contribution: f32,
}

/// Adds the explanations.
pub(super) async fn explain(
    reader: &Reader,
    chosen: &mut [Chosen],
    model: Option<&ServingModel>,
    history: &Preferences,
) -> Result<(), QueryError> {
    let mut parts: Vec<Vec<(i64, f32)>> = Vec::with_capacity(chosen.len());
    for item in chosen.iter() {
        let movie = item.blended.as_ref().map(|blended| blended.movie_id);
        let explained = model.zip(movie).and_then(|(model, movie)| model.explain(history, movie));
        let positive = explained.into_iter().flat_map(|explained| explained.contributions).filter(|part| part.1 > 0.0);
        parts.push(positive.take(REASONS_MAX).map(|(movie, part)| (movie.get(), part)).collect());
    }
    let ids: Vec<i64> = parts.iter().flatten().map(|part| part.0).collect();
    let rows = candidates::fitting(&reader.pool, &ids, &Filter::default()).await?;
    let titles: HashMap<i64, String> = rows.into_iter().map(|row| (row.movie_id, row.title)).collect();
    for (item, parts) in chosen.iter_mut().zip(parts) {
        let (batch_score, realtime_score) =
            item.blended.map_or((None, None), |blended| (blended.batch, blended.realtime));
        let layer = match (item.movie.explored, batch_score, realtime_score) {
            (true, ..) => "exploration",
            (_, Some(_), Some(_)) => "hybrid",
            (_, Some(_), None) => "batch",
            (_, None, Some(_)) => "realtime",
            (_, None, None) => "popular",
        };
        let because = parts
            .into_iter()
            .filter_map(|(movie_id, contribution)| {
                Some(Reason { movie_id, title: titles.get(&movie_id)?.clone(), contribution })
            })
            .collect();
        item.movie.explanation = Some(Explanation { layer, batch_score, realtime_score, because });
    }
    Ok(())
}
