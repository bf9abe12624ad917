//! What the search engines are filled from. What they answer is `search_index`.

use domain::ingest::{Record, Source};
use domain::search::{NameFields, SearchDocument, SearchHit};
use sqlx::PgPool;
use storage::postgres::catalogue::{record_missing, search};
use storage::postgres::search_outbox as outbox;
use test_support::fixture;

use crate::support::{count, tombstone, write};

fn ids(documents: &[SearchDocument]) -> Vec<i64> {
    documents.iter().map(|document| document.hit.movie_id.get()).collect()
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn documents_carry_the_whole_movie_in_steps_by_id(pool: PgPool) {
    fixture::catalogue(&pool).await;
    tombstone(&pool, 240).await;
    assert_eq!(ids(&search::documents(&pool, 0, 3).await.unwrap()), [129, 194, 238]);
    assert_eq!(ids(&search::documents(&pool, 238, 100).await.unwrap()), [289, 550, 603, 604]);
    assert_eq!(search::documents(&pool, 604, 100).await.unwrap(), []);

    let movie = fixture::movies().remove(0);
    let expected = SearchDocument {
        hit: SearchHit {
            movie_id: movie.id,
            title: "The Godfather".into(),
            release_date: movie.release_date,
            genres: movie.genres,
            vote_average: 8.7,
            vote_count: 1_000,
            popularity: 90.0,
            overview: movie.overview,
            poster_path: None,
        },
        original_title: None,
        names: NameFields::of("The Godfather", None),
        release_year: Some(1972),
        keywords: vec!["mafia".into()],
        people: vec!["Francis Ford Coppola".into(), "Al Pacino".into()],
        title_words: 2,
    };
    assert_eq!(search::documents_of(&pool, &[238, 240, 999]).await.unwrap(), [expected]);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn the_outbox_learns_of_described_and_missing_movies(pool: PgPool) {
    fixture::catalogue(&pool).await;
    outbox::keep(&pool, "movies").await.unwrap();
    assert_eq!(outbox::movies(&pool, "movies", 10).await.unwrap(), Vec::<i64>::new());

    let mut movie = fixture::movies().remove(0);
    movie.title = "Il padrino".into();
    write(&pool, Source::Demo, vec![Record::Movie(Box::new(movie))]).await;
    let mut conn = pool.acquire().await.unwrap();
    for _ in 0..2 {
        record_missing(&mut conn, &[fixture::movie_id(603)]).await.unwrap();
    }
    let changed = outbox::movies(&pool, "movies", 10).await.unwrap();
    assert_eq!(changed, [238, 603]);
    assert_eq!(ids(&search::documents_of(&pool, &changed).await.unwrap()), [238], "603 is to be removed");
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_rebuild_heals_rows_that_are_lost_or_wrong_and_leaves_tombstones_out(pool: PgPool) {
    fixture::catalogue(&pool).await;
    let rows = async || -> Vec<(i64, String, String)> {
        sqlx::query_as("SELECT movie_id, title_key, document::text FROM movie_search ORDER BY movie_id")
            .fetch_all(&pool)
            .await
            .unwrap()
    };
    let right = rows().await;
    assert_eq!(right.len(), 8);
    assert_eq!((right[1].0, right[1].1.as_str()), (194, "amelie"));
    sqlx::query("DELETE FROM movie_search WHERE movie_id < 200").execute(&pool).await.unwrap();
    sqlx::query("UPDATE movie_search SET title_key = 'wrong' WHERE movie_id = 550").execute(&pool).await.unwrap();
    let mut progress = Vec::new();
    assert_eq!(search::rebuild(&pool, |done| progress.push(done)).await.unwrap(), 8);
    assert_eq!((rows().await, progress), (right, vec![8]));

    sqlx::query("TRUNCATE movie_search CASCADE").execute(&pool).await.unwrap();
    tombstone(&pool, 550).await;
    assert_eq!(search::rebuild(&pool, |_| {}).await.unwrap(), 7);
    assert_eq!(count(&pool, "movie_search").await, 7);
}
