//! Decodes entries of the event log into a micro-batch.

use domain::events::Fact;
use storage::event_log::LogEntry;
use storage::postgres::speed::MicroBatch;

/// Entries that can be applied together, and those that cannot be decoded.
#[derive(Default)]
pub(super) struct Decoded {
    pub batch: MicroBatch,
    pub entries: Vec<LogEntry>,
    /// Entries that cannot be decoded, with the reason.
    pub unreadable: Vec<(LogEntry, String)>,
}

/// Decodes entries. Thousands of long reviews are tens of megabytes of JSON, so call it on a blocking thread.
pub(super) fn decode(entries: Vec<LogEntry>) -> Decoded {
    let mut decoded = Decoded::default();
    for entry in entries {
        match entry.fact() {
            Ok(Fact::Event(event)) => decoded.batch.events.push(event),
            Ok(Fact::Review(review)) => decoded.batch.reviews.push(review),
            Err(error) => {
                decoded.unreadable.push((entry, format!("the entry is not a fact: {error}")));
                continue;
            }
        }
        decoded.entries.push(entry);
    }
    decoded
}
