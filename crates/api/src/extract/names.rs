//! The path parameters `{alias}` and `{user_id}`.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use domain::viewers::ViewerName;
use percent_encoding::percent_decode_str;

use crate::error::ApiError;

/// An alias from the path.
pub struct AliasInPath(pub Box<str>);

/// A viewer's name from the path.
pub struct ViewerInPath(pub ViewerName);

impl FromRequest for AliasInPath {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(visible("alias", request).map(|name| Self(name.as_str().into())))
    }
}

impl FromRequest for ViewerInPath {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(visible("user_id", request).map(Self))
    }
}

/// Parses a path segment; aliases and names of viewers have the same characters. actix has decoded most percent escapes
/// already, except those of separators such as `%2F`.
fn visible(field: &'static str, request: &HttpRequest) -> Result<ViewerName, ApiError> {
    let segment = request.match_info().query(field);
    let text = percent_decode_str(segment).decode_utf8().map_err(|_| ApiError::invalid(field, "is not UTF-8"))?;
    text.parse().map_err(|error: domain::viewers::InvalidName| ApiError::invalid(field, error.to_string()))
}
