//! The consumer group: who has what in hand, and for how long.

use std::time::Duration;

use chrono::{DateTime, Utc};
use redis::cmd;

use super::{FIELD, RESPONSE_TIMEOUT, RedisLog};
use crate::StorageError;
use crate::event_log::{Backlog, Entry};

/// The one group of readers.
pub(super) const GROUP: &str = "speed";

/// Consumers that were not heard of for this long and have nothing in hand are dead processes: names are unique per start.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3_600);

/// Deletes consumers that have nothing in hand: the one named, or all that were idle for too long.
pub(super) const FORGET: &str = r"
local gone = 0
for _, c in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local named, pending, idle = c[2] == ARGV[2], c[4], c[6]
  if pending == 0 and (named or (ARGV[2] == '' and idle > tonumber(ARGV[3]))) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], c[2])
    gone = gone + 1
  end
end
return gone";

/// Entries as Redis gives them: id, and fields unless the entry was deleted.
type RawEntries = Vec<(String, Option<Vec<Vec<u8>>>)>;

impl RedisLog {
    /// The group comes with the first reader and again after Redis was emptied; from the stream's beginning, so that
    /// what was appended before is read.
    pub(super) async fn make_group(&self) -> Result<(), StorageError> {
        let made: redis::RedisResult<()> = cmd("XGROUP")
            .arg("CREATE")
            .arg(&self.stream)
            .arg(GROUP)
            .arg("0")
            .arg("MKSTREAM")
            .query_async(&mut self.shared.clone())
            .await;
        match made {
            Err(error) if error.code() != Some("BUSYGROUP") => Err(error.into()),
            _ => Ok(()),
        }
    }

    pub(super) async fn read_once(&self, consumer: &str, max: usize, wait: Duration) -> redis::RedisResult<Vec<Entry>> {
        let mut command = cmd("XREADGROUP");
        command.arg("GROUP").arg(GROUP).arg(consumer).arg("COUNT").arg(max);
        if !wait.is_zero() {
            // Well below the response time-out, or the connection would be taken for dead.
            command.arg("BLOCK").arg(millis(wait.min(RESPONSE_TIMEOUT / 2)).max(1));
        }
        command.arg("STREAMS").arg(&self.stream).arg(">");
        let streams: Option<Vec<(String, RawEntries)>> = if wait.is_zero() {
            command.query_async(&mut self.shared.clone()).await?
        } else {
            command.query_async(&mut *self.reading.lock().await).await?
        };
        let entries = streams.into_iter().flatten().flat_map(|(_, entries)| entries);
        Ok(entries.map(|(id, fields)| entry(id, fields.unwrap_or_default(), 1)).collect())
    }

    pub(super) async fn claim(&self, consumer: &str, idle: Duration, max: usize) -> Result<Vec<Entry>, StorageError> {
        let mut conn = self.shared.clone();
        let pending: redis::RedisResult<Vec<(String, String, u64, u64)>> = cmd("XPENDING")
            .arg(&self.stream)
            .arg(GROUP)
            .arg("IDLE")
            .arg(millis(idle))
            .arg("-")
            .arg("+")
            .arg(max)
            .query_async(&mut conn)
            .await;
        let pending = match pending {
            Err(error) if no_group(&error) => return Ok(Vec::new()),
            pending => pending?,
        };
        if pending.is_empty() {
            self.forget("").await?;
            return Ok(Vec::new());
        }
        let mut claim = cmd("XCLAIM");
        // Of two that claim at once the second finds the idle time reset, and gets nothing.
        claim.arg(&self.stream).arg(GROUP).arg(consumer).arg(millis(idle));
        pending.iter().for_each(|(id, ..)| {
            claim.arg(id);
        });
        let claimed: RawEntries = claim.query_async(&mut conn).await?;
        let deliveries = |id: &str| pending.iter().find(|(other, ..)| other == id).map_or(1, |(.., n)| n + 1);
        Ok(claimed
            .into_iter()
            .filter_map(|(id, fields)| Some((deliveries(&id), id, fields?)))
            .map(|(deliveries, id, fields)| entry(id, fields, deliveries))
            .collect())
    }

    pub(super) async fn forget(&self, consumer: &str) -> Result<(), StorageError> {
        let done: redis::RedisResult<i64> = self
            .forget
            .key(&self.stream)
            .arg(GROUP)
            .arg(consumer)
            .arg(millis(FORGOTTEN_AFTER))
            .invoke_async(&mut self.shared.clone())
            .await;
        match done {
            Err(error) if !no_group(&error) => Err(error.into()),
            _ => Ok(()),
        }
    }

    pub(super) async fn measure(&self) -> Result<Backlog, StorageError> {
        let mut conn = self.shared.clone();
        // Entries leave the stream when acknowledged, so the first one is the oldest that is not.
        let (waiting, oldest, (seconds, micros)): (u64, RawEntries, (i64, i64)) = redis::pipe()
            .cmd("XLEN")
            .arg(&self.stream)
            .cmd("XRANGE")
            .arg(&self.stream)
            .arg("-")
            .arg("+")
            .arg("COUNT")
            .arg(1)
            .cmd("TIME")
            .query_async(&mut conn)
            .await?;
        let pending: redis::RedisResult<(u64, Option<String>, Option<String>, redis::Value)> =
            cmd("XPENDING").arg(&self.stream).arg(GROUP).query_async(&mut conn).await;
        let in_hand = match pending {
            Err(error) if no_group(&error) => 0,
            pending => pending?.0,
        };
        // The server wrote the ids' times, so its clock tells their age.
        let now = DateTime::from_timestamp_millis(seconds * 1_000 + micros / 1_000).unwrap_or_default();
        let lag = oldest.first().map(|(id, _)| (now - appended_at(id)).to_std().unwrap_or_default());
        Ok(Backlog { waiting, in_hand, lag })
    }
}

/// The group is made by the first read; until then, or after Redis was emptied, there is none. Within a script Redis
/// says so in words of its own.
pub(super) fn no_group(error: &redis::RedisError) -> bool {
    error.code() == Some("NOGROUP")
        || error.detail().is_some_and(|text| text.contains("no such key"))
        || error.to_string().contains("NOGROUP")
}

/// The payload is the value of our field; an entry of a stranger, without it, is shown whole.
fn entry(id: String, fields: Vec<Vec<u8>>, deliveries: u64) -> Entry {
    let ours = fields.chunks(2).find(|pair| pair[0] == FIELD.as_bytes()).and_then(|pair| pair.get(1));
    let payload = ours.map_or_else(|| fields.join(&b' '), Clone::clone);
    let appended_at = appended_at(&id);
    Entry { id, payload: String::from_utf8_lossy(&payload).into_owned(), deliveries, appended_at }
}

/// An id begins with the milliseconds since 1970 at which the entry was appended.
fn appended_at(id: &str) -> DateTime<Utc> {
    let millis = id.split('-').next().and_then(|millis| millis.parse().ok());
    millis.and_then(DateTime::from_timestamp_millis).unwrap_or_default()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
