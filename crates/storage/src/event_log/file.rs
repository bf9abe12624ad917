//! The event log in a directory of this machine: partitions of append-only files, read by offset, like Kafka's.
//!
//! A partition is four files. `N.log` contains the payloads in sequence; `N.index` has 16 bytes per entry: the entry's
//! end offset in the log and its append time (milliseconds since 1970); `N.state` has the offset of the index's first
//! entry and the number of committed entries after it; `N.owner` is locked by the reader that owns the partition. The
//! operating system releases the lock of a process that died, so another reader can take over at once, and never from a
//! living process.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::events::Fact;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::{
    AppendError, Backlog, Delivery, Durability, EventLog, EventLogConfig, EventSink, EventSource, Fetch, LogEntry,
    Position,
};
use crate::StorageError;

/// Number of partitions, which bounds the readers that can work concurrently; more than the speed layer's default number
/// of lanes.
const PARTITIONS: u32 = 4;

/// Interval at which a waiting reader checks for new entries.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Bytes of a partition's log that are kept although every entry is committed: truncating it costs three syncs.
const KEPT_BYTES: u64 = 16 * 1024 * 1024;

/// Size of an index record in bytes.
const RECORD: u64 = 16;

/// See the module's documentation.
pub(super) struct FileLog {
    dir: Arc<Directory>,
    name: String,
    capacity: u64,
    /// Partition of the next append, round-robin.
    turn: AtomicU32,
}

impl FileLog {
    pub(super) fn open(path: &Path, config: &EventLogConfig) -> Self {
        let name = format!("{}-events", config.prefix);
        Self {
            dir: Arc::new(Directory(path.join(&name))),
            name,
            capacity: config.capacity as u64,
            turn: AtomicU32::new(0),
        }
    }
}

impl EventSink for FileLog {
    fn append<'a>(&'a self, facts: &'a [Fact]) -> BoxFuture<'a, Result<(), AppendError>> {
        async move {
            let payloads: Result<Vec<_>, _> = facts.iter().map(serde_json::to_vec).collect();
            let payloads = payloads.map_err(|error| AppendError::Unavailable(error.into()))?;
            let (dir, capacity) = (self.dir.clone(), self.capacity);
            let partition = self.turn.fetch_add(1, Ordering::Relaxed) % PARTITIONS;
            match blocking(move || dir.append(partition, capacity, &payloads)).await {
                Ok(true) => Ok(()),
                Ok(false) => Err(AppendError::Full),
                Err(error) => Err(AppendError::Unavailable(error)),
            }
        }
        .boxed()
    }

    fn backlog(&self) -> BoxFuture<'_, Result<Backlog, StorageError>> {
        let dir = self.dir.clone();
        blocking(move || dir.backlog(Utc::now())).boxed()
    }

    fn durability(&self) -> BoxFuture<'_, Result<Durability, StorageError>> {
        // Every append is synchronised to disk before it returns.
        async { Ok(Durability::Durable) }.boxed()
    }
}

impl EventLog for FileLog {
    fn name(&self) -> &str {
        &self.name
    }

    fn reader(&self, _name: &str, _dead_after: Duration) -> Result<Box<dyn EventSource>, StorageError> {
        Ok(Box::new(FileReader { dir: self.dir.clone(), turn: 0, owned: None }))
    }
}

struct FileReader {
    dir: Arc<Directory>,
    /// Partition at which the search for the next entries begins, so that no partition starves.
    turn: u32,
    owned: Option<Arc<OwnedPartition>>,
}

/// A partition that this reader owns; dropping it releases the partition.
struct OwnedPartition {
    partition: u32,
    _owner: File,
}

impl FileReader {
    /// The next entries of the owned partition, or of the next partition that nobody owns.
    async fn fetch(&mut self, max: usize) -> Result<Delivery, StorageError> {
        let (dir, turn, owned) = (self.dir.clone(), self.turn, self.owned.clone());
        let (owned, delivery) = blocking(move || {
            if let Some(owned) = owned {
                let delivery = dir.read(owned.partition, max)?;
                return Ok((Some(owned), delivery));
            }
            for partition in (turn..turn + PARTITIONS).map(|n| n % PARTITIONS) {
                let Some(owner) = dir.try_own(partition)? else { continue };
                let delivery = dir.read(partition, max)?;
                if !delivery.entries.is_empty() {
                    return Ok((Some(Arc::new(OwnedPartition { partition, _owner: owner })), delivery));
                }
            }
            Ok((None, Delivery::default()))
        })
        .await?;
        self.owned = owned;
        Ok(delivery)
    }
}

