//! Statistics of the merge: which layer answered, for how many hours, and how long merging took (seed 1, section 2.2).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::merge::Decision;

use crate::LayerHours;

/// Counts the merged reads of this process since it started. Answers from a cache are not counted.
pub struct LayerStats {
    decisions: [Counted; Decision::ALL.len()],
    nanos: AtomicU64,
    seconds: metrics::Histogram,
    batch_hours: Counted,
    speed_hours: Counted,
}

/// A counter that is exported to both health and Prometheus.
struct Counted {
    total: AtomicU64,
    metric: metrics::Counter,
}

impl Counted {
    fn new(metric: metrics::Counter) -> Self {
        Self { total: AtomicU64::new(0), metric }
    }

    fn add(&self, n: u64) {
        self.total.fetch_add(n, Ordering::Relaxed);
        self.metric.increment(n);
    }

    fn get(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }
}

impl Default for LayerStats {
    fn default() -> Self {
        let hours = |layer| Counted::new(metrics::counter!("merged_hours_total", "layer" => layer));
        Self {
            decisions: Decision::ALL
                .map(|decision| Counted::new(metrics::counter!("merged_reads_total", "decision" => decision.as_str()))),
            nanos: AtomicU64::new(0),
            seconds: metrics::histogram!("merge_duration_seconds"),
            batch_hours: hours("batch"),
            speed_hours: hours("speed"),
        }
    }
}

impl LayerStats {
    /// Counts one merged read. `took` is the time that this process spent on merging, without database time.
    pub(crate) fn note(&self, decision: Decision, hours: LayerHours, took: Duration) {
        self.decisions[decision as usize].add(1);
        self.batch_hours.add(hours.batch);
        self.speed_hours.add(hours.speed);
        self.nanos.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.seconds.record(took.as_secs_f64());
    }

    /// Returns the number of reads with this decision.
    pub fn queries(&self, decision: Decision) -> u64 {
        self.decisions[decision as usize].get()
    }

    /// Returns the number of all merged reads.
    pub fn total(&self) -> u64 {
        self.decisions.iter().map(Counted::get).sum()
    }

    /// Returns the number of hours with facts that each layer answered for.
    pub fn hours(&self) -> LayerHours {
        LayerHours { batch: self.batch_hours.get(), speed: self.speed_hours.get() }
    }

    /// Returns the mean time of a merge in milliseconds; `None` before the first read.
    pub fn average_millis(&self) -> Option<f64> {
        let total = self.total();
        (total > 0).then(|| self.nanos.load(Ordering::Relaxed) as f64 / total as f64 / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_is_over_all_reads() {
        let stats = LayerStats::default();
        assert_eq!(stats.average_millis(), None);
        stats.note(Decision::Both, LayerHours { batch: 3, speed: 1 }, Duration::from_millis(3));
        stats.note(Decision::Batch, LayerHours { batch: 2, speed: 0 }, Duration::from_millis(1));
        assert_eq!((stats.total(), stats.queries(Decision::Both), stats.average_millis()), (2, 1, Some(2.0)));
        assert_eq!(stats.hours(), LayerHours { batch: 5, speed: 1 });
    }
}
