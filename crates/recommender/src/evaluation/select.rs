use super::{Candidate, FitError, Metric, Split, lists};
use crate::models::{Recommender, standardised};
use crate::progress::Progress;
use crate::top_n::Best;

/// The share of the candidates that go from the first trial to all others.
const SURVIVORS: f64 = 0.3;

/// A candidate and how it did on validation.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The candidate.
    pub candidate: Candidate,
    /// The metric of each tested viewer of each trial that it took part in.
    pub values: Vec<f64>,
    /// Whether it took part in all trials; the others were dropped after the first.
    pub finalist: bool,
}

impl Judged {
    /// The mean over viewers and trials.
    pub fn mean(&self) -> f64 {
        self.values.iter().sum::<f64>() / self.values.len().max(1) as f64
    }
}

/// Judges candidates by `metric` in two rounds of successive halving (Jamieson and Talwalkar 2016): all of them on the first
/// of `validations`, the best three in ten of these on the others too. Trial n starts from seed n, since one random start
/// moves NDCG as much as a setting does. Best first: finalists by their mean, then the others; equal ones in the given
/// order. Candidates that cannot be fitted (EASE with too many items) are left out.
///
/// # Errors
/// The last [`FitError`] when none could be fitted.
///
/// # Panics
/// Panics without candidates or validations.
pub fn rank(
    candidates: &[Candidate],
    validations: &[Split],
    metric: Metric,
    progress: &dyn Progress,
) -> Result<Vec<Judged>, FitError> {
    assert!(!candidates.is_empty() && !validations.is_empty(), "candidates and validations to judge them on");
    let survivors = (candidates.len() as f64 * SURVIVORS).ceil() as usize;
    let total = (candidates.len() + survivors * (validations.len() - 1)) as u64;
    let mut done = 0;
    let mut advance = || {
        done += 1;
        progress.report(done, total);
        if progress.cancelled() { Err(FitError::Als(crate::als::Error::Cancelled)) } else { Ok(()) }
    };
    let mut judged = Vec::new();
    let mut refused = None;
    for candidate in candidates {
        match values(candidate, &validations[0], metric, 1) {
            Ok(values) => judged.push(Judged { candidate: candidate.clone(), values, finalist: false }),
            Err(error) => refused = Some(error),
        }
        advance()?;
    }
    best_first(&mut judged);
    for finalist in judged.iter_mut().take(survivors) {
        for (seed, split) in (2..).zip(&validations[1..]) {
            finalist.values.extend(values(&finalist.candidate, split, metric, seed)?);
            advance()?;
        }
        finalist.finalist = true;
    }
    best_first(&mut judged);
    match refused {
        Some(error) if judged.is_empty() => Err(error),
        _ => Ok(judged),
    }
}

fn best_first(judged: &mut [Judged]) {
    judged.sort_by(|a, b| b.finalist.cmp(&a.finalist).then(b.mean().total_cmp(&a.mean())));
}

fn values(candidate: &Candidate, split: &Split, metric: Metric, seed: u64) -> Result<Vec<f64>, FitError> {
    let model = candidate.with_seed(seed).fit(&split.train, &())?;
    Ok(metric.of(&lists(&*model, split), &split.held))
}

/// Judges blends of the same parts, one list of weights a blend, on all `validations`; trial n starts from seed n. Parts are
/// fitted and scored once a trial, however many blends there are. Best first, equal ones in the given order.
///
/// # Errors
/// The first [`FitError`] of a part.
///
/// # Panics
/// Panics when a blend has not one weight a part.
pub fn rank_blends(
    parts: &[Candidate],
    blends: &[Vec<f32>],
    validations: &[Split],
    metric: Metric,
    progress: &dyn Progress,
) -> Result<Vec<Judged>, FitError> {
    assert!(blends.iter().all(|weights| weights.len() == parts.len()), "one weight a part");
    let mut judged: Vec<Judged> = blends
        .iter()
        .map(|weights| {
            let parts = weights.iter().copied().zip(parts.iter().cloned()).filter(|part| part.0 > 0.0);
            Judged { candidate: Candidate::Blend(parts.collect()), values: Vec::new(), finalist: true }
        })
        .collect();
    for (seed, split) in (1..).zip(validations) {
        let fitted: Result<Vec<_>, FitError> =
            parts.iter().map(|part| part.with_seed(seed).fit(&split.train, &())).collect();
        let lists = blended(&fitted?, blends, split);
        for (judged, lists) in judged.iter_mut().zip(lists) {
            judged.values.extend(metric.of(&lists, &split.held));
        }
        progress.report(seed, validations.len() as u64);
        if progress.cancelled() {
            return Err(crate::als::Error::Cancelled.into());
        }
    }
    best_first(&mut judged);
    Ok(judged)
}

/// Each blend's lists for the split's viewers.
fn blended(parts: &[Box<dyn Recommender>], blends: &[Vec<f32>], split: &Split) -> Vec<Vec<Vec<u32>>> {
    use rayon::prelude::*;
    let items = split.train.items().height();
    let by_viewer: Vec<Vec<Vec<u32>>> = (0..split.histories.height())
        .into_par_iter()
        .map(|viewer| {
            let history = split.histories.row(viewer);
            let scores: Vec<Vec<f32>> = parts.iter().map(|part| standardised(part, history)).collect();
            let mut best = Best::new(super::DEPTH);
            let mut sum = vec![0.0f32; items];
            let mut list = |weights: &Vec<f32>| {
                sum.fill(0.0);
                for (&weight, scores) in weights.iter().zip(&scores).filter(|pair| *pair.0 > 0.0) {
                    sum.iter_mut().zip(scores).for_each(|(sum, score)| *sum += weight * score);
                }
                let seen = split.exclude.row(viewer).columns;
                seen.iter().for_each(|&item| sum[item as usize] = f32::NEG_INFINITY);
                best.offer(0, &sum);
                best.take().into_iter().map(|scored| scored.0).collect()
            };
            blends.iter().map(&mut list).collect()
        })
        .collect();
    let mut by_blend: Vec<Vec<Vec<u32>>> = blends.iter().map(|_| Vec::with_capacity(by_viewer.len())).collect();
    for lists in by_viewer {
        by_blend.iter_mut().zip(lists).for_each(|(blend, list)| blend.push(list));
    }
    by_blend
}
