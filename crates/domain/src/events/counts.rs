//! Counts of viewers' events by type.

use std::ops::{AddAssign, SubAssign};

use super::{Event, EventType};

/// Counts of a movie's events in a span of time. Addition is exact: a rating has 24 significant bits, so the sum of
/// fifty million ratings has no rounding error, in any order. Therefore an hour that was built from deltas equals the
/// hour recomputed, and subtracting a part leaves exactly the rest.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Counts {
    by_type: [i64; EventType::COUNT],
    /// Sum of the ratings, 0.5 to 10 each.
    pub rating_sum: f64,
}

impl Counts {
    /// Reads the stored array of counts, indexed by [`EventType::slot`]. Missing slots are 0; slots of types that this
    /// release does not know are ignored.
    pub fn from_slots(slots: &[i64], rating_sum: f64) -> Self {
        let mut by_type = [0; EventType::COUNT];
        by_type.iter_mut().zip(slots).for_each(|(count, slot)| *count = *slot);
        Self { by_type, rating_sum }
    }

    /// The counts as [`Counts::from_slots`] reads them, one slot per event type.
    pub fn slots(&self) -> &[i64] {
        &self.by_type
    }

    /// Adds one event.
    pub fn add(&mut self, event: &Event) {
        self.add_events(event.event_type, 1, f64::from(event.rating.unwrap_or_default()));
    }

    /// Adds events of one type; `rating_sum` is the sum of their ratings.
    pub fn add_events(&mut self, kind: EventType, events: i64, rating_sum: f64) {
        self.by_type[kind.slot()] += events;
        self.rating_sum += rating_sum;
    }

    /// Number of events of one type.
    pub fn of(&self, kind: EventType) -> i64 {
        self.by_type[kind.slot()]
    }

    /// Number of events of all types.
    pub fn total(&self) -> i64 {
        self.by_type.iter().sum()
    }

    /// Mean of the viewers' ratings, 0.5 to 10; `None` without ratings.
    pub fn rating_mean(&self) -> Option<f64> {
        let ratings = self.of(EventType::Rating);
        (ratings > 0).then(|| self.rating_sum / ratings as f64)
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.by_type.iter_mut().zip(other.by_type).for_each(|(count, more)| *count += more);
        self.rating_sum += other.rating_sum;
    }
}

impl SubAssign for Counts {
    fn sub_assign(&mut self, other: Self) {
        self.by_type.iter_mut().zip(other.by_type).for_each(|(count, less)| *count -= less);
        self.rating_sum -= other.rating_sum;
    }
}
