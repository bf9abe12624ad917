//! What both layers hold of a movie, as it stands at one moment: in between two questions a run could be published and
//! the hours that it took over dropped, and the two answers would have a gap between them.

use chrono::{DateTime, Utc};
use domain::artifacts::Artifact;
use domain::events::{Counts, Observation};
use domain::hours::Hour;
use domain::merge::LayerSplit;
use domain::movies::Votes;
use domain::sentiment::Tally;
use domain::{MovieId, RunId};
use sqlx::types::Json;
use sqlx::{PgExecutor, PgPool};

use super::artifacts::{self, Head};
use super::catalogue::movie_id;
use super::catalogue::movies::{MovieDetail, PageCredits};
use super::speed::SpeedRow;
use super::{batch, speed};
use crate::StorageError;

/// Hours of both layers, for domain/merge.rs to choose from.
#[derive(Debug, Clone)]
pub struct Layers<T> {
    /// The batch layer's published run; `None` where none ever was.
    pub head: Option<Head>,
    pub batch: Vec<(Hour, T)>,
    pub speed: Vec<SpeedRow<T>>,
}

/// A movie's sentiment by hour, from `from` on.
pub async fn sentiment(pool: &PgPool, movie: MovieId, from: Hour) -> Result<Layers<Tally>, StorageError> {
    let mut tx = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let head = artifacts::head(&mut *tx, Artifact::BatchSentimentHourly).await?;
    let batch = match &head {
        Some(head) => batch::sentiment::hours(&mut *tx, head.run_id, movie, from).await?,
        None => Vec::new(),
    };
    let speed = speed::sentiment_hours(&mut *tx, movie, from).await?;
    tx.commit().await?;
    Ok(Layers { head, batch, speed })
}

/// A movie's page: what the catalogue has, what a source observed last, and what viewers did in all hours.
#[derive(Debug, Clone)]
pub struct MergedMovie {
    pub movie: MovieDetail,
    /// Newer than the movie's own numbers: an ingest job that brings newer ones writes them here too, CLI imports and
    /// `moviemetric demo` do not.
    pub latest: Option<Observation>,
    pub viewers: Counts,
    /// Hours with events, by the layer that answered for them.
    pub batch_hours: i64,
    pub speed_hours: i64,
    /// When the last of the speed layer's hours changed.
    pub speed_updated_at: Option<DateTime<Utc>>,
    /// The batch layer's published run; `None` where none ever was.
    pub run_id: Option<RunId>,
    pub watermark: Option<Hour>,
    /// By which it was split.
    pub routing: LayerSplit,
}

impl MergedMovie {
    pub fn popularity(&self) -> f64 {
        self.latest.map_or(self.movie.popularity, |seen| seen.popularity)
    }

    /// The source's votes and the viewers'.
    pub fn votes(&self) -> Votes {
        let (average, count) = match self.latest {
            Some(seen) => (seen.vote_average, seen.vote_count),
            None => (self.movie.vote_average, self.movie.vote_count),
        };
        Votes { average, count }.with_ratings(self.viewers.ratings, self.viewers.rating_sum)
    }

    /// Whether the speed layer had a part in it.
    pub fn has_speed(&self) -> bool {
        self.speed_hours > 0 || self.latest.is_some()
    }

    /// When the speed layer's part last changed.
    pub fn speed_changed_at(&self) -> Option<DateTime<Utc>> {
        self.speed_updated_at.max(self.latest.map(|seen| seen.observed_at))
    }
}

