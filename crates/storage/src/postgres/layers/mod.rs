//! What both layers hold of a movie, read in one snapshot: between two reads a run could be published and the hours that
//! it took over be dropped, and the answers would have a gap between them.

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

pub use pages::{MergedMovie, MovieLayers, pages};

/// Hours of both layers, for [`domain::merge::merge`] to choose from.
#[derive(Debug, Clone)]
pub struct Layers<T> {
    /// The batch layer's published run; `None` where none ever was.
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
