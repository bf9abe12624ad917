//! Features that make two movies similar, and their weights (DESIGN.md section 4).

use chrono::NaiveDate;

use crate::ratings_by_decade::decade;

/// Kinds of feature. A feature's final weight is the kind's weight times its rarity (inverse document frequency).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FeatureKind {
    /// A genre of the movie.
    Genre,
    /// A keyword of the movie.
    Keyword,
    /// A member of the leading cast; the first [`CAST_FEATURES`] count.
    Cast,
    /// A director.
    Director,
    /// The decade of release, see [`era`].
    Era,
}

impl FeatureKind {
    /// The kind's weight. A movie's makers and keywords weigh more than its genre; the era only breaks ties between
    /// otherwise equal movies.
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

/// Number of leading cast members that count: names billed later coincide by chance.
pub const CAST_FEATURES: usize = 8;

/// Similar titles kept per movie.
pub const SIMILAR_KEPT: usize = 50;

/// The era feature of a release date: the first year of its decade.
pub fn era(release_date: NaiveDate) -> i32 {
    decade(release_date)
}
