//! SIGTERM and SIGINT, heard once.

/// Completes when the process is asked to stop.
///
/// # Errors
/// When the operating system refuses a signal handler.
pub async fn requested() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
    Ok(())
}
