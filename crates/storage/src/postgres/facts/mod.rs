//! What viewers did, as it was accepted: the truth that both layers' views are computed from.

pub mod dead_letters;
pub mod events;
