//! Movies' content as features, from which movies without viewers get their vectors.

use domain::MovieId;
use futures::TryStreamExt;
use recommender::Rows;
use storage::postgres::catalogue::movies;

use crate::features::Vocabulary;
use crate::{JobContext, JobError};

/// Most features: fitting costs their cube. The most frequent ones are kept.
const FEATURES_MAX: usize = 2_000;

/// Fewest movies with a feature: what one movie alone has says nothing about another.
const MOVIES_MIN: usize = 2;

/// One row of features a movie of `known`, which ascends.
pub(crate) async fn read(context: &JobContext, known: &[MovieId]) -> Result<Rows, JobError> {
    let (mut vocabulary, mut features) = (Vocabulary::default(), Vec::new());
    let mut counts: Vec<usize> = Vec::new();
    let mut of_movie: Vec<Vec<u32>> = vec![Vec::new(); known.len()];
    let mut stream = movies::features(context.pool());
    while let Some(movie) = stream.try_next().await? {
        let Ok(at) = known.binary_search(&movie.movie_id) else { continue };
        vocabulary.of(movie, &mut features);
        features.sort_unstable();
        features.dedup();
        counts.resize(vocabulary.weights().len(), 0);
        features.iter().for_each(|&feature| counts[feature as usize] += 1);
        of_movie[at] = features.clone();
    }
    Ok(frequent(&of_movie, &counts))
}

/// Keeps the [`FEATURES_MAX`] most frequent features, earlier ones of equals.
fn frequent(of_movie: &[Vec<u32>], counts: &[usize]) -> Rows {
    let mut kept: Vec<usize> = (0..counts.len()).filter(|&feature| counts[feature] >= MOVIES_MIN).collect();
    kept.sort_by_key(|&feature| std::cmp::Reverse(counts[feature]));
    kept.truncate(FEATURES_MAX);
    kept.sort_unstable();
    let mut place = vec![None; counts.len()];
    kept.iter().zip(0..).for_each(|(&feature, at)| place[feature] = Some(at));
    let (mut offsets, mut columns) = (vec![0], Vec::new());
    for features in of_movie {
        columns.extend(features.iter().filter_map(|&feature| place[feature as usize]));
        offsets.push(columns.len());
    }
    Rows::from_parts(offsets, columns, None, kept.len())
}
