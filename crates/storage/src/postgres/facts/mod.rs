//! Accepted facts about viewers: the data from which both layers' views are computed.

pub mod dead_letters;
pub mod events;
pub mod interactions;
pub mod scoring;
pub mod waiting;
