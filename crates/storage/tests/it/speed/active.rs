//! The ranking in memory against the same formula in SQL, over facts that went the way of all facts.

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use domain::events::{EventType, Fact, Observation};
use domain::trending::active::{Active, Span};
use sqlx::PgPool;
use storage::postgres::speed::loading::Loading;
use storage::postgres::speed::{self, active};
use test_support::{fixture, live};

type Row = (i64, f64, f64, f64, f64, f64, f64, i64);

/// The formula of domain/trending over whole tables.
async fn by_sql(pool: &PgPool, span: Span, genre: Option<&str>, limit: i64) -> Vec<Row> {
    sqlx::query_as(
        "WITH first AS (
             SELECT DISTINCT ON (movie_id) movie_id, observed_at, popularity, vote_average, vote_count
             FROM speed_observations WHERE hour >= $1 ORDER BY movie_id, hour),
         viewers AS (
             SELECT movie_id, sum(counts[6])::bigint AS ratings, sum(rating_sum) AS rating_sum
             FROM speed_stats WHERE hour >= $1 GROUP BY movie_id),
         seen AS (
             SELECT movie_id, coalesce(l.popularity, m.popularity) AS popularity,
                    coalesce(l.vote_average, m.vote_average) AS vote_average,
                    coalesce(l.vote_count, m.vote_count) AS vote_count,
                    coalesce(v.ratings, 0) AS ratings, coalesce(v.rating_sum, 0) AS rating_sum,
                    f.popularity AS first_popularity, f.vote_average AS first_average, f.vote_count AS first_count,
                    greatest(extract(epoch FROM l.observed_at - f.observed_at)::float8 / 3600, 1) AS observed_hours
             FROM first f FULL JOIN viewers v USING (movie_id) JOIN movies m USING (movie_id)
                  LEFT JOIN speed_latest l USING (movie_id)
             WHERE m.tombstoned_at IS NULL AND ($3::text IS NULL OR m.genres @> ARRAY[$3])),
         rated AS (
             SELECT *, CASE WHEN ratings = 0 THEN vote_average
                            ELSE (vote_average * vote_count + rating_sum) / (vote_count + ratings) END AS average
             FROM seen),
         moved AS (
             SELECT movie_id, popularity, average, vote_count + ratings AS votes,
                    coalesce((popularity - first_popularity) / observed_hours, 0) AS popularity_velocity,
                    coalesce((vote_average - first_average) / observed_hours, 0)
                        + (average - vote_average) / $2::float8 AS rating_velocity,
                    coalesce((vote_count - first_count) / observed_hours, 0) + ratings / $2 AS vote_velocity
             FROM rated)
         SELECT movie_id, 0.4 * popularity + 300.0::float8 * rating_velocity + 2.0 * average + 0.01 * vote_velocity,
                popularity_velocity, rating_velocity, vote_velocity, popularity, average, votes
         FROM moved ORDER BY 2 DESC, movie_id LIMIT $4",
    )
    .bind(span.since.start())
    .bind(f64::from(span.hours))
    .bind(genre)
    .bind(limit)
    .fetch_all(pool)
    .await
    .unwrap()
}

async fn assert_same(pool: &PgPool, movies: &Active, now: DateTime<Utc>) {
    let mut ranked = 0;
    for hours in [1, 2, 6, 23, 48] {
        for genre in [None, Some("Drama"), Some("Comedy"), Some("Nothing")] {
            let span = Span::last(hours, now);
            let by_sql = by_sql(pool, span, genre, 5).await;
            let ranking = movies.rank(span, genre, 5);
            assert_eq!(ranking.places.len(), by_sql.len(), "{hours} h, {genre:?}");
            for (place, row) in ranking.places.iter().zip(by_sql) {
                let (t, (id, score, popularity_velocity, rating_velocity, vote_velocity, popularity, average, votes)) =
                    (place.trend, row);
                assert_eq!((t.movie_id.get(), t.vote_count), (id, votes), "{hours} h, {genre:?}");
                for (ours, sql) in [
                    (t.score, score),
                    (t.popularity_velocity, popularity_velocity),
                    (t.rating_velocity, rating_velocity),
                    (t.vote_velocity, vote_velocity),
                    (t.popularity, popularity),
                    (t.vote_average, average),
                ] {
                    // SQL writes 0.4 as a decimal number and rounds once more or less than we do.
                    assert!((ours - sql).abs() < 1e-9, "{hours} h, {genre:?}, movie {id}: {ours} is not {sql}");
                }
                ranked += 1;
            }
        }
    }
    assert!(ranked > 40, "{ranked}");
}

