//! Loading a whole source.

use domain::artifacts::CacheFamily;
use domain::ingest::{Record, Source};
use domain::movies::Rating;
use sqlx::PgPool;
use storage::postgres::catalogue::{self, IngestCounts, LoadError};
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

async fn generations(pool: &PgPool) -> Vec<(String, i64)> {
    sqlx::query_as("SELECT family, generation FROM cache_generations ORDER BY family").fetch_all(pool).await.unwrap()
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_source_of_several_batches_is_written_whole_and_reports_its_progress(pool: PgPool) {
    let before = generations(&pool).await;
    // 320 units of weight in movies and one a rating: two full batches and a rest.
    let records = || movies().into_iter().chain(ratings(45_000)).map(Ok::<_, String>);
    let mut progress = Vec::new();
    let counts = catalogue::load(&pool, Source::Movielens, records(), |done| progress.push(done)).await.unwrap();
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

    let again = catalogue::load(&pool, Source::Movielens, records(), |_| {}).await.unwrap();
    assert_eq!(again, IngestCounts { movies_unchanged: 8, ..IngestCounts::default() });
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_source_that_breaks_keeps_the_batches_before_and_says_why(pool: PgPool) {
    let broken = || {
        let good = movies().into_iter().chain(ratings(25_000)).map(Ok);
        good.chain([Err("the file ends here".to_owned())])
    };
    let Err(LoadError::Source(reason)) = catalogue::load(&pool, Source::Movielens, broken(), |_| {}).await else {
        panic!("the load went through");
    };
    assert_eq!(reason, "the file ends here");
    assert_eq!((count(&pool, "movies").await, count(&pool, "ratings").await), (8, 19_680));
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_reader_that_panics_is_told_from_a_store_that_fails(pool: PgPool) {
    let panics = std::iter::from_fn(|| -> Option<Result<Record, String>> { panic!("a bug in the parser") });
    let error = catalogue::load(&pool, Source::Demo, panics, |_| {}).await.unwrap_err();
    assert!(matches!(&error, LoadError::Reader(panic) if panic.is_panic()), "{error}");
}
