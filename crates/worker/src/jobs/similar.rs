//! Computes movie_recommendations: similar titles by cosine over genres, keywords, cast, director and era.

use std::ops::Range;
use std::sync::Arc;

use chrono::{NaiveDate, Utc};
use domain::MovieId;
use domain::artifacts::Artifact;
use domain::jobs;
use domain::similar::SIMILAR_KEPT;
use futures::TryStreamExt;
use rayon::prelude::*;
use recommender::similarity::{Builder, Index};
use serde_json::Value;
use storage::postgres::batch::similar::{self, Similar};
use storage::postgres::catalogue::movies;

use super::{Run, publish};
use crate::features::Vocabulary;
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
    let index = context.blocking(move |_| Ok(builder.build(vocabulary.weights()))).await?;
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
