//! Cache warming: after a run is published, the most requested answers are recomputed before they are requested again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::artifacts::CacheFamily;
use futures::StreamExt;
use tokio::sync::Notify;

use crate::ResponseCache;
use crate::entry::Entry;
use crate::subject::{Failure, Live, Subject, Visibility, prefix};

/// Least time between two rounds of warming.
const WARMING_INTERVAL: Duration = Duration::from_secs(5);

/// Maximum number of concurrent computations, so that warming does not take the pool from requests.
const COMPUTATIONS_MAX: usize = 2;

/// Least number of hits that an answer needs to be warmed.
const HITS_MIN: u32 = 2;

/// The families that wait to be warmed.
pub(crate) struct Warming {
    /// Maximum number of answers per family and round; 0 disables warming.
    most: usize,
    wanted: [AtomicBool; CacheFamily::ALL.len()],
    wake: Notify,
}

impl Warming {
    pub fn new(most: usize) -> Self {
        Self { most, wanted: CacheFamily::ALL.map(|_| AtomicBool::new(false)), wake: Notify::new() }
    }
}

impl<E: Failure> ResponseCache<E> {
    /// Schedules a family whose generation has changed.
    pub(crate) fn warm_soon(&self, family: CacheFamily) {
        self.warming.wanted[family as usize].store(true, Ordering::Release);
        self.warming.wake.notify_one();
    }

    /// Recomputes a family's most requested answers; returns their number.
    pub(crate) async fn warm_family(&self, family: CacheFamily) -> usize {
        let prefix = prefix(family);
        let of_family = |(key, entry): (Arc<String>, Arc<Entry<E>>)| {
            (key.starts_with(&prefix) && entry.hits() >= HITS_MIN).then_some((entry.hits(), key, entry))
        };
        let mut asked: Vec<_> = self.memory.iter().filter_map(of_family).collect();
        asked.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        asked.truncate(self.warming.most);
        let count = asked.len();
        futures::stream::iter(asked)
            .for_each_concurrent(COMPUTATIONS_MAX, |(_, key, entry)| async move {
                let (live, visibility) = (Live::Nothing, Visibility::Public);
                let subject = Subject { family, key: String::clone(&key), live, visibility };
                self.refresh(&subject, &entry).await;
            })
            .await;
        count
    }

    /// Warms scheduled families for as long as the process runs.
    pub async fn warm(self: Arc<Self>) {
        loop {
            self.warming.wake.notified().await;
            for family in CacheFamily::ALL {
                if self.warming.wanted[family as usize].swap(false, Ordering::AcqRel) && self.warming.most > 0 {
                    let answers = self.warm_family(family).await;
                    metrics::counter!("cache_warmed_total", "family" => family.as_str()).increment(answers as u64);
                }
            }
            tokio::time::sleep(WARMING_INTERVAL).await;
        }
    }
}
