//! Products of vectors with rows.
//!
//! No closures inside a kernel: one that the compiler does not inline loses the kernel's instruction set.

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
            let mut sum = simd.splat_f32s(0.0);
            for (&a, &b) in a.iter().zip(b) {
                sum = simd.mul_add_e_f32s(a, b, sum);
            }
            let mut tail = 0.0;
            for (&a, &b) in a_tail.iter().zip(b_tail) {
                tail += a * b;
            }
            simd.reduce_sum_f32s(sum) + tail
        }
    }
    arch.dispatch(Dot(a, b))
}

/// `y += factor·x`. Lengths are equal.
pub(crate) fn add_scaled(arch: Arch, factor: f32, x: &[f32], y: &mut [f32]) {
    struct AddScaled<'a>(f32, &'a [f32], &'a mut [f32]);
    impl WithSimd for AddScaled<'_> {
        type Output = ();
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) {
            for (y, &x) in self.2.iter_mut().zip(self.1) {
                *y += self.0 * x;
            }
        }
    }
    arch.dispatch(AddScaled(factor, x, y));
}

/// `gathered[k] = √|values[k]| · h[columns[k]]`; without values just the rows.
pub(crate) fn gather(arch: Arch, h: Tile<'_>, columns: &[u32], values: Option<&[f32]>, gathered: &mut [f32]) {
    struct Gather<'a>(Tile<'a>, &'a [u32], Option<&'a [f32]>, &'a mut [f32]);
    impl WithSimd for Gather<'_> {
        type Output = ();
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let Gather(h, columns, values, gathered) = self;
            for (k, (&column, place)) in columns.iter().zip(gathered.chunks_exact_mut(h.stride)).enumerate() {
                let (row, _) = S::as_simd_f32s(&h.values[column as usize * h.stride..][..h.stride]);
                let (place, _) = S::as_mut_simd_f32s(place);
                match values {
                    None => place.copy_from_slice(row),
                    Some(values) => {
                        let scale = simd.splat_f32s(values[k].abs().sqrt());
                        for (place, &value) in place.iter_mut().zip(row) {
                            *place = simd.mul_f32s(scale, value);
                        }
                    }
                }
            }
        }
    }
    arch.dispatch(Gather(h, columns, values, gathered));
}

/// `out += Σ_k weights[k]·a_k`, one row of `a` a weight; `range` of each row.
pub(crate) fn add_weighted(arch: Arch, a: Tile<'_>, weights: &[f32], out: &mut [f32]) {
    struct AddWeighted<'a>(Tile<'a>, &'a [f32], &'a mut [f32]);
    impl WithSimd for AddWeighted<'_> {
        type Output = ();
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let AddWeighted(a, weights, out) = self;
            let (out, _) = S::as_mut_simd_f32s(out);
            let full = weights.len() / ROWS;
            for block in 0..full {
                let rows = four::<S>(&a.values[block * ROWS * a.stride..], a.stride);
                add_rows(simd, &rows, &weights[block * ROWS..][..ROWS], out);
            }
            for (k, &weight) in weights.iter().enumerate().skip(full * ROWS) {
                let (row, _) = S::as_simd_f32s(&a.values[k * a.stride..]);
                add_row(simd, row, weight, out);
            }
        }
    }
    arch.dispatch(AddWeighted(a, weights, out));
}

/// `out += A'(A·x)` for the first `depth` rows of `a`. Each row is read from memory once.
pub(crate) fn multiply_rows(arch: Arch, a: Tile<'_>, depth: usize, x: &[f32], out: &mut [f32]) {
    arch.dispatch(MultiplyRows { a, depth, x, out });
}

/// `out = M·x` for a symmetric matrix of which every element is stored.
pub(crate) fn multiply_symmetric(arch: Arch, m: Tile<'_>, x: &[f32], out: &mut [f32]) {
    out.fill(0.0);
    add_weighted(arch, m, x, out);
}

/// [`gather`] and `out += A'(targets - A·x)` for the gathered rows in one pass over `h`.
pub(crate) fn gather_residual(
    arch: Arch,
    h: Tile<'_>,
    (columns, values): (&[u32], Option<&[f32]>),
    gathered: &mut [f32],
    x: &[f32],
    targets: &[f32],
    out: &mut [f32],
) {
    arch.dispatch(GatherResidual { h, columns, values, gathered, x, targets, out });
}

