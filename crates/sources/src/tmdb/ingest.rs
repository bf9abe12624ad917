use std::collections::HashSet;

use chrono::NaiveDate;
use domain::MovieId;
use domain::ingest::{IngestMode, Quarantined, Record};

use super::client::TmdbClient;
use super::cursor::{InProgress, TmdbCursor};
use super::listing::Listing;
use super::movies::Movies;
use super::plan::{PAGE_CAP, Plan, plan};
use super::window::DateWindow;
use crate::SourceError;

/// Ids kept in the stored cursor: as many as a full listing's window can have. A window of changes can have more, and
/// writing those with every chunk would cost more than fetching some movies twice after a kill.
const MAX_SEEN_STORED: usize = 10_000;

/// Age in days from which an unfinished ingest is dropped and restarted: TMDB tells changes of 14 days only.
const STALE_DAYS: i64 = 14;

/// One page of movies, fetched. Commit `records`, `missing` and `cursor` in one transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Chunk {
    /// The page's movies and what was wrong with them.
    pub records: Vec<Record>,
    /// Movies that TMDB does not have this time (see [`Movies::missing`]).
    pub missing: Vec<MovieId>,
    /// Where the ingest stands after this chunk.
    pub cursor: TmdbCursor,
    /// Movies handled so far in this ingest, before a kill included.
    pub done: u64,
    /// Movies in all, as TMDB counted at the start.
    pub total: Option<u64>,
    /// For people: `full: released 1994-01-01 to 1994-06-30`.
    pub phase: String,
}

/// Walks TMDB page by page. Call [`TmdbIngest::next_chunk`] until it answers `None`.
#[derive(Debug)]
pub struct TmdbIngest {
    client: TmdbClient,
    today: NaiveDate,
    cursor: TmdbCursor,
    /// Ids met in the window being walked, before a kill included unless they were too many to store.
    seen: HashSet<i64>,
    seen_all: bool,
}

/// What becomes of a window when its last page has been read.
enum WindowEnd {
    Done,
    Again,
    Short(String),
}

impl TmdbIngest {
    /// Goes on where `cursor` stands, or begins what [`plan`] says. An explicit full ingest drops unfinished changes,
    /// which it includes. `today` dates the movies' numbers and ends the windows.
    pub fn new(client: TmdbClient, mode: IngestMode, cursor: TmdbCursor, today: NaiveDate) -> Self {
        let resumable = cursor.in_progress.clone().filter(|work| {
            (today - work.started_on).num_days() <= STALE_DAYS && (mode != IngestMode::Full || work.plan == Plan::Full)
        });
        let work = resumable.unwrap_or_else(|| begin(plan(mode, cursor.synced_through, today), today));
        let seen_all = work.seen.is_some();
        let seen = work.seen.iter().flatten().copied().collect();
        let cursor = TmdbCursor { in_progress: Some(InProgress { seen: None, ..work }), ..cursor };
        Self { client, today, cursor, seen, seen_all }
    }

    /// How movies are found, for the log; `None` once all are.
    pub fn plan(&self) -> Option<Plan> {
        self.cursor.in_progress.as_ref().map(|work| work.plan)
    }

    /// The next page of movies; `None` when there are no more. After an error, or when the future is dropped before its
    /// end, the next call tries the same page again.
    ///
    /// # Errors
    /// As [`TmdbClient::movies`]; a page that cannot be had is an error as well.
    pub async fn next_chunk(&mut self) -> Result<Option<Chunk>, SourceError> {
        while let Some(work) = &mut self.cursor.in_progress {
            let Some(&window) = work.windows.last() else {
                // Only a cursor edited by hand has no window left to walk.
                self.finish();
                continue;
            };
            let page = work.page.max(1);
            let listing = self.client.listing(work.plan, window, page).await?;
            if work.total.is_none() && work.windows.len() == 1 {
                work.total = Some(work.done + listing.total_results);
            }
            let too_long = page == 1 && !work.again && listing.total_pages > work.plan.window_pages();
            if too_long && let Some((early, late)) = work.plan.split(window) {
                work.windows.pop();
                work.windows.extend([late, early]);
                continue;
            }
            return self.take(window, page, listing).await.map(Some);
        }
        Ok(None)
    }

