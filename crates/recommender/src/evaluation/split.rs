use std::collections::BTreeMap;
use std::fmt;

use super::numpy_random::NumpyRandom;
use crate::interactions::{Interactions, Rows};

/// The seed of the published split.
const SEED: u32 = 7;

/// Groups of viewers under [`Protocol::StrongGeneralisation`].
pub const FOLDS: usize = 5;

/// Fewest likes of a viewer who is tested under [`Protocol::StrongGeneralisation`].
const LIKES_MIN: usize = 5;

/// One rating, with dense ordinals.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rating {
    /// Ordinal of the viewer.
    pub viewer: u32,
    /// Ordinal of the item.
    pub item: u32,
    /// As given: stars, or 1 for an event.
    pub value: f32,
    /// Any unit; only the order counts.
    pub time: i64,
}

/// All ratings of a data set. Ordinals ascend with the data set's numeric ids: ties are broken by them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ratings {
    /// In any order; a pair occurs once.
    pub rows: Vec<Rating>,
    /// Number of viewers.
    pub viewers: usize,
    /// Number of items.
    pub items: usize,
}

/// How ratings are split.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Protocol {
    /// Each viewer's latest rating is held out; the viewers are known in training.
    LeaveLastOut {
        /// Ratings from here on are likes; the others are dropped.
        like_min: f32,
        /// Only ratings from here on are held out.
        held_min: f32,
    },
    /// Group `fold` of five is unknown in training; each of its viewers is folded in on 80 % of the likes and tested on the
    /// rest (Liang et al. 2018). The catalogue is what the training viewers liked.
    StrongGeneralisation {
        /// Ratings from here on are likes; the others are dropped.
        like_min: f32,
        /// 0 to 4.
        fold: usize,
    },
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeaveLastOut { like_min, .. } if *like_min > 0.0 => {
                write!(f, "leave-last-out, likes from {like_min}")
            }
            Self::LeaveLastOut { .. } => write!(f, "leave-last-out, all ratings"),
            Self::StrongGeneralisation { like_min, fold } => {
                write!(f, "strong generalisation, likes from {like_min}, fold {fold} of {FOLDS}")
            }
        }
    }
}

/// Validation splits of a protocol: settings are chosen by the mean over them, since one alone has too few viewers.
pub const VALIDATIONS: usize = 4;

/// Which viewers and ratings are held out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// To choose settings: what [`Part::Test`] holds out is unknown here too. The number goes from 1 to [`VALIDATIONS`] and
    /// is 1 in the published protocol. Leave-last-out holds each viewer's last but so many ratings out, and forgets the
    /// later ones; strong generalisation tests the group that comes so many after the test's.
    Validation(usize),
    /// To report.
    Test,
}

impl Part {
    /// 0 for the test.
    fn step(self) -> usize {
        match self {
            Self::Test => 0,
            Self::Validation(step) => {
                assert!((1..=VALIDATIONS).contains(&step), "validations are 1 to {VALIDATIONS}");
                step
            }
        }
    }
}

/// Training data and a test.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// What models are trained on.
    pub train: Interactions,
    /// What is known of each tested viewer.
    pub histories: Rows,
    /// What each tested viewer's list leaves out.
    pub exclude: Rows,
    /// What each tested viewer's list should contain.
    pub held: Rows,
}

impl Ratings {
    /// Splits by the protocol. The draws are those of the numpy script that published it.
    pub fn split(&self, protocol: Protocol, part: Part) -> Split {
        match protocol {
            Protocol::LeaveLastOut { like_min, held_min } => self.leave_last_out(like_min, held_min, part),
            Protocol::StrongGeneralisation { like_min, fold } => self.strong_generalisation(like_min, fold, part),
        }
    }

    fn leave_last_out(&self, like_min: f32, held_min: f32, part: Part) -> Split {
        let (kept, held) = self.held_out(like_min, held_min, part.step());
        let known = self.rows.iter().zip(&kept).filter(|pair| *pair.1).map(|(rating, _)| (rating.viewer, rating.item));
        let train = Interactions::likes(known, self.viewers, self.items);
        // `held` is ordered by viewer, one row each.
        let histories = Interactions::likes(
            held.iter().zip(0..).flat_map(|(&row, tested)| {
                let items = train.viewers().row(self.rows[row].viewer as usize).columns;
                items.iter().map(move |&item| (tested, item))
            }),
            held.len(),
            self.items,
        );
        let histories = histories.viewers().clone();
        let held_items = held.iter().zip(0..).map(|(&row, tested)| (tested, self.rows[row].item));
        let held = Interactions::likes(held_items, held.len(), self.items).viewers().clone();
        Split { train, exclude: histories.clone(), histories, held }
    }

