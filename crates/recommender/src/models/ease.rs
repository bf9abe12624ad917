use super::Recommender;
use crate::interactions::{Interactions, Row, Rows};
use crate::kernels::inverse;

/// Most items, or viewers, whichever are fewer: the matrix to invert has 4 bytes a cell, so 400 MB.
pub const ITEMS_MAX: usize = 10_000;

/// Why EASE was not fitted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EaseError {
    /// The matrix would be too large.
    #[error("EASE inverts a matrix of {size} x {size}; the limit is {ITEMS_MAX}: use ALS, or drop rare items")]
    TooLarge {
        /// The smaller of viewers and items.
        size: usize,
    },
    /// Not a positive number.
    #[error("EASE's regularisation is {0}; it must be greater than 0 and finite")]
    Regularisation(f32),
    /// `f32` could not invert the matrix.
    #[error("EASE's matrix is not positive definite in f32; raise the regularisation")]
    Singular,
}

/// EASE (Steck 2019, "Embarrassingly shallow autoencoders for sparse data"): `B = I - P·diag(P)⁻¹` with
/// `P = (X'X + λI)⁻¹`, the closed form of an item-item regression without self-similarity.
#[derive(Debug, Clone, PartialEq)]
pub enum Ease {
    /// Items x items weights, a row an item of the history.
    Primal {
        /// Number of items.
        items: usize,
        /// Distance of rows in `weights`.
        stride: usize,
        /// `B`.
        weights: Vec<f32>,
    },
    /// For fewer viewers than items, with `P = (I - X'(XX' + λI)⁻¹X)/λ` never formed.
    Dual {
        /// Viewers x items: `X`, likes only.
        likes: Interactions,
        /// Viewers x items: `(XX' + λI)⁻¹X`.
        solved: Vec<f32>,
        /// The diagonal of `λP`.
        diagonal: Vec<f32>,
    },
}

impl Ease {
    /// Fits the form with the smaller matrix. Dislikes are left out.
    ///
    /// # Errors
    /// [`EaseError`] for too many viewers and items, or a bad regularisation.
    pub fn new(interactions: &Interactions, regularisation: f32) -> Result<Self, EaseError> {
        if !(regularisation > 0.0 && regularisation.is_finite()) {
            return Err(EaseError::Regularisation(regularisation));
        }
        let size = interactions.viewers().height().min(interactions.items().height());
        if size > ITEMS_MAX {
            return Err(EaseError::TooLarge { size });
        }
        if interactions.viewers().height() < interactions.items().height() {
            Self::dual(interactions, regularisation)
        } else {
            Self::primal(interactions, regularisation)
        }
    }

    pub(super) fn primal(interactions: &Interactions, regularisation: f32) -> Result<Self, EaseError> {
        let items = interactions.items().height();
        let (mut weights, stride) = products(interactions.items(), interactions.viewers(), regularisation);
        if !inverse(&mut weights, stride) {
            return Err(EaseError::Singular);
        }
        let diagonal: Vec<f32> = (0..items).map(|item| weights[item * stride + item]).collect();
        for (item, row) in weights.chunks_exact_mut(stride).enumerate().take(items) {
            row.iter_mut().zip(&diagonal).for_each(|(weight, p)| *weight /= -p);
            row[item] = 0.0;
        }
        Ok(Self::Primal { items, stride, weights })
    }

    pub(super) fn dual(interactions: &Interactions, regularisation: f32) -> Result<Self, EaseError> {
        let (viewers, items) = (interactions.viewers().height(), interactions.items().height());
        let (mut kernel, stride) = products(interactions.viewers(), interactions.items(), regularisation);
        if !inverse(&mut kernel, stride) {
            return Err(EaseError::Singular);
        }
        let mut solved = vec![0f32; viewers * items];
        for (row, solved) in kernel.chunks_exact(stride).zip(solved.chunks_exact_mut(items.max(1))) {
            for (viewer, &weight) in row.iter().enumerate().take(viewers) {
                for (item, value) in interactions.viewers().row(viewer).iter().filter(|pair| pair.1 > 0.0) {
                    solved[item as usize] += weight * value;
                }
            }
        }
        let diagonal = (0..items)
            .map(|item| {
                let likes = interactions.items().row(item);
                let explained: f32 = likes
                    .iter()
                    .filter(|pair| pair.1 > 0.0)
                    .map(|(viewer, value)| value * solved[viewer as usize * items + item])
                    .sum();
                (1.0 - explained).max(f32::EPSILON)
            })
            .collect();
        Ok(Self::Dual { likes: interactions.clone(), solved, diagonal })
    }
}

/// `X X' + λI` for the rows of `X`, padded with the identity, and its stride.
fn products(rows: &Rows, columns: &Rows, regularisation: f32) -> (Vec<f32>, usize) {
    use rayon::prelude::*;
    let stride = crate::kernels::padded(rows.height());
    let mut matrix = vec![0f32; stride * stride];
    matrix.par_chunks_exact_mut(stride).enumerate().for_each(|(index, row)| {
        if index < rows.height() {
            for (column, value) in rows.row(index).iter().filter(|pair| pair.1 > 0.0) {
                for (other, weight) in columns.row(column as usize).iter().filter(|pair| pair.1 > 0.0) {
                    row[other as usize] += value * weight;
                }
            }
        }
        row[index] += regularisation;
    });
    (matrix, stride)
}

impl Recommender for Ease {
    fn items(&self) -> usize {
        match self {
            Self::Primal { items, .. } => *items,
            Self::Dual { diagonal, .. } => diagonal.len(),
        }
    }

    fn score(&self, history: Row<'_>, scores: &mut [f32]) {
        scores.fill(0.0);
        match self {
            Self::Primal { stride, weights, .. } => {
                for (item, value) in history.iter() {
                    let row = &weights[item as usize * stride..];
                    scores.iter_mut().zip(row).for_each(|(score, weight)| *score += value * weight);
                }
            }
            // (gB)ᵢ = gᵢ - (gP)ᵢ/Pᵢᵢ, and λ(gP) = g - gX'(XX' + λI)⁻¹X.
            Self::Dual { likes, solved, diagonal } => {
                let items = scores.len();
                let mut overlap = vec![0f32; likes.viewers().height()];
                for (item, value) in history.iter() {
                    for (viewer, weight) in likes.items().row(item as usize).iter().filter(|pair| pair.1 > 0.0) {
                        overlap[viewer as usize] += value * weight;
                    }
                }
                for (viewer, &weight) in overlap.iter().enumerate().filter(|pair| *pair.1 != 0.0) {
                    let row = &solved[viewer * items..][..items];
                    scores.iter_mut().zip(row).for_each(|(score, &solved)| *score += weight * solved);
                }
                scores.iter_mut().zip(diagonal).for_each(|(score, &p)| *score /= p);
                for (item, value) in history.iter() {
                    scores[item as usize] += value - value / diagonal[item as usize];
                }
            }
        }
    }
}
