//! The statistics of a run.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::{CreationError, Histogram};
use serde::Serialize;

/// Upper bound of recorded times; longer ones are recorded as this value.
const TIME_MAX: Duration = Duration::from_secs(600);

/// A histogram of times with three significant digits; its memory does not grow with their number.
pub(super) struct Times(Histogram<u64>);

impl Times {
    pub(super) fn new() -> Result<Self, CreationError> {
        Ok(Self(Histogram::new_with_max(micros(TIME_MAX), 3)?))
    }

    pub(super) fn add(&mut self, time: Duration) {
        self.0.saturating_record(micros(time));
    }

    fn quantiles(&self) -> Option<Quantiles> {
        let ms = |quantile| self.0.value_at_quantile(quantile) as f64 / 1_000.0;
        (!self.0.is_empty()).then(|| Quantiles { p50: ms(0.5), p99: ms(0.99), max: ms(1.0) })
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Quantiles in milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Quantiles {
    p50: f64,
    p99: f64,
    max: f64,
}

/// Results of the probes.
pub(super) struct Probes {
    /// Times from the post of an event to the first page that counts it.
    pub times: Times,
    pub seen: u64,
    /// Number of events that were not visible within the time limit.
    pub missed: u64,
}

/// The statistics, shared by all tasks.
pub(super) struct Report(Mutex<Tally>);

struct Tally {
    events: u64,
    reviews: u64,
    rejected: BTreeMap<String, u64>,
    retries: u64,
    given_up: u64,
    skipped: u64,
    latency: Times,
}

impl Report {
    pub(super) fn new() -> Result<Self, CreationError> {
        Ok(Self(Mutex::new(Tally {
            events: 0,
            reviews: 0,
            rejected: BTreeMap::new(),
            retries: 0,
            given_up: 0,
            skipped: 0,
            latency: Times::new()?,
        })))
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records an accepted post; `latency` counts from its due time.
    pub(super) fn accepted(&self, events: u64, reviews: u64, latency: Duration) {
        let mut tally = self.tally();
        tally.events += events;
        tally.reviews += reviews;
        tally.latency.add(latency);
    }

    pub(super) fn rejected(&self, code: &str, facts: u64) {
        *self.tally().rejected.entry(code.to_owned()).or_default() += facts;
    }

    pub(super) fn retried(&self) {
        self.tally().retries += 1;
    }

    pub(super) fn given_up(&self, facts: u64) {
        self.tally().given_up += facts;
    }

    pub(super) fn skipped(&self, facts: u64) {
        self.tally().skipped += facts;
    }

    /// Formats a short status.
    pub(super) fn status(&self) -> String {
        let tally = self.tally();
        let (accepted, rejected) = (tally.events + tally.reviews, tally.rejected.values().sum::<u64>());
        format!("{accepted} accepted, {rejected} rejected, {} lost", tally.given_up + tally.skipped)
    }

    /// Computes the summary. `handed_out` is the number of events and reviews that were due.
    pub(super) fn summary(&self, handed_out: u64, took: Duration, probes: Option<&Probes>) -> Summary {
        let tally = self.tally();
        let answered = tally.events + tally.reviews + tally.rejected.values().sum::<u64>();
        let seconds = took.as_secs_f64();
        Summary {
            accepted_events: tally.events,
            accepted_reviews: tally.reviews,
            rejected: tally.rejected.clone(),
            retried_posts: tally.retries,
            given_up: tally.given_up,
            skipped: tally.skipped,
            unanswered: handed_out.saturating_sub(answered + tally.given_up + tally.skipped),
            seconds,
            rate: (tally.events + tally.reviews) as f64 / seconds,
            latency_ms: tally.latency.quantiles(),
            probes_seen: probes.map(|probes| probes.seen),
            probes_missed: probes.map(|probes| probes.missed),
            visible_ms: probes.and_then(|probes| probes.times.quantiles()),
        }
    }
}

/// The summary of a run.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    accepted_events: u64,
    accepted_reviews: u64,
    /// Number of rejected items by problem code.
    rejected: BTreeMap<String, u64>,
    /// Number of repeated posts, counted once per repetition.
    retried_posts: u64,
    /// Number of events and reviews whose posts failed in every attempt.
    given_up: u64,
    /// Number of events and reviews that were never sent, because too many posts were waiting.
    skipped: u64,
    /// Number of events and reviews whose posts were waiting or in progress at the end.
    unanswered: u64,
    seconds: f64,
    /// Accepted items per second.
    rate: f64,
    /// Time from a post's due time to its acceptance.
    latency_ms: Option<Quantiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    probes_seen: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    probes_missed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    visible_ms: Option<Quantiles>,
}

impl Summary {
    /// Whether the run is valid: every item was answered, and at least one was accepted. A run that was `stopped` may
    /// leave items unanswered.
    pub(super) fn succeeded(&self, stopped: bool) -> bool {
        let lost = self.given_up + self.skipped + self.unanswered;
        let failed = lost + self.rejected.values().sum::<u64>();
        (stopped || lost == 0) && (self.accepted_events + self.accepted_reviews > 0 || failed == 0)
    }
}

impl fmt::Display for Quantiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "half within {:.1} ms, 99 % within {:.1} ms, all within {:.1} ms", self.p50, self.p99, self.max)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { accepted_events, accepted_reviews, rejected, retried_posts, given_up, skipped, unanswered, .. } =
            self;
        let (seconds, rate) = (self.seconds, self.rate);
        writeln!(f, "accepted  {accepted_events} events, {accepted_reviews} reviews in {seconds:.1} s: {rate:.1}/s")?;
        let codes: Vec<String> = rejected.iter().map(|(code, count)| format!("{count} {code}")).collect();
        writeln!(f, "rejected  {}", if codes.is_empty() { "none".to_owned() } else { codes.join(", ") })?;
        writeln!(f, "retried   {retried_posts} posts")?;
        writeln!(
            f,
            "lost      {given_up} given up, {skipped} skipped because too many posts waited, {unanswered} unanswered"
        )?;
        if let Some(latency) = &self.latency_ms {
            writeln!(f, "answered  {latency} after a post was due")?;
        }
        if let (Some(seen), Some(missed)) = (self.probes_seen, self.probes_missed) {
            writeln!(f, "probes    {seen} seen, {missed} missed")?;
        }
        if let Some(visible) = &self.visible_ms {
            writeln!(f, "visible   {visible} after a probe was posted")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_answered_is_told_and_fails_a_run_that_was_not_stopped() {
        let report = Report::new().unwrap();
        report.accepted(5, 1, Duration::ZERO);
        report.rejected("unknown_movie", 2);
        let all = report.summary(8, Duration::from_secs(1), None);
        assert!(all.unanswered == 0 && all.succeeded(false), "{all:?}");
        let some = report.summary(11, Duration::from_secs(1), None);
        assert!(some.unanswered == 3 && !some.succeeded(false) && some.succeeded(true), "{some:?}");
        report.skipped(3);
        let skipped = report.summary(11, Duration::from_secs(1), None);
        assert!(skipped.unanswered == 0 && !skipped.succeeded(false), "{skipped:?}");
    }
}
