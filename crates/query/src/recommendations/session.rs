//! Lists for anonymous viewers: movies and weights in, list out. Nothing is stored.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::MovieId;
use domain::preferences::Preference;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::list::{Preferences, candidates_of, choose, says_something};
use super::{ListSource, RecommendedMovie, Wishes, popular};
use crate::model::ServingModel;
use crate::{QueryError, Reader};

/// Asks for a list for somebody who likes these movies.
#[derive(Debug, Clone)]
pub struct Session {
    /// Movies and weights; a negative weight is a dislike. Weights are finite.
    pub movies: Vec<(MovieId, f32)>,
    pub wishes: Wishes,
}

/// The list.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionView {
    pub source: ListSource,
    pub recommendations: Vec<RecommendedMovie>,
    pub generated_at: DateTime<Utc>,
    pub model_version: Option<String>,
    pub list_id: Uuid,
}

impl Session {
    /// Reads the list.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn read(&self, reader: &Reader) -> Result<SessionView, QueryError> {
        self.read_with(reader, reader.model.current()).await
    }

    /// Reads the list with this model.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn read_with(
        &self,
        reader: &Reader,
        model: Option<Arc<ServingModel>>,
    ) -> Result<SessionView, QueryError> {
        let (generated_at, list_id) = (Utc::now(), Uuid::now_v7());
        let mut history: Preferences = self
            .movies
            .iter()
            .filter(|movie| movie.1 != 0.0)
            .map(|&(movie, weight)| {
                (movie, Preference { weight: weight.abs(), liked: weight > 0.0, newest_at: generated_at })
            })
            .collect();
        history.sort_by_key(|preference| preference.0);
        let filter = self.wishes.filter(reader, self.movies.iter().map(|movie| movie.0.get())).await?;
        let vector = model.as_deref().map(|model| model.fold_in(&history)).filter(|vector| says_something(vector));
        let candidates = candidates_of(reader, model.as_deref(), &[], vector.as_deref(), &filter).await?;
        let source = if candidates.realtime.is_empty() { ListSource::Popular } else { ListSource::Realtime };
        let mut chosen = choose(&self.wishes, candidates, reader.rules.batch_share);
        popular::fill(reader, &mut chosen, &self.wishes, &filter, &history, (list_id, reader.rules.exploration_share))
            .await?;
        Ok(SessionView {
            source,
            recommendations: chosen.into_iter().map(|chosen| chosen.movie).collect(),
            generated_at,
            model_version: model.map(|model| model.version.clone()),
            list_id,
        })
    }
}
