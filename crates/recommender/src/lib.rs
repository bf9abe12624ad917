#![doc = include_str!("../README.md")]

pub mod als;
pub mod cold;
pub mod defaults;
pub mod evaluation;
pub mod factors;
pub mod interactions;
mod kernels;
pub mod models;
pub mod npy;
pub mod progress;
mod random;
pub mod similarity;
pub mod top_n;

pub use factors::Factors;
pub use interactions::{Interactions, Rows};
pub use models::Recommender;
