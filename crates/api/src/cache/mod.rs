//! From a question to an HTTP answer: through the cache, or as a table that is written while it is read.

mod question;
mod reply;

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse};
use cache::{Compute, Failure};
use query::{Listing, Question, Reader};

use crate::error::ApiError;
use crate::export::{self, Table};

use question::{Asked, cache_state, subject};

/// The cache of this API's answers.
pub type ResponseCache = cache::ResponseCache<ApiError>;

impl Failure for ApiError {
    fn is_ours(&self) -> bool {
        ApiError::is_ours(self)
    }
}

/// Answers requests: a handler makes a question of one and hands it on.
pub struct Answers {
    cache: Arc<ResponseCache>,
    reader: Arc<Reader>,
}

impl Answers {
    pub fn new(cache: Arc<ResponseCache>, reader: Arc<Reader>) -> Self {
        Self { cache, reader }
    }

    /// Answers a question that is not a list.
    ///
    /// # Errors
    /// A table is asked for by `format=`; else as [`Answers::list`].
    pub async fn one<Q: Question>(&self, request: &HttpRequest, question: Q) -> Result<HttpResponse, ApiError> {
        // A preference in `Accept` is not an order.
        if export::wanted(request)?.is_some_and(|wanted| wanted.insisted) {
            return Err(ApiError::invalid("format", "must be json: this answer is not a list"));
        }
        self.json(request, question).await
    }

    /// Answers a question for a list: from the cache as JSON, or as a table where the client wants one.
    ///
    /// # Errors
    /// Whatever reading the answer fails with, where the cache has none to return instead.
    pub async fn list<L: Listing>(&self, request: &HttpRequest, list: L) -> Result<HttpResponse, ApiError> {
        let Some(wanted) = export::wanted(request)? else { return self.json(request, list).await };
        let rows = list.export(self.reader.clone(), wanted.whole).await?;
        Ok(Table::of_rows(L::TABLE, L::COLUMNS, rows).respond(wanted.format))
    }

    async fn json<Q: Question>(&self, request: &HttpRequest, question: Q) -> Result<HttpResponse, ApiError> {
        let (subject, explain) = (subject(&question)?, question.explain());
        let answer = if explain {
            let kept = cache_state(self.cache.peek(&subject).await);
            self.cache.bypass(&subject, Arc::new(Asked::explained(question, &self.reader, kept))).await
        } else {
            let compute = || Arc::new(Asked::new(question, &self.reader)) as Arc<dyn Compute<ApiError>>;
            self.cache.answer(&subject, reply::wants_fresh(request), compute).await
        };
        Ok(reply::reply(request, &subject, &answer.map_err(ApiError::Shared)?))
    }
}
