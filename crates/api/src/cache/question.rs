//! What can be asked, and asked again.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use cache::{Compute, Live, Subject, Visibility};
use domain::artifacts::CacheFamily;
use futures::future::BoxFuture;
use serde::Serialize;

use crate::State;
use crate::error::ApiError;
use crate::export::Table;

/// A question with every default filled in. It names itself for the cache and knows how it is answered, so that the
/// cache can ask it again by itself: before its time is over, and after a run was published.
pub trait Question: Send + Sync + 'static {
    type Body: Serialize + Send;

    /// What makes answers to it obsolete; also the group of its time to live.
    const FAMILY: CacheFamily;

    /// Canonical path with normalised parameters: equal for two questions that mean the same.
    fn key(&self) -> Result<String, ApiError>;

    /// Which live facts the answer counts.
    fn live(&self) -> Live {
        Live::Nothing
    }

    /// Who may see the answer.
    fn visibility(&self) -> Visibility {
        Visibility::Public
    }

    /// What the cache knows it as.
    ///
    /// # Errors
    /// Parameters that cannot be written as a key.
    fn subject(&self) -> Result<Subject, ApiError> {
        Ok(Subject::new(Self::FAMILY, &self.key()?, self.live(), self.visibility()))
    }

    /// Whether its answers are kept. One that is not is computed for everybody who asks; so its key is free to be that of
    /// the question which it explains.
    fn cached(&self) -> bool {
        true
    }

    /// The answer, computed.
    fn read(&self, state: &State) -> impl Future<Output = Result<Self::Body, ApiError>> + Send;

    /// Whether the answer is a list, and can be had as a table.
    const IS_LIST: bool = false;

    /// The answer as a table: of the whole list, or of the page asked for.
    fn table(self, _state: Arc<State>, _whole: bool) -> impl Future<Output = Result<Table, ApiError>> + Send
    where
        Self: Sized,
    {
        std::future::ready(Err(ApiError::invalid("format", "must be json: this answer is not a list")))
    }
}

/// A question and who answers it, for the cache to ask again.
pub struct Asked<Q> {
    question: Q,
    /// Weak, since the state owns the cache, and the cache its questions.
    state: Weak<State>,
}

impl<Q: Question> Asked<Q> {
    pub fn new(question: Q, state: &Arc<State>) -> Self {
        Self { question, state: Arc::downgrade(state) }
    }
}

impl<Q: Question> Compute<ApiError> for Asked<Q> {
    // Boxed: queries make futures of kilobytes, and actix moves a handler's future several times.
    fn compute(&self) -> BoxFuture<'_, Result<Bytes, ApiError>> {
        Box::pin(async move {
            let state = self.state.upgrade().ok_or_else(|| ApiError::Internal("the API is stopping".into()))?;
            let body = self.question.read(&state).await?;
            let bytes = serde_json::to_vec(&body).map_err(|error| ApiError::Internal(error.to_string().into()))?;
            Ok(Bytes::from(bytes))
        })
    }
}
