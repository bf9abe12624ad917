//! From a question to an HTTP answer: through the cache, or as a table that is written while it is read.

mod question;
mod reply;

use std::sync::Arc;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use cache::{Compute, Failure, Peek};

use crate::State;
use crate::error::ApiError;
use crate::export;

use question::Asked;

pub use cache::{Live, Visibility};
pub use question::Question;

/// The cache of this API's answers.
pub type ResponseCache = cache::ResponseCache<ApiError>;

impl Failure for ApiError {
    fn is_ours(&self) -> bool {
        ApiError::is_ours(self)
    }
}

/// Answers a question from the cache, or has it computed; as a table where the client wants one.
///
/// # Errors
/// Whatever reading the answer fails with, where the cache has none to return instead.
pub async fn answer<Q: Question>(
    state: &Data<State>,
    request: &HttpRequest,
    question: Q,
) -> Result<HttpResponse, ApiError> {
    if let Some(wanted) = export::wanted(request)?
        && (Q::IS_LIST || wanted.insisted)
    {
        return Ok(question.table(Arc::clone(state), wanted.whole).await?.respond(wanted.format));
    }
    let (subject, cached) = (question.subject()?, question.cached());
    let compute = || Arc::new(Asked::new(question, state)) as Arc<dyn Compute<ApiError>>;
    let answer = if cached {
        state.cache.answer(&subject, reply::wants_fresh(request), compute).await
    } else {
        state.cache.bypass(&subject, compute()).await
    };
    Ok(reply::reply(request, &subject, &answer.map_err(ApiError::Shared)?))
}

/// What this process has cached for a question.
///
/// # Errors
/// A question whose parameters cannot be written as a key.
pub async fn peek<Q: Question>(state: &State, question: &Q) -> Result<Peek, ApiError> {
    Ok(state.cache.peek(&question.subject()?).await)
}
