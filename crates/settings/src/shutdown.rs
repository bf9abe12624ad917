//! Waits for SIGTERM or SIGINT.

/// Completes when the process receives SIGTERM or SIGINT.
///
/// # Errors
/// The operating system refuses a signal handler.
pub async fn requested() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
    Ok(())
}
