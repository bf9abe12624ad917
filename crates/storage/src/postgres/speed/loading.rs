//! Loads the movies of the live ranking after a start: hours of all movies at a time, the newest first.
//!
//! Reading movie by movie took fifteen seconds for fifty thousand movies with 48 hours each. Ranges of hours are read
//! in the order in which they are stored, and a ranking of the last hours needs no older ones.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::events::EventType;
use domain::hours::Hour;
use domain::trending::active::{Active, MAX_MOVIES, Movie, Numbers, Observed, Touched};
use sqlx::PgPool;

use super::active::latest;
use crate::StorageError;
use crate::postgres::catalogue::movie_id;

/// Movies whose titles and numbers are read in one statement: some tens of milliseconds.
const DETAILS: usize = 5_000;

/// The hours read so far, by movie.
#[derive(Debug, Default)]
pub struct Loading {
    movies: HashMap<i64, Hours>,
}

/// What happened to one movie.
#[derive(Debug, Clone, Default)]
struct Hours {
    observed: Vec<Observed>,
    touched: Vec<Touched>,
}

impl Loading {
    /// Reads the hours from `first` on, up to `end` (exclusive; `None`: all later ones). Call it for the newest hours
    /// first: beyond [`MAX_MOVIES`] movies, those that only older hours name are left out.
    pub async fn read(&mut self, pool: &PgPool, first: Hour, end: Option<Hour>) -> Result<(), StorageError> {
        let (first, end) = (first.start(), end.map_or(DateTime::<Utc>::MAX_UTC, Hour::start));
        // One year beyond any clock error, since PostgreSQL's last moment is earlier than chrono's.
        let end = end.min(Utc::now() + chrono::TimeDelta::days(366));
        let observed = async {
            sqlx::query!(
                "SELECT movie_id, observed_at, popularity, vote_average, vote_count
                 FROM speed_observations WHERE hour >= $1 AND hour < $2",
                first,
                end,
            )
            .fetch_all(pool)
            .await
        };
        let touched = async {
            sqlx::query!(
                r#"SELECT movie_id, hour, counts[$3] AS "ratings!", rating_sum
                   FROM speed_stats WHERE hour >= $1 AND hour < $2"#,
                first,
                end,
                EventType::Rating.slot() as i32 + 1,
            )
            .fetch_all(pool)
            .await
        };
        let (observed, touched) = futures::try_join!(observed, touched)?;
        for r in observed {
            if let Some(hours) = self.of(r.movie_id) {
                let numbers =
                    Numbers { popularity: r.popularity, vote_average: r.vote_average, vote_count: r.vote_count };
                hours.observed.push(Observed::new(r.observed_at, numbers));
            }
        }
        for r in touched {
            if let Some(hours) = self.of(r.movie_id) {
                hours.touched.push(Touched::new(Hour::of(r.hour), r.ratings, r.rating_sum));
            }
        }
        Ok(())
    }

    fn of(&mut self, movie: i64) -> Option<&mut Hours> {
        if self.movies.len() >= MAX_MOVIES && !self.movies.contains_key(&movie) {
            return None;
        }
        Some(self.movies.entry(movie).or_default())
    }

    /// The movies with the hours read so far; further hours may follow.
    pub async fn so_far(&self, pool: &PgPool) -> Result<Active, StorageError> {
        details(pool, self.ids(), |id| self.movies.get(&id).cloned()).await
    }

    /// The movies, when all hours have been read.
    pub async fn finish(mut self, pool: &PgPool) -> Result<Active, StorageError> {
        // What has moved on is freed at once: otherwise all hours would be in memory twice.
        details(pool, self.ids(), |id| self.movies.remove(&id)).await
    }

    fn ids(&self) -> Vec<i64> {
        let mut ids: Vec<i64> = self.movies.keys().copied().collect();
        ids.sort_unstable();
        ids
    }
}

/// Reads titles and numbers of these movies and puts them together with their hours. Movies that the catalogue lacks
/// are left out.
async fn details(
    pool: &PgPool,
    ids: Vec<i64>,
    mut hours: impl FnMut(i64) -> Option<Hours>,
) -> Result<Active, StorageError> {
    let mut active = Active::default();
    for some in ids.chunks(DETAILS) {
        let rows = sqlx::query!(
            r#"SELECT m.movie_id AS "movie_id!", m.title AS "title!", m.genres AS "genres!",
                      m.tombstoned_at IS NULL AS "shown!", m.popularity AS "popularity!",
                      m.vote_average AS "vote_average!", m.vote_count AS "vote_count!", l.observed_at AS "observed_at?", l.popularity AS "latest_popularity?",
                      l.vote_average AS "latest_average?", l.vote_count AS "latest_count?"
               FROM movies m LEFT JOIN speed_latest l USING (movie_id) WHERE m.movie_id = ANY($1)"#,
            some,
        )
        .fetch_all(pool)
        .await?;
        for r in rows {
            let Some(Hours { observed, touched }) = hours(r.movie_id) else { continue };
            let latest = latest(r.observed_at, r.latest_popularity, r.latest_average, r.latest_count);
            active.put(Movie {
                movie_id: movie_id(r.movie_id)?,
                title: r.title,
                genres: r.genres,
                shown: r.shown,
                base: Numbers { popularity: r.popularity, vote_average: r.vote_average, vote_count: r.vote_count },
                latest,
                observed,
                touched,
            });
        }
    }
    Ok(active)
}
