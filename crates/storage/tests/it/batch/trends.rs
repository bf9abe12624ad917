//! Daily series of all movies, of a genre, of a movie.

use domain::RunId;
use domain::artifacts::Artifact;
use domain::hours::Hour;
use domain::sentiment::{Score, Tally};
use domain::trends::{Metric, Point, Scope};
use sqlx::PgPool;
use storage::postgres::batch::{sentiment, trends};
use test_support::fixture;

use crate::support::{at, begin, days_ago, publish, tombstone};

fn point(back: i64, value: f64, count: i64) -> Point {
    Point { day: days_ago(back), value, count }
}

/// Two movies of one genre and one of another; a tombstone.
async fn catalogue(pool: &PgPool) {
    fixture::catalogue(pool).await;
    for movie in fixture::movies().iter().map(|movie| movie.id.get()).filter(|id| !matches!(id, 238 | 550 | 194)) {
        tombstone(pool, movie).await;
    }
}

/// Publishes hours of sentiment: movie, days ago, score.
async fn publish_sentiment(pool: &PgPool, scores: &[(i64, i64, f64)]) {
    let run = begin(pool, Artifact::BatchSentimentHourly).await;
    let hours: Vec<_> = scores
        .iter()
        .map(|(movie, back, score)| {
            let mut tally = Tally::default();
            tally.add(Score::new(*score));
            let hour = Hour::of(at(3, 0)).plus(-24 * back);
            (fixture::movie_id(*movie), hour, tally)
        })
        .collect();
    sentiment::stage(pool, run, &hours).await.unwrap();
    publish(pool, Artifact::BatchSentimentHourly, run, hours.len() as u64).await;
}

async fn series(pool: &PgPool, run: RunId, scope: Scope, metric: Metric, since: i64) -> Vec<Point> {
    trends::points(pool, run, days_ago(1), &scope, metric, days_ago(since)).await.unwrap()
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn the_newest_day_is_that_of_metrics_or_of_sentiment(pool: PgPool) {
    assert_eq!(trends::newest_day(&pool, fixture::today()).await.unwrap(), None);
    fixture::catalogue(&pool).await;
    assert_eq!(trends::newest_day(&pool, fixture::today()).await.unwrap(), Some(fixture::today()));
    sqlx::query("DELETE FROM movie_metrics_daily WHERE day > $1").bind(days_ago(4)).execute(&pool).await.unwrap();
    assert_eq!(trends::newest_day(&pool, fixture::today()).await.unwrap(), Some(days_ago(4)));
    publish_sentiment(&pool, &[(238, 2, 0.5), (238, 3, 0.5)]).await;
    assert_eq!(trends::newest_day(&pool, fixture::today()).await.unwrap(), Some(days_ago(2)));
    assert_eq!(trends::newest_day(&pool, days_ago(3)).await.unwrap(), Some(days_ago(3)));
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn metrics_are_means_over_shown_movies_by_day_and_genre(pool: PgPool) {
    catalogue(&pool).await;
    // Nobody voted for Amélie on the last day: it has a popularity, and no rating.
    sqlx::query("UPDATE movie_metrics_daily SET vote_count = 0, vote_average = 0 WHERE movie_id = 194 AND day = $1")
        .bind(days_ago(1))
        .execute(&pool)
        .await
        .unwrap();
    let run = RunId::new();
    // All, Drama, Crime, Thriller, Comedy, Romance over seven days up to yesterday, two metrics each, but for the
    // two genres that had no rating on one day.
    assert_eq!(trends::stage_metrics(&pool, run, days_ago(1)).await.unwrap(), 6 * 7 * 2 - 2);
    // Popularity: The Godfather 90, Amélie 50, Fight Club 70 - 4 a day.
    let all = series(&pool, run, Scope::All, Metric::Popularity, 2).await;
    assert_eq!(all, [point(2, 67.333333, 3), point(1, 68.666667, 3)]);
    let drama = series(&pool, run, Scope::Genre("Drama".into()), Metric::Popularity, 2).await;
    assert_eq!(drama, [point(2, 76.0, 2), point(1, 78.0, 2)]);
    let ratings = series(&pool, run, Scope::All, Metric::Rating, 2).await;
    assert_eq!(ratings, [point(2, 8.333333, 3), point(1, 8.55, 2)]);
    let romance = series(&pool, run, Scope::Genre("Romance".into()), Metric::Rating, 2).await;
    assert_eq!(romance, [point(2, 7.9, 1)]);
    assert_eq!(series(&pool, run, Scope::Genre("Western".into()), Metric::Rating, 9).await, []);
    assert_eq!(series(&pool, run, Scope::All, Metric::Popularity, 5_000).await.len(), 7);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn sentiment_counts_each_review_once(pool: PgPool) {
    catalogue(&pool).await;
    publish_sentiment(&pool, &[(238, 1, 1.0), (550, 1, 0.5), (194, 2, -0.25), (603, 1, -1.0), (238, 0, 0.0)]).await;
    let run = RunId::new();
    let staged = trends::stage_sentiment(&pool, run, days_ago(1)).await.unwrap();
    // Yesterday all, Drama, Crime, Thriller; the day before all, Comedy, Romance.
    assert_eq!(staged, 7);
    assert_eq!(series(&pool, run, Scope::All, Metric::Sentiment, 9).await, [point(2, -0.25, 1), point(1, 0.75, 2)]);
    let crime = series(&pool, run, Scope::Genre("Crime".into()), Metric::Sentiment, 9).await;
    assert_eq!(crime, [point(1, 1.0, 1)]);
}

#[sqlx::test(migrator = "storage::MIGRATOR")]
async fn a_movies_own_series_need_no_run_of_trends(pool: PgPool) {
    catalogue(&pool).await;
    publish_sentiment(&pool, &[(550, 1, 0.5), (550, 3, -0.5)]).await;
    let movie = || Scope::Movie(fixture::movie_id(550));
    let run = RunId::new();
    assert_eq!(series(&pool, run, movie(), Metric::Popularity, 2).await, [point(2, 62.0, 1), point(1, 66.0, 1)]);
    assert_eq!(series(&pool, run, movie(), Metric::Rating, 1).await, [point(1, 8.4, 1)]);
    assert_eq!(series(&pool, run, movie(), Metric::Sentiment, 9).await, [point(3, -0.5, 1), point(1, 0.5, 1)]);
    sqlx::query("UPDATE movie_metrics_daily SET vote_count = 0").execute(&pool).await.unwrap();
    assert_eq!(series(&pool, run, movie(), Metric::Rating, 9).await, [], "nobody voted");
}
