//! The 48-hour merge of batch layer and speed layer (seed 2, section 1; DESIGN.md section 3).
//!
//! Facts have an event time, and each hour of event time is answered by exactly one layer. A batch run has a
//! *watermark*: it contains every fact of the hours before it that had arrived when the run read the facts. Hours
//! before `boundary = min(cutoff, watermark)` belong to the batch layer, later ones to the speed layer.
//!
//! A late fact can arrive after the run for an hour that the run covers (a phone that was offline). The speed layer
//! then *reopens* that hour: a reopened hour belongs to the speed layer until a run that has read the fact is
//! published. Its row keeps what it has, or starts from the run's figures where it was already dropped, and the fact is
//! added to it: a row of the speed layer always contains every fact of its hour. So the law holds for late facts too:
//! the merged answer equals the answer recomputed from all facts.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{AddAssign, SubAssign};

use chrono::{DateTime, TimeDelta, Utc};

use crate::hours::Hour;

/// Length of the speed layer's window in hours. A batch run may be one day late, so two days leave no gap (seed 2).
pub const CUTOFF_HOURS: i64 = 48;

/// Bound on the clock difference between two processes plus the time between a reader's computation of its boundary and
/// its read. Rows are kept for that much longer than any boundary requires.
pub const CLOCK_MARGIN: TimeDelta = TimeDelta::hours(1);

/// `floor_to_hour(now - 48 h)`: the first hour that belongs to the speed layer whatever the batch layer covers.
pub fn cutoff(now: DateTime<Utc>) -> Hour {
    Hour::of(now.checked_sub_signed(TimeDelta::hours(CUTOFF_HOURS)).unwrap_or(DateTime::<Utc>::MIN_UTC))
}

/// How the hours of a read are split between the layers (seed 2, failure modes 3 and 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerSplit {
    cutoff: Hour,
    speed_lags: bool,
}

impl LayerSplit {
    /// `speed_lags`: uncounted facts have waited for longer than the limit.
    pub fn new(now: DateTime<Utc>, speed_lags: bool) -> Self {
        Self { cutoff: cutoff(now), speed_lags }
    }

    /// The first hour that always belongs to the speed layer; see [`cutoff`].
    pub fn cutoff(&self) -> Hour {
        self.cutoff
    }

    /// Upper bound of the boundary. `None`: the speed layer lags, so the batch layer answers up to its watermark. Both
    /// are correct: a run contains every hour before its watermark, and the speed layer contains those after the
    /// cutoff.
    pub fn limit(&self) -> Option<Hour> {
        (!self.speed_lags).then_some(self.cutoff)
    }

    /// The first hour of the speed layer; `None` where no batch run was ever published, so that every hour belongs to
    /// the speed layer.
    pub fn boundary(&self, watermark: Option<Hour>) -> Option<Hour> {
        watermark.map(|watermark| self.limit().map_or(watermark, |limit| watermark.min(limit)))
    }

    /// The layers that are behind, for which the other one answers: batch, where no run covers the hours before the
    /// cutoff; speed, where uncounted facts have waited for longer than the limit.
    pub fn stale(&self, watermark: Option<Hour>) -> impl Iterator<Item = Layer> {
        let batch = watermark.is_none_or(|watermark| watermark < self.cutoff);
        [(Layer::Batch, batch), (Layer::Speed, self.speed_lags)].into_iter().filter_map(|(l, stale)| stale.then_some(l))
    }

    /// The [`Decision`] for an answer, given which layers contributed to it.
    pub fn decision(&self, batch: bool, speed: bool) -> Decision {
        match (batch, speed) {
            (true, _) if self.speed_lags => Decision::BatchFallback,
            (true, true) => Decision::Both,
            (_, false) => Decision::Batch,
            (false, true) => Decision::Speed,
        }
    }
}

/// Which layers answered a read; counted in the metrics of the merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    Batch,
    Speed,
    Both,
    /// The batch layer, which also answered hours that would belong to the speed layer if it did not lag.
    BatchFallback,
}

impl Decision {
    /// Every decision.
    pub const ALL: [Self; 4] = [Self::Batch, Self::Speed, Self::Both, Self::BatchFallback];

    /// The decision's name in JSON bodies and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Speed => "speed",
            Self::Both => "both",
            Self::BatchFallback => "batch_fallback",
        }
    }
}

/// A layer, as the owner of an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layer {
    Batch,
    Speed,
}

impl Layer {
    /// The layer's name in JSON bodies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Speed => "speed",
        }
    }
}

