//! The queues in which jobs wait.

/// A queue of the transport, with its own concurrency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Queue {
    /// Ingest only: it may run for hours and must not delay the nightly batch jobs or the hourly refresh.
    Ingest,
    /// Jobs that compute an artifact or rebuild the search index.
    Compute,
    /// Short jobs that mostly wait for the database or for TMDB.
    Maintenance,
}

impl Queue {
    /// Every queue.
    pub const ALL: [Self; 3] = [Self::Ingest, Self::Compute, Self::Maintenance];

    /// The queue's name in the ledger, in Redis keys and in settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Compute => "compute",
            Self::Maintenance => "maintenance",
        }
    }

    /// Number of database connections that one job of this queue may use at once: computations write rows while they
    /// still read. A worker reserves them for each of its jobs, so that no job waits for another's connection while it
    /// holds one.
    pub fn connections(self) -> u32 {
        match self {
            Self::Compute => 2,
            Self::Ingest | Self::Maintenance => 1,
        }
    }

    /// Number of jobs of this queue that one worker process runs concurrently: one ingest (it parallelises its requests
    /// itself), two computations (the default suits a machine with two cores), four maintenance jobs (they mostly wait
    /// for other servers).
    pub fn default_concurrency(self) -> usize {
        match self {
            Self::Ingest => 1,
            Self::Compute => 2,
            Self::Maintenance => 4,
        }
    }
}
