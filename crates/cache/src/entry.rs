//! A cache entry: one serialized answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use moka::Expiry;
use sha2::{Digest, Sha256};

use crate::subject::Compute;

/// Number of digest bytes in an entity tag; 128 bits make collisions between two bodies of one URL negligible.
const DIGEST_BYTES: usize = 16;

/// Version of the entries' layout in Redis, stored as their first byte; incremented when the layout changes.
const LAYOUT: u8 = 2;
const HEAD_BYTES: usize = 1 + 8 + 8;

/// Estimated bytes of an entry beside key and body: tag, times, question and map nodes.
const OVERHEAD_BYTES: usize = 384;

/// A body, its entity tag and its times.
pub struct Entry<E> {
    pub body: Bytes,
    /// Weak entity tag (RFC 9110, section 8.8.3), quotes included. It is weak because the compressed response has other
    /// bytes.
    pub etag: Bytes,
    pub times: Times,
    /// Generation of the family when the body was computed.
    pub(crate) generation: i64,
    /// Start of the computation in milliseconds since 1970, comparable between processes. Changes after this time are
    /// not in the body.
    pub(crate) created_at: u64,
    pub(crate) compute: Arc<dyn Compute<E>>,
    hits: AtomicU32,
    refreshing: AtomicBool,
}

/// How long an answer may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// TTL: the answer is fresh for this long.
    pub fresh: Duration,
    /// After the TTL: how long it may be served while it is recomputed (RFC 5861, section 3).
    pub while_revalidate: Duration,
    /// After the TTL: how long it may be served if recomputing fails (RFC 5861, section 4).
    pub if_error: Duration,
}

impl Times {
    pub(crate) const NONE: Self =
        Self { fresh: Duration::ZERO, while_revalidate: Duration::ZERO, if_error: Duration::ZERO };

    fn kept(&self) -> Duration {
        self.fresh + self.while_revalidate.max(self.if_error)
    }
}

impl<E> Entry<E> {
    pub(crate) fn new(
        body: Bytes,
        times: Times,
        generation: i64,
        created_at: u64,
        compute: Arc<dyn Compute<E>>,
    ) -> Self {
        Self {
            etag: etag(&body),
            body,
            generation,
            times,
            created_at,
            compute,
            hits: AtomicU32::new(0),
            refreshing: AtomicBool::new(false),
        }
    }

    /// Time since the body was computed; zero if the clock was set back.
    pub fn age(&self) -> Duration {
        Duration::from_millis(now().saturating_sub(self.created_at))
    }

    /// Total time for which the body may be used in any way.
    pub(crate) fn kept(&self) -> Duration {
        self.times.kept().saturating_sub(self.age())
    }

    /// Bytes that this entry counts for in the memory limit.
    pub(crate) fn weight(&self, key: &str) -> u32 {
        u32::try_from(key.len() + self.body.len() + OVERHEAD_BYTES).unwrap_or(u32::MAX)
    }

    pub(crate) fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn hits(&self) -> u32 {
        self.hits.load(Ordering::Relaxed)
    }

    /// Whether this caller is the one that must recompute the entry.
    pub(crate) fn begin_refresh(&self) -> bool {
        !self.refreshing.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn end_refresh(&self) {
        self.refreshing.store(false, Ordering::Release);
    }

    /// Inherits half of the predecessor's hits, so that recent requests count more than old ones.
    pub(crate) fn succeeds(&self, before: &Self) {
        self.hits.fetch_add(before.hits() / 2, Ordering::Relaxed);
    }

    /// Serializes the entry for Redis: layout, time of creation, generation, body. The tag is derived from the body.
    pub(crate) fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(HEAD_BYTES + self.body.len());
        bytes.extend_from_slice(&[LAYOUT]);
        bytes.extend_from_slice(&self.created_at.to_le_bytes());
        bytes.extend_from_slice(&self.generation.to_le_bytes());
        bytes.extend_from_slice(&self.body);
        bytes.freeze()
    }

    /// Parses [`Entry::encode`]; `None` if the bytes have another layout or the entry has expired.
    pub(crate) fn decode(bytes: Vec<u8>, times: Times, compute: Arc<dyn Compute<E>>) -> Option<Self> {
        let bytes = Bytes::from(bytes);
        let (head, _) = bytes.split_at_checked(HEAD_BYTES)?;
        let (layout, head) = head.split_first()?;
        let (created_at, generation) = head.split_at_checked(8)?;
        let created_at = u64::from_le_bytes(created_at.try_into().ok()?);
        let generation = i64::from_le_bytes(generation.try_into().ok()?);
        let body = bytes.slice(HEAD_BYTES..);
        let entry = (*layout == LAYOUT).then(|| Self::new(body, times, generation, created_at, compute))?;
        (!entry.kept().is_zero()).then_some(entry)
    }
}

fn etag(body: &[u8]) -> Bytes {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut text = Vec::with_capacity(2 * DIGEST_BYTES + 4);
    text.extend_from_slice(b"W/\"");
    for byte in &Sha256::digest(body)[..DIGEST_BYTES] {
        text.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
    }
    text.push(b'"');
    text.into()
}

/// Current time in milliseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Expiry policy of the in-process tier: drops entries that can no longer be used, whichever process computed them.
pub(crate) struct UntilUseless;

impl<E> Expiry<String, Arc<Entry<E>>> for UntilUseless {
    fn expire_after_create(&self, _: &String, entry: &Arc<Entry<E>>, _: Instant) -> Option<Duration> {
        Some(entry.kept())
    }

    fn expire_after_update(
        &self,
        _: &String,
        entry: &Arc<Entry<E>>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.kept())
    }
}

#[cfg(test)]
mod tests {
    use futures::future::BoxFuture;

    use super::*;

    const TIMES: Times = Times {
        fresh: Duration::from_secs(300),
        while_revalidate: Duration::from_secs(30),
        if_error: Duration::from_secs(600),
    };

    struct Never;

    impl Compute<()> for Never {
        fn compute(&self) -> BoxFuture<'_, Result<Bytes, ()>> {
            Box::pin(std::future::pending())
        }
    }

    fn entry(body: &'static str) -> Entry<()> {
        Entry::new(Bytes::from_static(body.as_bytes()), TIMES, 7, now(), Arc::new(Never))
    }

    #[test]
    fn an_entry_survives_the_way_through_redis() {
        let made = entry("{\"a\":1}");
        let read = Entry::decode(made.encode().to_vec(), TIMES, Arc::new(Never)).unwrap();
        assert_eq!(
            (read.body, read.etag, read.created_at, read.generation),
            (made.body, made.etag, made.created_at, 7)
        );
    }

    #[test]
    fn what_is_not_an_entry_or_is_of_no_use_any_more_is_not_found() {
        let mut other_layout = entry("x").encode().to_vec();
        other_layout[0] = 99;
        let mut old = entry("x");
        old.created_at -= 900_001;
        for bytes in [Vec::new(), b"short".to_vec(), other_layout, old.encode().to_vec()] {
            assert!(Entry::decode(bytes.clone(), TIMES, Arc::new(Never)).is_none(), "{bytes:?}");
        }
    }

    #[test]
    fn the_tag_follows_the_body_and_nothing_else() {
        let mut old = entry("a");
        old.created_at = 0;
        assert_eq!(entry("a").etag, old.etag);
        assert_ne!(entry("a").etag, entry("b").etag);
    }
}
