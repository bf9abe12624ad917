use std::borrow::Cow;

use pulp::Arch;

use super::Parameters;
use super::conjugate_gradient::BATCH;
use super::gramian::gramian;
use crate::Factors;
use crate::interactions::Row;
use crate::kernels::{self, Tile};

/// Pairs gathered at a time: with 128 factors 128 KiB, which stays in the second-level cache.
pub(super) const GATHER: usize = 256;

/// The normal equations of one side's rows, given the other side's vectors `h`: for a row with weights `c` and targets `t`
///
/// `(α₀·H'H + Σ c·h·h' + λ·(Σc + α₀·m)^ν · I) x = Σ c·t·h`
pub(super) struct Side<'a> {
    pub arch: Arch,
    pub h: Cow<'a, Factors>,
    /// `α₀·H'H`.
    pub gramian: Vec<f32>,
    pub parameters: Parameters,
}

/// Working memory of one thread.
pub(super) struct Scratch {
    /// Gathered rows of `h`, each times the root of its weight.
    pub gathered: Vec<f32>,
    pub matrix: Vec<f32>,
    pub right: Vec<f32>,
    /// Residuals, directions, products of the conjugate gradient, one vector a row of the batch.
    pub batch: [Vec<f32>; 3],
    /// Directions, one factor a row.
    pub transposed: Vec<f32>,
    /// Of each pair of the row: see [`Side::targets`].
    pub targets: Vec<f32>,
    pub predictions: Vec<f32>,
}

impl<'a> Side<'a> {
    pub(super) fn new(arch: Arch, h: Cow<'a, Factors>, parameters: &Parameters) -> Self {
        Self { arch, gramian: gramian(arch, &h, parameters.unobserved_weight), h, parameters: parameters.clone() }
    }

    pub(super) fn scratch(&self) -> Scratch {
        let stride = self.h.stride();
        Scratch {
            gathered: Vec::new(),
            matrix: vec![0.0; stride * stride],
            right: vec![0.0; stride],
            batch: std::array::from_fn(|_| vec![0.0; BATCH * stride]),
            transposed: vec![0.0; BATCH * stride],
            targets: Vec::new(),
            predictions: Vec::new(),
        }
    }

    pub(super) fn regularisation(&self, row: Row<'_>) -> f32 {
        let weight: f64 = row.iter().map(|(_, value)| f64::from(value.abs())).sum();
        let Parameters { unobserved_weight, regularisation, frequency_exponent, .. } = self.parameters;
        let frequency = weight + f64::from(unobserved_weight) * self.h.rows() as f64;
        (f64::from(regularisation) * frequency.powf(f64::from(frequency_exponent))) as f32
    }

    pub(super) fn target(&self, value: f32) -> f32 {
        if value > 0.0 { 1.0 } else { self.parameters.dislike_target }
    }

    /// Copies the row's vectors, each times the root of its weight, to `gathered`.
    fn gather(&self, row: Row<'_>, gathered: &mut Vec<f32>) {
        let stride = self.h.stride();
        let length = row.len() * stride;
        if gathered.len() < length {
            gathered.resize(length, 0.0);
        }
        kernels::gather(self.arch, self.tile(), row.columns, row.values, &mut gathered[..length]);
    }

    pub(super) fn tile(&self) -> Tile<'_> {
        Tile { values: self.h.values(), stride: self.h.stride() }
    }

    /// The weights `√c·t` with which gathered rows sum to the right-hand side.
    pub(super) fn targets(&self, row: Row<'_>, targets: &mut Vec<f32>) {
        targets.clear();
        match row.values {
            None => targets.resize(row.len(), 1.0),
            Some(values) => targets.extend(values.iter().map(|&value| value.abs().sqrt() * self.target(value))),
        }
    }

    /// Calls `each` with the row's pairs, at most [`GATHER`] at a time, and their gathered vectors. A row that fits is
    /// gathered once (`fresh` says that it is not there yet); a longer one anew each time, so that memory stays bounded.
    pub(super) fn chunks(
        &self,
        row: Row<'_>,
        fresh: bool,
        gathered: &mut Vec<f32>,
        limit: usize,
        mut each: impl FnMut(usize, Row<'_>, &[f32]),
    ) {
        for start in (0..row.len()).step_by(limit) {
            let part = row.slice(start..row.len().min(start + limit));
            if fresh || row.len() > limit {
                self.gather(part, gathered);
            }
            each(start, part, &gathered[..part.len() * self.h.stride()]);
        }
    }
}
