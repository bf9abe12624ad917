//! Computes movie_recommendations: similar titles by cosine over genres, keywords, cast, director and era.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use chrono::{NaiveDate, Utc};
use domain::MovieId;
use domain::artifacts::Artifact;
use domain::jobs;
use domain::similar::{CAST_FEATURES, FeatureKind, SIMILAR_KEPT, era};
use futures::TryStreamExt;
use rayon::prelude::*;
use recommender::similarity::{Builder, Index};
use serde_json::Value;
use storage::postgres::batch::similar::{self, Similar};
use storage::postgres::catalogue::movies::{self, MovieFeaturesRow};

use super::{Run, publish};
use crate::{JobContext, JobError, Shared, Stop, Stopped};

/// Movies scored and staged per chunk: about 4 MB of rows, and a progress report about every second.
const CHUNK: usize = 2_000;

impl Run for jobs::Similar {
    async fn run(self, _: &Shared, context: &JobContext) -> Result<Value, JobError> {
        run(context, Utc::now().date_naive(), self.force).await
    }
}

async fn run(context: &JobContext, today: NaiveDate, force: bool) -> Result<Value, JobError> {
    publish::staged(context, Artifact::SimilarMovies, today, force, |run| async move {
        let (ids, index) = load(context).await?;
        let (ids, index) = (Arc::new(ids), Arc::new(index));
        let (total, mut rows) = (ids.len(), 0);
        for start in (0..total).step_by(CHUNK) {
            let (ids, index) = (ids.clone(), index.clone());
            let movies = start..(start + CHUNK).min(total);
            let similar = context.blocking(move |stop| score(&ids, &index, movies, stop)).await?;
            let mut tx = context.begin().await?;
            similar::stage(&mut *tx, run, &similar).await?;
            tx.commit().await?;
            rows += similar.len() as u64;
            context.progress((start + CHUNK).min(total) as i64, Some(total as i64), "scoring movies");
        }
        Ok(rows)
    })
    .await
}

/// Maps features to ordinals, in the order of their first occurrence.
#[derive(Default)]
struct Vocabulary {
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

    fn of(&mut self, movie: MovieFeaturesRow, features: &mut Vec<u32>) {
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

/// Reads every movie's features into an index of about 150 bytes per movie. Movies are in id order, so equal scores
/// rank by id.
async fn load(context: &JobContext) -> Result<(Vec<MovieId>, Index), JobError> {
    let (mut ids, mut builder, mut vocabulary) = (Vec::new(), Builder::default(), Vocabulary::default());
    let mut features = Vec::new();
    let mut movies = movies::features(context.pool());
    while let Some(movie) = movies.try_next().await? {
        ids.push(movie.movie_id);
        vocabulary.of(movie, &mut features);
        builder.push(&mut features);
        if ids.len() % 10_000 == 0 {
            context.progress(ids.len() as i64, None, "reading movies");
        }
    }
    let index = context.blocking(move |_| Ok(builder.build(&vocabulary.weights))).await?;
    Ok((ids, index))
}

fn score(ids: &[MovieId], index: &Index, movies: Range<usize>, stop: &Stop) -> Result<Vec<Similar>, Stopped> {
    movies
        .into_par_iter()
        .map_init(
            || index.scratch(),
            |scratch, movie| {
                stop.check()?;
                let titles = index.similar(movie as u32, SIMILAR_KEPT, scratch);
                let titles = titles.into_iter().map(|(other, score)| (ids[other as usize], score.min(1.0))).collect();
                Ok(Similar { movie_id: ids[movie], titles })
            },
        )
        .collect()
}
