//! Keeps the Meilisearch index current: sends changes of movies from the outbox, and corrects drift.
//!
//! One worker does it at a time, by lease. Nothing here holds up ingest, which only writes the outbox; while Meilisearch
//! is slow or away, changes wait there.

use std::time::Duration;

use chrono::Utc;
use domain::MovieId;
use domain::jobs::JobKind;
use sqlx::PgPool;
use storage::StorageError;
use storage::postgres::catalogue::{movies, search};
use storage::postgres::jobs::{NewJob, enqueue};
use storage::postgres::search_outbox::{self as outbox, Change};
use storage::search_index::Meilisearch;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::JobError;

/// Interval at which the outbox is read: a change is searchable about a second later.
const DRAIN_INTERVAL: Duration = Duration::from_secs(1);
/// Movies per batch: about 500 KB, indexed in well under a second.
const BATCH: i64 = 500;
/// Longest pause after failures; it doubles from [`DRAIN_INTERVAL`].
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// Interval at which the index is registered as kept, and other workers' unkept ones are forgotten.
const KEEP_INTERVAL: Duration = Duration::from_secs(600);
/// Documents compared with the catalogue per check.
const SAMPLE: usize = 100;
/// Documents of a sample that may differ and are sent again one by one; more of them mean a rebuild.
const REPAIRS_MAX: usize = SAMPLE / 10;

/// Keeps the index until `stop`.
struct Keeper {
    pool: PgPool,
    meilisearch: Meilisearch,
    token: Uuid,
    check_interval: Duration,
}

