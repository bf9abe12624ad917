//! Which properties make two movies similar, and how much each kind weighs (DESIGN.md section 4).

use chrono::NaiveDate;

use crate::ratings_by_decade::decade;

/// Kinds of feature. A feature's final weight is the kind's weight times its rarity (inverse document frequency).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FeatureKind {
    /// A genre of the movie.
    Genre,
    /// A keyword of the movie.
    Keyword,
    /// A member of the leading cast ([`CAST_FEATURES`]).
    Cast,
    /// A director.
    Director,
    /// The decade of release ([`era`]).
    Era,
}

impl FeatureKind {
    /// Relative weights: who made it and what it is about say more than the shelf it stands on; the era only breaks
    /// ties between otherwise equal movies.
    pub fn weight(self) -> f32 {
        match self {
            Self::Genre => 1.0,
            Self::Keyword => 1.2,
            Self::Cast => 0.8,
            Self::Director => 1.5,
            Self::Era => 0.3,
        }
    }
}

/// Leading cast that counts: beyond the first billing, shared names are coincidence.
pub const CAST_FEATURES: usize = 8;

/// Similar titles kept per movie.
pub const SIMILAR_KEPT: usize = 50;

/// The era feature of a release date.
pub fn era(release_date: NaiveDate) -> i32 {
    decade(release_date)
}
