//! The settings that a product starts with, in one place. README.md has the validations by which they were chosen.

use crate::als::Parameters;
use crate::models::Similarity;

/// Of item kNN.
pub const SIMILARITY: Similarity = Similarity::Bm25 { k1: 0.5, b: 0.5 };

/// Neighbours of item kNN.
pub const NEIGHBOURS: usize = 100;

/// λ of EASE.
pub const EASE_REGULARISATION: f32 = 100.0;

/// Share of ALS in a blend with EASE.
pub const ALS_SHARE: f32 = 0.6;

/// α₀ of ALS.
pub const UNOBSERVED_WEIGHT: f32 = 0.3;

/// λ of ALS.
pub const REGULARISATION: f32 = 0.01;

/// ALS, alone or in a blend.
pub fn als() -> Parameters {
    Parameters {
        factors: 128,
        unobserved_weight: UNOBSERVED_WEIGHT,
        regularisation: REGULARISATION,
        ..Parameters::default()
    }
}
