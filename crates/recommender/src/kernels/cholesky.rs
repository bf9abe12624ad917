//! Cholesky factorisation `A = U'U` of the upper triangle, in place, by panels of 32 rows: the update behind a panel is a
//! matrix product and takes most of the time.

use pulp::{Arch, Simd, WithSimd};

use super::product::Product;
use super::{PADDING, Tile};

/// Factors the symmetric `a` (`size` x `size`, upper triangle given) in place; what lies below the diagonal is lost.
/// `size` is a multiple of 32 and the stride. Returns whether `a` was numerically positive definite.
#[must_use]
pub(crate) fn cholesky(arch: Arch, a: &mut [f32], size: usize) -> bool {
    arch.dispatch(Factor { a, size })
}

struct Factor<'a> {
    a: &'a mut [f32],
    size: usize,
}

impl WithSimd for Factor<'_> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> bool {
        let size = self.size;
        for start in (0..size).step_by(PADDING) {
            let end = start + PADDING;
            let (head, tail) = self.a.split_at_mut(end * size);
            let panel = &mut head[start * size..];
            if !factor_panel(simd, panel, size, start) {
                return false;
            }
            let panel = Tile { values: panel, stride: size };
            let rest = Product {
                a: panel,
                b: panel,
                depth: PADDING,
                c: tail,
                stride: size,
                rows: end..size,
                columns: end..size,
                subtract: true,
                upper: true,
            };
            rest.with_simd(simd);
        }
        true
    }
}

/// The rows `start..start + 32`, from the diagonal on.
#[inline(always)]
fn factor_panel<S: Simd>(simd: S, panel: &mut [f32], size: usize, start: usize) -> bool {
    for k in 0..PADDING {
        let (above, below) = panel.split_at_mut((k + 1) * size);
        let row = &mut above[k * size..][start..size];
        let pivot = row[k];
        if !(pivot > 0.0 && pivot.is_finite()) {
            return false;
        }
        let scale = simd.splat_f32s(1.0 / pivot.sqrt());
        let from = k / S::F32_LANES;
        let (row_simd, _) = S::as_mut_simd_f32s(row);
        for value in &mut row_simd[from..] {
            *value = simd.mul_f32s(*value, scale);
        }
        for i in k + 1..PADDING {
            let factor = simd.splat_f32s(-row[i]);
            let from = i / S::F32_LANES;
            let (source, _) = S::as_simd_f32s(row);
            let (target, _) = S::as_mut_simd_f32s(&mut below[(i - k - 1) * size..][start..size]);
            for (target, &source) in target[from..].iter_mut().zip(&source[from..]) {
                *target = simd.mul_add_e_f32s(factor, source, *target);
            }
        }
    }
    true
}

/// Solves `U'U x = b` in place of `b`, `u` from [`cholesky`].
pub(crate) fn solve(arch: Arch, u: &[f32], size: usize, b: &mut [f32]) {
    struct Solve<'a>(&'a [f32], usize, &'a mut [f32]);
    impl WithSimd for Solve<'_> {
        type Output = ();
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let Solve(u, size, b) = self;
            for k in 0..size {
                let row = &u[k * size..][..size];
                b[k] /= row[k];
                let factor = simd.splat_f32s(-b[k]);
                // The lanes up to and including `k` of the first register are done; a copy restores them.
                let from = k / S::F32_LANES;
                let mut kept = [0.0; 16];
                kept[..k % S::F32_LANES + 1].copy_from_slice(&b[from * S::F32_LANES..=k]);
                let (row_simd, _) = S::as_simd_f32s(row);
                let (b_simd, _) = S::as_mut_simd_f32s(b);
                for (b, &row) in b_simd[from..].iter_mut().zip(&row_simd[from..]) {
                    *b = simd.mul_add_e_f32s(factor, row, *b);
                }
                let first = from * S::F32_LANES;
                b[first..=k].copy_from_slice(&kept[..=k - first]);
            }
            for k in (0..size).rev() {
                let row = &u[k * size..][..size];
                let next = (k / S::F32_LANES + 1) * S::F32_LANES;
                let mut near = 0.0;
                for j in k + 1..next {
                    near += row[j] * b[j];
                }
                let (row_simd, _) = S::as_simd_f32s(&row[next..]);
                let (b_simd, _) = S::as_simd_f32s(&b[next..]);
                let mut sum = simd.splat_f32s(0.0);
                for (&row, &b) in row_simd.iter().zip(b_simd) {
                    sum = simd.mul_add_e_f32s(row, b, sum);
                }
                b[k] = (b[k] - near - simd.reduce_sum_f32s(sum)) / row[k];
            }
        }
    }
    arch.dispatch(Solve(u, size, b));
}
