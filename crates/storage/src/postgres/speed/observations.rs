//! Observations between two nightly ingests: the latest one of each movie, and one per hour for velocities.

use chrono::{DateTime, TimeDelta, Utc};
use domain::MovieId;
use domain::clock::{AHEAD_MAX, observed};
use domain::events::Observation;
use domain::hours::Hour;
use sqlx::postgres::types::PgInterval;
use sqlx::{PgConnection, PgExecutor, PgPool};

use crate::StorageError;
use crate::postgres::catalogue::movie_id;
use crate::postgres::{changes, clock};

/// Writes observations; an older one never replaces a newer one. One from the future counts as made now, by the
/// database's clock. Observations of unknown movies are ignored. Call it
/// within a transaction.
pub async fn record(conn: &mut PgConnection, seen: &[Observation]) -> Result<(), StorageError> {
    if seen.is_empty() {
        return Ok(());
    }
    let now = clock::now(conn).await?;
    let mut seen: Vec<Observation> =
        seen.iter().map(|o| Observation { observed_at: observed(o.observed_at, now), ..*o }).collect();
    // The newest observation of each movie first, and movies in the same order for all writers, so that they cannot
    // deadlock.
    seen.sort_by_key(|o| (o.movie_id, std::cmp::Reverse(o.observed_at)));
    let mut per_hour = seen.clone();
    per_hour.dedup_by_key(|o| (o.movie_id, Hour::of(o.observed_at)));
    seen.dedup_by_key(|o| o.movie_id);
    changes::touch(conn, seen.iter().map(|o| o.movie_id.get())).await?;
    write_catalogue(conn, &seen).await?;
    write_latest(conn, &seen).await?;
    write_hours(conn, &per_hour).await
}

