//! Queries of the live ranking (domain/src/trending/active.rs).

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use domain::MovieId;
use domain::events::EventType;
use domain::hours::Hour;
use domain::trending::active::{Active, Movie, Numbers, Observed, Touched};
use sqlx::PgPool;

use crate::StorageError;
use crate::postgres::catalogue::movie_id;

/// Most movies read again in one statement: with 48 hours each some 200,000 rows, half a second.
pub const CHUNK: usize = 2_000;

/// Reads these movies, at most [`CHUNK`] of them, and determines which no longer exist.
pub async fn reload(pool: &PgPool, ids: &[i64], since: Hour) -> Result<Reloaded, StorageError> {
    let rows = sqlx::query!(
        r#"SELECT m.movie_id, m.title, m.genres, m.tombstoned_at IS NULL AS "shown!", m.popularity, m.vote_average,
                  m.vote_count, l.observed_at AS "observed_at?", l.popularity AS "latest_popularity?",
                  l.vote_average AS "latest_average?", l.vote_count AS "latest_count?",
                  o.at AS "at!", o.popularity AS "popularities!", o.vote_average AS "averages!",
                  o.vote_count AS "counts!", s.hour AS "hours!", s.ratings AS "ratings!", s.rating_sum AS "sums!"
           FROM movies m
                LEFT JOIN speed_latest l
                    ON l.movie_id = m.movie_id AND l.observed_at >= coalesce(m.observed_at, '-infinity')
                CROSS JOIN LATERAL (
                    SELECT coalesce(array_agg(observed_at), '{}') AS at, coalesce(array_agg(popularity), '{}') AS popularity,
                           coalesce(array_agg(vote_average), '{}') AS vote_average,
                           coalesce(array_agg(vote_count), '{}') AS vote_count
                    FROM speed_observations WHERE movie_id = m.movie_id AND hour >= $2) AS o
                CROSS JOIN LATERAL (
                    SELECT coalesce(array_agg(hour), '{}') AS hour, coalesce(array_agg(counts[$3]), '{}') AS ratings,
                           coalesce(array_agg(rating_sum), '{}') AS rating_sum
                    FROM speed_stats WHERE movie_id = m.movie_id AND hour >= $2) AS s
           WHERE m.movie_id = ANY($1)"#,
        ids,
        since.start(),
        EventType::Rating.slot() as i32 + 1,
    )
    .fetch_all(pool)
    .await?;
    let mut gone: HashSet<i64> = ids.iter().copied().collect();
    let movies = rows
        .into_iter()
        .map(|r| {
            gone.remove(&r.movie_id);
            let latest = latest(r.observed_at, r.latest_popularity, r.latest_average, r.latest_count);
            Ok(Movie {
                movie_id: movie_id(r.movie_id)?,
                title: r.title,
                genres: r.genres,
                shown: r.shown,
                base: Numbers { popularity: r.popularity, vote_average: r.vote_average, vote_count: r.vote_count },
                latest,
                observed: observed(r.at, r.popularities, r.averages, r.counts),
                touched: touched(r.hours, r.ratings, r.sums),
            })
        })
        .collect::<Result<_, StorageError>>()?;
    let gone = gone.into_iter().map(movie_id).collect::<Result<_, StorageError>>()?;
    Ok(Reloaded { movies, gone })
}

/// The latest observation of an outer join; `None` where the movie has none.
pub(super) fn latest(
    at: Option<DateTime<Utc>>,
    popularity: Option<f64>,
    vote_average: Option<f64>,
    vote_count: Option<i64>,
) -> Option<Observed> {
    let numbers = Numbers { popularity: popularity?, vote_average: vote_average?, vote_count: vote_count? };
    Some(Observed::new(at?, numbers))
}

/// The result of [`reload`].
#[derive(Debug)]
pub struct Reloaded {
    movies: Vec<Movie>,
    /// Movies that the catalogue does not have.
    gone: Vec<MovieId>,
}

impl Reloaded {
    /// Applies the result: movies that were found replace the kept ones, missing ones are removed.
    pub fn put_into(self, active: &mut Active) {
        self.movies.into_iter().for_each(|movie| active.put(movie));
        self.gone.into_iter().for_each(|id| active.remove(id));
    }
}

fn observed(
    at: Vec<DateTime<Utc>>,
    popularity: Vec<f64>,
    vote_average: Vec<f64>,
    vote_count: Vec<i64>,
) -> Vec<Observed> {
    let numbers = popularity.into_iter().zip(vote_average).zip(vote_count);
    let numbers =
        numbers.map(|((popularity, vote_average), vote_count)| Numbers { popularity, vote_average, vote_count });
    at.into_iter().zip(numbers).map(|(at, numbers)| Observed::new(at, numbers)).collect()
}

fn touched(hours: Vec<DateTime<Utc>>, ratings: Vec<i64>, sums: Vec<f64>) -> Vec<Touched> {
    let ratings = ratings.into_iter().zip(sums);
    hours.into_iter().zip(ratings).map(|(hour, (ratings, sum))| Touched::new(Hour::of(hour), ratings, sum)).collect()
}
