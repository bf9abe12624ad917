//! Evaluations of one question each: what dislikes do, and how good cold items' vectors are.

use std::borrow::Cow;
use std::error::Error;
use std::io::{self, Write};
use std::path::Path;

use recommender::als::{self, FoldIn, Parameters};
use recommender::cold::ContentMap;
use recommender::evaluation::{ColdSplit, Interval, Metric, Ratings, Split, interval, lists, paired};
use recommender::models::ContentProfile;
use recommender::{Recommender, Rows, defaults};

use super::content::content;
use super::{bar, shown};

const LIKE_MIN: f32 = 4.0;
const DISLIKE_MAX: f32 = 2.0;

/// What a dislike is drawn to, and its weight against 1 of a like.
const DISLIKES: [(f32, f32); 5] = [(0.0, 0.5), (0.0, 1.0), (-0.3, 0.5), (-0.3, 1.0), (-1.0, 1.0)];

/// Metrics of a dislike study; the last is of the held-out dislikes: less is better.
const DISLIKE_METRICS: [&str; 4] = ["HR@10", "NDCG@10", "HR@100", "disliked in 100"];

/// Leave-last-out on likes, trained without and with dislikes; the same viewers, lists without what is known to be disliked.
pub(super) fn dislikes(ratings: &Ratings, starts: u8) -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout().lock();
    writeln!(out, "\ndislikes: leave-last-out on likes from {LIKE_MIN}, dislikes up to {DISLIKE_MAX}")?;
    let bar = bar("dislikes")?;
    let show = shown(&bar);
    let total = 1 + DISLIKES.len() as u64;
    let mut without: Option<[Vec<f64>; 4]> = None;
    for (done, setting) in (1..).zip(std::iter::once(None).chain(DISLIKES.map(Some))) {
        let (target, weight) = setting.unwrap_or((0.0, 1.0));
        let study = ratings.dislike_split(LIKE_MIN, DISLIKE_MAX, weight, 0);
        let split = if setting.is_some() { &study.with } else { &study.without };
        let parameters = Parameters { dislike_target: target, ..defaults::als() };
        let values = measured(split, &study.disliked, &parameters, starts)?;
        show(done, total);
        let name =
            setting.map_or("without".to_owned(), |(target, weight)| format!("drawn to {target}, weight {weight}"));
        write!(out, "{name:<26}")?;
        for (index, metric) in DISLIKE_METRICS.iter().enumerate() {
            let Interval { mean, .. } = interval(&values[index]);
            write!(out, "  {metric} {mean:.4}")?;
            if let Some(without) = &without {
                let Interval { mean, low, high } = paired(&values[index], &without[index]);
                write!(out, " ({mean:+.4} [{low:+.4}, {high:+.4}])")?;
            }
        }
        writeln!(out)?;
        without.get_or_insert(values);
    }
    bar.finish_and_clear();
    Ok(())
}

fn measured(
    split: &Split,
    disliked: &Rows,
    parameters: &Parameters,
    starts: u8,
) -> Result<[Vec<f64>; 4], Box<dyn Error>> {
    let mut sums: [Vec<f64>; 4] = std::array::from_fn(|_| vec![0.0; split.held.height()]);
    for seed in 1..=u64::from(starts) {
        let model = als::train(&split.train, &Parameters { seed, ..parameters.clone() }, &())?;
        let lists = lists(&FoldIn::new(Cow::Owned(model.items), parameters), split);
        let values = [
            Metric::HitRate(10).of(&lists, &split.held),
            Metric::Ndcg(10).of(&lists, &split.held),
            Metric::HitRate(100).of(&lists, &split.held),
            Metric::HitRate(100).of(&lists, disliked),
        ];
        for (sums, values) in sums.iter_mut().zip(values) {
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value / f64::from(starts));
        }
    }
    Ok(sums)
}

/// Ridges tried on a split of its own.
const RIDGES: [f32; 5] = [1.0, 3.0, 10.0, 30.0, 100.0];

/// An item's vector teaches the map if so many viewers shaped it.
const VIEWERS_MIN: usize = 3;

/// Items taken out of training and ranked among themselves by vectors from their content.
pub(super) fn cold(
    ratings: &Ratings,
    items: &[String],
    movielens: &Path,
    tmdb: Option<&Path>,
    starts: u8,
) -> Result<(), Box<dyn Error>> {
    let content = content(movielens, tmdb, items)?;
    let mut out = io::stdout().lock();
    writeln!(out, "\ncold items: likes from {LIKE_MIN}, {} content features", content.width())?;
    let bar = bar("cold items")?;
    let show = shown(&bar);
    let total = RIDGES.len() as u64 + u64::from(starts);
    let validation = ratings.cold_split(LIKE_MIN, 0);
    let mut best = (RIDGES[0], f64::NEG_INFINITY);
    for (done, ridge) in (1..).zip(RIDGES) {
        let model = by_content(&validation, &content, ridge, 1)?;
        let mean = interval(&Metric::Ndcg(20).of(&lists(&model, &validation.split), &validation.split.held)).mean;
        if mean > best.1 {
            best = (ridge, mean);
        }
        show(done, total);
    }
    let metrics = [Metric::Recall(20), Metric::Ndcg(20)];
    // For each model, for each metric, the viewers of all splits in turn.
    let mut values: [[Vec<f64>; 2]; 3] = Default::default();
    let mut sizes = Vec::new();
    for seed in 1..=u64::from(starts) {
        let study = ratings.cold_split(LIKE_MIN, seed);
        sizes.push(study.cold.len());
        let ours = by_content(&study, &content, best.0, seed)?;
        let profile = ContentProfile::new(content.clone());
        let models: [&dyn Recommender; 3] = [&Shuffled(ratings.items), &profile, &ours];
        for (values, model) in values.iter_mut().zip(models) {
            let lists = lists(model, &study.split);
            let of = metrics.map(|metric| metric.of(&lists, &study.split.held));
            values.iter_mut().zip(of).for_each(|(all, more)| all.extend(more));
        }
        show(RIDGES.len() as u64 + seed, total);
    }
    bar.finish_and_clear();
    writeln!(out, "{starts} draws of {sizes:?} cold items, ranked among themselves; ridge {} by another draw", best.0)?;
    for (name, values) in ["at random", "content profile", "vectors from content"].iter().zip(&values) {
        write!(out, "{name:<22}")?;
        for (metric, values) in metrics.iter().zip(values) {
            let Interval { mean, low, high } = interval(values);
            write!(out, "  {metric} {mean:.4} [{low:.4}, {high:.4}]")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn by_content(study: &ColdSplit, content: &Rows, ridge: f32, seed: u64) -> Result<FoldIn<'static>, Box<dyn Error>> {
    let parameters = Parameters { seed, ..defaults::als() };
    let train = &study.split.train;
    let mut items = als::train(train, &parameters, &())?.items;
    let map = ContentMap::fit(content, &items, train.items(), VIEWERS_MIN, ridge)?;
    for &item in &study.cold {
        items.row_mut(item as usize).copy_from_slice(&map.vector(content.row(item as usize).iter()));
    }
    Ok(FoldIn::new(Cow::Owned(items), &parameters))
}

/// The same arbitrary order for everybody.
struct Shuffled(usize);

impl Recommender for Shuffled {
    fn items(&self) -> usize {
        self.0
    }

    fn score(&self, _history: recommender::interactions::Row<'_>, scores: &mut [f32]) {
        let spread = |item: usize| (item as u32).wrapping_mul(0x9E37_79B9) >> 8;
        scores.iter_mut().enumerate().for_each(|(item, score)| *score = spread(item) as f32);
    }
}
