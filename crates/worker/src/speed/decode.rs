//! Entries of the log -> facts to apply.

use std::panic::{AssertUnwindSafe, catch_unwind};

use domain::events::Fact;
use domain::sentiment::Lexicon;
use storage::event_log::LogEntry;
use storage::postgres::facts::events::ScoredReview;
use storage::postgres::speed::MicroBatch;

/// Entries that can be applied together, and those that cannot be read.
#[derive(Default)]
pub(super) struct Decoded {
    pub batch: MicroBatch,
    pub entries: Vec<LogEntry>,
    /// With the reason.
    pub unreadable: Vec<(LogEntry, String)>,
}

/// Reads entries and scores reviews. Takes milliseconds of a core, so call it where that blocks nobody.
pub(super) fn decode(entries: Vec<LogEntry>) -> Decoded {
    let lexicon = Lexicon::new();
    let mut decoded = Decoded::default();
    for entry in entries {
        match entry.fact() {
            Ok(Fact::Event(event)) => decoded.batch.events.push(event),
            Ok(Fact::Review(review)) => {
                // One text that a library trips over must not take the micro-batch with it, again and again.
                let Ok(score) = catch_unwind(AssertUnwindSafe(|| lexicon.score(&review.content))) else {
                    decoded.unreadable.push((entry, "scoring the review panicked".to_owned()));
                    continue;
                };
                decoded.batch.reviews.push(ScoredReview { review, score });
            }
            Err(error) => {
                decoded.unreadable.push((entry, format!("not a fact: {error}")));
                continue;
            }
        }
        decoded.entries.push(entry);
    }
    decoded
}
