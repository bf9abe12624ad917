//! Times and counters of each cache family.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::artifacts::CacheFamily;
use settings::CacheSettings;

use crate::Source;
use crate::entry::Times;

/// Counters of the cache since the process started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheCounts {
    pub hits: u64,
    pub misses: u64,
    pub memory_entries: u64,
    pub memory_bytes: u64,
}

/// Counters of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FamilyCounts {
    pub family: CacheFamily,
    pub ttl: Duration,
    pub hits: u64,
    pub misses: u64,
}

struct Family {
    times: Times,
    memory: metrics::Counter,
    redis: metrics::Counter,
    stale: metrics::Counter,
    miss: metrics::Counter,
    bypass: metrics::Counter,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// All families, indexed by [`CacheFamily`].
pub(crate) struct Families([Family; CacheFamily::ALL.len()]);

impl Families {
    pub fn new(settings: &CacheSettings) -> Self {
        Self(CacheFamily::ALL.map(|family| {
            let counter = |result: &'static str| {
                metrics::counter!("cache_requests_total", "family" => family.as_str(), "result" => result)
            };
            let times = Times {
                fresh: settings.ttl_of(family),
                while_revalidate: settings.stale_while_revalidate,
                if_error: settings.stale_if_error,
            };
            Family {
                times,
                memory: counter("memory"),
                redis: counter("redis"),
                stale: counter("stale"),
                miss: counter("miss"),
                bypass: counter("bypass"),
                hits: AtomicU64::new(0),
                misses: AtomicU64::new(0),
            }
        }))
    }

    pub fn times(&self, family: CacheFamily) -> Times {
        self.0[family as usize].times
    }

    /// Counts an answer; returns whether it counts as a hit of its entry.
    pub fn count(&self, family: CacheFamily, source: Source) -> bool {
        let of = &self.0[family as usize];
        let (counter, total) = match source {
            Source::Memory => (&of.memory, Some(&of.hits)),
            Source::Redis => (&of.redis, Some(&of.hits)),
            Source::Stale => (&of.stale, Some(&of.hits)),
            Source::Miss => (&of.miss, Some(&of.misses)),
            Source::Bypass => (&of.bypass, None),
        };
        counter.increment(1);
        if let Some(total) = total {
            total.fetch_add(1, Ordering::Relaxed);
        }
        total.is_some()
    }

    pub fn counts(&self, memory_entries: u64, memory_bytes: u64) -> CacheCounts {
        let each = self.each();
        let sum = |of: fn(&FamilyCounts) -> u64| each.iter().map(of).sum();
        CacheCounts {
            hits: sum(|family| family.hits),
            misses: sum(|family| family.misses),
            memory_entries,
            memory_bytes,
        }
    }

    pub fn each(&self) -> [FamilyCounts; CacheFamily::ALL.len()] {
        CacheFamily::ALL.map(|family| {
            let of = &self.0[family as usize];
            let (hits, misses) = (of.hits.load(Ordering::Relaxed), of.misses.load(Ordering::Relaxed));
            FamilyCounts { family, ttl: of.times.fresh, hits, misses }
        })
    }
}
