//! The hourly, nightly and weekly schedule in UTC (seed 3, "Scheduled Tasks"; DESIGN.md section 4), read from the jobs'
//! definitions.

use crate::jobs::JobKind;

/// One line of the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScheduleLine {
    /// The job's name. It names the line in settings (`SCHEDULE_<NAME>`), in the idempotency key of its ticks and in
    /// `--list`.
    pub name: &'static str,
    /// Six fields, seconds first; days of the week count from 1 = Monday.
    pub cron: &'static str,
    /// The kind of job that is enqueued.
    pub kind: JobKind,
    /// Why it runs at that time.
    pub reason: &'static str,
}

/// The lines of all scheduled jobs, in the order of the registry.
pub fn lines() -> impl Iterator<Item = ScheduleLine> {
    JobKind::ALL.into_iter().filter_map(|kind| {
        let schedule = kind.definition().schedule?;
        Some(ScheduleLine { name: kind.as_str(), cron: schedule.cron, kind, reason: schedule.reason })
    })
}
