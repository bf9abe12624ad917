//! The queues that jobs wait in.

/// A queue of the transport, with a concurrency of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Queue {
    /// Ingest alone: it may run for hours and must not hold up the nightly batch, nor the hourly refresh.
    Ingest,
    /// What computes an artifact or rebuilds the search index.
    Compute,
    /// Short jobs that mostly wait for the database or for TMDB.
    Maintenance,
}

impl Queue {
    /// Every queue.
    pub const ALL: [Self; 3] = [Self::Ingest, Self::Compute, Self::Maintenance];

    /// The word in the ledger, in Redis keys and in settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Compute => "compute",
            Self::Maintenance => "maintenance",
        }
    }

    /// Jobs of this queue that one worker process runs at a time: one ingest (it fans out by itself), two computations
    /// (the defaults are for a machine with two cores), four of maintenance (they wait for other servers).
    pub fn default_concurrency(self) -> usize {
        match self {
            Self::Ingest => 1,
            Self::Compute => 2,
            Self::Maintenance => 4,
        }
    }
}