impl EventSource for FileReader {
    fn next(&mut self, fetch: Fetch) -> BoxFuture<'_, Result<Delivery, StorageError>> {
        async move {
            let end = Instant::now() + fetch.wait;
            loop {
                let delivery = self.fetch(fetch.max).await?;
                if !delivery.entries.is_empty() {
                    if delivery.entries.len() == fetch.max || fetch.linger.is_zero() {
                        return Ok(delivery);
                    }
                    tokio::time::sleep(fetch.linger).await;
                    return self.fetch(fetch.max).await;
                }
                if Instant::now() >= end {
                    return Ok(delivery);
                }
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        }
        .boxed()
    }

    fn keep_alive(&mut self) -> BoxFuture<'_, Result<(), StorageError>> {
        // The file lock proves that the reader is alive.
        async { Ok(()) }.boxed()
    }

    fn commit<'a>(&'a mut self, position: &'a Position) -> BoxFuture<'a, Result<(), StorageError>> {
        async move {
            for (partition, offset) in position.0.clone() {
                let offset = offset.parse().map_err(|_| StorageError::Corrupt(format!("offset {offset}")))?;
                let (dir, owned) = (self.dir.clone(), self.owned.clone());
                blocking(move || {
                    match owned {
                        Some(owned) if owned.partition == partition => dir.commit(partition, offset),
                        // Not owned by this reader, or no longer: the owner commits it.
                        _ => Ok(()),
                    }
                })
                .await?;
                self.turn = partition + 1;
            }
            self.owned = None;
            Ok(())
        }
        .boxed()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, Result<(), StorageError>> {
        async move { Ok(()) }.boxed()
    }
}

/// The files, accessed by one call at a time; all functions block.
struct Directory(PathBuf);

/// The content of a partition's `state` file.
#[derive(Clone, Copy, Default)]
struct State {
    /// Offset of the index's first entry, which is the number of entries that were committed and removed.
    base: u64,
    /// Number of committed entries in the index.
    committed: u64,
}

impl Directory {
    fn file(&self, name: &str) -> io::Result<File> {
        fs::create_dir_all(&self.0)?;
        File::options().read(true).write(true).create(true).truncate(false).open(self.0.join(name))
    }

    fn of(&self, partition: u32, kind: &str) -> io::Result<File> {
        self.file(&format!("{partition}.{kind}"))
    }

    /// Locks out other writers of any partition until dropped, since the capacity applies to all partitions together.
    fn lock_appends(&self) -> io::Result<File> {
        let lock = self.file("append")?;
        lock.lock()?;
        Ok(lock)
    }

