//! Compares the click-through rates of two variants.
//!
//! A viewer's impressions are not independent, so the viewer is the unit: the rate is a ratio of two means over viewers,
//! and its variance that of the delta method (Deng, Knoblich and Lu 2018, "Applying the delta method in metric
//! analytics", section 3). A fixed-horizon interval holds if it is looked at once; a sequential one at any time and as
//! often as wanted (the mixture sequential probability ratio test: Johari, Koomen, Pekelis and Walsh 2017, "Peeking at
//! A/B tests", section 4).

use serde::{Deserialize, Serialize};

/// Viewers that each variant needs before the normal approximation is trusted.
const VIEWERS_MIN: i64 = 30;

/// How an experiment is judged.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Design {
    /// Whether intervals hold however often they are looked at; otherwise they hold for one look at the end.
    pub sequential: bool,
    /// Confidence of the intervals.
    #[cfg_attr(feature = "openapi", schema(minimum = 0.5, exclusive_maximum = 1, example = 0.95))]
    pub level: f64,
    /// The difference of the rates that one hopes to find. A sequential interval is narrowest for it.
    #[cfg_attr(feature = "openapi", schema(exclusive_minimum = 0, maximum = 1, example = 0.01))]
    pub effect: f64,
}

impl Default for Design {
    fn default() -> Self {
        Self { sequential: true, level: 0.95, effect: 0.01 }
    }
}

impl Design {
    pub(super) fn is_valid(&self) -> bool {
        self.effect > 0.0 && self.effect <= 1.0 && (0.5..1.0).contains(&self.level)
    }

    /// Half the width of the interval of an estimate with this variance.
    fn half_width(&self, variance: f64) -> f64 {
        let alpha = 1.0 - self.level;
        if self.sequential {
            let mixture = self.effect * self.effect;
            let sum = variance + mixture;
            (variance * sum / mixture * (2.0 * (1.0 / alpha).ln() + (sum / variance).ln())).sqrt()
        } else {
            normal_quantile(1.0 - alpha / 2.0) * variance.sqrt()
        }
    }
}

/// What a variant's viewers did, as sums over viewers of impressions and clicks.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Feedback {
    /// Viewers with at least one impression.
    pub viewers: i64,
    pub impressions: f64,
    pub clicks: f64,
    /// Sums of the squares and of the product.
    pub impressions_squared: f64,
    pub clicks_squared: f64,
    pub product: f64,
}

impl Feedback {
    /// Clicks per impression; `None` without impressions.
    pub fn rate(&self) -> Option<f64> {
        (self.impressions > 0.0).then(|| self.clicks / self.impressions)
    }

    /// Variance of [`Feedback::rate`] by the delta method; `None` for fewer than two viewers.
    fn variance(&self) -> Option<f64> {
        let rate = self.rate()?;
        let n = self.viewers as f64;
        if n < 2.0 {
            return None;
        }
        let mean = self.impressions / n;
        // The mean of `clicks - rate * impressions` is 0, so its variance is the mean of the squares.
        let squares = self.clicks_squared - 2.0 * rate * self.product + rate * rate * self.impressions_squared;
        Some(squares.max(0.0) / (n - 1.0) / n / (mean * mean))
    }
}

/// A variant's rate against the control's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Comparison {
    /// The variant's rate less the control's.
    pub difference: f64,
    /// Bounds of the difference.
    pub low: f64,
    pub high: f64,
    /// Whether the interval excludes 0.
    pub conclusive: bool,
}

/// Compares a variant with the control; `None` while either has fewer than 30 viewers, or nobody has clicked.
pub fn compare(design: &Design, control: &Feedback, variant: &Feedback) -> Option<Comparison> {
    if control.viewers.min(variant.viewers) < VIEWERS_MIN {
        return None;
    }
    let difference = variant.rate()? - control.rate()?;
    let variance = variant.variance()? + control.variance()?;
    if variance <= 0.0 {
        return None;
    }
    let half = design.half_width(variance);
    let (low, high) = (difference - half, difference + half);
    Some(Comparison { difference, low, high, conclusive: low > 0.0 || high < 0.0 })
}

