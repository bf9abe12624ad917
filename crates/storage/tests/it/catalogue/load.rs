//! Loading a whole source.

use domain::artifacts::CacheFamily;
use domain::ingest::{Record, Source};
use domain::movies::Rating;
use sqlx::PgPool;
use storage::postgres::batch::{self, EventRun};
use storage::postgres::catalogue::{self, IngestCounts, LoadError, SourceLease, Taken};
use test_support::fixture;

use crate::support::{at, count};

fn movies() -> Vec<Record> {
    fixture::movies().into_iter().map(|movie| Record::Movie(Box::new(movie))).collect()
}

fn ratings(viewers: i64) -> impl Iterator<Item = Record> + Send {
    (1..=viewers).map(|user_id| {
        let movie_id = fixture::movie_id(550);
        Record::Rating(Rating { user_id, movie_id, rating: 8.0, rated_at: at(1, 0) })
    })
}

async fn leased(pool: &PgPool, source: Source) -> SourceLease {
    match SourceLease::take(pool, source, "test").await.unwrap() {
        Taken::Lease(lease) => lease,
        Taken::HeldBy(holder) => panic!("held by {holder}"),
    }
}

async fn generations(pool: &PgPool) -> Vec<(String, i64)> {
    sqlx::query_as("SELECT family, generation FROM cache_generations ORDER BY family").fetch_all(pool).await.unwrap()
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_source_of_several_batches_is_written_whole_and_reports_its_progress(pool: PgPool) {
    let before = generations(&pool).await;
    // 320 units of weight in movies and one a rating: two full batches and a rest.
    let records = || movies().into_iter().chain(ratings(45_000)).map(Ok::<_, String>);
    let mut progress = Vec::new();
    let counts = catalogue::load(&pool, &leased(&pool, Source::Movielens).await, records(), |done| progress.push(done))
        .await
        .unwrap();
    assert_eq!(counts, IngestCounts { movies_added: 8, ratings: 45_000, ..IngestCounts::default() });
    assert_eq!(progress, [19_688, 39_688, 45_008]);
    assert_eq!(count(&pool, "ratings").await, 45_000);

    let moved: Vec<String> = generations(&pool)
        .await
        .into_iter()
        .zip(&before)
        .filter(|(now, before)| now != *before)
        .map(|(now, _)| now.0)
        .collect();
    use CacheFamily::{Movies, Predictions, Recommendations, Search, Trending};
    let mut expected = [Movies, Predictions, Recommendations, Search, Trending].map(|f| f.as_str());
    expected.sort_unstable();
    assert_eq!(moved, expected, "what carries titles or popularity is stale");

    let again = catalogue::load(&pool, &leased(&pool, Source::Movielens).await, records(), |_| {}).await.unwrap();
    assert_eq!(again, IngestCounts { movies_unchanged: 8, ..IngestCounts::default() });
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_source_that_breaks_keeps_the_batches_before_and_says_why(pool: PgPool) {
    let broken = || {
        let good = movies().into_iter().chain(ratings(25_000)).map(Ok);
        good.chain([Err("the file ends here".to_owned())])
    };
    let Err(LoadError::Source(reason)) =
        catalogue::load(&pool, &leased(&pool, Source::Movielens).await, broken(), |_| {}).await
    else {
        panic!("the load went through");
    };
    assert_eq!(reason, "the file ends here");
    assert_eq!((count(&pool, "movies").await, count(&pool, "ratings").await), (8, 19_680));
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_reader_that_panics_is_told_from_a_store_that_fails(pool: PgPool) {
    let panics = std::iter::from_fn(|| -> Option<Result<Record, String>> { panic!("a bug in the parser") });
    let error = catalogue::load(&pool, &leased(&pool, Source::Demo).await, panics, |_| {}).await.unwrap_err();
    assert!(matches!(&error, LoadError::Reader(panic) if panic.is_panic()), "{error}");
}

/// A run over events that is published waits for the rows of the generations and holds back the speed layer meanwhile; so
/// these rows must not be locked while statistics are collected.
#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn statistics_that_wait_hold_up_neither_a_run_nor_the_speed_layer(pool: PgPool) {
    fixture::catalogue(&pool).await;
    let mut other = pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE movie_search IN SHARE UPDATE EXCLUSIVE MODE").execute(&mut *other).await.unwrap();
    let ending = pool.clone();
    let ingest = tokio::spawn(async move {
        catalogue::published(&ending).await.unwrap();
        catalogue::analyze(&ending).await.unwrap();
    });
    test_support::eventually("the statistics wait", std::time::Duration::from_secs(10), async || {
        let waiting: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database()
                            AND query LIKE 'ANALYZE%' AND wait_event_type = 'Lock')",
        )
        .fetch_one(&pool)
        .await
        .unwrap();
        waiting.then_some(())
    })
    .await;
    let artifact = domain::artifacts::Artifact::BatchStatsHourly;
    let watermark = domain::hours::Hour::of(fixture::now());
    let run_id = crate::support::begin(&pool, artifact).await;
    let (tx, snapshot) = batch::snapshot(&pool).await.unwrap();
    tx.commit().await.unwrap();
    let run = EventRun { run_id, watermark, snapshot };
    let publish = batch::publish(&pool, artifact, &run, 1, true);
    tokio::time::timeout(std::time::Duration::from_secs(5), publish).await.expect("the run is published").unwrap();
    assert!(!ingest.is_finished());
    other.rollback().await.unwrap();
    ingest.await.unwrap();
}
