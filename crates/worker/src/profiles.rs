//! Computes the profiles of viewers whose facts have changed: folds the latest facts into the space of the active model.
//! The speed layer marks these viewers in the transaction that counts the facts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;
use domain::ViewerId;
use domain::preferences::PreferenceWeights;
use query::model::{ActiveModel, ServingModel};
use sqlx::PgPool;
use storage::StorageError;
use storage::objects::Objects;
use storage::postgres::recommendations::history::{self, History};
use storage::postgres::recommendations::profiles::{self, Profile};
use tokio_util::sync::CancellationToken;

use crate::Shared;

/// Viewers per chunk. Folding 200 movies in takes less than a millisecond, so a chunk takes less than a second, which
/// bounds how long the next viewer waits.
const CHUNK: i64 = 500;

/// Interval at which stale profiles are looked for: a list answers to an event within a second.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Interval at which the active version is asked for. Until a promotion is seen here, the API folds in by itself.
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);

/// Interval at which the backlog is measured.
const MEASURE_INTERVAL: Duration = Duration::from_secs(5);

/// Longest wait after failures, about the time in which a server restarts.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// What the task works with.
pub(crate) struct Profiles {
    pool: PgPool,
    objects: Objects,
    model: ActiveModel,
    weights: PreferenceWeights,
}

impl Profiles {
    /// Without a model; [`run`] loads it.
    pub fn new(shared: &Shared) -> Self {
        let weights = shared.settings.recommender.weights.clone();
        Self { pool: shared.pool.clone(), objects: shared.objects.clone(), model: ActiveModel::default(), weights }
    }
}

/// Computes profiles until `stop`, one chunk at a time.
pub(crate) async fn run(profiles: Profiles, stop: CancellationToken) {
    let Profiles { pool, objects, model, weights } = profiles;
    let (mut failures, mut measured, mut refreshed) = (0, None::<Instant>, None::<Instant>);
    while !stop.is_cancelled() {
        if refreshed.is_none_or(|at| at.elapsed() >= REFRESH_INTERVAL) {
            if let Err(error) = model.refresh(&objects, &pool).await {
                tracing::warn!(%error, "the active model was not loaded; profiles stay in the space of the one before");
            }
            refreshed = Some(Instant::now());
        }
        let pause = match compute_chunk(&pool, model.current(), &weights).await {
            Ok(viewers) => {
                failures = 0;
                if viewers == 0 { POLL_INTERVAL } else { Duration::ZERO }
            }
            Err(error) => {
                tracing::warn!(%error, "profiles of viewers were not computed; retrying");
                failures += 1;
                POLL_INTERVAL.saturating_mul(1 << failures.min(6)).min(BACKOFF_MAX)
            }
        };
        if measured.is_none_or(|at| at.elapsed() >= MEASURE_INTERVAL) {
            measured = Some(Instant::now());
            match profiles::waiting(&pool).await {
                Ok(viewers) => metrics::gauge!("profiles_stale").set(viewers as f64),
                Err(error) => tracing::debug!(%error, "the stale profiles were not counted"),
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Computes the profiles of one chunk of viewers; returns their number. Without a model there is no space to fold into:
/// the viewers lose their profiles, and the API folds in by itself once there is one.
async fn compute_chunk(
    pool: &PgPool,
    model: Option<Arc<ServingModel>>,
    weights: &PreferenceWeights,
) -> Result<usize, StorageError> {
    let claimed = profiles::claim(pool, CHUNK).await?;
    if claimed.is_empty() {
        return Ok(0);
    }
    let (version, computed) = match model {
        None => (String::new(), Vec::new()),
        Some(model) => {
            let viewers: Vec<ViewerId> = claimed.iter().map(|stale| stale.viewer_id).collect();
            let histories = history::of(pool, &viewers).await?;
            let (version, weights) = (model.version.clone(), weights.clone());
            let fold = move || {
                histories
                    .into_iter()
                    .filter_map(|(viewer, history)| profile(&model, &weights, viewer, history))
                    .collect()
            };
            match tokio::task::spawn_blocking(fold).await {
                Ok(computed) => (version, computed),
                Err(error) => return Err(StorageError::Corrupt(format!("folding profiles in broke off: {error}"))),
            }
        }
    };
    let mut tx = pool.begin().await?;
    profiles::finish(&mut tx, &version, &claimed, &computed).await?;
    tx.commit().await?;
    let now = Utc::now();
    for stale in &claimed {
        metrics::histogram!("profile_delay_seconds").record((now - stale.since).as_seconds_f64().max(0.0));
    }
    Ok(claimed.len())
}

/// Folds one viewer in; `None` where the facts say nothing.
fn profile(
    model: &ServingModel,
    weights: &PreferenceWeights,
    viewer_id: ViewerId,
    history: History,
) -> Option<Profile> {
    let preferences = weights.preferences(history, Utc::now());
    let newest_at = preferences.iter().map(|preference| preference.1.newest_at).max()?;
    let interactions = i32::try_from(preferences.len()).unwrap_or(i32::MAX);
    Some(Profile { viewer_id, vector: model.fold_in(&preferences), interactions, newest_at })
}
