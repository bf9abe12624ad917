//! Dense inner loops in `f32`, compiled for AVX-512, AVX2 with FMA and plain code, chosen at run time by `pulp` (so that
//! this crate needs no unsafe code). Every matrix is row-major with a stride that is a multiple of [`PADDING`].
//!
//! The order of additions is fixed by the instruction set alone: the same processor kind gives the same bits whatever the
//! number of threads; another kind may differ in the last place.

mod cholesky;
mod inverse;
mod product;
mod vector;

pub(crate) use cholesky::{cholesky, solve};
pub(crate) use inverse::inverse;
pub(crate) use product::{Tile, add_product, add_symmetric};
pub(crate) use vector::{add_scaled, add_weighted, dot, gather, gather_residual, multiply_rows, multiply_symmetric};

/// Rows are padded to a multiple of this: two AVX-512 registers.
pub(crate) const PADDING: usize = 32;

/// `length` rounded up to [`PADDING`], at least one.
pub(crate) fn padded(length: usize) -> usize {
    length.max(1).next_multiple_of(PADDING)
}