struct GatherResidual<'a> {
    h: Tile<'a>,
    columns: &'a [u32],
    values: Option<&'a [f32]>,
    gathered: &'a mut [f32],
    x: &'a [f32],
    targets: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for GatherResidual<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { h, columns, values, gathered, x, targets, out } = self;
        let stride = h.stride;
        let (x, _) = S::as_simd_f32s(&x[..stride]);
        let (out, _) = S::as_mut_simd_f32s(&mut out[..stride]);
        let blocks = columns.chunks(ROWS).zip(gathered.chunks_mut(ROWS * stride)).zip(targets.chunks(ROWS));
        for (block, ((columns, gathered), targets)) in blocks.enumerate() {
            let mut factors = [0.0; ROWS];
            for (k, (&column, place)) in columns.iter().zip(gathered.chunks_exact_mut(stride)).enumerate() {
                let (row, _) = S::as_simd_f32s(&h.values[column as usize * stride..][..stride]);
                let (place, _) = S::as_mut_simd_f32s(place);
                let mut sum = simd.splat_f32s(0.0);
                if let Some(values) = values {
                    let scale = simd.splat_f32s(values[block * ROWS + k].abs().sqrt());
                    for ((place, &value), &x) in place.iter_mut().zip(row).zip(x) {
                        *place = simd.mul_f32s(scale, value);
                        sum = simd.mul_add_e_f32s(*place, x, sum);
                    }
                } else {
                    for ((place, &value), &x) in place.iter_mut().zip(row).zip(x) {
                        *place = value;
                        sum = simd.mul_add_e_f32s(value, x, sum);
                    }
                }
                factors[k] = targets[k] - simd.reduce_sum_f32s(sum);
            }
            if columns.len() == ROWS {
                add_rows(simd, &four::<S>(gathered, stride), &factors, out);
            } else {
                for (row, &factor) in gathered.chunks_exact(stride).zip(&factors[..columns.len()]) {
                    add_row(simd, S::as_simd_f32s(row).0, factor, out);
                }
            }
        }
    }
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
        let Self { a, depth, x, out } = self;
        let (x, _) = S::as_simd_f32s(&x[..a.stride]);
        let (out, _) = S::as_mut_simd_f32s(&mut out[..a.stride]);
        let full = depth / ROWS;
        for block in 0..full {
            let rows = four::<S>(&a.values[block * ROWS * a.stride..], a.stride);
            let mut sums = [simd.splat_f32s(0.0); ROWS];
            let [a, b, c, d] = &rows;
            for ((((&x, &a), &b), &c), &d) in x.iter().zip(*a).zip(*b).zip(*c).zip(*d) {
                sums[0] = simd.mul_add_e_f32s(a, x, sums[0]);
                sums[1] = simd.mul_add_e_f32s(b, x, sums[1]);
                sums[2] = simd.mul_add_e_f32s(c, x, sums[2]);
                sums[3] = simd.mul_add_e_f32s(d, x, sums[3]);
            }
            let mut factors = [0.0; ROWS];
            for r in 0..ROWS {
                factors[r] = simd.reduce_sum_f32s(sums[r]);
            }
            add_rows(simd, &rows, &factors, out);
        }
        for k in full * ROWS..depth {
            let (row, _) = S::as_simd_f32s(&a.values[k * a.stride..][..a.stride]);
            let mut sum = simd.splat_f32s(0.0);
            for (&row, &x) in row.iter().zip(x) {
                sum = simd.mul_add_e_f32s(row, x, sum);
            }
            add_row(simd, row, simd.reduce_sum_f32s(sum), out);
        }
    }
}

#[inline(always)]
fn four<S: Simd>(block: &[f32], stride: usize) -> [&[S::f32s]; ROWS] {
    let (first, rest) = block.split_at(stride);
    let (second, rest) = rest.split_at(stride);
    let (third, rest) = rest.split_at(stride);
    // Part of a wider row: the last one may end with the matrix.
    let fourth = &rest[..stride.min(rest.len())];
    [S::as_simd_f32s(first).0, S::as_simd_f32s(second).0, S::as_simd_f32s(third).0, S::as_simd_f32s(fourth).0]
}

#[inline(always)]
fn add_rows<S: Simd>(simd: S, rows: &[&[S::f32s]; ROWS], factors: &[f32], out: &mut [S::f32s]) {
    let [a, b, c, d] = rows;
    let fa = simd.splat_f32s(factors[0]);
    let fb = simd.splat_f32s(factors[1]);
    let fc = simd.splat_f32s(factors[2]);
    let fd = simd.splat_f32s(factors[3]);
    for ((((out, &a), &b), &c), &d) in out.iter_mut().zip(*a).zip(*b).zip(*c).zip(*d) {
        let sum = simd.mul_add_e_f32s(fa, a, *out);
        let other = simd.mul_add_e_f32s(fc, c, simd.mul_f32s(fd, d));
        *out = simd.add_f32s(simd.mul_add_e_f32s(fb, b, sum), other);
    }
}

#[inline(always)]
fn add_row<S: Simd>(simd: S, row: &[S::f32s], factor: f32, out: &mut [S::f32s]) {
    let factor = simd.splat_f32s(factor);
    for (out, &row) in out.iter_mut().zip(row) {
        *out = simd.mul_add_e_f32s(factor, row, *out);
    }
}
