//! A small catalogue that tests can reason about: eight movies, a week of metrics, every artifact published.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use domain::artifacts::Artifact;
use domain::genre_stats::{GenreStats, MovieFacts};
use domain::ingest::{Record, Source};
use domain::jobs::JobKind;
use domain::movies::{CastMember, Credits, DailyMetrics, Movie, Person};
use domain::ratings_by_decade::{DecadeStats, decade};
use domain::{JobId, MovieId, PersonId, trending};
use sqlx::PgPool;
use std::collections::BTreeMap;
use storage::postgres;
use storage::postgres::batch::similar::Similar;
use storage::postgres::jobs::NewJob;

/// The last day of the fixture.
pub fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 3, 10).unwrap()
}

/// Noon of [`today`].
pub fn now() -> DateTime<Utc> {
    today().and_hms_opt(12, 0, 0).unwrap().and_utc()
}

/// An id that is known to be valid.
pub fn movie_id(raw: i64) -> MovieId {
    MovieId::new(raw).unwrap()
}

fn person(id: i64, name: &str) -> Person {
    Person { id: PersonId::new(id).unwrap(), name: name.to_owned() }
}

/// A movie with made-up but fixed numbers.
pub fn movie(id: i64, title: &str, date: (i32, u32, u32), genres: &[&str], popularity: f64, rating: f64) -> Movie {
    let mut movie = Movie::titled(movie_id(id), title);
    movie.release_date = NaiveDate::from_ymd_opt(date.0, date.1, date.2);
    movie.genres = genres.iter().map(|g| (*g).to_owned()).collect();
    movie.overview = Some(format!("What happens in {title}."));
    movie.runtime = Some(120);
    movie.original_language = Some("en".into());
    movie.popularity = popularity;
    movie.vote_average = rating;
    movie.vote_count = 1_000;
    movie
}

/// The movies, most popular first.
pub fn movies() -> Vec<Movie> {
    let mut movies = vec![
        movie(238, "The Godfather", (1972, 3, 14), &["Drama", "Crime"], 90.0, 8.7),
        movie(603, "The Matrix", (1999, 3, 30), &["Action", "Science Fiction"], 80.0, 8.2),
        movie(550, "Fight Club", (1999, 10, 15), &["Drama", "Thriller"], 70.0, 8.4),
        movie(240, "The Godfather Part II", (1974, 12, 20), &["Drama", "Crime"], 60.0, 8.6),
        movie(194, "Amélie", (2001, 4, 25), &["Comedy", "Romance"], 50.0, 7.9),
        movie(604, "The Matrix Reloaded", (2003, 5, 15), &["Action", "Science Fiction"], 40.0, 7.0),
        movie(129, "Spirited Away", (2001, 7, 20), &["Animation", "Family", "Fantasy"], 30.0, 8.5),
        movie(289, "Casablanca", (1943, 1, 15), &["Drama", "Romance"], 20.0, 8.2),
    ];
    for movie in &mut movies {
        let (director, lead) = match movie.id.get() {
            238 | 240 => (person(1776, "Francis Ford Coppola"), person(1158, "Al Pacino")),
            603 | 604 => (person(9339, "Lilly Wachowski"), person(6384, "Keanu Reeves")),
            550 => (person(7467, "David Fincher"), person(287, "Brad Pitt")),
            id => (person(id * 10 + 1, "Somebody Else"), person(id * 10 + 2, "Another One")),
        };
        movie.keywords = vec![if director.id.get() == 1776 { "mafia" } else { "story" }.to_owned()];
        movie.credits = Credits {
            cast: vec![CastMember { person: lead, character: Some("Lead".into()), position: 0 }],
            directors: vec![director],
        };
    }
    movies[0].budget = Some(6_000_000);
    movies[0].revenue = Some(245_066_411);
    movies
}

/// Eight days of metrics that end with today's numbers; Fight Club rises, the others stand still.
pub fn metrics() -> Vec<DailyMetrics> {
    let mut all = Vec::new();
    for movie in movies() {
        for back in (0..8).rev() {
            let rise = if movie.id.get() == 550 { back as f64 * 4.0 } else { 0.0 };
            all.push(DailyMetrics {
                movie_id: movie.id,
                day: today() - TimeDelta::days(back),
                popularity: movie.popularity - rise,
                vote_average: movie.vote_average,
                vote_count: movie.vote_count - 10 * back,
            });
        }
    }
    all
}

