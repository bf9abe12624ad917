//! A reader of the Redis log: one consumer of the consumer group.

use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use redis::aio::ConnectionManager;
use redis::{RedisResult, Script, cmd};

use super::{FIELD, RESPONSE_TIMEOUT, RawEntries, appended_at};
use crate::StorageError;
use crate::event_log::{Delivery, EventSource, Fetch, LogEntry, Position};

/// Name of the consumer group.
const GROUP: &str = "speed";

/// Number of the only partition.
const PARTITION: u32 = 0;

/// Upper bound of the interval at which a reader searches for dead readers' entries.
const CLAIM_INTERVAL: Duration = Duration::from_secs(5);

/// Idle time after which a consumer without entries is deleted from the group: it is a dead process, since names are
/// unique per start.
const CONSUMER_IDLE_MAX: Duration = Duration::from_secs(3_600);

/// Commits this consumer's entries up to an id, in steps that fit Lua's stack. Acknowledging and deleting are atomic;
/// otherwise an entry could be acknowledged but count against the capacity for ever. Returns whether the consumer has
/// more entries.
const COMMIT: &str = r"
while true do
  local ids = {}
  for i, p in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], '-', ARGV[3], 1000, ARGV[2])) do ids[i] = p[1] end
  if #ids == 0 then break end
  redis.call('XACK', KEYS[1], ARGV[1], unpack(ids))
  redis.call('XDEL', KEYS[1], unpack(ids))
end
return #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2])";