/// The pages of those among `ids` that are shown, in any order. Many at once, since requests that arrive together share
/// one query (see the API's loader), and in one statement, so that no run is published between its parts.
///
/// The batch layer's part is the movie's total over the whole run, less the few hours that are not its own: those from
/// the boundary on, and the reopened ones. Sums are exact, so this is the sum of its own hours to the bit, whatever the
/// movie's age.
pub async fn pages(
    conn: impl PgExecutor<'_>,
    ids: &[i64],
    routing: LayerSplit,
) -> Result<Vec<MergedMovie>, StorageError> {
    let rows = sqlx::query!(
        r#"WITH head AS (
               -- least() leaves NULL out: without a limit the boundary is the watermark (domain/merge.rs).
               SELECT run_id, watermark, least($2::timestamptz, watermark) AS boundary
               FROM artifact_heads JOIN artifact_runs USING (run_id)
               WHERE artifact_heads.artifact = 'batch_stats_hourly')
           SELECT m.movie_id, m.title, m.original_title, m.overview, m.tagline, m.release_date, m.runtime, m.budget,
                  m.revenue, m.original_language, m.status, m.imdb_id, m.poster_path, m.popularity, m.vote_average,
                  m.vote_count, m.genres, m.keywords, m.credits AS "credits: Json<PageCredits>", m.updated_at,
                  l.observed_at AS "observed_at?", l.popularity AS "seen_popularity?",
                  l.vote_average AS "seen_average?", l.vote_count AS "seen_count?",
                  head.run_id AS "run_id?", head.watermark AS "watermark?",
                  coalesce(t.views, 0) + d.views AS "views!", coalesce(t.clicks, 0) + d.clicks AS "clicks!",
                  coalesce(t.likes, 0) + d.likes AS "likes!", coalesce(t.dislikes, 0) + d.dislikes AS "dislikes!",
                  coalesce(t.watches, 0) + d.watches AS "watches!", coalesce(t.ratings, 0) + d.ratings AS "ratings!",
                  coalesce(t.searches, 0) + d.searches AS "searches!",
                  coalesce(t.impressions, 0) + d.impressions AS "impressions!",
                  coalesce(t.rating_sum, 0) + d.rating_sum AS "rating_sum!",
                  coalesce(t.hours, 0) + d.batch_hours AS "batch_hours!", d.speed_hours AS "speed_hours!",
                  d.updated_at AS "speed_updated_at?"
           FROM movies m
                LEFT JOIN head ON true
                -- LIMIT, so that it is looked up movie by movie: joined, all that sources observe might be read.
                LEFT JOIN LATERAL (SELECT * FROM speed_latest WHERE movie_id = m.movie_id LIMIT 1) AS l ON true
                LEFT JOIN batch_stats_total t ON t.run_id = head.run_id AND t.movie_id = m.movie_id
                CROSS JOIN LATERAL (
                    SELECT coalesce(sum(views), 0)::bigint AS views, coalesce(sum(clicks), 0)::bigint AS clicks,
                           coalesce(sum(likes), 0)::bigint AS likes, coalesce(sum(dislikes), 0)::bigint AS dislikes,
                           coalesce(sum(watches), 0)::bigint AS watches, coalesce(sum(ratings), 0)::bigint AS ratings,
                           coalesce(sum(searches), 0)::bigint AS searches,
                           coalesce(sum(impressions), 0)::bigint AS impressions,
                           coalesce(sum(rating_sum), 0) AS rating_sum, coalesce(sum(batch), 0) AS batch_hours,
                           coalesce(sum(speed), 0) AS speed_hours, max(updated_at) AS updated_at
                    FROM (
                        SELECT -views AS views, -clicks AS clicks, -likes AS likes, -dislikes AS dislikes,
                               -watches AS watches, -ratings AS ratings, -searches AS searches,
                               -impressions AS impressions, -rating_sum AS rating_sum, -1 AS batch, 0 AS speed,
                               NULL::timestamptz AS updated_at
                        FROM batch_stats_hourly b
                        WHERE t.run_id IS NOT NULL AND b.run_id = head.run_id AND b.movie_id = m.movie_id
                          AND b.hour >= head.boundary
                        UNION ALL
                        SELECT views, clicks, likes, dislikes, watches, ratings, searches, impressions, rating_sum, 0, 1,
                               updated_at
                        FROM speed_stats s
                        WHERE s.movie_id = m.movie_id AND s.hour >= coalesce(head.boundary, '-infinity')
                        UNION ALL
                        SELECT s.views - coalesce(b.views, 0), s.clicks - coalesce(b.clicks, 0),
                               s.likes - coalesce(b.likes, 0), s.dislikes - coalesce(b.dislikes, 0),
                               s.watches - coalesce(b.watches, 0), s.ratings - coalesce(b.ratings, 0),
                               s.searches - coalesce(b.searches, 0), s.impressions - coalesce(b.impressions, 0),
                               s.rating_sum - coalesce(b.rating_sum, 0), -(b.run_id IS NOT NULL)::int, 1, s.updated_at
                        FROM speed_stats s LEFT JOIN batch_stats_hourly b
                             ON b.run_id = head.run_id AND b.movie_id = s.movie_id AND b.hour = s.hour
                        WHERE s.movie_id = m.movie_id AND s.hour < head.boundary AND s.reopened
                        UNION ALL
                        -- A run by a release that knew no totals.
                        SELECT views, clicks, likes, dislikes, watches, ratings, searches, impressions, rating_sum, 1, 0,
                               NULL
                        FROM batch_stats_hourly b
                        WHERE t.run_id IS NULL AND b.run_id = head.run_id AND b.movie_id = m.movie_id
                          AND b.hour < head.boundary) AS hours) AS d
           WHERE m.movie_id = ANY($1) AND m.tombstoned_at IS NULL"#,
        ids,
        routing.limit().map(Hour::start),
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(MergedMovie {
                latest: match (row.observed_at, row.seen_popularity, row.seen_average, row.seen_count) {
                    (Some(observed_at), Some(popularity), Some(vote_average), Some(vote_count)) => {
                        let movie_id = movie_id(row.movie_id)?;
                        Some(Observation { movie_id, observed_at, popularity, vote_average, vote_count })
                    }
                    _ => None,
                },
                viewers: Counts {
                    views: row.views,
                    clicks: row.clicks,
                    likes: row.likes,
                    dislikes: row.dislikes,
                    watches: row.watches,
                    ratings: row.ratings,
                    searches: row.searches,
                    impressions: row.impressions,
                    rating_sum: row.rating_sum,
                },
                batch_hours: row.batch_hours,
                speed_hours: row.speed_hours,
                speed_updated_at: row.speed_updated_at,
                run_id: row.run_id.map(RunId),
                watermark: row.watermark.map(Hour::of),
                routing,
                movie: MovieDetail {
                    movie_id: row.movie_id,
                    title: row.title,
                    original_title: row.original_title,
                    overview: row.overview,
                    tagline: row.tagline,
                    release_date: row.release_date,
                    runtime: row.runtime,
                    budget: row.budget,
                    revenue: row.revenue,
                    original_language: row.original_language,
                    status: row.status,
                    imdb_id: row.imdb_id,
                    poster_path: row.poster_path,
                    popularity: row.popularity,
                    vote_average: row.vote_average,
                    vote_count: row.vote_count,
                    genres: row.genres,
                    keywords: row.keywords,
                    credits: row.credits,
                    updated_at: row.updated_at,
                },
            })
        })
        .collect()
}
