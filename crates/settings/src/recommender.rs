//! Settings of the recommender and of the object store that holds its models.

use std::ops::RangeInclusive;

use domain::events::EventType;
use domain::preferences::PreferenceWeights;
use secrecy::SecretString;

use crate::env::{Env, SettingsError};

/// Where files of models are.
#[derive(Debug, Clone)]
pub struct ObjectStoreSettings {
    /// `OBJECT_STORE_URL`, default `.local/objects`: a directory (`file:///…` or a path), or `s3://bucket/prefix`. The
    /// same for API and worker.
    pub url: String,
    /// `OBJECT_STORE_ENDPOINT`: URL of a server that speaks S3; unset: Amazon's.
    pub endpoint: Option<String>,
    /// `OBJECT_STORE_REGION`, default `us-east-1`.
    pub region: String,
    /// `OBJECT_STORE_ACCESS_KEY` and `OBJECT_STORE_SECRET_KEY`, both or none; without them the machine's role counts.
    pub keys: Option<(SecretString, SecretString)>,
}

impl ObjectStoreSettings {
    /// Reads the variables.
    ///
    /// # Errors
    /// The first variable that is missing or malformed.
    pub fn load(env: &Env) -> Result<Self, SettingsError> {
        let keys = match (env.secret("OBJECT_STORE_ACCESS_KEY"), env.secret("OBJECT_STORE_SECRET_KEY")) {
            (Some(key), Some(secret)) => Some((key, secret)),
            (None, None) => None,
            (Some(_), None) => return Err(env.malformed("OBJECT_STORE_SECRET_KEY", "must be set with the access key")),
            (None, Some(_)) => return Err(env.malformed("OBJECT_STORE_ACCESS_KEY", "must be set with the secret key")),
        };
        Ok(Self {
            url: env.or("OBJECT_STORE_URL", ".local/objects".to_owned())?,
            endpoint: env.text("OBJECT_STORE_ENDPOINT").map(str::to_owned),
            region: env.or("OBJECT_STORE_REGION", "us-east-1".to_owned())?,
            keys,
        })
    }
}

/// How models are trained.
#[derive(Debug, Clone, PartialEq)]
pub struct RecommenderSettings {
    /// `RECOMMENDER_WEIGHT_<TYPE>` for each type of event but search and impression, and `RECOMMENDER_WEIGHT_REVIEW`: weight of one such fact, 0 to
    /// 1,000. `RECOMMENDER_HALF_LIFE_DAYS`, unset: after this many days a fact weighs half.
    pub weights: PreferenceWeights,
    /// `RECOMMENDER_FACTORS`, default 64: numbers a vector. 128 is a little better and takes three times as long.
    pub factors: usize,
    /// `RECOMMENDER_ITERATIONS`, default 15.
    pub iterations: usize,
    /// `RECOMMENDER_UNOBSERVED_WEIGHT`: weight of each pair that nobody observed. Unset: chosen on the validation viewers
    /// where the data is small enough to train several times, else 0.3.
    pub unobserved_weight: Option<f32>,
    /// `RECOMMENDER_REGULARISATION`: before scaling with frequency. Unset: likewise, else 0.01.
    pub regularisation: Option<f32>,
    /// `RECOMMENDER_EASE_REGULARISATION`: λ of EASE. Unset: 100.
    pub ease_regularisation: Option<f32>,
    /// `RECOMMENDER_SEED`, default 1: two runs over the same data give the same model.
    pub seed: u64,
    /// `RECOMMENDER_MODELS_KEPT`, default 5: newest versions that are kept; the active one and the one before always are.
    pub models_kept: u32,
}

impl RecommenderSettings {
    /// Reads the variables.
    ///
    /// # Errors
    /// The first variable that is malformed.
    pub fn load(env: &Env) -> Result<Self, SettingsError> {
        let mut weights = PreferenceWeights::default();
        for kind in EventType::ALL.into_iter().filter(|kind| kind.tells_taste()) {
            let name = format!("RECOMMENDER_WEIGHT_{}", kind.as_str().to_uppercase());
            weights.by_type[kind.slot()] = env.within(&name, weights.by_type[kind.slot()], 0.0..=1_000.0)?;
        }
        weights.review = env.within("RECOMMENDER_WEIGHT_REVIEW", weights.review, 0.0..=1_000.0)?;
        // Below a day the weights of a month-old fact would vanish in f32.
        weights.half_life_days = within(env, "RECOMMENDER_HALF_LIFE_DAYS", 1.0..=36_500.0)?;
        Ok(Self {
            weights,
            factors: env.within("RECOMMENDER_FACTORS", 64, 1..=1_024)?,
            iterations: env.within("RECOMMENDER_ITERATIONS", 15, 1..=1_000)?,
            unobserved_weight: within(env, "RECOMMENDER_UNOBSERVED_WEIGHT", 1e-6..=1e3)?,
            regularisation: within(env, "RECOMMENDER_REGULARISATION", 1e-6..=1e3)?,
            ease_regularisation: within(env, "RECOMMENDER_EASE_REGULARISATION", 1e-3..=1e6)?,
            seed: env.or("RECOMMENDER_SEED", 1)?,
            models_kept: env.within("RECOMMENDER_MODELS_KEPT", 5, 2..=1_000)?,
        })
    }
}

fn within(env: &Env, name: &str, bounds: RangeInclusive<f32>) -> Result<Option<f32>, SettingsError> {
    let given = env.text(name).is_some();
    given.then(|| env.within(name, *bounds.start(), bounds.clone())).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_settings_and_nan_or_negative_ones_are_refused() {
        let load = |name: &str, value: &str| RecommenderSettings::load(&Env::of([(name, value)]));
        let settings = load("RECOMMENDER_WEIGHT_LIKE", "2.5").unwrap();
        assert_eq!(settings.weights.by_type[EventType::Like.slot()], 2.5);
        assert_eq!(settings.weights.half_life_days, None);
        assert_eq!(load("RECOMMENDER_HALF_LIFE_DAYS", "90").unwrap().weights.half_life_days, Some(90.0));
        for value in ["-1", "NaN", "inf", "much"] {
            let error = load("RECOMMENDER_WEIGHT_LIKE", value).unwrap_err().to_string();
            assert!(error.contains("RECOMMENDER_WEIGHT_LIKE"), "{error}");
        }
    }
}
