//! All viewers' preferences in memory: about 10 bytes a pair, and twice that again while ALS trains.

use chrono::{DateTime, Utc};
use domain::preferences::{Preference, PreferenceWeights, Signal};
use domain::{MovieId, ViewerId};
use futures::TryStreamExt;
use recommender::interactions::{Interactions, Rows};
use sha2::{Digest, Sha256};
use storage::postgres::facts::interactions::{self, Fact};

use super::HeldOut;
use super::held_out::{LIKES_MIN, Role};
use crate::{JobContext, JobError};

/// Facts between two progress reports.
const REPORT_EVERY: u64 = 100_000;

/// The held-out viewers of one part.
pub(crate) struct Tested {
    pub viewers: Vec<ViewerId>,
    /// What is known of each.
    pub histories: Rows,
    /// The newest fifth of each one's likes.
    pub held: Rows,
}

/// Preferences of all viewers over a list of movies.
pub(crate) struct Dataset {
    /// Ascending; an item's ordinal is an index here.
    pub movies: Vec<MovieId>,
    /// Ascending.
    pub viewers: Vec<ViewerId>,
    roles: Vec<Role>,
    /// One row a viewer.
    rows: Rows,
    /// Per pair of `rows`.
    flags: Vec<Flags>,
    offsets: Vec<usize>,
    /// SHA-256 of viewers, movies and weights.
    pub fingerprint: String,
}

#[derive(Debug, Clone, Copy)]
struct Flags {
    seen: bool,
    held: bool,
}

/// Pairs of one viewer: ordinal, preference, seen.
type Pairs = Vec<(u32, Preference, bool)>;

impl Dataset {
    /// Reads every fact about `movies`, which ascend.
    ///
    /// # Errors
    /// The database's; a weight that is no confidence, with its viewer and movie.
    pub async fn load(
        context: &JobContext,
        movies: Vec<MovieId>,
        weights: &PreferenceWeights,
        held_out: HeldOut,
        now: DateTime<Utc>,
    ) -> Result<Self, JobError> {
        let mut building = Building::new(movies, held_out);
        let mut facts = interactions::all(context.pool());
        let (mut signals, mut pair, mut read) = (Vec::<Signal>::new(), None, 0u64);
        while let Some(Fact { viewer, movie, signal }) = facts.try_next().await? {
            if pair.is_some_and(|known| known != (viewer, movie)) {
                building.pair(pair, &signals, weights, now)?;
                signals.clear();
            }
            pair = Some((viewer, movie));
            signals.push(signal);
            read += 1;
            if read.is_multiple_of(REPORT_EVERY) {
                context.progress(read as i64, None, "reading ratings, events and reviews");
            }
        }
        building.pair(pair, &signals, weights, now)?;
        Ok(building.finish())
    }

    /// The pairs of the viewers that are trained on.
    pub fn training(&self) -> Interactions {
        Interactions::new(self.select(|viewer| self.roles[viewer] == Role::Train, |_| true))
    }

    /// The held-out viewers of a part that have enough likes.
    pub fn tested(&self, role: Role, also: impl Fn(ViewerId) -> bool) -> Tested {
        let chosen = |viewer: usize| {
            let mut pairs = self.offsets[viewer]..self.offsets[viewer + 1];
            self.roles[viewer] == role && also(self.viewers[viewer]) && pairs.any(|pair| self.flags[pair].held)
        };
        Tested {
            viewers: (0..self.viewers.len()).filter(|&viewer| chosen(viewer)).map(|v| self.viewers[v]).collect(),
            histories: self.select(chosen, |flags| !flags.held),
            held: self.select(chosen, |flags| flags.held),
        }
    }

    /// Histories of the viewers in `range`, and what their lists leave out: what they have seen, and `never`, ordinals of
    /// movies that nobody is shown.
    pub fn histories(&self, range: std::ops::Range<usize>, never: &[u32]) -> (Rows, Rows) {
        let inside = |viewer: usize| range.contains(&viewer);
        let histories = self.select_in(range.clone(), inside, |_| true);
        let (mut offsets, mut columns) = (vec![0], Vec::new());
        for viewer in range {
            let row = self.rows.row(viewer).columns;
            let flags = &self.flags[self.offsets[viewer]..self.offsets[viewer + 1]];
            let start = columns.len();
            columns.extend(row.iter().zip(flags).filter(|pair| pair.1.seen).map(|pair| *pair.0));
            columns.extend_from_slice(never);
            columns[start..].sort_unstable();
            let mut unique = columns.split_off(start);
            unique.dedup();
            columns.append(&mut unique);
            offsets.push(columns.len());
        }
        (histories, Rows::from_parts(offsets, columns, None, self.movies.len()))
    }

    fn select(&self, viewer: impl Fn(usize) -> bool, pair: impl Fn(Flags) -> bool) -> Rows {
        self.select_in(0..self.viewers.len(), viewer, pair)
    }

    fn select_in(
        &self,
        range: std::ops::Range<usize>,
        chosen: impl Fn(usize) -> bool,
        pair: impl Fn(Flags) -> bool,
    ) -> Rows {
        let (mut offsets, mut columns, mut values) = (vec![0], Vec::new(), Vec::new());
        for viewer in range.filter(|&viewer| chosen(viewer)) {
            let flags = &self.flags[self.offsets[viewer]..self.offsets[viewer + 1]];
            for ((column, value), _) in self.rows.row(viewer).iter().zip(flags).filter(|of| pair(*of.1)) {
                columns.push(column);
                values.push(value);
            }
            offsets.push(columns.len());
        }
        Rows::from_parts(offsets, columns, Some(values), self.movies.len())
    }

