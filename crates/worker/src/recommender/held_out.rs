//! Which viewers are held out of training.

use domain::ViewerId;
use serde::{Deserialize, Serialize};

/// Share of viewers held out, half for validation and half for the test.
const SHARE: f64 = 0.2;

/// Most held-out viewers: 2,000 tested ones tell differences of about a hundredth apart, and more cost quality.
const VIEWERS_MAX: f64 = 4_000.0;

/// With fewer viewers than this nobody is held out: too few would be left to compare, and each one counts.
const VIEWERS_MIN: f64 = 100.0;

/// Fewest likes of a held-out viewer that is measured.
pub(crate) const LIKES_MIN: usize = 5;

/// A viewer's part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Train,
    Validation,
    Test,
}

/// The share of viewers that is held out. The smaller of two shares holds out a part of the viewers of the larger one.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
pub(crate) struct HeldOut(f64);

impl HeldOut {
    /// For an installation with so many viewers.
    pub fn of(viewers: u64) -> Self {
        let viewers = viewers as f64;
        if viewers < VIEWERS_MIN { Self(0.0) } else { Self(SHARE.min(VIEWERS_MAX / viewers)) }
    }

    /// The viewer's part. It depends on the id only, so it is the same in every version.
    pub fn role(self, viewer: ViewerId) -> Role {
        let place = uniform(viewer.get() as u64);
        if place < self.0 / 2.0 {
            Role::Test
        } else if place >= 1.0 - self.0 / 2.0 {
            Role::Validation
        } else {
            Role::Train
        }
    }
}

/// In [0, 1): splitmix64 (Steele, Lea and Flood 2014).
fn uniform(id: u64) -> f64 {
    let mut z = id.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tested(share: HeldOut) -> Vec<i64> {
        (1..=100_000).filter(|&id| share.role(ViewerId::new(id).unwrap()) == Role::Test).collect()
    }

    #[test]
    fn whoever_is_tested_with_many_viewers_was_tested_with_few() {
        let (few, many) = (tested(HeldOut::of(1_000)), tested(HeldOut::of(1_000_000)));
        assert!(
            (9_000..11_000).contains(&few.len()) && (150..250).contains(&many.len()),
            "{} {}",
            few.len(),
            many.len()
        );
        assert!(many.iter().all(|id| few.contains(id)));
        assert!(tested(HeldOut::of(99)).is_empty(), "a small installation trains on everybody");
    }
}
