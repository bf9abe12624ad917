//! Reads the data of a movie's page from both layers.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use domain::RunId;
use domain::events::{Counts, EventType, Observation};
use domain::hours::Hour;
use domain::merge::{Layer, LayerSplit, RunTotal, SpeedHour, latest, layer, merge_total};
use domain::movies::Votes;
use domain::trending::active::Numbers;
use sqlx::PgExecutor;
use sqlx::types::Json;

use crate::StorageError;
use crate::postgres::catalogue::movie_id;
use crate::postgres::catalogue::movies::{MovieDetail, PageCredits};
use crate::postgres::counts::CountRows;
use crate::postgres::speed::SpeedRow;

/// The data of a movie's page, read at one moment: the catalogue's row, the latest observation, and the counts of both
/// layers.
#[derive(Debug, Clone)]
pub struct MovieLayers {
    movie: MovieDetail,
    latest: Option<Observation>,
    run_id: Option<RunId>,
    watermark: Option<Hour>,
    total: RunTotal<Counts>,
    /// The run's hours that are in its total but do not belong to the batch layer.
    batch: Vec<(Hour, Counts)>,
    speed: Vec<SpeedRow<Counts>>,
    split: LayerSplit,
}

impl MovieLayers {
    /// Merges the layers: each hour comes from the layer that owns it.
    pub fn merge(self) -> MergedMovie {
        let started = Instant::now();
        let boundary = self.split.boundary(self.watermark);
        let answers = |row: &&SpeedRow<Counts>| layer(row.hour.hour, boundary, row.hour.reopened) == Layer::Speed;
        let speed_updated_at = self.speed.iter().filter(answers).map(|row| row.updated_at).max();
        let merged = merge_total(self.total, self.batch, self.speed.into_iter().map(|row| row.hour), boundary);
        MergedMovie {
            movie: self.movie,
            latest: self.latest,
            viewers: merged.sum,
            batch_hours: merged.batch_hours,
            speed_hours: merged.speed_hours,
            speed_updated_at,
            run_id: self.run_id,
            watermark: self.watermark,
            merge_time: started.elapsed(),
            split: self.split,
        }
    }
}

/// The merged data of a movie's page.
#[derive(Debug, Clone)]
pub struct MergedMovie {
    pub movie: MovieDetail,
    /// The speed layer's observation, where it is the latest; the movie's row has its numbers too.
    pub latest: Option<Observation>,
    /// Counts of viewers' events over all hours.
    pub viewers: Counts,
    /// Number of hours with events, by the layer that answered them.
    pub batch_hours: i64,
    pub speed_hours: i64,
    /// When the newest of the speed layer's hours changed.
    pub speed_updated_at: Option<DateTime<Utc>>,
    /// The batch layer's published run; `None` where no run was ever published.
    pub run_id: Option<RunId>,
    pub watermark: Option<Hour>,
    /// Duration of the merge in this process.
    pub merge_time: Duration,
    /// How the hours were split between the layers.
    pub split: LayerSplit,
}

impl MergedMovie {
    /// The movie's latest public numbers.
    fn numbers(&self) -> Numbers {
        let movie = &self.movie;
        let batch =
            Numbers { popularity: movie.popularity, vote_average: movie.vote_average, vote_count: movie.vote_count };
        latest(batch, self.latest.map(Numbers::from))
    }

    /// The latest popularity.
    pub fn popularity(&self) -> f64 {
        self.numbers().popularity
    }

    /// The source's latest votes, plus the viewers' ratings.
    pub fn votes(&self) -> Votes {
        let Numbers { vote_average, vote_count, .. } = self.numbers();
        let votes = Votes { average: vote_average, count: vote_count };
        votes.with_ratings(self.viewers.of(EventType::Rating), self.viewers.rating_sum)
    }

    /// Whether the speed layer contributed to the page.
    pub fn has_speed(&self) -> bool {
        self.speed_hours > 0 || self.latest.is_some()
    }

    /// When the speed layer's contribution last changed.
    pub fn speed_changed_at(&self) -> Option<DateTime<Utc>> {
        self.speed_updated_at.max(self.latest.map(|seen| seen.observed_at))
    }
}

