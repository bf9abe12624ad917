//! The experiment that runs now, as each process knows it.

use std::convert::Infallible;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use domain::experiments::{Variant, assign};
use domain::viewers::ViewerName;
use serde::{Serialize, Serializer};
use sqlx::PgPool;
use storage::postgres::experiments::{self, Experiment};

/// How often the running experiment is read: one that is started or ended takes effect after this time.
const READ_INTERVAL: Duration = Duration::from_secs(1);

/// The running experiment. While the database is away, the last one known goes on.
#[derive(Debug, Default)]
pub struct RunningExperiment(RwLock<Option<Arc<Experiment>>>);

/// A viewer's part in an experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    pub experiment: String,
    pub variant: Variant,
}

/// As one text, `experiment/variant`, which suffices to tell answers apart: an experiment's definition never changes.
impl Serialize for Assignment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}/{}", self.experiment, self.variant.name))
    }
}

impl RunningExperiment {
    /// The viewer's variant; `None` while no experiment runs.
    pub fn assignment(&self, viewer: &ViewerName) -> Option<Assignment> {
        let experiment = self.0.read().unwrap_or_else(PoisonError::into_inner).clone()?;
        let variant = assign(&experiment.salt, &experiment.variants, viewer)?.clone();
        Some(Assignment { experiment: experiment.name.clone(), variant })
    }

    /// Reads it again and again, for as long as the process runs.
    pub async fn follow(&self, pool: &PgPool) -> Infallible {
        let mut failing = false;
        loop {
            match experiments::running(pool).await {
                Ok(running) => {
                    failing = false;
                    *self.0.write().unwrap_or_else(PoisonError::into_inner) = running.map(Arc::new);
                }
                // Logged once per outage.
                Err(error) if !std::mem::replace(&mut failing, true) => {
                    tracing::warn!(%error, "the running experiment cannot be read; the last one known goes on");
                }
                Err(_) => {}
            }
            tokio::time::sleep(READ_INTERVAL).await;
        }
    }
}
