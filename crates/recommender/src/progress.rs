//! Progress of long computations, and how to stop them.

/// What a long computation reports, and asks, between its blocks. Called from several threads at once.
pub trait Progress: Sync {
    /// `done` of `total` steps are done. Counts may arrive out of order.
    fn report(&self, done: u64, total: u64);

    /// Whether the computation shall stop. It then returns [`Cancelled`] within one block (some milliseconds).
    fn cancelled(&self) -> bool {
        false
    }
}

/// Nobody watches and nobody cancels.
impl Progress for () {
    fn report(&self, _done: u64, _total: u64) {}
}

/// A closure that is told the progress and answers whether to continue.
impl<F: Fn(u64, u64) + Sync> Progress for F {
    fn report(&self, done: u64, total: u64) {
        self(done, total);
    }
}

/// The computation stopped because [`Progress::cancelled`] said so; nothing of its result is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cancelled")]
pub struct Cancelled;