/// Transfers entries of dead readers to this consumer, up to a number, and deletes idle consumers without entries. It
/// is one script, so that of two readers that search at once the second finds nothing.
const CLAIM: &str = r"
local taken = {}
for _, c in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local name, pending, idle = c[2], c[4], c[6]
  if name == ARGV[2] then
  elseif pending == 0 then
    if idle > tonumber(ARGV[5]) then redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], name) end
  elseif idle >= tonumber(ARGV[3]) and #taken == 0 then
    local ids = {}
    for i, p in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', ARGV[4], name)) do ids[i] = p[1] end
    for from = 1, #ids, 1000 do
      local claim = {'XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0}
      for i = from, math.min(from + 999, #ids) do claim[#claim + 1] = ids[i] end
      for _, entry in ipairs(redis.call(unpack(claim))) do taken[#taken + 1] = entry end
    end
  end
end
return taken";

/// Deletes the consumer from the group if it has no entries; otherwise it stays, so that they can be claimed.
const LEAVE: &str = r"
if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) == 0 then
  redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
end";

pub(super) struct RedisReader {
    conn: ConnectionManager,
    stream: String,
    consumer: String,
    dead_after: Duration,
    /// Whether the group may have pending entries of this consumer.
    uncommitted: bool,
    searched: Option<Instant>,
    commit: Script,
    claim: Script,
    leave: Script,
}

impl RedisReader {
    pub(super) fn new(conn: ConnectionManager, stream: &str, consumer: &str, dead_after: Duration) -> Self {
        Self {
            conn,
            stream: stream.to_owned(),
            consumer: consumer.to_owned(),
            dead_after,
            uncommitted: false,
            searched: None,
            commit: Script::new(COMMIT),
            claim: Script::new(CLAIM),
            leave: Script::new(LEAVE),
        }
    }

    async fn fetch(&mut self, fetch: Fetch) -> Result<Vec<LogEntry>, StorageError> {
        if self.uncommitted {
            let own = self.read("0", fetch.max, Duration::ZERO).await?;
            if !own.is_empty() {
                return Ok(own);
            }
        }
        // Whatever fails from here on, the group may have recorded entries as this consumer's.
        self.uncommitted = true;
        let mut entries = self.claim_from_dead(fetch.max).await?;
        if entries.is_empty() {
            entries = self.read(">", fetch.max, fetch.wait).await?;
            if !entries.is_empty() && entries.len() < fetch.max && !fetch.linger.is_zero() {
                tokio::time::sleep(fetch.linger).await;
                // If this fails, the group may have recorded further entries as ours. They have later ids, so the
                // commit excludes them.
                let more = self.read(">", fetch.max - entries.len(), Duration::ZERO).await;
                entries.extend(more.unwrap_or_default());
            }
        }
        self.uncommitted = !entries.is_empty();
        Ok(entries)
    }

    /// `from` is `>` for entries that no consumer has, or an id for this consumer's own entries after it.
    async fn read(&mut self, from: &str, max: usize, wait: Duration) -> Result<Vec<LogEntry>, StorageError> {
        match self.read_once(from, max, wait).await {
            Err(error) if no_group(&error) => {
                self.make_group().await?;
                Ok(self.read_once(from, max, wait).await?)
            }
            entries => Ok(entries?),
        }
    }

    async fn read_once(&mut self, from: &str, max: usize, wait: Duration) -> RedisResult<Vec<LogEntry>> {
        let mut command = cmd("XREADGROUP");
        command.arg("GROUP").arg(GROUP).arg(&self.consumer).arg("COUNT").arg(max);
        if !wait.is_zero() {
            // Well below the response time-out, or the connection would count as dead.
            command.arg("BLOCK").arg(millis(wait.min(RESPONSE_TIMEOUT / 2)).max(1));
        }
        command.arg("STREAMS").arg(&self.stream).arg(from);
        let streams: Option<Vec<(String, RawEntries)>> = command.query_async(&mut self.conn).await?;
        Ok(streams.into_iter().flatten().flat_map(|(_, entries)| entries).map(entry).collect())
    }

    /// Creates the group at the first read, and again after Redis was emptied. It begins at the stream's first entry,
    /// so that entries appended earlier are read.
    async fn make_group(&mut self) -> Result<(), StorageError> {
        let made: RedisResult<()> = cmd("XGROUP")
            .arg("CREATE")
            .arg(&self.stream)
            .arg(GROUP)
            .arg("0")
            .arg("MKSTREAM")
            .query_async(&mut self.conn)
            .await;
        match made {
            Err(error) if error.code() != Some("BUSYGROUP") => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// The entries of a reader that died, if a search for them is due.
    async fn claim_from_dead(&mut self, max: usize) -> Result<Vec<LogEntry>, StorageError> {
        let interval = self.dead_after.min(CLAIM_INTERVAL);
        if self.searched.is_some_and(|at| at.elapsed() < interval) {
            return Ok(Vec::new());
        }
        self.searched = Some(Instant::now());
        let mut call = self.claim.key(&self.stream);
        call.arg(GROUP).arg(&self.consumer).arg(millis(self.dead_after)).arg(max).arg(millis(CONSUMER_IDLE_MAX));
        let taken: RawEntries = or_without_group(call.invoke_async(&mut self.conn).await)?;
        if !taken.is_empty() {
            tracing::info!(entries = taken.len(), "claimed the entries of a dead reader");
            metrics::counter!("speed_claimed_total").increment(taken.len() as u64);
        }
        Ok(taken.into_iter().map(entry).collect())
    }

    /// Runs a script with this consumer's name as argument.
    async fn run_script<T: redis::FromRedisValue + Default>(&mut self, script: Script, upto: &str) -> RedisResult<T> {
        let mut call = script.key(&self.stream);
        call.arg(GROUP).arg(&self.consumer).arg(upto);
        or_without_group(call.invoke_async(&mut self.conn).await)
    }
}

impl EventSource for RedisReader {
    fn next(&mut self, fetch: Fetch) -> BoxFuture<'_, Result<Delivery, StorageError>> {
        async move {
            let entries = self.fetch(fetch).await?;
            let position = Position(entries.last().map(|last| (PARTITION, last.id.clone())).into_iter().collect());
            Ok(Delivery { entries, position })
        }
        .boxed()
    }

    fn keep_alive(&mut self) -> BoxFuture<'_, Result<(), StorageError>> {
        // Any read of its own entries resets the consumer's idle time.
        async move { Ok(self.read_once("0", 1, Duration::ZERO).await.map(drop)?) }.boxed()
    }

    fn commit<'a>(&'a mut self, position: &'a Position) -> BoxFuture<'a, Result<(), StorageError>> {
        async move {
            for (_, upto) in &position.0 {
                self.uncommitted = self.run_script(self.commit.clone(), upto).await?;
            }
            Ok(())
        }
        .boxed()
    }

    fn close(mut self: Box<Self>) -> BoxFuture<'static, Result<(), StorageError>> {
        async move { Ok(self.run_script(self.leave.clone(), "").await?) }.boxed()
    }
}

/// Maps "no such group" to the default: before the first read and after Redis was emptied no consumer has entries.
fn or_without_group<T: Default>(result: RedisResult<T>) -> RedisResult<T> {
    match result {
        Err(error) if no_group(&error) => Ok(T::default()),
        result => result,
    }
}

/// Recognises the error of a missing group, which has another text within a script.
fn no_group(error: &redis::RedisError) -> bool {
    error.code() == Some("NOGROUP")
        || error.detail().is_some_and(|text| text.contains("no such key"))
        || error.to_string().contains("NOGROUP")
}

/// Converts an entry. An entry without our field was written by another program and is delivered as a whole. A deleted
/// entry is delivered empty and becomes a dead letter; otherwise it would stay pending for ever.
fn entry((id, fields): (String, Option<Vec<Vec<u8>>>)) -> LogEntry {
    let fields = fields.unwrap_or_default();
    let ours = fields.chunks(2).find(|pair| pair[0] == FIELD.as_bytes()).and_then(|pair| pair.get(1));
    let payload = ours.map_or_else(|| fields.join(&b' '), Clone::clone);
    let appended_at = appended_at(&id);
    LogEntry { id, payload: String::from_utf8_lossy(&payload).into_owned(), appended_at }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
