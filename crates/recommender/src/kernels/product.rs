//! Matrix products `C += A'B`, both factors stored with one row a term of the sum: then a register tile reads
//! contiguous memory on both sides and nothing needs packing.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::PADDING;

/// A matrix and its stride.
#[derive(Clone, Copy)]
pub(crate) struct Tile<'a> {
    pub values: &'a [f32],
    pub stride: usize,
}

/// `c[i][j] += Σ_k a[k][i]·b[k][j]` for `i < rows` and `j < columns`; `rows` is a multiple of 8, `columns` of 32.
pub(crate) fn add_product(
    arch: Arch,
    (a, b): (Tile<'_>, Tile<'_>),
    depth: usize,
    c: &mut [f32],
    stride: usize,
    (rows, columns): (usize, usize),
) {
    arch.dispatch(Product {
        a,
        b,
        depth,
        c,
        stride,
        rows: 0..rows,
        columns: 0..columns,
        subtract: false,
        upper: false,
    });
}

/// The upper triangle (and some of the lower) of `c += Σ_k a_k a_k'` over the columns `range` of `a`, or of `c -= …`.
/// `c` has `range.len()` rows; the bounds of `range` are multiples of 32.
pub(crate) fn add_symmetric(arch: Arch, a: Tile<'_>, depth: usize, range: Range<usize>, c: &mut [f32], stride: usize) {
    let part = Tile { values: &a.values[range.start..], stride: a.stride };
    let width = range.len();
    arch.dispatch(Product {
        a: part,
        b: part,
        depth,
        c,
        stride,
        rows: 0..width,
        columns: 0..width,
        subtract: false,
        upper: true,
    });
}

pub(super) struct Product<'a> {
    pub a: Tile<'a>,
    pub b: Tile<'a>,
    pub depth: usize,
    pub c: &'a mut [f32],
    pub stride: usize,
    /// Columns of `a`; they are written to the rows of `c` from 0 on.
    pub rows: Range<usize>,
    /// Columns of `b` and `c`.
    pub columns: Range<usize>,
    pub subtract: bool,
    /// Skip tiles that lie below the diagonal `i == j`.
    pub upper: bool,
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        debug_assert!(self.columns.start.is_multiple_of(PADDING) && self.columns.end.is_multiple_of(PADDING));
        // 32 registers hold 8 x 2 sums, 16 registers 4 x 2, with room for the operands.
        match (S::F32_LANES, self.subtract) {
            (16, false) => self.tiles::<S, 8, 2, false>(simd),
            (16, true) => self.tiles::<S, 8, 2, true>(simd),
            (8, false) => self.tiles::<S, 4, 2, false>(simd),
            (8, true) => self.tiles::<S, 4, 2, true>(simd),
            (_, false) => self.tiles::<S, 2, 4, false>(simd),
            (_, true) => self.tiles::<S, 2, 4, true>(simd),
        }
    }
}

impl Product<'_> {
    #[inline(always)]
    fn tiles<S: Simd, const M: usize, const N: usize, const SUBTRACT: bool>(self, simd: S) {
        let width = N * S::F32_LANES;
        for j in self.columns.clone().step_by(width) {
            for i in self.rows.clone().step_by(M) {
                if self.upper && j + width <= i {
                    break;
                }
                let c = &mut self.c[(i - self.rows.start) * self.stride + j..];
                tile::<S, M, N, SUBTRACT>(simd, (self.a, i), (self.b, j), self.depth, c, self.stride);
            }
        }
    }
}

#[inline(always)]
fn tile<S: Simd, const M: usize, const N: usize, const SUBTRACT: bool>(
    simd: S,
    (a, i): (Tile<'_>, usize),
    (b, j): (Tile<'_>, usize),
    depth: usize,
    c: &mut [f32],
    stride: usize,
) {
    let mut sums = [[simd.splat_f32s(0.0); N]; M];
    let left = a.values[i..].chunks(a.stride);
    let right = b.values[j..].chunks(b.stride);
    for (left, right) in left.zip(right).take(depth) {
        let left: &[f32; M] = left.first_chunk().unwrap_or(&[0.0; M]);
        let right = registers::<S, N>(simd, right);
        for m in 0..M {
            let factor = simd.splat_f32s(left[m]);
            for n in 0..N {
                sums[m][n] = simd.mul_add_e_f32s(factor, right[n], sums[m][n]);
            }
        }
    }
    for (m, sums) in sums.iter().enumerate() {
        let (row, _) = S::as_mut_simd_f32s(&mut c[m * stride..][..N * S::F32_LANES]);
        for (place, &sum) in row.iter_mut().zip(sums) {
            *place = if SUBTRACT { simd.sub_f32s(*place, sum) } else { simd.add_f32s(*place, sum) };
        }
    }
}

#[inline(always)]
fn registers<S: Simd, const N: usize>(simd: S, values: &[f32]) -> [S::f32s; N] {
    let (values, _) = S::as_simd_f32s(values);
    values.first_chunk().copied().unwrap_or([simd.splat_f32s(0.0); N])
}
