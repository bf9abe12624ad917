use super::Solver;
use super::side::{GATHER, Scratch, Side};
use crate::interactions::Row;
use crate::kernels::{self, Tile, add_scaled, add_symmetric, add_weighted, dot};

/// Pairs that the iterative solvers keep gathered between their passes; a longer row is gathered anew in each.
pub(super) const KEEP: usize = 2_048;

impl Side<'_> {
    /// Solves the row's normal equations into `x`, from its present value where the solver is iterative.
    pub(super) fn solve(&self, solver: Solver, row: Row<'_>, x: &mut [f32], scratch: &mut Scratch) {
        if row.is_empty() {
            // The right-hand side is 0, and so is the exact solution.
            return x.fill(0.0);
        }
        match solver {
            Solver::Cholesky => self.exact(row, x, scratch),
            Solver::ConjugateGradient { steps } => self.conjugate_gradient(&[row], steps, x, scratch),
            Solver::Subspace { block } => self.subspace(row, block.next_multiple_of(kernels::PADDING), x, scratch),
        }
    }

    /// Builds the row's matrix and right-hand side in `scratch`, the matrix's upper triangle only.
    pub(super) fn normal_equations(&self, row: Row<'_>, scratch: &mut Scratch) {
        let stride = self.h.stride();
        let Scratch { gathered, matrix, right, targets, .. } = scratch;
        self.targets(row, targets);
        matrix.copy_from_slice(&self.gramian);
        right.fill(0.0);
        self.chunks(row, true, gathered, GATHER, |start, part, gathered| {
            let rows = Tile { values: gathered, stride };
            add_symmetric(self.arch, rows, part.len(), 0..stride, matrix, stride);
            add_weighted(self.arch, rows, &targets[start..start + part.len()], right);
        });
        self.regularise(self.regularisation(row), 0..stride, matrix);
    }

    /// Adds to the diagonal of the block `range`; padding gets 1, which keeps the matrix regular.
    fn regularise(&self, amount: f32, range: std::ops::Range<usize>, matrix: &mut [f32]) {
        let width = range.len();
        for (i, factor) in range.enumerate() {
            matrix[i * width + i] += if factor < self.h.factors() { amount } else { 1.0 };
        }
    }

    fn exact(&self, row: Row<'_>, x: &mut [f32], scratch: &mut Scratch) {
        self.normal_equations(row, scratch);
        x.copy_from_slice(&scratch.right);
        self.apply_inverse(row, x, scratch);
    }

    /// `x = A⁻¹·x` for the row's matrix `A`, which [`Self::normal_equations`] has built in `scratch`.
    pub(super) fn apply_inverse(&self, row: Row<'_>, x: &mut [f32], scratch: &mut Scratch) {
        let stride = self.h.stride();
        if kernels::cholesky(self.arch, &mut scratch.matrix, stride) {
            kernels::solve(self.arch, &scratch.matrix, stride, x);
        } else {
            self.normal_equations(row, scratch);
            solve_wide(&scratch.matrix, x);
        }
    }

    fn subspace(&self, row: Row<'_>, block: usize, x: &mut [f32], scratch: &mut Scratch) {
        let amount = self.regularisation(row);
        let stride = self.h.stride();
        let Scratch { gathered, matrix, right, targets, predictions, .. } = scratch;
        self.targets(row, targets);
        predictions.clear();
        predictions.resize(row.len(), 0.0);
        self.chunks(row, true, gathered, KEEP, |start, part, gathered| {
            for (place, h) in predictions[start..start + part.len()].iter_mut().zip(gathered.chunks_exact(stride)) {
                *place = dot(self.arch, h, x);
            }
        });
        for first in (0..stride).step_by(block) {
            let range = first..stride.min(first + block);
            let width = range.len();
            let hessian = &mut matrix[..width * width];
            let step = &mut right[..width];
            for (i, factor) in range.clone().enumerate() {
                let gram = &self.gramian[factor * stride..][..stride];
                hessian[i * width..][..width].copy_from_slice(&gram[range.clone()]);
                step[i] = -dot(self.arch, gram, x) - amount * x[factor];
            }
            self.chunks(row, false, gathered, KEEP, |start, part, gathered| {
                let rows = Tile { values: gathered, stride };
                add_symmetric(self.arch, rows, part.len(), range.clone(), hessian, width);
                let errors = &mut predictions[start..start + part.len()];
                let part = Tile { values: &gathered[range.start..], stride };
                errors.iter_mut().zip(&targets[start..]).for_each(|(place, target)| *place = target - *place);
                add_weighted(self.arch, part, errors, step);
                errors.iter_mut().zip(&targets[start..]).for_each(|(place, target)| *place = target - *place);
            });
            self.regularise(amount, range.clone(), hessian);
            if !kernels::cholesky(self.arch, hessian, width) {
                continue;
            }
            kernels::solve(self.arch, hessian, width, step);
            add_scaled(self.arch, 1.0, step, &mut x[range.clone()]);
            self.chunks(row, false, gathered, KEEP, |start, part, gathered| {
                let places = &mut predictions[start..start + part.len()];
                for (place, h) in places.iter_mut().zip(gathered.chunks_exact(stride)) {
                    *place += dot(self.arch, &h[range.clone()], step);
                }
            });
        }
    }
}

/// Cholesky in `f64`, for the rare row that `f32` finds indefinite (a tiny regularisation beside a huge weight). A pivot
/// that `f64` finds indefinite too drops its direction.
fn solve_wide(matrix: &[f32], x: &mut [f32]) {
    let size = x.len();
    let mut u: Vec<f64> = matrix.iter().map(|&value| f64::from(value)).collect();
    let mut b: Vec<f64> = x.iter().map(|&value| f64::from(value)).collect();
    for k in 0..size {
        let pivot = u[k * size + k];
        let scale = if pivot > 0.0 { pivot.sqrt().recip() } else { 0.0 };
        (k..size).for_each(|j| u[k * size + j] *= scale);
        b[k] *= scale;
        for i in k + 1..size {
            let factor = u[k * size + i];
            (i..size).for_each(|j| u[i * size + j] -= factor * u[k * size + j]);
            b[i] -= factor * b[k];
        }
    }
    for k in (0..size).rev() {
        let known: f64 = (k + 1..size).map(|j| u[k * size + j] * b[j]).sum();
        let pivot = u[k * size + k];
        b[k] = if pivot > 0.0 { (b[k] - known) / pivot } else { 0.0 };
    }
    x.iter_mut().zip(&b).for_each(|(x, &b)| *x = b as f32);
}
