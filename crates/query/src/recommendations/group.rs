//! One list for several viewers.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::MovieId;
use domain::recommendations::{GroupRule, Scored, grouped};
use domain::viewers::ViewerName;
use serde::Serialize;
use storage::postgres::recommendations::candidates::MovieRow;
use storage::postgres::recommendations::{history, viewer};
use utoipa::ToSchema;
use uuid::Uuid;

use super::list::{candidates_of, chosen, preferences, says_something};
use super::{ListSource, RecommendedMovie, Wishes, popular};
use crate::model::ServingModel;
use crate::{QueryError, Reader};

/// Asks for a list that suits all of these viewers. Viewers of whom nothing is known have no say.
#[derive(Debug, Clone)]
pub struct Group {
    pub viewers: Vec<ViewerName>,
    pub rule: GroupRule,
    pub wishes: Wishes,
}

/// The list.
#[derive(Debug, Serialize, ToSchema)]
pub struct GroupView {
    #[schema(value_type = Vec<String>)]
    pub user_ids: Vec<ViewerName>,
    /// The viewers of whom something is known, and who had a say.
    #[schema(value_type = Vec<String>)]
    pub counted: Vec<ViewerName>,
    pub source: ListSource,
    pub recommendations: Vec<RecommendedMovie>,
    pub generated_at: DateTime<Utc>,
    pub model_version: Option<String>,
    pub list_id: Uuid,
}

impl Group {
    /// Reads the list.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn read(&self, reader: &Reader) -> Result<GroupView, QueryError> {
        self.read_with(reader, reader.model.current()).await
    }

    /// Reads the list with this model. Nobody of the group has seen or hidden a movie of it.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn read_with(&self, reader: &Reader, model: Option<Arc<ServingModel>>) -> Result<GroupView, QueryError> {
        let list_id = Uuid::now_v7();
        let mut left_out: BTreeSet<i64> = BTreeSet::new();
        let (mut counted, mut vectors) = (Vec::new(), Vec::new());
        for name in &self.viewers {
            let Some(viewer) = viewer::find(&reader.pool, name).await? else { continue };
            let mut histories = history::of(&reader.pool, &[viewer.viewer_id]).await?;
            left_out.extend(viewer.hidden);
            left_out.extend(history::seen(&reader.pool, viewer.viewer_id).await?);
            let history = preferences(&mut histories, viewer.viewer_id, &reader.rules.weights);
            let vector = model.as_deref().map(|model| model.fold_in(&history));
            if let Some(vector) = vector.filter(|vector| says_something(vector)) {
                counted.push(name.clone());
                vectors.push(vector);
            }
        }
        let filter = self.wishes.filter(reader, left_out).await?;
        let mut rows: HashMap<i64, MovieRow> = HashMap::new();
        for vector in &vectors {
            rows.extend(candidates_of(reader, model.as_deref(), &[], Some(vector), &filter).await?.rows);
        }
        let scores = model.as_deref().map(|model| scores(model, &vectors, &rows)).unwrap_or_default();
        let mut list = chosen(&self.wishes, grouped(&scores, self.rule), rows);
        let source = if list.is_empty() { ListSource::Popular } else { ListSource::Realtime };
        popular::fill(reader, &mut list, &self.wishes, &filter, &Vec::new(), (list_id, reader.rules.exploration_share))
            .await?;
        Ok(GroupView {
            user_ids: self.viewers.clone(),
            counted,
            source,
            recommendations: list.into_iter().map(|chosen| chosen.movie).collect(),
            generated_at: Utc::now(),
            model_version: model.map(|model| model.version.clone()),
            list_id,
        })
    }
}

/// Every viewer's score of every candidate.
fn scores(model: &ServingModel, vectors: &[Vec<f32>], rows: &HashMap<i64, MovieRow>) -> Vec<Vec<Scored>> {
    let mut movies: Vec<(MovieId, usize)> = rows
        .keys()
        .filter_map(|id| MovieId::new(*id).ok())
        .filter_map(|movie| Some((movie, model.ordinal(movie)?)))
        .collect();
    movies.sort_unstable();
    vectors
        .iter()
        .map(|vector| movies.iter().map(|&(movie, ordinal)| (movie, model.score(vector, ordinal))).collect())
        .collect()
}
