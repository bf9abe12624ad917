//! Dense vectors of viewers or items.

use crate::kernels;

/// One vector a row. Rows are padded with zeros to a multiple of 32 numbers, so that kernels need no tails.
#[derive(Debug, Clone, PartialEq)]
pub struct Factors {
    rows: usize,
    factors: usize,
    stride: usize,
    values: Vec<f32>,
}

impl Factors {
    /// All zeros.
    pub fn zeros(rows: usize, factors: usize) -> Self {
        let stride = kernels::padded(factors);
        Self { rows, factors, stride, values: vec![0.0; rows * stride] }
    }

    /// Number of vectors.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Numbers a vector.
    pub fn factors(&self) -> usize {
        self.factors
    }

    /// Numbers from one vector to the next in memory.
    pub(crate) fn stride(&self) -> usize {
        self.stride
    }

    /// The vector `row`.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.stride..][..self.factors]
    }

    /// The vector `row`, to change.
    pub fn row_mut(&mut self, row: usize) -> &mut [f32] {
        &mut self.values[row * self.stride..][..self.factors]
    }

    /// Appends a vector.
    pub(crate) fn push(&mut self, row: &[f32]) {
        self.rows += 1;
        self.values.resize(self.rows * self.stride, 0.0);
        self.row_mut(self.rows - 1).copy_from_slice(row);
    }

    /// With the padding.
    pub(crate) fn padded_row(&self, row: usize) -> &[f32] {
        &self.values[row * self.stride..][..self.stride]
    }

    pub(crate) fn values(&self) -> &[f32] {
        &self.values
    }

    pub(crate) fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }
}