/// The layer that owns an hour, given the boundary and whether a late fact reopened the hour.
pub fn layer(hour: Hour, boundary: Option<Hour>, reopened: bool) -> Layer {
    match boundary {
        Some(boundary) if hour < boundary && !reopened => Layer::Batch,
        _ => Layer::Speed,
    }
}

/// The first hour whose rows must be kept. Earlier rows, unless reopened, are older than every reader's cutoff, and a
/// published run covers them. Without a new run the watermark does not move, so rows that no run covers are kept beyond
/// the cutoff and a late run leaves no gap.
pub fn keep_from(now: DateTime<Utc>, watermark: Option<Hour>) -> Option<Hour> {
    LayerSplit::new(now.checked_sub_signed(CLOCK_MARGIN).unwrap_or(now), false).boundary(watermark)
}

/// Whether a row of the speed layer may be deleted.
pub fn droppable(hour: Hour, now: DateTime<Utc>, watermark: Option<Hour>, reopened: bool) -> bool {
    layer(hour, keep_from(now, watermark), reopened) == Layer::Batch
}

/// One hour of the speed layer: its facts, and whether a late fact reopened it.
#[derive(Debug, Clone, PartialEq)]
pub struct SpeedHour<T> {
    pub hour: Hour,
    pub facts: T,
    pub reopened: bool,
}

/// Merges the hours, oldest first, each taken from the one layer that owns it.
pub fn merge<T>(
    batch: impl IntoIterator<Item = (Hour, T)>,
    speed: impl IntoIterator<Item = SpeedHour<T>>,
    boundary: Option<Hour>,
) -> Vec<(Hour, Layer, T)> {
    let mut hours: BTreeMap<Hour, (Layer, T)> = batch
        .into_iter()
        .filter(|(hour, _)| layer(*hour, boundary, false) == Layer::Batch)
        .map(|(hour, facts)| (hour, (Layer::Batch, facts)))
        .collect();
    for SpeedHour { hour, facts, reopened } in speed {
        if layer(hour, boundary, reopened) == Layer::Speed {
            hours.insert(hour, (Layer::Speed, facts));
        }
    }
    hours.into_iter().map(|(hour, (layer, facts))| (hour, layer, facts)).collect()
}

/// A batch run's total of a movie over all hours.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RunTotal<T> {
    /// Number of hours with facts.
    pub hours: i64,
    pub sum: T,
}

/// A movie's merged total over all hours.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct MergedTotal<T> {
    pub sum: T,
    /// Number of hours with facts that each layer answered.
    pub batch_hours: i64,
    pub speed_hours: i64,
}

/// Equals the sum of [`merge`] over all hours, but reads few of them: the run's total, minus the run's hours that
/// belong to the speed layer, plus the speed layer's hours. Requires exact sums, so that the subtraction is exact too.
///
/// `batch` must contain the run's hours from the boundary on, and those that `speed` contains as reopened; others are
/// ignored.
pub fn merge_total<T: AddAssign + SubAssign>(
    total: RunTotal<T>,
    batch: impl IntoIterator<Item = (Hour, T)>,
    speed: impl IntoIterator<Item = SpeedHour<T>>,
    boundary: Option<Hour>,
) -> MergedTotal<T> {
    let mut merged = MergedTotal { sum: total.sum, batch_hours: total.hours, speed_hours: 0 };
    let mut reopened_hours = BTreeSet::new();
    for SpeedHour { hour, facts, reopened } in speed {
        if layer(hour, boundary, reopened) == Layer::Speed {
            merged.sum += facts;
            merged.speed_hours += 1;
            if reopened {
                reopened_hours.insert(hour);
            }
        }
    }
    for (hour, facts) in batch {
        if layer(hour, boundary, reopened_hours.contains(&hour)) == Layer::Speed {
            merged.sum -= facts;
            merged.batch_hours -= 1;
        }
    }
    merged
}

