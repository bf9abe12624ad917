//! The algorithms that compete for the lists.

use ::recommender::evaluation::{DEPTH, Metric};
use ::recommender::interactions::{Interactions, Row};
use ::recommender::models::{Blend, Ease, Knn, Popularity};
use ::recommender::{Recommender, defaults};
use domain::MovieId;
use query::model::ServingModel;
use serde::{Deserialize, Serialize};

use super::dataset::Tested;
use crate::{Stop, Stopped};

/// The metric that chooses the algorithm and decides at the gate, at the length of the lists.
pub(crate) const DECIDING: Metric = Metric::Ndcg(DEPTH);

/// Viewers scored between two looks at the attempt's end.
const VIEWERS_CHUNK: usize = 200;

/// What computes the lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Algorithm {
    Popularity,
    Knn,
    Ease,
    Als,
    /// EASE, or kNN where there are too many movies for it, with ALS.
    Blend,
}

impl Algorithm {
    /// Every algorithm, the simpler first: of equal ones it wins.
    pub const ALL: [Self; 5] = [Self::Popularity, Self::Knn, Self::Ease, Self::Als, Self::Blend];

    /// As in `models.algorithm`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Popularity => "popularity",
            Self::Knn => "knn",
            Self::Ease => "ease",
            Self::Als => "als",
            Self::Blend => "blend",
        }
    }

    /// The algorithm of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    /// Fits it on `train`; ALS has its vectors in `als`. `None`: EASE, with too many movies and viewers.
    pub fn fit<'a>(
        self,
        train: &Interactions,
        als: &'a dyn Recommender,
        ease_regularisation: f32,
    ) -> Option<Box<dyn Recommender + 'a>> {
        Some(match self {
            Self::Popularity => Box::new(Popularity::new(train)),
            Self::Knn => Box::new(Knn::new(train, defaults::SIMILARITY, defaults::NEIGHBOURS)),
            Self::Ease => Box::new(Ease::new(train, ease_regularisation).ok()?),
            Self::Als => Box::new(als),
            Self::Blend => {
                let ease = Self::Ease.fit(train, als, ease_regularisation);
                let near = match ease {
                    Some(ease) => ease,
                    None => Self::Knn.fit(train, als, ease_regularisation)?,
                };
                let als: Box<dyn Recommender + 'a> = Box::new(als);
                Box::new(Blend::new(vec![(1.0 - defaults::ALS_SHARE, near), (defaults::ALS_SHARE, als)]))
            }
        })
    }

    /// As [`Algorithm::fit`]; ALS where the data has outgrown EASE since the version was trained.
    pub fn fit_or_als<'a>(
        self,
        train: &Interactions,
        als: &'a dyn Recommender,
        ease_regularisation: f32,
    ) -> Box<dyn Recommender + 'a> {
        self.fit(train, als, ease_regularisation).unwrap_or_else(|| Box::new(als))
    }
}

/// Lists of `tested` viewers by a model, best first.
pub(crate) fn lists(model: &dyn Recommender, tested: &Tested, stop: &Stop) -> Result<Vec<Vec<u32>>, Stopped> {
    let mut lists = Vec::with_capacity(tested.viewers.len());
    let viewers = tested.viewers.len();
    for start in (0..viewers).step_by(VIEWERS_CHUNK) {
        stop.check()?;
        let histories = slice(&tested.histories, start..viewers.min(start + VIEWERS_CHUNK));
        let scored = model.recommend(&histories, &histories, DEPTH);
        lists.extend(scored.into_iter().map(|list| list.into_iter().map(|scored| scored.0).collect::<Vec<_>>()));
    }
    Ok(lists)
}

fn slice(rows: &::recommender::Rows, range: std::ops::Range<usize>) -> ::recommender::Rows {
    let (mut offsets, mut columns, mut values) = (vec![0], Vec::new(), Vec::new());
    for row in range {
        let row = rows.row(row);
        columns.extend_from_slice(row.columns);
        values.extend(row.iter().map(|pair| pair.1));
        offsets.push(columns.len());
    }
    ::recommender::Rows::from_parts(offsets, columns, Some(values), rows.width())
}

/// The vectors of another version, over a data set's movies: movies that the version does not know are never
/// recommended.
pub(crate) struct OtherCatalogue<'a> {
    model: &'a ServingModel,
    /// Per movie of the data set its ordinal among the version's trained movies.
    trained: Vec<Option<u32>>,
}

impl<'a> OtherCatalogue<'a> {
    pub fn new(model: &'a ServingModel, movies: &[MovieId]) -> Self {
        Self { model, trained: movies.iter().map(|&movie| model.trained(movie)).collect() }
    }
}

impl Recommender for OtherCatalogue<'_> {
    fn items(&self) -> usize {
        self.trained.len()
    }

    fn score(&self, history: Row<'_>, scores: &mut [f32]) {
        // Both catalogues ascend by movie, so the order of columns stays.
        let known = history.iter().filter_map(|(item, value)| Some((self.trained[item as usize]?, value)));
        let (columns, values): (Vec<u32>, Vec<f32>) = known.unzip();
        let fold_in = self.model.trained_fold_in();
        let vector = fold_in.vector(Row::new(&columns, Some(&values)));
        for (score, trained) in scores.iter_mut().zip(&self.trained) {
            *score = trained.map_or(f32::NEG_INFINITY, |item| fold_in.score(&vector, item as usize));
        }
    }
}
