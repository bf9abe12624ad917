#![doc = include_str!("../README.md")]

pub mod als;
pub mod factors;
pub mod interactions;
mod kernels;
pub mod progress;
mod random;
pub mod similarity;

pub use factors::Factors;
pub use interactions::{Interactions, Rows};