/// The `n`th observation of the movies in turn, at any minute of the last fifty hours.
fn observation(n: i64, now: DateTime<Utc>) -> Observation {
    let movies = fixture::movies();
    let movie = &movies[n as usize % (movies.len() - 1)];
    Observation {
        movie_id: movie.id,
        observed_at: now - TimeDelta::minutes(n * 7_919 % 3_000),
        popularity: movie.popularity + (n * 31 % 17) as f64 / 3.0,
        vote_average: movie.vote_average - (n * 13 % 7) as f64 / 10.0,
        vote_count: movie.vote_count + n,
    }
}

async fn apply(pool: &PgPool, facts: Vec<Fact>, observations: &[Observation]) -> Vec<i64> {
    let mut batch = speed::MicroBatch::default();
    let mut touched: Vec<i64> = observations.iter().map(|o| o.movie_id.get()).collect();
    for fact in facts {
        match fact {
            Fact::Event(event) => {
                touched.push(event.movie_id.get());
                batch.events.push(event);
            }
            Fact::Review(review) => batch.reviews.push(review),
        }
    }
    live::apply(pool, &batch).await.unwrap();
    let mut tx = pool.begin().await.unwrap();
    speed::record(&mut tx, observations).await.unwrap();
    tx.commit().await.unwrap();
    touched
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn memory_ranks_as_sql_does_loaded_at_once_or_movie_by_movie(pool: PgPool) {
    fixture::catalogue(&pool).await;
    let now = Utc.with_ymd_and_hms(2026, 3, 10, 12, 34, 56).unwrap();
    let since = Span::last(48, now).since;
    let observations: Vec<_> = (0..60).map(|n| observation(n, now)).collect();
    apply(&pool, live::facts(200, 50, now), &observations).await;

    // The newest hours first: what they have is right before the older ones are there.
    let (mut loading, recent) = (Loading::default(), Span::last(6, now));
    loading.read(&pool, recent.since, None).await.unwrap();
    let first = loading.so_far(&pool).await.unwrap().rank(recent, None, 100);
    assert!(!first.places.is_empty());
    loading.read(&pool, since.plus(20), Some(recent.since)).await.unwrap();
    loading.read(&pool, since, Some(since.plus(20))).await.unwrap();
    let mut movies = loading.finish(&pool).await.unwrap();
    assert_eq!(movies.len(), 8);
    assert_eq!(movies.rank(recent, None, 100), first);
    assert_same(&pool, &movies, now).await;

    // More facts, about some movies only; a movie without any; one taken out; and only these are read again.
    let newer = [Observation { popularity: 300.0, observed_at: now, ..observations[2] }];
    let mut touched = apply(&pool, vec![Fact::Event(live::event(289, EventType::Rating, now))], &newer).await;
    sqlx::query("UPDATE movies SET tombstoned_at = now() WHERE movie_id = 603").execute(&pool).await.unwrap();
    sqlx::query("DELETE FROM speed_stats WHERE movie_id = 129").execute(&pool).await.unwrap();
    sqlx::query("DELETE FROM speed_observations WHERE movie_id = 129").execute(&pool).await.unwrap();
    touched.extend([603, 129, 424_242]);
    active::reload(&pool, &touched, since).await.unwrap().put_into(&mut movies);
    assert_eq!(movies.len(), 7);
    assert_same(&pool, &movies, now).await;
    assert_eq!(movies.rank(Span::last(6, now), None, 1).places[0].title, "Fight Club");
}
