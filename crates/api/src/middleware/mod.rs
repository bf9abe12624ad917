//! What happens around every request: its id, its problem if it fails, its line in metrics and log.

mod context;
mod request_id;
mod series;

pub use context::context;
pub use request_id::X_REQUEST_ID;
pub use series::Label;
