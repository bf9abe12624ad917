//! The body of every failure: RFC 9457 problem details.

use std::borrow::Cow;

use actix_web::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::INTERNAL;

/// Why a request was not answered.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// A name for the kind of problem; `code` with a prefix.
    #[serde(rename = "type")]
    #[schema(example = "urn:moviemetric:problem:invalid_parameter")]
    kind: String,
    /// The status in words.
    #[schema(example = "Bad Request")]
    title: &'static str,
    #[schema(example = 400)]
    status: u16,
    /// What is wrong, in a sentence.
    #[schema(example = "limit must be a whole number from 1 to 100")]
    detail: String,
    /// Stable: a program may branch on it.
    #[schema(example = "invalid_parameter")]
    code: Cow<'static, str>,
    /// The parameter, header or body field that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "limit")]
    field: Option<String>,
    /// As in the header `X-Request-ID`; the server's log has the same.
    request_id: Option<String>,
}

impl Problem {
    pub const CONTENT_TYPE: &'static str = "application/problem+json";

    pub(super) fn new(status: StatusCode, code: impl Into<Cow<'static, str>>, detail: String) -> Self {
        let code = code.into();
        Self {
            kind: format!("urn:moviemetric:problem:{code}"),
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail,
            code,
            field: None,
            request_id: None,
        }
    }

    /// The problem of an answer that is not ours: actix's own 405, 408 and the like.
    pub fn of_status(status: StatusCode) -> Self {
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            return Self::new(status, "internal_error", INTERNAL.to_owned());
        }
        let title = status.canonical_reason().unwrap_or("Error");
        let detail = match status {
            StatusCode::METHOD_NOT_ALLOWED => "this path takes other methods; Allow lists them".to_owned(),
            StatusCode::SERVICE_UNAVAILABLE => "the answer took too long; try again".to_owned(),
            _ => format!("the request was refused: {}", title.to_lowercase()),
        };
        Self::new(status, title.to_lowercase().replace([' ', '-'], "_"), detail)
    }

    pub(super) fn with_field(mut self, field: Option<&str>) -> Self {
        self.field = field.map(str::to_owned);
        self
    }

    pub fn with_request_id(mut self, request_id: &str) -> Self {
        self.request_id = Some(request_id.to_owned());
        self
    }

    pub fn to_json(&self) -> String {
        // Strings and a number: nothing here can fail to serialise.
        serde_json::to_string(self).unwrap_or_default()
    }
}
