//! The cache's part of the change feed.

use std::sync::Arc;

use storage::changes::Change;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use crate::ResponseCache;
use crate::subject::Failure;

impl<E: Failure> ResponseCache<E> {
    /// Follows the change feed for as long as it lives. Subscribe before the feed is followed, so that nothing is missed.
    pub async fn follow(self: Arc<Self>, mut changes: Receiver<Change>) {
        loop {
            match changes.recv().await {
                Ok(Change::Generation(family, _)) => self.warm_soon(family),
                Ok(Change::Purged(family)) => self.purge(family),
                Ok(Change::Movies(movies)) => self.touched.movies(&movies),
                Ok(Change::Everything) | Err(RecvError::Lagged(_)) => self.touched.outdate(),
                Err(RecvError::Closed) => return,
            }
        }
    }
}
