//! What the jobs of the recommender share: the interactions of all viewers, the algorithms that compete, the movies'
//! content, the gate.
//!
//! A fixed share of the viewers, chosen by a hash of their ids, is never trained on: half of them choose the algorithm,
//! the other half measure the result. They get lists like everybody else, since lists come from folding histories in.
//! So two versions can be compared on viewers that neither has seen, with the very vectors that are served.

pub(crate) mod algorithm;
pub(crate) mod content;
pub(crate) mod dataset;
pub(crate) mod gate;
pub(crate) mod held_out;

pub(crate) use algorithm::Algorithm;
pub(crate) use dataset::Dataset;
pub(crate) use held_out::HeldOut;

use ::recommender::progress::Progress;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{JobContext, Stop};

/// Settings of a version that later jobs need, in `models.parameters`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct VersionParameters {
    /// λ of EASE.
    pub ease_regularisation: f32,
    /// Share of the viewers that was held out.
    pub held_out: HeldOut,
    /// When the facts were read: weights fade from here.
    pub trained_at: DateTime<Utc>,
    /// NDCG of each algorithm on the validation viewers.
    pub validation: Vec<(Algorithm, f64)>,
}

/// Reports the training's progress to the ledger, and tells it when the attempt has ended.
pub(crate) struct Reported<'a> {
    pub context: &'a JobContext,
    pub stop: &'a Stop,
    pub phase: &'static str,
}

impl Progress for Reported<'_> {
    fn report(&self, done: u64, total: u64) {
        self.context.progress(done as i64, Some(total as i64), self.phase);
    }

    fn cancelled(&self) -> bool {
        self.stop.check().is_err()
    }
}
