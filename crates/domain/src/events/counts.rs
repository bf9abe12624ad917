//! How often viewers did what.

use std::ops::{AddAssign, SubAssign};

use super::{Event, EventType};

/// What happened to a movie in a span of time. Adding up is exact: a rating has 24 significant bits, so fifty million of
/// them sum without rounding, in any order. Hence an hour built up by deltas equals the hour recomputed, and a part taken
/// off a sum leaves the rest to the bit.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Counts {
    by_type: [i64; EventType::COUNT],
    /// Of the ratings, 0.5 to 10 each.
    pub rating_sum: f64,
}

impl Counts {
    /// As stored: by [`EventType::slot`]. Slots that are not there are 0, and those of types unknown here are left out.
    pub fn from_slots(slots: &[i64], rating_sum: f64) -> Self {
        let mut by_type = [0; EventType::COUNT];
        by_type.iter_mut().zip(slots).for_each(|(count, slot)| *count = *slot);
        Self { by_type, rating_sum }
    }

    /// See [`Counts::from_slots`]; as many as there are types.
    pub fn slots(&self) -> &[i64] {
        &self.by_type
    }

    /// Counts one event.
    pub fn add(&mut self, event: &Event) {
        self.add_events(event.event_type, 1, f64::from(event.rating.unwrap_or_default()));
    }

    /// Counts events of one type, whose ratings add up to `rating_sum`.
    pub fn add_events(&mut self, kind: EventType, events: i64, rating_sum: f64) {
        self.by_type[kind.slot()] += events;
        self.rating_sum += rating_sum;
    }

    /// Events of one type.
    pub fn of(&self, kind: EventType) -> i64 {
        self.by_type[kind.slot()]
    }

    /// All events, of whatever type.
    pub fn total(&self) -> i64 {
        self.by_type.iter().sum()
    }

    /// The mean of the viewers' ratings; `None` without any.
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
