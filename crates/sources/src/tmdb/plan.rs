use chrono::{Days, NaiveDate};
use domain::ingest::IngestMode;
use serde::{Deserialize, Serialize};

use super::window::DateWindow;

/// The oldest release that TMDB knows (Passage de Venus).
pub const FIRST_RELEASE: NaiveDate = match NaiveDate::from_ymd_opt(1874, 1, 1) {
    Some(date) => date,
    None => NaiveDate::MIN,
};

/// Announced movies are listed up to two years ahead; later dates are placeholders.
const HORIZON: Days = Days::new(731);

/// TMDB looks back 14 days for changes, and no further.
const CHANGES_DAYS: i64 = 14;

/// TMDB shows no page past this, however many it counts.
pub(super) const PAGE_CAP: u64 = 500;

/// Pages per window of a full listing. Far below the cap: pages drift less while a short window is walked, walking it
/// again costs little, and the ids seen in it fit into the cursor.
const FULL_WINDOW_PAGES: u64 = 50;

/// How an ingest finds its movies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// Every movie, by date of release.
    Full,
    /// Movies changed from that day on.
    Changes {
        /// The first day, inclusive.
        since: NaiveDate,
    },
}

/// Changes where TMDB can still tell them all: from one day before the last sync, for what came in while that ran.
/// Everything where there was no sync yet, where it is more than 14 days ago, or where asked for.
pub fn plan(mode: IngestMode, synced_through: Option<NaiveDate>, today: NaiveDate) -> Plan {
    match (mode, synced_through) {
        (IngestMode::Full, _) | (_, None) => Plan::Full,
        // A sync in the future means that a clock was wrong; the overlap then starts at today.
        (_, Some(synced)) if (today - synced).num_days() <= CHANGES_DAYS => {
            Plan::Changes { since: synced.min(today).pred_opt().unwrap_or(NaiveDate::MIN) }
        }
        _ => Plan::Full,
    }
}

impl Plan {
    /// The windows to walk, as a stack: the first one last.
    pub(super) fn windows(self, today: NaiveDate) -> Vec<DateWindow> {
        let Self::Changes { since } = self else {
            return vec![DateWindow { first: FIRST_RELEASE, last: today.checked_add_days(HORIZON).unwrap_or(today) }];
        };
        let mut windows = Vec::new();
        let mut first = since;
        // Neighbours share a day: TMDB does not say whether `end_date` is part of the answer.
        loop {
            let reach = first.checked_add_days(Days::new(CHANGES_DAYS as u64 - 1)).unwrap_or(today);
            windows.push(DateWindow { first, last: reach.min(today) });
            if reach >= today {
                break;
            }
            first = reach;
        }
        windows.reverse();
        windows
    }

    /// Pages above which a window is split.
    pub(super) fn window_pages(self) -> u64 {
        match self {
            Self::Full => FULL_WINDOW_PAGES,
            Self::Changes { .. } => PAGE_CAP,
        }
    }

    /// Two halves, the earlier first; a window that cannot be smaller has none.
    pub(super) fn split(self, window: DateWindow) -> Option<(DateWindow, DateWindow)> {
        let (least, gap) = match self {
            Self::Full => (1, 1),
            Self::Changes { .. } => (2, 0),
        };
        let days = (window.last - window.first).num_days();
        if days < least {
            return None;
        }
        let middle = window.first.checked_add_days(Days::new(days as u64 / 2))?;
        let next = middle.checked_add_days(Days::new(gap))?;
        Some((DateWindow { last: middle, ..window }, DateWindow { first: next, ..window }))
    }

    pub(super) fn phase(self, window: DateWindow) -> String {
        match self {
            Self::Full => format!("full: released {window}"),
            Self::Changes { .. } => format!("changes: {window}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(offset: i64) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 6, 15).unwrap() + chrono::TimeDelta::days(offset)
    }

    #[test]
    fn changes_need_a_sync_at_most_fourteen_days_ago() {
        let today = day(0);
        assert_eq!(plan(IngestMode::Auto, None, today), Plan::Full);
        assert_eq!(plan(IngestMode::Changes, None, today), Plan::Full);
        assert_eq!(plan(IngestMode::Full, Some(day(-1)), today), Plan::Full);
        assert_eq!(plan(IngestMode::Auto, Some(day(-14)), today), Plan::Changes { since: day(-15) });
        assert_eq!(plan(IngestMode::Changes, Some(day(-15)), today), Plan::Full);
        assert_eq!(plan(IngestMode::Auto, Some(day(5)), today), Plan::Changes { since: day(-1) });
    }

    proptest! {
        #[test]
        fn change_windows_cover_every_day_and_stay_within_fourteen(gap in 0i64..=14) {
            let plan = plan(IngestMode::Auto, Some(day(-gap)), day(0));
            let mut windows = plan.windows(day(0));
            windows.reverse();
            prop_assert_eq!(windows[0].first, day(-gap - 1));
            prop_assert_eq!(windows[windows.len() - 1].last, day(0));
            prop_assert!(windows.iter().all(|w| (0..14).contains(&(w.last - w.first).num_days())));
            prop_assert!(windows.windows(2).all(|pair| pair[0].last == pair[1].first));
        }

        #[test]
        fn halves_cover_the_whole_and_get_smaller(days in 0i64..60_000) {
            let window = DateWindow { first: day(0), last: day(days) };
            for plan in [Plan::Full, Plan::Changes { since: day(0) }] {
                if let Some((early, late)) = plan.split(window) {
                    prop_assert_eq!((early.first, late.last), (window.first, window.last));
                    prop_assert!(early.last < window.last && late.first > window.first);
                    let seam = (late.first - early.last).num_days();
                    prop_assert_eq!(seam, if plan == Plan::Full { 1 } else { 0 });
                } else {
                    prop_assert!(days < 2);
                }
            }
        }
    }
}