    /// Fetches a page's new movies, then moves on. Nothing is changed before the last request has succeeded.
    async fn take(&mut self, window: DateWindow, page: u32, listing: Listing) -> Result<Chunk, SourceError> {
        let mut fresh = listing.ids.clone();
        let mut met = HashSet::new();
        fresh.retain(|id| !self.seen.contains(&id.get()) && met.insert(*id));
        let Movies { mut records, missing } = self.client.movies(&fresh, self.today).await?;
        records.extend(listing.odd.iter().cloned());
        self.seen.extend(fresh.iter().map(|id| id.get()));

        let mut phase = String::new();
        let mut progress = (0, None);
        if let Some(work) = &mut self.cursor.in_progress {
            phase = work.plan.phase(window);
            work.done += fresh.len() as u64;
            work.total = work.total.map(|total| total.max(work.done));
            progress = (work.done, work.total);
            work.page = page + 1;
        }
        if u64::from(page) >= listing.total_pages.min(PAGE_CAP) {
            match self.window_end(&listing) {
                WindowEnd::Again => self.walk_again(),
                WindowEnd::Done => self.next_window(),
                WindowEnd::Short(reason) => {
                    records.push(Record::Quarantined(Quarantined::new(&phase, None, reason, "")));
                    self.next_window();
                }
            }
        }
        Ok(Chunk { records, missing, cursor: self.stored(), done: progress.0, total: progress.1, phase })
    }

    fn window_end(&self, listing: &Listing) -> WindowEnd {
        let (seen, total) = (self.seen.len() as u64, listing.total_results);
        let again = self.cursor.in_progress.as_ref().is_some_and(|work| work.again);
        if listing.total_pages > PAGE_CAP {
            WindowEnd::Short(format!("TMDB counts {total} movies here and shows {PAGE_CAP} pages; {seen} were read"))
        } else if !self.seen_all || seen >= total {
            WindowEnd::Done
        } else if !again {
            WindowEnd::Again
        } else {
            WindowEnd::Short(format!("TMDB counts {total} movies here and listed {seen} in two walks"))
        }
    }

    fn walk_again(&mut self) {
        if let Some(work) = &mut self.cursor.in_progress {
            (work.page, work.again) = (1, true);
        }
    }

    fn next_window(&mut self) {
        self.seen.clear();
        self.seen_all = true;
        let Some(work) = &mut self.cursor.in_progress else { return };
        (work.page, work.again) = (1, false);
        work.windows.pop();
        if work.windows.is_empty() {
            self.finish();
        }
    }

    /// Everything up to the day this ingest began is in. One that was begun on an earlier day goes straight on with
    /// the changes since.
    fn finish(&mut self) {
        let Some(work) = self.cursor.in_progress.take() else { return };
        self.cursor.synced_through = Some(work.started_on);
        if work.plan == Plan::Full {
            self.cursor.unlisted_after = Some(0);
        }
        if work.started_on < self.today {
            let rest = plan(IngestMode::Auto, self.cursor.synced_through, self.today);
            self.cursor.in_progress = Some(InProgress { seen: None, ..begin(rest, self.today) });
            (self.seen, self.seen_all) = (HashSet::new(), true);
        }
    }

    /// The cursor with the ids seen, sorted so that the same state is the same JSON.
    fn stored(&self) -> TmdbCursor {
        let mut cursor = self.cursor.clone();
        if let Some(work) = &mut cursor.in_progress {
            work.seen = (self.seen_all && self.seen.len() <= MAX_SEEN_STORED).then(|| {
                let mut ids: Vec<i64> = self.seen.iter().copied().collect();
                ids.sort_unstable();
                ids
            });
        }
        cursor
    }
}

fn begin(plan: Plan, today: NaiveDate) -> InProgress {
    InProgress {
        plan,
        started_on: today,
        windows: plan.windows(today),
        page: 1,
        again: false,
        seen: Some(Vec::new()),
        done: 0,
        total: None,
    }
}
