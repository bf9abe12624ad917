//! Reads both layers in one snapshot. Between two separate reads a run could be published and the hours that it covers
//! be dropped, and the answer would have a gap.

mod numbers;
mod pages;

use domain::MovieId;
use domain::artifacts::Artifact;
use domain::hours::Hour;
use domain::sentiment::Tally;
use sqlx::PgPool;

use super::artifacts::{self, Head};
use super::speed::SpeedRow;
use super::{batch, speed};
use crate::StorageError;

pub use numbers::numbers;
pub use pages::{MergedMovie, MovieLayers, pages};

/// Hours of both layers, which [`domain::merge::merge`] combines.
#[derive(Debug, Clone)]
pub struct Layers<T> {
    /// The batch layer's published run; `None` where no run was ever published.
    pub head: Option<Head>,
    pub batch: Vec<(Hour, T)>,
    pub speed: Vec<SpeedRow<T>>,
}

/// A movie's sentiment by hour, from `from` on.
pub async fn sentiment(pool: &PgPool, movie: MovieId, from: Hour) -> Result<Layers<Tally>, StorageError> {
    let mut tx = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let head = artifacts::head(&mut *tx, Artifact::BatchSentimentHourly).await?;
    let batch = match &head {
        Some(head) => batch::sentiment::hours(&mut *tx, head.run_id, movie, from).await?,
        None => Vec::new(),
    };
    let speed = speed::sentiment_hours(&mut *tx, movie, from).await?;
    tx.commit().await?;
    Ok(Layers { head, batch, speed })
}
