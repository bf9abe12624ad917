//! The path parameter `{genre}`.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use percent_encoding::percent_decode_str;

use super::GenreName;
use crate::error::ApiError;

/// A genre from the path.
pub struct InPath(pub GenreName);

impl FromRequest for InPath {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(parse(request.match_info().query("genre")).map(Self))
    }
}

/// Parses a path segment. actix has decoded most percent escapes already, except those of separators such as `%2F`.
fn parse(segment: &str) -> Result<GenreName, ApiError> {
    let refused = |reason: String| ApiError::invalid("genre", reason);
    let text = percent_decode_str(segment).decode_utf8().map_err(|_| refused("is not UTF-8".to_owned()))?;
    if text.contains('\0') {
        return Err(refused("must not hold a NUL character".to_owned()));
    }
    GenreName::try_from(text.into_owned()).map_err(refused)
}
