use chrono::NaiveDate;
use domain::ingest::IngestMode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::plan::Plan;
use super::window::DateWindow;
use crate::SourceError;

/// Where the TMDB ingest stands. Stored as JSON in the same transaction as the rows it accounts for, so that a killed
/// ingest goes on behind the last committed batch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TmdbCursor {
    /// Changes up to this day are in.
    pub synced_through: Option<NaiveDate>,
    /// The ingest that has not ended yet.
    pub in_progress: Option<InProgress>,
    /// After a full ingest: movies that the export of ids lists and the catalogue lacks are still to be fetched, those
    /// with a greater id than this one. They are the movies without a release date.
    #[serde(default)]
    pub unlisted_after: Option<i64>,
}

/// An ingest under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InProgress {
    /// How it finds its movies.
    pub plan: Plan,
    /// Becomes `synced_through` in the end.
    pub started_on: NaiveDate,
    /// What is left to walk; the last one is walked now.
    pub windows: Vec<DateWindow>,
    /// The next page of that window, from 1.
    pub page: u32,
    /// Whether the window is walked again, since pages drifted under the first walk.
    pub again: bool,
    /// Ids met in that window; `None` when they are too many to store.
    pub seen: Option<Vec<i64>>,
    /// Movies handled so far, and how many TMDB counted at the start.
    pub done: u64,
    /// Movies that TMDB counted at the start; `None`: not known.
    pub total: Option<u64>,
}

impl TmdbCursor {
    /// Reads what was stored; nothing stored is the state before the first ingest. Full mode starts afresh rather than
    /// fail, which makes it the way out of a cursor that cannot be read.
    ///
    /// # Errors
    /// The JSON is not a cursor; permanent.
    pub fn load(stored: Option<&Value>, mode: IngestMode) -> Result<Self, SourceError> {
        match stored.map(Self::deserialize).transpose() {
            Ok(cursor) => Ok(cursor.unwrap_or_default()),
            Err(_) if mode == IngestMode::Full => Ok(Self::default()),
            Err(e) => Err(SourceError::Cursor(e.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cursor_survives_storage_and_a_broken_one_says_what_to_do() {
        let cursor = TmdbCursor {
            unlisted_after: Some(7),
            synced_through: NaiveDate::from_ymd_opt(2026, 1, 2),
            in_progress: Some(InProgress {
                plan: Plan::Full,
                started_on: NaiveDate::MIN,
                windows: vec![],
                page: 3,
                again: false,
                seen: Some(vec![5]),
                done: 7,
                total: None,
            }),
        };
        let stored = serde_json::to_value(&cursor).unwrap();
        assert_eq!(TmdbCursor::load(Some(&stored), IngestMode::Auto).unwrap(), cursor);
        assert_eq!(TmdbCursor::load(None, IngestMode::Auto).unwrap(), TmdbCursor::default());
        for broken in [json!(5), json!({"synced_through": "soon"}), json!({"in_progress": {}}), json!({"other": 1})] {
            let error = TmdbCursor::load(Some(&broken), IngestMode::Auto).unwrap_err();
            assert!(error.is_permanent() && error.to_string().contains("\"full\""), "{error}");
            assert_eq!(TmdbCursor::load(Some(&broken), IngestMode::Full).unwrap(), TmdbCursor::default());
        }
    }
}
