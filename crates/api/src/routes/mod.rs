//! One file a resource: parameters, response, parse -> read -> answer.

pub mod admin;
pub mod analytics;
mod artifact;
pub mod docs;
pub mod events;
pub mod health;
mod list;
mod merged;
pub mod metrics;
pub mod movies;
pub mod predictions;
pub mod reviews;
pub mod search;
pub mod sentiment;
pub mod similar;
pub mod trending;
pub mod trends;

use serde::Serialize;

use crate::error::ApiError;
use crate::router::PREFIX;

pub use artifact::ArtifactList;
pub use list::List;
pub use merged::LayerHours;

/// What is asked, as the cache knows it: defaults filled in, parameters in one order, unknown ones gone.
fn question(path: &str, params: &impl Serialize) -> Result<String, ApiError> {
    let params = serde_urlencoded::to_string(params).map_err(|error| ApiError::Internal(error.to_string().into()))?;
    Ok(format!("{path}?{params}"))
}

/// Without the noise of binary fractions in the last digits: 8.65 instead of 8.649999999999999.
fn tidy(value: f64) -> f64 {
    (value * 1e9).round() / 1e9
}
