//! One ready-made answer.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use actix_web::http::header::HeaderValue;
use bytes::{Bytes, BytesMut};
use moka::Expiry;
use sha2::{Digest, Sha256};

use crate::error::ApiError;

/// Bytes of a digest that name a body: enough that two bodies of one URL never share a tag.
const DIGEST_BYTES: usize = 16;

/// First byte of an entry in Redis; counts up when the layout changes.
const LAYOUT: u8 = 1;
const HEAD_BYTES: usize = 1 + 8;

/// What an entry weighs beside its key and body: tag, times, the maps' own nodes.
const OVERHEAD_BYTES: usize = 256;

/// A body and what its headers say of it.
#[derive(Debug)]
pub struct Entry {
    pub body: Bytes,
    /// Weak, since the compressed answer is another sequence of bytes.
    pub etag: HeaderValue,
    pub ttl: Duration,
    /// Milliseconds since 1970, the same in every process that shares the cache.
    created_at: u64,
}

impl Entry {
    pub fn new(body: Bytes, ttl: Duration) -> Result<Self, ApiError> {
        Self::made_at(body, ttl, now())
    }

    fn made_at(body: Bytes, ttl: Duration, created_at: u64) -> Result<Self, ApiError> {
        let etag = etag(&body).map_err(|error| ApiError::Internal(error.to_string().into()))?;
        Ok(Self { body, etag, ttl, created_at })
    }

    /// Time since the body was computed. A clock that was set back makes it zero.
    pub fn age(&self) -> Duration {
        Duration::from_millis(now().saturating_sub(self.created_at))
    }

    /// Time the body may still be reused.
    pub fn remaining(&self) -> Duration {
        self.ttl.saturating_sub(self.age())
    }

    /// Bytes this entry is accounted for under `key`.
    pub fn weight(&self, key: &str) -> u32 {
        u32::try_from(key.len() + self.body.len() + OVERHEAD_BYTES).unwrap_or(u32::MAX)
    }

    /// For Redis: layout, time of creation, body. The tag follows from the body.
    pub fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(HEAD_BYTES + self.body.len());
        bytes.extend_from_slice(&[LAYOUT]);
        bytes.extend_from_slice(&self.created_at.to_le_bytes());
        bytes.extend_from_slice(&self.body);
        bytes.freeze()
    }

    /// Reads [`Entry::encode`]; `None` where that is not what the bytes are, or where the entry's time is over.
    pub fn decode(bytes: Vec<u8>, ttl: Duration) -> Option<Self> {
        let bytes = Bytes::from(bytes);
        let (head, _) = bytes.split_at_checked(HEAD_BYTES)?;
        let (layout, created_at) = head.split_first()?;
        let created_at = u64::from_le_bytes(created_at.try_into().ok()?);
        let entry = (*layout == LAYOUT).then(|| Self::made_at(bytes.slice(HEAD_BYTES..), ttl, created_at).ok())??;
        (!entry.remaining().is_zero()).then_some(entry)
    }
}

fn etag(body: &[u8]) -> Result<HeaderValue, actix_web::http::header::InvalidHeaderValue> {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut text = Vec::with_capacity(2 * DIGEST_BYTES + 4);
    text.extend_from_slice(b"W/\"");
    for byte in &Sha256::digest(body)[..DIGEST_BYTES] {
        text.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
    }
    text.push(b'"');
    HeaderValue::from_bytes(&text)
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Lets the in-process layer drop an entry when its time is over, wherever it was made.
pub struct UntilExpiry;

impl Expiry<String, std::sync::Arc<Entry>> for UntilExpiry {
    fn expire_after_create(&self, _: &String, entry: &std::sync::Arc<Entry>, _: Instant) -> Option<Duration> {
        Some(entry.remaining())
    }

    fn expire_after_update(
        &self,
        _: &String,
        entry: &std::sync::Arc<Entry>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.remaining())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(300);

    fn entry(body: &'static str) -> Entry {
        Entry::new(Bytes::from_static(body.as_bytes()), TTL).unwrap()
    }

    #[test]
    fn an_entry_survives_the_way_through_redis() {
        let made = entry("{\"a\":1}");
        let read = Entry::decode(made.encode().to_vec(), TTL).unwrap();
        assert_eq!((read.body, read.etag, read.created_at), (made.body, made.etag, made.created_at));
    }

    #[test]
    fn what_is_not_an_entry_or_is_too_old_is_not_found() {
        let mut other_layout = entry("x").encode().to_vec();
        other_layout[0] = 99;
        let old = Entry { created_at: now() - 300_001, ..entry("x") };
        for bytes in [Vec::new(), b"short".to_vec(), other_layout, old.encode().to_vec()] {
            assert!(Entry::decode(bytes.clone(), TTL).is_none(), "{bytes:?}");
        }
    }

    #[test]
    fn the_tag_follows_the_body_and_nothing_else() {
        assert_eq!(entry("a").etag, Entry { created_at: 0, ..entry("a") }.etag);
        assert_ne!(entry("a").etag, entry("b").etag);
    }
}
