//! The nightly and weekly schedule, UTC (seed 3, "Scheduled Tasks"; DESIGN.md section 4). One readable table.

use crate::jobs::JobKind;

/// One line of the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScheduleLine {
    /// Names the line in settings (`SCHEDULE_<NAME>`), in the idempotency key of its ticks and in `--list`.
    pub name: &'static str,
    /// Six fields, seconds first; days of the week count from 1 = Monday.
    pub cron: &'static str,
    pub kind: JobKind,
    /// Why then.
    pub reason: &'static str,
}

/// The table. A line's name and its job's name are one word.
pub const SCHEDULE: [ScheduleLine; 7] = [
    ScheduleLine {
        name: "ingest",
        cron: "0 0 2 * * *",
        kind: JobKind::Ingest,
        reason: "TMDB's day ends at midnight UTC and traffic is lowest; everything later feeds on it",
    },
    ScheduleLine {
        name: "trending",
        cron: "0 0 3 * * *",
        kind: JobKind::Trending,
        reason: "an hour for a changes-mode ingest, then the artifact readers ask for most",
    },
    ScheduleLine {
        name: "genre-stats",
        cron: "0 15 3 * * *",
        kind: JobKind::GenreStats,
        reason: "after trending, so that two scans of the catalogue do not compete",
    },
    ScheduleLine {
        name: "ratings-by-decade",
        cron: "0 30 3 * * *",
        kind: JobKind::RatingsByDecade,
        reason: "after genre statistics, likewise",
    },
    ScheduleLine {
        name: "collect-runs",
        cron: "0 45 3 * * *",
        kind: JobKind::CollectRuns,
        reason: "once the night's runs are published, the eighth-oldest goes",
    },
    ScheduleLine {
        name: "search-index",
        cron: "0 0 4 * * 1",
        kind: JobKind::SearchIndex,
        reason: "a full rebuild heals drift; single films are kept current by ingest",
    },
    ScheduleLine {
        name: "recommendations",
        cron: "0 0 5 * * 1",
        kind: JobKind::Recommendations,
        reason: "similar titles move slowly, and the job is the longest",
    },
];
