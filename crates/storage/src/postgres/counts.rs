//! Counts by event type as the tables store them: an array with one slot per type (migrations/0010_event_slots.sql).

use domain::events::{Counts, EventType};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgTypeInfo, PgValueRef};
use sqlx::{Decode, Postgres, Type};

/// The counts of many rows in sequence, [`EventType::SLOTS`] values per row. A statement cuts this parameter into rows
/// again, since `unnest` flattens arrays of arrays.
pub(super) fn flat<'a>(rows: impl Iterator<Item = &'a Counts>) -> Vec<i64> {
    let unused = [0; EventType::SLOTS - EventType::COUNT];
    rows.flat_map(|counts| counts.slots().iter().copied().chain(unused)).collect()
}

/// The length in bytes that precedes each element.
const LENGTH: [u8; 4] = 8_i32.to_be_bytes();

/// The result of `array_agg` over arrays: a two-dimensional array, which sqlx does not decode by itself.
#[derive(Debug, Default)]
pub(super) struct CountRows {
    width: usize,
    slots: Vec<i64>,
}

impl CountRows {
    /// Combines the rows with the rating sums of the same rows.
    pub(super) fn with(self, rating_sums: Vec<f64>) -> impl Iterator<Item = Counts> {
        rating_sums.into_iter().enumerate().map(move |(row, rating_sum)| {
            let slots = self.slots.get(row * self.width..(row + 1) * self.width).unwrap_or_default();
            Counts::from_slots(slots, rating_sum)
        })
    }
}

impl Type<Postgres> for CountRows {
    fn type_info() -> PgTypeInfo {
        <Vec<i64> as Type<Postgres>>::type_info()
    }
}

impl<'r> Decode<'r, Postgres> for CountRows {
    /// Decodes PostgreSQL's binary form: dimensions, flags and element type, then length and lower bound of each
    /// dimension, then each element after its length. All fields but the elements have four bytes.
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        let mut rest = value.as_bytes()?;
        let dimensions = word(&mut rest)?;
        rest = rest.get(8..).ok_or("a short array")?;
        let mut width = 0;
        for _ in 0..dimensions {
            width = usize::try_from(word(&mut rest)?)?;
            rest = rest.get(4..).ok_or("a short array")?;
        }
        let mut slots = Vec::with_capacity(rest.len() / (LENGTH.len() + 8));
        while !rest.is_empty() {
            let element = rest.strip_prefix(&LENGTH).and_then(|rest| rest.split_first_chunk::<8>());
            let (element, after) = element.ok_or("an element that is no number")?;
            slots.push(i64::from_be_bytes(*element));
            rest = after;
        }
        Ok(Self { width, slots })
    }
}

fn word(bytes: &mut &[u8]) -> Result<i32, BoxDynError> {
    let (word, rest) = bytes.split_first_chunk::<4>().ok_or("a short array")?;
    *bytes = rest;
    Ok(i32::from_be_bytes(*word))
}
