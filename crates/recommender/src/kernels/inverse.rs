//! Inverse of a large symmetric positive definite matrix, in place: blocked Gauss-Jordan elimination without pivots.

use pulp::Arch;
use rayon::prelude::*;

use super::{PADDING, Tile, add_product};

/// Rows eliminated at a time.
const BLOCK: usize = 64;

/// Inverts `a` (`size` x `size`, a multiple of 32) on all cores in `2·size³` operations. Returns whether it was numerically
/// positive definite; if not, `a` is spoilt. The result does not depend on the number of threads.
#[must_use]
pub(crate) fn inverse(a: &mut [f32], size: usize) -> bool {
    let arch = Arch::new();
    for start in (0..size).step_by(BLOCK) {
        let width = BLOCK.min(size - start);
        debug_assert!(width.is_multiple_of(PADDING));
        let Some(pivot) = small_inverse(a, size, start, width) else { return false };
        // R = D·A[k, :], with A[k, k] read as I and D = A[k, k]⁻¹.
        let mut rows = vec![0f32; width * size];
        for (i, row) in rows.chunks_exact_mut(size).enumerate() {
            for (k, &factor) in pivot[i * width..][..width].iter().enumerate() {
                let source = &a[(start + k) * size..][..size];
                row.iter_mut().zip(source).for_each(|(row, source)| *row += factor * source);
            }
            row[start..start + width].copy_from_slice(&pivot[i * width..][..width]);
        }
        let right = Tile { values: &rows, stride: size };
        // A[i, :] -= A[i, k]·R, where A[i, k] counts as 0 beforehand; 32 rows at a time, their A[i, k] transposed.
        a.par_chunks_exact_mut(PADDING * size).enumerate().for_each(|(chunk, a)| {
            let first = chunk * PADDING;
            if (start..start + width).contains(&first) {
                return a.copy_from_slice(&rows[(first - start) * size..][..PADDING * size]);
            }
            let mut left = vec![0f32; width * PADDING];
            for (i, row) in a.chunks_exact_mut(size).enumerate() {
                for (k, value) in row[start..start + width].iter_mut().enumerate() {
                    left[k * PADDING + i] = -std::mem::take(value);
                }
            }
            let left = Tile { values: &left, stride: PADDING };
            add_product(arch, (left, right), width, a, size, (PADDING, size));
        });
    }
    true
}

/// The inverse of the diagonal block at `start`, in `f64`.
fn small_inverse(a: &[f32], size: usize, start: usize, width: usize) -> Option<Vec<f32>> {
    let mut block: Vec<f64> =
        (0..width * width).map(|place| f64::from(a[(start + place / width) * size + start + place % width])).collect();
    for k in 0..width {
        let pivot = block[k * width + k];
        if !(pivot > 0.0 && pivot.is_finite()) {
            return None;
        }
        block[k * width + k] = 1.0;
        (0..width).for_each(|j| block[k * width + j] /= pivot);
        for i in (0..width).filter(|&i| i != k) {
            let factor = std::mem::take(&mut block[i * width + k]);
            (0..width).for_each(|j| block[i * width + j] -= factor * block[k * width + j]);
        }
    }
    Some(block.iter().map(|&value| value as f32).collect())
}