    /// Without the movies that no viewer of the training has an opinion of: nothing can be learnt of them.
    pub fn trained_movies_only(self) -> Self {
        let mut known = vec![false; self.movies.len()];
        for viewer in (0..self.viewers.len()).filter(|&viewer| self.roles[viewer] == Role::Train) {
            self.rows.row(viewer).columns.iter().for_each(|&movie| known[movie as usize] = true);
        }
        let mut next = 0;
        let ordinals: Vec<Option<u32>> = known
            .iter()
            .map(|&known| {
                next += u32::from(known);
                known.then(|| next - 1)
            })
            .collect();
        let (mut offsets, mut columns, mut values, mut flags) = (vec![0], Vec::new(), Vec::new(), Vec::new());
        for viewer in 0..self.viewers.len() {
            let of = &self.flags[self.offsets[viewer]..self.offsets[viewer + 1]];
            for ((column, value), flag) in self.rows.row(viewer).iter().zip(of) {
                if let Some(ordinal) = ordinals[column as usize] {
                    columns.push(ordinal);
                    values.push(value);
                    flags.push(*flag);
                }
            }
            offsets.push(columns.len());
        }
        let movies: Vec<MovieId> = self.movies.iter().zip(&known).filter(|pair| *pair.1).map(|pair| *pair.0).collect();
        let rows = Rows::from_parts(offsets.clone(), columns, Some(values), movies.len());
        Self { movies, rows, flags, offsets, ..self }
    }
}

/// A data set in the making: rows arrive by viewer and movie.
struct Building {
    movies: Vec<MovieId>,
    held_out: HeldOut,
    viewers: Vec<ViewerId>,
    roles: Vec<Role>,
    offsets: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f32>,
    flags: Vec<Flags>,
    /// Of the viewer whose facts arrive.
    pending: Option<(ViewerId, Pairs)>,
    hash: Sha256,
}

impl Building {
    fn new(movies: Vec<MovieId>, held_out: HeldOut) -> Self {
        Self {
            movies,
            held_out,
            viewers: Vec::new(),
            roles: Vec::new(),
            offsets: vec![0],
            columns: Vec::new(),
            values: Vec::new(),
            flags: Vec::new(),
            pending: None,
            hash: Sha256::new(),
        }
    }

    /// Adds what a viewer's facts say of a movie.
    fn pair(
        &mut self,
        pair: Option<(ViewerId, MovieId)>,
        signals: &[Signal],
        weights: &PreferenceWeights,
        now: DateTime<Utc>,
    ) -> Result<(), JobError> {
        let Some((viewer, movie)) = pair else { return Ok(()) };
        let Ok(ordinal) = self.movies.binary_search(&movie) else { return Ok(()) };
        let Some(preference) = weights.preference(signals, now) else { return Ok(()) };
        if !(preference.weight > 0.0 && preference.weight.is_finite()) {
            return Err(JobError::Permanent(format!(
                "viewer {viewer}, movie {movie}: the weight {} is no confidence; correct the RECOMMENDER_WEIGHT_* settings",
                preference.weight
            )));
        }
        if self.pending.as_ref().is_some_and(|(pending, _)| *pending != viewer) {
            self.flush();
        }
        let seen = signals.iter().any(|signal| signal.kind.marks_seen());
        self.pending.get_or_insert_with(|| (viewer, Vec::new())).1.push((ordinal as u32, preference, seen));
        Ok(())
    }

    fn flush(&mut self) {
        let Some((viewer, pairs)) = self.pending.take() else { return };
        let role = self.held_out.role(viewer);
        let held = if role == Role::Train { Vec::new() } else { newest_fifth(&pairs) };
        self.hash.update(viewer.get().to_le_bytes());
        for (ordinal, preference, seen) in pairs {
            let value = if preference.liked { preference.weight } else { -preference.weight };
            self.hash.update(self.movies[ordinal as usize].get().to_le_bytes());
            self.hash.update(value.to_le_bytes());
            self.columns.push(ordinal);
            self.values.push(value);
            self.flags.push(Flags { seen, held: held.binary_search(&ordinal).is_ok() });
        }
        self.viewers.push(viewer);
        self.roles.push(role);
        self.offsets.push(self.columns.len());
    }

    fn finish(mut self) -> Dataset {
        self.flush();
        let digest = self.hash.finalize();
        Dataset {
            rows: Rows::from_parts(self.offsets.clone(), self.columns, Some(self.values), self.movies.len()),
            movies: self.movies,
            viewers: self.viewers,
            roles: self.roles,
            flags: self.flags,
            offsets: self.offsets,
            fingerprint: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}

/// The newest fifth of a viewer's likes, later movies among equals, ascending; none where there are fewer than [`LIKES_MIN`].
fn newest_fifth(pairs: &Pairs) -> Vec<u32> {
    let mut liked: Vec<_> = pairs.iter().filter(|pair| pair.1.liked).map(|pair| (pair.1.newest_at, pair.0)).collect();
    if liked.len() < LIKES_MIN {
        return Vec::new();
    }
    liked.sort_unstable_by(|a, b| b.cmp(a));
    liked.truncate(liked.len() / 5);
    let mut newest: Vec<u32> = liked.into_iter().map(|pair| pair.1).collect();
    newest.sort_unstable();
    newest
}
