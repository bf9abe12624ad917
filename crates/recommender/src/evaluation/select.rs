use super::{Candidate, FitError, Metric, Split, lists};
use crate::progress::Progress;

/// The candidate with the highest mean of `metric` on `validation`, the earlier one of equals, and that mean. Candidates
/// from a random start are judged by the mean over `starts` of them: one start alone moves NDCG as much as the setting does.
/// Those that cannot be fitted there are passed over (EASE with too many items).
///
/// # Errors
/// The last [`FitError`] when none could be fitted.
///
/// # Panics
/// Panics without candidates.
pub fn select(
    candidates: &[Candidate],
    validation: &Split,
    metric: Metric,
    starts: u64,
    progress: &dyn Progress,
) -> Result<(Candidate, f64), FitError> {
    assert!(!candidates.is_empty(), "there are candidates to select from");
    let mut best: Option<(&Candidate, f64)> = None;
    let mut refused = None;
    for (done, candidate) in (1..).zip(candidates) {
        match validated(candidate, validation, metric, starts) {
            Ok(mean) if best.is_none_or(|(_, highest)| mean > highest) => best = Some((candidate, mean)),
            Ok(_) => {}
            Err(error) => refused = Some(error),
        }
        progress.report(done, candidates.len() as u64);
        if progress.cancelled() {
            return Err(crate::als::Error::Cancelled.into());
        }
    }
    match (best, refused) {
        (Some((candidate, mean)), _) => Ok((candidate.clone(), mean)),
        (None, Some(error)) => Err(error),
        (None, None) => unreachable!("each candidate was fitted or refused"),
    }
}

fn validated(candidate: &Candidate, validation: &Split, metric: Metric, starts: u64) -> Result<f64, FitError> {
    let starts = if candidate.is_random() { starts.max(1) } else { 1 };
    let mut sum = 0.0;
    for seed in 1..=starts {
        let model = candidate.with_seed(seed).fit(&validation.train, &())?;
        let values = metric.of(&lists(&*model, validation), &validation.held);
        sum += values.iter().sum::<f64>() / values.len().max(1) as f64;
    }
    Ok(sum / starts as f64)
}