    /// The rows to train on as a mask, and the held-out ones, by viewer. `earlier` is how many later ones are forgotten.
    pub(super) fn held_out(&self, like_min: f32, held_min: f32, earlier: usize) -> (Vec<bool>, Vec<usize>) {
        let mut kept: Vec<bool> = self.rows.iter().map(|rating| rating.value >= like_min).collect();
        let mut held = self.latest(&kept, held_min);
        held.iter().for_each(|&row| kept[row] = false);
        for _ in 0..earlier {
            held = self.latest(&kept, held_min);
            held.iter().for_each(|&row| kept[row] = false);
        }
        (kept, held)
    }

    /// Each viewer's latest kept rating of at least `held_min`, the largest item among equals, of viewers with two or more
    /// kept ratings; by viewer.
    fn latest(&self, kept: &[bool], held_min: f32) -> Vec<usize> {
        let mut counts = vec![0u32; self.viewers];
        let mut latest: BTreeMap<u32, usize> = BTreeMap::new();
        for (row, rating) in self.rows.iter().enumerate().filter(|(row, _)| kept[*row]) {
            counts[rating.viewer as usize] += 1;
            if rating.value >= held_min {
                let best = latest.entry(rating.viewer).or_insert(row);
                if (rating.time, rating.item) > (self.rows[*best].time, self.rows[*best].item) {
                    *best = row;
                }
            }
        }
        latest.into_iter().filter(|(viewer, _)| counts[*viewer as usize] >= 2).map(|(_, row)| row).collect()
    }

    fn strong_generalisation(&self, like_min: f32, fold: usize, part: Part) -> Split {
        assert!(fold < FOLDS, "folds are 0 to 4");
        let liked =
            self.rows.iter().filter(|rating| rating.value >= like_min).map(|rating| (rating.viewer, rating.item));
        let all = Interactions::likes(liked, self.viewers, self.items).viewers().clone();
        let mut eligible: Vec<usize> = (0..self.viewers).filter(|&viewer| all.row(viewer).len() >= LIKES_MIN).collect();
        NumpyRandom::new(SEED).shuffle(&mut eligible);
        let groups = groups(&eligible);
        let tested = (fold + part.step()) % FOLDS;
        let mut trained: Vec<usize> = (0..FOLDS)
            .filter(|&group| group != fold && group != tested)
            .flat_map(|group| groups[group].iter().copied())
            .collect();
        trained.sort_unstable();
        let mut known = vec![false; self.items];
        trained.iter().flat_map(|&viewer| all.row(viewer).columns).for_each(|&item| known[item as usize] = true);
        let ordinals: Vec<u32> = known
            .iter()
            .scan(0, |next, &known| {
                *next += u32::from(known);
                Some(*next - u32::from(known))
            })
            .collect();
        let items = known.iter().filter(|known| **known).count();
        let of = |viewer: usize| -> Vec<u32> {
            let row = all.row(viewer).columns.iter().filter(|item| known[**item as usize]);
            row.map(|&item| ordinals[item as usize]).collect()
        };
        let pairs =
            trained.iter().zip(0..).flat_map(|(&viewer, row)| of(viewer).into_iter().map(move |item| (row, item)));
        let train = Interactions::likes(pairs, trained.len(), items);
        let mut tested = groups[tested].to_vec();
        tested.sort_unstable();
        let tested: Vec<Vec<u32>> = tested.into_iter().map(of).filter(|row| row.len() >= LIKES_MIN).collect();
        let mut random = NumpyRandom::new(SEED + 1 + fold as u32 + 10 * part.step() as u32);
        let (mut held, mut known) = (Vec::new(), Vec::new());
        let count = tested.len();
        for (mut row, viewer) in tested.into_iter().zip(0..) {
            random.shuffle(&mut row);
            let (out, kept) = row.split_at(row.len() / 5);
            held.extend(out.iter().map(|&item| (viewer, item)));
            known.extend(kept.iter().map(|&item| (viewer, item)));
        }
        let histories = Interactions::likes(known, count, items).viewers().clone();
        let held = Interactions::likes(held, count, items).viewers().clone();
        Split { train, exclude: histories.clone(), histories, held }
    }
}

/// As `numpy.array_split`: the first groups are larger by one.
fn groups(viewers: &[usize]) -> Vec<&[usize]> {
    let (size, larger) = (viewers.len() / FOLDS, viewers.len() % FOLDS);
    let bound = |group: usize| group * size + group.min(larger);
    (0..FOLDS).map(|group| &viewers[bound(group)..bound(group + 1)]).collect()
}
