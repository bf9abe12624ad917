//! Implicit alternating least squares: README.md has the maths.

mod conjugate_gradient;
mod explain;
mod fold_in;
mod gramian;
mod parameters;
mod side;
mod solve;
mod train;

pub use explain::{Contribution, Explanation};
pub use fold_in::FoldIn;
pub use parameters::{Error, Parameters, Solver};
pub use train::{Model, train};

#[cfg(test)]
mod tests;
