use super::dice::Dice;
use super::words::GENRES;

/// Movies a viewer looks at before taking one outside the own taste.
pub(super) const LOOKS: usize = 6;
/// Chance that a viewer takes such a movie at first sight.
const CURIOSITY: f64 = 0.3;

/// What a viewer likes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Taste {
    /// As bits, in the order of [`GENRES`].
    genres: u32,
    leniency: f64,
}

impl Taste {
    pub(super) fn new(dice: &mut Dice) -> Self {
        // Three tastes, perhaps twice the same; common genres are common tastes.
        let genres = (0..3).fold(0u32, |taste, _| taste | 1 << (dice.unit().powi(2) * GENRES.len() as f64) as u32);
        Self { genres, leniency: 1.4 * dice.unit() - 0.7 }
    }

    pub(super) fn likes(self, genres: u32) -> bool {
        self.genres & genres != 0
    }

    /// Whether the viewer stops at a movie of these genres.
    pub(super) fn takes(self, genres: u32, dice: &mut Dice) -> bool {
        self.likes(genres) || dice.unit() < CURIOSITY
    }

    /// What the viewer gives a movie about which opinions centre at `quality`, 1 to 10.
    pub(super) fn stars(self, quality: f64, genres: u32, dice: &mut Dice) -> f32 {
        let fits = if self.likes(genres) { 0.7 } else { -0.9 };
        let mood = 3.0 * (dice.unit() + dice.unit() - 1.0);
        (quality + fits + self.leniency + mood).round().clamp(1.0, 10.0) as f32
    }
}
