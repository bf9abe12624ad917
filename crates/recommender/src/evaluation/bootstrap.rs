use super::numpy_random::NumpyRandom;

/// Resamples. The interval's bounds move by about 2 % of its width between seeds.
const RESAMPLES: usize = 1_000;

/// A mean over viewers and its 95 % percentile bootstrap interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// 2.5th percentile of the resampled means.
    pub low: f64,
    /// 97.5th percentile.
    pub high: f64,
}

/// The mean of `values`, one a viewer, and its interval. The resamples are those of numpy's `default_rng(0)`, so that
/// intervals of the published protocol are reproduced to the digit. All zeros for no values.
pub fn interval(values: &[f64]) -> Interval {
    if values.is_empty() {
        return Interval { mean: 0.0, low: 0.0, high: 0.0 };
    }
    let mut random = NumpyRandom::new(0);
    let size = values.len() as f64;
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| (0..values.len()).map(|_| values[random.below(values.len() as u32) as usize]).sum::<f64>() / size)
        .collect();
    means.sort_by(f64::total_cmp);
    let mean = values.iter().sum::<f64>() / size;
    Interval { mean, low: percentile(&means, 0.025), high: percentile(&means, 0.975) }
}

/// The mean difference `a - b` over the same viewers and its interval: a is better beyond chance where `low` is above 0.
///
/// # Panics
/// Panics when the lengths differ.
pub fn paired(a: &[f64], b: &[f64]) -> Interval {
    assert_eq!(a.len(), b.len(), "the same viewers");
    interval(&a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>())
}

/// Linear between order statistics.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_equals_numpy() {
        // np.percentile(x[np.random.default_rng(0).integers(0, 50, (1000, 50))].mean(1), [2.5, 97.5]), x = arange(50)**2
        let x: Vec<f64> = (0..50).map(|i| f64::from(i * i)).collect();
        let interval = interval(&x);
        assert!((interval.mean - 808.5).abs() < 1e-9);
        assert!((interval.low - NUMPY.0).abs() < 1e-9 && (interval.high - NUMPY.1).abs() < 1e-9, "{interval:?}");
    }

    const NUMPY: (f64, f64) = (610.9770000000001, 1013.9815);

    #[test]
    fn a_constant_difference_has_no_width() {
        let paired = paired(&[2.0, 3.0, 5.0], &[1.0, 2.0, 4.0]);
        assert_eq!(paired, Interval { mean: 1.0, low: 1.0, high: 1.0 });
    }
}
