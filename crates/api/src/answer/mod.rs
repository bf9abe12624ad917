//! Answers a question over HTTP: as JSON through the cache, or as a table that is streamed while it is read.

mod question;
mod reply;

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse};
use cache::Failure;
use query::{Listing, Question, Reader};

use crate::error::ApiError;
use crate::export::{self, Table};

use question::{Asked, cache_state, subject};

/// The response cache, with this API's error type.
pub type ResponseCache = cache::ResponseCache<ApiError>;

impl Failure for ApiError {
    fn is_ours(&self) -> bool {
        ApiError::is_ours(self)
    }
}

/// Answers requests. A handler parses a request into a question and passes it here.
pub struct Answers {
    cache: Arc<ResponseCache>,
    reader: Arc<Reader>,
}

impl Answers {
    /// Creates the answering side of the API from its two parts.
    pub fn new(cache: Arc<ResponseCache>, reader: Arc<Reader>) -> Self {
        Self { cache, reader }
    }

    /// Answers a question whose answer is not a list.
    ///
    /// # Errors
    /// The request has `format=csv` or `format=ndjson`; otherwise as [`Answers::list`].
    pub async fn one<Q: Question>(&self, request: &HttpRequest, question: Q) -> Result<HttpResponse, ApiError> {
        // `Accept` only expresses a preference, so a table format there is ignored.
        if export::wanted(request)?.is_some_and(|wanted| wanted.insisted) {
            return Err(ApiError::invalid("format", "must be json: this answer is not a list"));
        }
        self.json(request, question).await
    }

    /// Answers a question for a list: as JSON through the cache, or as a table if the client requests one.
    ///
    /// # Errors
    /// Reading failed and the cache has no older answer to serve instead.
    pub async fn list<L: Listing>(&self, request: &HttpRequest, list: L) -> Result<HttpResponse, ApiError> {
        let Some(wanted) = export::wanted(request)? else { return self.json(request, list).await };
        let rows = list.export(self.reader.clone(), wanted.whole).await?;
        Ok(Table::of_rows(L::TABLE, L::COLUMNS, rows).respond(wanted))
    }

    async fn json<Q: Question>(&self, request: &HttpRequest, question: Q) -> Result<HttpResponse, ApiError> {
        let (subject, explain, fresh) = (subject(&question)?, question.explain(), reply::wants_fresh(request));
        if !explain
            && !fresh
            && let Some(hit) = self.cache.hit(&subject).await
        {
            return Ok(reply::reply(request, &subject, &hit, Q::from_cache));
        }
        // Boxed, because actix moves a handler's future several times, and most requests end above.
        let answer = if explain {
            let kept = cache_state(self.cache.peek(&subject).await);
            Box::pin(self.cache.bypass(&subject, Arc::new(Asked::explained(question, &self.reader, kept)))).await
        } else {
            Box::pin(self.cache.answer(&subject, fresh, Arc::new(Asked::new(question, &self.reader)))).await
        };
        Ok(reply::reply(request, &subject, &answer.map_err(ApiError::Shared)?, Q::from_cache))
    }
}
