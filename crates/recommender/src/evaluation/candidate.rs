use std::borrow::Cow;
use std::fmt;

use crate::Interactions;
use crate::als::{self, FoldIn, Parameters};
use crate::models::{Blend, Ease, EaseError, Knn, Popularity, Recommender, Similarity};
use crate::progress::Progress;

/// A model before it is fitted: an algorithm and its settings.
#[derive(Debug, Clone, PartialEq)]
pub enum Candidate {
    /// [`Popularity`].
    Popularity,
    /// [`Knn`].
    Knn {
        /// The similarity.
        similarity: Similarity,
        /// Neighbours kept an item.
        neighbours: usize,
    },
    /// [`Ease`].
    Ease {
        /// λ.
        regularisation: f32,
    },
    /// [`als`].
    Als(Parameters),
    /// [`Blend`]: weights and parts.
    Blend(Vec<(f32, Candidate)>),
}

/// Why a candidate could not be fitted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FitError {
    /// ALS refused.
    #[error(transparent)]
    Als(#[from] als::Error),
    /// EASE refused.
    #[error(transparent)]
    Ease(#[from] EaseError),
}

impl Candidate {
    /// Fits the model.
    ///
    /// # Errors
    /// [`FitError`] of the algorithm, or of a blend's first part that fails.
    pub fn fit(&self, train: &Interactions, progress: &dyn Progress) -> Result<Box<dyn Recommender>, FitError> {
        Ok(match self {
            Self::Popularity => Box::new(Popularity::new(train)),
            Self::Knn { similarity, neighbours } => Box::new(Knn::new(train, *similarity, *neighbours)),
            Self::Ease { regularisation } => Box::new(Ease::new(train, *regularisation)?),
            Self::Als(parameters) => {
                let model = als::train(train, parameters, progress)?;
                Box::new(FoldIn::new(Cow::Owned(model.items), parameters))
            }
            Self::Blend(parts) => {
                let fitted: Result<Vec<_>, FitError> =
                    parts.iter().map(|(weight, part)| Ok((*weight, part.fit(train, progress)?))).collect();
                Box::new(Blend::new(fitted?))
            }
        })
    }

    /// The same candidate from another random start; only ALS has one.
    pub fn with_seed(&self, seed: u64) -> Self {
        match self {
            Self::Als(parameters) => Self::Als(Parameters { seed, ..parameters.clone() }),
            Self::Blend(parts) => {
                Self::Blend(parts.iter().map(|(weight, part)| (*weight, part.with_seed(seed))).collect())
            }
            other => other.clone(),
        }
    }

    /// Whether [`Candidate::with_seed`] changes it.
    pub fn is_random(&self) -> bool {
        match self {
            Self::Als(_) => true,
            Self::Blend(parts) => parts.iter().any(|part| part.1.is_random()),
            _ => false,
        }
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Popularity => write!(f, "popularity"),
            Self::Knn { similarity: Similarity::Cosine, neighbours } => write!(f, "kNN cosine K {neighbours}"),
            Self::Knn { similarity: Similarity::Bm25 { k1, b }, neighbours } => {
                write!(f, "kNN BM25 K {neighbours}, k1 {k1}, b {b}")
            }
            Self::Ease { regularisation } => write!(f, "EASE λ {regularisation}"),
            Self::Als(p) => {
                write!(f, "iALS {} α₀ {}, λ {}", p.factors, p.unobserved_weight, p.regularisation)?;
                if p.frequency_exponent == 1.0 { Ok(()) } else { write!(f, ", ν {}", p.frequency_exponent) }
            }
            Self::Blend(parts) => {
                for (index, (weight, part)) in parts.iter().enumerate() {
                    write!(f, "{}{weight} x ({part})", if index == 0 { "" } else { " + " })?;
                }
                Ok(())
            }
        }
    }
}
