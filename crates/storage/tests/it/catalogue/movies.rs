//! Reading movies.

use domain::page::Limit;
use futures::TryStreamExt;
use sqlx::PgPool;
use storage::postgres::catalogue::movies::{self, MovieFactsRow, MovieFeaturesRow, MovieSummary};
use test_support::fixture;

use crate::support::{page, tombstone};

fn ids(rows: &[MovieSummary]) -> Vec<i64> {
    rows.iter().map(|row| row.movie_id).collect()
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn the_list_is_ordered_by_popularity_and_paged_without_tombstones(pool: PgPool) {
    fixture::catalogue(&pool).await;
    tombstone(&pool, 603).await;
    let (rows, total) = movies::list(&pool, None, page(3, 0)).await.unwrap();
    assert_eq!((ids(&rows), total), (vec![238, 550, 240], 7));
    let movie = &fixture::movies()[0];
    let expected = MovieSummary {
        movie_id: 238,
        title: movie.title.clone(),
        release_date: movie.release_date,
        genres: movie.genres.clone(),
        runtime: movie.runtime,
        popularity: 90.0,
        vote_average: 8.7,
        vote_count: 1_000,
        poster_path: None,
    };
    assert_eq!(rows[0], expected);
    let (rows, total) = movies::list(&pool, None, page(3, 6)).await.unwrap();
    assert_eq!((ids(&rows), total), (vec![289], 7));
    let (rows, total) = movies::list(&pool, Some("Romance"), page(3, 0)).await.unwrap();
    assert_eq!((ids(&rows), total), (vec![194, 289], 2));
    assert_eq!(movies::list(&pool, Some("Nothing"), page(3, 0)).await.unwrap(), (vec![], 0));
    assert_eq!(movies::count(&pool).await.unwrap(), 7);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn steps_by_id_meet_every_shown_movie_once(pool: PgPool) {
    fixture::catalogue(&pool).await;
    tombstone(&pool, 603).await;
    let limit = Limit::try_from("3".to_owned()).unwrap();
    let (mut met, mut last) = (Vec::new(), 0);
    loop {
        let step = ids(&movies::after(&pool, None, last, limit).await.unwrap());
        let Some(id) = step.last() else { break };
        last = *id;
        met.extend(step);
    }
    assert_eq!(met, [129, 194, 238, 240, 289, 550, 604]);
    assert_eq!(ids(&movies::after(&pool, Some("Drama"), 238, Limit::ONE).await.unwrap()), [240]);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_genre_is_known_by_any_case_once_its_statistics_are_published(pool: PgPool) {
    fixture::catalogue(&pool).await;
    assert_eq!(movies::genre_name(&pool, "Drama").await.unwrap(), None);
    fixture::artifacts(&pool).await;
    for asked in ["science fiction", "SCIENCE FICTION", "Science Fiction"] {
        assert_eq!(movies::genre_name(&pool, asked).await.unwrap().as_deref(), Some("Science Fiction"), "{asked}");
    }
    assert_eq!(movies::genre_name(&pool, "Science").await.unwrap(), None);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn statistics_and_similarity_stream_what_they_need_of_every_shown_movie(pool: PgPool) {
    fixture::catalogue(&pool).await;
    for movie in fixture::movies().iter().map(|movie| movie.id.get()).filter(|id| *id != 238) {
        tombstone(&pool, movie).await;
    }
    let movie = fixture::movies().remove(0);
    let facts: Vec<MovieFactsRow> = movies::facts(&pool).try_collect().await.unwrap();
    let expected = MovieFactsRow {
        genres: movie.genres.clone(),
        release_date: movie.release_date,
        vote_average: 8.7,
        vote_count: 1_000,
        popularity: 90.0,
        revenue: Some(245_066_411),
        budget: Some(6_000_000),
        runtime: Some(120),
    };
    assert_eq!(facts, [expected]);
    let features: Vec<MovieFeaturesRow> = movies::features(&pool).try_collect().await.unwrap();
    let expected = MovieFeaturesRow {
        movie_id: movie.id,
        genres: movie.genres,
        keywords: vec!["mafia".into()],
        release_date: movie.release_date,
        director_ids: vec![1776],
        cast_ids: vec![1158],
    };
    assert_eq!(features, [expected]);
}
