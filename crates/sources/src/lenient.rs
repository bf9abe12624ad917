//! Lenient parsing of single values: numbers as text, empty text for "unknown", NUL bytes.
//!
//! Each parser answers `None` for what it cannot read, so that no single value fails a record.

use chrono::{Datelike, NaiveDate};
use serde_json::Value;

/// Largest integer that an f64 holds exactly; some sources write integers as floats.
const EXACT_IN_F64: f64 = 9_007_199_254_740_992.0;

/// Years of release that are taken; one outside is a typing error that would skew statistics by decade.
const YEARS: std::ops::RangeInclusive<i32> = 1850..=2150;

/// Text without NUL bytes (PostgreSQL refuses them) and surrounding blanks, cut at `max` bytes on a character
/// boundary; `None` when nothing is left.
pub(crate) fn clean(text: &str, max: usize) -> Option<String> {
    let text = text.trim();
    let mut text = if text.contains('\0') { text.replace('\0', "").trim().to_owned() } else { text.to_owned() };
    text.truncate(text.floor_char_boundary(max));
    let kept = text.trim_end().len();
    text.truncate(kept);
    (!text.is_empty()).then_some(text)
}

/// [`clean`] of a JSON string; a number counts as its digits (a movie called 1984).
pub(crate) fn text(value: &Value, max: usize) -> Option<String> {
    match value {
        Value::String(text) => clean(text, max),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A finite number, also when written as text.
pub(crate) fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number| number.is_finite())
}

/// A whole number, also when written as text or as `12.0`.
pub(crate) fn integer(value: &Value) -> Option<i64> {
    let exact = match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    exact.or_else(|| {
        let float = number(value)?;
        (float.fract() == 0.0 && float.abs() < EXACT_IN_F64).then_some(float as i64)
    })
}

/// A calendar day `YYYY-MM-DD` within [`YEARS`]; a time of day behind it is ignored.
pub(crate) fn date(value: &Value) -> Option<NaiveDate> {
    let text = value.as_str()?.trim();
    NaiveDate::parse_from_str(text.get(..10)?, "%Y-%m-%d").ok().filter(|date| YEARS.contains(&date.year()))
}

/// The elements of an array; nothing else has any.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn text_loses_nul_bytes_blanks_and_what_is_too_long() {
        assert_eq!(clean(" \0a\0b\0 ", 10).as_deref(), Some("ab"));
        assert_eq!(clean("\0 \0", 10), None);
        assert_eq!(clean("ünü", 2).as_deref(), Some("ü"));
        assert_eq!(text(&json!(1984), 10).as_deref(), Some("1984"));
        assert_eq!(text(&json!(null), 10), None);
    }

    #[test]
    fn numbers_may_be_text_and_must_be_finite() {
        assert_eq!(number(&json!("0.89")), Some(0.89));
        assert_eq!(number(&json!("inf")), None);
        assert_eq!(number(&json!("NaN")), None);
        assert_eq!(integer(&json!("550")), Some(550));
        assert_eq!(integer(&json!(162.0)), Some(162));
        assert_eq!(integer(&json!("162.5")), None);
        assert_eq!(integer(&json!(1e300)), None);
    }

    #[test]
    fn dates_are_days_within_reason() {
        assert_eq!(date(&json!("1999-10-15")), NaiveDate::from_ymd_opt(1999, 10, 15));
        for odd in
            [json!(""), json!("1999"), json!("1999-13-01"), json!("0001-01-01"), json!(19991015), json!("äöüäöüäöü")]
        {
            assert_eq!(date(&odd), None, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_readable(words in ".{0,60}", max in 0usize..40) {
            let value = Value::String(words);
            if let Some(text) = text(&value, max) {
                prop_assert!(text.len() <= max && !text.contains('\0') && text.trim() == text);
            }
            let _ = (number(&value), integer(&value), date(&value));
        }
    }
}
