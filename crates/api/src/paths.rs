//! Where the API's paths begin.

/// What the canonical paths begin with.
pub const PREFIX: &str = "/api/v1";
