//! What a movie is made of, as features: genres, keywords, directors, cast and era. Similar titles and the vectors of movies
//! without viewers are computed from them.

use std::collections::HashMap;

use domain::similar::{CAST_FEATURES, FeatureKind, era};
use storage::postgres::catalogue::movies::MovieFeaturesRow;

/// Maps features to ordinals, in the order of their first occurrence.
#[derive(Default)]
pub(crate) struct Vocabulary {
    ordinals: HashMap<(FeatureKind, Name), u32>,
    weights: Vec<f32>,
}

#[derive(PartialEq, Eq, Hash)]
enum Name {
    Word(Box<str>),
    Number(i64),
}

impl Vocabulary {
    fn ordinal(&mut self, kind: FeatureKind, name: Name) -> u32 {
        *self.ordinals.entry((kind, name)).or_insert_with(|| {
            self.weights.push(kind.weight());
            (self.weights.len() - 1) as u32
        })
    }

    /// The weight of each feature, by ordinal ([`FeatureKind::weight`]).
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// Writes the ordinals of the movie's features to `features`, in no order; a feature may be there twice.
    pub fn of(&mut self, movie: MovieFeaturesRow, features: &mut Vec<u32>) {
        let word = |word: String| Name::Word(word.into_boxed_str());
        features.clear();
        features.extend(movie.genres.into_iter().map(|g| self.ordinal(FeatureKind::Genre, word(g))));
        features.extend(movie.keywords.into_iter().map(|k| self.ordinal(FeatureKind::Keyword, word(k))));
        features.extend(movie.director_ids.into_iter().map(|p| self.ordinal(FeatureKind::Director, Name::Number(p))));
        let cast = movie.cast_ids.into_iter().take(CAST_FEATURES);
        features.extend(cast.map(|p| self.ordinal(FeatureKind::Cast, Name::Number(p))));
        let date = movie.release_date;
        features.extend(date.map(|date| self.ordinal(FeatureKind::Era, Name::Number(i64::from(era(date))))));
    }
}
