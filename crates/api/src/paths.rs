//! The prefix of the API's paths.

/// The prefix of versioned paths, which are the canonical ones.
pub const PREFIX: &str = "/api/v1";