    fn try_own(&self, partition: u32) -> io::Result<Option<File>> {
        let owner = self.of(partition, "owner")?;
        match owner.try_lock() {
            Ok(()) => Ok(Some(owner)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn state(&self, partition: u32) -> io::Result<State> {
        let file = self.of(partition, "state")?;
        let mut bytes = [0; RECORD as usize];
        match file.read_exact_at(&mut bytes, 0) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(State::default()),
            read => {
                read?;
                let (base, committed) = pair(&bytes);
                Ok(State { base, committed })
            }
        }
    }

    fn save(&self, partition: u32, state: State) -> io::Result<()> {
        let file = self.of(partition, "state")?;
        file.write_all_at(&record(state.base, state.committed), 0)?;
        file.sync_data()
    }

    /// Number of complete entries in the index; a partially written record does not count.
    fn entries(index: &File) -> io::Result<u64> {
        Ok(index.metadata()?.len() / RECORD)
    }

    /// An entry's end offset in the log, and its append time.
    fn entry_at(index: &File, at: u64) -> io::Result<(u64, u64)> {
        let mut bytes = [0; RECORD as usize];
        index.read_exact_at(&mut bytes, at * RECORD)?;
        Ok(pair(&bytes))
    }

    fn end_of(index: &File, entries: u64) -> io::Result<u64> {
        if entries == 0 { Ok(0) } else { Ok(Self::entry_at(index, entries - 1)?.0) }
    }

    /// Returns `false` if the log is full. The index is written last, and an entry without an index record does not
    /// exist: a writer that dies in between has appended nothing.
    fn append(&self, partition: u32, capacity: u64, payloads: &[Vec<u8>]) -> io::Result<bool> {
        let _lock = self.lock_appends()?;
        if self.backlog(Utc::now())?.waiting + payloads.len() as u64 > capacity {
            return Ok(false);
        }
        let (log, index) = (self.of(partition, "log")?, self.of(partition, "index")?);
        let entries = Self::entries(&index)?;
        let start = Self::end_of(&index, entries)?;
        let now = Utc::now().timestamp_millis().unsigned_abs();
        let (mut end, mut records) = (start, Vec::with_capacity(payloads.len() * RECORD as usize));
        for payload in payloads {
            end += payload.len() as u64;
            records.extend(record(end, now));
        }
        log.write_all_at(&payloads.concat(), start)?;
        log.sync_data()?;
        index.write_all_at(&records, entries * RECORD)?;
        index.sync_data()?;
        Ok(true)
    }

    /// Up to `max` uncommitted entries. The caller must own the partition.
    fn read(&self, partition: u32, max: usize) -> io::Result<Delivery> {
        let (log, index, state) = (self.of(partition, "log")?, self.of(partition, "index")?, self.state(partition)?);
        let until = Self::entries(&index)?.min(state.committed + max as u64);
        let mut start = Self::end_of(&index, state.committed)?;
        let mut entries = Vec::new();
        for at in state.committed..until {
            let (end, appended) = Self::entry_at(&index, at)?;
            let mut payload = vec![0; usize::try_from(end - start).unwrap_or_default()];
            log.read_exact_at(&mut payload, start)?;
            start = end;
            entries.push(LogEntry {
                id: format!("{partition}-{}", state.base + at),
                payload: String::from_utf8_lossy(&payload).into_owned(),
                appended_at: moment(appended),
            });
        }
        let position = Position(vec![(partition, (state.base + until).to_string())]);
        Ok(if entries.is_empty() { Delivery::default() } else { Delivery { entries, position } })
    }

    /// Commits up to an offset. The caller must own the partition.
    fn commit(&self, partition: u32, offset: u64) -> io::Result<()> {
        let state = self.state(partition)?;
        let committed = offset.saturating_sub(state.base).max(state.committed);
        self.save(partition, State { committed, ..state })?;
        let (log, index) = (self.of(partition, "log")?, self.of(partition, "index")?);
        if log.metadata()?.len() > KEPT_BYTES {
            let _lock = self.lock_appends()?;
            if Self::entries(&index)? == committed {
                // In this order: a process that dies in between causes a redelivery, not a loss.
                self.save(partition, State { base: state.base + committed, committed: 0 })?;
                index.set_len(0)?;
                log.set_len(0)?;
            }
        }
        Ok(())
    }

    fn backlog(&self, now: DateTime<Utc>) -> io::Result<Backlog> {
        let mut backlog = Backlog::default();
        for partition in 0..PARTITIONS {
            let (index, state) = (self.of(partition, "index")?, self.state(partition)?);
            let waiting = Self::entries(&index)?.saturating_sub(state.committed);
            if waiting > 0 {
                let appended = moment(Self::entry_at(&index, state.committed)?.1);
                backlog.waiting += waiting;
                backlog.lag = backlog.lag.max((now - appended).to_std().ok());
            }
        }
        Ok(backlog)
    }
}

fn record(first: u64, second: u64) -> [u8; RECORD as usize] {
    (u128::from(first) << 64 | u128::from(second)).to_be_bytes()
}

fn pair(bytes: &[u8; RECORD as usize]) -> (u64, u64) {
    let both = u128::from_be_bytes(*bytes);
    ((both >> 64) as u64, both as u64)
}

fn moment(millis: u64) -> DateTime<Utc> {
    i64::try_from(millis).ok().and_then(DateTime::from_timestamp_millis).unwrap_or_default()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, StorageError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done?),
        Err(lost) => Err(io::Error::other(lost).into()),
    }
}
