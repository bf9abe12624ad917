//! Products of vectors with rows.

use pulp::{Arch, Simd, WithSimd};

use super::Tile;

/// Rows that are multiplied at a time: their sums fill the pipeline while one waits.
const ROWS: usize = 4;

/// `Σ a·b`. Lengths are equal.
pub(crate) fn dot(arch: Arch, a: &[f32], b: &[f32]) -> f32 {
    struct Dot<'a>(&'a [f32], &'a [f32]);
    impl WithSimd for Dot<'_> {
        type Output = f32;
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> f32 {
            let (a, a_tail) = S::as_simd_f32s(self.0);
            let (b, b_tail) = S::as_simd_f32s(self.1);
            let mut sums = [simd.splat_f32s(0.0); 2];
            for (a, b) in a.chunks(2).zip(b.chunks(2)) {
                for ((sum, &a), &b) in sums.iter_mut().zip(a).zip(b) {
                    *sum = simd.mul_add_e_f32s(a, b, *sum);
                }
            }
            let tail: f32 = a_tail.iter().zip(b_tail).map(|(a, b)| a * b).sum();
            simd.reduce_sum_f32s(simd.add_f32s(sums[0], sums[1])) + tail
        }
    }
    arch.dispatch(Dot(a, b))
}

/// `y += factor·x`.
pub(crate) fn add_scaled(arch: Arch, factor: f32, x: &[f32], y: &mut [f32]) {
    arch.dispatch(
        #[inline(always)]
        || y.iter_mut().zip(x).for_each(|(y, x)| *y += factor * x),
    );
}

/// `y = factor·x`.
pub(crate) fn copy_scaled(arch: Arch, factor: f32, x: &[f32], y: &mut [f32]) {
    if factor == 1.0 {
        return y.copy_from_slice(x);
    }
    arch.dispatch(
        #[inline(always)]
        || y.iter_mut().zip(x).for_each(|(y, x)| *y = factor * x),
    );
}

/// `out += A'(A·x)` for the first `depth` rows of `a`; returns nothing else. Each row is read once from memory.
pub(crate) fn multiply_rows(arch: Arch, a: Tile<'_>, depth: usize, x: &[f32], out: &mut [f32]) {
    arch.dispatch(MultiplyRows { a, depth, x, out });
}

/// `out = M·x` for a symmetric matrix of which every element is stored.
pub(crate) fn multiply_symmetric(arch: Arch, m: Tile<'_>, x: &[f32], out: &mut [f32]) {
    struct Multiply<'a>(Tile<'a>, &'a [f32], &'a mut [f32]);
    impl WithSimd for Multiply<'_> {
        type Output = ();
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            self.2.fill(0.0);
            let (out, _) = S::as_mut_simd_f32s(self.2);
            let rows = self.0.values.chunks_exact(ROWS * self.0.stride);
            for (rows, x) in rows.zip(self.1.chunks_exact(ROWS)) {
                let factors: [S::f32s; ROWS] = std::array::from_fn(|r| simd.splat_f32s(x[r]));
                add_rows(simd, &four::<S>(rows, self.0.stride), factors, out);
            }
        }
    }
    arch.dispatch(Multiply(m, x, out));
}

struct MultiplyRows<'a> {
    a: Tile<'a>,
    depth: usize,
    x: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for MultiplyRows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let stride = self.a.stride;
        let (x, _) = S::as_simd_f32s(&self.x[..stride]);
        let (out, _) = S::as_mut_simd_f32s(&mut self.out[..stride]);
        let blocks = self.a.values[..self.depth * stride].chunks_exact(ROWS * stride);
        let rest = blocks.remainder().chunks_exact(stride);
        for block in blocks {
            let rows = four::<S>(block, stride);
            let mut sums = [simd.splat_f32s(0.0); ROWS];
            for (j, &x) in x.iter().enumerate() {
                for r in 0..ROWS {
                    sums[r] = simd.mul_add_e_f32s(rows[r][j], x, sums[r]);
                }
            }
            let factors = sums.map(|sum| simd.splat_f32s(simd.reduce_sum_f32s(sum)));
            add_rows(simd, &rows, factors, out);
        }
        for row in rest {
            let (row, _) = S::as_simd_f32s(row);
            let mut sum = simd.splat_f32s(0.0);
            for (&row, &x) in row.iter().zip(x) {
                sum = simd.mul_add_e_f32s(row, x, sum);
            }
            let factor = simd.splat_f32s(simd.reduce_sum_f32s(sum));
            for (out, &row) in out.iter_mut().zip(row) {
                *out = simd.mul_add_e_f32s(factor, row, *out);
            }
        }
    }
}

#[inline(always)]
fn four<S: Simd>(block: &[f32], stride: usize) -> [&[S::f32s]; ROWS] {
    std::array::from_fn(|r| S::as_simd_f32s(&block[r * stride..][..stride]).0)
}

#[inline(always)]
fn add_rows<S: Simd>(simd: S, rows: &[&[S::f32s]; ROWS], factors: [S::f32s; ROWS], out: &mut [S::f32s]) {
    let rows = rows.map(|row| &row[..out.len()]);
    for (j, out) in out.iter_mut().enumerate() {
        let mut sum = *out;
        for r in 0..ROWS {
            sum = simd.mul_add_e_f32s(factors[r], rows[r][j], sum);
        }
        *out = sum;
    }
}
