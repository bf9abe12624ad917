use super::Solver;
use super::side::{Scratch, Side};
use super::solve::KEEP;
use crate::interactions::Row;
use crate::kernels::{Tile, add_product, add_scaled, dot, gather, gather_residual, multiply_rows, multiply_symmetric};

/// Rows solved in lockstep: their products with the Gramian become one matrix product, which reads the Gramian once.
pub(super) const BATCH: usize = 8;

/// Most pairs of a batch: with 128 factors 512 KiB of gathered vectors, which stay in the second-level cache. A row with
/// more is a batch of its own; the Gramian's part of its time is small.
const BATCH_PAIRS: usize = 1_024;

/// A residual below this share of the first one ends the conjugate gradient: `f32` holds no more.
const CONVERGED: f32 = 1e-6;

impl Side<'_> {
    /// Solves the rows of a block, `x` one vector a row.
    pub(super) fn solve_block(&self, solver: Solver, rows: &[Row<'_>], x: &mut [f32], scratch: &mut Scratch) {
        let stride = self.h.stride();
        let Solver::ConjugateGradient { steps } = solver else {
            for (&row, x) in rows.iter().zip(x.chunks_exact_mut(stride)) {
                self.solve(solver, row, x, scratch);
            }
            return;
        };
        let mut start = 0;
        while start < rows.len() {
            let mut pairs = rows[start].len();
            let mut end = start + 1;
            while end < rows.len() && end - start < BATCH && pairs + rows[end].len() <= BATCH_PAIRS {
                pairs += rows[end].len();
                end += 1;
            }
            self.conjugate_gradient(&rows[start..end], steps, &mut x[start * stride..end * stride], scratch);
            start = end;
        }
    }

    /// The same steps for each row of the batch; a row without pairs keeps the exact solution 0.
    pub(super) fn conjugate_gradient(&self, rows: &[Row<'_>], steps: usize, x: &mut [f32], scratch: &mut Scratch) {
        let stride = self.h.stride();
        let Scratch { gathered, targets, transposed, batch: [residuals, directions, products], .. } = scratch;
        let amounts = regularisations(self, rows);
        let starts = starts(rows);
        for (row, x) in rows.iter().zip(x.chunks_exact_mut(stride)) {
            if row.is_empty() {
                x.fill(0.0);
            }
        }
        // Only a batch of one row has more than KEEP pairs; it is gathered in parts.
        let length = rows.iter().map(Row::len).sum::<usize>().min(KEEP) * stride;
        if gathered.len() < length {
            gathered.resize(length, 0.0);
        }
        self.times_gramian(rows.len(), x, transposed, residuals);
        let mut squares = [0f32; BATCH];
        for (r, &row) in rows.iter().enumerate() {
            let span = r * stride..(r + 1) * stride;
            let (x, residual) = (&x[span.clone()], &mut residuals[span.clone()]);
            let amount = amounts[r];
            residual.iter_mut().zip(x).for_each(|(r, &x)| *r = -*r - amount * x);
            self.targets(row, targets);
            for start in (0..row.len()).step_by(KEEP) {
                let part = row.slice(start..row.len().min(start + KEEP));
                let place = &mut gathered[starts[r] * stride..][..part.len() * stride];
                let pairs = (part.columns, part.values);
                gather_residual(self.arch, self.tile(), pairs, place, x, &targets[start..], residual);
            }
            squares[r] = dot(self.arch, residual, residual);
            directions[span].copy_from_slice(residual);
        }
        let goals = squares.map(|square| CONVERGED * CONVERGED * square);
        for _ in 0..steps {
            self.times_gramian(rows.len(), directions, transposed, products);
            for (r, &row) in rows.iter().enumerate().filter(|(_, row)| !row.is_empty()) {
                let span = r * stride..(r + 1) * stride;
                let (direction, product) = (&mut directions[span.clone()], &mut products[span.clone()]);
                add_scaled(self.arch, amounts[r], direction, product);
                for start in (0..row.len()).step_by(KEEP) {
                    let part = row.slice(start..row.len().min(start + KEEP));
                    let place = &mut gathered[starts[r] * stride..][..part.len() * stride];
                    if row.len() > KEEP {
                        gather(self.arch, self.tile(), part.columns, part.values, place);
                    }
                    multiply_rows(self.arch, Tile { values: place, stride }, part.len(), direction, product);
                }
                let curvature = dot(self.arch, direction, product);
                if squares[r] <= goals[r] || curvature <= 0.0 {
                    continue;
                }
                let step = squares[r] / curvature;
                let residual = &mut residuals[span.clone()];
                add_scaled(self.arch, step, direction, &mut x[span]);
                add_scaled(self.arch, -step, product, residual);
                let next = dot(self.arch, residual, residual);
                let keep = next / squares[r];
                direction.iter_mut().zip(&*residual).for_each(|(d, &r)| *d = r + keep * *d);
                squares[r] = next;
            }
        }
    }

    /// `out = α₀·H'H·v` for each of `count` vectors.
    fn times_gramian(&self, count: usize, vectors: &[f32], transposed: &mut [f32], out: &mut [f32]) {
        let stride = self.h.stride();
        let gramian = Tile { values: &self.gramian, stride };
        if count < 3 {
            for (vector, out) in vectors.chunks_exact(stride).zip(out.chunks_exact_mut(stride)).take(count) {
                multiply_symmetric(self.arch, gramian, vector, out);
            }
            return;
        }
        for (r, vector) in vectors.chunks_exact(stride).take(count).enumerate() {
            for (row, &value) in transposed.chunks_exact_mut(BATCH).zip(vector) {
                row[r] = value;
            }
        }
        out[..BATCH * stride].fill(0.0);
        let left = Tile { values: transposed, stride: BATCH };
        add_product(self.arch, (left, gramian), stride, out, stride, (BATCH, stride));
    }
}

fn regularisations(side: &Side<'_>, rows: &[Row<'_>]) -> [f32; BATCH] {
    let mut amounts = [0.0; BATCH];
    amounts.iter_mut().zip(rows).for_each(|(amount, &row)| *amount = side.regularisation(row));
    amounts
}

/// Where each row's gathered vectors begin.
fn starts(rows: &[Row<'_>]) -> [usize; BATCH] {
    let mut starts = [0; BATCH];
    (1..rows.len()).for_each(|r| starts[r] = starts[r - 1] + rows[r - 1].len());
    starts
}
