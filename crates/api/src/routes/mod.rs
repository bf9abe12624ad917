//! One file a resource: parameters, response, parse -> read -> answer.

pub mod admin;
pub mod analytics;
mod artifact;
pub mod docs;
pub mod health;
mod list;
pub mod metrics;
pub mod movies;
pub mod recommendations;
pub mod search;
pub mod trending;

use bytes::Bytes;
use serde::Serialize;

use crate::error::ApiError;

pub use artifact::ArtifactList;
pub use list::List;

/// Where the canonical paths of this API live; a `Location` names one.
use crate::router::PREFIX;

/// A body's bytes.
fn json(body: &impl Serialize) -> Result<Bytes, ApiError> {
    let bytes = serde_json::to_vec(body).map_err(|error| ApiError::Internal(error.to_string().into()))?;
    Ok(Bytes::from(bytes))
}

/// What is asked, as the cache knows it: defaults filled in, parameters in one order, unknown ones gone.
fn question(path: &str, params: &impl Serialize) -> Result<String, ApiError> {
    let params = serde_urlencoded::to_string(params).map_err(|error| ApiError::Internal(error.to_string().into()))?;
    Ok(format!("{path}?{params}"))
}
