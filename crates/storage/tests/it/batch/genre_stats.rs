//! Statistics by genre.

use domain::RunId;
use domain::genre_stats::{GenreStats, MovieFacts};
use sqlx::PgPool;
use storage::postgres::batch::genre_stats::{self, GenreStatsRow};

use crate::support::page;

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn genres_with_most_movies_come_first_and_what_is_unknown_stays_so(pool: PgPool) {
    let facts = MovieFacts {
        vote_average: 8.0,
        vote_count: 10,
        popularity: 4.0,
        revenue: Some(300),
        budget: Some(100),
        runtime: Some(90),
    };
    let unknown = MovieFacts { vote_count: 0, revenue: None, budget: None, runtime: None, popularity: 2.0, ..facts };
    let of = |movies: &[&MovieFacts]| {
        let mut stats = GenreStats::default();
        movies.iter().for_each(|movie| stats.add(movie));
        stats
    };
    let (run, other) = (RunId::new(), RunId::new());
    let stats = [
        ("Crime".to_owned(), of(&[&unknown])),
        ("Drama".to_owned(), of(&[&facts, &unknown])),
        ("Action".to_owned(), of(&[&unknown])),
    ];
    genre_stats::stage(&pool, run, &stats).await.unwrap();
    genre_stats::stage(&pool, other, &stats[..1]).await.unwrap();
    let drama = GenreStatsRow {
        genre: "Drama".into(),
        movie_count: 2,
        vote_count: 10,
        avg_rating: Some(8.0),
        avg_popularity: Some(3.0),
        avg_budget: Some(100.0),
        avg_runtime: Some(90.0),
        total_revenue: 300,
    };
    let nothing_known = |genre: &str| GenreStatsRow {
        genre: genre.into(),
        movie_count: 1,
        vote_count: 0,
        avg_rating: None,
        avg_popularity: Some(2.0),
        avg_budget: None,
        avg_runtime: None,
        total_revenue: 0,
    };
    let all = vec![drama, nothing_known("Action"), nothing_known("Crime")];
    assert_eq!(genre_stats::top(&pool, run, page(20, 0)).await.unwrap(), (all.clone(), 3));
    assert_eq!(genre_stats::top(&pool, run, page(1, 2)).await.unwrap(), (all[2..].to_vec(), 3));
    assert_eq!(genre_stats::top(&pool, RunId::new(), page(20, 0)).await.unwrap(), (vec![], 0));
}
