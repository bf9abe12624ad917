//! How often apalis looks for work.

use std::task::{Context, Poll};
use std::time::Duration;

use apalis::prelude::{BackendExt, PollSnapshot, PollStrategy, PollWith};
use storage::queue::QueueStorage;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// apalis looks again at once after a job; this is the wait when there was none. Three queues looked at four times a
/// second cost Redis nothing, and a quarter of a second is nothing to a job.
const TICK: Duration = Duration::from_millis(250);

/// Polls on a steady tick. Without a strategy apalis-redis looks on its heartbeat only (5 s here), and its own interval
/// can lose its timer under load.
pub(crate) fn with_steady_tick(storage: QueueStorage) -> PollWith<QueueStorage, SteadyTick> {
    storage.poll_with_strategy(SteadyTick(None))
}

/// A tokio interval that forgives delays. Made on first poll, since building one needs a running Tokio.
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
