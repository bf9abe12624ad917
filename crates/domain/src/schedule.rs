//! The hourly, nightly and weekly schedule, UTC (seed 3, "Scheduled Tasks"; DESIGN.md section 4), as the jobs'
//! definitions have it.

use crate::jobs::JobKind;

/// One line of the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScheduleLine {
    /// Names the line in settings (`SCHEDULE_<NAME>`), in the idempotency key of its ticks and in `--list`: the job's
    /// name.
    pub name: &'static str,
    /// Six fields, seconds first; days of the week count from 1 = Monday.
    pub cron: &'static str,
    /// What is enqueued.
    pub kind: JobKind,
    /// Why at that time.
    pub reason: &'static str,
}

/// The lines of all jobs that have one, in the order of the registry.
pub fn lines() -> impl Iterator<Item = ScheduleLine> {
    JobKind::ALL.into_iter().filter_map(|kind| {
        let schedule = kind.definition().schedule?;
        Some(ScheduleLine { name: kind.as_str(), cron: schedule.cron, kind, reason: schedule.reason })
    })
}