/// The pages of those among `ids` that exist and are not tombstones, in any order. It reads many movies, since
/// concurrent requests share one query, and in one statement, so that no run is published between its parts.
///
/// Of the run it reads only the movie's total and the few hours that [`merge_total`] needs, whatever the movie's age.
pub async fn pages(
    conn: impl PgExecutor<'_>,
    ids: &[i64],
    split: LayerSplit,
) -> Result<Vec<MovieLayers>, StorageError> {
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
                  t.hours AS "total_hours?", t.counts AS "total_counts?", t.rating_sum AS "total_rating_sum?",
                  s.hours AS "speed_hours?", s.counts AS "speed_counts?: CountRows",
                  s.rating_sums AS "speed_rating_sums?", s.reopened AS "reopened?", s.updated_at AS "speed_updated_at?",
                  b.hours AS "batch_hours?", b.counts AS "batch_counts?: CountRows",
                  b.rating_sums AS "batch_rating_sums?"
           FROM movies m
                LEFT JOIN head ON true
                -- LIMIT, so that it is looked up movie by movie: joined, all that sources observe might be read.
                LEFT JOIN LATERAL (
                    SELECT * FROM speed_latest
                    WHERE movie_id = m.movie_id AND observed_at >= coalesce(m.observed_at, '-infinity') LIMIT 1) AS l
                    ON true
                LEFT JOIN batch_stats_total t ON t.run_id = head.run_id AND t.movie_id = m.movie_id
                CROSS JOIN LATERAL (
                    SELECT array_agg(hour) AS hours, array_agg(counts) AS counts, array_agg(rating_sum) AS rating_sums,
                           array_agg(reopened) AS reopened, array_agg(updated_at) AS updated_at,
                           array_agg(hour) FILTER (WHERE hour < head.boundary) AS reopened_hours
                    FROM speed_stats
                    WHERE movie_id = m.movie_id AND (hour >= coalesce(head.boundary, '-infinity') OR reopened)) AS s
                CROSS JOIN LATERAL (
                    SELECT array_agg(hour) AS hours, array_agg(counts) AS counts, array_agg(rating_sum) AS rating_sums
                    FROM (SELECT hour, counts, rating_sum FROM batch_stats_hourly
                          WHERE run_id = head.run_id AND movie_id = m.movie_id AND hour >= head.boundary
                          UNION ALL
                          SELECT hour, counts, rating_sum FROM batch_stats_hourly
                          WHERE run_id = head.run_id AND movie_id = m.movie_id AND hour = ANY(s.reopened_hours)
                         ) AS hours) AS b
           WHERE m.movie_id = ANY($1) AND m.tombstoned_at IS NULL"#,
        ids,
        split.limit().map(Hour::start),
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(MovieLayers {
                latest: match (row.observed_at, row.seen_popularity, row.seen_average, row.seen_count) {
                    (Some(observed_at), Some(popularity), Some(vote_average), Some(vote_count)) => {
                        let movie_id = movie_id(row.movie_id)?;
                        Some(Observation { movie_id, observed_at, popularity, vote_average, vote_count })
                    }
                    _ => None,
                },
                run_id: row.run_id.map(RunId),
                watermark: row.watermark.map(Hour::of),
                total: RunTotal {
                    hours: row.total_hours.unwrap_or_default(),
                    sum: Counts::from_slots(
                        &row.total_counts.unwrap_or_default(),
                        row.total_rating_sum.unwrap_or_default(),
                    ),
                },
                batch: hours(row.batch_hours, row.batch_counts, row.batch_rating_sums).collect(),
                speed: hours(row.speed_hours, row.speed_counts, row.speed_rating_sums)
                    .zip(row.reopened.unwrap_or_default())
                    .zip(row.speed_updated_at.unwrap_or_default())
                    .map(|(((hour, facts), reopened), updated_at)| SpeedRow {
                        hour: SpeedHour { hour, facts, reopened },
                        updated_at,
                    })
                    .collect(),
                split,
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

/// Decodes one row's aggregates; `None` means no hours.
fn hours(
    hours: Option<Vec<DateTime<Utc>>>,
    counts: Option<CountRows>,
    rating_sums: Option<Vec<f64>>,
) -> impl Iterator<Item = (Hour, Counts)> {
    let counts = counts.unwrap_or_default().with(rating_sums.unwrap_or_default());
    hours.unwrap_or_default().into_iter().map(Hour::of).zip(counts)
}
