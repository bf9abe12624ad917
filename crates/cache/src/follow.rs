//! Applies the change feed to the cache.

use std::sync::Arc;

use storage::changes::Change;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use crate::ResponseCache;
use crate::subject::Failure;

impl<E: Failure> ResponseCache<E> {
    /// Applies changes until the feed closes. Subscribe before the feed starts, so that no change is missed.
    pub async fn follow(self: Arc<Self>, mut changes: Receiver<Change>) {
        loop {
            match changes.recv().await {
                Ok(Change::Generation(family, _)) => self.warm_soon(family),
                Ok(Change::Purged(family)) => self.purge(family),
                Ok(Change::Movies(movies)) => self.touched.movies(&movies),
                Ok(Change::Viewers(viewers)) => self.touched.viewers(&viewers),
                // Promotion bumps the generation of the lists.
                Ok(Change::Model(_)) => {}
                Ok(Change::Everything) | Err(RecvError::Lagged(_)) => self.touched.outdate(),
                Err(RecvError::Closed) => return,
            }
        }
    }
}
