//! The poll interval of apalis.

use std::task::{Context, Poll};
use std::time::Duration;

use apalis::prelude::{BackendExt, PollSnapshot, PollStrategy, PollWith};
use storage::queue::QueueStorage;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// Poll interval after an empty poll; after a job apalis polls at once. The load of three queues polled four times a
/// second is negligible for Redis, and so is a delay of a quarter of a second for a job.
const TICK: Duration = Duration::from_millis(250);

/// Polls at a steady interval. Without a strategy apalis-redis polls only at its heartbeat (5 s here), and its own
/// interval can lose its timer under load.
pub(crate) fn with_steady_tick(storage: QueueStorage) -> PollWith<QueueStorage, SteadyTick> {
    storage.poll_with_strategy(SteadyTick(None))
}

/// A tokio interval with delayed ticks. It is created at the first poll, since that requires a running Tokio.
#[derive(Debug)]
pub(crate) struct SteadyTick(Option<Interval>);

impl PollStrategy for SteadyTick {
    fn poll_drive(&mut self, cx: &mut Context<'_>, _: &PollSnapshot) -> Poll<Option<()>> {
        let interval = self.0.get_or_insert_with(|| {
            let mut interval = interval(TICK);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        });
        interval.poll_tick(cx).map(|_| Some(()))
    }
}
