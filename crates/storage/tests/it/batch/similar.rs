//! Similar titles.

use domain::RunId;
use sqlx::PgPool;
use storage::postgres::batch::similar::{self, Similar, SimilarRow};
use test_support::fixture;

use crate::support::{page, tombstone};

fn row(movie: i64, score: f32) -> SimilarRow {
    let movie = fixture::movies().into_iter().find(|m| m.id.get() == movie).unwrap();
    SimilarRow {
        movie_id: movie.id.get(),
        title: movie.title,
        release_date: movie.release_date,
        genres: movie.genres,
        poster_path: movie.poster_path,
        vote_average: movie.vote_average,
        vote_count: movie.vote_count,
        popularity: movie.popularity,
        score,
    }
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn titles_keep_their_order_and_leave_tombstones_out(pool: PgPool) {
    fixture::catalogue(&pool).await;
    let run = RunId::new();
    let titles = [(240, 0.9), (550, 0.5), (999, 0.4), (289, 0.5)];
    let of = |id: i64, titles: &[(i64, f32)]| Similar {
        movie_id: fixture::movie_id(id),
        titles: titles.iter().map(|(id, score)| (fixture::movie_id(*id), *score)).collect(),
    };
    similar::stage(&pool, run, &[of(238, &titles), of(603, &[])]).await.unwrap();
    similar::stage(&pool, RunId::new(), &[of(238, &[(603, 1.0)])]).await.unwrap();
    tombstone(&pool, 550).await;
    let page_of =
        async |id, limit, offset| similar::page(&pool, run, fixture::movie_id(id), page(limit, offset)).await.unwrap();
    assert_eq!(page_of(238, 20, 0).await, Some((vec![row(240, 0.9), row(289, 0.5)], 2)));
    assert_eq!(page_of(238, 1, 1).await, Some((vec![row(289, 0.5)], 2)));
    assert_eq!(page_of(603, 20, 0).await, Some((vec![], 0)), "nothing is like it");
    assert_eq!(page_of(194, 20, 0).await, Some((vec![], 0)), "newer than the run");
    assert_eq!(page_of(999, 20, 0).await, None, "no such movie");
    assert_eq!(page_of(550, 20, 0).await, None, "no longer shown");
}