/// Writes the movies and their metrics.
pub async fn catalogue(pool: &PgPool) {
    let records =
        movies().into_iter().map(|m| Record::Movie(Box::new(m))).chain(metrics().into_iter().map(Record::Metrics));
    let mut tx = pool.begin().await.unwrap();
    postgres::catalogue::write(&mut tx, Source::Demo, records.collect()).await.unwrap();
    tx.commit().await.unwrap();
}

async fn publish(pool: &PgPool, artifact: Artifact, run: domain::RunId, rows: usize) {
    postgres::artifacts::publish(pool, artifact, run, rows as u64, false).await.unwrap();
}

/// Publishes every artifact over [`catalogue`], from the domain's own formulas.
pub async fn artifacts(pool: &PgPool) {
    let job: JobId = {
        let mut conn = pool.acquire().await.unwrap();
        postgres::jobs::enqueue(&mut conn, NewJob::of(JobKind::ComputeAll, "test")).await.unwrap().0.id
    };
    let begin = |artifact| postgres::artifacts::begin(pool, artifact, job, today());

    let mut by_movie: BTreeMap<MovieId, (DailyMetrics, DailyMetrics)> = BTreeMap::new();
    for m in metrics().into_iter().filter(|m| m.day > today() - TimeDelta::days(trending::WINDOW_DAYS)) {
        by_movie.entry(m.movie_id).and_modify(|pair| pair.1 = m).or_insert((m, m));
    }
    let mut trends: Vec<_> = by_movie.values().map(|(first, last)| trending::trend(first, last)).collect();
    trending::rank(&mut trends);
    let run = begin(Artifact::MovieTrendingDaily).await.unwrap();
    postgres::batch::trending::stage(pool, run, 1, &trends).await.unwrap();
    publish(pool, Artifact::MovieTrendingDaily, run, trends.len()).await;

    let (mut genres, mut decades): (BTreeMap<String, GenreStats>, BTreeMap<i32, DecadeStats>) = Default::default();
    for movie in movies() {
        let facts = MovieFacts {
            vote_average: movie.vote_average,
            vote_count: movie.vote_count,
            popularity: movie.popularity,
            revenue: movie.revenue,
            budget: movie.budget,
            runtime: movie.runtime,
        };
        movie.genres.iter().for_each(|genre| genres.entry(genre.clone()).or_default().add(&facts));
        decades.entry(decade(movie.release_date.unwrap())).or_default().add(movie.vote_average, movie.vote_count);
    }
    let genres: Vec<_> = genres.into_iter().collect();
    let run = begin(Artifact::GenreStatsDaily).await.unwrap();
    postgres::batch::genre_stats::stage(pool, run, &genres).await.unwrap();
    publish(pool, Artifact::GenreStatsDaily, run, genres.len()).await;

    let decades: Vec<_> = decades.into_iter().collect();
    let run = begin(Artifact::RatingsByDecade).await.unwrap();
    postgres::batch::ratings_by_decade::stage(pool, run, &decades).await.unwrap();
    publish(pool, Artifact::RatingsByDecade, run, decades.len()).await;

    let pair = |a, b| Similar { movie_id: movie_id(a), titles: vec![(movie_id(b), 0.9), (movie_id(550), 0.2)] };
    let similar = [pair(238, 240), pair(240, 238), pair(603, 604), pair(604, 603)];
    let run = begin(Artifact::SimilarMovies).await.unwrap();
    postgres::batch::similar::stage(pool, run, &similar).await.unwrap();
    publish(pool, Artifact::SimilarMovies, run, similar.len()).await;
    // The job behind these runs was never meant to be run by a worker.
    sqlx::query("DELETE FROM jobs").execute(pool).await.unwrap();
}

/// [`catalogue`] and [`artifacts`].
pub async fn small(pool: &PgPool) {
    catalogue(pool).await;
    artifacts(pool).await;
}