/// Updates the movies' own numbers, which lists, searches and forecasts read. A time in the future counts as now, so that
/// a wrong clock cannot shut out later observations.
async fn write_catalogue(conn: &mut PgConnection, seen: &[Observation]) -> Result<(), StorageError> {
    let (movie, at, popularity, vote_average, vote_count) = columns(seen);
    // Locked in the order of all writers, which an UPDATE with a join does not guarantee.
    sqlx::query!("SELECT FROM movies WHERE movie_id = ANY($1) ORDER BY movie_id FOR NO KEY UPDATE", &movie)
        .fetch_all(&mut *conn)
        .await?;
    sqlx::query!(
        "UPDATE movies m SET observed_at = least(i.observed_at, now()), popularity = i.popularity,
             vote_average = i.vote_average, vote_count = i.vote_count
         FROM unnest($1::bigint[], $2::timestamptz[], $3::float8[], $4::float8[], $5::bigint[])
             AS i(movie_id, observed_at, popularity, vote_average, vote_count)
         WHERE m.movie_id = i.movie_id AND i.observed_at >= coalesce(m.observed_at, '-infinity')",
        &movie,
        &at,
        &popularity,
        &vote_average,
        &vote_count,
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn write_latest(conn: &mut PgConnection, seen: &[Observation]) -> Result<(), StorageError> {
    let (movie, at, popularity, vote_average, vote_count) = columns(seen);
    sqlx::query!(
        "INSERT INTO speed_latest AS l (movie_id, observed_at, popularity, vote_average, vote_count)
         SELECT i.* FROM unnest($1::bigint[], $2::timestamptz[], $3::float8[], $4::float8[], $5::bigint[])
             AS i(movie_id, observed_at, popularity, vote_average, vote_count)
         WHERE EXISTS (SELECT 1 FROM movies WHERE movies.movie_id = i.movie_id)
         ON CONFLICT (movie_id) DO UPDATE SET observed_at = excluded.observed_at, popularity = excluded.popularity,
             vote_average = excluded.vote_average, vote_count = excluded.vote_count
         -- A moment in the future came from a wrong clock; any observation replaces it.
         WHERE excluded.observed_at > l.observed_at OR l.observed_at > now() + $6::interval",
        &movie,
        &at,
        &popularity,
        &vote_average,
        &vote_count,
        interval(AHEAD_MAX),
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn write_hours(conn: &mut PgConnection, seen: &[Observation]) -> Result<(), StorageError> {
    let (movie, at, popularity, vote_average, vote_count) = columns(seen);
    let hour: Vec<DateTime<Utc>> = seen.iter().map(|o| Hour::of(o.observed_at).start()).collect();
    sqlx::query!(
        "INSERT INTO speed_observations AS o (movie_id, hour, observed_at, popularity, vote_average, vote_count)
         SELECT i.* FROM unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[], $4::float8[], $5::float8[],
             $6::bigint[]) AS i(movie_id, hour, observed_at, popularity, vote_average, vote_count)
         WHERE EXISTS (SELECT 1 FROM movies WHERE movies.movie_id = i.movie_id)
         ON CONFLICT (hour, movie_id) DO UPDATE SET observed_at = excluded.observed_at,
             popularity = excluded.popularity, vote_average = excluded.vote_average, vote_count = excluded.vote_count
         WHERE excluded.observed_at > o.observed_at",
        &movie,
        &hour,
        &at,
        &popularity,
        &vote_average,
        &vote_count,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// As PostgreSQL's type.
fn interval(span: TimeDelta) -> PgInterval {
    PgInterval { microseconds: span.num_microseconds().unwrap_or(i64::MAX), ..PgInterval::default() }
}

type Columns = (Vec<i64>, Vec<DateTime<Utc>>, Vec<f64>, Vec<f64>, Vec<i64>);

fn columns(seen: &[Observation]) -> Columns {
    (
        seen.iter().map(|o| o.movie_id.get()).collect(),
        seen.iter().map(|o| o.observed_at).collect(),
        seen.iter().map(|o| o.popularity).collect(),
        seen.iter().map(|o| o.vote_average).collect(),
        seen.iter().map(|o| o.vote_count).collect(),
    )
}

/// Updates latest observations that are older than `at` from the catalogue, after an ingest has written numbers that
/// were valid at `at`. So the latest observation is the newest whichever job made it, and readers need not compare.
/// `movies` are the movies written; `None` means the whole catalogue. Movies without an observation get none; otherwise
/// a full ingest would make a million movies active. Call it in the transaction that wrote the movies.
pub async fn follow_catalogue(
    conn: &mut PgConnection,
    movies: Option<&[i64]>,
    at: DateTime<Utc>,
) -> Result<(), StorageError> {
    let rows = sqlx::query!(
        "SELECT m.movie_id, m.popularity, m.vote_average, m.vote_count
         FROM speed_latest l JOIN movies m USING (movie_id)
         WHERE (l.observed_at < $1 OR l.observed_at > now() + $3::interval) AND ($2::bigint[] IS NULL OR m.movie_id = ANY($2))",
        at,
        movies,
        interval(AHEAD_MAX),
    )
    .fetch_all(&mut *conn)
    .await?;
    let seen = rows
        .into_iter()
        .map(|r| {
            Ok(Observation {
                movie_id: movie_id(r.movie_id)?,
                observed_at: at,
                popularity: r.popularity,
                vote_average: r.vote_average,
                vote_count: r.vote_count,
            })
        })
        .collect::<Result<Vec<_>, StorageError>>()?;
    record(conn, &seen).await
}

/// The latest observation of each of these movies that has one.
pub async fn latest(conn: impl PgExecutor<'_>, movies: &[MovieId]) -> Result<Vec<Observation>, StorageError> {
    let ids: Vec<i64> = movies.iter().map(|id| id.get()).collect();
    let rows = sqlx::query!(
        "SELECT movie_id, observed_at, popularity, vote_average, vote_count FROM speed_latest WHERE movie_id = ANY($1)",
        &ids,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|r| {
            Ok(Observation {
                movie_id: movie_id(r.movie_id)?,
                observed_at: r.observed_at,
                popularity: r.popularity,
                vote_average: r.vote_average,
                vote_count: r.vote_count,
            })
        })
        .collect()
}

/// Deletes up to `limit` hourly observations before `cutoff`: no window of the speed layer reaches further back.
/// Returns the number deleted.
pub(super) async fn drop_before(pool: &PgPool, cutoff: Hour, limit: i64) -> Result<u64, StorageError> {
    let done = sqlx::query!(
        "DELETE FROM speed_observations WHERE (hour, movie_id) IN
             (SELECT hour, movie_id FROM speed_observations WHERE hour < $1 LIMIT $2)",
        cutoff.start(),
        limit,
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}
