//! The hourly, nightly and weekly schedule, UTC (seed 3, "Scheduled Tasks"; DESIGN.md section 4). One readable table.

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
pub const SCHEDULE: [ScheduleLine; 14] = [
    ScheduleLine {
        name: "refresh-popular",
        cron: "0 20 * * * *",
        kind: JobKind::RefreshPopular,
        reason: "what trends shows within the hour; at a minute when no nightly line begins",
    },
    ScheduleLine {
        name: "event-stats",
        cron: "0 10 1 * * *",
        kind: JobKind::EventStats,
        reason: "yesterday's events are in, stragglers of an hour included; it needs nothing of ingest's",
    },
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
        name: "sentiment",
        cron: "0 40 3 * * *",
        kind: JobKind::Sentiment,
        reason: "ingest has brought the night's reviews; before what averages it",
    },
    ScheduleLine {
        name: "trends",
        cron: "0 0 4 * * *",
        kind: JobKind::Trends,
        reason: "twenty minutes for sentiment; if that takes longer, sentiment's trend is a day behind",
    },
    ScheduleLine {
        name: "genre-analytics",
        cron: "0 10 4 * * *",
        kind: JobKind::GenreAnalytics,
        reason: "after sentiment too, and apart from the search index's Monday",
    },
    ScheduleLine {
        name: "actor-collaboration",
        cron: "0 20 4 * * *",
        kind: JobKind::ActorCollaboration,
        reason: "reads only credits; here so that scans of the catalogue do not compete",
    },
    ScheduleLine {
        name: "predictions",
        cron: "0 30 4 * * *",
        kind: JobKind::Predictions,
        reason: "the night's longest computation, when everything readers ask for more is done",
    },
    ScheduleLine {
        name: "collect-runs",
        cron: "0 45 5 * * *",
        kind: JobKind::CollectRuns,
        reason: "once the night's runs are published, the eighth-oldest goes",
    },
    ScheduleLine {
        name: "search-index",
        cron: "0 0 4 * * 1",
        kind: JobKind::SearchIndex,
        reason: "a full rebuild heals drift; single movies are kept current by ingest",
    },
    ScheduleLine {
        name: "similar",
        cron: "0 0 5 * * 1",
        kind: JobKind::Similar,
        reason: "similar titles move slowly, and the job is the longest",
    },
];
