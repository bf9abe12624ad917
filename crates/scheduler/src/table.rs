//! The effective schedule: the lines of the jobs' definitions, with overrides from the settings.

use std::fmt::Write;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use croner::Cron;
use croner::parser::{CronParser, Seconds};
use domain::jobs::JobKind;
use domain::schedule;
use settings::{Env, SchedulerSettings, SettingsError};

/// One line of the effective schedule.
#[derive(Debug, Clone)]
pub struct Line {
    /// The job's name, which settings and idempotency keys use.
    pub name: &'static str,
    /// The kind of job that is enqueued.
    pub kind: JobKind,
    /// Why it runs at that time.
    pub reason: &'static str,
    /// The cron expression: six fields, UTC.
    pub text: String,
    cron: Arc<Cron>,
}

impl Line {
    /// Parses a line, in tokio-cron-scheduler's dialect: seconds first; day of month and day of week must both match.
    ///
    /// # Errors
    /// A description of the error in `text`.
    pub fn new(name: &'static str, kind: JobKind, reason: &'static str, text: &str) -> Result<Self, String> {
        let parser = CronParser::builder().seconds(Seconds::Required).dom_and_dow(true).build();
        let cron =
            parser.parse(text).map_err(|error| format!("{error}; six fields are expected, seconds first, or off"))?;
        Ok(Self { name, kind, reason, text: text.to_owned(), cron: Arc::new(cron) })
    }

    /// The first tick after a moment; `None` where there is none.
    pub fn next(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.cron.find_next_occurrence(&after, false).ok()
    }

    /// The last tick at or before a moment; `None` where there is none.
    pub fn last(&self, until: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.cron.find_previous_occurrence(&until, true).ok()
    }
}

/// The schedule with `overrides` applied; the value `off` drops a line.
///
/// # Errors
/// A cron expression that cannot be parsed, with the variable that contains it.
pub fn load(overrides: &[(&'static str, String)], env: &Env) -> Result<Vec<Line>, SettingsError> {
    let mut lines = Vec::new();
    for line in schedule::lines() {
        let text = overrides.iter().find(|(name, _)| *name == line.name).map_or(line.cron, |(_, text)| text.as_str());
        if text.eq_ignore_ascii_case("off") {
            continue;
        }
        lines.push(
            Line::new(line.name, line.kind, line.reason, text)
                .map_err(|error| env.malformed(&SchedulerSettings::variable(line.name), error))?,
        );
    }
    Ok(lines)
}

/// The schedule as a text table for `--list`: next run, cron expression, job, reason; the next run first.
pub fn list(lines: &[Line], now: DateTime<Utc>) -> String {
    let mut rows: Vec<_> = lines.iter().map(|line| (line.next(now), line)).collect();
    rows.sort_by_key(|(next, _)| next.unwrap_or(DateTime::<Utc>::MAX_UTC));
    let mut text = format!("{:<21} {:<15} {:<18} why then\n", "next run (UTC)", "cron", "job");
    for (next, line) in rows {
        let next = next.map_or_else(|| "never".to_owned(), |next| next.format("%a %Y-%m-%d %H:%M").to_string());
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{next:<21} {:<15} {:<18} {}", line.text, line.kind.as_str(), line.reason);
    }
    text
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;

    #[test]
    fn the_table_is_the_seeds() {
        let lines = load(&[], &Env::of([])).unwrap();
        // A Sunday noon: the weekly lines run the next morning.
        let noon = Utc.with_ymd_and_hms(2026, 3, 8, 12, 0, 0).unwrap();
        let next = |name| lines.iter().find(|l| l.name == name).unwrap().next(noon).unwrap().to_rfc3339();
        assert_eq!(next("ingest"), "2026-03-09T02:00:00+00:00");
        assert_eq!(next("trending"), "2026-03-09T03:00:00+00:00");
        assert_eq!(next("genre-stats"), "2026-03-09T03:15:00+00:00");
        assert_eq!(next("search-index"), "2026-03-09T04:00:00+00:00");
        assert_eq!(next("similar"), "2026-03-09T05:00:00+00:00");
        let last = lines.iter().find(|l| l.name == "search-index").unwrap().last(noon).unwrap();
        assert_eq!(last.to_rfc3339(), "2026-03-02T04:00:00+00:00");
    }

    #[test]
    fn a_line_can_be_moved_and_switched_off_and_a_bad_cron_is_named() {
        let moved = load(&[("trending", "0 30 1 * * *".into()), ("ingest", "off".into())], &Env::of([])).unwrap();
        assert!(moved.iter().all(|line| line.name != "ingest"));
        assert!(list(&moved, Utc::now()).contains("0 30 1 * * *"));
        let error = load(&[("genre-stats", "every day".into())], &Env::of([])).unwrap_err().to_string();
        assert!(error.contains("SCHEDULE_GENRE_STATS"), "{error}");
    }
}
