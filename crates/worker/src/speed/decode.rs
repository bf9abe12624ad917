//! Decodes entries of the event log into a micro-batch.

use std::panic::{AssertUnwindSafe, catch_unwind};

use domain::events::Fact;
use domain::sentiment::Lexicon;
use storage::event_log::LogEntry;
use storage::postgres::facts::events::ScoredReview;
use storage::postgres::speed::MicroBatch;

/// Entries that can be applied together, and those that cannot be decoded.
#[derive(Default)]
pub(super) struct Decoded {
    pub batch: MicroBatch,
    pub entries: Vec<LogEntry>,
    /// Entries that cannot be decoded, with the reason.
    pub unreadable: Vec<(LogEntry, String)>,
}

/// Decodes entries and scores reviews. It takes milliseconds of CPU time, so call it on a blocking thread.
pub(super) fn decode(entries: Vec<LogEntry>) -> Decoded {
    let lexicon = Lexicon::new();
    let mut decoded = Decoded::default();
    for entry in entries {
        match entry.fact() {
            Ok(Fact::Event(event)) => decoded.batch.events.push(event),
            Ok(Fact::Review(review)) => {
                // A text at which the library panics must not fail the whole micro-batch at every attempt.
                let Ok(score) = catch_unwind(AssertUnwindSafe(|| lexicon.score(&review.content))) else {
                    decoded.unreadable.push((entry, "scoring the review panicked".to_owned()));
                    continue;
                };
                decoded.batch.reviews.push(ScoredReview { review, score });
            }
            Err(error) => {
                decoded.unreadable.push((entry, format!("the entry is not a fact: {error}")));
                continue;
            }
        }
        decoded.entries.push(entry);
    }
    decoded
}
