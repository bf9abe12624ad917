//! One viewer's list.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::Utc;
use domain::preferences::{Preference, PreferenceWeights};
use domain::recommendations::{Blended, Scored, blend, diversified, prefer_novel};
use domain::{MovieId, ViewerId};
use storage::postgres::recommendations::candidates::{self, Filter, MovieRow};
use storage::postgres::recommendations::history::{self, History};
use storage::postgres::recommendations::viewer::{self, ViewerRow};
use storage::postgres::served_lists::ServedList;
use uuid::Uuid;

use super::{ListSource, Recommendations, RecommendationsView, RecommendedMovie, Wishes, explain, popular};
use crate::model::ServingModel;
use crate::{QueryError, Reader};

/// Candidates of the real-time layer: as many as the batch layer keeps, and as many as a list may show.
const CANDIDATES: i64 = 100;

/// What a viewer's facts say about each movie, ascending by movie.
pub(super) type Preferences = Vec<(MovieId, Preference)>;

/// A chosen movie with its scores.
pub(super) struct Chosen {
    pub movie: RecommendedMovie,
    pub blended: Option<Blended>,
}

/// Candidates with their rows.
#[derive(Default)]
pub(super) struct Candidates {
    pub batch: Vec<Scored>,
    pub realtime: Vec<Scored>,
    pub rows: HashMap<i64, MovieRow>,
}

impl Recommendations {
    /// Reads the list with this model.
    pub async fn read_with(
        &self,
        reader: &Reader,
        model: Option<Arc<ServingModel>>,
    ) -> Result<RecommendationsView, QueryError> {
        let list_id = Uuid::now_v7();
        let found = viewer::find(&reader.pool, &self.user_id).await?;
        let (history, seen, vector) = match &found {
            Some(viewer) => self.known(reader, viewer, model.as_deref()).await?,
            None => Default::default(),
        };
        let hidden = found.iter().flat_map(|viewer| viewer.hidden.iter().copied());
        let filter = self.wishes.filter(reader, seen.into_iter().chain(hidden)).await?;
        let viewer_id = found.as_ref().map(|viewer| viewer.viewer_id.get());
        let batch = found.map(|viewer| viewer.batch).unwrap_or_default();
        let candidates = candidates_of(reader, model.as_deref(), &batch, vector.as_deref(), &filter).await?;
        let source = match (candidates.batch.is_empty(), candidates.realtime.is_empty()) {
            (false, false) => ListSource::Hybrid,
            (false, true) => ListSource::Batch,
            (true, false) => ListSource::Realtime,
            (true, true) => ListSource::Popular,
        };
        let rules = reader.rules.of(self.assignment.as_ref());
        let mut chosen = choose(&self.wishes(), candidates, rules.batch_share);
        popular::fill(reader, &mut chosen, &self.wishes, &filter, &history, (list_id, rules.exploration_share)).await?;
        if self.explain {
            explain::explain(reader, &mut chosen, model.as_deref(), &history).await?;
        }
        let view = RecommendationsView {
            source,
            computed_from: source,
            user_id: self.user_id.clone(),
            recommendations: chosen.into_iter().map(|chosen| chosen.movie).collect(),
            generated_at: Utc::now(),
            model_version: model.map(|model| model.version.clone()),
            list_id,
        };
        if !self.explain && reader.list_log.samples(list_id) {
            reader.list_log.add(self.served(&view, viewer_id));
        }
        Ok(view)
    }

    /// The wishes, with what the viewer's variant sets and the request does not.
    fn wishes(&self) -> Cow<'_, Wishes> {
        match self.assignment.as_ref().and_then(|assignment| assignment.variant.settings.diversity) {
            Some(diversity) if self.wishes.diversity == 0.0 => {
                Cow::Owned(Wishes { diversity: diversity as f32, ..self.wishes.clone() })
            }
            _ => Cow::Borrowed(&self.wishes),
        }
    }

    fn served(&self, view: &RecommendationsView, viewer_id: Option<i64>) -> ServedList {
        let explored = view.recommendations.iter().zip(0..).filter(|place| place.0.explored);
        ServedList {
            list_id: view.list_id,
            viewer_id,
            served_at: view.generated_at,
            source: view.computed_from.as_str(),
            version: view.model_version.clone(),
            experiment: self.assignment.as_ref().map(|assignment| assignment.experiment.clone()),
            variant: self.assignment.as_ref().map(|assignment| assignment.variant.name.clone()),
            explored: explored.map(|place| place.1).collect(),
            movies: view.recommendations.iter().map(|movie| movie.movie_id).collect(),
        }
    }

    /// Reads what a known viewer has done: preferences (only where they are needed), seen movies, and the vector.
    async fn known(
        &self,
        reader: &Reader,
        viewer: &ViewerRow,
        model: Option<&ServingModel>,
    ) -> Result<(Preferences, Vec<i64>, Option<Vec<f32>>), QueryError> {
        let profile = profile(viewer, model);
        let ids = [viewer.viewer_id];
        // A current profile spares the history, unless the list has to be explained.
        let needed = self.explain || profile.is_none();
        let history = async { if needed { history::of(&reader.pool, &ids).await } else { Ok(HashMap::new()) } };
        let (mut histories, seen) = tokio::try_join!(history, history::seen(&reader.pool, viewer.viewer_id))?;
        let history = preferences(&mut histories, viewer.viewer_id, &reader.rules.weights);
        let vector = profile.or_else(|| Some(model?.fold_in(&history)).filter(|vector| says_something(vector)));
        Ok((history, seen, vector))
    }
}