/// Runs until `stop`. Without Meilisearch it only forgets the outboxes of indexes that no worker keeps any more.
pub(crate) async fn run(
    pool: PgPool,
    meilisearch: Option<Meilisearch>,
    check_interval: Duration,
    stop: CancellationToken,
) {
    let work = async {
        match meilisearch {
            Some(meilisearch) => Keeper { pool, meilisearch, token: Uuid::new_v4(), check_interval }.run().await,
            None => forget(&pool).await,
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}

async fn forget(pool: &PgPool) {
    let mut tick = tokio::time::interval(KEEP_INTERVAL);
    loop {
        tick.tick().await;
        if let Err(error) = outbox::forget_unkept(pool).await {
            tracing::debug!(%error, "unkept search indexes were not forgotten; retrying later");
        }
    }
}

impl Keeper {
    async fn run(self) {
        let mut tick = tokio::time::interval(DRAIN_INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut failures, mut kept, mut checked) = (0_u32, None::<Instant>, None::<Instant>);
        let due = |at: Option<Instant>, interval| at.is_none_or(|at: Instant| at.elapsed() >= interval);
        loop {
            tick.tick().await;
            let step = async {
                if due(kept, KEEP_INTERVAL) {
                    self.keep().await?;
                    kept = Some(Instant::now());
                }
                if !outbox::take_writer(&self.pool, self.meilisearch.index(), self.token).await? {
                    return Ok(());
                }
                self.drain().await?;
                if due(checked, self.check_interval) {
                    self.check().await?;
                    checked = Some(Instant::now());
                }
                Ok::<_, JobError>(())
            };
            match step.await {
                Ok(()) => failures = 0,
                Err(error) => {
                    failures += 1;
                    let pause = DRAIN_INTERVAL.saturating_mul(1 << failures.min(10)).min(BACKOFF_MAX);
                    metrics::counter!("search_outbox_failures_total").increment(1);
                    tracing::warn!(%error, seconds = pause.as_secs(), "Meilisearch was not updated; retrying later");
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// Registers the index. Where changes may have been missed, it is rebuilt.
    async fn keep(&self) -> Result<(), JobError> {
        outbox::forget_unkept(&self.pool).await?;
        let missed = outbox::keep(&self.pool, self.meilisearch.index()).await?;
        if missed && movies::count(&self.pool).await? > 0 {
            self.rebuild("its changes were not recorded before").await?;
        }
        Ok(())
    }

    /// Sends what is in the outbox, batch by batch, as long as the lease is held.
    async fn drain(&self) -> Result<(), JobError> {
        let index = self.meilisearch.index();
        loop {
            let changes = outbox::pending(&self.pool, index, BATCH).await?;
            metrics::gauge!("search_outbox_batch").set(changes.len() as f64);
            if changes.is_empty() || !self.send(&changes).await? {
                return Ok(());
            }
            let more = changes.len() as i64 == BATCH;
            let held = outbox::settle(&self.pool, index, self.token, &changes).await?
                && outbox::take_writer(&self.pool, index, self.token).await?;
            if !more || !held {
                return Ok(());
            }
        }
    }

    /// Returns whether there is an index to send to. Without one the outbox waits for the build.
    async fn send(&self, changes: &[Change]) -> Result<bool, JobError> {
        let ids: Vec<i64> = changes.iter().map(|change| change.movie_id.get()).collect();
        let documents = search::documents_of(&self.pool, &ids).await?;
        let gone: Vec<MovieId> = changes
            .iter()
            .map(|change| change.movie_id)
            .filter(|id| documents.binary_search_by_key(id, |document| document.hit.movie_id).is_err())
            .collect();
        Ok(self.meilisearch.apply(&documents, &gone).await?)
    }

    /// Compares the index with the catalogue and has differences repaired.
    async fn check(&self) -> Result<(), JobError> {
        let index = self.meilisearch.index();
        let indexes = self.meilisearch.indexes().await?;
        let building = outbox::building(&self.pool, index).await?;
        let swept = self.meilisearch.sweep(&indexes, building).await?;
        if swept > 0 {
            tracing::info!(indexes = swept, "deleted what dead builds of the search index left");
        }
        if building.is_some() {
            return Ok(());
        }
        let movies = movies::count(&self.pool).await?;
        let indexed = self.meilisearch.document_count().await?;
        let Some(indexed) = indexed else {
            return if movies > 0 { self.rebuild("it does not exist").await } else { Ok(()) };
        };
        if self.meilisearch.has_settings().await? != Some(true) {
            return self.rebuild("its settings differ").await;
        }
        let waiting = outbox::movies(&self.pool, index, i64::MAX).await?;
        let difference = movies.abs_diff(indexed as i64);
        if difference > waiting.len() as u64 {
            return self.rebuild(&format!("it holds {indexed} movies of {movies}")).await;
        }
        self.check_sample(indexed, &waiting).await
    }

    async fn check_sample(&self, indexed: usize, waiting: &[i64]) -> Result<(), JobError> {
        // A different part each time; the token's bits need no further generator.
        let offset = (Uuid::new_v4().as_u128() % (indexed.saturating_sub(SAMPLE).max(1) as u128)) as usize;
        let sample = match self.meilisearch.documents(offset, SAMPLE).await {
            Ok(sample) => sample,
            Err(StorageError::Meilisearch(meilisearch_error)) if is_shape(&meilisearch_error) => {
                return self.rebuild("its documents have another shape").await;
            }
            Err(error) => return Err(error.into()),
        };
        let ids: Vec<i64> = sample.iter().map(|document| document.hit.movie_id.get()).collect();
        let current = search::documents_of(&self.pool, &ids).await?;
        let differing: Vec<i64> = sample
            .iter()
            .filter(|document| !current.contains(document))
            .map(|document| document.hit.movie_id.get())
            .filter(|id| waiting.binary_search(id).is_err())
            .collect();
        // Changes that were committed between the two reads are in the outbox by now.
        let waiting = outbox::movies(&self.pool, self.meilisearch.index(), i64::MAX).await?;
        let differing: Vec<i64> = differing.into_iter().filter(|id| waiting.binary_search(id).is_err()).collect();
        match differing.len() {
            0 => Ok(()),
            few if few <= REPAIRS_MAX && sample.len() == SAMPLE => {
                tracing::warn!(movies = few, "the search index differs from the catalogue; sending these movies again");
                Ok(outbox::add(&self.pool, self.meilisearch.index(), &differing).await?)
            }
            many => self.rebuild(&format!("{many} of {} movies in it differ", sample.len())).await,
        }
    }

    /// Enqueues a rebuild, at most one an hour, so that a repair that does not help cannot go on for ever.
    async fn rebuild(&self, reason: &str) -> Result<(), JobError> {
        let by = format!("search-drift:{}:{}", self.meilisearch.index(), Utc::now().format("%Y-%m-%dT%H"));
        let new = NewJob { idempotency_key: Some(by), ..NewJob::of(JobKind::SearchIndex, "search-drift") };
        let mut conn = self.pool.acquire().await.map_err(StorageError::from)?;
        let (job, created) = enqueue(&mut conn, new).await?;
        if created {
            tracing::warn!(job = %job.id, reason, "the search index is rebuilt");
        }
        Ok(())
    }
}

/// Whether documents could not be read because of their shape.
fn is_shape(error: &storage::search_index::SdkError) -> bool {
    matches!(error, storage::search_index::SdkError::ParseError(_))
}
