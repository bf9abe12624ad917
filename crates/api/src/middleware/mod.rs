//! Middleware around every request: its id, problem details if it fails, metrics and the log line.

mod context;
mod request_id;
mod series;

pub use context::context;
pub use request_id::X_REQUEST_ID;
pub use series::Label;