/// The stored profile, if it belongs to the active model and contains every fact.
fn profile(viewer: &ViewerRow, model: Option<&ServingModel>) -> Option<Vec<f32>> {
    let (version, vector) = viewer.profile.as_ref()?;
    let current = !viewer.profile_is_stale && *version == model?.version;
    (current && says_something(vector)).then(|| vector.clone())
}

/// A vector of zeros gives every movie the same score.
pub(super) fn says_something(vector: &[f32]) -> bool {
    vector.iter().any(|value| *value != 0.0)
}

/// What these facts, taken out of what was read of several viewers, say about each movie.
pub(super) fn preferences(
    histories: &mut HashMap<ViewerId, History>,
    viewer: ViewerId,
    weights: &PreferenceWeights,
) -> Preferences {
    weights.preferences(histories.remove(&viewer).unwrap_or_default(), Utc::now())
}

/// The candidates of both layers that fit the filter.
pub(super) async fn candidates_of(
    reader: &Reader,
    model: Option<&ServingModel>,
    batch: &[Scored],
    vector: Option<&[f32]>,
    filter: &Filter,
) -> Result<Candidates, QueryError> {
    let ids: Vec<i64> = batch.iter().map(|scored| scored.0.get()).collect();
    let fitting =
        async { if ids.is_empty() { Ok(Vec::new()) } else { candidates::fitting(&reader.pool, &ids, filter).await } };
    let nearest = async {
        let Some((model, vector)) = model.zip(vector) else { return Ok(Vec::new()) };
        candidates::nearest(&reader.pool, &model.version, vector, filter, CANDIDATES).await
    };
    let (fitting, nearest) = tokio::try_join!(fitting, nearest)?;
    let mut found = Candidates::default();
    found.rows.extend(fitting.into_iter().map(|row| (row.movie_id, row)));
    found.batch = batch.iter().copied().filter(|scored| found.rows.contains_key(&scored.0.get())).collect();
    for (row, score) in nearest {
        let id = MovieId::new(row.movie_id).map_err(|error| QueryError::Internal(error.to_string()))?;
        found.realtime.push((id, score));
        found.rows.insert(row.movie_id, row);
    }
    Ok(found)
}

/// Blends, prefers novel movies, and chooses the movies of the list.
pub(super) fn choose(wishes: &Wishes, candidates: Candidates, batch_share: f32) -> Vec<Chosen> {
    let list = blend(&candidates.batch, &candidates.realtime, batch_share);
    chosen(wishes, list, candidates.rows)
}

/// Chooses the movies of the list from a ranking.
pub(super) fn chosen(wishes: &Wishes, mut list: Vec<Blended>, mut rows: HashMap<i64, MovieRow>) -> Vec<Chosen> {
    if wishes.novelty > 0.0 {
        let popularity = rows.values().filter_map(|r| Some((MovieId::new(r.movie_id).ok()?, r.popularity as f32)));
        prefer_novel(&mut list, &popularity.collect(), wishes.novelty);
    }
    let list = diversified(list, wishes.count(), wishes.diversity, |a, b| alike(&rows, a, b));
    list.into_iter()
        .filter_map(|blended| {
            let row = rows.remove(&blended.movie_id.get())?;
            Some(Chosen { movie: RecommendedMovie::new(row, blended.score), blended: Some(blended) })
        })
        .collect()
}

/// Jaccard similarity of two movies' genres.
fn alike(rows: &HashMap<i64, MovieRow>, a: MovieId, b: MovieId) -> f32 {
    let genres =
        |id: MovieId| rows.get(&id.get()).map_or(&[][..], |row| &row.genres[..]).iter().collect::<HashSet<_>>();
    let (a, b) = (genres(a), genres(b));
    let (common, all) = (a.intersection(&b).count(), a.union(&b).count());
    if all == 0 { 0.0 } else { common as f32 / all as f32 }
}
