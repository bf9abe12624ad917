//! One ready-made answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use moka::Expiry;
use sha2::{Digest, Sha256};

use crate::subject::Compute;

/// Bytes of a digest that name a body: enough that two bodies of one URL never share a tag.
const DIGEST_BYTES: usize = 16;

/// First byte of an entry in Redis; counts up when the layout changes.
const LAYOUT: u8 = 2;
const HEAD_BYTES: usize = 1 + 8 + 8;

/// What an entry weighs beside its key and body: tag, times, its question, the maps' own nodes.
const OVERHEAD_BYTES: usize = 384;

/// A body, its validator and its times.
pub struct Entry<E> {
    pub body: Bytes,
    /// A weak entity tag (RFC 9110, section 8.8.3), quotes included. Weak, since the compressed answer is another sequence of
    /// bytes.
    pub etag: Bytes,
    pub times: Times,
    /// Of its family when it was computed.
    pub(crate) generation: i64,
    /// Milliseconds since 1970, the same in every process that shares the cache. When computing began: what was told
    /// since is not in it.
    pub(crate) created_at: u64,
    pub(crate) compute: Arc<dyn Compute<E>>,
    hits: AtomicU32,
    refreshing: AtomicBool,
}

/// How long an answer is of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// Reused without asking.
    pub fresh: Duration,
    /// After that, still given while it is computed anew (RFC 5861, section 3).
    pub while_revalidate: Duration,
    /// After that, given where it cannot be computed anew (RFC 5861, section 4).
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

    /// Time since the body was computed. A clock that was set back makes it zero.
    pub fn age(&self) -> Duration {
        Duration::from_millis(now().saturating_sub(self.created_at))
    }

    /// Time the body may still be of use.
    pub(crate) fn kept(&self) -> Duration {
        self.times.kept().saturating_sub(self.age())
    }

    /// Bytes this entry is accounted for under `key`.
    pub(crate) fn weight(&self, key: &str) -> u32 {
        u32::try_from(key.len() + self.body.len() + OVERHEAD_BYTES).unwrap_or(u32::MAX)
    }

    pub(crate) fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn hits(&self) -> u32 {
        self.hits.load(Ordering::Relaxed)
    }

    /// Whether the caller is the one to compute it anew.
    pub(crate) fn begin_refresh(&self) -> bool {
        !self.refreshing.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn end_refresh(&self) {
        self.refreshing.store(false, Ordering::Release);
    }

    /// Takes over half of its predecessor's hits: what was asked for lately counts more than what once was.
    pub(crate) fn succeeds(&self, before: &Self) {
        self.hits.fetch_add(before.hits() / 2, Ordering::Relaxed);
    }

    /// For Redis: layout, time of creation, generation, body. The tag follows from the body.
    pub(crate) fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(HEAD_BYTES + self.body.len());
        bytes.extend_from_slice(&[LAYOUT]);
        bytes.extend_from_slice(&self.created_at.to_le_bytes());
        bytes.extend_from_slice(&self.generation.to_le_bytes());
        bytes.extend_from_slice(&self.body);
        bytes.freeze()
    }

    /// Reads [`Entry::encode`]; `None` where that is not what the bytes are, or where the entry is of no use any more.
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

/// Milliseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Lets the in-process layer drop an entry when it is of no use any more, wherever it was made.
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
