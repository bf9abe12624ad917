//! What a viewer's list is made of: the viewer, the history, the lists of the batch layer, candidates of the real-time
//! layer, and the profiles.

pub mod candidates;
pub mod history;
pub mod profiles;
pub mod viewer;