/// Quantile of the standard normal distribution for p from 0.5 to 1, to 4.5e-4 (Abramowitz and Stegun 1964,
/// "Handbook of Mathematical Functions", 26.2.23).
fn normal_quantile(p: f64) -> f64 {
    let t = (-2.0 * (1.0 - p).ln()).sqrt();
    let above = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let below = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    t - above / below
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small generator, so that the test needs no crate: numbers from 0 to 1.
    struct Dice(u64);

    impl Dice {
        fn unit(&mut self) -> f64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as f64 / (1_u64 << 31) as f64
        }
    }

    /// Adds a viewer with 1 to 10 impressions and a taste of their own, around `rate`.
    fn add_viewer(feedback: &mut Feedback, rate: f64, dice: &mut Dice) {
        let shown = 1 + (dice.unit() * 10.0) as u64;
        let own = rate * 2.0 * dice.unit();
        let clicks = (0..shown).filter(|_| dice.unit() < own).count() as f64;
        let shown = shown as f64;
        feedback.viewers += 1;
        feedback.impressions += shown;
        feedback.clicks += clicks;
        feedback.impressions_squared += shown * shown;
        feedback.clicks_squared += clicks * clicks;
        feedback.product += shown * clicks;
    }

    /// In how many of 400 experiments without a difference the interval excludes 0 at one of ten looks, or at the last.
    fn false_alarms(design: Design) -> (usize, usize) {
        let mut dice = Dice(7);
        let (mut any, mut last) = (0, 0);
        for _ in 0..400 {
            let (mut a, mut b) = (Feedback::default(), Feedback::default());
            let looks: Vec<bool> = (0..10)
                .map(|_| {
                    (0..100).for_each(|_| {
                        add_viewer(&mut a, 0.1, &mut dice);
                        add_viewer(&mut b, 0.1, &mut dice);
                    });
                    compare(&design, &a, &b).is_some_and(|c| c.conclusive)
                })
                .collect();
            any += usize::from(looks.contains(&true));
            last += usize::from(looks[9]);
        }
        (any, last)
    }

    #[test]
    fn only_sequential_intervals_survive_peeking() {
        // 5 % of 400 are 20; four standard deviations are 17.
        let (peeked, at_the_end) = false_alarms(Design { sequential: false, ..Design::default() });
        assert!(at_the_end <= 37, "{at_the_end}");
        assert!(peeked > 37, "looking ten times finds what is not there: {peeked}");
        let (peeked, _) = false_alarms(Design::default());
        assert!(peeked <= 37, "{peeked}");
    }

    #[test]
    fn a_real_difference_is_found_with_its_sign() {
        let mut dice = Dice(3);
        let (mut a, mut b) = (Feedback::default(), Feedback::default());
        for _ in 0..4_000 {
            add_viewer(&mut a, 0.10, &mut dice);
            add_viewer(&mut b, 0.14, &mut dice);
        }
        let found = compare(&Design::default(), &a, &b).unwrap();
        assert!(found.conclusive && found.low > 0.0 && found.low < 0.04 && found.high > 0.04, "{found:?}");
        let back = compare(&Design::default(), &b, &a).unwrap();
        assert!((back.low + found.high).abs() < 1e-12);
    }

    #[test]
    fn too_little_data_says_nothing() {
        let (mut few, mut silent) = (Feedback::default(), Feedback::default());
        let mut dice = Dice(1);
        (0..29).for_each(|_| add_viewer(&mut few, 0.5, &mut dice));
        (0..100).for_each(|_| add_viewer(&mut silent, 0.0, &mut dice));
        assert_eq!(compare(&Design::default(), &few, &few), None);
        assert_eq!(compare(&Design::default(), &silent, &silent), None, "nobody clicked");
    }

    #[test]
    fn the_quantile_is_that_of_tables() {
        for (p, z) in [(0.75, 0.674_490), (0.95, 1.644_854), (0.975, 1.959_964), (0.995, 2.575_829)] {
            assert!((normal_quantile(p) - z).abs() < 5e-4, "{p}");
        }
    }
}
