use std::borrow::Cow;

use pulp::Arch;
use rayon::prelude::*;

use super::side::Side;
use super::{Parameters, Solver};
use crate::interactions::Row;
use crate::kernels;
use crate::{Factors, Rows};

/// Vectors of viewers from their interactions, for given items. Building it costs one pass over the items; keep it.
pub struct FoldIn<'a> {
    pub(super) side: Side<'a>,
}

impl<'a> FoldIn<'a> {
    /// For these items, which were trained with these parameters.
    pub fn new(items: Cow<'a, Factors>, parameters: &Parameters) -> Self {
        Self { side: Side::new(Arch::new(), items, parameters) }
    }

    /// The exact vector for `history` (columns are items): what training gives a viewer with the same interactions, to the
    /// bit on the same processor kind. Zeros for an empty history.
    ///
    /// # Panics
    /// Panics when an item of the history is not among the items.
    pub fn vector(&self, history: Row<'_>) -> Vec<f32> {
        let mut x = vec![0.0; self.side.h.stride()];
        self.side.solve(Solver::Cholesky, history, &mut x, &mut self.side.scratch());
        x.truncate(self.side.h.factors());
        x
    }

    /// [`FoldIn::vector`] of each row, on all cores.
    pub fn vectors(&self, histories: &Rows) -> Factors {
        let mut factors = Factors::zeros(histories.height(), self.side.h.factors());
        let stride = factors.stride();
        factors.values_mut().par_chunks_mut(stride).enumerate().for_each_init(
            || self.side.scratch(),
            |scratch, (row, x)| self.side.solve(Solver::Cholesky, histories.row(row), x, scratch),
        );
        factors
    }

    /// The items' vectors.
    pub fn item_factors(&self) -> &Factors {
        &self.side.h
    }

    /// Number of items.
    pub fn item_count(&self) -> usize {
        self.side.h.rows()
    }

    /// The score of `item` for a viewer's vector.
    pub fn score(&self, vector: &[f32], item: usize) -> f32 {
        kernels::dot(self.side.arch, vector, self.side.h.row(item))
    }
}
