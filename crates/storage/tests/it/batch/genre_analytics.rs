//! A genre's movies by year and month of release.

use domain::RunId;
use domain::artifacts::Artifact;
use domain::genre_analytics::{GenreSums, Selection, Sum};
use domain::genre_stats::MovieFacts;
use domain::hours::Hour;
use domain::page::Limit;
use domain::sentiment::Tally;
use futures::TryStreamExt;
use sqlx::PgPool;
use storage::postgres::batch::genre_analytics::{self, Month, Movie, MovieRow};
use storage::postgres::batch::sentiment;
use test_support::fixture;

use crate::support::{at, begin, publish, tombstone};

fn select(genre: &str, year: Option<i32>, month: Option<i32>) -> Selection {
    Selection { genre: genre.into(), year, month }
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn movies_carry_the_sums_of_the_published_sentiment(pool: PgPool) {
    fixture::catalogue(&pool).await;
    for movie in fixture::movies().iter().map(|movie| movie.id.get()).filter(|id| !matches!(id, 238 | 603)) {
        tombstone(&pool, movie).await;
    }
    let tally = |sum, positive, negative| Tally { sum, sum_squares: 1.0, positive, negative, neutral: 1 };
    let hour = |n| Hour::of(at(n, 0));
    let run = begin(&pool, Artifact::BatchSentimentHourly).await;
    let movie = fixture::movie_id(238);
    let hours = [(movie, hour(1), tally(0.5, 1, 0)), (movie, hour(2), tally(-0.75, 0, 2))];
    sentiment::stage(&pool, run, &hours).await.unwrap();
    publish(&pool, Artifact::BatchSentimentHourly, run, 2).await;
    let staged = begin(&pool, Artifact::BatchSentimentHourly).await;
    sentiment::stage(&pool, staged, &[(movie, hour(3), tally(9.0, 9, 9))]).await.unwrap();

    let movies: Vec<Movie> = genre_analytics::movies(&pool).try_collect().await.unwrap();
    let described = fixture::movies();
    let expected = |n: usize, sentiment| Movie {
        genres: described[n].genres.clone(),
        release_date: described[n].release_date,
        facts: MovieFacts {
            vote_average: described[n].vote_average,
            vote_count: described[n].vote_count,
            popularity: described[n].popularity,
            revenue: described[n].revenue,
            budget: described[n].budget,
            runtime: described[n].runtime,
        },
        sentiment,
    };
    assert_eq!(movies, [expected(0, Sum { sum: -0.25, count: 5 }), expected(1, Sum::default())]);
}

/// Sums that differ in every field, `n` times.
fn sums(n: i64) -> GenreSums {
    let sum = |value: i64| Sum { sum: (n * value) as f64, count: n * value };
    GenreSums {
        total_movies: n,
        rating: sum(2),
        sentiment: sum(3),
        // Every movie has a popularity.
        popularity: Sum { sum: (n * 4) as f64, count: n },
        budget: sum(5),
        runtime: sum(6),
        total_revenue: n * 7,
    }
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn any_selection_of_months_is_the_sum_of_its_rows(pool: PgPool) {
    let (run, other) = (RunId::new(), RunId::new());
    let month = |genre: &str, year, month, n| Month { genre: genre.into(), year, month, sums: sums(n) };
    let rows = [
        month("Drama", 1999, 3, 1),
        month("Drama", 1999, 10, 10),
        month("Drama", 1972, 3, 100),
        month("Drama", 0, 0, 1_000),
        month("Crime", 1999, 3, 10_000),
    ];
    genre_analytics::stage(&pool, run, &rows).await.unwrap();
    genre_analytics::stage(&pool, other, &[month("Drama", 1999, 3, 5)]).await.unwrap();
    for (selection, n) in [
        (select("Drama", None, None), 1_111),
        (select("Drama", Some(1999), None), 11),
        (select("Drama", None, Some(3)), 101),
        (select("Drama", Some(1999), Some(10)), 10),
        (select("Drama", Some(1950), None), 0),
        (select("Crime", None, None), 10_000),
        (select("crime", None, None), 0),
    ] {
        assert_eq!(genre_analytics::sums(&pool, run, &selection).await.unwrap(), sums(n), "{selection:?}");
    }
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_selections_movies_come_best_rated_first_or_step_by_step_by_id(pool: PgPool) {
    fixture::catalogue(&pool).await;
    tombstone(&pool, 240).await;
    let ids = |rows: &[MovieRow]| rows.iter().map(|row| row.movie_id).collect::<Vec<_>>();
    for (selection, expected) in [
        (select("Drama", None, None), vec![238, 550, 289]),
        (select("Drama", Some(1999), None), vec![550]),
        (select("Drama", None, Some(3)), vec![238]),
        (select("Action", Some(1999), Some(3)), vec![603]),
        (select("Drama", Some(999_999), None), vec![]),
    ] {
        let all: Vec<MovieRow> = genre_analytics::list(&pool, &selection).try_collect().await.unwrap();
        assert_eq!(ids(&all), expected, "{selection:?}");
        let mut steps = genre_analytics::after(&pool, &selection, 0, Limit::STEP).await.unwrap();
        assert!(steps.is_sorted_by_key(|row| row.movie_id), "{selection:?}");
        let rest = genre_analytics::after(&pool, &selection, 238, Limit::STEP).await.unwrap();
        assert_eq!(rest, steps.iter().filter(|row| row.movie_id > 238).cloned().collect::<Vec<_>>());
        let by_rank = |row: &MovieRow| all.iter().position(|other| other.movie_id == row.movie_id);
        steps.sort_by_key(by_rank);
        assert_eq!(steps, all, "{selection:?}");
    }
    let first = genre_analytics::after(&pool, &select("Drama", None, None), 0, Limit::ONE).await.unwrap();
    let movie = &fixture::movies()[0];
    let expected = MovieRow {
        movie_id: 238,
        title: "The Godfather".into(),
        vote_average: 8.7,
        popularity: 90.0,
        vote_count: 1_000,
        release_date: movie.release_date,
    };
    assert_eq!(first, [expected]);
}
