use std::sync::Arc;

use domain::page::{Limit, Page};
use futures::TryStreamExt;
use query::genre_stats::TopGenres;
use query::movies::Movies;
use query::{Listing, Paged, QueryError, Question, Reader};
use sqlx::PgPool;
use test_support::fixture;

use crate::reader;

fn page(limit: &str) -> Page {
    Page::first(Limit::try_from(limit.to_owned()).unwrap())
}

async fn exported(list: Paged<Movies>, reader: &Arc<Reader>, whole: bool) -> Vec<i64> {
    let chunks = list.export(reader.clone(), whole).await.unwrap().into_stream();
    chunks.try_collect::<Vec<_>>().await.unwrap().iter().flatten().map(|movie| movie.movie_id).collect()
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn an_export_is_the_page_asked_for_or_the_whole_list(pool: PgPool) {
    fixture::catalogue(&pool).await;
    let list = || Paged::new(Movies::default(), page("2"));
    let reader = reader(&pool).await;
    let view = list().read(&reader).await.unwrap();
    let first: Vec<i64> = view.items.iter().map(|movie| movie.movie_id).collect();
    assert_eq!(exported(list(), &reader, false).await, first);
    let whole = exported(list(), &reader, true).await;
    assert_eq!(whole.len() as i64, view.total);
    assert!(whole.is_sorted(), "in the order of ids");
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn an_artifact_that_was_never_computed_says_so(pool: PgPool) {
    let reader = reader(&pool).await;
    let error = Paged::new(TopGenres::default(), page("20")).read(&reader).await.unwrap_err();
    assert!(matches!(error, QueryError::NotComputed { .. }), "{error}");
    let day = "2026-03-10".parse().ok();
    let error = Paged::new(TopGenres { as_of: day }, page("20")).read(&reader).await.unwrap_err();
    assert!(matches!(error, QueryError::NotFound { field: "as_of", .. }), "{error}");
}
