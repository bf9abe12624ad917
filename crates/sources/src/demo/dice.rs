//! Chance that is always the same: numbers hashed out of a seed and whatever they are about.
//!
//! Written out rather than taken from a crate: a demo world has to stay the same world when a dependency is updated.

/// What a number is about, so that the same ids give independent numbers for different things.
#[derive(Debug, Clone, Copy)]
pub(super) enum About {
    Rank = 1,
    Quality,
    Wander,
    Jitter,
    Rising,
    Votes,
    Movie,
    Viewer,
    Draws,
    Stars,
    Moment,
    Review,
    Name,
    Hour,
    Session,
}

/// Softens Zipf's law: the most popular movie is rated by many viewers, not by all of them.
const ZIPF_SHIFT: f64 = 20.0;

/// SplitMix64's output function: every bit of the result depends on every bit of `x`.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// A number out of the seed, the subject and its ids.
pub(super) fn hash(seed: u64, about: About, ids: &[u64]) -> u64 {
    let start = mix(seed.wrapping_add(GOLDEN).wrapping_add((about as u64) << 56));
    ids.iter().fold(start, |hash, id| mix(hash.wrapping_add(GOLDEN) ^ mix(id.wrapping_add(GOLDEN))))
}

/// FNV-1a, for text.
pub(super) fn hash_text(text: &str) -> u64 {
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
    hash(text.bytes().fold(0xCBF2_9CE4_8422_2325, fnv), About::Name, &[])
}

/// 0 to 1, without 1.
pub(super) fn unit(hash: u64) -> f64 {
    (hash >> 11) as f64 / (1u64 << 53) as f64
}

/// A sequence of such numbers.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64, about: About, ids: &[u64]) -> Self {
        Self(hash(seed, about, ids))
    }

    pub(super) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    pub(super) fn unit(&mut self) -> f64 {
        unit(self.roll())
    }

    /// 0 to `below`, without `below`; 0 when there is nothing below.
    pub(super) fn below(&mut self, below: u64) -> u64 {
        self.roll().checked_rem(below).unwrap_or(0)
    }

    /// One in so many times.
    pub(super) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// A rank of popularity below `count`, by Zipf's law.
    pub(super) fn zipf(&mut self, count: u64) -> u64 {
        let rank = ZIPF_SHIFT * ((1.0 + count as f64 / ZIPF_SHIFT).powf(self.unit()) - 1.0);
        (rank as u64).min(count.saturating_sub(1))
    }

    /// One of them; the empty text of no texts.
    pub(super) fn pick<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        texts.get(self.below(texts.len() as u64) as usize).copied().unwrap_or("")
    }
}

/// A smooth wave between -1 and 1 over `time` in days: chance at every `period`th day, eased in between.
pub(super) fn noise(seed: u64, about: About, id: u64, time: i64, period: i64) -> f64 {
    let knot = time.div_euclid(period);
    let at = |knot: i64| 2.0 * unit(hash(seed, about, &[id, knot as u64])) - 1.0;
    let x = time.rem_euclid(period) as f64 / period as f64;
    let eased = x * x * (3.0 - 2.0 * x);
    at(knot) * (1.0 - eased) + at(knot + 1) * eased
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_fixed_for_ever_and_spread_evenly() {
        // Another value here is another demo world for everybody who has one.
        assert_eq!(hash(42, About::Movie, &[7]), 0x0E77_617E_9C69_AAA7);
        assert_eq!(hash_text("Fritz Lang"), 0x6824_0ADF_345F_1091);
        assert_ne!(hash(42, About::Movie, &[7]), hash(42, About::Rank, &[7]));
        let mut dice = Dice::new(1, About::Movie, &[]);
        let mean = (0..10_000).map(|_| dice.unit()).sum::<f64>() / 10_000.0;
        assert!((mean - 0.5).abs() < 0.02, "{mean}");
        assert_eq!((dice.below(0), dice.pick(&[])), (0, ""));
    }

    #[test]
    fn waves_are_smooth_and_bounded() {
        let wave: Vec<f64> = (-40..40).map(|day| noise(1, About::Wander, 5, day, 10)).collect();
        assert!(wave.iter().all(|y| (-1.0..=1.0).contains(y)));
        assert!(wave.windows(2).all(|pair| (pair[0] - pair[1]).abs() < 0.35));
    }
}