/// The valid one of two values of the latest observation: the speed layer's if present, since an observation is also
/// written to the batch layer when it is newer.
pub fn latest<T>(batch: T, speed: Option<T>) -> T {
    speed.unwrap_or(batch)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet, VecDeque};

    use proptest::prelude::*;

    use super::*;

    /// A minimal model of both layers: facts are numbers that add up per hour.
    #[derive(Default)]
    struct Model {
        facts: Vec<(Hour, u64)>,
        speed: BTreeMap<Hour, Row>,
        batch: BTreeMap<Hour, u64>,
        watermark: Option<Hour>,
        /// Runs that have read the facts and are not published, oldest first.
        reading: VecDeque<Run>,
    }

    /// A row of the speed layer.
    #[derive(Clone, Copy)]
    struct Row {
        sum: u64,
        reopened: bool,
        /// Number of facts stored when it changed last; the database has the transaction.
        version: usize,
    }

    struct Run {
        batch: BTreeMap<Hour, u64>,
        watermark: Hour,
        /// Number of facts stored when it read them; the database has the snapshot.
        snapshot: usize,
    }

    impl Model {
        fn truth(&self) -> BTreeMap<Hour, u64> {
            let mut sums = BTreeMap::new();
            self.facts.iter().for_each(|(hour, value)| *sums.entry(*hour).or_default() += value);
            sums
        }

        /// The speed layer receives a fact and adds it to the hour. An hour of the batch layer is reopened first.
        fn arrive(&mut self, hour: Hour, value: u64) {
            self.facts.push((hour, value));
            let late = self.watermark.is_some_and(|watermark| hour < watermark);
            let before = if late { self.batch.get(&hour).copied().unwrap_or_default() } else { 0 };
            let row = self.speed.entry(hour).or_insert(Row { sum: before, reopened: false, version: 0 });
            row.sum += value;
            row.reopened |= late;
            row.version = self.facts.len();
        }

        /// A batch run reads all facts received so far.
        fn begin_run(&mut self, now: DateTime<Utc>) {
            let watermark = Hour::of(now);
            let batch = self.truth().into_iter().filter(|(hour, _)| *hour < watermark).collect();
            self.reading.push_back(Run { batch, watermark, snapshot: self.facts.len() });
        }

        /// Publishes the oldest run that is not published: hours that it has read are closed, those that changed since
        /// are reopened.
        fn publish(&mut self) {
            let Some(run) = self.reading.pop_front() else { return };
            self.batch = run.batch;
            self.watermark = Some(run.watermark);
            for (_, row) in self.speed.iter_mut().filter(|(hour, _)| **hour < run.watermark) {
                row.reopened = row.version > run.snapshot;
            }
        }

        /// A run dies, or is held back: nothing changes.
        fn abandon_run(&mut self) {
            self.reading.pop_front();
        }

        /// A run that is published at once, instead of those that are reading.
        fn run_batch(&mut self, now: DateTime<Utc>) {
            self.reading.clear();
            self.begin_run(now);
            self.publish();
        }

        fn drop_old(&mut self, now: DateTime<Utc>) {
            let watermark = self.watermark;
            self.speed.retain(|hour, row| !droppable(*hour, now, watermark, row.reopened));
        }

        fn speed_hours(&self) -> impl Iterator<Item = SpeedHour<u64>> {
            self.speed.iter().map(|(hour, row)| SpeedHour { hour: *hour, facts: row.sum, reopened: row.reopened })
        }

        /// Reads as a movie's page does: the run's total and the fewest hours necessary.
        fn total(&self, split: LayerSplit) -> MergedTotal<u64> {
            let boundary = split.boundary(self.watermark);
            let total = RunTotal { hours: self.batch.len() as i64, sum: self.batch.values().sum() };
            let reopened = |hour: &Hour| self.speed.get(hour).is_some_and(|row| row.reopened);
            let needed = |hour: &Hour| boundary.is_some_and(|boundary| *hour >= boundary) || reopened(hour);
            let batch = self.batch.iter().filter(|(hour, _)| needed(hour)).map(|(hour, sum)| (*hour, *sum));
            merge_total(total, batch, self.speed_hours(), boundary)
        }

        fn merged(&self, split: LayerSplit) -> BTreeMap<Hour, u64> {
            let batch = self.batch.iter().map(|(hour, sum)| (*hour, *sum));
            let merged = merge(batch, self.speed_hours(), split.boundary(self.watermark));
            let total = self.total(split);
            let of = |layer| merged.iter().filter(|hour| hour.1 == layer).count() as i64;
            assert_eq!((total.batch_hours, total.speed_hours), (of(Layer::Batch), of(Layer::Speed)));
            assert_eq!(total.sum, merged.iter().map(|hour| hour.2).sum::<u64>(), "the total is the sum of the hours");
            let distinct: BTreeSet<Hour> = merged.iter().map(|(hour, ..)| *hour).collect();
            assert_eq!(distinct.len(), merged.len(), "an hour was answered twice");
            merged.into_iter().map(|(hour, _, sum)| (hour, sum)).collect()
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        /// Minutes that pass.
        Wait(i64),
        /// A fact that happened so many minutes ago; up to the 30 days that are accepted.
        Fact(i64, u64),
        Batch,
        /// A run reads; it is published or abandoned in a later step.
        BeginRun,
        Publish,
        AbandonRun,
        DropOld,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (1i64..3_000).prop_map(Step::Wait),
            4 => (0i64..180, 1u64..100).prop_map(|(ago, value)| Step::Fact(ago, value)),
            2 => (0i64..43_200, 1u64..100).prop_map(|(ago, value)| Step::Fact(ago, value)),
            1 => Just(Step::Batch),
            2 => Just(Step::BeginRun),
            2 => Just(Step::Publish),
            1 => Just(Step::AbandonRun),
            2 => Just(Step::DropOld),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        /// The law of the merge (DESIGN.md section 3), also for a reader whose clock is behind, and while the speed
        /// layer lags.
        #[test]
        fn the_merged_answer_equals_the_answer_from_all_the_facts(steps in prop::collection::vec(step(), 1..60)) {
            let mut now: DateTime<Utc> = "2026-03-10T13:59:30Z".parse().unwrap();
            let mut model = Model::default();
            for step in steps {
                match step {
                    Step::Wait(minutes) => now += TimeDelta::minutes(minutes),
                    Step::Fact(ago, value) => model.arrive(Hour::of(now - TimeDelta::minutes(ago)), value),
                    Step::Batch => model.run_batch(now),
                    Step::BeginRun => model.begin_run(now),
                    Step::Publish => model.publish(),
                    Step::AbandonRun => model.abandon_run(),
                    Step::DropOld => model.drop_old(now),
                }
                let truth = model.truth();
                for (now, speed_lags) in [(now, false), (now - CLOCK_MARGIN, false), (now, true)] {
                    prop_assert_eq!(&model.merged(LayerSplit::new(now, speed_lags)), &truth);
                }
            }
        }
    }

    #[test]
    fn a_batch_run_three_days_late_leaves_no_gap() {
        let start: DateTime<Utc> = "2026-03-10T00:00:00Z".parse().unwrap();
        let mut model = Model::default();
        model.run_batch(start);
        for hour in 0..120 {
            model.arrive(Hour::of(start + TimeDelta::hours(hour)), 1);
        }
        let now = start + TimeDelta::hours(120);
        model.drop_old(now);
        assert_eq!(model.merged(LayerSplit::new(now, false)).len(), 120, "nothing is dropped that no run covers");
    }

    #[test]
    fn a_layer_that_is_behind_is_named_and_the_other_answers_for_it() {
        let now: DateTime<Utc> = "2026-03-10T13:59:30Z".parse().unwrap();
        let cutoff = cutoff(now);
        let stale =
            |lags, watermark| LayerSplit::new(now, lags).stale(watermark).map(Layer::as_str).collect::<Vec<_>>();
        let boundary = |lags, watermark| LayerSplit::new(now, lags).boundary(watermark);
        let (old, new) = (Some(cutoff.plus(-1)), Some(cutoff.plus(9)));
        assert_eq!((stale(false, new), boundary(false, new)), (vec![], Some(cutoff)));
        assert_eq!((stale(true, new), boundary(true, new)), (vec!["speed"], new));
        assert_eq!((stale(false, old), boundary(false, old)), (vec!["batch"], old));
        assert_eq!((stale(true, None), boundary(true, None)), (vec!["batch", "speed"], None));
        assert_eq!(stale(false, Some(cutoff)), Vec::<&str>::new(), "the run holds every hour before the cutoff");
        let decision = |lags, batch, speed| LayerSplit::new(now, lags).decision(batch, speed).as_str();
        assert_eq!([decision(false, true, true), decision(false, false, true)], ["both", "speed"]);
        assert_eq!([decision(false, true, false), decision(false, false, false)], ["batch", "batch"]);
        assert_eq!([decision(true, true, true), decision(true, false, true)], ["batch_fallback", "speed"]);
    }

    #[test]
    fn the_cutoff_is_on_the_hours_edge() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        assert_eq!(cutoff(at("2026-03-10T13:59:59Z")).start(), at("2026-03-08T13:00:00Z"));
        assert_eq!(cutoff(at("2026-03-10T14:00:00Z")).start(), at("2026-03-08T14:00:00Z"));
    }
}
