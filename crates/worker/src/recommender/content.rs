//! Movies' content as features, from which movies without viewers get their vectors.

use std::collections::HashMap;

use domain::MovieId;
use domain::similar::{CAST_FEATURES, FeatureKind, era};
use futures::TryStreamExt;
use recommender::Rows;
use storage::postgres::catalogue::movies::{self, MovieFeaturesRow};

use crate::{JobContext, JobError};

/// Most features: fitting costs their cube. The most frequent ones are kept.
const FEATURES_MAX: usize = 2_000;

/// Fewest movies with a feature: what one movie alone has says nothing about another.
const MOVIES_MIN: usize = 2;

/// One row of features a movie of `known`, which ascends.
pub(crate) async fn read(context: &JobContext, known: &[MovieId]) -> Result<Rows, JobError> {
    let mut ordinals: HashMap<(FeatureKind, String), u32> = HashMap::new();
    let mut counts: Vec<usize> = Vec::new();
    let mut of_movie: Vec<Vec<u32>> = vec![Vec::new(); known.len()];
    let mut stream = movies::features(context.pool());
    while let Some(movie) = stream.try_next().await? {
        let Ok(at) = known.binary_search(&movie.movie_id) else { continue };
        let mut features: Vec<u32> = named(movie)
            .map(|feature| {
                let next = ordinals.len() as u32;
                *ordinals.entry(feature).or_insert(next)
            })
            .collect();
        features.sort_unstable();
        features.dedup();
        counts.resize(ordinals.len(), 0);
        features.iter().for_each(|&feature| counts[feature as usize] += 1);
        of_movie[at] = features;
    }
    Ok(frequent(&of_movie, &counts))
}

fn named(movie: MovieFeaturesRow) -> impl Iterator<Item = (FeatureKind, String)> {
    let of = |kind: FeatureKind, names: Vec<String>| names.into_iter().map(move |name| (kind, name));
    let people = |kind: FeatureKind, ids: Vec<i64>| ids.into_iter().map(move |id| (kind, id.to_string()));
    let era = movie.release_date.map(|date| (FeatureKind::Era, era(date).to_string()));
    of(FeatureKind::Genre, movie.genres)
        .chain(of(FeatureKind::Keyword, movie.keywords))
        .chain(people(FeatureKind::Director, movie.director_ids))
        .chain(people(FeatureKind::Cast, movie.cast_ids.into_iter().take(CAST_FEATURES).collect()))
        .chain(era)
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
